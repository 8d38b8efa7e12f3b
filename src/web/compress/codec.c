/*
 * The table of libraries, and the memory that they get.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/compress/codec.h"

const struct codec *codec_of(enum coding coding)
{
    switch (coding) {
    case CODING_GZIP:
        return WEIR_WITH_ZLIB ? &codec_gzip : NULL;
    case CODING_BR:
        return WEIR_WITH_BROTLI ? &codec_br : NULL;
    case CODING_ZSTD:
        return WEIR_WITH_ZSTD ? &codec_zstd : NULL;
    case CODING_IDENTITY:
        break;
    }
    return NULL;
}

static COLD void *alloc_beyond(struct compressor *c, size_t size)
{
    struct overflow *o = NULL;
    if (size <= SIZE_MAX - sizeof *o)
        o = memory_alloc(c->pool->account, sizeof *o + size);
    if (!o)
        return NULL;
    *o = (struct overflow){.next = c->beyond, .size = sizeof *o + size};
    c->beyond = o;
    return o + 1;
}

void *codec_alloc(void *compressor, size_t size)
{
    struct compressor *c = compressor;
    void *p = context_block_take(&c->block, size);
    return likely(p != NULL) ? p : alloc_beyond(c, size);
}

static COLD void free_beyond(struct compressor *c, const void *p)
{
    struct overflow **at = &c->beyond, *o;
    while ((o = *at) != NULL && o + 1 != p)
        at = &o->next;
    weir_assert(o != NULL);
    *at = o->next;
    memory_free(c->pool->account, o, o->size);
}

void codec_free(void *compressor, void *p)
{
    struct compressor *c = compressor;
    if (!p)
        return;
    if (likely(context_block_has(&c->block, p)))
        context_block_give(&c->block, p);
    else
        free_beyond(c, p);
}

void codec_forget(struct compressor *c)
{
    while (c->beyond)
        free_beyond(c, c->beyond + 1);
    context_block_init(&c->block, c + 1, c->pool->object_size - sizeof *c);
}
