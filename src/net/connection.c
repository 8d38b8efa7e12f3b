/*
 * Connections: adopting, events, timers, closing.
 *
 * SPDX-License-Identifier: MIT
 */
#include "net/connection.h"
#include "net/address.h"
#include "net/listener.h"
#include "net/proxy/transport.h"
#include "weir.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTION_EVENTS (POLLER_READ | POLLER_HALF_CLOSED | POLLER_EDGE)
#define RECORD_ALIGN      8

static __attribute__((noinline)) void connection_note_all(struct connection *c, uint32_t events)
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

static inline void connection_note(struct connection *c, uint32_t events)
{
    if (likely(events == POLLER_READ))
        c->ready |= READY_READ;
    else
        connection_note_all(c, events);
}

/*
 * The poller's events as they concern the operations, where one of them waits for the other direction. What it does not
 * wait for is kept from it: it would try in vain, again and again. None is lost, for the poller tells all that is so
 * whenever it tells anything.
 */
static COLD uint32_t connection_uncross(struct connection *c, uint32_t events)
{
    bool crossed_read = c->crossed & CROSSED_READ, crossed_write = c->crossed & CROSSED_WRITE;
    bool readable = events & (POLLER_READ | POLLER_HALF_CLOSED), writable = events & POLLER_WRITE;
    if (events & POLLER_HANGUP)
        readable = writable = true;
    uint32_t told = events & POLLER_HANGUP;
    if (crossed_read ? writable : readable)
        told |= POLLER_READ | (events & POLLER_HALF_CLOSED);
    if (crossed_write ? readable : writable)
        told |= POLLER_WRITE;
    crossed_read &= !writable;
    crossed_write &= !readable;
    c->crossed = (crossed_read ? CROSSED_READ : 0) | (crossed_write ? CROSSED_WRITE : 0);
    return told;
}

/* Tells the protocol of bytes that the transport holds, since the poller will not. */
static COLD void connection_announce(struct net *n, struct connection *c)
{
    const struct transport *t = connection_transport(n, c);
    if (c->fd < 0 || (c->ready & READY_QUEUED) || !t->pending || t->pending(c) == 0)
        return;
    c->ready |= READY_READ;
    connection_protocol(n, c)->ready(n, c, POLLER_READ);
}

/* The poller's word on a connection of another transport than the plain one, or where an operation waits for the other
 * direction. */
static COLD void connection_event_indirect(struct net *n, struct connection *c, uint32_t events)
{
    events = connection_uncross(c, events);
    if (!events)
        return;
    connection_note(c, events);
    connection_protocol(n, c)->ready(n, c, events);
    connection_announce(n, c);
}

/* The poller's word on a connection. An event of an earlier connection at the same place is told by its generation. */
static void connection_event(struct loop *l, void *object, uint16_t generation, uint32_t events)
{
    struct net *n = l->owner;
    struct connection *c = object;
    if (c->timer.owner_data != generation || c->fd < 0)
        return;
    if (unlikely(c->transport != 0 || c->crossed != 0)) {
        connection_event_indirect(n, c, events);
        return;
    }
    connection_note(c, events);
    connection_protocol(n, c)->ready(n, c, events);
}

static void connection_expired(void *owner, struct timer *t)
{
    struct net *n = owner;
    struct connection *c = container_of(t, struct connection, timer);
    int32_t left = ticks_between(loop_now_ms(n->loop), c->deadline);
    if (left > 0)
        timer_arm(&n->loop->wheel, &c->timer, (uint32_t)left);
    else
        connection_protocol(n, c)->expired(n, c);
}

static void connection_run(void *owner, struct work *w)
{
    struct net *n = owner;
    struct connection *c = container_of(w, struct connection, work);
    c->ready &= (uint8_t)~READY_QUEUED;
    connection_protocol(n, c)->run(n, c);
    /* The record is still there in this turn, even if the connection is not. */
    if (unlikely(c->transport))
        connection_announce(n, c);
    if (c->fd >= 0 && !(c->ready & READY_QUEUED) && !connection_watch(n, c))
        connection_protocol(n, c)->cut(n, c);
}

/* ---- The network side of a worker ---- */

