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
#include "net/endpoint.h"
#include "net/handshake.h"
#include "net/transport.h"

#include <limits.h>

struct address;
struct net;
struct listen_spec;
struct networks;
struct tls_worker;

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

/* An operation that waits for the socket's other direction. */
enum connection_crossed {
    CROSSED_READ = 1,  /* reading goes on when the socket can be written */
    CROSSED_WRITE = 2, /* writing goes on when the socket can be read */
};

/* What stands for a socket where there is none: the transport then has all that would be asked of it (look, watch,
 * address). */
#define SOCKET_NONE INT_MAX

struct connection {
    struct timer timer; /* owner_data is the generation, owner_bits the listener's number */
    struct work work;   /* in the loop's queue for a fiber */
    union {
        void *active;   /* the protocol's: a live request, a half-received head */
        uint64_t idled; /* the protocol's, where nothing is alive: what it remembers of this connection */
    };
    int fd;                /* the socket, or SOCKET_NONE; -1: closed */
    uint32_t deadline;     /* tick at which the timer means it */
    uint32_t address_slot; /* of the peer's address in net.addresses; 0: none */
    uint8_t ready;         /* enum connection_ready */
    uint8_t transport : 3; /* index into net.transports */
    uint8_t protocol : 3;  /* index into net.protocols */
    uint8_t crossed : 2;   /* enum connection_crossed */
    uint8_t state;         /* the protocol's */
    uint8_t flags;         /* the protocol's */
};
/* What 64 bytes for an idle connection allow, less what a slab costs. */
_Static_assert(sizeof(struct connection) == 56, "an idle connection costs 56 bytes");

/* What a connection's present protocol does. All on the loop's thread; run() on a fiber, the others not. */
struct protocol {
    /* c is this protocol's from here on: just accepted, through with its handshake, or switched to. Sets a deadline.
     * data: len bytes that have been read and are for this protocol; they are the caller's again afterwards. */
    void (*opened)(struct net *n, struct connection *c, const char *data, size_t len);
    void (*ready)(struct net *n, struct connection *c, uint32_t events); /* c->ready has been updated */
    void (*expired)(struct net *n, struct connection *c);                /* the deadline has passed */
    void (*run)(struct net *n, struct connection *c);                    /* was queued by connection_queue() */
    void (*drain)(struct net *n, struct connection *c); /* the server stops: close if idle, else after what runs */
    void (*cut)(struct net *n, struct connection *c);   /* end it now */
    /* Milliseconds since the peer last took some of the output that waits for it, about; 0: none waits, or it cannot be
     * given up now. */
    uint32_t (*stalled)(struct net *n, struct connection *c);
    void (*give_up)(struct net *n, struct connection *c); /* resets such a connection, its output is lost */
    /* Whether c may be closed now for the sake of others, because nothing is alive on it; its deadline tells then for
     * how long that has been so. NULL: never. */
    bool (*idle)(const struct connection *c);
    void (*close_idle)(struct net *n, struct connection *c); /* closes such a connection */
};

#define PROTOCOLS_MAX    8
#define TRANSPORTS_MAX   8
#define RECORD_SIZES_MAX 4 /* sizes of records that a worker's connections can have */

