/*
 * Setting up the HTTP side of a worker, what it counts, and the date.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/http.h"
#include "base/log.h"
#include "http/linger.h"
#include "http/pools.h"
#include "http/request_log.h"

#if WEIR_WITH_HTTP2
/* What a worker has for HTTP/2 beside its pools: made before the start, so that no connection has to do without. */
static int http2_init(struct http *h)
{
    if (!h->settings->http2)
        return 0;
    h->net->loop->wheel.handlers[TIMER_STREAM] = http_h2_stream_timer;
    size_t size = http_h2_worker_size();
    h->h2.input = memory_map(&h->h2_account, size, 4096);
    if (!h->h2.input)
        return WEIR_ENOMEM;
    account_take(&h->h2_account, size);
    h->h2.output = h->h2.input + http_h2_input_size();
    return 0;
}

static void http2_done(struct http *h)
{
    size_t size = http_h2_worker_size();
    if (!h->h2.input)
        return;
    account_give(&h->h2_account, size);
    memory_unmap(&h->h2_account, h->h2.input, size);
}
#else
static int http2_init(struct http *h)
{
    (void)h;
    return 0;
}

static void http2_done(struct http *h)
{
    (void)h;
}
#endif

/* HTTP/1 first, to which most connections belong. False: n has too many. */
static bool protocols_init(struct net *n, const struct http_settings *settings)
{
    bool good = net_protocol(n, &http_protocol_h1) >= 0 && net_protocol(n, &http_protocol_linger) >= 0;
    good = good && net_protocol(n, &http_protocol_duplex) >= 0;
#if WEIR_WITH_HTTP2
    good = good && (!settings->http2 || net_protocol(n, &http_protocol_h2) >= 0);
#else
    (void)settings;
#endif
    return good;
}

int http_init(struct http *h, struct net *n, struct memory *m, const struct http_host *host,
              const struct http_settings *settings, _Atomic uint64_t *shared_sets)
{
    uint32_t line = settings->max_request_line, block = settings->max_header_block;
    bool limited = m->limit > 0 || admission_bounds_any(&settings->bounds);
    *h = (struct http){.net = n,
                       .host = host,
                       .settings = settings,
                       .head_check = line < block ? line : block,
                       .special = settings->max_requests > 0 || settings->handler_timeout_ms > 0 || limited,
                       .admission = {.limited = limited}};
    const struct pool_basis basis = {.settings = settings, .host = host, .limited = limited};
    pools_open(http_pools, h, m, &basis);
    h->spill_account.limit = settings->spill_limit;
    if (log_wants(n->loop->log, WEIR_LOG_DEBUG)) {
        h->log.over = http_log_over;
        http_listen(h, &h->log);
    }
    http_pools_bound(h, &settings->bounds);
    if (settings->bounds.stacks)
        n->loop->fibers.account->limit = (uint64_t)settings->bounds.stacks * n->loop->fibers.stack_size;
    n->loop->wheel.handlers[TIMER_HANDLER] = exchange_timed;
    http_tick(h);
    if (!protocols_init(n, settings))
        return WEIR_EINVAL;
    int error = http2_init(h);
    return error ? error : admission_init(h, m, shared_sets);
}

void http_done(struct http *h)
{
    admission_done(h);
    http2_done(h);
    pools_close(http_pools, h);
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

/* Renews the date. Because the second has changed. */
static COLD void date_renew(struct http *h, uint64_t now_ns)
{
    struct timespec wall;
    clock_gettime(CLOCK_REALTIME, &wall);
    h->date_due_ns = now_ns + 1000000000u - (uint64_t)wall.tv_nsec;
    memcpy(h->ok_head, "HTTP/1.1 200 OK\r\nDate: ", HTTP_DATE_AT);
    date_format(h->ok_head + HTTP_DATE_AT, wall.tv_sec);
    memcpy(h->ok_head + HTTP_DATE_AT + DATE_LEN, "\r\n", 2);
}

void http_tick(struct http *h)
{
    uint64_t now_ns = h->net->loop->now_ns;
    atomic_store_explicit(&h->counters.turn_ns, now_ns & ~TURN_OVERDUE, memory_order_relaxed);
    if (unlikely(now_ns >= h->date_due_ns))
        date_renew(h, now_ns);
}

const uint64_t http_times_ns[HTTP_TIMES] = {
    1000000,   2500000,    5000000,    10000000,   25000000,    50000000,    100000000,   250000000,
    500000000, 1000000000, 2500000000, 5000000000, 10000000000, 30000000000, 60000000000, UINT64_MAX,
};

void http_count_time(struct http *h, struct route_counters *route, uint64_t begin_ns)
{
    uint64_t turn_ns = counter_read(&h->counters.turn_ns);
    uint64_t took_ns = (turn_ns & TURN_OVERDUE ? loop_clock_ns(h->net->loop) : turn_ns) - (begin_ns & ~TURN_OVERDUE);
    size_t class = 0;
    while (took_ns > http_times_ns[class])
        class ++;
    if (class > 0)
        counter_add(&route->counts[class], 1);
    counter_add(&h->counters.measured_ns, took_ns);
}
