/*
 * The requests of a worker that are alive, as the ledger's page lists them. On the worker's own thread, and not on a
 * fiber: then every fiber is parked, and each request stands still.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_HTTP_LIVE_H
#define WEIR_HTTP_LIVE_H

#include "http/http.h"

enum http_live_state {
    LIVE_RUNNING,
    LIVE_FAILED, /* the handler was ended, and the error page is about to be made */
    LIVE_WAITING,
    LIVE_RECEIVING,
    LIVE_SENDING,  /* the handler waits until output has been taken */
    LIVE_DRAINING, /* no handler; the output is being taken */
};

struct http_live {
    enum http_live_state state;
    struct slice method; /* empty once the handler has ended: the head may be gone */
    uint64_t sent;       /* bytes of body that the kernel has taken */
    uint64_t memory;     /* in the accounts: records, buffers, block of request memory, stack */
};

/* Calls each(arg, x) for every request whose handler has begun and whose reply is not all sent. */
void http_each_live(struct http *h, void (*each)(void *arg, struct exchange *x), void *arg);

void http_live_read(const struct exchange *x, struct http_live *live);

/* A state's word on the page; static. */
const char *http_live_text(enum http_live_state state);

#endif
