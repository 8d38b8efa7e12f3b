/*
 * Closing connections that have been idle for longest.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/http.h"

struct oldest {
    struct http *http;
    int32_t before; /* connections that would be closed for idleness within so many ticks are closed now */
    int32_t nearest, farthest;
    uint64_t count;
};

/* Ticks until an idle connection is closed. */
static int32_t ticks_left(const struct oldest *o, const struct connection *c)
{
    return ticks_between(loop_now_ms(o->http->net->loop), c->deadline);
}

static bool is_idle(const struct oldest *o, const struct connection *c)
{
    const struct protocol *p = connection_protocol(o->http->net, c);
    return p->idle && p->idle(c);
}

static void oldest_measure(void *arg, void *object)
{
    struct oldest *o = arg;
    const struct connection *c = object;
    if (!is_idle(o, c))
        return;
    int32_t left = ticks_left(o, c);
    o->nearest = left < o->nearest ? left : o->nearest;
    o->farthest = left > o->farthest ? left : o->farthest;
    o->count++;
}

static void oldest_close(void *arg, void *object)
{
    struct oldest *o = arg;
    struct connection *c = object;
    if (!is_idle(o, c) || ticks_left(o, c) > o->before)
        return;
    http_refused(o->http, REFUSAL_MEMORY, "an idle connection makes room for a new one");
    connection_protocol(o->http->net, c)->close_idle(o->http->net, c);
}

/* An idle connection's deadline tells how long it has been idle. */
void http_close_oldest(struct http *h)
{
    struct oldest o = {.http = h, .nearest = INT32_MAX, .farthest = INT32_MIN};
    net_each(h->net, oldest_measure, &o);
    if (o.count == 0)
        return;
    o.before = o.nearest + (o.farthest - o.nearest) / 8;
    net_each(h->net, oldest_close, &o);
}
