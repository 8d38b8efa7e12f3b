/*
 * Setting up and trimming the pools of a worker, and the date.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/http.h"
#include "base/clock.h"
#include "base/log.h"
#include "http/request_log.h"
#include "http/scan.h"
#include "http/status.h"

#include <stdio.h>

/* A bound is on objects; what they may take is the slabs that so many need. */
static uint64_t bound_bytes(const struct pool *p, uint32_t bound)
{
    return bound ? pool_slab_bytes(p, bound) : 0;
}

static void http_bound_accounts(struct http *h, const struct admission_bounds *b)
{
    h->buffer_account.limit = bound_bytes(&h->buffers, b->buffers);
    h->arena_account.limit = bound_bytes(&h->arenas, b->arenas);
    /* A set has one of these at most, and then both. */
    for (uint32_t i = 0; b->arenas && i < h->settings->memory_count; i++)
        h->arena_account.limit += bound_bytes(&h->memories[i], admission_bounds_sets(b));
    h->record_account.limit = bound_bytes(&h->records, b->records);
    if (b->records) /* and tables of fields, of which there is no more than one for each set */
        h->record_account.limit += bound_bytes(&h->fields, admission_bounds_sets(b));
    if (b->stacks)
        h->net->loop->fibers.account->limit = (uint64_t)b->stacks * h->net->loop->fibers.stack_size;
}

int http_init(struct http *h, struct net *n, struct memory *m, const struct http_host *host,
              const struct http_settings *settings, _Atomic uint64_t *shared_sets)
{
    uint32_t line = settings->max_request_line, block = settings->max_header_block;
    *h = (struct http){.net = n,
                       .host = host,
                       .settings = settings,
                       .head_check = line < block ? line : block,
                       .special = settings->max_requests > 0 || settings->handler_timeout_ms > 0 || m->limit > 0 ||
                                  admission_bounds_any(&settings->bounds)};
    account_open(&h->record_account, m, "requests");
    account_open(&h->buffer_account, m, "http buffers");
    account_open(&h->arena_account, m, "request arenas");
    account_open(&h->spill_account, m, "half-received heads");
    pool_init(&h->records, &h->record_account, http_record_size(host), 64, 0);
    pool_init(&h->buffers, &h->buffer_account, settings->buffer_size + 2 * SCAN_SLACK, 64, 0);
    pool_init(&h->fields, &h->record_account, settings->max_headers * sizeof(struct http_field), 16, 0);
    pool_init(&h->arenas, &h->arena_account, http_block_size(settings->request_memory), 64, 0);
    n->protocols[PROTOCOL_HTTP1] = &http_protocol_h1;
    n->loop->wheel.handlers[TIMER_HANDLER] = exchange_overdue;
    h->spill_account.limit = settings->spill_limit;
    for (uint32_t i = 0; i < settings->memory_count; i++)
        pool_init(&h->memories[i], &h->arena_account, http_block_size(settings->memories[i]), 64, 0);
    http_bound_accounts(h, &settings->bounds);
    if (log_wants(n->loop->log, WEIR_LOG_DEBUG)) {
        h->log.over = http_log_over;
        http_listen(h, &h->log);
    }
    http_tick(h);
    int error = admission_init(h, m, shared_sets);
    if (!error && h->admission.limited)
        pool_init(&h->waiting, &h->admission.account, http_waiting_size(), 8, 0);
    return error;
}

void http_done(struct http *h)
{
    if (h->admission.limited)
        pool_done(&h->waiting);
    admission_done(h);
    pool_done(&h->records);
    pool_done(&h->buffers);
    pool_done(&h->arenas);
    pool_done(&h->fields);
    if (h->listener)
        pool_done(&h->overs);
    for (uint32_t i = 0; i < ADMISSION_MEMORIES; i++)
        pool_done(&h->memories[i]);
    for (size_t i = 0; i < SPILL_CLASSES; i++)
        pool_done(&h->spills[i]);
    account_close(&h->record_account);
    account_close(&h->buffer_account);
    account_close(&h->arena_account);
    account_close(&h->spill_account);
}

