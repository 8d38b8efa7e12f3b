/*
 * Zstandard (RFC 8878). A context is one piece of memory, as the library's calls for static allocation want it, whose
 * size follows from the window and the tables: 201,753 bytes with a window of 16 KiB and tables of 8,192 entries.
 *
 * Nothing is said of a body's length beforehand, known or not: the library would take a smaller part of the memory, and
 * after many such streams refuse to go on in memory that it takes to be wasted.
 *
 * SPDX-License-Identifier: MIT
 */
#define ZSTD_STATIC_LINKING_ONLY /* memory of one's own is not among the calls that never change */
#include "web/compress/codec.h"

#include "web/compress/library.h"
#include "weir.h"

#include <zstd.h>

#define ZSTD_FUNCTIONS(X)                                                                                              \
    X(ZSTD_CCtx_reset)                                                                                                 \
    X(ZSTD_CCtx_setParameter)                                                                                          \
    X(ZSTD_compressStream2)                                                                                            \
    X(ZSTD_estimateCStreamSize_usingCParams) X(ZSTD_getCParams) X(ZSTD_initStaticCStream) X(ZSTD_isError)
LIBRARY("zstd", "libzstd.so.1", ZSTD_FUNCTIONS)

#define LEVEL_MOST  9
#define WINDOW_BITS 14
#define TABLE_BITS  13

static ZSTD_compressionParameters parameters_of(int level)
{
    ZSTD_compressionParameters p = CALL(ZSTD_getCParams)(level, 0, 0);
    p.windowLog = WINDOW_BITS;
    if (p.hashLog > TABLE_BITS)
        p.hashLog = TABLE_BITS;
    if (p.chainLog > TABLE_BITS)
        p.chainLog = TABLE_BITS;
    return p;
}

static size_t zstd_size(int level)
{
    return (CALL(ZSTD_estimateCStreamSize_usingCParams)(parameters_of(level)) + 15) & ~(size_t)15;
}

static bool is_set(ZSTD_CStream *s, ZSTD_cParameter parameter, unsigned value)
{
    return !CALL(ZSTD_isError)(CALL(ZSTD_CCtx_setParameter)(s, parameter, (int)value));
}

/* Begins a stream by a call that has no input: one that is ended by its first call is taken to have that length. */
static int zstd_start(ZSTD_CStream *s)
{
    ZSTD_inBuffer in = {"", 0, 0};
    ZSTD_outBuffer out = {"", 0, 0};
    return CALL(ZSTD_isError)(CALL(ZSTD_compressStream2)(s, &out, &in, ZSTD_e_continue)) ? WEIR_ENOMEM : 0;
}

static int zstd_begin(struct compressor *c, int level)
{
    if (c->made == level)
        return CALL(ZSTD_isError)(CALL(ZSTD_CCtx_reset)(c->state, ZSTD_reset_session_only)) ? WEIR_ENOMEM
                                                                                            : zstd_start(c->state);
    codec_forget(c);
    ZSTD_compressionParameters p = parameters_of(level);
    ZSTD_CStream *s = CALL(ZSTD_initStaticCStream)(c->block.base, c->block.size);
    c->state = s;
    if (!s || !is_set(s, ZSTD_c_compressionLevel, (unsigned)level) || !is_set(s, ZSTD_c_windowLog, p.windowLog) ||
        !is_set(s, ZSTD_c_hashLog, p.hashLog) || !is_set(s, ZSTD_c_chainLog, p.chainLog))
        return WEIR_ENOMEM;
    c->made = level;
    return zstd_start(s);
}

static int zstd_run(struct compressor *c, enum compress_act act, struct compress_io *io)
{
    static const ZSTD_EndDirective acts[] = {
        [COMPRESS_MORE] = ZSTD_e_continue, [COMPRESS_FLUSH] = ZSTD_e_flush, [COMPRESS_FINISH] = ZSTD_e_end};
    ZSTD_inBuffer in = {io->in, io->in_len, 0};
    ZSTD_outBuffer out = {io->out, io->room, 0};
    size_t left = CALL(ZSTD_compressStream2)(c->state, &out, &in, acts[act]);
    if (CALL(ZSTD_isError)(left)) {
        c->made = 0;
        return WEIR_ENOMEM;
    }
    io->in += in.pos;
    io->in_len -= in.pos;
    io->out += out.pos;
    io->room -= out.pos;
    return act == COMPRESS_MORE ? io->in_len > 0 : left > 0;
}

const struct codec codec_zstd = {.ready = library_ready,
                                 .level_usual = 3,
                                 .level_most = LEVEL_MOST,
                                 .size = zstd_size,
                                 .begin = zstd_begin,
                                 .run = zstd_run};
