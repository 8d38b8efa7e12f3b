/*
 * Brotli (RFC 7932). Its tables are large whatever the window is, 512 KiB at levels 4 to 8, and its own memory grows
 * with what it holds back; so it is told to let go after 16 KiB, which makes long documents longer by two percent and
 * halves a context. A state serves one stream: the library knows no way back to its beginning.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/compress/codec.h"

#include "web/compress/library.h"
#include "weir.h"

#include <brotli/encode.h>

#define BROTLI_FUNCTIONS(X)                                                                                            \
    X(BrotliEncoderCompressStream)                                                                                     \
    X(BrotliEncoderCreateInstance)                                                                                     \
    X(BrotliEncoderHasMoreOutput) X(BrotliEncoderIsFinished) X(BrotliEncoderSetParameter)
LIBRARY("br", "libbrotlienc.so.1", BROTLI_FUNCTIONS)

#define WINDOW_BITS 16
#define HELD_MOST   ((size_t)16 << 10)

/* Blocks that a slab is filled by: of levels that search, and of the one that does not. */
#define BLOCK_SIZE      (((size_t)1 << 20) - sizeof(struct compressor) - 64)
#define BLOCK_SIZE_FAST (((size_t)1 << 17) - sizeof(struct compressor) - 64)

struct brotli {
    BrotliEncoderState *encoder;
    size_t held;   /* input since the last flush */
    bool flushing; /* a flush is under way */
};

static size_t brotli_size(int level)
{
    return level > 1 ? BLOCK_SIZE : BLOCK_SIZE_FAST;
}

static int brotli_begin(struct compressor *c, int level)
{
    codec_forget(c);
    struct brotli *b = codec_alloc(c, sizeof *b);
    if (!b)
        return WEIR_ENOMEM;
    *b = (struct brotli){.encoder = CALL(BrotliEncoderCreateInstance)(codec_alloc, codec_free, c)};
    c->state = b;
    if (!b->encoder || !CALL(BrotliEncoderSetParameter)(b->encoder, BROTLI_PARAM_QUALITY, (uint32_t)level) ||
        !CALL(BrotliEncoderSetParameter)(b->encoder, BROTLI_PARAM_LGWIN, WINDOW_BITS))
        return WEIR_ENOMEM;
    return 0;
}

static BrotliEncoderOperation brotli_operation(struct brotli *b, enum compress_act act, size_t len)
{
    if (act == COMPRESS_FINISH)
        return BROTLI_OPERATION_FINISH;
    if (act == COMPRESS_FLUSH || b->held + len >= HELD_MOST)
        b->flushing = true;
    return b->flushing ? BROTLI_OPERATION_FLUSH : BROTLI_OPERATION_PROCESS;
}

static int brotli_run(struct compressor *c, enum compress_act act, struct compress_io *io)
{
    struct brotli *b = c->state;
    size_t before = io->in_len;
    const uint8_t *in = (const uint8_t *)io->in;
    uint8_t *out = (uint8_t *)io->out;
    BrotliEncoderOperation operation = brotli_operation(b, act, io->in_len);
    if (!CALL(BrotliEncoderCompressStream)(b->encoder, operation, &io->in_len, &in, &io->room, &out, NULL))
        return WEIR_ENOMEM;
    io->in = (const char *)in;
    io->out = (char *)out;
    b->held += before - io->in_len;
    if (act == COMPRESS_FINISH)
        return !CALL(BrotliEncoderIsFinished)(b->encoder);
    if (io->in_len > 0 || CALL(BrotliEncoderHasMoreOutput)(b->encoder))
        return 1;
    if (b->flushing)
        b->held = 0;
    b->flushing = false;
    return 0;
}

const struct codec codec_br = {.ready = library_ready,
                               .level_usual = 5,
                               .level_most = 8,
                               .deep = true,
                               .size = brotli_size,
                               .begin = brotli_begin,
                               .run = brotli_run};
