/*
 * What the files of the adapter share: the database, a connection, and what a request has of both.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_PG_INTERNAL_H
#define WEIR_PG_INTERNAL_H

#include "weir-pg.h"

#include <pthread.h>
#include <stdatomic.h>

#define PG_ERROR_SIZE    256
#define PG_SEEN          16   /* texts that a connection remembers to have run once */
#define PG_PREPARED_MOST 8192 /* bytes of a text that is worth preparing */

struct weir_pg {
    weir_pool *pool;
    weir_offload_pool *cancellers;
    weir_server *server;
    char *conninfo;
    bool looks_up; /* conninfo has a host's name, which libpq looks up by a call that blocks */
    int connect_ms, query_ms, cancel_ms, statements;
    _Atomic uint64_t queries, failed, prepared, cancelled, healed, dropped;
    pthread_mutex_t lock;
    char last_error[PG_ERROR_SIZE]; /* under lock: of the last attempt to connect */
};

/* A statement that a connection has prepared. */
struct pg_statement {
    uint64_t hash;
    uint64_t used; /* the connection's count of uses when it was used last */
    unsigned number;
    char *text;
};

struct pg_statements {
    struct pg_statement *all; /* room for as many as the database's setting says; NULL: none yet */
    int count;
    unsigned last_number;
    uint64_t uses;
    uint64_t seen[PG_SEEN]; /* hashes of texts that were run once, a ring */
    unsigned next_seen;
};

enum pg_link_state {
    PG_LINK_READY,  /* nothing is under way */
    PG_LINK_BUSY,   /* a query is under way, or its answer is not read to the end */
    PG_LINK_BROKEN, /* to be closed */
};

struct weir_pg_conn {
    struct weir_pg *pg;
    PGconn *handle;
    /* A second descriptor of libpq's socket, which is waited for: libpq closes its own in the middle of a call when the
     * connection breaks, and the number may be another's before ready is freed. -1: none yet. */
    int socket;
    weir_fd *ready;
    enum pg_link_state state;
    int error;                    /* of the query that is under way, as it was answered */
    bool left;                    /* the request has been told that it is to end: it waits for nothing any more */
    PGresult *part;               /* what has been read of the answer last, such as the row that is shown */
    PGresult *answer;             /* the last result of an answer that is read to its end */
    struct weir_pg_conn *next;    /* of those that the request has */
    int64_t used_ms;              /* when it was used last */
    struct pg_cancel_job *cancel; /* asked for, for the query that is under way; NULL: not */
    struct pg_statements statements;
};

/* A result that a request has. */
struct pg_kept {
    PGresult *result;
    struct pg_kept *next;
};

/* What a request has of databases, as an attribute of its context. */
struct pg_request {
    struct weir_pg_conn *held;
    struct weir_pg_conn *opening; /* the one that is being made */
    struct pg_kept *results;
    bool ends; /* pg_request_end() is deferred */
    char sqlstate[6];
    char error[PG_ERROR_SIZE];
};

/* Milliseconds of a clock that never goes back. */
int64_t pg_now_ms(void);
/* Copies a text of libpq's without the newline at its end; newlines within become spaces. */
void pg_copy_text(char *to, size_t size, const char *text);

/* ---- request.c */

/* The request's record, with its clean-up deferred; NULL: no memory. */
struct pg_request *pg_request_of(weir_ctx *c, const struct weir_pg *pg);
/* Keeps what went wrong for weir_pg_error(): of a result, of a connection, or a text of our own. */
void pg_request_tell(weir_ctx *c, const char *text);
/* As pg_request_tell(), of an answer. Returns the error value. */
int pg_request_tell_result(weir_ctx *c, const PGresult *result);
/* Gives result to the request, which clears it when it ends; WEIR_ENOMEM: it has been cleared. */
int pg_request_keep(weir_ctx *c, const struct weir_pg *pg, PGresult *result);

/* ---- connect.c: the pool's functions */

int pg_link_open(weir_ctx *c, void *data, void **connection);
int pg_link_check(weir_ctx *c, void *data, void *connection);
void pg_link_close(weir_ctx *c, void *data, void *connection);
/* Whether the other side has not ended an idle connection meanwhile. */
bool pg_link_lives(struct weir_pg_conn *conn);

/* ---- query.c */

/* When a wait of ms milliseconds from now on is over; 0: never. */
int64_t pg_end_of(int ms);
/* Reads until the next result is there, or the end. Stores it in conn->part, or NULL at the end, which makes conn
 * ready. Returns 0 or what ended the wait; errors of SQL are told, and kept in conn->error. */
int pg_link_read(weir_ctx *c, struct weir_pg_conn *conn, int64_t end_ms);
/* Reads to the end; conn->answer is the last result then. Returns 0, an error of SQL, or what ended the wait. */
int pg_link_finish(weir_ctx *c, struct weir_pg_conn *conn, int64_t end_ms);
/* Has sent what sent says it has, by PQsend...(): conn is busy, or broken. Returns 0 or WEIR_EREACH. */
int pg_link_sent(weir_ctx *c, struct weir_pg_conn *conn, int sent);
/* Marks conn as broken, and tells why. Returns WEIR_EREACH. */
int pg_link_break(weir_ctx *c, struct weir_pg_conn *conn);
/* Clears what conn has of an answer. */
void pg_link_clear(struct weir_pg_conn *conn);
/* Runs a statement without parameters, such as ROLLBACK, and drops its result. */
int pg_link_run(weir_ctx *c, struct weir_pg_conn *conn, const char *sql, int64_t end_ms);

/* ---- statements.c */

/* A statement that is prepared for sql, after preparing it if it is run for the second time; NULL in *found: to be run
 * without. Returns 0 or what broke off. */
int pg_statement_find(weir_ctx *c, struct weir_pg_conn *conn, const char *sql, int64_t end_ms,
                      const struct pg_statement **found);
/* The database does not know it any more, or not as it was prepared. */
void pg_statement_forget(struct weir_pg_conn *conn, const struct pg_statement *statement);
void pg_statement_name(const struct pg_statement *statement, char name[16]);
void pg_statements_free(struct pg_statements *statements);

/* ---- heal.c */

/* Brings a connection back into order, within the database's cancel_ms: cancels what is under way, reads its rest,
 * rolls back. at_end: the request has ended, and nothing can end the call. Returns 0, or an error, after which another
 * try may follow. */
int pg_link_heal(weir_ctx *c, struct weir_pg_conn *conn, bool at_end);
/* Has the query of a connection that is given up cancelled, and waits for nothing. */
void pg_link_abandon(weir_ctx *c, const struct weir_pg_conn *conn);
void pg_cancel_forget(struct pg_cancel_job *job);

#endif
