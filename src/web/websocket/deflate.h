/*
 * Messages compressed by permessage-deflate (RFC 7692 section 7.2), in contexts from pools of the worker's: zlib's
 * memory, whose window is what makes it large. A context is taken when a message is about to be compressed or inflated,
 * and goes back when it is, so that a worker has few of them, whatever the number of its sockets. Where takeover was
 * agreed on, a socket keeps its contexts.
 *
 * The pools are in an account of their own, below one of the server's that bounds what the workers take together. Where
 * nothing is to be had, a message is sent as it is; one that has come and is to be inflated has to wait.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_WEBSOCKET_DEFLATE_H
#define WEIR_WEB_WEBSOCKET_DEFLATE_H

#include "web/compress/zlib.h"
#include "web/websocket/frame.h"
#include "web/websocket/negotiate.h"

enum { WS_DEFLATERS, WS_INFLATERS, WS_POOLS };

/* A worker's contexts. */
struct ws_contexts {
    struct account account;
    struct pool pools[WS_POOLS];
    uint8_t bits[WS_POOLS];                     /* of the largest window for which a pool has room; 0: not open */
    _Atomic uint64_t messages_out, messages_in; /* compressed, and inflated, ever */
    _Atomic uint64_t plain_out, compressed_out; /* their bytes, before and after */
    _Atomic uint64_t plain_in, compressed_in;   /* likewise of those that came */
    _Atomic uint64_t missing;                   /* times that no context was to be had */
};

/* A context that compresses, and one that inflates. */
struct ws_deflater {
    struct compressor context;
};
struct ws_inflater {
    struct compressor context;
};

/* Before the extension is offered to anyone: makes it work. NULL, or why that cannot be, behind its name. The first
 * call blocks. Any thread. */
const char *ws_deflate_ready(void);

/* The bytes of a context with a window of 2^bits bytes. */
size_t ws_context_size(unsigned pool, unsigned bits);

/* Opens the pools, for windows of up to so many bits, WS_BITS_MIN to WS_BITS_MAX; with an account below parent. */
void ws_contexts_open(struct ws_contexts *c, struct memory *m, struct account *parent, unsigned server_bits,
                      unsigned client_bits);
/* No context is in use. Does nothing if they are not open. */
void ws_contexts_close(struct ws_contexts *c);

/* ---- Sending ---- */

/* A context that remembers nothing, with a window of 2^bits bytes, and no more than the pool has room for. NULL: there
 * is no memory for it, or no zlib. */
struct ws_deflater *ws_deflater_take(struct ws_contexts *c, unsigned bits, unsigned level) MUST_CHECK;
void ws_deflater_give(struct ws_deflater *d);

/*
 * Compresses a message into a frame of its own, within room bytes at to, of which WS_WRITE_HEAD_MAX + message.len
 * suffice. Returns the frame; empty: it would be longer than the message is, which is to be sent as it is. message is
 * not empty.
 *
 * A frame by a context that remembered nothing can be sent to every socket that has agreed on a window as large as the
 * context's, or a larger one. One that keeps a context for takeover has to take a new one then: the client's memory
 * has something in it that the old one does not know.
 */
struct slice ws_deflate_frame(struct ws_contexts *c, struct ws_deflater *d, enum ws_opcode opcode, struct slice message,
                              char *to, size_t room);

/* A message that is compressed piece by piece, for frames that are sent as they become full. The last four bytes of
 * what comes out are held back, because those of the message's end are not sent (RFC 7692 section 7.2.1). */
struct ws_deflating {
    struct ws_deflater *deflater;
    uint64_t in, out; /* bytes so far */
    uint8_t held_len;
    char held[4];
};

#define WS_DEFLATE_ROOM_MIN CODEC_ROOM_MIN

void ws_deflating_begin(struct ws_deflating *m, struct ws_deflater *d);

/* Goes on with a message, by at least WS_DEFLATE_ROOM_MIN bytes of room. last: its end is behind the input. 0: all
 * input has been taken and, if it was the last, the message is complete; 1: room has run out; WEIR_EINVAL: the context
 * is broken, and so is the message. */
int ws_deflating_run(struct ws_deflating *m, bool last, struct compress_io *io);

/* A message that is complete is counted. */
void ws_contexts_count_out(struct ws_contexts *c, const struct ws_deflating *m);

/* ---- Receiving ---- */

/* A context that remembers nothing. NULL: there is no memory for it, or no zlib. */
struct ws_inflater *ws_inflater_take(struct ws_contexts *c) MUST_CHECK;
void ws_inflater_give(struct ws_inflater *i);

/* Goes on with a message by the input that there is. */
static inline enum zlib_inflated ws_inflate(struct ws_inflater *i, struct compress_io *io)
{
    return zlib_table()->inflate_run(&i->context, io);
}

/* What a message ends with, and is not sent of it: to be inflated behind its last byte (RFC 7692 section 7.2.2). */
#define WS_DEFLATE_TAIL     "\0\0\xff\xff"
#define WS_DEFLATE_TAIL_LEN 4

/* Whether all that was inflated is a message: behind its tail, a block has ended. Without the tail, one that said it
 * was the last. */
static inline bool ws_inflate_is_whole(const struct ws_inflater *i, bool tail)
{
    return tail ? zlib_table()->inflate_is_between(&i->context) : zlib_table()->inflate_is_new(&i->context);
}

#endif
