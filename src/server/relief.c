/*
 * Giving back memory, and seeking it where it is short.
 *
 * SPDX-License-Identifier: MIT
 */
#include "server/relief.h"
#include "server/caches.h"
#include "server/pools.h"
#include "server/server.h"

#define RELIEF_MS 100 /* others are not asked more often */

/* The pools, and what lies in no pool. */
static COLD void relief_trim_all(struct worker *w, bool all)
{
    pools_trim(http_pools, &w->http, all);
    pools_trim(worker_pools, w, all);
    net_trim(&w->net, all);
    fibers_trim(&w->loop.fibers, all);
}

COLD void relief_trim(struct worker *w)
{
    w->trim_due = false;
    file_cache_close_old(&w->web.files, loop_now_ms(&w->loop));
    pipes_close_unused(&w->web.pipes);
    relief_trim_all(w, false);
    if (w->index == 0)
        topic_memory_trim(&w->server->topics.memory);
    if (w->net.addresses && w->index == 0)
        address_table_trim(w->net.addresses);
}

void relief_give_back(struct worker *w)
{
    w->give_back_due = false;
    file_cache_clear(&w->web.files);
    relief_trim_all(w, true);
    topic_memory_trim(&w->server->topics.memory);
    w->http.admission.freed = true;
}

void relief_asked(struct loop *l, struct inbox_node *node)
{
    (void)l;
    struct order *order = container_of(node, struct order, node);
    atomic_store(&order->sent, false);
    order->worker->give_back_due = true;
}

void relief_starved(struct http *http, uint64_t bytes)
{
    struct worker *w = container_of(http, struct worker, http);
    w->starved = true;
    caches_give_back(w->server, bytes);
}

uint64_t relief_spare(const struct http *http)
{
    return caches_spare(container_of(http, const struct worker, http)->server);
}

void relief_seek(struct worker *w)
{
    uint32_t now = loop_now_ms(&w->loop);
    w->starved = false;
    if (ticks_between(w->relief, now) < RELIEF_MS)
        return;
    w->relief = now;
    w->give_back_due = true;
    for (int i = 0; i < w->server->settings.config.workers; i++)
        if (i != w->index)
            order_send(&w->server->workers[i].give_back, &w->server->workers[i].loop);
}

void relief_for_handshake(void *owner, size_t bytes, bool always)
{
    struct worker *w = container_of((struct http *)owner, struct worker, http);
    const struct memory *m = &w->server->memory;
    if (!always) {
        caches_give_back(w->server, bytes);
        w->starved = true;
    }
    if (always || counter_read(&m->granted) + bytes > m->limit)
        http_close_oldest(&w->http);
}

void relief_make_room(void *owner)
{
    struct worker *w = container_of((struct http *)owner, struct worker, http);
    size_t slab = w->net.records[0].slab_size;
    bool ready = net_ready(&w->net, &slab);
    caches_give_back(w->server, slab);
    if (ready || net_ready(&w->net, &slab)) {
        listeners_resume(w->listeners, w->listener_count);
        return;
    }
    w->starved = true;
    http_close_oldest(&w->http);
}