int http_preallocate(struct http *h, size_t records, size_t buffers, size_t arenas)
{
    int error = pool_preallocate(&h->buffers, buffers);
    if (!error)
        error = pool_preallocate(&h->arenas, arenas);
    if (!error)
        error = pool_preallocate(&h->records, records);
    return error;
}

void http_trim(struct http *h, bool all)
{
    pool_trim(&h->records, all);
    pool_trim(&h->buffers, all);
    pool_trim(&h->arenas, all);
    pool_trim(&h->fields, all);
    if (h->listener)
        pool_trim(&h->overs, all);
    for (uint32_t i = 0; i < h->settings->memory_count; i++)
        pool_trim(&h->memories[i], all);
    for (size_t i = 0; i < SPILL_CLASSES; i++)
        if (h->spills[i].account)
            pool_trim(&h->spills[i], all);
}

void *http_take(struct http *h, struct pool *p)
{
    const struct account *a = p->account;
    if (unlikely(!pool_ready(p)) && (a->limit == 0 || atomic_load(&a->granted) + p->slab_size <= a->limit))
        h->starved(h, p->slab_size);
    return pool_take(p);
}

void http_refused(struct http *h, enum refusal cause, const char *why)
{
    http_refused_request(h, NULL, NULL, cause, why);
}

void http_refuse_connection(struct http *h, struct connection *c, enum refusal cause)
{
    const struct refusal_info *info = &refusal_infos[cause];
    struct slice reason = status_reason(info->status);
    char head[256];
    int len = snprintf(head, sizeof head,
                       "HTTP/1.1 %u %.*s\r\nDate: %.*s\r\n%sConnection: close\r\nContent-Length: 0\r\n\r\n",
                       info->status, (int)reason.len, reason.data, DATE_LEN, h->ok_head + HTTP_DATE_AT,
                       info->status == 503 ? "Retry-After: 1\r\n" : "");
    struct iovec part = {.iov_base = head, .iov_len = (size_t)len};
    http_refused_request(h, c, NULL, cause, NULL);
    counter_add(&h->routes[-1].counts[0], 1);
    counter_add(&h->counters.replies[info->status / 100], 1);
    (void)connection_transport(h->net, c)->write(c, &(struct flow){0}, &part, 1, false);
}

void http_tick(struct http *h)
{
    uint64_t now_ns = h->net->loop->now_ns;
    atomic_store_explicit(&h->counters.turn_ns, now_ns & ~TURN_OVERDUE, memory_order_relaxed);
    if (likely(now_ns < h->date_due_ns))
        return;
    struct timespec wall;
    clock_gettime(CLOCK_REALTIME, &wall);
    h->date_due_ns = now_ns + 1000000000u - (uint64_t)wall.tv_nsec;
    memcpy(h->ok_head, "HTTP/1.1 200 OK\r\nDate: ", HTTP_DATE_AT);
    date_format(h->ok_head + HTTP_DATE_AT, wall.tv_sec);
    memcpy(h->ok_head + HTTP_DATE_AT + DATE_LEN, "\r\n", 2);
}

const uint64_t http_times_ns[HTTP_TIMES] = {
    1000000,   2500000,    5000000,    10000000,   25000000,    50000000,    100000000,   250000000,
    500000000, 1000000000, 2500000000, 5000000000, 10000000000, 30000000000, 60000000000, UINT64_MAX,
};

void http_count_time(struct http *h, struct route_counters *route, uint64_t begin_ns)
{
    uint64_t turn_ns = counter_read(&h->counters.turn_ns);
    uint64_t took_ns = (turn_ns & TURN_OVERDUE ? clock_monotonic_ns() : turn_ns) - (begin_ns & ~TURN_OVERDUE);
    size_t class = 0;
    while (took_ns > http_times_ns[class])
        class ++;
    if (class > 0)
        counter_add(&route->counts[class], 1);
    counter_add(&h->counters.measured_ns, took_ns);
}
