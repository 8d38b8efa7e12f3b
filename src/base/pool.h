/*
 * Pools of objects of one size, which is how all serving memory is had. A pool grows by slabs: aligned mappings, so
 * that an object's slab is found by masking its address, each with its own free list and count. Objects that were never
 * used are taken in address order, so that a slab costs only the pages it has used; a slab whose objects are all free
 * can be given back, so that memory falls after a peak.
 *
 * One thread uses a pool. The object given last is at hand for the next who asks: that keeps it warm in the cache, and
 * who takes one after the other does not touch the slabs. Builds that poison let objects rest instead.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_BASE_POOL_H
#define WEIR_BASE_POOL_H

#include "base/list.h"
#include "base/memory.h"

#include <stdint.h>

struct pool_free {
    struct pool_free *next;
};

struct pool_slab {
    struct list link;       /* in one of the pool's lists */
    struct pool_free *free; /* objects given back */
    uint32_t used;          /* objects handed out */
    uint32_t fresh;         /* objects from here on were never handed out */
    struct pool_free *last; /* in builds that poison: the object given back last. The size is one that objects of any
                             * usual alignment start right behind */
};

struct pool {
    struct account *account;
    void *hand; /* the object given last, which its slab counts as used; NULL: none */
    size_t object_size;
    size_t stride;    /* object_size rounded up to the alignment */
    size_t slab_size; /* a power of two */
    size_t first;     /* offset of a slab's first object */
    uint32_t per_slab;
    uint32_t slabs;      /* in both lists */
    uint32_t promised;   /* objects that the slabs have to hold together, see pool_promise() */
    uint32_t empty;      /* slabs in partial that hold no object in use */
    uint32_t keep;       /* slabs that trimming leaves */
    bool plain;          /* objects given back stay as they are beyond their first word, until they are all zeros */
    bool secret;         /* what the slabs hold is left out of core dumps; who gives an object back has wiped it */
    uint32_t low;        /* least number of empty slabs since the last trim: they were not needed */
    struct list partial; /* slabs with a free object; the one given to last is first */
    struct list full;
};

/* Makes an empty pool. object_size > 0; align: 8 to 64, a power of two; slab_size: a power of two of at least 4096 that
 * holds an object, or 0: chosen. account outlives the pool. */
void pool_init(struct pool *p, struct account *account, size_t object_size, size_t align, size_t slab_size);

/* Unmaps every slab. Objects still in use are gone too: only for the end of their owner. */
void pool_done(struct pool *p);

/* Makes room for n objects in all beforehand and keeps that room. Returns 0, or WEIR_ENOMEM when refused. */
int pool_preallocate(struct pool *p, size_t n);

/* Bytes of the slabs that n objects need. */
static inline uint64_t pool_slab_bytes(const struct pool *p, uint64_t n)
{
    return (n / p->per_slab + (n % p->per_slab != 0)) * p->slab_size;
}

/* Bytes that pool_promise() would have to map for n objects. */
static inline uint64_t pool_missing(const struct pool *p, uint32_t n)
{
    uint64_t slabs = n / p->per_slab + (n % p->per_slab != 0);
    return slabs > p->slabs ? (slabs - p->slabs) * p->slab_size : 0;
}

/* Promises that n objects can be in use at once, now and until the next call with another n: maps what is missing for
 * that, and lets trimming leave it. False: refused, and the promise is what it was. */
bool pool_promise_slow(struct pool *p, uint32_t n) MUST_CHECK;
static inline MUST_CHECK bool pool_promise(struct pool *p, uint32_t n)
{
    if (unlikely((uint64_t)p->slabs * p->per_slab < n))
        return pool_promise_slow(p, n);
    p->promised = n;
    return true;
}

/* Gives back half of the empty slabs that were not needed since the last call (at least one), or all of them. */
void pool_trim(struct pool *p, bool all);

/* Calls each(arg, object) for every object in use. each may give back its object, and must not take any. */
void pool_each(struct pool *p, void (*each)(void *arg, void *object), void *arg);

bool pool_grow(struct pool *p) MUST_CHECK;

static inline struct pool_slab *pool_slab_of(const struct pool *p, const void *object)
{
    return (struct pool_slab *)((uintptr_t)object & ~(uintptr_t)(p->slab_size - 1));
}

/* Makes sure that the next pool_take() gives an object. False when refused. */
static inline bool pool_ready(struct pool *p)
{
    return likely(p->hand != NULL) || likely(!list_empty(&p->partial)) || pool_grow(p);
}

/* Takes an object out of a slab, and gives it back. Builds that look for pointers kept too long take objects that were
 * never used first, then the one that has rested longest; the others the one that was given last. */
void *pool_take_slab(struct pool *p);
void pool_give_slab(struct pool *p, void *object);

#ifdef WEIR_POISON
#define POOL_HAND false
#else
#define POOL_HAND true
#endif

/* Takes an object, not cleared; NULL when refused. */
static inline void *pool_take(struct pool *p)
{
    void *object = p->hand;
    if (likely(object != NULL))
        p->hand = NULL;
    else if (!(object = pool_take_slab(p)))
        return NULL;
    account_take(p->account, p->stride);
    return object;
}

/* Gives an object back. Its memory is poisoned: whoever still points there is told by AddressSanitizer. */
static inline void pool_give(struct pool *p, void *object)
{
    account_give(p->account, p->stride);
    void *back = POOL_HAND ? p->hand : object;
    if (POOL_HAND)
        p->hand = object;
    if (unlikely(back != NULL))
        pool_give_slab(p, back);
}

#endif
