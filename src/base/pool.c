/*
 * Growing and trimming of pools.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/pool.h"
#include "weir.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SLAB_SIZE_MIN    ((size_t)64 * 1024)
#define SLAB_OBJECTS_MIN 7
#define POOL_OBJECTS_MAX 4096 /* in a slab */

void pool_init(struct pool *p, struct account *account, size_t object_size, size_t align, size_t slab_size)
{
    weir_assert(object_size >= sizeof(struct pool_free) && align >= 8 && (align & (align - 1)) == 0);
    size_t stride = (object_size + align - 1) & ~(align - 1);
    size_t first = (sizeof(struct pool_slab) + align - 1) & ~(align - 1);
    if (slab_size == 0) {
        slab_size = SLAB_SIZE_MIN;
        while (slab_size < first + stride * SLAB_OBJECTS_MIN)
            slab_size *= 2;
    }
    weir_assert(slab_size >= first + stride && (slab_size - first) / stride <= POOL_OBJECTS_MAX);
    *p = (struct pool){.account = account,
                       .object_size = object_size,
                       .stride = stride,
                       .slab_size = slab_size,
                       .first = first,
                       .per_slab = (uint32_t)((slab_size - first) / stride)};
    list_init(&p->partial);
    list_init(&p->full);
}

#ifdef WEIR_POISON
/* Reads the link of an object that rests: the link is poisoned with the rest of the object. */
static struct pool_free *link_read(const struct pool *p, struct pool_free *f)
{
    memory_unpoison(f, sizeof *f);
    struct pool_free *next = f->next;
    if (!p->plain)
        memory_poison(f, sizeof *f);
    return next;
}

static void *slab_take(struct pool *p, struct pool_slab *s)
{
    if (s->fresh < p->per_slab) {
        char *fresh = (char *)s + p->first + p->stride * s->fresh++;
        memory_unpoison(fresh, p->object_size);
        return fresh;
    }
    struct pool_free *f = s->free;
    s->free = link_read(p, f);
    if (!s->free)
        s->last = NULL;
    memory_unpoison(f, p->object_size);
    if (!p->plain)
        poison_check(f + 1, p->object_size - sizeof *f, p->account->name);
    return f;
}

static void slab_give(struct pool *p, struct pool_slab *s, void *object)
{
    struct pool_free *f = object;
    if (!p->plain)
        memory_forget(object, p->object_size);
    memory_unpoison(f, sizeof *f);
    f->next = NULL;
    if (s->last) {
        memory_unpoison(s->last, sizeof *f);
        s->last->next = f;
        if (!p->plain)
            memory_poison(s->last, sizeof *f);
    } else {
        s->free = f;
    }
    s->last = f;
    if (!p->plain)
        memory_poison(f, sizeof *f);
}
#else
static struct pool_free *link_read(const struct pool *p, const struct pool_free *f)
{
    (void)p;
    return f->next;
}

static void *slab_take(struct pool *p, struct pool_slab *s)
{
    void *object = s->free;
    if (likely(object != NULL))
        s->free = s->free->next;
    else
        object = (char *)s + p->first + p->stride * s->fresh++;
    return object;
}

static void slab_give(struct pool *p, struct pool_slab *s, void *object)
{
    (void)p;
    struct pool_free *f = object;
    f->next = s->free;
    s->free = f;
}
#endif

void *pool_take_slab(struct pool *p)
{
    if (list_empty(&p->partial) && !pool_grow(p))
        return NULL;
    struct pool_slab *s = container_of(p->partial.next, struct pool_slab, link);
    void *object = slab_take(p, s);
    if (s->used++ == 0 && --p->empty < p->low)
        p->low = p->empty;
    if (unlikely(s->used == p->per_slab)) {
        list_remove(&s->link);
        list_push_front(&p->full, &s->link);
    }
    return object;
}

void pool_give_slab(struct pool *p, void *object)
{
    struct pool_slab *s = pool_slab_of(p, object);
    slab_give(p, s, object);
    if (unlikely(s->used == p->per_slab)) {
        list_remove(&s->link);
        list_push_front(&p->partial, &s->link);
    }
    if (--s->used == 0)
        p->empty++;
}

/* Puts the object at hand into its slab. */
static void pool_empty_hand(struct pool *p)
{
    if (p->hand)
        pool_give_slab(p, p->hand);
    p->hand = NULL;
}

static void slab_unmap(struct pool *p, struct pool_slab *s)
{
    list_remove(&s->link);
    p->slabs--;
    memory_unmap(p->account, s, p->slab_size);
}

