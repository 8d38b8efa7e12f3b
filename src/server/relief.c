/*
 * What a worker does when memory under the bound is short: asks who has some to spare, gives back what others need, and
 * closes what has been idle for longest.
 *
 * SPDX-License-Identifier: MIT
 */
#include "server/server.h"

#define RELIEF_MS 100 /* others are not asked more often */

/* Gives back all that is not needed at this moment: another worker has none. */
void worker_give_back(struct worker *w)
{
    w->give_back_due = false;
    file_cache_clear(&w->web.files);
    file_cache_trim(&w->web.files, true);
    http_trim(&w->http, true);
    net_trim(&w->net, true);
    pool_trim(&w->messages, true);
    fibers_trim(&w->loop.fibers, true);
    w->http.admission.freed = true;
}

void worker_asked_for_memory(struct loop *l, struct inbox_node *node)
{
    (void)l;
    struct order *order = container_of(node, struct order, node);
    atomic_store(&order->sent, false);
    order->worker->give_back_due = true;
}

/* The caches give back first: nobody waits, and nobody is refused, for what is only there to be quicker. */
void worker_starved(struct http *http, uint64_t bytes)
{
    struct worker *w = container_of(http, struct worker, http);
    w->starved = true;
    server_give_back(w->server, bytes);
}

uint64_t worker_spare(const struct http *http)
{
    return server_spare(container_of(http, const struct worker, http)->server);
}

/* Then what other workers, and this one, hold in reserve. */
void worker_seek_memory(struct worker *w)
{
    uint32_t now = loop_now_ms(&w->loop);
    w->starved = false;
    if (ticks_between(w->relief, now) < RELIEF_MS)
        return;
    w->relief = now;
    w->give_back_due = true;
    for (int i = 0; i < w->server->settings.config.workers; i++)
        if (i != w->index)
            order_send(&w->server->workers[i].give_back);
}

struct oldest {
    struct worker *worker;
    int32_t before; /* connections that would be closed for idleness within so many ticks are closed now */
    int32_t nearest, farthest;
    uint64_t count;
};

static void oldest_measure(void *arg, void *object)
{
    struct oldest *o = arg;
    const struct connection *c = object;
    if (!http_connection_idle(c))
        return;
    int32_t left = ticks_between(loop_now_ms(&o->worker->loop), c->deadline);
    o->nearest = left < o->nearest ? left : o->nearest;
    o->farthest = left > o->farthest ? left : o->farthest;
    o->count++;
}

static void oldest_close(void *arg, void *object)
{
    struct oldest *o = arg;
    struct connection *c = object;
    if (!http_connection_idle(c) || ticks_between(loop_now_ms(&o->worker->loop), c->deadline) > o->before)
        return;
    http_refused(&o->worker->http, REFUSAL_MEMORY, "an idle connection makes room for a new one");
    connection_close(&o->worker->net, c, false);
}

/* Those that have been idle for longest are closed. Their deadlines tell how long that is. */
static void close_oldest(struct worker *w)
{
    struct oldest o = {.worker = w, .nearest = INT32_MAX, .farthest = INT32_MIN};
    net_each(&w->net, oldest_measure, &o);
    if (o.count == 0)
        return;
    o.before = o.nearest + (o.farthest - o.nearest) / 8;
    net_each(&w->net, oldest_close, &o);
}

/* There is no memory for a connection: the caches give some back, and only if that is not enough, idle connections
 * do. */
void worker_make_room(void *owner)
{
    struct worker *w = container_of((struct http *)owner, struct worker, http);
    server_give_back(w->server, w->net.connections.slab_size);
    if (pool_ready(&w->net.connections)) {
        worker_resume_listeners(w);
        return;
    }
    w->starved = true;
    close_oldest(w);
}
