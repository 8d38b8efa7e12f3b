/*
 * Connections whose query nobody waits for any more: it is cancelled in the database, its rest is read, and what it may
 * have begun is rolled back, so that the connection can be used again.
 *
 * PQcancel() blocks, so it runs on a thread; and since a database that hangs would hold that for any time, nobody waits
 * for the thread: a task does, and the connection waits for the task as long as it likes. A connection is not used
 * again before the cancellation is through, or it would hit the next query.
 *
 * SPDX-License-Identifier: MIT
 */
#include "internal.h"

#include <limits.h>
#include <stdlib.h>

struct pg_cancel_job {
    _Atomic int users; /* the connection, and the task */
    weir_semaphore done;
    PGcancel *cancel;
    struct weir_pg *pg;
};

void pg_cancel_forget(struct pg_cancel_job *job)
{
    if (!job || atomic_fetch_sub(&job->users, 1) != 1)
        return;
    PQfreeCancel(job->cancel);
    free(job);
}

static void release(void *arg)
{
    pg_cancel_forget(arg);
}

static int cancel_on_thread(void *thread_data, void *arg)
{
    (void)thread_data;
    struct pg_cancel_job *job = arg;
    char why[256]; /* as much as libpq asks for */
    return PQcancel(job->cancel, why, sizeof why) ? 0 : WEIR_EREACH;
}

static int cancel(weir_ctx *c, void *arg)
{
    struct pg_cancel_job *job = arg;
    (void)weir_offload_to(c, job->pg->cancellers, cancel_on_thread, job);
    weir_semaphore_release(&job->done, 1);
    return 0; /* what came of it the query tells */
}

/* A task that cancels the query of a connection. users: how many have the job. NULL: none was begun, and *error says
 * why. */
static struct pg_cancel_job *spawn_cancel(weir_ctx *c, const struct weir_pg_conn *conn, int users, int *error)
{
    struct weir_pg *pg = conn->pg;
    struct pg_cancel_job *job = calloc(1, sizeof *job);
    *error = WEIR_ENOMEM;
    if (!job)
        return NULL;
    job->users = users;
    job->pg = pg;
    job->cancel = PQgetCancel(conn->handle);
    weir_task_options options = {.name = "postgres cancel", .worker = weir_worker_index(c) + 1, .release = release};
    if (job->cancel)
        *error = weir_spawn(pg->server, cancel, job, &options);
    if (!*error)
        return job;
    PQfreeCancel(job->cancel);
    free(job);
    return NULL;
}

/* Has the query that is under way cancelled. Returns 0 or an error; WEIR_EBUSY: not now. */
static int begin_cancel(weir_ctx *c, struct weir_pg_conn *conn, bool at_end)
{
    int error;
    struct pg_cancel_job *job = spawn_cancel(c, conn, 2, &error);
    if (!job && !at_end)
        return error == WEIR_ENOMEM ? error : WEIR_EBUSY;
    if (!job) { /* the server stops, or has too many tasks: at the end there is nobody else to do it */
        struct pg_cancel_job own = {.users = 1, .cancel = PQgetCancel(conn->handle), .pg = conn->pg};
        if (!own.cancel)
            return WEIR_ENOMEM;
        (void)weir_offload_to(c, conn->pg->cancellers, cancel_on_thread, &own);
        PQfreeCancel(own.cancel);
    }
    conn->cancel = job;
    atomic_fetch_add_explicit(&conn->pg->cancelled, 1, memory_order_relaxed);
    return 0;
}

void pg_link_abandon(weir_ctx *c, const struct weir_pg_conn *conn)
{
    int error;
    if (conn->state == PG_LINK_BUSY)
        (void)spawn_cancel(c, conn, 1, &error);
}

/* Waits until the cancellation is through. */
static int await_cancel(weir_ctx *c, struct weir_pg_conn *conn, int64_t end_ms)
{
    struct pg_cancel_job *job = conn->cancel;
    int64_t left = end_ms - pg_now_ms();
    int error = left <= 0 ? weir_semaphore_try(&job->done)
                          : weir_semaphore_acquire(c, &job->done, left < INT_MAX ? (int)left : INT_MAX);
    if (error)
        return error;
    conn->cancel = NULL;
    pg_cancel_forget(job);
    return 0;
}

/* Whether more has to come before the query has ended: what is there already is read. */
static bool is_under_way(weir_ctx *c, struct weir_pg_conn *conn)
{
    if (!PQconsumeInput(conn->handle)) {
        (void)pg_link_break(c, conn);
        return false;
    }
    while (conn->state == PG_LINK_BUSY && !PQisBusy(conn->handle))
        if (pg_link_read(c, conn, 0) != 0)
            return false;
    return conn->state == PG_LINK_BUSY;
}

/* Reads to the end of the query. One that the database had not begun when the cancellation came runs on, so that
 * another one follows where nothing ends for a while. */
static int end_query(weir_ctx *c, struct weir_pg_conn *conn, bool at_end, int64_t end_ms)
{
    int64_t round_ms = 50, again_ms = 0;
    int error = 0;
    while (!error && conn->state == PG_LINK_BUSY) {
        int64_t now_ms = pg_now_ms();
        if (now_ms >= end_ms)
            return WEIR_ETIMEDOUT;
        if (now_ms >= again_ms && conn->cancel && weir_semaphore_try(&conn->cancel->done) == 0) {
            pg_cancel_forget(conn->cancel);
            conn->cancel = NULL;
        }
        if (!conn->cancel && now_ms >= again_ms)
            error = begin_cancel(c, conn, at_end);
        if (now_ms >= again_ms) {
            again_ms = now_ms + round_ms;
            round_ms *= 2;
        }
        if (!error)
            error = pg_link_read(c, conn, again_ms < end_ms ? again_ms : end_ms);
        if (error == WEIR_ETIMEDOUT && pg_now_ms() < end_ms && weir_time_left(c) != 0)
            error = 0; /* the round's time */
    }
    return error;
}

int pg_link_heal(weir_ctx *c, struct weir_pg_conn *conn, bool at_end)
{
    int64_t end_ms = pg_end_of(conn->pg->cancel_ms);
    int error = 0;
    pg_link_clear(conn);
    if (conn->state == PG_LINK_BUSY && (conn->cancel || is_under_way(c, conn)))
        error = end_query(c, conn, at_end, end_ms);
    if (!error && conn->state == PG_LINK_READY && conn->cancel)
        error = await_cancel(c, conn, end_ms);
    if (!error && conn->state == PG_LINK_READY && PQtransactionStatus(conn->handle) != PQTRANS_IDLE)
        error = pg_link_run(c, conn, "ROLLBACK", end_ms);
    if (!error && conn->state != PG_LINK_READY)
        error = WEIR_EREACH;
    if (!error) {
        conn->used_ms = pg_now_ms();
        atomic_fetch_add_explicit(&conn->pg->healed, 1, memory_order_relaxed);
    }
    return error;
}
