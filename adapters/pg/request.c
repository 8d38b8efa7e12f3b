/*
 * What a request has of databases: connections that it took, results that it was given, and its last error.
 *
 * SPDX-License-Identifier: MIT
 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

WEIR_ATTRIBUTE(struct pg_request, request_record)

/* ---- The end ---- */

static void clear_results(struct pg_request *request)
{
    while (request->results) {
        struct pg_kept *kept = request->results;
        request->results = kept->next;
        PQclear(kept->result);
        free(kept);
    }
}

/* Takes conn out of those that the request has. False: it is not one of them. */
static bool let_go(struct pg_request *request, const struct weir_pg_conn *conn)
{
    struct weir_pg_conn **at = &request->held;
    while (*at && *at != conn)
        at = &(*at)->next;
    if (!*at)
        return false;
    *at = conn->next;
    return true;
}

static void put_back(weir_ctx *c, struct weir_pg_conn *conn, bool healthy)
{
    conn->next = NULL;
    conn->left = false;
    if (!healthy) {
        atomic_fetch_add_explicit(&conn->pg->dropped, 1, memory_order_relaxed);
        pg_link_abandon(c, conn);
    }
    (void)weir_pool_put(conn->pg->pool, conn, healthy);
}

static bool is_in_order(const struct weir_pg_conn *conn)
{
    return conn->state == PG_LINK_READY && !conn->cancel && PQtransactionStatus(conn->handle) == PQTRANS_IDLE;
}

/* Gives back all that the request has: on the handler's fiber, when no deadline counts any more. */
static void pg_request_end(weir_ctx *c, void *arg)
{
    struct pg_request *request = arg;
    request->ends = false;
    clear_results(request);
    if (request->opening)
        pg_link_close(c, request->opening->pg, request->opening);
    request->opening = NULL;
    while (request->held) {
        struct weir_pg_conn *conn = request->held;
        request->held = conn->next;
        put_back(c, conn, is_in_order(conn) || pg_link_heal(c, conn, true) == 0);
    }
}

struct pg_request *pg_request_of(weir_ctx *c, const struct weir_pg *pg)
{
    const int spare_ms = 500;
    struct pg_request *request = request_record(c);
    if (!request || request->ends)
        return request;
    request->ends = true;
    if (weir_defer_wait(c, pg_request_end, request, pg->cancel_ms + spare_ms) == 0)
        return request;
    request->ends = false;
    return NULL;
}

/* ---- Connections ---- */

/* The text of an attempt that somebody else made. */
static void tell_last(weir_ctx *c, struct weir_pg *pg, struct pg_request *request)
{
    char text[PG_ERROR_SIZE];
    if (request->error[0])
        return;
    pthread_mutex_lock(&pg->lock);
    memcpy(text, pg->last_error, sizeof text);
    pthread_mutex_unlock(&pg->lock);
    pg_request_tell(c, text);
}

int weir_pg_get(weir_ctx *c, weir_pg *pg, weir_pg_conn **got)
{
    if (got)
        *got = NULL;
    if (!pg || !got)
        return WEIR_EINVAL;
    struct pg_request *request = pg_request_of(c, pg);
    if (!request)
        return WEIR_ENOMEM;
    pg_request_tell(c, "");
    for (;;) {
        void *connection;
        int error = weir_pool_get(c, pg->pool, &connection);
        if (error == WEIR_EREACH)
            tell_last(c, pg, request);
        else if (error && !request->error[0])
            pg_request_tell(c, weir_strerror(error));
        if (error)
            return error;
        struct weir_pg_conn *conn = connection;
        if (pg_link_lives(conn)) {
            conn->next = request->held;
            request->held = conn;
            *got = conn;
            return 0;
        }
        put_back(c, conn, false);
    }
}

void weir_pg_put(weir_ctx *c, weir_pg_conn *conn)
{
    struct pg_request *request = request_record_find(c);
    if (!conn || !request || !let_go(request, conn))
        return;
    if (is_in_order(conn)) {
        conn->used_ms = pg_now_ms();
        put_back(c, conn, true);
        return;
    }
    /* The request has it while it is healed, and may be ended within. Where nothing can be waited for now, the
     * request's end heals it. */
    conn->next = request->held;
    request->held = conn;
    char text[PG_ERROR_SIZE], sqlstate[sizeof request->sqlstate];
    memcpy(text, request->error, sizeof text);
    memcpy(sqlstate, request->sqlstate, sizeof sqlstate);
    int error = conn->state == PG_LINK_BROKEN || conn->left ? WEIR_EREACH : pg_link_heal(c, conn, false);
    memcpy(request->error, text, sizeof text);
    memcpy(request->sqlstate, sqlstate, sizeof sqlstate);
    bool later = error == WEIR_EBUSY || conn->left || (error && weir_time_left(c) == 0);
    if (later && conn->state != PG_LINK_BROKEN)
        return;
    let_go(request, conn);
    put_back(c, conn, error == 0);
}

/* ---- Errors and results ---- */

const char *weir_pg_error(weir_ctx *c)
{
    const struct pg_request *request = request_record_find(c);
    return request ? request->error : "";
}

const char *weir_pg_sqlstate(weir_ctx *c)
{
    const struct pg_request *request = request_record_find(c);
    return request ? request->sqlstate : "";
}

void pg_request_tell(weir_ctx *c, const char *text)
{
    struct pg_request *request = request_record_find(c);
    if (!request)
        return;
    request->sqlstate[0] = '\0';
    pg_copy_text(request->error, sizeof request->error, text);
}

static int error_of(const char *sqlstate)
{
    static const struct {
        const char *begins;
        int error;
    } classes[] = {
        {"23505", WEIR_EEXIST}, {"23", WEIR_ECONDITION},   {"40", WEIR_EBUSY},  {"53", WEIR_EBUSY},
        {"55", WEIR_EBUSY},     {"42501", WEIR_EACCES},    {"28", WEIR_EACCES}, {"22", WEIR_EINVAL},
        {"42", WEIR_EINVAL},    {"57014", WEIR_ETIMEDOUT}, {"57", WEIR_EREACH}, {"08", WEIR_EREACH},
    };
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        if (strncmp(sqlstate, classes[i].begins, strlen(classes[i].begins)) == 0)
            return classes[i].error;
    return WEIR_EIO;
}

int pg_request_tell_result(weir_ctx *c, const PGresult *result)
{
    struct pg_request *request = request_record_find(c);
    const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    pg_request_tell(c, text ? text : PQresultErrorMessage(result));
    if (request && sqlstate)
        pg_copy_text(request->sqlstate, sizeof request->sqlstate, sqlstate);
    return error_of(sqlstate ? sqlstate : "");
}

int pg_request_keep(weir_ctx *c, const struct weir_pg *pg, PGresult *result)
{
    struct pg_request *request = pg_request_of(c, pg);
    struct pg_kept *kept = request ? malloc(sizeof *kept) : NULL;
    if (!kept) {
        PQclear(result);
        return WEIR_ENOMEM;
    }
    *kept = (struct pg_kept){.result = result, .next = request->results};
    request->results = kept;
    return 0;
}

void weir_pg_clear(weir_ctx *c, PGresult *result)
{
    struct pg_request *request = result ? request_record_find(c) : NULL;
    if (!request)
        return;
    for (struct pg_kept **at = &request->results; *at; at = &(*at)->next)
        if ((*at)->result == result) {
            struct pg_kept *kept = *at;
            *at = kept->next;
            PQclear(result);
            free(kept);
            return;
        }
}
