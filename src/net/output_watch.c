/*
 * Peers that take nothing, or too little: what they have taken is asked of the kernel, since what fills its buffers
 * need not reach them.
 *
 * SPDX-License-Identifier: MIT
 */
#include "net/output.h"

void output_watch_begin(struct output *o, const struct net *n)
{
    o->watch.progress = loop_now_ms(n->loop);
    o->watch.window_delivered = RATE_UNKNOWN;
}

uint32_t output_interval(const struct output_limits *limits)
{
    uint32_t least = limits->stall_ms < limits->window_ms ? limits->stall_ms : limits->window_ms;
    return least > 4 ? least / 4 : 1;
}

void output_look(struct output *o, const struct net *n, const struct connection *c)
{
    /* Negative while what an earlier output sent is not acknowledged: differences count. */
    int64_t delivered = (int64_t)o->sent - (int64_t)connection_transport(n, c)->unacknowledged(c);
    if (delivered > o->watch.delivered) {
        o->watch.delivered = delivered;
        o->watch.progress = loop_now_ms(n->loop);
    }
}

/* Whether the peer took less than the least rate since the measurement began; begins the next one when it is over. */
static bool watch_is_slow(struct output_watch *w, uint32_t now, const struct output_limits *limits)
{
    uint32_t elapsed = (uint32_t)ticks_between(w->window_start, now);
    if (w->window_delivered != RATE_UNKNOWN && elapsed < limits->window_ms)
        return false;
    bool slow = w->window_delivered != RATE_UNKNOWN &&
                (uint64_t)(w->delivered - w->window_delivered) * 1000 < (uint64_t)limits->min_rate * elapsed;
    w->window_start = now;
    w->window_delivered = w->delivered;
    return slow;
}

enum output_pace output_check(struct output *o, const struct net *n, const struct connection *c,
                              const struct output_limits *limits)
{
    uint32_t now = loop_now_ms(n->loop);
    output_look(o, n, c);
    if ((uint32_t)ticks_between(o->watch.progress, now) >= limits->stall_ms)
        return OUTPUT_STALLED;
    return watch_is_slow(&o->watch, now, limits) ? OUTPUT_SLOW : OUTPUT_KEEPS_UP;
}
