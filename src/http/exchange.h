/*
 * The exchange: one request and its reply, as the web floor sees it, whatever version of HTTP carries it. Above this
 * nobody knows a connection's framing; below it nobody knows routes.
 *
 * An exchange begins when a head is complete and its handler is called, on a fiber. It ends when the handler has
 * returned and the reply has been handed to the output queue; what is still to be sent then needs no fiber. The
 * request's memory dies with the handler.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_HTTP_EXCHANGE_H
#define WEIR_HTTP_EXCHANGE_H

#include "base/arena.h"
#include "http/admission.h"
#include "http/head.h"
#include "http/refusal.h"
#include "http/target.h"
#include "io/wait.h"
#include "net/output.h"

struct exchange;
struct http;
struct address;
struct duplex;
struct http_live;
struct raw_service;

/* One line of a reply's head, "Name: value\r\n", in the request's memory or static. */
struct reply_field {
    struct reply_field *next;
    uint16_t name_len;
    uint16_t line_len; /* with its CRLF */
    const char *line;
};

static inline struct slice reply_field_name(const struct reply_field *f)
{
    return slice_of(f->line, f->name_len);
}

static inline struct slice reply_field_value(const struct reply_field *f)
{
    return slice_of(f->line + f->name_len + 2, f->line_len - f->name_len - 4u);
}

enum { REPLY_LENGTH_UNKNOWN = -1 };

/* How far a reply has come. The order counts: from REPLY_STREAMING on the head is in the output. */
enum reply_phase {
    REPLY_OPEN,      /* head and body can be changed; what has been written of the body can be discarded */
    REPLY_SEALING,   /* a stream's head is being committed: response middleware may change it, and nothing be written */
    REPLY_FINAL,     /* the reply is complete, and its head is not in the output */
    REPLY_STREAMING, /* the head is in the output, more of the body may follow */
    REPLY_ENDED,     /* the head is in the output, and the body is complete */
};

/* How the reply's body goes out. */
enum reply_form {
    REPLY_PLAIN,    /* as it is: its length was told, or the connection's end ends it */
    REPLY_CHUNKED,  /* as a stream of unknown length */
    REPLY_BODYLESS, /* not at all: to HEAD, or with 204, 304 */
    REPLY_RAW,      /* as it is: the exchange is upgraded, and what goes out is HTTP's no more */
};

/* The reply's head as the web floor made it. */
struct reply {
    uint16_t status;
    bool close;           /* close the connection after it */
    uint8_t phase;        /* enum reply_phase */
    uint8_t form;         /* enum reply_form */
    uint16_t status_then; /* when the request was refused */
    int64_t length;       /* announced by the handler, or REPLY_LENGTH_UNKNOWN */
    struct slice type;    /* Content-Type of a one-call reply; empty: none */
    struct reply_field *fields;
    struct reply_field *trailers; /* behind the body, where the version has a place for them; NULL: none */
    struct reply_field **last;    /* where the next of fields goes */
    /* Called when the reply has been sent, or failed. NULL: none. */
    void (*on_sent)(void *arg, int error, uint64_t bytes);
    void *on_sent_arg;
    struct segment body; /* a final body that is not in the region; len 0 and kind STATIC: none */
};

/* Whether there is a body outside of the output, or something to be let go of for it. */
static inline bool reply_has_body(const struct reply *r)
{
    return r->body.kind != SEGMENT_STATIC || r->body.len > 0;
}

static inline bool reply_is_committed(const struct reply *r)
{
    return r->phase >= REPLY_STREAMING;
}

static inline bool reply_is_complete(const struct reply *r)
{
    return r->phase == REPLY_FINAL || r->phase == REPLY_ENDED;
}

static inline bool reply_is_bodyless(const struct reply *r)
{
    return r->form == REPLY_BODYLESS;
}

