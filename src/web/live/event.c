/*
 * The exchange of an event: reading gives what has come by its duplex, and never waits; nothing can be replied.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/live/event.h"
#include "http/bare.h"
#include "http/exchange_life.h"
#include "http/live.h"
#include "http/upgrade.h"

struct live_event {
    struct exchange x; /* first */
    struct list link;  /* in live_worker.events */
    struct duplex *duplex;
    live_failed failed;
    char *received;      /* a buffer of the worker's; NULL: none */
    struct spill *early; /* what was read last of what came with the handshake; NULL: nothing */
    bool half_closed;    /* the client has ended its side */
};

static struct live_event *event_of(const struct exchange *x)
{
    return (struct live_event *)(void *)(uintptr_t)x;
}

struct duplex *live_event_duplex(const weir_ctx *c)
{
    return event_of(c->x)->duplex;
}

/* ---- The exchange's operations ---- */

static ssize_t read_early(struct live_event *e, struct live_work *w, const char **data)
{
    e->early = w->early;
    w->early = NULL;
    *data = e->early->data;
    return e->early->len;
}

static ssize_t event_read(struct exchange *x, const char **data)
{
    struct live_event *e = event_of(x);
    struct live_stream *l = live_of(e->duplex);
    if (e->early)
        spill_give(x->http, e->early);
    e->early = NULL;
    if (!duplex_is_there(e->duplex))
        return WEIR_ECLOSED;
    struct live_work *w = live_work_of(l);
    if (w && w->early)
        return read_early(e, w, data);
    ssize_t n = duplex_read(x->http, e->duplex, e->received, x->http->settings->buffer_size);
    if (n == TRANSPORT_WANT_READ) {
        x->body_clock.nudge = 0;
        return EXCHANGE_NUDGED;
    }
    if (n > 0) {
        l->rest.driver |= LIVE_HEARD;
        exchange_charge(x, (size_t)n); /* who sends without a pause keeps nobody else waiting */
    }
    *data = e->received;
    return n;
}

static bool event_watch(struct exchange *x)
{
    struct live_event *e = event_of(x);
    return !duplex_is_there(e->duplex) || duplex_before_wait(x->http, e->duplex);
}

static enum exchange_peer event_peer(struct exchange *x, bool look)
{
    (void)look;
    const struct live_event *e = event_of(x);
    return !duplex_is_there(e->duplex) ? PEER_GONE : e->half_closed ? PEER_HALF_CLOSED : PEER_OPEN;
}

static void event_live(const struct exchange *x, struct http_live *live)
{
    *live = (struct http_live){.state = LIVE_RUNNING, .memory = x->http->records.stride};
}

static void event_fail(struct exchange *x)
{
    struct live_event *e = event_of(x);
    e->failed(x->context, e->duplex);
}

static const struct exchange_ops event_ops = {
    .read = event_read,
    BARE_REPLY,
    .fail = event_fail,
    .watch = event_watch,
    .peer = event_peer,
    .address = duplex_exchange_address,
    .listener = duplex_exchange_listener,
    .live = event_live,
};

/* ---- Beginning and end ---- */

void live_event_tell(struct live_stream *l, enum exchange_news news)
{
    const struct live_work *w = live_work_of(l);
    struct live_event *e = w ? w->event : NULL;
    if (!e)
        return;
    e->half_closed |= news == NEWS_HALF_CLOSED;
    exchange_wake_for_news(&e->x, news);
}

void live_events_cut(struct live_worker *w)
{
    list_for_each (link, &w->events) {
        struct exchange *x = &container_of(link, struct live_event, link)->x;
        x->gone = x->cut = true;
        if (x->fiber)
            fiber_wake(x->fiber, WEIR_ECANCELED);
    }
}

static void event_reset(struct exchange *x)
{
    bare_begin(x);
    x->body_clock = (struct body_clock){.patience_ms = PATIENCE_ENDLESS};
}

weir_ctx *live_event_begin(struct http *http, struct duplex *d, live_failed failed)
{
    struct web *web = http->owner;
    struct live_work *w = live_work(http, live_of(d));
    struct live_event *e = w ? pool_take(&http->records) : NULL;
    if (!e) {
        live_rest(http, live_of(d));
        return NULL;
    }
    *e = (struct live_event){
        .received = pool_take(&http->buffers), .duplex = d, .failed = failed, .half_closed = duplex_is_half_closed(d)};
    if (!e->received) {
        pool_give(&http->records, e);
        live_rest(http, live_of(d));
        return NULL;
    }
    w->event = e;
    exchange_init(&e->x, &event_ops, http, duplex_connection(d), e + 1);
    list_push_back(&web->live.events, &e->link);
    event_reset(&e->x);
    e->x.gone = e->x.cut = http->net->cutting;
    exchange_forget_class(&e->x);
    return context_begin_event(&e->x);
}

void live_event_renew(weir_ctx *c)
{
    struct exchange *x = c->x;
    struct ws_socket *socket = c->socket;
    x->http->host->ended(x);
    x->dead_ends = 0;
    arena_done(&x->arena, x->inline_memory, sizeof x->inline_memory);
    arena_init(&x->arena, &x->http->arenas, x->inline_memory, sizeof x->inline_memory);
    c = context_begin_event(x);
    c->socket = socket;
}

void live_event_is_last(weir_ctx *c)
{
    c->x->untold &= (uint8_t) ~(NEWS_GONE | NEWS_HALF_CLOSED);
}

void live_event_end(weir_ctx *c)
{
    struct live_event *e = event_of(c->x);
    struct http *http = e->x.http;
    struct live_stream *l = live_of(e->duplex);
    http->host->ended(&e->x); /* deferred calls may wait */
    list_remove(&e->link);
    live_work_there(l)->event = NULL;
    live_rest(http, l);
    exchange_forget_time(&e->x);
    arena_done(&e->x.arena, e->x.inline_memory, sizeof e->x.inline_memory);
    if (http->admission.limited)
        admission_release(&e->x);
    if (e->early)
        spill_give(http, e->early);
    pool_give(&http->buffers, e->received);
    pool_give(&http->records, e);
}
