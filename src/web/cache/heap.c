/*
 * The cache's memory: regions, bins and large mappings.
 *
 * A region is a run of blocks without gaps, ended by a block of size 0 that counts as used; the first block's
 * previous size is 0. Each block begins with its header, a free one has its bin's link behind it.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/cache/heap.h"

#include <unistd.h>

struct cache_block {
    size_t size;       /* the header included; a multiple of 16 */
    uint32_t previous; /* size of the block before it in the region; 0: there is none */
    enum block_kind { BLOCK_FREE, BLOCK_USED, BLOCK_MAPPED } kind;
    struct list link; /* in its bin, while free */
};

#define HEADER_SIZE     offsetof(struct cache_block, link)
#define BLOCK_MIN       ((size_t)64)
#define BIN_SHIFT_MIN   6 /* log2(BLOCK_MIN) */
#define REGION_SIZE_MAX ((size_t)256 * 1024)
#define REGION_SHARE    16 /* a region is at most this part of the bound */
#define LARGE_SHARE     4  /* a block larger than this part of a region is mapped on its own */

_Static_assert(HEADER_SIZE == 16, "blocks have to keep the alignment");
_Static_assert(sizeof(struct cache_block) <= BLOCK_MIN, "a free block has to hold its link");
_Static_assert(REGION_SIZE_MAX >> (BIN_SHIFT_MIN + CACHE_HEAP_BINS / 8 - 1) == 0, "every size has to have a bin");

/* The bin for a block of size: eight bins for each power of two. */
static unsigned bin_of(size_t size)
{
    unsigned power = 63 - (unsigned)__builtin_clzll(size);
    return (power - BIN_SHIFT_MIN) * 8 + (unsigned)(size >> (power - 3) & 7);
}

/* The first bin in which every block is at least size long. */
static unsigned bin_at_least(size_t size)
{
    unsigned power = 63 - (unsigned)__builtin_clzll(size);
    return bin_of(size + ((size_t)1 << (power - 3)) - 1);
}

static struct cache_block *block_next(struct cache_block *b)
{
    return (struct cache_block *)(void *)((char *)b + b->size);
}

static void bin_insert(struct cache_heap *h, struct cache_block *b)
{
    unsigned bin = bin_of(b->size);
    b->kind = BLOCK_FREE;
    list_push_front(&h->bins[bin], &b->link);
    h->bitmap[bin / 64] |= 1ull << (bin % 64);
}

static void bin_remove(struct cache_heap *h, struct cache_block *b)
{
    unsigned bin = bin_of(b->size);
    list_remove(&b->link);
    if (list_empty(&h->bins[bin]))
        h->bitmap[bin / 64] &= ~(1ull << (bin % 64));
}

/* A free block of at least size bytes, or NULL. */
static struct cache_block *bin_find(struct cache_heap *h, size_t size)
{
    unsigned bin = bin_at_least(size);
    for (unsigned word = bin / 64; word < sizeof h->bitmap / sizeof h->bitmap[0]; word++) {
        uint64_t bits = h->bitmap[word];
        if (word == bin / 64)
            bits = bits >> (bin % 64) << (bin % 64);
        if (bits)
            return container_of(h->bins[word * 64 + (unsigned)__builtin_ctzll(bits)].next, struct cache_block, link);
    }
    return NULL;
}

static void *heap_map(struct cache_heap *h, size_t size)
{
    if (counter_read(&h->account->reserved) + size > h->bound)
        return NULL;
    return memory_map(h->account, size, h->page_size);
}

/* Whether b, which is free, is all of its region. There is never more than one such block: a region is only mapped when
 * no free block would do. */
static bool block_is_region(const struct cache_heap *h, const struct cache_block *b)
{
    return b->previous == 0 && b->size == h->region_size - HEADER_SIZE;
}

