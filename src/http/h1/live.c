/*
 * Looking at live requests of HTTP/1.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/live.h"
#include "http/h1/h1.h"

struct visit {
    void (*each)(void *arg, struct exchange *x);
    void *arg;
};

static void visit_record(void *arg, void *object)
{
    const struct visit *visit = arg;
    struct h1 *h = object;
    if (h->x.begin_ns != 0)
        visit->each(visit->arg, &h->x);
}

void http_each_live(struct http *h, void (*each)(void *arg, struct exchange *x), void *arg)
{
    struct visit visit = {.each = each, .arg = arg};
    pool_each(&h->records, visit_record, &visit);
}

static const char *live_state(const struct exchange *x)
{
    if (x->conn->state == H1_DRAINING)
        return "draining";
    switch ((enum exchange_wait)x->waiting) {
    case WAIT_OUTPUT:
        return "sending";
    case WAIT_INPUT:
        return "receiving";
    case WAIT_OTHER:
        return "waiting";
    case WAIT_NONE:
        break;
    }
    return x->fiber ? "waiting" : "running";
}

static uint64_t live_memory(const struct h1 *h)
{
    const struct http *http = h->x.http;
    uint64_t size = http->records.stride;
    size += ((h->in != NULL) + (h->second != NULL)) * http->buffers.stride;
    if (h->x.head.fields != h->x.fields)
        size += http->fields.stride;
    if (h->x.arena.block && !h->finishing)
        size += h->x.arena.blocks->stride;
    if (h->x.conn->state != H1_DRAINING)
        size += http->net->loop->fibers.stack_size;
    return size;
}

void http_live_read(const struct exchange *x, struct http_live *live)
{
    const struct h1 *h = (const struct h1 *)(const void *)x;
    uint64_t unsent = output_unsent(&h->out) + (h->open ? (uint64_t)(h->pos - h->open) : 0);
    bool head_there = !h->finishing && x->conn->state != H1_DRAINING;
    *live = (struct http_live){
        .state = live_state(x),
        .method = head_there ? slice_of(x->head.base, x->head.method_len) : slice_of(NULL, 0),
        .sent = x->body_sent > unsent ? x->body_sent - unsent : 0,
        .memory = live_memory(h),
    };
}