/* The head goes into the output. */
static inline void reply_set_committed(struct reply *r)
{
    r->phase = r->phase == REPLY_FINAL ? REPLY_ENDED : REPLY_STREAMING;
}

/* Nothing more is written to the body. */
static inline void reply_set_complete(struct reply *r)
{
    r->phase = reply_is_committed(r) ? REPLY_ENDED : REPLY_FINAL;
}

/* What a handler may want to do with its reply. */
enum reply_act {
    REPLY_CHANGE_HEAD,
    REPLY_MAKE,  /* the whole of it, in one call */
    REPLY_WRITE, /* to its body */
};

/* How far the handler of an exchange has come. */
enum exchange_handler {
    HANDLER_RUNS,      /* or a page is made in its place, at its own word */
    HANDLER_ABANDONED, /* was ended by exchange_abandon(), and no page has been made for that */
    HANDLER_ENDED,     /* the reply is being completed: from here on a cut lets waits fail, and ends nothing */
};

/* What is known of the client's side without reading. */
enum exchange_peer { PEER_OPEN, PEER_HALF_CLOSED, PEER_GONE };

/* How a connection ends behind a reply. The order counts: what is worse stays. */
enum ending {
    ENDING_KEEP,
    ENDING_CLOSE,
    ENDING_LINGER, /* and the client may still be sending: it must be able to read the reply */
    ENDING_RESET,  /* the reply is broken, and must not look whole */
};

enum exchange_wait { WAIT_NONE, WAIT_OUTPUT, WAIT_INPUT, WAIT_OTHER };

/* What ends a handler's wait for something else; the handler is told of each once. */
enum exchange_news {
    NEWS_HALF_CLOSED = 1, /* the client has ended its side: WEIR_ECLOSED */
    NEWS_GONE = 2,        /* the client has gone, or is cut: WEIR_ECLOSED */
    NEWS_STOP = 4,        /* the server stops: WEIR_ECANCELED */
    NEWS_ANY = 7,
    NEWS_STOP_TOLD = 8, /* not news: that NEWS_STOP has been told, and is not told again */
};

/* What is due of an exchange at some time. */
enum exchange_due {
    DUE_HANDLER = 1,      /* the handler's end */
    DUE_WAITS = 2,        /* the end of its waits */
    DUE_PASSED = 4,       /* the end of its waits has passed: none begins any more */
    DUE_CANCELED = 8,     /* likewise, since the waits have been cancelled */
    DUE_CLEANING = 16,    /* not a time: a clean-up that may wait runs */
    DUE_WAITS_LATER = 32, /* both are due, and the end of the waits later */
};

