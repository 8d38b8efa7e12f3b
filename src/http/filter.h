/*
 * Reply filters: what changes a reply's body between its handler and the wire, as compression does. A chain of them
 * belongs to one reply; nothing above knows of it, and the version of HTTP below sees what comes out of it.
 *
 * A chain stands before the exchange's own operations: adding the first filter puts others in their place, which end
 * where those begin. An exchange without filters has none of this, and pays nothing for it.
 *
 * What is written before the head is committed is collected where it always is, and no filter sees it. Filters begin
 * when the head is about to be committed, after response middleware: they see it as it will be, often with the body's
 * exact length, and each says then whether it takes part. So a reply that an error page replaces has not begun, and
 * its filters begin with the page.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_HTTP_FILTER_H
#define WEIR_HTTP_FILTER_H

#include "http/exchange.h"

struct reply_filter;

/* What a filter says to a reply's head. */
enum filter_answer {
    FILTER_PASSES,         /* the reply is none of its business: released at once, its other calls never run */
    FILTER_KEEPS_LENGTH,   /* as many bytes come out as go in */
    FILTER_CHANGES_LENGTH, /* how many come out is not known */
};

/* All calls run on the exchange's fiber, may suspend, and may never return: a handler that is ended within one leaves
 * its frames for good. After that, or an error, only release is called. */
struct reply_filter_ops {
    /* The head is about to be committed: x->reply holds status and fields, which may be changed, with the web floor's
     * calls, too. length: of the body that will come; REPLY_LENGTH_UNKNOWN: not known. An enum filter_answer; an error
     * is the reply's, whose page goes out without filters. Also of HEAD requests. Not of a status that has no body, nor
     * of 206, whose ranges are of the body as it was. */
    int (*begin)(struct reply_filter *f, struct exchange *x, int64_t length);
    /* A piece of the body, valid for the call, len > 0. What comes out goes on by filter_write() or filter_reserve(),
     * now or later. 0 or an error. Never of a HEAD request; neither are the two below. */
    int (*data)(struct reply_filter *f, struct exchange *x, const char *data, size_t len);
    /* What can be made of the data so far goes on now. NULL: nothing is held back. */
    int (*flush)(struct reply_filter *f, struct exchange *x);
    /* The body is over: the rest goes on. NULL: there is none. */
    int (*finish)(struct reply_filter *f, struct exchange *x);
    /* Once, whatever has become of the reply: it was made, or the client has gone, or it was broken off. After the
     * request's deferred calls where the handler was ended, else before them; the request's memory is still there.
     * NULL: there is nothing to let go of. Must not suspend, nor write. */
    void (*release)(struct reply_filter *f, struct exchange *x);
};

/* The beginning of a filter's own record, which is in the request's memory or lives at least until release. */
struct reply_filter {
    const struct reply_filter_ops *ops;
    struct reply_filter *next; /* the chain's: towards the wire; NULL: the exchange's own operations are next */
    char *room;                /* the chain's: EXCHANGE_RESERVE_MAX bytes where its input is composed; NULL: none yet */
};

/*
 * Prepends a filter: what the handler writes meets the one that was added last first. f->ops is set. 0 and the filter
 * is the chain's until release; else it is still the caller's: WEIR_ECOMMITTED once the head is committed, WEIR_EDONE
 * once filters have begun, WEIR_ENOMEM.
 */
int filter_add(struct exchange *x, struct reply_filter *f);

/* Adds a filter behind those that are there: what comes out of it goes on the wire. Else as filter_add(). */
int filter_append(struct exchange *x, struct reply_filter *f);

/* ---- For filters: what comes out of f ---- */

/* Hands data on; afterwards it is the filter's again. 0 or an error. May suspend. */
int filter_write(struct reply_filter *f, struct exchange *x, const char *data, size_t len);
/* Room of at least min bytes (<= EXCHANGE_RESERVE_MAX) for what comes out, or NULL with *error; and what has been put
 * there is handed on. May suspend. */
char *filter_reserve(struct reply_filter *f, struct exchange *x, size_t min, size_t *room, int *error);
int filter_commit(struct reply_filter *f, struct exchange *x, size_t len);

/* ---- For the HTTP floor ---- */

/*
 * The reply is complete: all of it goes through the filters, x->reply.body as well, which is empty afterwards, and they
 * are released. Without filters this does nothing. The head may still be uncommitted then. 0 or an error, after which
 * the reply cannot be made whole. May suspend.
 */
int filter_finish(struct exchange *x);

/* The reply is to go out without filters, whose head is not committed: they are released. */
void filter_drop(struct exchange *x);

/* Whether the reply has filters, so that its body is not what its handler has made. */
bool filter_is_there(const struct exchange *x);

/* Whether the handler has announced a length that its filters keep count of. */
bool filter_counts_length(const struct exchange *x);

#endif
