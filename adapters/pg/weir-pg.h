/*
 * PostgreSQL among weir's fibers, by libpq: a query waits, its fiber is parked, the worker serves others.
 *
 * The header is the whole interface; docs/postgres.md is the manual. What weir.h says of every call holds here, too:
 * errors are negative WEIR_E... values, and a call that suspends ends by the first of its own time, the request's
 * deadline and news. Errors of SQL are mapped so; weir_pg_error() has the text, weir_pg_sqlstate() the code:
 *
 *     WEIR_EEXIST      a unique key is there already (23505)
 *     WEIR_ECONDITION  another constraint is broken (23...)
 *     WEIR_EBUSY       try again: serialisation, deadlock, a lock, too few resources (40..., 53..., 55...)
 *     WEIR_EACCES      not permitted (42501, 28...)
 *     WEIR_EINVAL      the statement or a parameter is wrong (22..., 42...)
 *     WEIR_ETIMEDOUT   the database ended it, for statement_timeout or by pg_cancel_backend() (57014)
 *     WEIR_EREACH      the database cannot be reached, does not let us in, or the connection broke
 *     WEIR_EIO         any other
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_PG_H
#define WEIR_PG_H

#include <libpq-fe.h>
#include <weir.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A database, and the connections to it. Made by weir_pg_new(), freed by weir_pg_free(). */
typedef struct weir_pg weir_pg;
/* A connection that a request or a task has. The pool's; the request's until weir_pg_put(). */
typedef struct weir_pg_conn weir_pg_conn;

/* Which database, and what bounds its use. Zero is each member's default. weir_pg_new() copies all. */
typedef struct weir_pg_config {
    /* As PQconnectdb() takes it: "host=/run/postgresql dbname=shop" or "postgresql://..."; what it leaves out comes
     * from the environment (PGHOST and its kin) and from libpq. Default "". */
    const char *conninfo;
    const char *name; /* in the ledger, up to 23 bytes of printable ASCII; one of its own each; default "postgres" */
    int max;          /* most connections, of each worker unless shared; default 10 */
    int max_waiting;  /* as that of weir_pool_config, and so are the next six */
    int wait_ms;
    int idle_ms;
    int check_idle_ms;
    int backoff_min_ms;
    int backoff_max_ms;
    int shared;
    int connect_ms; /* longest time for a connection to be made; default 5000 */
    int query_ms;   /* longest wait for a query, WEIR_ETIMEDOUT then; default: none but the request's deadline */
    int cancel_ms;  /* longest time to bring a connection back into order, see weir_pg_get(); default 2000 */
    int statements; /* most prepared statements of a connection; default 64, most 1024; WEIR_OFF: none */
    char *why;      /* where a text goes that says why weir_pg_new() failed; NULL: nowhere */
    size_t why_size;
} weir_pg_config;

/*
 * Adds a database, configured by a const weir_pg_config *, to a server. Before the start; connects to nothing yet.
 * Returns NULL when conninfo cannot be read, a number is wrong, the name is taken, or there is no memory.
 */
#define weir_pg_new(s, ...) weir_pg_new_sized((s), (__VA_ARGS__), sizeof(weir_pg_config))
/* weir_pg_new() for callers without macros; config_size as that of weir_server_new_sized(). */
WEIR_API weir_pg *weir_pg_new_sized(weir_server *s, const weir_pg_config *config, size_t config_size);

/* Frees what weir_pg_new() made, after weir_server_free(), which closes the connections. NULL is allowed. */
WEIR_API void weir_pg_free(weir_pg *pg);

/* ---- A query of its own ------------------------------------------------------------------------------------- */

/*
 * Takes a connection, runs one statement, and gives the connection back. params: count texts for $1, $2 and so on; NULL
 * among them is SQL's NULL. *result (result may be NULL) gets what libpq makes of the answer, to be read by
 * PQntuples(), PQgetvalue() and the like: all rows of it, in memory; for many rows see weir_pg_rows(). It is the
 * request's, which clears it when it ends, or weir_pg_clear() before that; never PQclear(). NULL after an error.
 * Returns 0, an error of SQL as above, or one of weir_pool_get(). Suspends.
 */