struct exchange_ops {
    /* The next piece of the body: *data and its length; 0 at the end; or an error. Valid until the next call. May
     * suspend. */
    ssize_t (*read)(struct exchange *x, const char **data);
    /* The next of the body, at most len bytes, into an empty pipe, without copying them: how many; 0 at the end; or
     * EXCHANGE_SPLICE_..., or an error. Does not suspend where it gives bytes: the caller charges them when the pipe is
     * empty. NULL: bodies are read. */
    ssize_t (*splice)(struct exchange *x, int pipe, size_t len);
    /* Waits for more of the body, after EXCHANGE_SPLICE_LATER: 0, or an error as read()'s. NULL where splice is.
     * Suspends. */
    int (*await)(struct exchange *x);
    /* The i-th field behind a body that has been read to its end; false: there are no more. Valid until the exchange
     * ends. */
    bool (*trailer)(const struct exchange *x, size_t i, const char **name, const char **value);
    /* Room of at least min bytes (<= EXCHANGE_RESERVE_MAX) for the body in the output, or NULL with *error. May
     * suspend. */
    char *(*reserve)(struct exchange *x, size_t min, size_t *room, int *error);
    /* len bytes of the room have been filled. May suspend: it yields when the fiber has had its share. */
    int (*commit)(struct exchange *x, size_t len);
    /* Where a body of len bytes that is all of the reply can be put at once, for commit; NULL: there is no room for it
     * without waiting. */
    char *(*place)(struct exchange *x, size_t len);
    /* Sends or copies data; afterwards it is the caller's again. May suspend. */
    int (*write)(struct exchange *x, const char *data, size_t len);
    /* Body bytes that were written before the head was committed, and where they lie until the next call; 0: none, or
     * it is. */
    size_t (*written)(struct exchange *x, const char **data);
    /* Commits the head as that of a body that is still being made, of x->reply.length. Nothing has been written. May
     * suspend. */
    int (*commit_head)(struct exchange *x);
    /* Hands everything written to the kernel. May suspend. */
    int (*flush)(struct exchange *x);
    /*
     * The client has asked for another protocol, and gets it: commits 101 (HTTP/1.1, with that name, as Upgrade's
     * value) or 200 (HTTP/2), and sends it. From then on reading gives what the client sends, to the end of its side;
     * what is written is sent as it is; when the handler has ended this side is ended, too. 0; WEIR_EPROTO: the request
     * is of HTTP/1.0, or has a body, or cannot be upgraded for another reason; WEIR_ECANCELED: the server stops, or
     * response middleware has made another reply of it; or another error, as of making a reply. May suspend.
     */
    int (*upgrade)(struct exchange *x, const char *protocol);
    /* Before a wait for something else: hands over what the kernel takes now, and leaves the rest to the loop. */
    int (*push)(struct exchange *x);
    /* Forgets body bytes that were written before the head was committed. */
    void (*discard)(struct exchange *x);
    /* What carries the exchange ends behind it in that way, at least. */
    void (*end)(struct exchange *x, enum ending how);
    /* The handler has been ended: http_host.resume is to be called on another fiber, before anybody else is served. */
    void (*fail)(struct exchange *x);
    /* From here on the loop has to tell what happens to the client. False: the system has no memory for that. */
    bool (*watch)(struct exchange *x);
    /* Has the present wait for the request's body end at its deadline, by WEIR_ETIMEDOUT. */
    void (*arm_body_deadline)(struct exchange *x);
    /* The client's side, as far as the loop has told. look: and as the kernel says, where the loop is not told yet. */
    enum exchange_peer (*peer)(struct exchange *x, bool look);
    /* The client's address, or the server's own end of the connection. */
    void (*address)(const struct exchange *x, bool own, struct address *a);
    /* The number of the listener by which the exchange's connection has come. */
    uint8_t (*listener)(const struct exchange *x);
    /* What the ledger's page shows of the exchange. */
    void (*live)(const struct exchange *x, struct http_live *live);
};

/* What splice() says besides counts and errors. */
#define EXCHANGE_SPLICE_LATER (-100) /* nothing has come: await() */
#define EXCHANGE_SPLICE_READ  (-101) /* what is next has to be read() */

/* The timer kind's handler for exchange.deadline. */
void exchange_timed(void *owner, struct timer *t);

#define EXCHANGE_RESERVE_MAX   512
#define EXCHANGE_STEP          (8 * 1024) /* bytes that are moved between two looks at the clock */
#define EXCHANGE_INLINE_MEMORY 512

/* What a client's body is measured by. What the handler does meanwhile is not counted against the client. */
struct body_clock {
    uint64_t received;  /* bytes of the body, framing included */
    uint64_t waited_ms; /* how long they were waited for */
    uint32_t deadline;  /* tick until which the present wait for more lasts */
    /* Of an upgraded exchange, see upgrade.h: how long a read waits, and bits of enum exchange_nudge. */
    uint32_t patience_ms : 30, nudge : 2;
};

