/*
 * The HTTP side of a worker: the pools that requests live in, settings, and the date.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_HTTP_HTTP_H
#define WEIR_HTTP_HTTP_H

#include "http/admission.h"
#include "http/date.h"
#include "http/exchange.h"
#include "http/over.h"
#include "http/refusal.h"
#include "io/offload.h"

/* The settings that the HTTP floor goes by; zero has been replaced by defaults. */
struct http_settings {
    uint32_t buffer_size;
    uint32_t request_memory;
    uint16_t max_headers;
    uint32_t max_request_line, max_header_block;
    uint16_t max_chunk_extension, max_trailer;
    uint32_t pipeline_depth;
    uint32_t max_requests; /* of a connection; 0: any number */
    uint32_t header_timeout_ms, idle_timeout_ms, body_timeout_ms, write_timeout_ms;
    uint32_t handler_timeout_ms; /* 0: none */
    uint32_t body_min_rate,
        body_grace_ms; /* bytes a second that a body has to come with, 0: any; and how long it need not */
    uint32_t write_min_rate,
        write_window_ms; /* bytes a second that a reply has to be taken with, 0: any; over such a time */
    int64_t max_body, drain_limit;
    uint32_t memory_wait_ms; /* how long a request waits to be admitted */
    bool http2;              /* spoken where a client asks for it */
    bool h2_connect;         /* extended CONNECT is announced and taken (RFC 8441) */
    uint32_t h2_max_streams; /* of a connection */
    /* Bytes that a client may send of a body, and in a connection, before they are read. */
    uint32_t h2_stream_window, h2_connection_window;
    uint64_t spill_limit; /* bytes of half-received heads in a worker; 0: any number */
    uint8_t memory_share; /* percent of the sets that one route may hold */
    struct admission_bounds bounds;
    uint32_t classes; /* of requests, see admission.h */
    uint8_t news;     /* enum exchange_news that a handler's waits tell if it does not say otherwise */
    /* Sizes of request memory other than request_memory that classes have; the first is number 1. */
    uint32_t memory_count, memories[ADMISSION_MEMORIES];
};

/* How long handlers ran, in classes. The loop reads the clock once a turn, so that is how exactly it is known: a
 * handler that ends in the turn in which it began is not measured, and belongs to the first class. Only where the
 * watchdog has found the worker overdue is the clock read for it. */
#define HTTP_TIMES 16
extern const uint64_t http_times_ns[HTTP_TIMES]; /* upper bounds, the last one without end */

/*
 * What a worker counts of the requests of one route: all that have ended, and those whose handlers took longer than the
 * first class, by their class. What is most common, a handler of the first class, is told by the others and costs no
 * second count.
 */
struct route_counters {
    _Atomic uint64_t counts[HTTP_TIMES]; /* [0]: all; else those of that class */
};

/* What a worker counts of its requests beside that. Replies of class 2 are the requests that are in no other class. */
struct http_counters {
    /* By the class of their status, but for 200; [1]: interim ones; [0]: requests whose client had gone before there
     * was one. */
    _Atomic uint64_t replies[6];
    _Atomic uint64_t measured_ns;         /* of handlers that did not end in the turn in which they began */
    _Atomic uint64_t draining, lingering; /* connections in these states */
    _Atomic uint64_t unlike_requests;     /* in use: objects of the account of requests that are none */
    _Atomic uint64_t unlike_heads;        /* in use: blocks of the account of half heads that hold something else */
    /* Of HTTP/2: connections that are not at rest; requests that are alive on them, and that wait for memory. */
    _Atomic uint64_t h2_live, streams, streams_waiting;
    _Atomic uint64_t turn_ns; /* the loop's time of this turn, and TURN_OVERDUE */
};

#define TURN_OVERDUE ((uint64_t)1) /* in turn_ns, set by the watchdog: the turn has lasted too long */

/* A head that has begun to arrive and waits for the rest, in a block of the smallest class that fits. Reading goes on
 * in the block, and each new byte is looked at once, for the head's end or for what no head may hold; either moves it
 * to a buffer, where it is parsed. */
struct spill {
    uint16_t len, capacity;        /* of data */
    uint32_t requests;             /* requests that the connection has had; SPILL_OTHER: this is no head */
    struct admission_class *class; /* the one that the connection has been admitted in; NULL: none */
    char data[];
};

#define SPILL_MOST ((size_t)65536 - sizeof(struct spill)) /* bytes that a block can hold */

#define SPILL_OTHER UINT32_MAX

#define SPILL_FINE_STEP    32u /* classes up to SPILL_FINE_MAX are this far apart */
#define SPILL_FINE_MAX     2048u
#define SPILL_FINE_CLASSES (SPILL_FINE_MAX / SPILL_FINE_STEP)
#define SPILL_CLASSES      (SPILL_FINE_CLASSES + 6) /* then 4 KiB ... 128 KiB */

struct h2;

/* What a worker has for HTTP/2: where frames are read to and composed, which one connection at a time has to itself. */
struct http_h2 {
    char *input;
    uint32_t in_pos, in_len; /* input[in_pos..in_len) is unread */
    struct h2 *input_of;     /* NULL: nobody's */
    char *output;
    uint32_t composed; /* bytes of output that are taken */
    struct h2 *output_of;
};

