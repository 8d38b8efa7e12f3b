/*
 * zlib, for whoever deflates or inflates: its streams lie in a compressor's memory (codec.h). The functions are
 * reached by a table, so that a build without zlib has none of them and links all the same.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_COMPRESS_ZLIB_H
#define WEIR_WEB_COMPRESS_ZLIB_H

#include "web/compress/codec.h"

/* Added to the bits of a window: gzip's frame. Negative bits are of streams that have no frame (RFC 1951). */
#define ZLIB_GZIP 16

enum zlib_inflated {
    ZLIB_INFLATED,  /* all input has been taken, and what it stands for written; or room has run out */
    ZLIB_MALFORMED, /* no such stream has been deflated */
    ZLIB_NO_MEMORY,
};

struct zlib {
    /* Before any other call; see struct codec. */
    const char *(*ready)(void);

    /* Bytes of a context's block for a window of 2^bits bytes, 9 to 15; memory: 1 to 9, how large the tables are. */
    size_t (*deflate_size)(int bits, int memory);
    /* Begins a stream; bits as above, or with ZLIB_GZIP, or negative. 0 or WEIR_ENOMEM. */
    int (*deflate_begin)(struct compressor *c, int level, int bits, int memory);
    /* Begins the next stream of the same kind. */
    void (*deflate_again)(struct compressor *c);
    /* As struct codec's. */
    int (*deflate_run)(struct compressor *c, enum compress_act act, struct compress_io *io);

    size_t (*inflate_size)(int bits);
    /* Begins a stream without a frame, of windows up to 2^bits bytes. 0 or WEIR_ENOMEM. */
    int (*inflate_begin)(struct compressor *c, int bits);
    /* Goes on by the input that there is. Behind a block that says it is the last one, another stream may begin. */
    enum zlib_inflated (*inflate_run)(struct compressor *c, struct compress_io *io);
    /* Whether the input so far ends with a block that is complete, and its byte. */
    bool (*inflate_is_between)(const struct compressor *c);
    /* Whether no input has come behind a block that says it is the last one, or at all. */
    bool (*inflate_is_new)(const struct compressor *c);
};

extern const struct zlib zlib_loaded;

/* The table; NULL: this build is without zlib. */
static inline const struct zlib *zlib_table(void)
{
    return WEIR_WITH_ZLIB ? &zlib_loaded : NULL;
}

#endif
