/*
 * A live stream: a client that stays when its handler has ended, and is sent what topics bring (topic/subscription.h)
 * and what its user says. It is the user of a duplex (http/duplex.h), and holds no fiber and no buffer; what it needs
 * while something is under way is a struct live_work, which comes from a pool and goes back.
 *
 * Its kind, WebSocket or event stream, is a static table. What is sent is a sequence of pieces, of which one is under
 * way at a time: a piece of the kind's own (live_say), what a fiber sends and waits for (live_send), or a message. A
 * subscriber that cannot take a message lags, and gets it from the topic's ring when the client takes more.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_LIVE_STREAM_H
#define WEIR_WEB_LIVE_STREAM_H

#include "http/duplex.h"
#include "http/http.h"
#include "web/live/worker.h"
#include "web/topic/subscription.h"
#include "web/websocket/session.h"

struct live_stream;
struct live_work;

/* What kinds of live streams differ in. */
struct live_kind {
    struct duplex_user user;              /* first; some of it by LIVE_SENDS */
    struct subscriber_ops first, further; /* of live_stream.first, and of others: LIVE_SUBSCRIBES */
    /* How a message looks on the wire; empty: it cannot be sent to this kind. */
    struct slice (*encode)(struct live_stream *l, struct message *m);
    size_t figure; /* which of struct live_figures counts them, by its offset */
};

/* The functions of a kind that live_stream has for it. */
#define LIVE_SENDS .peek = live_peek, .took = live_took, .sent = live_sent, .lost = live_lost
#define LIVE_SUBSCRIBES                                                                                                \
    .first = {.deliver = live_deliver_first, .overrun = live_overrun_first},                                           \
    .further = {.deliver = live_deliver_further, .overrun = live_overrun_further}

enum live_flags {
    LIVE_NONE,
    LIVE_CLOSING = 1 << 0,  /* run() is to end it, because the server stops */
    LIVE_OVERRUN = 1 << 1,  /* or because it has not kept up with a topic that disconnects then */
    LIVE_IN_PARTS = 1 << 2, /* a message is out in part: none of a topic's may follow */
    /* Of WebSockets: */
    LIVE_OPENED = 1 << 3,       /* the first event has been told */
    LIVE_TOLD = 1 << 4,         /* and the last one */
    LIVE_RUNS = 1 << 5,         /* events are being told */
    LIVE_HEARD = 1 << 6,        /* something has come since the last look */
    LIVE_PINGED = 1 << 7,       /* and before that, a Ping was sent for want of it */
    LIVE_GIVEN_UP = 1 << 8,     /* the client has not answered a Ping, or a Close */
    LIVE_STARVED = 1 << 9,      /* there was no memory for an event: it is tried again */
    LIVE_CLOSE_TIMED = 1 << 10, /* the time for the client's Close runs */
    LIVE_ENDED = 1 << 11,       /* ended() has been called: nobody else frees it */
    /* Of any kind: */
    LIVE_WORKS = 1 << 12, /* something is under way: the work is where the program's data was */
};

struct live_stream {
    struct duplex duplex;      /* first */
    struct subscription first; /* all zero: none */
    union {
        void *data;             /* the program's, of a WebSocket */
        struct live_work *work; /* while something is under way; it has the data then */
    } has;
    /* Of a WebSocket; of any kind, `driver` are the stream's flags, enum live_flags. */
    struct ws_session_rest rest;
};

_Static_assert(sizeof(struct live_stream) == 64, "with the connection's 56 that is 120");

/* Of a stream that has subscribed to more than one topic. */
struct live_subscription {
    struct subscription base;
    struct live_stream *stream;
    struct live_subscription *next;
};

enum live_piece {
    LIVE_PIECE_NONE,
    LIVE_PIECE_SAID,
    LIVE_PIECE_SENT, /* a fiber's */
    LIVE_PIECE_MESSAGE,
};

#define LIVE_SAID_MAX 128 /* bytes of a piece of the kind's own: a control frame */