/* A pool for records of a further size. */
static void records_init(struct net *n, size_t size)
{
    struct pool *pool = &n->records[n->record_sizes++];
    pool_init(pool, &n->account, size, RECORD_ALIGN, 0);
    pool->plain = true; /* an event fetched before the close still looks at the record */
}

void net_init(struct net *n, struct loop *loop, struct memory *memory, void *owner)
{
    *n = (struct net){.loop = loop, .owner = owner, .protocol_count = 1, .transport_count = 1};
    n->protocols[0] = &protocol_handshake;
    n->transports[0] = &transport_plain;
    account_open(&n->account, memory, "connections");
    records_init(n, sizeof(struct connection));
    loop->owner = n;
    loop->wheel.owner = n;
    loop->work_fn = connection_run;
    loop->sources[SOURCE_CONNECTION] = connection_event;
    loop->wheel.handlers[TIMER_CONNECTION] = connection_expired;
}

void net_done(struct net *n)
{
    for (size_t i = 0; i < n->record_sizes; i++)
        pool_done(&n->records[i]);
    account_close(&n->account);
}

int net_protocol(struct net *n, const struct protocol *p)
{
    for (int i = 0; i < n->protocol_count; i++)
        if (n->protocols[i] == p)
            return i;
    if (n->protocol_count == PROTOCOLS_MAX)
        return WEIR_EINVAL;
    n->protocols[n->protocol_count] = p;
    return n->protocol_count++;
}

int net_transport(struct net *n, const struct transport *t)
{
    for (int i = 0; i < n->transport_count; i++)
        if (n->transports[i] == t)
            return i;
    if (n->transport_count == TRANSPORTS_MAX)
        return WEIR_EINVAL;
    n->transports[n->transport_count] = t;
    return n->transport_count++;
}

/* Registers what a listener's connections may begin with. False: there are too many. */
static bool listen_protocols(struct net *n, const struct listen_spec *spec)
{
    bool good = net_protocol(n, spec->protocol) >= 0;
    for (const struct alpn_offer *offer = spec->offers; offer && offer->name; offer++)
        good = good && net_protocol(n, offer->protocol) >= 0;
    return good;
}

static const struct transport *listen_transport(const struct listen_spec *spec)
{
    return spec->transport ? spec->transport : &transport_plain;
}

/* What a listener's connections begin with. */
static const struct transport *listen_first_transport(const struct listen_spec *spec)
{
    return spec->proxied ? &transport_proxy : listen_transport(spec);
}

