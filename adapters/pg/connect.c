/*
 * The pool's functions: how a connection is made without blocking, checked, and closed.
 *
 * SPDX-License-Identifier: MIT
 */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* What libpq is to do besides what conninfo says, which counts more. Looking for Kerberos tickets reads files, and asks
 * name servers; a database behind a dead line is given up in the end, and so is a cancellation. */
static const char *const keywords[] = {"gssencmode", "tcp_user_timeout", "fallback_application_name", "dbname", NULL};

static void drop_notice(void *arg, const PGresult *result)
{
    (void)arg;
    (void)result;
}

/* ---- Steps of libpq, which take more of a stack than a fiber has, or block ---- */

struct step {
    struct weir_pg_conn *conn;
    PostgresPollingStatusType status;
};

static int begin(void *arg)
{
    struct step *step = arg;
    struct weir_pg_conn *conn = step->conn;
    const char *values[] = {"disable", "10000", "weir", conn->pg->conninfo, NULL};
    conn->handle = PQconnectStartParams(keywords, values, 1);
    bool good = conn->handle && PQstatus(conn->handle) != CONNECTION_BAD;
    step->status = good ? PGRES_POLLING_WRITING : PGRES_POLLING_FAILED;
    return 0;
}

static int go_on(void *arg)
{
    struct step *step = arg;
    step->status = PQconnectPoll(step->conn->handle);
    return 0;
}

static int finish(void *arg)
{
    PQfinish(arg);
    return 0;
}

/* On the worker's deep stack; where a name may have to be looked up, which blocks, on another thread. */
static int run_step(weir_ctx *c, struct step *step, int (*fn)(void *arg))
{
    return step->conn->pg->looks_up ? weir_offload(c, fn, step) : weir_call_deep(c, fn, step);
}

/* ---- Making one ---- */

/* Waits until libpq can go on. Its socket may be another one at each step, even of the same number: the watch is of
 * this wait alone. */
static int await_step(weir_ctx *c, struct weir_pg_conn *conn, PostgresPollingStatusType status, int64_t end_ms)
{
    int64_t left = end_ms - pg_now_ms();
    if (left <= 0)
        return WEIR_ETIMEDOUT;
    conn->ready = weir_fd_new(c, PQsocket(conn->handle));
    if (!conn->ready)
        return WEIR_ENOMEM;
    int got = weir_fd_wait(c, conn->ready, status == PGRES_POLLING_READING ? WEIR_READABLE : WEIR_WRITABLE,
                           left < INT_MAX ? (int)left : INT_MAX);
    weir_fd_free(conn->ready);
    conn->ready = NULL;
    return got < 0 ? got : 0;
}

static int connect_it(weir_ctx *c, struct weir_pg_conn *conn)
{
    int64_t end_ms = pg_end_of(conn->pg->connect_ms);
    struct step step = {.conn = conn};
    int error = run_step(c, &step, begin);
    while (!error && step.status != PGRES_POLLING_OK) {
        if (step.status == PGRES_POLLING_FAILED)
            return conn->handle ? WEIR_EREACH : WEIR_ENOMEM;
        error = await_step(c, conn, step.status, end_ms);
        if (!error)
            error = run_step(c, &step, go_on);
    }
    if (error)
        return error;
    if (PQsetnonblocking(conn->handle, 1) != 0)
        return WEIR_EREACH;
    PQsetNoticeReceiver(conn->handle, drop_notice, NULL);
    conn->socket = fcntl(PQsocket(conn->handle), F_DUPFD_CLOEXEC, 0);
    if (conn->socket < 0)
        return WEIR_ESYS;
    conn->ready = weir_fd_new(c, conn->socket);
    conn->used_ms = pg_now_ms();
    return conn->ready ? 0 : WEIR_ENOMEM;
}

/* What to say of an attempt that failed, now and to those who get its error while nobody tries. */
static void tell(weir_ctx *c, const struct weir_pg_conn *conn, int error)
{
    struct weir_pg *pg = conn->pg;
    const char *text = conn->handle ? PQerrorMessage(conn->handle) : "";
    if (error != WEIR_EREACH || !*text)
        text = error == WEIR_ETIMEDOUT ? "the database does not answer in time" : weir_strerror(error);
    pg_request_tell(c, text);
    pthread_mutex_lock(&pg->lock);
    pg_copy_text(pg->last_error, sizeof pg->last_error, text);
    pthread_mutex_unlock(&pg->lock);
}

int pg_link_open(weir_ctx *c, void *data, void **connection)
{
    struct weir_pg *pg = data;
    struct pg_request *request = pg_request_of(c, pg);
    struct weir_pg_conn *conn = request ? calloc(1, sizeof *conn) : NULL;
    if (!conn)
        return WEIR_ENOMEM;
    conn->pg = pg;
    conn->socket = -1;
    request->opening = conn; /* closed with the request, if that ends here */
    int error = connect_it(c, conn);
    request->opening = NULL;
    if (error) {
        tell(c, conn, error);
        pg_link_close(c, pg, conn);
        return error;
    }
    *connection = conn;
    return 0;
}

/* ---- Those that are there ---- */

bool pg_link_lives(struct weir_pg_conn *conn)
{
    /* One that was used a moment ago is not looked at: the query itself will tell. */
    const int64_t fresh_ms = 50;
    if (pg_now_ms() - conn->used_ms < fresh_ms)
        return true;
    for (;;) {
        char byte;
        ssize_t got = recv(conn->socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
        if (got < 0)
            return errno == EAGAIN;
        /* The end, or what the database says without being asked, as before the end. */
        if (got == 0 || !PQconsumeInput(conn->handle))
            return false;
    }
}

int pg_link_check(weir_ctx *c, void *data, void *connection)
{
    struct weir_pg *pg = data;
    struct weir_pg_conn *conn = connection;
    return pg_link_run(c, conn, "", pg_end_of(pg->cancel_ms));
}

void pg_link_close(weir_ctx *c, void *data, void *connection)
{
    (void)data;
    struct weir_pg_conn *conn = connection;
    pg_link_clear(conn);
    pg_cancel_forget(conn->cancel);
    pg_statements_free(&conn->statements);
    weir_fd_free(conn->ready);
    if (!c || !PQsslInUse(conn->handle) || weir_call_deep(c, finish, conn->handle) != 0)
        PQfinish(conn->handle);
    if (conn->socket >= 0)
        close(conn->socket);
    free(conn);
}
