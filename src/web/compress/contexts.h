/*
 * A worker's contexts of compressors: a pool for each coding that a group asks for, all in one account, below one of
 * the server's that bounds what the workers take together. Pools are trimmed as others are, so that nothing is left of
 * them a few seconds after the last reply.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_COMPRESS_CONTEXTS_H
#define WEIR_WEB_COMPRESS_CONTEXTS_H

#include "web/compress/codec.h"

/* Of each coding what the worker has compressed, ever. */
struct coding_figures {
    _Atomic uint64_t replies, bytes_in, bytes_out;
};

struct contexts {
    struct account account;
    struct pool pools[CODINGS]; /* by enum coding; not open where no group asks for it */
    struct coding_figures figures[CODINGS];
    _Atomic uint64_t missing; /* replies that went out uncompressed, because no context was to be had */
};

/* Opens the pools for blocks of sizes[] bytes (0: none of that coding), with an account below parent. */
void contexts_open(struct contexts *c, struct memory *m, struct account *parent, const size_t sizes[CODINGS]);
/* No context is in use. Does nothing if they are not open. */
void contexts_close(struct contexts *c);

/* A context that is ready for a stream; NULL: there is no memory for it. */
struct compressor *contexts_take(struct contexts *c, enum coding coding, int level) MUST_CHECK;
void contexts_give(struct compressor *c);

/* The bytes of a slab that holds contexts with blocks of size bytes. */
size_t contexts_slab_size(size_t size);

#endif
