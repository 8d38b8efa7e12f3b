/*
 * The arena's way to its block.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/arena.h"

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
    pool_give(a->blocks, a->block);
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
