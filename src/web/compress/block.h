/*
 * A heap in one block of memory, for a library that asks for a few pieces at a time and gives them back in any order:
 * pieces lie one behind the other, the first that is free and large enough is taken, and neighbours that are free
 * become one. Of what a compressor asks for there are a few dozen pieces, so that walking over them costs nothing that
 * could be seen beside the compressing.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_COMPRESS_BLOCK_H
#define WEIR_WEB_COMPRESS_BLOCK_H

#include <stdbool.h>
#include <stddef.h>

struct context_block {
    char *base;
    size_t size;
};

/* Makes a heap of memory, size bytes aligned to 16, at least 64. What was taken of an earlier one there is gone. */
void context_block_init(struct context_block *b, void *memory, size_t size);

/* Takes size bytes, aligned to 16, not cleared; NULL where no free piece has as many. */
void *context_block_take(struct context_block *b, size_t size);
void context_block_give(struct context_block *b, void *p);

/* Whether p lies in the block. */
static inline bool context_block_has(const struct context_block *b, const void *p)
{
    return (const char *)p >= b->base && (const char *)p < b->base + b->size;
}

#endif