struct exchange {
    const struct exchange_ops *ops; /* operations of its version, or of its filters, see filter.h */
    struct http *http;
    struct connection *conn;       /* NULL: a task's, which has none */
    void *context;                 /* the web floor's record of the request */
    struct admission_class *class; /* of the request's route; of the one before until it is admitted; see admission.h */
    struct fiber *fiber;           /* the handler's, while it waits; NULL while it runs or is not alive */
    struct http_head head;
    struct target target;
    struct arena arena;
    struct reply reply;
    uint64_t begin_ns;     /* turn_ns of the worker's counters when it began; 0: it has not */
    uint64_t body_sent;    /* bytes of body handed to the output, as they are sent: behind filters, without framing */
    struct slice rest;     /* of the last piece of the body that was read, not yet copied out */
    int64_t body_length;   /* of the request: -1 when chunked */
    int64_t body_limit;    /* what may be read of it; meaningful where there is one */
    int32_t budget;        /* bytes until the clock is looked at */
    int32_t moved;         /* bytes that the fiber has moved in this turn, but for the budget */
    uint16_t dead_ends;    /* calls for which there was nothing left, see exchange_dead_end() */
    bool gone;             /* the client has gone, or the connection was cut */
    bool cut;              /* the next wait ends the handler: it is over its time, or the server's stop has cut it */
    bool body_read;        /* the request's body has been read to its end */
    bool told;             /* listeners have been told, or will be, that the exchange is over: once, see over.h */
    bool special;          /* limits beyond the usual apply to it, or it has been refused */
    uint8_t handler;       /* enum exchange_handler */
    uint8_t untold;        /* enum exchange_news: what the handler wants to know and no wait has told it yet */
    uint8_t waiting;       /* enum exchange_wait */
    uint8_t refusal;       /* enum refusal: why the request cannot be served as the handler wants, or REFUSAL_NONE */
    struct hold hold;      /* of memory, where that is bounded */
    uint8_t due;           /* enum exchange_due */
    uint32_t due_later;    /* tick of what is due later, where two are; see exchange_time.c */
    struct duplex *duplex; /* is left behind when the handler has ended, see duplex.h; NULL: nothing is */
    struct body_clock body_clock; /* of a request with a body */
    struct timer deadline;        /* of what is due next; armed only where there is something */
    struct http_field fields[HEAD_FIELDS_INLINE];
    char inline_memory[EXCHANGE_INLINE_MEMORY] __attribute__((aligned(16)));
};

/* What the web floor does for the HTTP floor. All on a fiber. */
struct http_host {
    size_t context_size;
    /* A request has arrived: route it and run its handler; returns when that has ended. False: it was not admitted, and
     * nothing was done. */
    bool (*handle)(struct exchange *x);
    /* A connection without HTTP has begun, of that service: its handler runs; returns when that has ended. False: it
     * was not admitted, and nothing was done. */
    bool (*connected)(struct exchange *x, const struct raw_service *service);
    /* A head could not be parsed: make the reply for status. x knows no method and no target. */
    void (*refuse)(struct exchange *x, int status, const char *reason);
    /* The handler was ended by exchange_abandon(): make a page if nothing has been committed. */
    void (*resume)(struct exchange *x);
    /* The request was refused while its handler ran (x->refusal), and the handler has not said so: the page for it
     * replaces what it made. */
    void (*replace)(struct exchange *x);
    /* The handler has ended, and its reply cannot be made, because of error; the head is not out: the page for that
     * takes the reply's place. */
    void (*unmade)(struct exchange *x, int error);
    /* The head is about to be committed: the last chance to change x->reply, and to add filters. False: nothing is in
     * the way. True: it has just been committed, or filters have been added, whose x->ops the call is to be made on
     * again, or there are trailer fields. */
    bool (*before_head)(struct exchange *x);
    /* A request with a body is over, its deferred calls have run: let go of memory that the body lies in. */
    void (*body_over)(struct exchange *x);
    /* The handler has ended: let go of what belongs to the request (deferred calls). */
    void (*ended)(struct exchange *x);
    /* The pattern of the route of a request that has begun, static; NULL: none was found. Also after its end, until
     * the next one begins. Not only on a fiber. */
    const char *(*pattern)(const struct exchange *x);
};

