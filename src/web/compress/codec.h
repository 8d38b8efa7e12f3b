/*
 * What the libraries that compress have in common. A context is an object of a pool, and the library's memory lies in
 * it; the library asks for that through hooks, or takes it as one piece, so that nothing is had from malloc() but what
 * does not fit, which is counted in the same account.
 *
 * Windows are small, since a context is held as long as a reply is being made: what is farther away than 8 to 64 KiB is
 * found again by none of them.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_COMPRESS_CODEC_H
#define WEIR_WEB_COMPRESS_CODEC_H

#include "base/pool.h"
#include "web/compress/block.h"
#include "web/compress/negotiate.h"

#include <stdint.h>

enum compress_act {
    COMPRESS_MORE,   /* there is more to come */
    COMPRESS_FLUSH,  /* what has come so far can be decoded from what goes out */
    COMPRESS_FINISH, /* all has come */
};

/* What is still to be compressed, and the room for what comes out; a run moves both on. */
struct compress_io {
    const char *in; /* never NULL */
    size_t in_len;
    char *out;
    size_t room;
};

struct codec;

/* What does not fit a context's block. */
struct overflow {
    struct overflow *next;
    size_t size; /* with this */
};

/* The beginning of a context. The pool is plain (see pool.h), so that a context that rests keeps what it is. */
struct compressor {
    struct pool_free link; /* the pool's while the context rests */
    int made;              /* the level for which the memory holds a state that can be used again; 0: it holds none */
    const struct codec *codec;
    struct pool *pool;
    void *state;                /* the library's, in the block or all of it */
    struct context_block block; /* all of the object behind this */
    struct overflow *beyond;    /* NULL: the block has sufficed so far */
} __attribute__((aligned(64)));

struct codec {
    /* Before any other call: makes the library's functions callable. NULL, or why that cannot be, behind the coding's
     * name. The first call blocks. Any thread. */
    const char *(*ready)(void);
    int level_usual, level_most; /* from 1 */
    bool deep;                   /* a run takes more of a stack than a handler's has to have: up to CODEC_STACK_MOST */
    /* Bytes of a context's block for a level, a multiple of 16. */
    size_t (*size)(int level);
    /* Begins a stream, in memory that has served an earlier one or none. 0 or WEIR_ENOMEM. */
    int (*begin)(struct compressor *c, int level);
    /* Goes on by at least min bytes of room. 0: all input has been taken, and the act is complete; 1: room has run out;
     * an error: the stream is broken. */
    int (*run)(struct compressor *c, enum compress_act act, struct compress_io *io);
};

#define CODEC_ROOM_MIN   64                  /* bytes of room for a run */
#define CODEC_STACK_MOST ((size_t)24 * 1024) /* Brotli was seen to take 15 KB, the others 2 KB */

/* The library of a coding; NULL: none is built in, or the coding is identity. */
const struct codec *codec_of(enum coding coding);

/* The libraries' hooks: memory of the compressor's block, or beyond it; NULL where that is refused. */
void *codec_alloc(void *compressor, size_t size);
void codec_free(void *compressor, void *p);

/* Lets go of all that was taken; the block is empty. */
void codec_forget(struct compressor *c);

extern const struct codec codec_gzip, codec_br, codec_zstd;

#endif