/* The network side of a worker. */
struct net {
    struct loop *loop;
    struct pool records[RECORD_SIZES_MAX]; /* of each size that a listener asks for; the first: the plain transport's */
    struct account account;
    const struct protocol *protocols[PROTOCOLS_MAX];    /* the first is protocol_handshake */
    const struct transport *transports[TRANSPORTS_MAX]; /* the first is the plain one */
    uint8_t protocol_count, transport_count, record_sizes;
    const struct listen_spec *listeners; /* by number */
    uint32_t handshake_timeout_ms;
    void *owner;                                     /* the protocols' state */
    _Atomic uint64_t handshakes[HANDSHAKE_FAILURES]; /* failed ones, by enum handshake_failure */
    _Atomic uint64_t handshakes_done;                /* ever */
    _Atomic uint64_t handshaking;                    /* connections of this worker that are in one */
    _Atomic uint64_t *shared_open;                   /* connections open in all workers */
    struct address_table *addresses;                 /* of all workers; NULL: addresses are not counted */
    const struct networks *uncounted;                /* whose connections are not counted by address; NULL: all are */
    _Atomic uint64_t open;                           /* connections open in this worker */
    _Atomic uint64_t accepted, bytes_in, bytes_out;
    struct tls_worker *tls;         /* NULL: no listener has TLS */
    bool handshakes_due;            /* at the end of this turn handshakes are to go on, see tls/worker.h */
    bool unwatched;                 /* the system had no memory to watch a connection */
    bool draining;                  /* the server is stopping */
    bool cutting;                   /* the time for that is over: every connection ends now */
    void (*closed_fn)(void *owner); /* a connection was closed: there may be room to accept again */
    /* A handshake is short of so many bytes: may make room at once, by what idle connections hold. always: for there is
     * a bound of its own on what connections hold, whatever the memory's says. NULL: nobody can. */
    void (*short_fn)(void *owner, size_t bytes, bool always);
    /* The address of c's client has too many connections: tells it so, as far as c is for HTTP alone. c is closed
     * afterwards. NULL: nobody says anything. */
    void (*refuse_fn)(void *owner, struct connection *c);
};

enum timer_kind {
    TIMER_CONNECTION,
    TIMER_WAIT,
    TIMER_LISTENER,
    TIMER_HANDLER,
    TIMER_ADMISSION,
    TIMER_STREAM,
    TIMER_NAMES,
    TIMER_WORKER
};

void net_init(struct net *n, struct loop *loop, struct memory *memory, void *owner);
void net_done(struct net *n);

/* What n's connections are accepted from: by their numbers, `count` of them, which outlive n. 0, or WEIR_EINVAL: they
 * have too many transports or protocols, or too many sizes of records. */
int net_listen(struct net *n, const struct listen_spec *listeners, size_t count) MUST_CHECK;

/* The number of a protocol or a transport, which outlive n; they are registered where they are not. WEIR_EINVAL: there
 * are too many. Whoever makes a protocol registers it when its worker is set up, or before it is first switched to. */
int net_protocol(struct net *n, const struct protocol *p) MUST_CHECK;
int net_transport(struct net *n, const struct transport *t) MUST_CHECK;

/* Calls each(arg, connection) for every connection; each may close its own. */
void net_each(struct net *n, void (*each)(void *arg, void *connection), void *arg);
/* The sizes of records that listeners ask for, in the order of net.records: their number, or WEIR_EINVAL where there
 * are too many. The first is the plain transport's, whether one has that or not. */
int net_record_sizes(const struct listen_spec *listeners, size_t count, size_t sizes[RECORD_SIZES_MAX]);
/* As pool_trim(), the records. */
void net_trim(struct net *n, bool all);
/* Whether each listener's next connection has a record; false: there is no memory for *slab bytes of them. */
bool net_ready(struct net *n, size_t *slab);
/* Whether the next connection of one listener, by its number, has a record. */
bool net_ready_for(struct net *n, uint8_t listener);

/* Takes over an accepted socket, with its address's slot. On failure the socket is closed, the slot is given back and a
 * negative error returned. */
int net_adopt(struct net *n, int fd, uint8_t listener, uint32_t address_slot) MUST_CHECK;
/* Opens a connection without a socket. begin: gives its transport the state that it has instead, before the protocol
 * hears of it. 0 or a negative error. */
int net_adopt_none(struct net *n, uint8_t listener, void (*begin)(struct connection *c, void *arg),
                   void *arg) MUST_CHECK;
/* Closes a socket that was accepted and is not taken over, with its slot. */
void net_drop(struct net *n, int fd, uint32_t address_slot);

/* Calls drain or cut of every connection. */
void net_drain(struct net *n);
void net_cut(struct net *n);

