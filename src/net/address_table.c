/*
 * Counting connections by address: a hash table a shard, of fixed size, in one mapping.
 *
 * SPDX-License-Identifier: MIT
 */
#include "net/address_table.h"
#include "weir.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

/* Room beyond the mean that a shard has for an uneven spread of hashes. */
#define SHARD_SLACK 64

/* Shards of more pages than this begin with one of their own. */
#define SHARD_PAGES 2

/* Sizes for so many connections: of a shard's entries and buckets. */
static void table_shape(struct address_table *t, uint32_t connections)
{
    uint32_t mean = connections / ADDRESS_SHARDS;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    t->capacity = mean + mean / 8 + SHARD_SLACK;
    t->buckets = 64;
    while (t->buckets < mean)
        t->buckets *= 2;
    t->stride = (size_t)t->capacity * sizeof(struct address_entry) + (size_t)t->buckets * sizeof(uint32_t);
    if (t->stride > SHARD_PAGES * page)
        t->stride = (t->stride + page - 1) & ~(page - 1); /* so that all of it can be given back */
    t->size = (t->stride * ADDRESS_SHARDS + page - 1) & ~(page - 1);
}

size_t address_table_size(uint32_t connections)
{
    struct address_table t;
    table_shape(&t, connections);
    return t.size;
}

int address_table_init(struct address_table *t, struct memory *m, uint32_t connections, uint32_t limit)
{
    *t = (struct address_table){.limit = limit};
    if (!siphash_seed(&t->key))
        return WEIR_ESYS;
    table_shape(t, connections);
    size_t page = (size_t)sysconf(_SC_PAGESIZE), entries = (size_t)t->capacity * sizeof(struct address_entry);
    account_open(&t->account, m, "addresses");
    t->memory = memory_map(&t->account, t->size, page);
    if (!t->memory) {
        account_close(&t->account);
        *t = (struct address_table){0};
        return WEIR_ENOMEM;
    }
    for (size_t i = 0; i < ADDRESS_SHARDS; i++) {
        struct address_shard *s = &t->shards[i];
        char *memory = t->memory + i * t->stride;
        *s = (struct address_shard){.entries = (struct address_entry *)(void *)memory,
                                    .buckets = (uint32_t *)(void *)(memory + entries)};
        lock_init(&s->lock);
    }
    return 0;
}

void address_table_done(struct address_table *t)
{
    if (!t->memory)
        return;
    for (size_t i = 0; i < ADDRESS_SHARDS; i++)
        lock_done(&t->shards[i].lock);
    memory_unmap(&t->account, t->memory, t->size);
    account_close(&t->account);
    *t = (struct address_table){0};
}

/* The bytes that tell one address from another; false for a family that is not counted. */
static bool address_bytes(const struct sockaddr *peer, struct slice *bytes)
{
    if (peer->sa_family == AF_INET) {
        const struct sockaddr_in *a = (const struct sockaddr_in *)(const void *)peer;
        *bytes = slice_of((const char *)&a->sin_addr, sizeof a->sin_addr);
        return true;
    }
    if (peer->sa_family != AF_INET6)
        return false;
    const struct sockaddr_in6 *a = (const struct sockaddr_in6 *)(const void *)peer;
    const char *at = (const char *)&a->sin6_addr;
    *bytes = IN6_IS_ADDR_V4MAPPED(&a->sin6_addr) ? slice_of(at + 12, 4) : slice_of(at, 8);
    return true;
}

static uint32_t *shard_find(struct address_shard *s, uint32_t bucket, uint64_t hash) REQUIRES(address_lock)
{
    uint32_t *at = &s->buckets[bucket];
    while (*at && s->entries[*at - 1].hash != hash)
        at = &s->entries[*at - 1].next;
    return at;
}

/* An unused entry, index + 1; 0 when there is none. */
static uint32_t shard_take(const struct address_table *t, struct address_shard *s) REQUIRES(address_lock)
{
    uint32_t number = s->free;
    if (number)
        s->free = s->entries[number - 1].next;
    else if (s->fresh < t->capacity)
        number = ++s->fresh;
    return number;
}

static uint32_t table_bucket(const struct address_table *t, uint64_t hash)
{
    return (uint32_t)(hash >> 32) & (t->buckets - 1);
}

bool address_table_enter(struct address_table *t, const struct sockaddr *peer, uint32_t *slot)
{
    struct slice bytes;
    *slot = 0;
    if (!address_bytes(peer, &bytes))
        return true;
    uint64_t hash = siphash(&t->key, bytes);
    uint32_t shard = (uint32_t)hash % ADDRESS_SHARDS;
    struct address_shard *s = &t->shards[shard];
    bool allowed = true;
    address_lock_acquire(&s->lock);
    uint32_t *at = shard_find(s, table_bucket(t, hash), hash);
    uint32_t number = *at;
    if (number) {
        allowed = s->entries[number - 1].count < t->limit;
        s->entries[number - 1].count += allowed;
    } else if ((number = shard_take(t, s))) {
        s->entries[number - 1] = (struct address_entry){.hash = hash, .count = 1};
        *at = number;
        s->in_use++;
    }
    address_lock_release(&s->lock);
    /* A shard without room has more addresses than its share of all connections: those are not what the limit is
     * for. */
    if (allowed && number)
        *slot = (number - 1) * ADDRESS_SHARDS + shard + 1;
    return allowed;
}

void address_table_leave(struct address_table *t, uint32_t slot)
{
    if (slot == 0)
        return;
    struct address_shard *s = &t->shards[(slot - 1) % ADDRESS_SHARDS];
    uint32_t number = (slot - 1) / ADDRESS_SHARDS + 1;
    address_lock_acquire(&s->lock);
    struct address_entry *e = &s->entries[number - 1];
    if (--e->count == 0) {
        uint32_t *at = shard_find(s, table_bucket(t, e->hash), e->hash);
        *at = e->next;
        e->next = s->free;
        s->free = number;
        s->in_use--;
    }
    address_lock_release(&s->lock);
}

/* The buckets of a shard that holds nothing are all zero, as those are that were given back. */
void address_table_trim(struct address_table *t)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    for (size_t i = 0; i < ADDRESS_SHARDS; i++) {
        struct address_shard *s = &t->shards[i];
        size_t from = (i * t->stride + page - 1) & ~(page - 1), to = (i + 1) * t->stride & ~(page - 1);
        address_lock_acquire(&s->lock);
        if (s->in_use == 0 && s->fresh > 0) {
            s->free = s->fresh = 0;
            if (from < to)
                madvise(t->memory + from, to - from, MADV_DONTNEED);
        }
        address_lock_release(&s->lock);
    }
}
