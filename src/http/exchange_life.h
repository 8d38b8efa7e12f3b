/*
 * The life of an exchange, as a version of HTTP drives it: from a head that has been parsed to the end of its handler.
 * What is here is the same for every version; what differs is struct exchange_ops.
 *
 *   exchange_init        once, for a record
 *   exchange_begin       a head is complete; the version fills target, body and form, and calls http_host.handle
 *   exchange_end_handler the handler has ended; the version completes the reply
 *   exchange_let_go      the reply is in the output; the version drops what is left of the request's body
 *   exchange_clear       nothing of the request is left
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_HTTP_EXCHANGE_LIFE_H
#define WEIR_HTTP_EXCHANGE_LIFE_H

#include "http/http.h"

/* Prepares an exchange for its first request. context: the web floor's record, of host->context_size. */
static inline void exchange_init(struct exchange *x, const struct exchange_ops *ops, struct http *http,
                                 struct connection *conn, void *context)
{
    x->ops = ops;
    x->http = http;
    x->conn = conn;
    x->context = context;
    x->class = NULL;
    x->fiber = NULL;
    x->waiting = WAIT_NONE;
    x->gone = x->cut = false;
    x->handler = HANDLER_RUNS;
    x->hold = (struct hold){.kind = HOLD_STANDING};
    x->duplex = NULL;
    x->begin_ns = 0;
    x->deadline = (struct timer){.kind = TIMER_HANDLER};
    x->head.fields = x->fields;
    x->head.field_max = HEAD_FIELDS_INLINE;
    x->reply.body = (struct segment){.kind = SEGMENT_STATIC}; /* so each request finds it, and leaves it */
}

/* A request begins: its reply is empty, its memory is fresh. What is not set here has no meaning yet. */
static inline void exchange_begin(struct exchange *x)
{
    arena_init(&x->arena, &x->http->arenas, x->inline_memory, sizeof x->inline_memory);
    struct reply *r = &x->reply;
    r->status = 200;
    r->close = false;
    r->phase = REPLY_OPEN;
    r->form = REPLY_PLAIN;
    r->length = REPLY_LENGTH_UNKNOWN;
    r->type = slice_of(NULL, 0);
    r->fields = r->trailers = NULL;
    r->last = &r->fields;
    r->on_sent = NULL;
    debug_assert(!reply_has_body(r));
    x->begin_ns = counter_read(&x->http->counters.turn_ns);
    x->body_sent = 0;
    x->budget = EXCHANGE_STEP;
    x->moved = 0;
    x->dead_ends = 0;
    x->special = x->told = false;
    x->due = 0;
    x->handler = HANDLER_RUNS;
    x->untold = x->http->settings->news;
    x->refusal = REFUSAL_NONE;
    x->hold.suspended = false;
}

/* The limits of a request that few servers set: its time. */
COLD void exchange_begin_special(struct exchange *x);

/* The request that has begun cannot be admitted now: as before exchange_begin(). */
COLD void exchange_undo(struct exchange *x);

/* Where few settings apply: settles what was refused while the handler ran. See exchange_end_handler(). */
COLD void exchange_settle(struct exchange *x, bool abandoned);

/*
 * The handler has ended, in one way or another. A request that was refused while it ran, or is over its time, is told
 * so if it still can be, whatever the handler made of it; what carries the exchange has been asked to end behind it.
 * special: as x->special, a constant where the caller is made for the usual request.
 */
static inline __attribute__((always_inline)) void exchange_end_handler(struct exchange *x, bool special)
{
    bool abandoned = x->handler == HANDLER_ABANDONED;
    x->handler = HANDLER_ENDED;
    if (special)
        exchange_settle(x, abandoned);
}

/* What was to be left behind is not: its user is told. Nothing where there is none. */
COLD void exchange_drop_duplex(struct exchange *x);

/* Gives back a longer table of fields. */
COLD void exchange_shrink_fields(struct exchange *x);

/* The reply of an exchange as its status tells it: counts it, with the time that the handler took. */
static inline void exchange_count(struct exchange *x)
{
    struct http *http = x->http;
    struct route_counters *route = &http->routes[likely(x->class) ? (ptrdiff_t)x->class->number : -1];
    counter_add(&route->counts[0], 1);
    if (unlikely(x->reply.status != 200 || !reply_is_committed(&x->reply)))
        counter_add(&http->counters.replies[reply_is_committed(&x->reply) ? x->reply.status / 100 : 0], 1);
    if (unlikely(counter_read(&http->counters.turn_ns) != x->begin_ns))
        http_count_time(http, route, x->begin_ns);
}

/* Whether somebody wants to know when the reply has been sent, by exchange_over_call(). */
static inline bool exchange_is_listened_to(const struct exchange *x)
{
    return x->reply.on_sent || x->http->listener;
}

/* The reply is in the output, or has failed: deferred calls run. */
static inline void exchange_let_go(struct exchange *x)
{
    x->http->host->ended(x);
}

/* Nothing of the request is left: its memory goes back, and its head is there no more. */
static inline void exchange_clear(struct exchange *x)
{
    arena_done(&x->arena, x->inline_memory, sizeof x->inline_memory);
    if (unlikely(x->head.fields != x->fields))
        exchange_shrink_fields(x);
    x->head.method_len = 0;
    exchange_count(x);
}

#endif
