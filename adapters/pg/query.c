/*
 * A query: sent, waited for, and read to its end.
 *
 * SPDX-License-Identifier: MIT
 */
#include "internal.h"

#include <limits.h>
#include <string.h>

/* ---- Waiting ---- */

int64_t pg_end_of(int ms)
{
    return ms > 0 ? pg_now_ms() + ms : 0;
}

static int await(weir_ctx *c, struct weir_pg_conn *conn, int events, int64_t end_ms)
{
    int64_t left = 0;
    if (end_ms > 0) {
        left = end_ms - pg_now_ms();
        if (left <= 0)
            return WEIR_ETIMEDOUT;
    }
    int got = weir_fd_wait(c, conn->ready, events, left < INT_MAX ? (int)left : INT_MAX);
    conn->left |= got == WEIR_ECLOSED || got == WEIR_ECANCELED;
    return got;
}

int pg_link_break(weir_ctx *c, struct weir_pg_conn *conn)
{
    conn->state = PG_LINK_BROKEN;
    const char *text = PQerrorMessage(conn->handle);
    pg_request_tell(c, *text ? text : "the connection to the database broke");
    return WEIR_EREACH;
}

int pg_link_sent(weir_ctx *c, struct weir_pg_conn *conn, int sent)
{
    if (!sent)
        return pg_link_break(c, conn);
    conn->state = PG_LINK_BUSY;
    conn->error = 0;
    return 0;
}

/* Until PQgetResult() does not block. What libpq could not send yet goes out meanwhile. */
static int await_answer(weir_ctx *c, struct weir_pg_conn *conn, int64_t end_ms)
{
    while (PQisBusy(conn->handle)) {
        int left = PQflush(conn->handle);
        if (left < 0)
            return pg_link_break(c, conn);
        int got = await(c, conn, left ? WEIR_READABLE | WEIR_WRITABLE : WEIR_READABLE, end_ms);
        if (got < 0)
            return got;
        if ((got & WEIR_READABLE) && !PQconsumeInput(conn->handle))
            return pg_link_break(c, conn);
    }
    return 0;
}

/* ---- Reading ---- */

void pg_link_clear(struct weir_pg_conn *conn)
{
    PQclear(conn->part);
    PQclear(conn->answer);
    conn->part = conn->answer = NULL;
}

int pg_link_read(weir_ctx *c, struct weir_pg_conn *conn, int64_t end_ms)
{
    PQclear(conn->part);
    conn->part = NULL;
    int error = await_answer(c, conn, end_ms);
    if (error)
        return error;
    conn->part = PQgetResult(conn->handle);
    if (PQstatus(conn->handle) == CONNECTION_BAD)
        return pg_link_break(c, conn);
    if (!conn->part) {
        conn->state = PG_LINK_READY;
        return 0;
    }
    switch (PQresultStatus(conn->part)) {
    case PGRES_TUPLES_OK:
    case PGRES_SINGLE_TUPLE:
    case PGRES_COMMAND_OK:
    case PGRES_EMPTY_QUERY:
        return 0;
    case PGRES_COPY_IN:
    case PGRES_COPY_OUT:
    case PGRES_COPY_BOTH:
        conn->state = PG_LINK_BROKEN; /* nothing else could be said on it */
        pg_request_tell(c, "COPY is not for the adapter");
        return WEIR_EINVAL;
    default:
        conn->error = pg_request_tell_result(c, conn->part);
        atomic_fetch_add_explicit(&conn->pg->failed, 1, memory_order_relaxed);
        return 0;
    }
}

int pg_link_finish(weir_ctx *c, struct weir_pg_conn *conn, int64_t end_ms)
{
    pg_link_clear(conn);
    for (;;) {
        int error = pg_link_read(c, conn, end_ms);
        if (error || !conn->part)
            return error ? error : conn->error;
        PQclear(conn->answer);
        conn->answer = conn->part;
        conn->part = NULL;
    }
}

int pg_link_run(weir_ctx *c, struct weir_pg_conn *conn, const char *sql, int64_t end_ms)
{
    int error = pg_link_sent(c, conn, PQsendQuery(conn->handle, sql));
    if (!error)
        error = pg_link_finish(c, conn, end_ms);
    pg_link_clear(conn);
    return error;
}

/* ---- Statements with parameters ---- */

static int may_begin(weir_ctx *c, const struct weir_pg_conn *conn, const char *sql, int count,
                     const char *const *params)
{
    if (!conn || !sql || count < 0 || count > 65535 || (count > 0 && !params))
        return WEIR_EINVAL;
    if (conn->state == PG_LINK_READY)
        return 0;
    pg_request_tell(c, conn->state == PG_LINK_BUSY ? "rows are left to be read" : "the connection is broken");
    return conn->state == PG_LINK_BUSY ? WEIR_EBUSY : WEIR_EREACH;
}

