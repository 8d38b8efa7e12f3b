/*
 * What the ledger's page shows of a live request of HTTP/1.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/live.h"
#include "http/h1/h1.h"

static enum http_live_state live_state(const struct exchange *x)
{
    if (x->conn->state == H1_DRAINING)
        return LIVE_DRAINING;
    if (!x->fiber)
        return x->conn->state == H1_ACTIVE ? LIVE_RUNNING : LIVE_FAILED;
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

static uint64_t live_memory(const struct h1 *h)
{
    const struct http *http = h->x.http;
    uint64_t size = http->records.stride;
    size += ((h->in != NULL) + (h->second != NULL)) * http->buffers.stride;
    if (h->x.head.fields != h->x.fields)
        size += http->fields.stride;
    if (h->x.arena.block && h->x.handler != HANDLER_ENDED)
        size += h->x.arena.blocks->stride;
    if (h->x.conn->state != H1_DRAINING)
        size += http->net->loop->fibers.stack_size;
    return size;
}

void h1_live(const struct exchange *x, struct http_live *live)
{
    const struct h1 *h = h1_of_const(x);
    uint64_t unsent = output_unsent(&h->out, x->told) + (h->open ? (uint64_t)(h->pos - h->open) : 0);
    bool head_there = x->handler != HANDLER_ENDED && x->conn->state != H1_DRAINING;
    *live = (struct http_live){
        .state = live_state(x),
        .method = head_there ? slice_of(x->head.base, x->head.method_len) : slice_of(NULL, 0),
        .sent = x->body_sent > unsent ? x->body_sent - unsent : 0,
        .memory = live_memory(h),
    };
}