/* Whether the exchange is a stream of bytes in both directions, see exchange_ops.upgrade. */
static inline bool exchange_is_upgraded(const struct exchange *x)
{
    return x->reply.form == REPLY_RAW;
}

static inline ssize_t exchange_read(struct exchange *x, const char **data)
{
    return x->ops->read(x, data);
}

/* Before its handler starts: whether a request of that class (NULL: of none) is admitted. If not, the caller leaves it
 * as it is and returns. */
bool exchange_admit_slowly(struct exchange *x, struct admission_class *class);
#define exchange_admit(x, class) (likely(!(x)->special) || exchange_admit_slowly((x), (class)))

/* The class of a request, by which it is counted, where nothing is promised to it (x->special is false). */
static inline void exchange_set_class(struct exchange *x, struct admission_class *class)
{
    if (likely(!x->special))
        x->class = class;
}

/* No route is found for a request, or none is looked for: it is counted with those. A promise to the one before it
 * stays with its class. */
COLD void exchange_forget_class(struct exchange *x);

/* The handler's time from here on, in place of the server's setting, after which it is ended; ms < 0: any. */
void exchange_limit_time(struct exchange *x, int ms);

/*
 * The waits of the handler end by WEIR_ETIMEDOUT when ms have passed from now on, or now where ms is 0, and begin no
 * more; ms < 0: at no time. A write that waits then is ended as well; one that begins later is not, so that the page of
 * an error gets out.
 */
void exchange_set_deadline(struct exchange *x, int64_t ms);
/* Milliseconds until then; 0: the time is over; -1: there is no such time. */
int64_t exchange_time_left(const struct exchange *x);

/* What an exchange was like before a clean-up that may wait. */
struct exchange_clean_up {
    uint8_t handler, untold;
    bool cut, canceled, cleaning;
    int64_t left; /* exchange_time_left() */
};

/* A clean-up that may wait begins, for ms at most: nothing that has ended the handler, and no news, ends its waits. */
void exchange_begin_clean_up(struct exchange *x, struct exchange_clean_up *before, int ms);
void exchange_end_clean_up(struct exchange *x, const struct exchange_clean_up *before);

/* The handler's memory from here on is that of its class, if it has one of another size. */
void exchange_use_memory(struct exchange *x, const struct admission_class *class);

/* Before any wait: the fiber may be suspended from here on. Ends the handler if there is no memory for that, or it has
 * been cut. */
void exchange_before_wait(struct exchange *x);

/* Likewise, where the handler cannot be ended any more, as in a deferred call: whether the fiber may be suspended. */
bool exchange_can_wait(struct exchange *x);

/* Lets others run, unless memory is too short for it. */
void exchange_yield(struct exchange *x);

/* Parks the handler until something wakes it; why tells what may. Returns the waker's result; WEIR_ETIMEDOUT where its
 * deadline has passed. */
int exchange_park(struct exchange *x, enum exchange_wait why);

/* Wakes the fiber, if it waits, since the client has gone or is given up: error. A clean-up goes on waiting for what is
 * not the client. */
void exchange_wake_gone(struct exchange *x, int error);

/* Whether the handler's waits have been ended for good: their deadline has passed, or they were cancelled. */
static inline bool exchange_is_late(const struct exchange *x)
{
    return x->due & (DUE_PASSED | DUE_CANCELED);
}

/* What the waits say then. */
static inline int exchange_late_error(const struct exchange *x)
{
    return x->due & DUE_CANCELED ? WEIR_ECANCELED : WEIR_ETIMEDOUT;
}

/* Ends the handler's waits by WEIR_ECANCELED, the present one and all that follow. */
void exchange_cancel(struct exchange *x);

/* Nothing is due of an exchange any more. */
void exchange_forget_time(struct exchange *x);

/* What a wait has to tell the handler of the news in `which`: WEIR_ECLOSED or WEIR_ECANCELED, which it then knows; 0:
 * nothing. */
