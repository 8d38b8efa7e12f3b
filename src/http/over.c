/*
 * Telling that exchanges are over.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/over.h"
#include "http/http.h"

void http_listen(struct http *h, struct over_listener *l)
{
    if (!h->listener)
        pool_init(&h->overs, &h->record_account, sizeof(struct exchange_over), 16, 0);
    l->next = h->listener;
    h->listener = l;
}

static struct slice over_copy(char *to, size_t most, const char *text, size_t len)
{
    size_t kept = len < most ? len : most;
    memcpy(to, text, kept);
    return slice_of(to, kept);
}

/* What is known when the handler has ended. */
static void over_fill(struct exchange_over *e, const struct exchange *x)
{
    const struct http_head *head = &x->head;
    e->http = x->http;
    e->method = e->target = slice_of(NULL, 0);
    if (head->method_len > 0) {
        e->method = over_copy(e->method_text, OVER_METHOD_MAX, head->base, head->method_len);
        e->target = over_copy(e->target_text, OVER_TARGET_MAX, head->base + head->target, head->target_len);
    }
    struct endpoint client = exchange_client(x);
    endpoint_address(&client, &e->peer);
    e->pattern = x->http->host->pattern(x);
    e->status = reply_is_committed(&x->reply) ? x->reply.status : 0;
    e->refusal = x->refusal;
    e->version = head->version;
    e->received = x->body_length != 0 ? x->body_clock.received : 0;
    e->begin_ns = x->begin_ns & ~TURN_OVERDUE;
    e->on_sent = x->reply.on_sent;
    e->on_sent_arg = x->reply.on_sent_arg;
}

static void over_tell(struct exchange_over *e, int error, uint64_t bytes)
{
    e->error = error;
    e->sent = bytes;
    e->end_ns = loop_clock_ns(e->http->net->loop);
    for (struct over_listener *l = e->http->listener; l; l = l->next)
        l->over(l, e);
    if (e->on_sent)
        e->on_sent(e->on_sent_arg, error, bytes);
}

/* The call that is queued behind the reply. */
static void over_sent(void *arg, int error, uint64_t bytes)
{
    struct exchange_over *e = arg;
    struct http *h = e->http;
    over_tell(e, error, bytes);
    pool_give(&h->overs, e);
    counter_subtract(&h->counters.unlike_requests, 1);
}

bool exchange_over_call(struct exchange *x, int error, struct segment *call)
{
    struct http *h = x->http;
    uint64_t bytes = reply_is_bodyless(&x->reply) ? 0 : x->body_sent;
    *call = (struct segment){
        .kind = SEGMENT_CALL, .len = bytes & SEGMENT_LEN_MASK, .call = x->reply.on_sent, .arg = x->reply.on_sent_arg};
    bool told = x->told;
    if (!told && !x->reply.on_sent)
        x->reply.on_sent_arg = NULL; /* of the record's request before: who lists live requests reads it */
    x->reply.on_sent = NULL;         /* once, whatever still happens to the request */
    x->told = true;
    if (!h->listener || told)
        return call->call != NULL;
    struct exchange_over *e = http_take(h, &h->overs);
    if (!e) { /* told before it is known how the sending ends: better than not at all */
        struct exchange_over here;
        over_fill(&here, x);
        here.on_sent = NULL;
        over_tell(&here, error, bytes);
        return call->call != NULL;
    }
    over_fill(e, x);
    e->on_sent = call->call;
    e->on_sent_arg = call->arg;
    counter_add(&h->counters.unlike_requests, 1);
    call->call = over_sent;
    call->arg = e;
    return true;
}
