/*
 * Connections: adopting, events, timers, closing.
 *
 * SPDX-License-Identifier: MIT
 */
#include "net/connection.h"
#include "net/address.h"
#include "weir.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTION_EVENTS (POLLER_READ | POLLER_HALF_CLOSED | POLLER_EDGE)

static uint64_t connection_mark(const struct connection *c)
{
    return source_mark(SOURCE_CONNECTION, c, c->timer.owner_data);
}

static void connection_note(struct connection *c, uint32_t events)
{
    if (events & POLLER_READ)
        c->ready |= READY_READ;
    if (events & POLLER_WRITE)
        c->ready |= READY_WRITE;
    if (events & POLLER_HALF_CLOSED)
        c->ready |= READY_HALF_CLOSED | READY_READ;
    if (events & POLLER_HANGUP)
        c->ready |= READY_GONE | READY_READ | READY_WRITE;
}

/* The poller's word on a connection. An event of an earlier connection at the same place is told by its generation. */
static void connection_event(struct loop *l, void *object, uint16_t generation, uint32_t events)
{
    struct net *n = l->owner;
    struct connection *c = object;
    if (c->timer.owner_data != generation || c->fd < 0)
        return;
    connection_note(c, events);
    n->protocols[c->protocol]->ready(n, c, events);
}

static void connection_expired(void *owner, struct timer *t)
{
    struct net *n = owner;
    struct connection *c = container_of(t, struct connection, timer);
    int32_t left = ticks_between(loop_now_ms(n->loop), c->deadline);
    if (left > 0)
        timer_arm(&n->loop->wheel, &c->timer, (uint32_t)left);
    else
        n->protocols[c->protocol]->expired(n, c);
}

static void connection_run(void *owner, struct work *w)
{
    struct net *n = owner;
    struct connection *c = container_of(w, struct connection, work);
    c->ready &= (uint8_t)~READY_QUEUED;
    n->protocols[c->protocol]->run(n, c);
    /* The record is still there in this turn, even if the connection is not. */
    if (c->fd >= 0 && !(c->ready & READY_QUEUED) && !connection_watch(n, c))
        n->protocols[c->protocol]->cut(n, c);
}

void net_init(struct net *n, struct loop *loop, struct memory *memory, const struct transport *transport, void *owner)
{
    *n = (struct net){.loop = loop, .transport = transport, .owner = owner};
    account_open(&n->account, memory, "connections");
    pool_init(&n->connections, &n->account, transport->connection_size, 8, 0);
    n->connections.plain = true; /* an event fetched before the close still looks at the record */
    loop->owner = n;
    loop->wheel.owner = n;
    loop->work_fn = connection_run;
    loop->sources[SOURCE_CONNECTION] = connection_event;
    loop->wheel.handlers[TIMER_CONNECTION] = connection_expired;
}

void net_done(struct net *n)
{
    pool_done(&n->connections);
    account_close(&n->account);
}

void net_drop(struct net *n, int fd, uint32_t address_slot)
{
    close(fd);
    if (n->addresses)
        address_table_leave(n->addresses, address_slot);
}

static COLD void connection_log(const struct net *n, const struct connection *c, const char *what)
{
    struct address peer;
    char text[ADDRESS_TEXT_MAX];
    address_peer(c->fd, &peer);
    log_debug(n->loop->log, "connection %d %s: %s", c->fd, what, address_format(&peer, text, sizeof text));
}

int net_adopt(struct net *n, int fd, uint8_t listener, uint32_t address_slot)
{
    struct connection *c = pool_take(&n->connections);
    if (!c) {
        net_drop(n, fd, address_slot);
        return WEIR_ENOMEM;
    }
    uint64_t count = counter_read(&n->accepted) + 1;
    *c = (struct connection){.fd = fd, .ready = READY_READ | READY_WRITE, .address_slot = address_slot};
    c->timer.kind = TIMER_CONNECTION;
    c->timer.owner_data = (uint16_t)count;
    c->timer.owner_bits = listener;
    counter_add(&n->accepted, 1);
    counter_add(&n->open, 1);
    atomic_fetch_add_explicit(n->shared_open, 1, memory_order_relaxed);
    if (unlikely(log_wants(n->loop->log, WEIR_LOG_DEBUG)))
        connection_log(n, c, "opened");
    n->protocols[c->protocol]->opened(n, c);
    return 0;
}