struct http {
    struct net *net;
    const struct http_host *host;
    const struct http_settings *settings;
    uint32_t head_check; /* a head of up to this many bytes is neither too long in its request line nor in its fields */
    /* Settings that a request has to look at are set: max_requests, handler_timeout_ms, a bound on memory or pools. */
    bool special;
    struct over_listener *listener; /* NULL: nobody wants to know when exchanges are over */
    struct offload *offload;
    void *owner; /* the worker */
    /* Memory was asked for and so many bytes of it are missing: caches give some back at once, others perhaps
     * later. */
    void (*starved)(struct http *h, uint64_t bytes);
    uint64_t (*spare)(const struct http *h); /* bytes that caches would give back then */
    struct admission admission;
    /* Each pool and its account are told by a row of http_pools, see pools.h. */
    struct account record_account, buffer_account, arena_account, spill_account;
    struct pool records;                      /* struct h1 and the web floor's context */
    struct pool buffers;                      /* settings->buffer_size and the scan's slack */
    struct pool fields;                       /* tables of settings->max_headers fields, for heads with many */
    struct pool arenas;                       /* blocks of settings->request_memory */
    struct pool memories[ADMISSION_MEMORIES]; /* blocks of settings->memories, in the same account */
    struct pool waiting;                      /* struct h1_waiting; where memory is bounded, in admission's account */
    struct pool overs;                        /* struct exchange_over; where somebody listens */
    struct pool spills[SPILL_CLASSES];
    struct http_h2 h2;
    struct account h2_account;
    struct pool h2_rests, h2_lives, h2_tables; /* connections at rest, others, and HPACK's tables */
    _Atomic uint64_t refusals[REFUSAL_COUNT];
    struct http_counters counters;
    /* By a class's number; [-1]: requests without a route. The server's, and outlive this. */
    struct route_counters *routes;
    uint64_t date_due_ns;       /* the loop's time at which the second has changed, or the clock may have been set */
    char ok_head[64];           /* "HTTP/1.1 200 OK\r\nDate: ...\r\n" of this second */
    struct over_listener log;   /* tells each request, where that is wanted */
    uint64_t warnings_since_ns; /* the loop's time from which warnings about requests are counted, see request_log.h */
    uint32_t warnings;
};

#define HTTP_OK_HEAD_LEN (sizeof "HTTP/1.1 200 OK\r\nDate: \r\n" - 1 + DATE_LEN)
#define HTTP_DATE_AT     (sizeof "HTTP/1.1 200 OK\r\nDate: " - 1)

/* A block for that size of request memory. */
static inline size_t http_block_size(uint32_t request_memory)
{
    return (request_memory + (size_t)15) & ~(size_t)15;
}

/* Registers n's protocols of HTTP. 0, WEIR_ENOMEM, or WEIR_EINVAL: n has too many. */
int http_init(struct http *h, struct net *n, struct memory *m, const struct http_host *host,
              const struct http_settings *settings, _Atomic uint64_t *shared_sets);
void http_done(struct http *h);

/* Counts a refusal, and logs it with why (NULL: the table's words). */
void http_refused(struct http *h, enum refusal cause, const char *why);

/* ---- refuse.c: who has no request that could be replied to ---- */

/* Counts, and logs, that a connection without a request is told why it will be closed; its version of HTTP tells it in
 * its own way. */
void http_refused_unasked(struct http *h, const struct connection *c, enum refusal cause);

#define HTTP_REFUSAL_MAX 256
/* What HTTP/1.1 says then, of that time: its length. */
size_t http_refusal_compose(enum refusal cause, int64_t seconds, char to[HTTP_REFUSAL_MAX]);

/* Tells a socket that has not become a connection of that listener, where its transport is the plain one, and closes
 * it. */
void http_refuse_socket(struct http *h, int fd, uint8_t listener, enum refusal cause);

/* net.refuse_fn: as http_refuse_socket(), of a client with too many connections. */
void http_refuse_client(void *owner, struct connection *c);

/* Closes those connections that have been idle for longest, so that there is memory for a new one. */
void http_close_oldest(struct http *h);

/* Begins a turn: renews the date when the second has changed. */
void http_tick(struct http *h);

/* A handler has ended in another turn than it began, or in one that is overdue. begin_ns: turn_ns at its begin. */
void http_count_time(struct http *h, struct route_counters *route, uint64_t begin_ns);

/* An object of a pool that is not promised, or NULL. Where the bound on all memory is met, caches give back first. */
void *http_take(struct http *h, struct pool *p);

/* A block that holds a copy of data[0..len), len > 0, with a little room behind it, or NULL. */
struct spill *spill_take(struct http *h, const char *data, size_t len);
void spill_give(struct http *h, struct spill *s);
/* A block for len bytes, at most SPILL_MOST, which are not copied; or NULL. */
struct spill *spill_take_any(struct http *h, size_t len);

/* Bytes of the largest block that a head takes where buffers have that size. */
size_t spill_size_most(uint32_t buffer_size);

/* Whether the bytes from before on, which have just arrived, end the head or break it: time to parse. */
bool spill_ripe(const struct spill *s, size_t before);

extern const struct protocol http_protocol_h1;
extern const struct protocol http_protocol_raw;    /* of listeners with a struct raw_service, see raw.h */
extern const struct protocol http_protocol_duplex; /* of HTTP/1 connections that a duplex is left on */
size_t http_h1_record_size(const struct http_host *host);
size_t http_h1_waiting_size(void);

extern const struct protocol http_protocol_h2;
size_t http_h2_record_size(const struct http_host *host);
size_t http_h2_waiting_size(void);
size_t http_h2_live_size(void);
size_t http_h2_rest_size(void);
size_t http_h2_table_size(void);
void http_h2_stream_timer(void *owner, struct timer *t);
/* Bytes of a worker's input, and of that and the output, which lies behind it. */
size_t http_h2_input_size(void);
size_t http_h2_worker_size(void);

/* What a client of TLS may agree on by ALPN; with HTTP/2, if that is wanted, and built in. */
const struct alpn_offer *http_offers(bool http2);

/* The largest that a version has. */
size_t http_record_size(const struct http_host *host);
size_t http_waiting_size(void);

#endif
