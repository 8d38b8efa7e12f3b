/*
 * The event that an exchange is over: its reply has been sent, or will not be. Access logs, figures by route and the
 * handler's own weir_on_sent share it. Where nobody listens an exchange costs one look at two pointers.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_HTTP_OVER_H
#define WEIR_HTTP_OVER_H

#include "http/exchange.h"
#include "net/address.h"

#define OVER_METHOD_MAX 24
#define OVER_TARGET_MAX 512

struct exchange_over {
    struct http *http;
    struct slice method, target; /* as the client sent them, cut at the sizes above; empty: the head was refused */
    struct address peer;         /* the client's, from when the handler ended */
    const char *pattern;         /* of the route; static. NULL: none was found */
    int status;                  /* of the reply; 0: there was none */
    int error;                   /* why not all of the reply was sent, or 0 */
    uint8_t refusal;             /* enum refusal: the limit that was met, if one was */
    uint8_t version;             /* enum weir_http */
    uint64_t received, sent;     /* bytes of body, the request's with its framing */
    uint64_t begin_ns, end_ns;   /* clock_monotonic_ns(): the turn in which it began, and now */

    /* Private to over.c. */
    void (*on_sent)(void *arg, int error, uint64_t bytes);
    void *on_sent_arg;
    char method_text[OVER_METHOD_MAX], target_text[OVER_TARGET_MAX];
};

/* Who listens, in a worker, to all of its exchanges. over() may not wait. */
struct over_listener {
    struct over_listener *next;
    void (*over)(struct over_listener *l, const struct exchange_over *e);
};

/* Adds a listener, which outlives the worker's HTTP side. */
void http_listen(struct http *h, struct over_listener *l);

/* The reply is in the output (error: or has failed): the call to be queued behind it, or to be made at once where there
 * is no reply or no room. False: nobody wants to know. */
COLD bool exchange_over_call(struct exchange *x, int error, struct segment *call);

#endif
