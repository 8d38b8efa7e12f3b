/*
 * A server for the wire tests of the adapter of PostgreSQL. `pg CONNINFO NAME=NUMBER...` takes members of
 * weir_pg_config and of weir_config. Replies are "ERROR SQLSTATE ..." where not said otherwise.
 *
 * SPDX-License-Identifier: MIT
 */
#include "serving.h"

#include <weir-pg.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static weir_pg *database;

/* What may be asked for: rows as lines, columns with a bar between, NULL as "~". */
static void reply_rows(weir_ctx *c, int error, const PGresult *result)
{
    char text[4096];
    size_t len = 0;
    for (int row = 0; result && row < PQntuples(result); row++)
        for (int column = 0; column < PQnfields(result); column++) {
            const char *value = PQgetisnull(result, row, column) ? "~" : PQgetvalue(result, row, column);
            int more = snprintf(text + len, sizeof text - len, "%s%s", value,
                                column + 1 < PQnfields(result) ? "|"
                                : row + 1 < PQntuples(result)  ? "\n"
                                                               : "");
            len = more > 0 && (size_t)more < sizeof text - len ? len + (size_t)more : len;
        }
    weir_reply_printf(c, "text/plain", "%d %s %s%.*s", error, *weir_pg_sqlstate(c) ? weir_pg_sqlstate(c) : "-",
                      error ? weir_pg_error(c) : "", (int)len, text);
}

/* ?sql=...&1=...&2=...: one of NULL has no value. */
static void query(weir_ctx *c)
{
    PGresult *result;
    const char *parameters[2] = {weir_query(c, "1"), weir_query(c, "2")};
    int64_t count = 0;
    (void)weir_query_int(c, "count", 0, 2, &count);
    if (weir_query(c, "deadline"))
        weir_set_deadline(c, 300);
    if (weir_query(c, "stop"))
        weir_stop_ends_waits(c, true);
    int error = weir_pg_query(c, database, &result, weir_query(c, "sql"), (int)count, parameters);
    reply_rows(c, error, result);
}

/* Its own number, by the database: what a client gets must be what it asked for. */
static void number(weir_ctx *c)
{
    PGresult *result;
    const char *parameters[] = {weir_query(c, "n")};
    weir_set_deadline(c, 2000);
    int error = weir_pg_query(c, database, &result, "SELECT $1::int", 1, parameters);
    if (error)
        weir_reply_error(c, 503, weir_pg_error(c));
    else
        weir_reply(c, "text/plain", PQgetvalue(result, 0, 0), strlen(PQgetvalue(result, 0, 0)));
}

/* ?n=NUMBER&times=NUMBER: so many, one after the other. */
static void numbers(weir_ctx *c)
{
    int64_t times = 1, good = 0;
    (void)weir_query_int(c, "times", 1, 1000000, &times);
    for (int64_t i = 0; i < times; i++) {
        PGresult *result;
        const char *parameters[] = {"42"};
        if (weir_pg_query(c, database, &result, "SELECT $1::int", 1, parameters) == 0)
            good += strcmp(PQgetvalue(result, 0, 0), "42") == 0;
        weir_pg_clear(c, result);
    }
    weir_reply_printf(c, "text/plain", "%" PRId64, good);
}

/* ?n=NUMBER&leave=NUMBER&how=put: as many rows as n, streamed; after `leave` of them no more are read. */
static void rows(weir_ctx *c)
{
    weir_pg_conn *conn;
    const PGresult *row;
    const char *parameters[] = {weir_query(c, "n")};
    int64_t leave = -1, seen = 0;
    (void)weir_query_int(c, "leave", 0, INT64_MAX, &leave);
    int error = weir_pg_get(c, database, &conn);
    if (!error)
        error = weir_pg_rows(c, conn, "SELECT i, repeat('x', 100) FROM (SELECT generate_series(1, $1::bigint) i) s", 1,
                             parameters);
    weir_set_header(c, "Content-Type", "text/plain");
    while (!error && seen != leave) {
        int got = weir_pg_next(c, conn, &row);
        if (got <= 0) {
            error = got;
            break;
        }
        seen++;
        error = weir_printf(c, "%s %s\n", PQgetvalue(row, 0, 0), PQgetvalue(row, 0, 1));
    }
    if (weir_query(c, "how"))
        weir_pg_put(c, conn);
    weir_printf(c, "end %d %" PRId64 "\n", error, seen);
}