static int send(weir_ctx *c, struct weir_pg_conn *conn, const struct pg_statement *statement, const char *sql,
                int count, const char *const *params)
{
    char name[16];
    int sent;
    atomic_fetch_add_explicit(&conn->pg->queries, 1, memory_order_relaxed);
    if (statement) {
        pg_statement_name(statement, name);
        sent = PQsendQueryPrepared(conn->handle, name, count, params, NULL, NULL, 0);
    } else {
        sent = PQsendQueryParams(conn->handle, sql, count, NULL, params, NULL, NULL, 0);
    }
    return pg_link_sent(c, conn, sent);
}

/* The database has dropped the statement (DISCARD ALL, or a proxy between), or its columns have changed: nothing has
 * been run. */
static bool is_stale(weir_ctx *c, const struct weir_pg_conn *conn)
{
    const char *sqlstate = weir_pg_sqlstate(c);
    return conn->state == PG_LINK_READY && PQtransactionStatus(conn->handle) == PQTRANS_IDLE &&
           (strcmp(sqlstate, "26000") == 0 || strcmp(sqlstate, "0A000") == 0);
}

static int run(weir_ctx *c, struct weir_pg_conn *conn, const char *sql, int count, const char *const *params)
{
    const struct pg_statement *statement = NULL;
    int64_t end_ms = pg_end_of(conn->pg->query_ms);
    int error = pg_statement_find(c, conn, sql, end_ms, &statement);
    if (!error)
        error = send(c, conn, statement, sql, count, params);
    if (!error)
        error = pg_link_finish(c, conn, end_ms);
    if (!error || !statement || !is_stale(c, conn))
        return error;
    pg_statement_forget(conn, statement);
    pg_request_tell(c, "");
    error = send(c, conn, NULL, sql, count, params);
    return error ? error : pg_link_finish(c, conn, end_ms);
}

int weir_pg_exec(weir_ctx *c, weir_pg_conn *conn, PGresult **result, const char *sql, int count,
                 const char *const *params)
{
    if (result)
        *result = NULL;
    int error = may_begin(c, conn, sql, count, params);
    if (error)
        return error;
    pg_request_tell(c, "");
    error = run(c, conn, sql, count, params);
    PGresult *last = conn->answer;
    conn->answer = NULL;
    if (error == 0 && result && last) {
        error = pg_request_keep(c, conn->pg, last);
        *result = error ? NULL : last;
        return error;
    }
    PQclear(last);
    if (error && !*weir_pg_error(c))
        pg_request_tell(c, weir_strerror(error));
    return error;
}

int weir_pg_query(weir_ctx *c, weir_pg *pg, PGresult **result, const char *sql, int count, const char *const *params)
{
    weir_pg_conn *conn;
    if (result)
        *result = NULL;
    int error = weir_pg_get(c, pg, &conn);
    if (error)
        return error;
    error = weir_pg_exec(c, conn, result, sql, count, params);
    weir_pg_put(c, conn);
    return error;
}

/* ---- Rows ---- */

int weir_pg_rows(weir_ctx *c, weir_pg_conn *conn, const char *sql, int count, const char *const *params)
{
    int error = may_begin(c, conn, sql, count, params);
    if (error)
        return error;
    pg_request_tell(c, "");
    error = send(c, conn, NULL, sql, count, params);
    if (!error && !PQsetSingleRowMode(conn->handle))
        error = pg_link_break(c, conn);
    return error;
}

int weir_pg_next(weir_ctx *c, weir_pg_conn *conn, const PGresult **row)
{
    if (row)
        *row = NULL;
    if (!conn || !row)
        return WEIR_EINVAL;
    int64_t end_ms = pg_end_of(conn->pg->query_ms);
    while (conn->state == PG_LINK_BUSY) {
        int error = pg_link_read(c, conn, end_ms);
        if (error)
            return error;
        if (conn->part && PQresultStatus(conn->part) == PGRES_SINGLE_TUPLE) {
            *row = conn->part;
            return 1;
        }
    }
    int error = conn->state == PG_LINK_READY ? conn->error : WEIR_EREACH;
    conn->error = 0;
    return error;
}

/* ---- Transactions ---- */

int weir_pg_begin(weir_ctx *c, weir_pg *pg, weir_pg_conn **conn)
{
    int error = weir_pg_get(c, pg, conn);
    if (error)
        return error;
    error = weir_pg_exec(c, *conn, NULL, "BEGIN", 0, NULL);
    if (error) {
        weir_pg_put(c, *conn);
        *conn = NULL;
    }
    return error;
}

int weir_pg_commit(weir_ctx *c, weir_pg_conn *conn)
{
    if (!conn)
        return WEIR_EINVAL;
    bool failed = PQtransactionStatus(conn->handle) != PQTRANS_INTRANS;
    int error = weir_pg_exec(c, conn, NULL, "COMMIT", 0, NULL);
    if (!error && failed) {
        pg_request_tell(c, "a statement of the transaction had failed: all of it was rolled back");
        error = WEIR_EIO;
    }
    weir_pg_put(c, conn);
    return error;
}
