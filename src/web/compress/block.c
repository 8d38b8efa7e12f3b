/*
 * Pieces of a block.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/compress/block.h"

#include "base/debug.h"

/* Before each piece. */
struct piece {
    size_t size; /* of the piece and this, a multiple of 16 */
    size_t used; /* 1: taken; 0: free */
};

#define PIECE_ROUND 15u

void context_block_init(struct context_block *b, void *memory, size_t size)
{
    *b = (struct context_block){.base = memory, .size = size & ~(size_t)PIECE_ROUND};
    *(struct piece *)(void *)b->base = (struct piece){.size = b->size};
}

static struct piece *piece_next(const struct context_block *b, struct piece *p)
{
    char *next = (char *)p + p->size;
    return next < b->base + b->size ? (struct piece *)(void *)next : NULL;
}

/* Makes one piece of a free one and those behind it that are free. */
static void piece_join(const struct context_block *b, struct piece *p)
{
    struct piece *next;
    while ((next = piece_next(b, p)) != NULL && !next->used)
        p->size += next->size;
}

void *context_block_take(struct context_block *b, size_t size)
{
    if (size > b->size - sizeof(struct piece))
        return NULL;
    size_t all = (size + sizeof(struct piece) + PIECE_ROUND) & ~(size_t)PIECE_ROUND;
    for (struct piece *p = (struct piece *)(void *)b->base; p; p = piece_next(b, p)) {
        if (p->used)
            continue;
        piece_join(b, p);
        if (p->size < all)
            continue;
        if (p->size - all > sizeof *p) { /* what is left is a piece */
            *(struct piece *)(void *)((char *)p + all) = (struct piece){.size = p->size - all};
            p->size = all;
        }
        p->used = 1;
        return p + 1;
    }
    return NULL;
}

void context_block_give(struct context_block *b, void *p)
{
    struct piece *piece = (struct piece *)p - 1;
    weir_assert(context_block_has(b, piece) && piece->used == 1);
    piece->used = 0;
}