static struct cache_block *region_new(struct cache_heap *h)
{
    struct cache_block *b = heap_map(h, h->region_size);
    if (!b)
        return NULL;
    b->size = h->region_size - HEADER_SIZE;
    b->previous = 0;
    struct cache_block *end = block_next(b);
    end->size = 0;
    end->previous = (uint32_t)b->size;
    end->kind = BLOCK_USED;
    memory_poison((char *)b + sizeof *b, b->size - sizeof *b);
    bin_insert(h, b);
    h->regions++;
    h->spare = b;
    return b;
}

static void region_free(struct cache_heap *h, struct cache_block *b)
{
    bin_remove(h, b);
    h->regions--;
    memory_unmap(h->account, b, h->region_size);
}

void cache_heap_init(struct cache_heap *h, struct account *account, uint64_t bound)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t region = bound / REGION_SHARE > REGION_SIZE_MAX ? REGION_SIZE_MAX : (size_t)(bound / REGION_SHARE);
    region = region > page ? region & ~(page - 1) : page;
    *h = (struct cache_heap){.account = account, .bound = bound, .region_size = region, .page_size = page};
    for (unsigned i = 0; i < CACHE_HEAP_BINS; i++)
        list_init(&h->bins[i]);
}

void cache_heap_done(struct cache_heap *h)
{
    cache_heap_trim(h);
    weir_assert(h->regions == 0);
}

void cache_heap_trim(struct cache_heap *h)
{
    if (h->spare)
        region_free(h, h->spare);
    h->spare = NULL;
}

static void *take_mapped(struct cache_heap *h, size_t size)
{
    size = (size + h->page_size - 1) & ~(h->page_size - 1);
    struct cache_block *b = heap_map(h, size);
    if (!b && h->spare) {
        cache_heap_trim(h);
        b = heap_map(h, size);
    }
    if (!b)
        return NULL;
    b->size = size;
    b->previous = 0;
    b->kind = BLOCK_MAPPED;
    account_take(h->account, size);
    return (char *)b + HEADER_SIZE;
}

void *cache_heap_take(struct cache_heap *h, size_t size)
{
    if (size > h->bound)
        return NULL;
    size = (size + HEADER_SIZE + 15) & ~(size_t)15;
    if (size > h->region_size / LARGE_SHARE)
        return take_mapped(h, size);
    if (size < BLOCK_MIN)
        size = BLOCK_MIN;
    struct cache_block *b = bin_find(h, size);
    if (!b && !(b = region_new(h)))
        return NULL;
    bin_remove(h, b);
    if (b == h->spare)
        h->spare = NULL;
    if (b->size - size >= BLOCK_MIN) {
        struct cache_block *rest = (struct cache_block *)(void *)((char *)b + size);
        memory_unpoison(rest, sizeof *rest);
        rest->size = b->size - size;
        rest->previous = (uint32_t)size;
        block_next(rest)->previous = (uint32_t)rest->size;
        b->size = size;
        bin_insert(h, rest);
    }
    b->kind = BLOCK_USED;
    memory_unpoison(b, b->size);
    account_take(h->account, b->size);
    return (char *)b + HEADER_SIZE;
}

void cache_heap_give(struct cache_heap *h, void *p)
{
    struct cache_block *b = (struct cache_block *)(void *)((char *)p - HEADER_SIZE);
    debug_assert(b->kind == BLOCK_USED || b->kind == BLOCK_MAPPED);
    account_give(h->account, b->size);
    if (b->kind == BLOCK_MAPPED) {
        memory_unmap(h->account, b, b->size);
        return;
    }
    struct cache_block *next = block_next(b);
    if (next->kind == BLOCK_FREE) {
        bin_remove(h, next);
        b->size += next->size;
    }
    if (b->previous > 0) {
        struct cache_block *before = (struct cache_block *)(void *)((char *)b - b->previous);
        if (before->kind == BLOCK_FREE) {
            bin_remove(h, before);
            before->size += b->size;
            b = before;
        }
    }
    block_next(b)->previous = (uint32_t)b->size;
    bin_insert(h, b);
    memory_poison((char *)b + sizeof *b, b->size - sizeof *b);
    if (!block_is_region(h, b))
        return;
    if (h->spare)
        region_free(h, b);
    else
        h->spare = b;
}
