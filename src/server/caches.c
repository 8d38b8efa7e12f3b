/*
 * Making a server's caches, and what they give back.
 *
 * SPDX-License-Identifier: MIT
 */
#include "server/caches.h"
#include "server/server.h"
#include "web/folder/mount.h"

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

/* ---- The server's own ---- */

#define DIGESTS_MEMORY ((size_t)512 * 1024)
#define DIGESTS_MOST   2048 /* which fit */

/* Forms are mostly longer than the bytes of the bound for each of them. */
#define FORM_BYTES 4096

/* Configurations of those that groups ask for; max_bytes 0: nobody does. */
static void own_configs(const weir_server *s, weir_cache_config *forms, weir_cache_config *digests)
{
    int64_t bytes = s->settings.config.kept_compressed_memory;
    size_t sizes[CODINGS], contexts = 0;
    site_compress_sizes(&s->site, sizes);
    for (unsigned i = 0; i < CODINGS; i++)
        contexts += sizes[i];
    *forms = (weir_cache_config){.name = "compressed files"};
    if (contexts > 0 && bytes > 0) {
        forms->max_bytes = (size_t)bytes;
        forms->max_entries = (size_t)bytes / FORM_BYTES;
    }
    *digests = (weir_cache_config){.name = "file digests", .max_entries = DIGESTS_MOST};
    if (site_content_tags(&s->site) || folders_content_tags(&s->site))
        digests->max_bytes = DIGESTS_MEMORY;
}

int caches_make_own(weir_server *s)
{
    weir_cache_config forms, digests;
    own_configs(s, &forms, &digests);
    if (forms.max_bytes > 0 && !(s->kept_forms = weir_cache_new(s, &forms)))
        return WEIR_ENOMEM;
    return digests.max_bytes > 0 && !(s->digests = weir_cache_new(s, &digests)) ? WEIR_ENOMEM : 0;
}

static uint64_t own_memory(const weir_cache *made, const weir_cache_config *config, uint64_t *start)
{
    if (made || config->max_bytes == 0)
        return 0;
    *start += cache_size_empty(config);
    return config->max_bytes;
}

uint64_t caches_own_memory(const weir_server *s, uint64_t *start)
{
    weir_cache_config forms, digests;
    *start = 0;
    own_configs(s, &forms, &digests);
    uint64_t most = own_memory(s->kept_forms, &forms, start);
    return most + own_memory(s->digests, &digests, start);
}

/* ---- All of them ---- */

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