struct live_work {
    struct live_stream *stream;
    void *data;            /* the program's */
    enum live_piece piece; /* under way */
    int part_count;        /* of which these are left */
    struct iovec parts[2];
    struct message *message;  /* of LIVE_PIECE_MESSAGE */
    bool borrowed;            /* message is the batch's, without a reference of our own */
    bool keeps;               /* the kind needs the work beyond what is sent */
    struct live_event *event; /* the one that is being told; NULL: none is */
    struct spill *early;      /* what came with the handshake and has not been read; NULL: nothing */
    uint8_t said;             /* bytes of `saying` that wait to be sent */
    size_t batch_count, batch_taken;
    struct message *const *batch; /* what is being delivered; NULL: nothing */
    struct live_subscription *further;
    struct fiber *writer; /* waits until its piece is sent; NULL: nobody */
    int writer_result;    /* 0 while it waits */
    struct iovec writing[2];
    void *own; /* the kind's: a struct ws_line that an event has left */
    char saying[LIVE_SAID_MAX];
};

/* A stream that has not begun; NULL: no memory. */
struct live_stream *live_take(struct http *http);
/* The exchange leaves it behind. */
void live_leave(struct exchange *x, struct live_stream *l, const struct live_kind *kind);
/* Frees a stream that has been closed, or has ended. */
void live_free(struct http *http, struct live_stream *l);

/* Work for l, which has none or has one; NULL: no memory. */
struct live_work *live_work(struct http *http, struct live_stream *l);
/* Gives the work back if nothing is under way. */
void live_rest(struct http *http, struct live_stream *l);

/* Sends len bytes (<= LIVE_SAID_MAX) of the kind's own, when what is under way is over. False: no memory, or there are
 * such bytes already. */
bool live_say(struct http *http, struct live_stream *l, const char *bytes, size_t len);

/* From run(): sends head and data, and waits until the client has taken them. 0, WEIR_ECLOSED or WEIR_ENOMEM.
 * Suspends. */
int live_send(struct http *http, struct live_stream *l, struct slice head, struct slice data);

/* Whether l has subscribed to that name. */
bool live_is_subscribed(const struct live_stream *l, struct slice name);
/* Subscribes l to a name or a pattern. 0 or an error as subscribe(). Before it has begun as well: what comes meanwhile
 * is sent then. */
int live_subscribe(struct http *http, struct live_stream *l, struct slice name, const weir_topic_start *start);
/* Ends the subscription to that name; WEIR_ENOENT: there is none. */
int live_unsubscribe(struct http *http, struct live_stream *l, struct slice name);
/* Ends all of them. */
void live_unsubscribe_all(struct http *http, struct live_stream *l);

/* Has run() called to end l: LIVE_CLOSING or LIVE_OVERRUN says why. */
void live_end_soon(struct http *http, struct live_stream *l, enum live_flags why);

int live_peek(struct http *http, struct duplex *d, struct iovec *parts, int most);
void live_took(struct http *http, struct duplex *d, size_t n);
void live_sent(struct http *http, struct duplex *d);
void live_lost(struct http *http, struct duplex *d, int error);
size_t live_deliver_first(struct topic_worker *worker, struct subscription *s, struct message *const *messages,
                          size_t count);
size_t live_deliver_further(struct topic_worker *worker, struct subscription *s, struct message *const *messages,
                            size_t count);
void live_overrun_first(struct topic_worker *worker, struct subscription *s);
void live_overrun_further(struct topic_worker *worker, struct subscription *s);

/* The work of a stream; NULL: nothing is under way. */
static inline struct live_work *live_work_of(const struct live_stream *l)
{
    return l->rest.driver & LIVE_WORKS ? l->has.work : NULL;
}

/* The work of a stream that has some. */
static inline struct live_work *live_work_there(const struct live_stream *l)
{
    struct live_work *w = live_work_of(l);
    weir_assert(w);
    return w;
}

/* The program's data of a stream. */
static inline void *live_data(const struct live_stream *l)
{
    return l->rest.driver & LIVE_WORKS ? l->has.work->data : l->has.data;
}

static inline struct live_stream *live_of(struct duplex *d)
{
    return container_of(d, struct live_stream, duplex);
}

#endif
