/*
 * The arena's way to its block.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/arena.h"

/* The beginning of a block that lies on another one. */
struct arena_below {
    char *block;
    struct pool *blocks;
};

void arena_use(struct arena *a, struct pool *blocks)
{
    if (!a->block) {
        a->blocks = blocks;
        return;
    }
    char *block = pool_take(blocks);
    if (!block)
        return;
    struct arena_below *below = (struct arena_below *)(void *)block;
    *below = (struct arena_below){.block = a->block, .blocks = a->blocks};
    a->blocks = blocks;
    a->block = block + ARENA_STACKED;
    a->pos = (char *)(below + 1);
    a->end = block + blocks->object_size;
    memory_poison(a->pos, (size_t)(a->end - a->pos));
}

void *arena_alloc_slow(struct arena *a, size_t size)
{
    if (a->block || size > (a->blocks->object_size & ~(size_t)15))
        return NULL;
    char *block = pool_take(a->blocks);
    if (!block)
        return NULL;
    a->block = block;
    a->pos = block + ((size + 15) & ~(size_t)15);
    a->end = block + a->blocks->object_size;
    memory_poison(block, a->blocks->object_size);
    memory_unpoison(block, size);
    return block;
}

void arena_done_block(struct arena *a)
{
    if ((uintptr_t)a->block & ARENA_STACKED) {
        char *block = a->block - ARENA_STACKED;
        struct arena_below below = *(struct arena_below *)(void *)block;
        pool_give(a->blocks, block);
        pool_give(below.blocks, below.block);
    } else {
        pool_give(a->blocks, a->block);
    }
    a->block = NULL;
}

void arena_shrink(struct arena *a, void *p, size_t size, size_t keep)
{
    char *start = p;
    if (start + ((size + 15) & ~(size_t)15) != a->pos)
        return;
    a->pos = start + ((keep + 15) & ~(size_t)15);
    memory_poison(start, size);
    memory_unpoison(start, keep);
}

size_t arena_room(const struct arena *a)
{
    size_t room = (size_t)(a->end - a->pos) & ~(size_t)15;
    size_t block = a->blocks->object_size & ~(size_t)15;
    return a->block || room > block ? room : block;
}

char *arena_copy(struct arena *a, struct slice text)
{
    char *copy = text.len < SIZE_MAX ? arena_alloc(a, text.len + 1) : NULL;
    if (copy) {
        if (text.len)
            memcpy(copy, text.data, text.len);
        copy[text.len] = '\0';
    }
    return copy;
}
