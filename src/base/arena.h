/*
 * The memory of one request: a pointer that moves. The first bytes lie in the request's own record, so that a small
 * request touches nothing else; the rest is one pooled block, so that the most a request can take is one number.
 * Everything dies at once, and is poisoned then; so is what has not been handed out yet.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_BASE_ARENA_H
#define WEIR_BASE_ARENA_H

#include "base/pool.h"
#include "base/slice.h"

struct arena {
    char *pos;
    char *end;
    struct pool *blocks; /* where the block comes from */
    char *block; /* NULL until the inline part is used up; ARENA_STACKED is added where it lies on another one */
};

#define ARENA_STACKED 1u /* blocks are aligned to 16 */

/* inline_memory (16-byte aligned) is the caller's and outlives the arena. */
static inline void arena_init(struct arena *a, struct pool *blocks, char *inline_memory, size_t size)
{
    memory_poison(inline_memory, size);
    a->pos = inline_memory;
    a->end = inline_memory + size;
    a->blocks = blocks;
    a->block = NULL;
}

COLD void arena_done_block(struct arena *a);

/* Gives all of the arena's memory back. inline_memory and size: as given to arena_init(). */
static inline void arena_done(struct arena *a, char *inline_memory, size_t size)
{
    memory_forget(inline_memory, size);
    if (unlikely(a->block != NULL))
        arena_done_block(a);
}

/*
 * Lets memory come from a block of another pool from here on, with objects of another size, for which the caller can
 * answer. What has been handed out stays where it is; if that is in a block already, both blocks are held to the end.
 */
void arena_use(struct arena *a, struct pool *blocks);

void *arena_alloc_slow(struct arena *a, size_t size);

/* Memory for size bytes, aligned to 16, not cleared; NULL beyond the limit. */
static inline void *arena_alloc(struct arena *a, size_t size)
{
    size_t room = (size_t)(a->end - a->pos) & ~(size_t)15;
    if (unlikely(size > room))
        return arena_alloc_slow(a, size);
    void *p = a->pos;
    a->pos += (size + 15) & ~(size_t)15;
    memory_unpoison(p, size);
    return p;
}

/* Gives back all but keep bytes of the last allocation, of size bytes. Does nothing if p is not the last. */
void arena_shrink(struct arena *a, void *p, size_t size, size_t keep);

/* The most bytes that one further arena_alloc() can give. */
size_t arena_room(const struct arena *a);

/* A NUL-terminated copy of text; NULL beyond the limit. */
char *arena_copy(struct arena *a, struct slice text);

#endif
