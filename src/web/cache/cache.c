/*
 * The cache's table: finding, keeping, evicting, and the memory behind it.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/cache/cache.h"

#include <stdio.h>
#include <unistd.h>

#define ENTRIES_DEFAULT   1000
#define BYTES_DEFAULT     ((size_t)16 * 1024 * 1024)
#define BUCKETS_MIN       64
#define BUCKET_SIZE       sizeof(void *)
#define BUCKETS_MAPPED    ((size_t)8 * 1024) /* bytes of them from which on they are a mapping */
#define BATCH             64                 /* evictions for one entry until others get the lock */
#define GIVE_BACK_BATCHES 64                 /* batches of one call; the lock is held for one at a time */

_Static_assert(BUCKETS_MIN % CACHE_STRIPES == 0, "a bucket has to belong to one stripe");

/* ---- Making and freeing ---- */

/* The number of buckets for as many entries as there can be, within an eighth of the bytes. */
static size_t bucket_count(size_t max_entries, size_t max_bytes)
{
    size_t n = BUCKETS_MIN;
    while (n < max_entries && n * 2 * BUCKET_SIZE <= max_bytes / 8)
        n *= 2;
    return n;
}

static size_t entries_of(const weir_cache_config *config)
{
    return config->max_entries ? config->max_entries : ENTRIES_DEFAULT;
}

static size_t bytes_of(const weir_cache_config *config)
{
    return config->max_bytes ? config->max_bytes : BYTES_DEFAULT;
}

/* Bytes that so many buckets take. Many are a mapping, of which only those pages cost anything that have been used. */
static size_t buckets_size(size_t count)
{
    size_t size = count * BUCKET_SIZE;
    return size < BUCKETS_MAPPED ? size : memory_whole_pages(size);
}

static void *buckets_new(struct account *a, size_t count)
{
    size_t size = buckets_size(count);
    bool mapped = size >= BUCKETS_MAPPED;
    void *buckets = mapped ? memory_map(a, size, (size_t)sysconf(_SC_PAGESIZE)) : memory_alloc(a, size);
    if (buckets && mapped)
        account_take_any(a, size);
    else if (buckets)
        memset(buckets, 0, size);
    return buckets;
}

static void buckets_free(struct account *a, void *buckets, size_t count)
{
    size_t size = buckets_size(count);
    if (!buckets)
        return;
    if (size < BUCKETS_MAPPED) {
        memory_free(a, buckets, size);
        return;
    }
    account_give_any(a, size);
    memory_unmap(a, buckets, size);
}

uint64_t cache_size_empty(const weir_cache_config *config)
{
    return sizeof(struct weir_cache) + buckets_size(bucket_count(entries_of(config), bytes_of(config)));
}

/* Makes the record of a cache by hand, not from its account: the account lies in the memory that it counts. */
static struct weir_cache *cache_allocate(struct memory *m, const char *name)
{
    struct weir_cache *c = aligned_alloc(_Alignof(struct weir_cache), sizeof *c);
    if (!c)
        return NULL;
    memset(c, 0, sizeof *c);
    snprintf(c->name, sizeof c->name, "%s", name);
    account_open(&c->account, m, c->name);
    if (!memory_grant(&c->account, sizeof *c)) {
        account_close(&c->account);
        free(c);
        return NULL;
    }
    account_take(&c->account, sizeof *c);
    lock_init(&c->lock);
    for (int i = 0; i < CACHE_STRIPES; i++)
        lock_init(&c->stripes[i].lock);
    sieve_init(&c->sieve);
    return c;
}

void cache_waits_init(struct cache_waits *w)
{
    lock_init(&w->lock);
}

void cache_waits_done(struct cache_waits *w)
{
    lock_done(&w->lock);
}

struct weir_cache *cache_new(struct memory *m, struct cache_waits *w, const weir_cache_config *config)
{
    static const weir_cache_config defaults;
    if (!config)
        config = &defaults;
    size_t max_entries = entries_of(config), max_bytes = bytes_of(config);
    if (max_bytes < CACHE_BYTES_MIN || config->ttl_ms < 0)
        return NULL;
    struct weir_cache *c = cache_allocate(m, config->name ? config->name : "cache");
    if (!c)
        return NULL;
    c->waits = w;
    c->max_entries = max_entries;
    c->max_bytes = max_bytes;
    c->ttl_ns = (uint64_t)config->ttl_ms * 1000000;
    cache_heap_init(&c->heap, &c->account, max_bytes);
    size_t buckets = bucket_count(max_entries, max_bytes);
    c->buckets = buckets_new(&c->account, buckets);
    c->bucket_mask = buckets - 1;
    if (!c->buckets || !siphash_seed(&c->seed)) {
        cache_free(c);
        return NULL;
    }
    return c;
}

