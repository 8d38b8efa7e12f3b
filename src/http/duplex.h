/*
 * A duplex: the stream of bytes that is left of an exchange when its handler has ended and its client stays. It is a
 * connection of HTTP/1 that has been upgraded or that a reply without an end goes out on, or a stream of HTTP/2; there
 * is no fiber, no buffer and no record of a request any more. What is left of those, two words, lies in the record of
 * its user, who has asked for it by exchange_leave().
 *
 * The version of HTTP calls the user, one call at a time but for those that say otherwise, and the user calls the
 * version by the functions below. Output is pulled: whoever has something to send says so, and is asked for it as far
 * as the client takes it.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_HTTP_DUPLEX_H
#define WEIR_HTTP_DUPLEX_H

#include "http/exchange.h"

#include <sys/uio.h>

struct duplex;

/* What a duplex's user does. All but run() and ended() on the loop's own stack, or on a fiber that must not wait. */
struct duplex_user {
    /* The handler has ended, its reply's head and what it wrote are sent, and d is the user's. data: len bytes that the
     * client has sent meanwhile, the caller's again afterwards. */
    void (*begun)(struct http *http, struct duplex *d, const char *data, size_t len);
    /* Something has come, or duplex_queue() was called. On a fiber, and may suspend, after duplex_before_wait(); the
     * other functions may be called meanwhile. */
    void (*run)(struct http *http, struct duplex *d);
    /* What is to be sent next, which stays as it is until took(): the number of parts filled in, up to `most`; 0:
     * nothing. Must not close d. */
    int (*peek)(struct http *http, struct duplex *d, struct iovec *parts, int most);
    /* n bytes of that have been taken. Must not close d. */
    void (*took)(struct http *http, struct duplex *d, size_t n);
    /* All that peek() gave has been taken, and it gives no more. */
    void (*sent)(struct http *http, struct duplex *d);
    /* The time has come that duplex_time() was told. */
    void (*look)(struct http *http, struct duplex *d);
    /* The client takes again what it had not, or a long turn is over: the time that duplex_time() was told did not run,
     * and is to be told anew. */
    void (*resumed)(struct http *http, struct duplex *d);
    /* The client has ended its side while run() is under way, which reads that when it reads on. NULL: nothing is to be
     * done. */
    void (*half_closed)(struct http *http, struct duplex *d);
    /* The server stops: d is to be closed, at once or soon. */
    void (*drain)(struct http *http, struct duplex *d);
    /* The client has gone, takes nothing, or is cut: nothing can be done with d any more, and ended() follows. A fiber
     * in run() that waits is to be woken. */
    void (*lost)(struct http *http, struct duplex *d, int error);
    /* The last call after lost(), when run() has returned: d may be freed. On a fiber, and may suspend. Also in place
     * of begun(), and without lost(): then it must not suspend. */
    void (*ended)(struct http *http, struct duplex *d);
};

/* What the version does; see the functions below. */
struct duplex_ops {
    ssize_t (*read)(struct http *http, struct duplex *d, char *buf, size_t len);
    void (*send)(struct http *http, struct duplex *d);
    void (*queue)(struct http *http, struct duplex *d);
    void (*time)(struct http *http, struct duplex *d, uint32_t ms);
    bool (*before_wait)(struct http *http, struct duplex *d);
    void (*close)(struct http *http, struct duplex *d, bool orderly);
    void (*fail)(struct http *http, struct duplex *d, bool goes_on);
    struct connection *(*connection)(const struct duplex *d);
    bool (*is_half_closed)(const struct duplex *d);
};

struct duplex {
    const struct duplex_user *user;
    uintptr_t carrier; /* the connection or the stream, with enum duplex_kind in its low bits; 0: none any more */
};