void pool_done(struct pool *p)
{
    if (!p->account)
        return;
    list_for_each_safe (l, &p->partial)
        slab_unmap(p, container_of(l, struct pool_slab, link));
    list_for_each_safe (l, &p->full)
        slab_unmap(p, container_of(l, struct pool_slab, link));
    *p = (struct pool){0};
}

bool pool_grow(struct pool *p)
{
    struct pool_slab *s = memory_map(p->account, p->slab_size, p->slab_size);
    if (!s)
        return false;
    if (p->secret)
        madvise(s, p->slab_size, MADV_DONTDUMP); /* fails only where there are no dumps */
    *s = (struct pool_slab){0};
    memory_poison((char *)s + p->first, p->slab_size - p->first);
    list_push_back(&p->partial, &s->link);
    p->slabs++;
    p->empty++;
    return true;
}

static uint32_t slabs_for(const struct pool *p, uint32_t objects)
{
    return objects / p->per_slab + (objects % p->per_slab != 0);
}

bool pool_promise_slow(struct pool *p, uint32_t n)
{
    while (p->slabs < slabs_for(p, n))
        if (!pool_grow(p))
            return false;
    p->promised = n;
    return true;
}

int pool_preallocate(struct pool *p, size_t n)
{
    uint32_t slabs = (uint32_t)((n + p->per_slab - 1) / p->per_slab);
    while (p->slabs < slabs)
        if (!pool_grow(p))
            return WEIR_ENOMEM;
    if (p->keep < slabs)
        p->keep = slabs;
    p->low = p->empty;
    return 0;
}

#define SLAB_TOUCHED_KEEP 4 /* objects whose pages an empty slab may keep */

/* Gives back the pages of a slab that stays but holds nothing. While the pool is in use, a slab that has touched few
 * pages keeps them: they are soon needed again. */
static void slab_clean(const struct pool *p, struct pool_slab *s, bool quiet)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t from = (p->first + page - 1) & ~(page - 1);
    if (s->used > 0 || s->fresh <= (quiet ? 0 : SLAB_TOUCHED_KEEP) || from >= p->slab_size)
        return;
    madvise((char *)s + from, p->slab_size - from, MADV_DONTNEED);
    if (p->plain) { /* an object whose state begins on the page that stays must not keep half of it */
        memory_unpoison((char *)s + p->first, from - p->first);
        memset((char *)s + p->first, 0, from - p->first);
        memory_poison((char *)s + p->first, from - p->first);
    }
    s->free = s->last = NULL;
    s->fresh = 0;
}

void pool_trim(struct pool *p, bool all)
{
    pool_empty_hand(p);
    bool quiet = all || p->low == p->empty; /* no object of an empty slab was needed */
    uint32_t release = all ? p->empty : (p->low + 1) / 2, promised = slabs_for(p, p->promised);
    uint32_t stay = p->keep > promised ? p->keep : promised, most = p->slabs > stay ? p->slabs - stay : 0;
    if (release > most)
        release = most;
    for (struct list *l = p->partial.prev; release > 0 && l != &p->partial;) {
        struct pool_slab *s = container_of(l, struct pool_slab, link);
        l = l->prev;
        if (s->used == 0) {
            slab_unmap(p, s);
            p->empty--;
            release--;
        }
    }
    p->low = p->empty;
    list_for_each (l, &p->partial)
        slab_clean(p, container_of(l, struct pool_slab, link), quiet);
}

/* Calls each for every object of a slab that is in use: was ever handed out, and is not on the slab's free list.
 * Finding them out here costs nothing anywhere else. */
static void slab_each(struct pool *p, struct pool_slab *s, void (*each)(void *, void *), void *arg)
{
    uint64_t idle[POOL_OBJECTS_MAX / 64] = {0};
    for (struct pool_free *f = s->free; f; f = link_read(p, f)) {
        size_t i = ((size_t)((const char *)f - (const char *)s) - p->first) / p->stride;
        idle[i / 64] |= 1ull << (i % 64);
    }
    uint32_t fresh = s->fresh;
    for (uint32_t i = 0; i < fresh; i++)
        if (!(idle[i / 64] >> (i % 64) & 1))
            each(arg, (char *)s + p->first + p->stride * i);
}

void pool_each(struct pool *p, void (*each)(void *arg, void *object), void *arg)
{
    pool_empty_hand(p); /* or the first give would move its slab from one list to the other */
    list_for_each_safe (l, &p->partial)
        slab_each(p, container_of(l, struct pool_slab, link), each, arg);
    list_for_each_safe (l, &p->full)
        slab_each(p, container_of(l, struct pool_slab, link), each, arg);
}