/* ---- Entries ---- */

static struct cache_entry *entry_of_shared(const struct shared *s)
{
    return container_of(s, struct cache_entry, value.shared);
}

static struct cache_entry *entry_of_node(const struct sieve_node *node)
{
    return container_of(node, struct cache_entry, node);
}

/* Frees an entry when the last holder of its value has gone, some time after the entry left the table. */
static void entry_release(struct shared *s)
{
    struct cache_entry *e = entry_of_shared(s);
    struct weir_cache *c = e->cache;
    cache_lock_acquire(&c->lock);
    cache_heap_give(&c->heap, e);
    cache_lock_release(&c->lock);
}

static struct cache_stripe *stripe_of(struct weir_cache *c, uint64_t hash)
{
    return &c->stripes[hash % CACHE_STRIPES];
}

/* Takes an entry out of the table. */
static void entry_detach(struct weir_cache *c, struct cache_entry *e) REQUIRES(cache_lock)
{
    struct cache_stripe *stripe = stripe_of(c, e->hash);
    stripe_lock_acquire(&stripe->lock);
    struct cache_entry **at = &c->buckets[e->hash & c->bucket_mask];
    while (*at != e)
        at = &(*at)->next;
    *at = e->next;
    stripe_lock_release(&stripe->lock);
    sieve_remove(&c->sieve, &e->node);
    if (value_drop(&e->value))
        cache_heap_give(&c->heap, e);
}

/* The entry of a key, or NULL. Under the cache's lock or that of the key's stripe. */
static struct cache_entry *entry_find(struct weir_cache *c, struct slice key, uint64_t hash)
{
    for (struct cache_entry *e = c->buckets[hash & c->bucket_mask]; e; e = e->next)
        if (e->hash == hash && slice_equal(slice_of(e->key, e->key_len), key))
            return e;
    return NULL;
}

void cache_free(struct weir_cache *c)
{
    if (!c)
        return;
    cache_lock_acquire(&c->lock);
    while (c->sieve.count > 0)
        entry_detach(c, entry_of_node(sieve_choose(&c->sieve, NULL)));
    cache_heap_done(&c->heap);
    buckets_free(&c->account, c->buckets, c->bucket_mask + 1);
    cache_lock_release(&c->lock);
    lock_done(&c->lock);
    for (int i = 0; i < CACHE_STRIPES; i++)
        lock_done(&c->stripes[i].lock);
    account_give(&c->account, sizeof *c);
    memory_return(&c->account, sizeof *c);
    account_close(&c->account);
    free(c);
}

uint64_t cache_bound(struct weir_cache *c)
{
    cache_lock_acquire(&c->lock);
    uint64_t bound = c->heap.bound;
    cache_lock_release(&c->lock);
    return bound;
}

uint64_t cache_reserved(const struct weir_cache *c)
{
    return counter_read(&c->account.reserved);
}

/* ---- Evicting ---- */

/* Whether the value is being sent: evicting it would give no memory now. */
static bool entry_pinned(const struct sieve_node *node)
{
    return atomic_load_explicit(&entry_of_node(node)->value.shared.references, memory_order_relaxed) > 1;
}

/* Evicts one entry; false if there is none to evict. */
static bool cache_evict(struct weir_cache *c, bool (*pinned)(const struct sieve_node *)) REQUIRES(cache_lock)
{
    struct sieve_node *node = sieve_choose(&c->sieve, pinned);
    if (!node)
        return false;
    entry_detach(c, entry_of_node(node));
    c->stats.evictions++;
    return true;
}

void cache_give_back(struct weir_cache *c, uint64_t bytes)
{
    uint64_t before = counter_read(&c->account.reserved);
    bool more = true;
    for (int i = 0; i < GIVE_BACK_BATCHES && more && counter_read(&c->account.reserved) + bytes > before; i++) {
        cache_lock_acquire(&c->lock);
        for (int k = 0; k < BATCH && more; k++)
            more = cache_evict(c, entry_pinned);
        cache_heap_trim(&c->heap);
        cache_lock_release(&c->lock);
    }
}