enum duplex_kind {
    DUPLEX_HTTP2 = 1,   /* a stream of HTTP/2 carries it */
    DUPLEX_CHUNKED = 2, /* what is sent is the body of a chunked reply: peek() gives whole chunks */
    DUPLEX_LOST = 4,    /* lost() has been called, and ended() follows */
    DUPLEX_KIND = 7,
};

extern const struct duplex_ops http_h1_duplex_ops, http_h2_duplex_ops;

static inline const struct duplex_ops *duplex_ops(const struct duplex *d)
{
#if WEIR_WITH_HTTP2
    if (d->carrier & DUPLEX_HTTP2)
        return &http_h2_duplex_ops;
#endif
    debug_assert(d->carrier != 0);
    return &http_h1_duplex_ops;
}

static inline bool duplex_is_http2(const struct duplex *d)
{
    return d->carrier & DUPLEX_HTTP2;
}

static inline bool duplex_is_chunked(const struct duplex *d)
{
    return d->carrier & DUPLEX_CHUNKED;
}

/* Whether d has begun, and has neither been lost nor closed. */
static inline bool duplex_is_there(const struct duplex *d)
{
    return d->carrier != 0 && !(d->carrier & DUPLEX_LOST);
}

/* Whether d has begun, and has not ended. */
static inline bool duplex_has_begun(const struct duplex *d)
{
    return d->carrier != 0;
}

/*
 * The exchange leaves d behind when its handler has ended: an upgraded one, or one whose reply is a stream of unknown
 * length; user->begun() or user->ended() will be called. Afterwards, nothing is replied any more. Once for an exchange.
 */
void exchange_leave(struct exchange *x, struct duplex *d, const struct duplex_user *user);

/* Bytes that have come, at least 1; 0: the client has ended its side; TRANSPORT_WANT_READ: run() will be called when
 * there are some; or an error, by which d ends soon. From run(). */
static inline ssize_t duplex_read(struct http *http, struct duplex *d, char *buf, size_t len)
{
    return duplex_ops(d)->read(http, d, buf, len);
}

/* peek() would give something: it is sent as far as the client takes it. user->lost() may be called meanwhile. */
static inline void duplex_send(struct http *http, struct duplex *d)
{
    duplex_ops(d)->send(http, d);
}

/* run() is wanted. */
static inline void duplex_queue(struct http *http, struct duplex *d)
{
    duplex_ops(d)->queue(http, d);
}

/* look() is wanted in about ms milliseconds; it may come earlier. Replaces what was wanted before. */
static inline void duplex_time(struct http *http, struct duplex *d, uint32_t ms)
{
    duplex_ops(d)->time(http, d, ms);
}

/* From run(), before the fiber is suspended. False: there is no memory for that. */
static inline bool duplex_before_wait(struct http *http, struct duplex *d)
{
    return duplex_ops(d)->before_wait(http, d);
}

/* The user has done with d, which has no carrier afterwards; nothing of the user's is called any more. orderly: the
 * client is told that this is the end, else it sees a reset. */
static inline void duplex_close(struct http *http, struct duplex *d, bool orderly)
{
    duplex_ops(d)->close(http, d, orderly);
}

/* run() will not return: its fiber is about to be abandoned. If d has not been closed it either goes on, and run() is
 * called anew, or it is lost. */
static inline void duplex_fail(struct http *http, struct duplex *d, bool goes_on)
{
    duplex_ops(d)->fail(http, d, goes_on);
}

/* Whether the client has ended its side, as far as the loop has told, read or not. */
static inline bool duplex_is_half_closed(const struct duplex *d)
{
    return duplex_ops(d)->is_half_closed(d);
}

/* The operations of an exchange for an event of a duplex that ask for its connection. */
void duplex_exchange_address(const struct exchange *x, bool own, struct address *a);
uint8_t duplex_exchange_listener(const struct exchange *x);

/* The connection that carries d, alone or with others; of one that has begun, also where it is lost. */
static inline struct connection *duplex_connection(const struct duplex *d)
{
    return duplex_ops(d)->connection(d);
}

#endif
