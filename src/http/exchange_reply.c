/*
 * A reply's rules, the parts that few replies meet.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/exchange_reply.h"
#include "http/filter.h"
#include "http/request_log.h"

/* A handler that goes on writing what nobody gets must not keep the worker. */
int exchange_refuse_write(struct exchange *x, int error)
{
    bool dead_end = error == WEIR_ECLOSED || (reply_is_bodyless(&x->reply) && x->reply.phase == REPLY_STREAMING);
    return dead_end ? exchange_dead_end(x, error) : error;
}

enum reply_head exchange_head_due(struct exchange *x)
{
    if (reply_is_committed(&x->reply))
        return REPLY_HEAD_COMMITTED;
    x->reply.phase = REPLY_SEALING;
    bool changed = x->http->host->before_head(x);
    if (reply_is_committed(&x->reply))
        return REPLY_HEAD_COMMITTED;
    if (likely(!changed))
        return REPLY_HEAD_DUE;
    x->reply.phase = REPLY_OPEN;
    return REPLY_HEAD_FILTERED;
}

void exchange_bare_failure(struct exchange *x)
{
    exchange_drop_body(x);
    x->reply.fields = x->reply.trailers = NULL;
    x->reply.type = slice_of(NULL, 0);
    x->reply.status = 500;
    x->reply.form = REPLY_BODYLESS;
    x->reply.length = 0;
    x->body_sent = 0;
}

bool exchange_whole_length(struct exchange *x, int64_t written, int64_t *length)
{
    const struct reply *r = &x->reply;
    bool announced = r->length >= 0 && !r->body.len;
    *length = announced ? r->length : written + (int64_t)r->body.len;
    if (!announced || r->length == written || reply_is_bodyless(r) || status_bodyless(r->status))
        return true;
    http_log_failure(x, "its handler announced %lld bytes and wrote %lld", (long long)r->length, (long long)written);
    return false;
}

bool exchange_is_short(struct exchange *x)
{
    if (reply_is_bodyless(&x->reply) || x->reply.length < 0 || exchange_left(x) <= 0)
        return false;
    http_log_failure(x, "its handler wrote %lld bytes less than it announced", (long long)exchange_left(x));
    return true;
}

int exchange_finish_filters(struct exchange *x)
{
    int error = filter_finish(x);
    if (!error || x->gone || error == WEIR_EPROTO || reply_is_committed(&x->reply))
        return error;
    http_log_failure(x, "its reply could not go through its filters: %s", weir_strerror(error));
    x->http->host->unmade(x, error);
    return filter_finish(x); /* an error hook may have added some */
}
