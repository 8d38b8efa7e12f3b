/*
 * What the exchange asks of HTTP/1 beside reading and writing: its connection's ending, readiness, addresses.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/h1/h1.h"
#include "net/address.h"

static void exchange_end(struct exchange *x, enum ending how)
{
    h1_end(h1_of(x), how);
}

/* Queued first, because the page may be made on the worker's own set of memory. */
static void exchange_fail(struct exchange *x)
{
    struct h1 *h = h1_of(x);
    if (h->lent) { /* what is queued of it is gone with the handler's frames */
        h->lent = false;
        h1_drop_output(h, WEIR_ECANCELED);
    }
    x->conn->state = H1_FAILED;
    connection_queue_first(x->http->net, x->conn);
}

static bool exchange_watch(struct exchange *x)
{
    return connection_watch(x->http->net, x->conn);
}

void h1_arm_body_deadline(struct exchange *x)
{
    struct net *n = x->http->net;
    int32_t left = ticks_between(loop_now_ms(n->loop), x->body_clock.deadline);
    uint32_t ms = left > 0 ? (uint32_t)left : 0, check = h1_output_interval(h1_of(x));
    /* An upgraded exchange may wait for any time, and its output is looked at all the same. */
    if (exchange_is_upgraded(x) && h1_of(x)->out.blocked && check < ms)
        ms = check;
    connection_deadline(n, x->conn, ms);
}

static enum exchange_peer exchange_peer(struct exchange *x, bool look)
{
    if (look)
        connection_look(x->http->net, x->conn);
    if (x->gone || (x->conn->ready & READY_GONE))
        return PEER_GONE;
    return x->conn->ready & READY_HALF_CLOSED ? PEER_HALF_CLOSED : PEER_OPEN;
}

static void exchange_address(const struct exchange *x, bool own, struct address *a)
{
    connection_address(x->http->net, x->conn, own, a);
}

static uint8_t exchange_listener(const struct exchange *x)
{
    return x->conn->timer.owner_bits;
}

const struct exchange_ops h1_exchange_ops = {
    .read = h1_body_read,
    .splice = h1_body_splice,
    .await = h1_body_await,
    .trailer = h1_body_trailer,
    .reserve = h1_reply_reserve,
    .commit = h1_reply_commit,
    .place = h1_reply_place,
    .write = h1_reply_write,
    .written = h1_reply_written,
    .commit_head = h1_reply_commit_head,
    .flush = h1_reply_flush,
    .upgrade = h1_upgrade,
    .push = h1_reply_push,
    .discard = h1_reply_discard,
    .end = exchange_end,
    .fail = exchange_fail,
    .watch = exchange_watch,
    .arm_body_deadline = h1_arm_body_deadline,
    .peer = exchange_peer,
    .address = exchange_address,
    .listener = exchange_listener,
    .live = h1_live,
};