WEIR_API int weir_pg_query(weir_ctx *c, weir_pg *pg, PGresult **result, const char *sql, int count,
                           const char *const *params);

/* Clears a result that the request has, for a task or a loop that asks often. NULL is allowed. */
WEIR_API void weir_pg_clear(weir_ctx *c, PGresult *result);

/* The text of the request's last error, without a newline; "" if there was none. Not to be shown to clients: it names
 * tables and values. Valid until the request's next call that takes a weir_pg or a weir_pg_conn. */
WEIR_API const char *weir_pg_error(weir_ctx *c);
/* The five characters of SQLSTATE of the request's last error; "" if it was none of SQL. As weir_pg_error(). */
WEIR_API const char *weir_pg_sqlstate(weir_ctx *c);

/* ---- Several on one connection ------------------------------------------------------------------------------ */

/*
 * Takes a connection for several statements. It is the request's until weir_pg_put(), or until the request ends,
 * however it ends: a query that is under way then is cancelled in the database and its rest is read, a transaction that
 * is open is rolled back, and the connection is used again; where that takes longer than cancel_ms it is closed. Nobody
 * ever reads what another one asked for. Returns 0, or an error of weir_pool_get(); *conn is NULL then. May suspend.
 */
WEIR_API int weir_pg_get(weir_ctx *c, weir_pg *pg, weir_pg_conn **conn);
/* Gives it back, as the end of the request would. NULL is allowed. May suspend. */
WEIR_API void weir_pg_put(weir_ctx *c, weir_pg_conn *conn);

/* weir_pg_query() on a connection that the request has. WEIR_EBUSY while rows are left to be read, or after a query
 * that was not waited for to its end; WEIR_EREACH once the connection is broken. Suspends. */
WEIR_API int weir_pg_exec(weir_ctx *c, weir_pg_conn *conn, PGresult **result, const char *sql, int count,
                          const char *const *params);

/* weir_pg_get(), and begins a transaction on it. weir_pg_put() without weir_pg_commit() rolls it back. */
WEIR_API int weir_pg_begin(weir_ctx *c, weir_pg *pg, weir_pg_conn **conn);
/* Commits, and gives the connection back in any case. WEIR_EIO: a statement of the transaction had failed, and all of
 * it was rolled back; after WEIR_EREACH or WEIR_ETIMEDOUT nobody knows whether it was committed. Suspends. */
WEIR_API int weir_pg_commit(weir_ctx *c, weir_pg_conn *conn);

/*
 * Runs a statement whose rows are then read one by one, in memory that does not grow with their number: what has not
 * been read waits in the database. As weir_pg_exec(). Suspends.
 */
WEIR_API int weir_pg_rows(weir_ctx *c, weir_pg_conn *conn, const char *sql, int count, const char *const *params);
/* The next row, as a result with one row, in *row until the next call on conn. Returns 1; 0 after the last one; or an
 * error, which ends the rows as well. weir_pg_put() before the last one cancels the query. Suspends. */
WEIR_API int weir_pg_next(weir_ctx *c, weir_pg_conn *conn, const PGresult **row);

/* libpq's connection, for what is not here: PQescapeIdentifier(), PQserverVersion(), PQparameterStatus(). The
 * adapter's; calls that block or change its state are not allowed. */
WEIR_API PGconn *weir_pg_handle(weir_pg_conn *conn);

/* What has happened to a database's queries and connections, ever, over all workers; see the ledger's row of the pool
 * for the rest. */
typedef struct weir_pg_counts {
    uint64_t queries;   /* statements sent, those of transactions included */
    uint64_t failed;    /* of these, answered with an error of SQL, cancelled ones included */
    uint64_t prepared;  /* statements prepared */
    uint64_t cancelled; /* queries that nobody waited for any more, and that the database was asked to end */
    uint64_t healed;    /* connections that were brought back into order, and used again */
    uint64_t dropped;   /* connections that were not, or that broke */
} weir_pg_counts;
/* Any thread. */
WEIR_API void weir_pg_get_counts(weir_pg *pg, weir_pg_counts *counts);

#ifdef __cplusplus
}
#endif

#endif
