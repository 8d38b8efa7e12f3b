/*
 * zlib's streams, in memory of a compressor's.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/compress/zlib.h"

#include "web/compress/library.h"
#include "weir.h"

#include <zlib.h>

#define ZLIB_FUNCTIONS(X) X(deflate) X(deflateInit2_) X(deflateReset) X(inflate) X(inflateInit2_) X(inflateReset)
LIBRARY("gzip", "libz.so.1", ZLIB_FUNCTIONS)

/* What the block adds to each piece, and the stream itself. */
#define PIECE       ((size_t)32)
#define STREAM_SIZE (((sizeof(z_stream) + 15) & ~(size_t)15) + PIECE)

/* ---- Deflating ---- */

/* As zlib's manual says (zconf.h), with the state: five pieces. */
static size_t deflate_size(int bits, int memory)
{
    return ((size_t)1 << (bits + 2)) + ((size_t)1 << (memory + 9)) + 6144 + STREAM_SIZE + 7 * PIECE;
}

static void *zlib_alloc(void *compressor, unsigned count, unsigned size)
{
    return codec_alloc(compressor, (size_t)count * size);
}

/* Makes an empty stream of a compressor that holds nothing of use. NULL: there is no memory. */
static z_stream *stream_make(struct compressor *c)
{
    codec_forget(c);
    c->made = 0;
    z_stream *z = codec_alloc(c, sizeof *z);
    if (!z)
        return NULL;
    *z = (z_stream){.zalloc = zlib_alloc, .zfree = codec_free, .opaque = c};
    c->state = z;
    return z;
}

static int deflate_begin(struct compressor *c, int level, int bits, int memory)
{
    int wanted = ((memory * 64) + bits + 32) * 16 + level; /* more than 0, and others for others */
    if (likely(c->made == wanted))
        return CALL(deflateReset)(c->state) == Z_OK ? 0 : WEIR_ENOMEM;
    z_stream *z = stream_make(c);
    if (!z || CALL(deflateInit2_)(z, level, Z_DEFLATED, bits, memory, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
                                  (int)sizeof *z) != Z_OK)
        return WEIR_ENOMEM;
    c->made = wanted;
    return 0;
}

static void deflate_again(struct compressor *c)
{
    weir_assert(CALL(deflateReset)(c->state) == Z_OK);
}

static unsigned within_unsigned(size_t len)
{
    return len < UINT32_MAX ? (unsigned)len : UINT32_MAX;
}

/* Lets zlib see what there is to take, and where to write. */
static z_stream *io_open(const struct compressor *c, const struct compress_io *io)
{
    z_stream *z = c->state;
    z->next_in = (unsigned char *)(uintptr_t)io->in;
    z->avail_in = within_unsigned(io->in_len);
    z->next_out = (unsigned char *)io->out;
    z->avail_out = within_unsigned(io->room);
    return z;
}

static void io_close(const z_stream *z, struct compress_io *io)
{
    io->in_len -= (size_t)(z->next_in - (const unsigned char *)io->in);
    io->in = (const char *)z->next_in;
    io->room -= (size_t)(z->next_out - (unsigned char *)io->out);
    io->out = (char *)z->next_out;
}

static int deflate_run(struct compressor *c, enum compress_act act, struct compress_io *io)
{
    static const int acts[] = {
        [COMPRESS_MORE] = Z_NO_FLUSH, [COMPRESS_FLUSH] = Z_SYNC_FLUSH, [COMPRESS_FINISH] = Z_FINISH};
    z_stream *z = io_open(c, io);
    int result = CALL(deflate)(z, acts[act]);
    io_close(z, io);
    if (result == Z_STREAM_ERROR)
        return WEIR_EINVAL;
    if (act == COMPRESS_FINISH)
        return result != Z_STREAM_END;
    return io->in_len > 0 || (act == COMPRESS_FLUSH && z->avail_out == 0);
}

/* ---- Inflating ---- */

/* zlib's state has 7,160 bytes; the window is a piece of its own. */
static size_t inflate_size(int bits)
{
    return ((size_t)1 << bits) + 7424 + STREAM_SIZE + 3 * PIECE;
}

static int inflate_begin(struct compressor *c, int bits)
{
    if (likely(c->made == bits))
        return CALL(inflateReset)(c->state) == Z_OK ? 0 : WEIR_ENOMEM;
    z_stream *z = stream_make(c);
    if (!z || CALL(inflateInit2_)(z, -bits, ZLIB_VERSION, (int)sizeof *z) != Z_OK)
        return WEIR_ENOMEM;
    c->made = bits;
    return 0;
}

static enum zlib_inflated inflate_run(struct compressor *c, struct compress_io *io)
{
    for (;;) {
        z_stream *z = io_open(c, io);
        int result = CALL(inflate)(z, Z_SYNC_FLUSH);
        io_close(z, io);
        if (result == Z_STREAM_END)
            result = CALL(inflateReset)(z);
        if (result == Z_MEM_ERROR)
            return ZLIB_NO_MEMORY;
        if (result != Z_OK && result != Z_BUF_ERROR) /* the latter: there is nothing to do */
            return ZLIB_MALFORMED;
        if (io->in_len == 0 || io->room == 0)
            return ZLIB_INFLATED;
    }
}

/* zlib's manual of inflate(): 128, right behind a block; in the bits below how many bits of the last byte are left. */
static bool inflate_is_between(const struct compressor *c)
{
    const z_stream *z = c->state;
    return (z->data_type & 128) && (z->data_type & 31) == 0;
}

static bool inflate_is_new(const struct compressor *c)
{
    const z_stream *z = c->state;
    return z->total_in == 0;
}

const struct zlib zlib_loaded = {
    .ready = library_ready,
    .deflate_size = deflate_size,
    .deflate_begin = deflate_begin,
    .deflate_again = deflate_again,
    .deflate_run = deflate_run,
    .inflate_size = inflate_size,
    .inflate_begin = inflate_begin,
    .inflate_run = inflate_run,
    .inflate_is_between = inflate_is_between,
    .inflate_is_new = inflate_is_new,
};
