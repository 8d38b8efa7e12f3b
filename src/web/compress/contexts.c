/*
 * Taking contexts from their pools.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/compress/contexts.h"

#define SLAB_SIZE_MIN ((size_t)64 << 10)
#define ALIGN         64

/* The smallest slab that wastes no more than a quarter, since a slab is as much as is taken for the first of them. */
size_t contexts_slab_size(size_t size)
{
    size_t object = (size + sizeof(struct compressor) + ALIGN - 1) & ~(size_t)(ALIGN - 1), slab = SLAB_SIZE_MIN;
    while (slab < object + ALIGN || (slab - ALIGN) % object > slab / 4)
        slab *= 2;
    return slab;
}

void contexts_open(struct contexts *c, struct memory *m, struct account *parent, const size_t sizes[CODINGS])
{
    account_open(&c->account, m, "compression");
    c->account.parent = parent;
    for (unsigned i = 0; i < CODINGS; i++) {
        if (sizes[i] == 0)
            continue;
        pool_init(&c->pools[i], &c->account, sizes[i] + sizeof(struct compressor), ALIGN, contexts_slab_size(sizes[i]));
        c->pools[i].plain = true; /* a context that rests keeps its state */
    }
}

void contexts_close(struct contexts *c)
{
    for (unsigned i = 0; i < CODINGS; i++)
        pool_done(&c->pools[i]);
    account_close(&c->account);
}

/* Takes an object of a pool; where the bound is met, after giving back what rests in the others. */
static struct compressor *object_take(struct contexts *c, struct pool *pool)
{
    struct compressor *object = pool_take(pool);
    if (likely(object != NULL))
        return object;
    for (unsigned i = 0; i < CODINGS; i++)
        if (c->pools[i].account && &c->pools[i] != pool)
            pool_trim(&c->pools[i], true);
    return pool_take(pool);
}

/* What a pool has never handed out is cleared: it holds no state. */
struct compressor *contexts_take(struct contexts *c, enum coding coding, int level)
{
    struct pool *pool = &c->pools[coding];
    struct compressor *made = object_take(c, pool);
    if (unlikely(!made))
        return NULL;
    made->codec = codec_of(coding);
    made->pool = pool;
    if (likely(made->codec->begin(made, level) == 0))
        return made;
    made->made = 0;
    contexts_give(made);
    return NULL;
}

void contexts_give(struct compressor *c)
{
    if (unlikely(c->beyond != NULL)) {
        codec_forget(c);
        c->made = 0;
    }
    pool_give(c->pool, c);
}