struct cache_entry *cache_entry_new(struct weir_cache *c, struct slice key, uint64_t hash, const void *data, size_t len)
{
    size_t head = (sizeof(struct cache_entry) + key.len + 15) & ~(size_t)15;
    if (len > c->max_bytes || key.len > c->max_bytes)
        return NULL;
    struct cache_entry *e = NULL;
    for (bool more = true; !e && more;) {
        cache_lock_acquire(&c->lock);
        for (int i = 0; i < BATCH && more && !(e = cache_heap_take(&c->heap, head + len)); i++)
            more = cache_evict(c, entry_pinned);
        cache_lock_release(&c->lock);
    }
    if (!e)
        return NULL;
    char *copy = (char *)e + head;
    e->cache = c;
    e->hash = hash;
    e->key_len = key.len;
    if (key.len > 0)
        memcpy(e->key, key.data, key.len);
    if (len > 0)
        memcpy(copy, data, len);
    value_init(&e->value, copy, len, entry_release);
    return e;
}

/* ---- The table ---- */

uint64_t cache_hash(const struct weir_cache *c, struct slice key)
{
    return siphash(&c->seed, key);
}

/* Counts a hit: marks the entry, and takes a reference for the caller. */
static struct weir_value *entry_hold(struct cache_entry *e)
{
    sieve_touch(&e->node);
    value_ref(&e->value);
    return &e->value;
}

struct weir_value *cache_lookup(struct weir_cache *c, struct slice key, uint64_t hash, uint64_t now_ns)
{
    struct cache_entry *e = entry_find(c, key, hash);
    if (!e)
        return NULL;
    if (e->expires_ns <= now_ns) {
        entry_detach(c, e);
        c->stats.expirations++;
        return NULL;
    }
    c->stats.hits++;
    return entry_hold(e);
}

struct weir_value *cache_find(struct weir_cache *c, struct slice key, uint64_t now_ns)
{
    uint64_t hash = cache_hash(c, key);
    struct cache_stripe *stripe = stripe_of(c, hash);
    struct weir_value *v = NULL;
    stripe_lock_acquire(&stripe->lock);
    struct cache_entry *e = entry_find(c, key, hash);
    if (e && e->expires_ns > now_ns) {
        v = entry_hold(e);
        stripe->hits++;
    }
    stripe_lock_release(&stripe->lock);
    return v;
}

void cache_insert(struct weir_cache *c, struct cache_entry *e, uint64_t now_ns)
{
    struct cache_entry *earlier = entry_find(c, slice_of(e->key, e->key_len), e->hash);
    if (earlier)
        entry_detach(c, earlier);
    while (c->sieve.count >= c->max_entries)
        cache_evict(c, NULL);
    e->expires_ns = c->ttl_ns ? now_ns + c->ttl_ns : UINT64_MAX;
    value_ref(&e->value);
    sieve_insert(&c->sieve, &e->node);
    struct cache_stripe *stripe = stripe_of(c, e->hash);
    stripe_lock_acquire(&stripe->lock);
    struct cache_entry **bucket = &c->buckets[e->hash & c->bucket_mask];
    e->next = *bucket;
    *bucket = e;
    stripe_lock_release(&stripe->lock);
}

void cache_remove(struct weir_cache *c, struct slice key)
{
    uint64_t hash = cache_hash(c, key);
    cache_lock_acquire(&c->lock);
    struct cache_entry *e = entry_find(c, key, hash);
    if (e)
        entry_detach(c, e);
    cache_flight_forget(c, key, hash);
    cache_lock_release(&c->lock);
}

void cache_stats_read(struct weir_cache *c, weir_cache_stats *stats)
{
    cache_lock_acquire(&c->lock);
    *stats = c->stats;
    for (int i = 0; i < CACHE_STRIPES; i++) {
        stripe_lock_acquire(&c->stripes[i].lock);
        stats->hits += c->stripes[i].hits;
        stripe_lock_release(&c->stripes[i].lock);
    }
    stats->entries = c->sieve.count;
    stats->bytes = counter_read(&c->account.reserved);
    cache_lock_release(&c->lock);
}
