/*
 * Notes that were read lately, in Redis, for all processes of the service. The cache makes reading faster and is never
 * needed: where Redis does not answer everything goes on without it.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef NOTES_CACHE_H
#define NOTES_CACHE_H

#include <stdatomic.h>
#include <stdbool.h>

#include "note.h"

struct weir_redis;

struct cache {
    struct weir_redis *redis; /* NULL: nothing is kept, as in tests */
    atomic_uint_fast64_t hits, misses, failures;
};

/* A note as clients get it. */
struct cached {
    int64_t version;
    const char *json; /* the request's */
};

/* Whether the note is there. May suspend. */
bool cache_note(weir_ctx *c, struct cache *cache, int64_t id, struct cached *cached);
/* Keeps a note for a minute. May suspend. */
void cache_keep_note(weir_ctx *c, struct cache *cache, int64_t id, const struct cached *cached);
/* Forgets a note that was changed. May suspend. */
void cache_forget_note(weir_ctx *c, struct cache *cache, int64_t id);
/* 0, or why the cache does not answer. May suspend. */
int cache_ping(weir_ctx *c, struct cache *cache);

#endif