static size_t size_max(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* Bytes of a listener's records. The client's address is the last that is in one. */
static size_t listen_record_size(const struct listen_spec *spec)
{
    size_t size = size_max(listen_transport(spec)->connection_size, spec->record_size);
    if (!spec->proxied)
        return size;
    size = size_max(size, transport_proxy.connection_size) + sizeof(struct endpoint);
    return (size + RECORD_ALIGN - 1) & ~(size_t)(RECORD_ALIGN - 1);
}

struct endpoint *connection_endpoint(const struct net *n, const struct connection *c)
{
    const struct listen_spec *spec = &n->listeners[c->timer.owner_bits];
    if (likely(!spec->proxied))
        return NULL;
    return (struct endpoint *)((uintptr_t)c + listen_record_size(spec) - sizeof(struct endpoint));
}

void connection_client(const struct net *n, const struct connection *c, struct address *a)
{
    const struct endpoint *told = connection_endpoint(n, c);
    if (told && told->family != ENDPOINT_NONE)
        endpoint_address(told, a);
    else
        connection_address(n, c, false, a);
}

/* The pool of a listener's records, which net_listen() has made. */
static struct pool *record_pool(struct net *n, uint8_t listener)
{
    size_t size = listen_record_size(&n->listeners[listener]);
    struct pool *pool = n->records;
    while (unlikely(pool->object_size != size)) {
        pool++;
        weir_assert(pool < n->records + n->record_sizes);
    }
    return pool;
}

static struct pool *connection_pool(struct net *n, const struct connection *c)
{
    return record_pool(n, c->timer.owner_bits);
}

int net_record_sizes(const struct listen_spec *listeners, size_t count, size_t sizes[RECORD_SIZES_MAX])
{
    int known = 1;
    sizes[0] = sizeof(struct connection);
    for (size_t i = 0; i < count; i++) {
        size_t size = listen_record_size(&listeners[i]);
        int at = 0;
        while (at < known && sizes[at] != size)
            at++;
        if (at == RECORD_SIZES_MAX)
            return WEIR_EINVAL;
        sizes[at] = size;
        known += at == known;
    }
    return known;
}

int net_listen(struct net *n, const struct listen_spec *listeners, size_t count)
{
    size_t sizes[RECORD_SIZES_MAX];
    int known = net_record_sizes(listeners, count, sizes);
    n->listeners = listeners;
    for (size_t i = 0; i < count; i++)
        if (net_transport(n, listen_transport(&listeners[i])) < 0 ||
            net_transport(n, listen_first_transport(&listeners[i])) < 0 || !listen_protocols(n, &listeners[i]))
            return WEIR_EINVAL;
    for (int i = n->record_sizes; i < known; i++)
        records_init(n, sizes[i]);
    return known < 0 ? known : 0;
}

void net_each(struct net *n, void (*each)(void *arg, void *connection), void *arg)
{
    for (size_t i = 0; i < n->record_sizes; i++)
        pool_each(&n->records[i], each, arg);
}

void net_trim(struct net *n, bool all)
{
    for (size_t i = 0; i < n->record_sizes; i++)
        pool_trim(&n->records[i], all);
}

bool net_ready(struct net *n, size_t *slab)
{
    for (struct pool *pool = n->records; pool < n->records + n->record_sizes; pool++) {
        if (pool_ready(pool))
            continue;
        *slab = pool->slab_size;
        return false;
    }
    return true;
}

bool net_ready_for(struct net *n, uint8_t listener)
{
    return pool_ready(record_pool(n, listener));
}

void net_drop(struct net *n, int fd, uint32_t address_slot)
{
    if (likely(fd != SOCKET_NONE))
        close(fd);
    if (n->addresses)
        address_table_leave(n->addresses, address_slot);
}

static COLD void connection_log(const struct net *n, const struct connection *c, const char *what)
{
    struct address peer;
    char text[ADDRESS_TEXT_MAX];
    connection_address(n, c, false, &peer);
    log_debug(n->loop->log, "connection %d %s: %s", c->fd, what, address_format(&peer, text, sizeof text));
}

static void connection_set_protocol(struct net *n, struct connection *c, const struct protocol *p)
{
    int number = net_protocol(n, p);
    weir_assert(number >= 0);
    c->protocol = (unsigned)number & (PROTOCOLS_MAX - 1);
}

/* A record for a socket, or for none. NULL: there is no memory. */
static inline struct connection *connection_make(struct net *n, int fd, uint8_t listener, uint32_t address_slot)
{
    const struct listen_spec *spec = &n->listeners[listener];
    const struct transport *t = listen_first_transport(spec);
    struct connection *c = pool_take(record_pool(n, listener));
    if (!c)
        return NULL;
    uint64_t count = counter_read(&n->accepted) + 1;
    *c = (struct connection){.fd = fd, .ready = READY_READ | READY_WRITE, .address_slot = address_slot};
    c->timer.kind = TIMER_CONNECTION;
    c->timer.owner_data = (uint16_t)count;
    c->timer.owner_bits = listener;
    connection_set_protocol(n, c, t->handshake ? &protocol_handshake : spec->protocol);
    if (unlikely(t != &transport_plain))
        connection_set_transport(n, c, net_transport(n, t));
    counter_add(&n->accepted, 1);
    counter_add(&n->open, 1);
    atomic_fetch_add_explicit(n->shared_open, 1, memory_order_relaxed);
    return c;
}

static inline void connection_begin(struct net *n, struct connection *c)
{
    if (unlikely(log_wants(n->loop->log, WEIR_LOG_DEBUG)))
        connection_log(n, c, "opened");
    connection_protocol(n, c)->opened(n, c, NULL, 0);
}

int net_adopt(struct net *n, int fd, uint8_t listener, uint32_t address_slot)
{
    struct connection *c = connection_make(n, fd, listener, address_slot);
    if (!c) {
        net_drop(n, fd, address_slot);
        return WEIR_ENOMEM;
    }
    connection_begin(n, c);
    return 0;
}

COLD int net_adopt_none(struct net *n, uint8_t listener, void (*begin)(struct connection *c, void *arg), void *arg)
{
    struct connection *c = connection_make(n, SOCKET_NONE, listener, 0);
    if (!c)
        return WEIR_ENOMEM;
    begin(c, arg);
    connection_begin(n, c);
    return 0;
}

void connection_set_transport(struct net *n, struct connection *c, int transport)
{
    const struct transport *before = connection_transport(n, c);
    weir_assert(transport >= 0 && transport < n->transport_count);
    weir_assert(n->transports[transport]->connection_size <= connection_pool(n, c)->object_size);
    if (before->close)
        before->close(c, false);
    c->transport = (unsigned)transport & (TRANSPORTS_MAX - 1);
    c->crossed = 0;
    c->ready |= READY_READ | READY_WRITE;
    memset(c + 1, 0, n->transports[transport]->connection_size - sizeof *c);
    if (n->transports[transport]->opened)
        n->transports[transport]->opened(n, c);
}

void connection_switch(struct net *n, struct connection *c, const struct protocol *p, const char *data, size_t len)
{
    debug_assert(!(c->ready & READY_QUEUED));
    connection_set_protocol(n, c, p);
    c->idled = 0;
    c->state = c->flags = 0;
    p->opened(n, c, data, len);
}

void connection_close(struct net *n, struct connection *c, bool reset)
{
    const struct transport *t = connection_transport(n, c);
    debug_assert(!(c->ready & READY_QUEUED));
    timer_cancel(&n->loop->wheel, &c->timer);
    if (unlikely(log_wants(n->loop->log, WEIR_LOG_DEBUG)))
        connection_log(n, c, reset ? "reset" : "closed");
    if (t->close)
        t->close(c, !reset);
    if (reset && c->fd != SOCKET_NONE) {
        struct linger at_once = {.l_onoff = 1, .l_linger = 0};
        setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    }
    net_drop(n, c->fd, c->address_slot);
    c->fd = -1;
    pool_give(connection_pool(n, c), c);
    counter_subtract(&n->open, 1);
    atomic_fetch_sub_explicit(n->shared_open, 1, memory_order_relaxed);
    if (n->closed_fn)
        n->closed_fn(n->owner);
}

static void drain_one(void *arg, void *object)
{
    struct net *n = arg;
    struct connection *c = object;
    connection_protocol(n, c)->drain(n, c);
}

static void cut_one(void *arg, void *object)
{
    struct net *n = arg;
    struct connection *c = object;
    connection_protocol(n, c)->cut(n, c);
}

void net_drain(struct net *n)
{
    n->draining = true;
    net_each(n, drain_one, n);
}

void net_cut(struct net *n)
{
    n->cutting = true;
    net_each(n, cut_one, n);
}

void connection_deadline_slow(struct net *n, struct connection *c)
{
    int32_t left = ticks_between(loop_now_ms(n->loop), c->deadline);
    timer_arm(&n->loop->wheel, &c->timer, left > 0 ? (uint32_t)left : 1);
}

bool connection_watch_anew(struct net *n, struct connection *c)
{
    if (unlikely(c->fd == SOCKET_NONE)) {
        connection_transport(n, c)->watch(c);
        c->ready |= READY_WATCHED;
        return true;
    }
    struct poller *p = &n->loop->poller;
    uint32_t events = CONNECTION_EVENTS | (c->ready & READY_WATCH_WRITE ? POLLER_WRITE : 0);
    bool watched = c->ready & READY_WATCHED;
    if ((watched ? poller_modify : poller_add)(p, c->fd, events, connection_mark(c)) != 0) {
        n->unwatched = true;
        return false;
    }
    c->ready |= READY_WATCHED;
    return true;
}

uint32_t connection_events(const struct net *n, const struct connection *c, uint32_t events)
{
    if (unlikely(c->fd == SOCKET_NONE))
        return connection_transport(n, c)->look(c) & (events | POLLER_HANGUP);
    return poller_look(c->fd, events);
}

void connection_look(const struct net *n, struct connection *c)
{
    if (!(c->ready & READY_WATCHED))
        connection_note(c, connection_events(n, c, POLLER_READ | POLLER_HALF_CLOSED));
}

void connection_address(const struct net *n, const struct connection *c, bool own, struct address *a)
{
    if (unlikely(c->fd == SOCKET_NONE))
        connection_transport(n, c)->address(c, own, a);
    else
        (own ? address_local : address_peer)(c->fd, a);
}

/* What a write waits for may have been read, so that no event would tell: it is worth another try as soon as the socket
 * can be written. */
static COLD void connection_uncross_write(struct net *n, struct connection *c)
{
    c->crossed &= CROSSED_READ;
    c->ready |= READY_WATCH_WRITE;
    if (!connection_watch_anew(n, c))
        c->ready |= READY_GONE;
}

/* A read has given bytes: it waits for nothing, and may have read what a write waits for. */
static COLD void connection_uncross_all(struct net *n, struct connection *c)
{
    c->crossed &= CROSSED_WRITE;
    if (c->crossed)
        connection_uncross_write(n, c);
}

/* Sees to it that the poller tells when c can do what is wanted: 0, or WEIR_ECLOSED. An exact transport's is watched
 * once: it wants nothing that is so already. */
static int connection_await(struct net *n, struct connection *c, ssize_t want)
{
    uint8_t watch = want == TRANSPORT_WANT_WRITE ? READY_WATCHED | READY_WATCH_WRITE : READY_WATCHED;
    bool exact = connection_transport(n, c)->capabilities & TRANSPORT_EXACT;
    if (exact && (c->ready & watch) == watch)
        return 0;
    c->ready |= watch & READY_WATCH_WRITE;
    if (connection_watch_anew(n, c))
        return 0;
    c->ready |= READY_GONE;
    return WEIR_ECLOSED;
}

/* Reading gave no bytes, but `got`: the end, an error, or what is wanted first. */
static __attribute__((noinline)) ssize_t connection_unread(struct net *n, struct connection *c, ssize_t got)
{
    bool wants = transport_wants(got);
    c->ready &= (uint8_t)~READY_READ;
    c->crossed &= CROSSED_WRITE;
    if ((wants || got == 0) && (c->crossed & CROSSED_WRITE))
        connection_uncross_write(n, c);
    if (!wants) {
        c->ready |= got == 0 ? READY_HALF_CLOSED : READY_GONE;
        return got;
    }
    if (got == TRANSPORT_WANT_WRITE)
        c->crossed |= CROSSED_READ;
    else if (!(c->ready & READY_WATCHED))
        return TRANSPORT_WANT_READ; /* watched when the run is over or the fiber waits */
    int error = connection_await(n, c, got);
    return error ? error : TRANSPORT_WANT_READ;
}

/* What a read has given, kept in step with c->ready. */
static inline ssize_t connection_was_read(struct net *n, struct connection *c, ssize_t got)
{
    if (unlikely(got <= 0))
        return connection_unread(n, c, got);
    counter_add(&n->bytes_in, (uint64_t)got);
    if (unlikely(c->crossed))
        connection_uncross_all(n, c);
    return got;
}

ssize_t connection_read(struct net *n, struct connection *c, void *buf, size_t len)
{
    return connection_was_read(n, c, connection_transport(n, c)->read(c, buf, len));
}

ssize_t connection_splice(struct net *n, struct connection *c, int pipe, size_t len)
{
    return connection_was_read(n, c, connection_transport(n, c)->splice(c, pipe, len));
}

int connection_blocked(struct net *n, struct connection *c, ssize_t want)
{
    const struct transport *t = connection_transport(n, c);
    c->crossed &= CROSSED_READ; /* what it waited for before has no meaning any more */
    if (want == TRANSPORT_WANT_READ)
        c->crossed |= CROSSED_WRITE;
    else if (t->widen && t->widen(n, c))
        return 1;
    c->ready &= (uint8_t)~READY_WRITE;
    return connection_await(n, c, want);
}

bool connection_shutdown(struct net *n, struct connection *c)
{
    int want;
    do
        want = connection_transport(n, c)->shutdown(c);
    while (want != 0 && connection_blocked(n, c, want) > 0);
    return want == 0;
}
