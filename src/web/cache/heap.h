/*
 * The cache's memory: blocks of any size out of a bound that holds for what is taken from the system, not only for what
 * is handed out. Pools of size classes would do for one kind of value, but a cache lives long and its kinds change:
 * slabs of sizes that are no longer asked for would hold the bound against sizes that are. Here neighbours that are
 * free become one block again (a two-level segregated fit: O(1) to take and to give), so evicting anything helps
 * everything.
 *
 * Small blocks lie in regions, large ones are mappings of their own. One empty region is kept, so that steady coming
 * and going makes no system call. Not thread-safe: the cache's lock covers it.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_CACHE_HEAP_H
#define WEIR_WEB_CACHE_HEAP_H

#include "base/list.h"
#include "base/memory.h"

#define CACHE_HEAP_BINS 112 /* 8 for each power of two from 64 bytes to 512 KiB */

struct cache_block;

struct cache_heap {
    struct account *account;
    uint64_t bound;     /* on the account's reserved bytes */
    size_t region_size; /* a multiple of the page size */
    size_t page_size;
    uint32_t regions;                             /* mapped now */
    struct cache_block *spare;                    /* the block that is a whole empty region; NULL: there is none */
    uint64_t bitmap[(CACHE_HEAP_BINS + 63) / 64]; /* bins that are not empty */
    struct list bins[CACHE_HEAP_BINS];            /* free blocks by size */
};

/* Makes an empty heap. account outlives the heap; what else is reserved in account counts against bound. */
void cache_heap_init(struct cache_heap *h, struct account *account, uint64_t bound);

/* Unmaps the heap, to which every block has to have been given back. */
void cache_heap_done(struct cache_heap *h);

/* Takes size > 0 bytes, aligned to 16, not cleared; NULL when the bound or the server's memory is reached. */
void *cache_heap_take(struct cache_heap *h, size_t size) MUST_CHECK;
void cache_heap_give(struct cache_heap *h, void *p);

/* Unmaps the empty region that is kept. */
void cache_heap_trim(struct cache_heap *h);

#endif
