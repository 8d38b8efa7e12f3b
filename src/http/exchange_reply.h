/*
 * A reply's rules that hold whatever version of HTTP frames it: who may write, how much, what becomes of a body that
 * one call has made, and of filters. Beside exchange_life.h for the versions alone.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_HTTP_EXCHANGE_REPLY_H
#define WEIR_HTTP_EXCHANGE_REPLY_H

#include "http/http.h"
#include "http/status.h"

/* Beside errors: the reply has just got filters, and nothing has been committed. The exchange's call that this stopped
 * is made again, on the filters' operations. */
#define REPLY_FILTERED 1

#define REPLY_DIRECT_MIN 2048 /* bytes of a write that are sent from where they lie; fewer are collected */

/* ---- Writing ---- */

/* What is left to be written of the announced length; without a meaning where none is. */
static inline int64_t exchange_left(const struct exchange *x)
{
    return x->reply.length - (int64_t)x->body_sent;
}

/* Nothing can be written, because of error: which the handler is told. May suspend. */
COLD int exchange_refuse_write(struct exchange *x, int error);

/* Whether the body can be written to: 0 or an error. May suspend where it cannot. */
static inline int exchange_check_write(struct exchange *x)
{
    int error = exchange_may(x, REPLY_WRITE);
    return likely(!error) ? 0 : exchange_refuse_write(x, error);
}

/* Counts len bytes of body that are about to be taken: 0, or WEIR_ETOOBIG beyond what was announced. */
static inline int exchange_count_write(struct exchange *x, size_t len)
{
    if (x->reply.length >= 0 && (uint64_t)len > (uint64_t)exchange_left(x))
        return WEIR_ETOOBIG;
    x->body_sent += len;
    return 0;
}

/* ---- The head ---- */

enum reply_head {
    REPLY_HEAD_DUE,       /* to be committed now */
    REPLY_HEAD_COMMITTED, /* done */
    REPLY_HEAD_FILTERED,  /* see REPLY_FILTERED */
};

/* A stream's head is needed: response middleware has its say. May suspend. */
enum reply_head exchange_head_due(struct exchange *x);

/* A status that has no body settles the reply's form; returns the length that the head is to tell. */
static inline int64_t exchange_settle_form(struct exchange *x, int64_t length)
{
    if (likely(!status_bodyless(x->reply.status)))
        return length;
    x->reply.form = REPLY_BODYLESS;
    return x->reply.status == 205 ? 0 : length; /* has no body, and has to say so (RFC 9110 section 15.3.6) */
}

/* The head that was made cannot be sent: it becomes a bare 500 without a body. The caller forgets what it has collected
 * of the body. */
COLD void exchange_bare_failure(struct exchange *x);

/* ---- The body that one call has made ---- */

/* Lets go of it: of a HEAD reply, or for a client that has gone. */
static inline void exchange_drop_body(struct exchange *x)
{
    struct segment unsent = x->reply.body;
    x->reply.body = (struct segment){.kind = SEGMENT_STATIC};
    if (unlikely(unsent.kind != SEGMENT_STATIC))
        segment_release(&unsent, 0);
}

/* Counts and returns it, whose reference is the caller's. */
static inline struct segment exchange_take_body(struct exchange *x)
{
    struct segment body = x->reply.body;
    x->body_sent += body.len;
    x->reply.body = (struct segment){.kind = SEGMENT_STATIC};
    return body;
}

/* ---- The end ---- */

/* What is logged and told where a handler has announced one length and written another. */
#define REPLY_OTHER_LENGTH "a handler wrote another length than it announced"

/* The reply is complete and uncommitted, with `written` bytes collected. True: *length is what its head is to tell;
 * false: the handler has announced another length, and the reply has to be broken off. */
bool exchange_whole_length(struct exchange *x, int64_t written, int64_t *length);

/* A stream has ended: whether its handler wrote less than it announced, so that it has to be broken off. */
bool exchange_is_short(struct exchange *x);

/*
 * The reply is complete: it goes through its filters, if it has any. Where they fail and the head is not out, a page
 * takes the place of what they have made; but for WEIR_EPROTO, by which the handler has announced another length, or
 * left a filter. 0, or an error: the reply has to be broken off unless x->gone is set. May suspend.
 */
COLD int exchange_finish_filters(struct exchange *x);

#endif
