/*
 * The cache as handlers see it: a value that a request has been given stays until the request ends, and a computation
 * that a request leaves behind, by whatever way, is taken over by who waits for it.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/cache/cache.h"
#include "web/context.h"

/* The record of one call of a request that computes or waits; in its arena. */
struct cache_use {
    struct weir_cache_slot slot;
    struct weir_value *value; /* with a reference */
};

static const weir_attribute_key asker_key = {"weir cache", sizeof(struct cache_asker)};

static void request_before_wait(void *arg)
{
    context_before_wait(arg);
}

/* Parks a request for another's computation. Where the server's stop has cut the request, a wait would end the handler;
 * but here the fiber's stack is known to others, so the wait is refused, and the handler's next one ends it. */
static int request_park(void *arg)
{
    weir_ctx *c = arg;
    return c->x->cut ? WEIR_ECANCELED : exchange_park_for_other(c->x);
}

static void request_unref(void *arg)
{
    value_unref(arg);
}

/* Lets go of a call's computation and value when the request ends. The computation is still open if the request was cut
 * within fill. */
static void request_leave(void *arg)
{
    struct cache_use *use = arg;
    struct weir_value *none;
    (void)cache_finish(&use->slot, WEIR_ECANCELED, &none);
    value_unref(use->value);
}

static struct cache_asker *request_asker(weir_ctx *c)
{
    struct cache_asker *asker = weir_attribute(c, &asker_key);
    if (asker && !asker->loop) {
        asker->loop = context_loop(c);
        asker->before_wait = request_before_wait;
        asker->park = request_park;
        asker->arg = c;
    }
    return asker;
}

static int request_compute(weir_ctx *c, struct cache_use *use, weir_cache_fill fill, void *arg)
{
    int error = fill(c, &use->slot, arg);
    return cache_finish(&use->slot, error > 0 ? WEIR_EINVAL : error, &use->value);
}

int context_cache_get(weir_ctx *c, struct weir_cache *cache, struct slice key, weir_cache_fill fill, void *arg,
                      struct weir_value **value, bool *hit)
{
    *value = NULL;
    *hit = true;
    struct weir_value *found = cache_find(cache, key, context_loop(c)->now_ns);
    if (found) {
        int error = weir_defer(c, request_unref, found);
        *value = error ? NULL : found;
        return error;
    }
    struct cache_asker *asker = request_asker(c);
    struct cache_use *use = asker ? arena_alloc(context_arena(c), sizeof *use) : NULL;
    /* The key is read until the computation has ended, which may be among the deferred calls. */
    const char *name = use ? arena_copy(context_arena(c), key) : NULL;
    if (!name)
        return WEIR_ENOMEM;
    *use = (struct cache_use){0};
    int error = weir_defer(c, request_leave, use);
    if (error)
        return error;
    int answer = cache_ask(cache, &use->slot, asker, slice_of(name, key.len), &use->value);
    if (answer == CACHE_COMPUTE) {
        *hit = false;
        answer = request_compute(c, use, fill, arg);
    }
    *value = use->value;
    return answer < 0 ? answer : 0;
}

int weir_cache_get(weir_ctx *c, weir_cache *cache, const char *key, weir_cache_fill fill, void *arg,
                   const weir_value **value, bool *hit)
{
    CONTEXT_CHECK(c);
    bool was_there = true;
    struct weir_value *found = NULL;
    int error = !value          ? WEIR_EINVAL
                : !key          ? context_null_error(c)
                : cache && fill ? context_cache_get(c, cache, slice_from(key), fill, arg, &found, &was_there)
                                : WEIR_EINVAL;
    if (value)
        *value = found;
    if (hit)
        *hit = was_there;
    return error;
}

int weir_cache_put(weir_cache_slot *slot, const void *data, size_t len)
{
    return slot && (data || len == 0) ? cache_put(slot, data, len) : WEIR_EINVAL;
}

void weir_cache_remove(weir_cache *cache, const char *key)
{
    if (cache && key)
        cache_remove(cache, slice_from(key));
}

/* Reads a const cache although its lock is taken: the lock is no part of what a reader sees. */
void weir_cache_stats_read(const weir_cache *cache, weir_cache_stats *stats)
{
    if (!stats)
        return;
    *stats = (weir_cache_stats){0};
    if (cache)
        cache_stats_read((weir_cache *)(uintptr_t)cache, stats);
}
