/*
 * The server that the connection target drives, and its handlers: each does one thing with a request's body and a
 * reply's. The model of connection_model.h says what a client has to see of each.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_TESTS_FUZZ_CONNECTION_SITE_H
#define WEIR_TESTS_FUZZ_CONNECTION_SITE_H

#include "weir.h"

/* Small, so that a short input meets every limit. */
#define SITE_BUFFER            2048
#define SITE_MAX_LINE          600
#define SITE_MAX_BLOCK         1600 /* a head may fill more than three quarters of the buffer */
#define SITE_MAX_HEADERS       40
#define SITE_MAX_REQUESTS      50 /* of a connection */
#define SITE_MAX_BODY          5000
#define SITE_MAX_EXTENSION     200
#define SITE_MAX_TRAILER       500
#define SITE_DRAIN             3000
#define SITE_STREAMS           10 /* of a connection */
#define SITE_WINDOW            5000
#define SITE_CONNECTION_WINDOW 65535
#define SITE_BODY              1000 /* of BODY's weir_body() */
#define SITE_PART              10   /* bytes that PART reads */
#define SITE_LINES             50   /* of LINES */
#define SITE_LINES_FLUSH       7    /* lines after which it flushes */
#define SITE_BIG               9000 /* bytes that BIG, STATIC and FILE send */
#define SITE_ANNOUNCED         10   /* bytes that LESS and MORE announce */
#define SITE_SLEEP_MS          5
#define SITE_TIMEOUT_MS        10000
#define SITE_NONE_TEXT         "none\n"
#define SITE_FIRST_TEXT        "first\n"
#define SITE_PARTIAL_TEXT      "begun\n"

enum site_kind {
    SITE_READS_NOTHING,
    SITE_READS_ALL,
    SITE_READS_SLICES,
    SITE_READS_PART,
    SITE_READS_BODY,
    SITE_ECHOES,
    SITE_WRITES_LINES,
    SITE_WRITES_BIG,
    SITE_REPLIES_STATIC,
    SITE_SENDS_FILE,
    SITE_FAILS_AT_ONCE,
    SITE_FAILS_AFTER_WRITE,
    SITE_FAILS_AFTER_FLUSH,
    SITE_WRITES_LESS,
    SITE_FLUSHES_LESS,
    SITE_WRITES_MORE,
    SITE_SETS_FIELD,
    SITE_SLEEPS,
    SITE_CLOSES,
    SITE_NO_CONTENT,
    SITE_LONG_HEAD,     /* longer than a buffer */
    SITE_LONGEST_HEAD,  /* and than the request's memory: a 500 in its place */
    SITE_REPLIES_FIRST, /* and reads the body then, unless the client expects to be asked for it */
    SITE_KINDS
};

struct site_route {
    const char *method; /* NULL: any */
    const char *path;
};

extern const struct site_route site_routes[SITE_KINDS];

/* What BIG, STATIC and FILE send. */
const char *site_big(void);

/* Counts of what has happened, over all requests. */
struct site_counts {
    uint64_t handled;            /* handlers that have begun */
    uint64_t deferred, undone;   /* calls that were deferred, and that have run */
    uint64_t announced, settled; /* calls of weir_on_sent(), and of what was given to it */
    int sleeping;                /* handlers that sleep now */
};

extern struct site_counts site_counts;

/* A server with one worker, whose worker_start is given. http2: it speaks that, too. Not started. Aborts when that
 * fails. */
weir_server *site_new(void *(*worker_start)(void *server_data, int worker), bool http2);

/* A body as READS_ALL tells of it: how long it is, and a hash to which the trailer's names and values are added. text
 * has room for 64 bytes. */
#define SITE_HASH 2166136261u
uint32_t site_hash(uint32_t hash, const char *data, size_t len);
size_t site_digest(char *text, size_t len, uint32_t hash);

#endif
