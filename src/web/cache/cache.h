/*
 * The cache: values by key, shared by all workers, bounded by entries and by bytes.
 *
 * One lock covers every change and is held for some hundred instructions, so that the bounds hold for the whole: shards
 * would need bounds of their own, and a cache for 1,000 entries would evict at 900 because one shard is full. A hit
 * changes nothing but a mark and a count of holders, and takes only the lock of its stripe of the buckets, so workers
 * that hit different keys do not meet. Hashing, copying and computing are done outside of the locks.
 *
 * A missing key is computed once: the first that asks gets a slot and computes, those that come meanwhile wait on their
 * fibers and get the same value. When the computation fails or its request is cut, the first that waits takes over, so
 * one client's failure is not handed to others.
 *
 * Memory is an account of its own. max_bytes bounds what that account has taken from the system, bookkeeping and values
 * that were evicted but are still being sent included.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_CACHE_CACHE_H
#define WEIR_WEB_CACHE_CACHE_H

#include "base/lock.h"
#include "base/memory.h"
#include "base/siphash.h"
#include "base/slice.h"
#include "io/loop.h"
#include "web/cache/heap.h"
#include "web/cache/sieve.h"
#include "web/cache/value.h"
#include "weir.h"

#define CACHE_FLIGHT_BUCKETS 256
#define CACHE_STRIPES        32 /* at most the least number of buckets; a power of two */
#define CACHE_NAME_SIZE      32
#define CACHE_BYTES_MIN      ((size_t)64 * 1024) /* least max_bytes */

LOCK_ROLE(cache_lock)
LOCK_ROLE_AFTER(stripe_lock, ACQUIRED_AFTER(cache_lock))
LOCK_ROLE_AFTER(waits_lock, ACQUIRED_AFTER(cache_lock))

/*
 * The lock of who waits for whom, over all caches of a server: a circle of requests may lead through several. Taken
 * only by a request that waits while it computes something itself, since nobody waits for one that does not.
 */
struct cache_waits {
    struct lock lock;
};

/* A key with its value: one block of the cache's heap. Lives until it is out of the table and nobody holds its
 * value. */
struct cache_entry {
    struct cache_entry *next; /* in its bucket */
    struct sieve_node node;
    struct weir_cache *cache;
    struct weir_value value;
    uint64_t hash;
    uint64_t expires_ns; /* CLOCK_MONOTONIC; UINT64_MAX: never */
    size_t key_len;
    char key[]; /* then the value's bytes, aligned to 16 */
};

/* The one who asks: one for each request, so that a request that would wait for itself is told. The last members start
 * as NULL. Used on the request's fiber only, but for waits_for. */
struct cache_asker {
    struct loop *loop;               /* of the worker that the fiber runs on */
    void (*before_wait)(void *arg);  /* called once before a wait, and may end the fiber; NULL: nothing */
    int (*park)(void *arg);          /* parks the fiber, and has to return: what the waker said; negative: cut */
    void *arg;                       /* handed to both */
    struct weir_cache_slot *current; /* innermost computation of this request */
    struct weir_cache_slot *waits_for GUARDED_BY(waits_lock); /* another's, while it computes something; NULL: none */
};

enum cache_slot_state {
    SLOT_IDLE = 0,  /* nothing was asked with it yet, or the answer was found */
    SLOT_COMPUTING, /* the slot's owner computes the key's value */
    SLOT_DONE,      /* the computation has ended */
};

/* A computation. Zeroed by its owner before cache_ask(); lives until cache_finish() has returned. */
struct weir_cache_slot {
    struct weir_cache *cache;
    struct weir_cache_slot *next GUARDED_BY(cache_lock); /* in its bucket of flights */
    struct slice key;                                    /* the asker's memory */
    uint64_t hash;
    struct cache_asker *asker;
    struct weir_cache_slot *outer;              /* the computation of this request within which this one runs */
    struct list waiters GUARDED_BY(cache_lock); /* oldest first */
    uint32_t nested GUARDED_BY(cache_lock);     /* waiters whose request computes something itself */
    struct cache_entry *entry;                  /* made by cache_put(), not in the table yet */
    enum cache_slot_state state; /* changed by the owner or, while that waits, by whoever hands the computation over */
    bool forgotten GUARDED_BY(cache_lock); /* the key was removed meanwhile: the value is not kept */
};

/* A stripe: the buckets whose numbers are equal modulo CACHE_STRIPES. Who changes one of them holds the cache's lock
 * and then the stripe's; who reads one holds either. */
struct cache_stripe {
    struct lock lock;
    uint64_t hits GUARDED_BY(stripe_lock);
} __attribute__((aligned(64)));

