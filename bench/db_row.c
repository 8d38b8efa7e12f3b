/*
 * weir as bench/tables/db.py measures it: a row of PostgreSQL by its key, by the adapter, with a pool of 32 connections
 * and one worker. Which database: the environment says (PGHOST and its kin).
 *
 *     db_row PORT
 *
 * SPDX-License-Identifier: MIT
 */
#include <stdio.h>
#include <stdlib.h>

#include <weir-pg.h>

struct app {
    weir_pg *database;
};

static void hello(weir_ctx *c)
{
    static const char text[] = "Hello, World!";
    weir_reply_static(c, "text/plain", text, sizeof(text) - 1);
}

static void row(weir_ctx *c)
{
    const struct app *app = weir_server_data(c);
    PGresult *found;
    const char *parameters[] = {weir_param(c, "id")};
    int error = weir_pg_query(c, app->database, &found, "SELECT id, name FROM things WHERE id = $1", 1, parameters);
    if (error || PQntuples(found) != 1) {
        weir_reply_error(c, error ? 503 : 404, "no row");
        return;
    }
    weir_reply_printf(c, "application/json", "{\"id\":%s,\"name\":%s}", PQgetvalue(found, 0, 0),
                      weir_json_string(c, PQgetvalue(found, 0, 1)));
}

int main(int argc, char **argv)
{
    struct app app = {0};
    if (argc != 2)
        return fprintf(stderr, "usage: db_row PORT\n"), 2;
    weir_server *s = weir_server_new(&(weir_config){.host = "127.0.0.1",
                                                    .port = (int)strtol(argv[1], NULL, 10),
                                                    .workers = 1,
                                                    .http_buffer_size = 8192,
                                                    .server_data = &app});
    app.database = weir_pg_new(s, &(weir_pg_config){.max = 32, .max_waiting = WEIR_OFF});
    weir_get(s, "/", hello);
    weir_get(s, "/row/{id}", row);
    int error = weir_run(s);
    weir_server_free(s);
    weir_pg_free(app.database);
    return error ? 1 : 0;
}
