/*
 * A note is kept under "note:ID", its version before its JSON. Whoever changes a note forgets it here afterwards; who
 * had read the old one just before may still put it back, for a minute at most.
 *
 * SPDX-License-Identifier: MIT
 */
#include "cache.h"

#include <stdlib.h>
#include <string.h>
#include <weir-redis.h>

enum { KEEP_S = 60 };

/* Counts a failure of Redis, which is nobody's but the cache's. */
static bool is_good(struct cache *cache, int error)
{
    if (error)
        atomic_fetch_add(&cache->failures, 1);
    return !error;
}

bool cache_note(weir_ctx *c, struct cache *cache, int64_t id, struct cached *cached)
{
    redisReply *reply;
    if (!cache->redis || !is_good(cache, weir_redis_command(c, cache->redis, &reply, "GET note:%lld", (long long)id)))
        return false;
    char *json = NULL;
    int64_t version = reply->type == REDIS_REPLY_STRING ? strtoll(reply->str, &json, 10) : 0;
    bool found = json && *json == ' ';
    if (found)
        *cached = (struct cached){.version = version, .json = json + 1};
    atomic_fetch_add(found ? &cache->hits : &cache->misses, 1);
    return found;
}

void cache_keep_note(weir_ctx *c, struct cache *cache, int64_t id, const struct cached *cached)
{
    const char *value = cache->redis ? weir_sprintf(c, "%lld %s", (long long)cached->version, cached->json) : NULL;
    if (value)
        is_good(cache,
                weir_redis_command(c, cache->redis, NULL, "SET note:%lld %s EX %d", (long long)id, value, KEEP_S));
}

void cache_forget_note(weir_ctx *c, struct cache *cache, int64_t id)
{
    if (cache->redis)
        is_good(cache, weir_redis_command(c, cache->redis, NULL, "DEL note:%lld", (long long)id));
}

int cache_ping(weir_ctx *c, struct cache *cache)
{
    return cache->redis ? weir_redis_command(c, cache->redis, NULL, "PING") : 0;
}
