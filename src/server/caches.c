/*
 * Making a server's caches, and what they give back.
 *
 * SPDX-License-Identifier: MIT
 */
#include "server/caches.h"
#include "server/server.h"

weir_cache *weir_cache_new(weir_server *s, const weir_cache_config *config)
{
    struct server_cache *entry = s ? memory_alloc(&s->account, sizeof *entry) : NULL;
    if (!entry)
        return NULL;
    entry->cache = cache_new(&s->memory, &s->cache_waits, config);
    if (!entry->cache) {
        memory_free(&s->account, entry, sizeof *entry);
        return NULL;
    }
    list_push_back(&s->caches, &entry->link);
    return entry->cache;
}

void caches_give_back(struct weir_server *s, uint64_t bytes)
{
    list_for_each (l, &s->caches) /* made before the start, all of them */
        cache_give_back(container_of(l, struct server_cache, link)->cache, bytes);
}

uint64_t caches_spare(const struct weir_server *s)
{
    uint64_t bytes = 0;
    list_for_each (l, &s->caches)
        bytes += cache_reserved(container_of(l, const struct server_cache, link)->cache);
    return bytes;
}

void caches_free(struct weir_server *s)
{
    list_for_each_safe (l, &s->caches) {
        struct server_cache *entry = container_of(l, struct server_cache, link);
        cache_free(entry->cache);
        memory_free(&s->account, entry, sizeof *entry);
    }
    cache_waits_done(&s->cache_waits);
}
