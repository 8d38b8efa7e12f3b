/*
 * Setting up the HTTP side of a worker, what it counts, and the date.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/http.h"
#include "base/clock.h"
#include "base/log.h"
#include "http/pools.h"
#include "http/request_log.h"
#include "http/status.h"

#include <stdio.h>
#include <unistd.h>

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
    n->protocols[PROTOCOL_HTTP1] = &http_protocol_h1;
    n->loop->wheel.handlers[TIMER_HANDLER] = exchange_overdue;
    http_tick(h);
    return admission_init(h, m, shared_sets);
}

void http_done(struct http *h)
{
    admission_done(h);
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

void http_refuse_socket(struct http *h, int fd, enum refusal cause)
{
    struct connection c = {.fd = fd};
    char dropped[1024];
    http_refuse_connection(h, &c, cause);
    /* Drops what has come already. Because bytes that nobody read would turn the close into a reset, which takes the
     * reply with it. The socket gets no place to linger: that would be a connection. */
    for (int i = 0; i < 16; i++)
        if (transport_plain.read(&c, dropped, sizeof dropped) < (ssize_t)sizeof dropped)
            break;
    close(fd);
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
    uint64_t took_ns = (turn_ns & TURN_OVERDUE ? clock_monotonic_ns() : turn_ns) - (begin_ns & ~TURN_OVERDUE);
    size_t class = 0;
    while (took_ns > http_times_ns[class])
        class ++;
    if (class > 0)
        counter_add(&route->counts[class], 1);
    counter_add(&h->counters.measured_ns, took_ns);
}