/* Closes the socket and frees the record; the protocol has freed what hangs from it. reset: the peer gets a reset
 * instead of an orderly end. */
void connection_close(struct net *n, struct connection *c, bool reset);

/* What bytes cross c by. */
static inline const struct transport *connection_transport(const struct net *n, const struct connection *c)
{
    return n->transports[c->transport];
}

/* Whose c is. */
static inline const struct protocol *connection_protocol(const struct net *n, const struct connection *c)
{
    return n->protocols[c->protocol];
}

/* Where the client's address is kept that the preface of c's connection has told, behind what its transports need;
 * NULL: c's listener has none. */
struct endpoint *connection_endpoint(const struct net *n, const struct connection *c);

/* The address of c's client: that of its preface, else of the other end of its socket. */
void connection_client(const struct net *n, const struct connection *c, struct address *a);

/* Gives c another transport, one that its listener allows for (listen_spec.record_size): the state of the present one
 * is freed, that of the next begins as zero. One with a handshake begins by a switch to protocol_handshake. */
void connection_set_transport(struct net *n, struct connection *c, int transport);

/* Gives c to another protocol, which is registered, with bytes that were read and belong to that. The present one has
 * freed its state. c may be closed afterwards. */
void connection_switch(struct net *n, struct connection *c, const struct protocol *p, const char *data, size_t len);

/* A transport's word on c: the socket has nothing more to read, and it holds nothing itself; or it has received bytes
 * while it wrote, of which the poller may not tell. */
static inline void connection_drained(struct connection *c)
{
    c->ready &= (uint8_t)~READY_READ;
}
static inline void connection_received(struct connection *c)
{
    c->ready |= READY_READ;
}

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

/* Has the poller watch c, for writing where that is wanted. One that it watches already is watched anew: it tells what
 * is so now. False: the system has no memory for that. */
bool connection_watch_anew(struct net *n, struct connection *c);

/* From here on events are needed: a new connection is registered with the poller. False: the system has no memory for
 * that. */
static inline bool connection_watch(struct net *n, struct connection *c)
{
    return likely(c->ready & READY_WATCHED) || connection_watch_anew(n, c);
}

/* The mark of c's events. */
static inline uint64_t connection_mark(const struct connection *c)
{
    return source_mark(SOURCE_CONNECTION, c, c->timer.owner_data);
}

/* The events, of those given and POLLER_HANGUP, that hold for c now, be it watched or not. */
uint32_t connection_events(const struct net *n, const struct connection *c, uint32_t events);
/* Brings c->ready up to date where no event does: for a handler that asks before it has waited. */
void connection_look(const struct net *n, struct connection *c);
/* The address of the peer, or of this end of c (own). */
void connection_address(const struct net *n, const struct connection *c, bool own, struct address *a);

/* As the transport's read, kept in step with c->ready. TRANSPORT_WANT_READ: in whichever direction it waits, ready() is
 * called when it is worth another try, as for bytes that have come. */
ssize_t connection_read(struct net *n, struct connection *c, void *buf, size_t len);

/* As connection_read(), by the transport's splice, which it must have. */
ssize_t connection_splice(struct net *n, struct connection *c, int pipe, size_t len);

/* Writing gave `want`, TRANSPORT_WANT_READ or TRANSPORT_WANT_WRITE, which is watched for from now on; ready() is called
 * when it is worth another try, as for a socket that can be written. Returns 0; 1: the kernel takes more after all,
 * write again; or WEIR_ECLOSED: the system has no memory to watch it, so that no event would ever tell. */
int connection_blocked(struct net *n, struct connection *c, ssize_t want) MUST_CHECK;

/* Ends this side, as far as the transport can at once. False: for the rest, it is called again when c can be written,
 * and not once it has said true: on a socket, each call makes an event. */
bool connection_shutdown(struct net *n, struct connection *c);

extern const struct protocol protocol_handshake;

#endif