int exchange_news(struct exchange *x, unsigned which);

/* Why a wait for something other than the connection does not begin: WEIR_ETIMEDOUT, the deadline has passed; or news;
 * 0: it does. */
int exchange_wait_over(struct exchange *x);

/* Parks the handler for something other than its connection, unless there is news. Returns the waker's result or the
 * news; WEIR_ECANCELED where the exchange is cut. */
int exchange_park_for_other(struct exchange *x);

/* The result of a wait for something else: news, where it came of none. */
int exchange_wait_result(struct exchange *x, int result);

/* The connection, or the server, has news: ends the wait that it concerns. */
void exchange_wake_for_news(struct exchange *x, enum exchange_news news);

/* Waits for more of the request's body, as long as its settings allow: 0 or an error, after which the connection does
 * not go on. */
int exchange_wait_for_body(struct exchange *x);

/* Whether the handler may do that with its reply: 0, WEIR_ECLOSED, WEIR_ECOMMITTED or WEIR_EDONE. */
static inline int exchange_may(const struct exchange *x, enum reply_act act)
{
    const struct reply *r = &x->reply;
    if (likely(r->phase == REPLY_OPEN)) {
        if (act == REPLY_WRITE)
            return unlikely(x->gone) ? WEIR_ECLOSED : 0;
        return unlikely(act == REPLY_MAKE && x->body_sent > 0) ? WEIR_EDONE : 0;
    }
    if (act == REPLY_WRITE) {
        bool more = r->phase == REPLY_STREAMING && r->form != REPLY_BODYLESS;
        return x->gone ? WEIR_ECLOSED : more ? 0 : WEIR_EDONE;
    }
    if (!reply_is_committed(r))
        return act == REPLY_CHANGE_HEAD ? 0 : WEIR_EDONE;
    if (act == REPLY_CHANGE_HEAD)
        return WEIR_ECOMMITTED;
    return r->phase == REPLY_ENDED ? WEIR_EDONE : x->gone ? WEIR_ECLOSED : WEIR_ECOMMITTED;
}

/* Whether a field can still be added behind the reply's body, or would be dropped as RFC 9110 section 6.5 allows: 0,
 * WEIR_ECLOSED, WEIR_EDONE, or WEIR_ECOMMITTED where the head has promised an end without any. */
int exchange_may_trail(const struct exchange *x);

/* The client's address, as far as the connection tells: that of its PROXY preface, else the other end's. */
struct endpoint exchange_client(const struct exchange *x);

/* Whether nobody can read or change what crosses the exchange's connection. */
bool exchange_is_secure(const struct exchange *x);

/* Whether the server's stop has cut the exchange while its handler runs: the handler is to be ended. */
bool exchange_is_cut(const struct exchange *x);

/* Refuses the request for cause while its handler runs: the client is told so if the head has not been sent. The first
 * cause stays. */
void exchange_refuse(struct exchange *x, enum refusal cause, const char *why);

/* Ends the handler here and now, from any depth; http_host.resume is called on another fiber. */
void exchange_abandon(struct exchange *x) __attribute__((noreturn));

/* How what crosses the exchange's connection is kept from others; false: it is not. */
bool exchange_security(const struct exchange *x, struct transport_security *s);

/* Called after each body write: charges n bytes to the fiber's share of this turn and yields when it is used up. */
void exchange_charge(struct exchange *x, size_t n);

/* The reply has begun and cannot be made whole: the client must see that, by a reset where nothing else tells it. */
static inline void exchange_break(struct exchange *x)
{
    x->gone = true;
    x->ops->end(x, ENDING_RESET);
}

/* A call for which there is nothing left, as a write to a client that has gone or a read behind the end: yields, and
 * after too many of them ends the handler, whose loop would keep the worker. Returns error. */
int exchange_dead_end(struct exchange *x, int error);

#endif
