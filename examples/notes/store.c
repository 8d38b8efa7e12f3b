/*
 * Notes in PostgreSQL. Values go beside the statement, never into it. Results are the request's memory, so a note's
 * texts are where libpq has put them, and nothing is copied.
 *
 * SPDX-License-Identifier: MIT
 */
#include "store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <weir-pg.h>

/* What read_note() reads, in its order. */
#define COLUMNS "id, version, text, link, title, to_char(created AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"

/* A number as a parameter. */
struct number {
    char text[24];
};

static const char *number(struct number *n, int64_t value)
{
    snprintf(n->text, sizeof n->text, "%" PRId64, value);
    return n->text;
}

/* Runs a statement. What has gone wrong is for the log; clients are told by the error's number alone. */
static int run(weir_ctx *c, weir_pg *pg, PGresult **result, const char *sql, int count, const char *const *params)
{
    int error = weir_pg_query(c, pg, result, sql, count, params);
    if (error && error != WEIR_ECLOSED)
        fprintf(stderr, "store: %s: %s\n", weir_strerror(error), weir_pg_error(c));
    return error;
}

static const char *column(const PGresult *result, int row, int at)
{
    return PQgetisnull(result, row, at) ? NULL : PQgetvalue(result, row, at);
}

static void read_note(const PGresult *result, int row, struct note *note)
{
    *note = (struct note){
        .id = strtoll(PQgetvalue(result, row, 0), NULL, 10),
        .version = strtoll(PQgetvalue(result, row, 1), NULL, 10),
        .text = column(result, row, 2),
        .link = column(result, row, 3),
        .title = column(result, row, 4),
        .created = column(result, row, 5),
    };
}

/* Runs a statement that gives one note, or none: WEIR_ENOENT. */
static int run_for_note(weir_ctx *c, weir_pg *pg, struct note *note, const char *sql, int count,
                        const char *const *params)
{
    PGresult *result;
    int error = run(c, pg, &result, sql, count, params);
    if (!error && PQntuples(result) == 0)
        error = WEIR_ENOENT;
    if (!error)
        read_note(result, 0, note);
    return error;
}

/* Runs a statement that changes rows, and tells of how many. */
static int run_for_count(weir_ctx *c, weir_pg *pg, int *changed, const char *sql, int count, const char *const *params)
{
    PGresult *result;
    int error = run(c, pg, &result, sql, count, params);
    *changed = error ? 0 : (int)strtol(PQcmdTuples(result), NULL, 10);
    return error;
}

static int add(weir_ctx *c, void *data, struct note *note)
{
    return run_for_note(c, data, note, "INSERT INTO notes (text, link) VALUES ($1, $2) RETURNING " COLUMNS, 2,
                        (const char *[]){note->text, note->link});
}

static int find(weir_ctx *c, void *data, int64_t id, struct note *note)
{
    struct number n;
    return run_for_note(c, data, note, "SELECT " COLUMNS " FROM notes WHERE id = $1", 1,
                        (const char *[]){number(&n, id)});
}

static int list(weir_ctx *c, void *data, int64_t after, int size, struct note *notes, int *count)
{
    struct number from, most;
    PGresult *result;
    *count = 0;
    int error = run(c, data, &result, "SELECT " COLUMNS " FROM notes WHERE id > $1 ORDER BY id LIMIT $2", 2,
                    (const char *[]){number(&from, after), number(&most, size)});
    if (error)
        return error;
    for (; *count < PQntuples(result); (*count)++)
        read_note(result, *count, &notes[*count]);
    return 0;
}

static int change(weir_ctx *c, void *data, int64_t version, struct note *note)
{
    struct number id, old;
    struct note now;
    int64_t which = note->id;
    int error = run_for_note(c, data, note,
                             "UPDATE notes SET text = $2, link = $3, title = NULL, version = version + 1"
                             " WHERE id = $1 AND ($4::bigint = 0 OR version = $4) RETURNING " COLUMNS,
                             4, (const char *[]){number(&id, which), note->text, note->link, number(&old, version)});
    if (error == WEIR_ENOENT && version && find(c, data, which, &now) == 0)
        error = WEIR_ECONDITION;
    return error;
}

static int remove_note(weir_ctx *c, void *data, int64_t id)
{
    struct number n;
    int removed;
    int error =
        run_for_count(c, data, &removed, "DELETE FROM notes WHERE id = $1", 1, (const char *[]){number(&n, id)});
    return error || removed ? error : WEIR_ENOENT;
}

static int set_title(weir_ctx *c, void *data, int64_t id, const char *link, const char *title)
{
    struct number n;
    int changed;
    return run_for_count(c, data, &changed,
                         "UPDATE notes SET title = $3, version = version + 1 WHERE id = $1 AND link = $2", 3,
                         (const char *[]){number(&n, id), link, title});
}

static int expire(weir_ctx *c, void *data, int keep_s, int *count)
{
    struct number seconds;
    return run_for_count(c, data, count,
                         "DELETE FROM notes WHERE id IN (SELECT id FROM notes"
                         " WHERE created < now() - $1::bigint * interval '1 second' LIMIT 1000)",
                         1, (const char *[]){number(&seconds, keep_s)});
}

static int ping(weir_ctx *c, void *data)
{
    return run(c, data, NULL, "SELECT 1", 0, NULL);
}

struct store store_postgres(weir_pg *pg)
{
    return (struct store){
        .data = pg,
        .add = add,
        .find = find,
        .list = list,
        .change = change,
        .remove = remove_note,
        .set_title = set_title,
        .expire = expire,
        .ping = ping,
    };
}