void connection_close(struct net *n, struct connection *c, bool reset)
{
    debug_assert(!(c->ready & READY_QUEUED));
    timer_cancel(&n->loop->wheel, &c->timer);
    if (unlikely(log_wants(n->loop->log, WEIR_LOG_DEBUG)))
        connection_log(n, c, reset ? "reset" : "closed");
    if (n->transport->close)
        n->transport->close(c);
    if (reset) {
        struct linger at_once = {.l_onoff = 1, .l_linger = 0};
        setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    }
    net_drop(n, c->fd, c->address_slot);
    c->fd = -1;
    pool_give(&n->connections, c);
    counter_subtract(&n->open, 1);
    atomic_fetch_sub_explicit(n->shared_open, 1, memory_order_relaxed);
    if (n->closed_fn)
        n->closed_fn(n->owner);
}

static void drain_one(void *arg, void *object)
{
    struct net *n = arg;
    struct connection *c = object;
    n->protocols[c->protocol]->drain(n, c);
}

static void cut_one(void *arg, void *object)
{
    struct net *n = arg;
    struct connection *c = object;
    n->protocols[c->protocol]->cut(n, c);
}

void net_drain(struct net *n)
{
    n->draining = true;
    pool_each(&n->connections, drain_one, n);
}

void net_cut(struct net *n)
{
    n->cutting = true;
    pool_each(&n->connections, cut_one, n);
}

void connection_deadline_slow(struct net *n, struct connection *c)
{
    int32_t left = ticks_between(loop_now_ms(n->loop), c->deadline);
    timer_arm(&n->loop->wheel, &c->timer, left > 0 ? (uint32_t)left : 1);
}

static bool connection_register(struct net *n, struct connection *c, uint32_t events)
{
    struct poller *p = &n->loop->poller;
    bool watched = c->ready & READY_WATCHED;
    if ((watched ? poller_modify : poller_add)(p, c->fd, events, connection_mark(c)) != 0)
        return false;
    c->ready |= READY_WATCHED;
    return true;
}

bool connection_watch_slow(struct net *n, struct connection *c)
{
    if (connection_register(n, c, CONNECTION_EVENTS))
        return true;
    n->unwatched = true;
    return false;
}

void connection_look(struct connection *c)
{
    if (!(c->ready & READY_WATCHED))
        connection_note(c, poller_look(c->fd, POLLER_READ | POLLER_HALF_CLOSED));
}

ssize_t connection_read(struct net *n, struct connection *c, void *buf, size_t len)
{
    ssize_t got = n->transport->read(c, buf, len);
    if (got > 0) {
        counter_add(&n->bytes_in, (uint64_t)got);
        /* A short read has drained the socket, unless the end of the stream is queued behind it: no further event would
         * tell. */
        if ((size_t)got < len && !(c->ready & READY_HALF_CLOSED) && n->transport->pending(c) == 0)
            c->ready &= (uint8_t)~READY_READ;
        return got;
    }
    c->ready &= (uint8_t)~READY_READ;
    if (got != TRANSPORT_WANT_READ)
        c->ready |= got == 0 ? READY_HALF_CLOSED : READY_GONE;
    return got;
}

int connection_blocked(struct net *n, struct connection *c)
{
    const struct transport *t = n->transport;
    if (t->widen && t->widen(n, c))
        return 1;
    c->ready &= (uint8_t)~READY_WRITE;
    if (c->ready & READY_WATCH_WRITE)
        return 0;
    c->ready |= READY_WATCH_WRITE;
    if (connection_register(n, c, CONNECTION_EVENTS | POLLER_WRITE))
        return 0;
    n->unwatched = true;
    c->ready |= READY_GONE;
    return WEIR_ECLOSED;
}
