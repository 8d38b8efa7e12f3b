/*
 * Waiting for a client and for a descriptor at once, for handlers that relay between the two. The wait is a read of the
 * client's; the descriptor's waiter nudges it, as topics nudge the line of a WebSocket.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/upgrade.h"
#include "web/context.h"
#include "web/outgoing/outgoing.h"
#include "web/outgoing/wait.h"

/* The descriptor's waiter of a request. Lies in the request's memory, since a wait may end the handler, whose stack
 * goes then: a deferred call leaves the descriptor. */
struct relay {
    struct watch_waiter waiter;
    struct exchange *x;
    weir_fd *joined; /* the descriptor that the waiter waits for; NULL: none */
    bool deferred;   /* relay_leave() is to be called */
    bool ended;      /* the client has ended its side */
};

WEIR_ATTRIBUTE(struct relay, relay_of)

static void relay_leave(void *arg)
{
    struct relay *r = arg;
    if (r->joined)
        watch_leave(r->joined, &r->waiter);
    r->joined = NULL;
}

static void wake_reader(struct watch_waiter *w)
{
    exchange_nudge(container_of(w, struct relay, waiter)->x);
}

static int join(weir_ctx *c, struct relay *r, weir_fd *f, int events)
{
    if (!r->deferred) {
        int error = weir_defer(c, relay_leave, r);
        if (error)
            return error;
        r->deferred = true;
    }
    r->x = c->x;
    r->waiter = (struct watch_waiter){.fn = wake_reader};
    r->waiter.wanted =
        (events & WEIR_READABLE ? (uint32_t)POLLER_READ : 0) | (events & WEIR_WRITABLE ? (uint32_t)POLLER_WRITE : 0);
    int error = watch_join(f, c->web->loop, &r->waiter);
    if (!error)
        r->joined = f;
    return error;
}

/* What of events has come. */
static int ready_events(const struct relay *r, int events)
{
    if (r->waiter.ready & (uint32_t)POLLER_HANGUP)
        return events;
    return (r->waiter.ready & (uint32_t)POLLER_READ ? WEIR_READABLE : 0) |
           (r->waiter.ready & (uint32_t)POLLER_WRITE ? WEIR_WRITABLE : 0);
}

int weir_read_or_wait(weir_ctx *c, weir_fd *f, int events, const void **data, size_t *len, int timeout_ms)
{
    CONTEXT_CHECK(c);
    if (!f || !data || !len || timeout_ms < 0 || !events || (events & ~(WEIR_READABLE | WEIR_WRITABLE)) ||
        !exchange_is_upgraded(c->x))
        return WEIR_EINVAL;
    struct relay *r = relay_of(c);
    if (!r)
        return WEIR_ENOMEM;
    *data = NULL;
    *len = 0;
    if (c->x->rest.len > 0) { /* what weir_read() had no room for */
        *data = c->x->rest.data;
        *len = c->x->rest.len;
        c->x->rest.len = 0;
        return 0;
    }
    if (r->ended)
        return weir_fd_wait(c, f, events, timeout_ms);
    context_before_wait(c);
    int error = join(c, r, f, events);
    if (error)
        return error;
    const char *bytes = NULL;
    ssize_t got = exchange_read_within(c->x, timeout_ms > 0 ? timeout_ms : -1, &bytes);
    relay_leave(r);
    int ready = ready_events(r, events);
    if (got > 0) {
        *data = bytes;
        *len = (size_t)got;
        return 0;
    }
    if (got == 0) {
        r->ended = true;
        return 0;
    }
    if (got == EXCHANGE_NUDGED || (got == WEIR_ETIMEDOUT && ready))
        return ready ? ready : events; /* what woke the reader has gone again: who reads will see */
    return (int)got;
}