/* ?how=: what ends a transaction that has put a row into a table. */
static void transaction(weir_ctx *c)
{
    weir_pg_conn *conn;
    const char *how = weir_query(c, "how");
    int error = weir_pg_begin(c, database, &conn);
    if (!error)
        error = weir_pg_exec(c, conn, NULL, "INSERT INTO things (name) VALUES ($1)", 1, &how);
    if (error)
        weir_fail(c, 503, "no transaction");
    if (strcmp(how, "commit") == 0)
        error = weir_pg_commit(c, conn);
    else if (strcmp(how, "put") == 0)
        weir_pg_put(c, conn);
    else if (strcmp(how, "fail") == 0)
        weir_fail(c, 500, "in a transaction");
    else if (strcmp(how, "wrong") == 0) {
        (void)weir_pg_exec(c, conn, NULL, "SELECT 1 / 0", 0, NULL);
        error = weir_pg_commit(c, conn);
    } else if (strcmp(how, "abandon") == 0)
        for (;; (void)weir_sleep(c, 1)) /* until it is ended */
            (void)weir_pg_exec(c, conn, NULL, "SELECT pg_sleep(0.01)", 0, NULL);
    reply_rows(c, error, NULL);
}

/* A query that takes too long by query_ms, and what the same request can do then. */
static void after(weir_ctx *c)
{
    PGresult *result;
    int first = weir_pg_query(c, database, NULL, "SELECT pg_sleep(60)", 0, NULL);
    int second = weir_pg_query(c, database, &result, "SELECT 7", 0, NULL);
    weir_reply_printf(c, "text/plain", "%d %d %s", first, second, result ? PQgetvalue(result, 0, 0) : "-");
}

static void show(weir_ctx *c)
{
    weir_pg_counts n;
    weir_pg_get_counts(database, &n);
    weir_reply_printf(c, "application/json",
                      "{\"queries\":%" PRIu64 ",\"failed\":%" PRIu64 ",\"prepared\":%" PRIu64 ",\"cancelled\":%" PRIu64
                      ",\"healed\":%" PRIu64 ",\"dropped\":%" PRIu64 "}",
                      n.queries, n.failed, n.prepared, n.cancelled, n.healed, n.dropped);
}

static int *member_of(const char *name, size_t len, weir_pg_config *pg, weir_config *server)
{
    const struct {
        const char *name;
        int *value;
    } members[] = {
        {"max", &pg->max},
        {"max_waiting", &pg->max_waiting},
        {"wait_ms", &pg->wait_ms},
        {"idle_ms", &pg->idle_ms},
        {"check_idle_ms", &pg->check_idle_ms},
        {"backoff_min_ms", &pg->backoff_min_ms},
        {"backoff_max_ms", &pg->backoff_max_ms},
        {"shared", &pg->shared},
        {"connect_ms", &pg->connect_ms},
        {"query_ms", &pg->query_ms},
        {"cancel_ms", &pg->cancel_ms},
        {"statements", &pg->statements},
        {"workers", &server->workers},
        {"handler_timeout_ms", &server->handler_timeout_ms},
        {"stop_timeout_ms", &server->stop_timeout_ms},
    };
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        if (strlen(members[i].name) == len && strncmp(members[i].name, name, len) == 0)
            return members[i].value;
    return NULL;
}

int main(int count, char **arguments)
{
    char why[160] = "";
    weir_config config = {.port = WEIR_ANY, .workers = 1};
    weir_pg_config pg = {.conninfo = count > 1 ? arguments[1] : "", .why = why, .why_size = sizeof why};
    for (int i = 2; i < count; i++) {
        size_t len = strcspn(arguments[i], "=");
        int *value = member_of(arguments[i], len, &pg, &config);
        if (!value || !arguments[i][len]) {
            fprintf(stderr, "%s: not known\n", arguments[i]);
            return 2;
        }
        *value = (int)strtol(arguments[i] + len + 1, NULL, 10);
    }
    weir_server *s = weir_server_new(&config);
    database = weir_pg_new(s, &pg);
    if (!database) {
        fprintf(stderr, "%s\n", why);
        weir_server_free(s);
        return 2;
    }
    weir_get(s, "/query", query);
    weir_get(s, "/number", number);
    weir_get(s, "/numbers", numbers);
    weir_get(s, "/rows", rows);
    weir_get(s, "/transaction", transaction);
    weir_get(s, "/after", after);
    weir_get(s, "/counts", show);
    weir_get(s, "/ledger", weir_ledger_json);
    int status = serve(s);
    weir_pg_free(database);
    return status;
}
