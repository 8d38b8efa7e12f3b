/*
 * What the exchange asks of HTTP/2 beside reading and writing: its stream's ending, readiness, addresses, and what the
 * ledger's page shows.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/h2/h2.h"
#include "http/live.h"
#include "net/address.h"

/* A stream ends by itself; what is worse is a reply that is broken, which its client has to see. */
static void exchange_end(struct exchange *x, enum ending how)
{
    struct h2_stream *s = h2_of(x);
    if (how == ENDING_RESET && s->h2->ending < H2_FAILED)
        h2_stream_reset(s, H2_INTERNAL_ERROR);
}

void h2_queue_first(struct h2 *h)
{
    struct net *n = h2_net(h);
    if (h->conn->ready & READY_QUEUED)
        loop_hasten_work(n->loop, &h->conn->work);
    else
        connection_queue_first(n, h->conn);
}

/* Served first, because the page may be made on the worker's own set of memory. */
static void exchange_fail(struct exchange *x)
{
    struct h2_stream *s = h2_of(x);
    struct h2 *h = s->h2;
    if (s->borrowed) { /* what the handler was sending was its own */
        s->borrowed = false;
        h2_stream_unpin_now(s);
        if (s->tail.len > 0)
            h2_stream_reset(s, H2_INTERNAL_ERROR);
    }
    if (!h2_leave(h)) {
        h2_fail(h, H2_INTERNAL_ERROR, REFUSAL_MEMORY, "no memory for a frame's beginning");
        (void)h2_leave(h); /* of a connection that has failed nothing is kept */
    }
    h2_output_leave(h);
    s->failed = true;
    s->next_wanting = h->failed;
    h->failed = s;
    h2_queue_first(h);
}

/* Also where the fiber is about to be suspended: another one reads on. */
static bool exchange_watch(struct exchange *x)
{
    struct h2 *h = h2_of(x)->h2;
    bool gone = x->gone;
    if (!h->out.blocked)
        (void)h2_send(h, false);
    if (!h2_leave(h))
        return false;
    h2_output_leave(h);
    if (unlikely(x->gone && !gone))
        h2_stream_time(h2_of(x), 1); /* who gives the stream up finds nobody waiting, and wakes nobody */
    return connection_watch(h2_net(h), h->conn);
}

static enum exchange_peer exchange_peer(struct exchange *x, bool look)
{
    const struct h2_stream *s = h2_of(x);
    if (look)
        connection_look(x->http->net, x->conn);
    if (x->gone || (x->conn->ready & READY_GONE) || s->remote == H2_REMOTE_RESET)
        return PEER_GONE;
    return s->h2->input_ended ? PEER_HALF_CLOSED : PEER_OPEN;
}

static void exchange_address(const struct exchange *x, bool own, struct address *a)
{
    connection_address(x->http->net, x->conn, own, a);
}

static uint8_t exchange_listener(const struct exchange *x)
{
    return x->conn->timer.owner_bits;
}

/* ---- The ledger's page ---- */

static enum http_live_state live_state(const struct h2_stream *s)
{
    const struct exchange *x = &s->x;
    if (s->draining)
        return LIVE_DRAINING;
    if (!x->fiber)
        return s->failed ? LIVE_FAILED : LIVE_RUNNING;
    switch ((enum exchange_wait)x->waiting) {
    case WAIT_OUTPUT:
        return LIVE_SENDING;
    case WAIT_INPUT:
        return LIVE_RECEIVING;
    case WAIT_OTHER:
    case WAIT_NONE:
        break;
    }
    return LIVE_WAITING;
}

static void exchange_live(const struct exchange *x, struct http_live *live)
{
    const struct h2_stream *s = h2_of_const(x);
    const struct http *http = x->http;
    bool head_there = x->handler != HANDLER_ENDED && !s->draining;
    uint64_t memory = http->records.stride + (s->buffer != NULL) * http->buffers.stride;
    uint64_t unsent = h2_stream_unsent(s);
    for (const struct h2_piece *p = s->body; p; p = p->next)
        memory += http->buffers.stride;
    if (x->head.fields != x->fields)
        memory += http->fields.stride;
    if (x->arena.block && x->handler != HANDLER_ENDED)
        memory += x->arena.blocks->stride;
    if (!s->draining)
        memory += http->net->loop->fibers.stack_size;
    *live = (struct http_live){
        .state = live_state(s),
        .method = head_there ? slice_of(x->head.base, x->head.method_len) : slice_of(NULL, 0),
        .sent = x->body_sent > unsent ? x->body_sent - unsent : 0,
        .memory = memory,
    };
}

const struct exchange_ops h2_exchange_ops = {
    .read = h2_body_read,
    .trailer = h2_body_trailer,
    .reserve = h2_reply_reserve,
    .commit = h2_reply_commit,
    .place = h2_reply_place,
    .write = h2_reply_write,
    .written = h2_reply_written,
    .commit_head = h2_reply_commit_head,
    .flush = h2_reply_flush,
    .upgrade = h2_upgrade,
    .push = h2_reply_push,
    .discard = h2_reply_discard,
    .end = exchange_end,
    .fail = exchange_fail,
    .watch = exchange_watch,
    .arm_body_deadline = h2_body_arm,
    .peer = exchange_peer,
    .address = exchange_address,
    .listener = exchange_listener,
    .live = exchange_live,
};
