/*
 * Cross-origin resource sharing (Fetch standard, section 3.3): which origins may read, and what preflights are told.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_CLI_CORS_H
#define WEIR_CLI_CORS_H

#include "weir.h"

struct cors {
    const char *const *origins; /* who may read; the caller's */
    size_t count;               /* 0: all may */
    bool credentials;           /* browsers may send the user's password for this server along */
    const char *methods;        /* what pages may send, such as "GET, HEAD" */
};

/* What is wrong with an origin, as browsers write it (RFC 6454 section 7): static. NULL: nothing. */
const char *cors_origin_fault(const char *text);

/* The value of Access-Control-Allow-Origin for a request's Origin, which may be NULL. NULL: the header is not sent. */
const char *cors_allowed(const struct cors *s, const char *origin);

/* Whether a request that changes something comes from a page of this server, from no page at all, or from one of an
 * origin that is named: others could have a user's browser send it without his knowing. origin may be NULL. */
bool cors_may_change(const struct cors *s, const char *origin, const char *host);

/* Request middleware: answers a preflight. Other requests go on. */
void cors_answer_preflight(weir_ctx *c, const struct cors *s);

/* Response middleware: the headers of every reply. */
void cors_set_headers(weir_ctx *c, const struct cors *s);

#endif