struct weir_cache {
    struct cache_stripe stripes[CACHE_STRIPES];
    struct lock lock;
    struct cache_waits *waits;
    struct account account;
    struct siphash_key seed;
    size_t max_entries, max_bytes;
    uint64_t ttl_ns; /* 0: none */
    size_t bucket_mask;
    struct cache_entry **buckets;
    struct weir_cache_slot *flights[CACHE_FLIGHT_BUCKETS] GUARDED_BY(cache_lock);
    struct sieve sieve GUARDED_BY(cache_lock);
    struct cache_heap heap GUARDED_BY(cache_lock);
    weir_cache_stats stats GUARDED_BY(cache_lock); /* hits: those that cache_lookup() found */
    char name[CACHE_NAME_SIZE];
};

void cache_waits_init(struct cache_waits *w);
void cache_waits_done(struct cache_waits *w);

/* Makes a cache. config may be NULL, its zeros mean the defaults. NULL when there is no memory or a number is out of
 * range. Before the workers start. m and w, which all caches share that one request may ask, outlive the cache. */
struct weir_cache *cache_new(struct memory *m, struct cache_waits *w, const weir_cache_config *config) MUST_CHECK;

/* Frees a cache, after the last request and the last sender of a value. c may be NULL. */
void cache_free(struct weir_cache *c);

/* The bytes that a cache with that configuration has before it holds anything. */
uint64_t cache_size_empty(const weir_cache_config *config);

/* The most bytes that a cache takes from the system. */
uint64_t cache_bound(struct weir_cache *c);

/* The bytes that a cache has taken from the system. Any thread. */
uint64_t cache_reserved(const struct weir_cache *c);

/* Evicts until about `bytes` have gone back to the system, or nothing more can be evicted now. Any thread. */
void cache_give_back(struct weir_cache *c, uint64_t bytes);

/* The value of key if there is one and it has not expired, with a reference for the caller; else NULL. Counts a hit.
 * Any thread. now_ns: CLOCK_MONOTONIC. */
struct weir_value *cache_find(struct weir_cache *c, struct slice key, uint64_t now_ns) MUST_CHECK;

/* Forgets key; its computation that is under way answers those that wait already, and is then forgotten. */
void cache_remove(struct weir_cache *c, struct slice key);

enum cache_answer {
    CACHE_FOUND = 0,   /* *value is there, with a reference for the caller */
    CACHE_WAITED = 1,  /* as CACHE_FOUND, after waiting for another's computation */
    CACHE_COMPUTE = 2, /* the caller has to compute the value, and then has to call cache_finish(), whatever happens */
};

/*
 * Asks for a key that cache_find() did not have. slot, key and asker are the caller's and stay until cache_finish().
 * Returns an answer; or WEIR_EDEADLK if the request would wait for itself, through whatever chain of requests and
 * caches; or what cut the wait. On asker's fiber; may suspend.
 */
int cache_ask(struct weir_cache *c, struct weir_cache_slot *slot, struct cache_asker *asker, struct slice key,
              struct weir_value **value) MUST_CHECK;

/*
 * Asks for a key that cache_find() did not have, and does not wait: CACHE_COMPUTE, or WEIR_EBUSY if another computes
 * the value. slot, key and asker as for cache_ask(); of asker only loop is needed, where nobody waits for this key.
 */
int cache_claim(struct weir_cache *c, struct weir_cache_slot *slot, struct cache_asker *asker,
                struct slice key) MUST_CHECK;

/* Copies data as the value of a computing slot, instead of an earlier one. Evicts what is needed. Returns 0;
 * WEIR_ENOMEM if the cache's bound or the server's memory is reached all the same; WEIR_EINVAL if slot does not
 * compute. */
int cache_put(struct weir_cache_slot *slot, const void *data, size_t len) MUST_CHECK;

/*
 * Ends a computation. error 0: the value is kept, handed to all who wait, and *value is it, with a reference for the
 * caller. Negative: the first that waits takes over. Returns error, or WEIR_EINVAL if there was no cache_put(). A
 * slot that does not compute is left alone (0, *value NULL), so that this can be called once more when a request ends.
 */
int cache_finish(struct weir_cache_slot *slot, int error, struct weir_value **value);

void cache_stats_read(struct weir_cache *c, weir_cache_stats *stats);

/* ---- Between cache.c and flight.c */

uint64_t cache_hash(const struct weir_cache *c, struct slice key);

/* cache_find() that also takes an entry out which has expired. */
struct weir_value *cache_lookup(struct weir_cache *c, struct slice key, uint64_t hash, uint64_t now_ns)
    REQUIRES(cache_lock);

/* Puts an entry that was made for a key into the table, with a reference of the table's own, instead of an earlier one
 * of that key. Evicts if there are too many. */
void cache_insert(struct weir_cache *c, struct cache_entry *e, uint64_t now_ns) REQUIRES(cache_lock);

/* Makes an entry for key with a copy of data and one reference; NULL where cache_put() fails. */
struct cache_entry *cache_entry_new(struct weir_cache *c, struct slice key, uint64_t hash, const void *data, size_t len)
    EXCLUDES(cache_lock);

/* Takes the computation of key out of the flights, so that who asks next starts anew. */
void cache_flight_forget(struct weir_cache *c, struct slice key, uint64_t hash) REQUIRES(cache_lock);

#endif
