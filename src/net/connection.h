/*
 * A connection: the record that is all an idle client costs. It holds a socket, a timer, what the poller last said, and
 * which protocol's table serves it; whatever a live request needs hangs from `active` and exists only while the request
 * does.
 *
 * A connection is registered with the poller once, edge-triggered; readiness is remembered in `ready`. A new one is not
 * registered: most often its request is there already, so that it is run at once, and one that is answered and closed
 * in that run never needs an event. It is registered by connection_watch() when its run is over, when its output blocks
 * or when its fiber waits; the poller then tells what has come meanwhile. The timer is lazy: moving the deadline later
 * is one store, and the wheel looks again when the old time comes.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_NET_CONNECTION_H
#define WEIR_NET_CONNECTION_H

#include "base/pool.h"
#include "io/loop.h"
#include "net/address_table.h"
#include "net/transport.h"

struct net;
struct listen_spec;

enum connection_ready {
    READY_READ = 1,         /* reading may give something */
    READY_WRITE = 2,        /* writing may take something */
    READY_HALF_CLOSED = 4,  /* the peer has ended its side: read until 0 */
    READY_GONE = 8,         /* reset, hung up, or failed */
    READY_WATCH_WRITE = 16, /* the poller watches for writing as well */
    READY_QUEUED = 32,      /* in the loop's queue for a fiber; must not be closed */
    READY_LOWAT = 64,       /* the plain transport's: its TCP_NOTSENT_LOWAT is the final one, see socket_memory.h */
    READY_WATCHED = 128,    /* the poller watches it */
};

struct connection {
    struct timer timer; /* its owner_data is the generation, owner_bits the listener's number */
    struct work work;   /* in the loop's queue for a fiber */
    union {
        void *active;   /* the protocol's: a live request, a half-received head */
        uint64_t idled; /* the protocol's, where nothing is alive: what it remembers of this connection */
    };
    int fd;
    uint32_t deadline;     /* tick at which the timer means it */
    uint32_t address_slot; /* of the peer's address in net.addresses; 0: none */
    uint8_t ready;         /* enum connection_ready */
    uint8_t protocol;      /* index into net.protocols */
    uint8_t state;         /* the protocol's */
    uint8_t flags;         /* the protocol's */
};
/* What 64 bytes for an idle connection allow, less what a slab costs. */
_Static_assert(sizeof(struct connection) == 56, "an idle connection costs 56 bytes");

/* What a connection's present protocol does. All on the loop's thread; run() on a fiber, the others not. */
struct protocol {
    void (*opened)(struct net *n,
                   struct connection *c); /* accepted, to be queued; or switched to with unread bytes in active */
    void (*ready)(struct net *n, struct connection *c, uint32_t events); /* c->ready has been updated */
    void (*expired)(struct net *n, struct connection *c);                /* the deadline has passed */
    void (*run)(struct net *n, struct connection *c);                    /* was queued by connection_queue() */
    void (*drain)(struct net *n, struct connection *c); /* the server stops: close if idle, else after what runs */
    void (*cut)(struct net *n, struct connection *c);   /* end it now */
    /* Milliseconds since the peer last took some of the output that waits for it, about; 0: none waits, or it cannot be
     * given up now. */
    uint32_t (*stalled)(struct net *n, struct connection *c);
    void (*give_up)(struct net *n, struct connection *c); /* resets such a connection, its output is lost */
};

enum { PROTOCOL_HTTP1, PROTOCOL_COUNT };

/* The network side of a worker. */
struct net {
    struct loop *loop;
    struct pool connections;
    struct account account;
    const struct protocol *protocols[PROTOCOL_COUNT];
    const struct transport *transport;
    const struct listen_spec *listeners; /* by number */
    void *owner;                         /* the protocols' state */
    _Atomic uint64_t *shared_open;       /* connections open in all workers */
    struct address_table *addresses;     /* of all workers; NULL: addresses are not counted */
    _Atomic uint64_t open;               /* connections open in this worker */
    _Atomic uint64_t accepted, bytes_in, bytes_out;
    bool unwatched;                 /* the system had no memory to watch a connection */
    bool draining;                  /* the server is stopping */
    bool cutting;                   /* the time for that is over: every connection ends now */
    void (*closed_fn)(void *owner); /* a connection was closed: there may be room to accept again */
};

enum timer_kind { TIMER_CONNECTION, TIMER_WAIT, TIMER_LISTENER, TIMER_HANDLER, TIMER_ADMISSION, TIMER_WORKER };

void net_init(struct net *n, struct loop *loop, struct memory *memory, const struct transport *transport, void *owner);
void net_done(struct net *n);

/* Takes over an accepted socket, with its address's slot. On failure the socket is closed, the slot is given back and a
 * negative error returned. */
int net_adopt(struct net *n, int fd, uint8_t listener, uint32_t address_slot) MUST_CHECK;
/* Closes a socket that was accepted and is not taken over, with its slot. */
void net_drop(struct net *n, int fd, uint32_t address_slot);

/* Calls drain or cut of every connection. */
void net_drain(struct net *n);
void net_cut(struct net *n);

/* What bytes cross c by. */
static inline const struct transport *connection_transport(const struct net *n, const struct connection *c)
{
    (void)c;
    return n->transport;
}

/* Closes the socket and frees the record; the protocol has freed what hangs from it. reset: the peer gets a reset
 * instead of an orderly end. */
void connection_close(struct net *n, struct connection *c, bool reset);

/* Queues c for run() on a fiber; nothing if it is queued. */
static inline void connection_queue(struct net *n, struct connection *c)
{
    if (c->ready & READY_QUEUED)
        return;
    c->ready |= READY_QUEUED;
    loop_push_work(n->loop, &c->work);
}

/* Queues c before all that is queued. It must not be queued yet. */
static inline void connection_queue_first(struct net *n, struct connection *c)
{
    debug_assert(!(c->ready & READY_QUEUED));
    c->ready |= READY_QUEUED;
    loop_push_work_first(n->loop, &c->work);
}

/* Sets the deadline ms from now; relinks the timer only if it would come too late. */
void connection_deadline_slow(struct net *n, struct connection *c);
static inline void connection_deadline(struct net *n, struct connection *c, uint32_t ms)
{
    c->deadline = tick_after(loop_now_ms(n->loop), loop_delay(ms));
    if (unlikely(!timer_armed(&c->timer) || ticks_between(c->deadline, c->timer.expires) > 0))
        connection_deadline_slow(n, c);
}

/* From here on events are needed: a new connection is registered with the poller. False: the system has no memory for
 * that. */
bool connection_watch_slow(struct net *n, struct connection *c);
static inline bool connection_watch(struct net *n, struct connection *c)
{
    return likely(c->ready & READY_WATCHED) || connection_watch_slow(n, c);
}

/* Brings c->ready up to date where no event does: for a handler that asks before it has waited. */
void connection_look(struct connection *c);

/* As the transport's read, kept in step with c->ready: a short read means drained. */
ssize_t connection_read(struct net *n, struct connection *c, void *buf, size_t len);

/* No more could be written: watches for writing from now on. Returns 0; 1: the transport takes more after all, write
 * again; or WEIR_ECLOSED: the system has no memory to watch it, so that no event would ever tell. */
int connection_blocked(struct net *n, struct connection *c) MUST_CHECK;

#endif
