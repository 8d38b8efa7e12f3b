/*
 * Files and sources in the output: handed to the transport where it can send them, and read into a block where it
 * cannot; a file only once it is in memory, so that the worker does not wait for a disk.
 *
 * SPDX-License-Identifier: MIT
 */
#include "net/output_file.h"
#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef SYS_cachestat
#define SYS_cachestat 451 /* Linux 6.5 */
#endif

/* ---- Whether a file is in memory ---- */

/* Whether a part of a file is not all in memory, by the kernel's count of its pages. False where the kernel cannot or
 * may not tell. */
static bool pages_are_missing(int fd, int64_t offset, size_t len)
{
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t range[2] = {(uint64_t)offset, len};
    uint64_t found[5]; /* the first is the number of pages that are there */
    uint64_t wanted = ((uint64_t)offset + len - 1) / page - (uint64_t)offset / page + 1;
    return syscall(SYS_cachestat, fd, range, found, 0) == 0 && found[0] < wanted;
}

enum { BYTE_WARM, BYTE_COLD, BYTE_UNKNOWN };

/* Whether reading a byte would wait for a disk. */
static int byte_look(int fd, int64_t offset)
{
    char byte;
    struct iovec part = {.iov_base = &byte, .iov_len = 1};
    if (preadv2(fd, &part, 1, offset, RWF_NOWAIT) >= 0)
        return BYTE_WARM;
    return errno == EAGAIN ? BYTE_COLD : errno == EOPNOTSUPP ? BYTE_UNKNOWN : BYTE_WARM;
}

/* A file system that knows no reading without waiting is memory, or on another machine, which may not answer for
 * long. */
static bool file_is_cold(struct output *o, const struct segment *s, size_t len)
{
    int fd = s->file->fd;
    if (o->warm || len == 0) {
        o->warm = false;
        return false;
    }
    int look = byte_look(fd, s->offset);
    if (look == BYTE_WARM && len > 4096)
        look = byte_look(fd, s->offset + (int64_t)len - 1);
    return look == BYTE_COLD || (look == BYTE_UNKNOWN && pages_are_missing(fd, s->offset, len));
}

struct output_piece output_cold_piece(const struct output *o)
{
    struct segment s = segment_next(&o->segments[o->first]);
    return (struct output_piece){.file = file_ref(s.file),
                                 .offset = s.offset,
                                 .len = s.len < OUTPUT_TURN_BYTES ? (size_t)s.len : OUTPUT_TURN_BYTES};
}

int output_piece_fetch(void *piece)
{
    const struct output_piece *p = piece;
    char byte;
    (void)readahead(p->file->fd, p->offset, p->len);
    return pread(p->file->fd, &byte, 1, p->offset + (int64_t)p->len - 1) < 0 ? WEIR_EIO : 0;
}

/* ---- Sending, and reading ---- */

static bool transport_sends_files(const struct net *n, const struct connection *c)
{
    return connection_transport(n, c)->capabilities & TRANSPORT_SENDFILE;
}

bool output_needs_block(const struct output *o, const struct net *n, const struct connection *c)
{
    bool sends = transport_sends_files(n, c);
    for (unsigned i = 0; i < o->count && o->unread > 0; i++) {
        const struct segment *s = &o->segments[(o->first + i) % OUTPUT_SEGMENTS];
        if (s->kind == SEGMENT_SOURCE ? !sends || !s->source->ops->piece : s->kind == SEGMENT_FILE && !sends)
            return true;
    }
    return false;
}

/* Hands bytes, or a file's, to a transport that sends files. As its write(). */
static ssize_t send_piece(struct output *o, const struct transport *t, struct connection *c, struct segment piece,
                          size_t len)
{
    if (piece.kind == SEGMENT_FILE)
        return t->send_file(c, &o->flow, piece.file->fd, &piece.offset, len);
    struct iovec part = {.iov_base = (void *)(uintptr_t)piece.data, .iov_len = len < t->piece ? len : t->piece};
    return t->write(c, &o->flow, &part, 1, true); /* of a source: more follows, or the queue's end flushes */
}

ssize_t output_send_unread(struct output *o, struct net *n, struct connection *c, size_t most)
{
    struct segment *s = output_at(o, 0);
    struct segment piece = segment_next(s);
    size_t len = piece.len < most ? (size_t)piece.len : most;
    if (piece.kind == SEGMENT_FILE && file_is_cold(o, &piece, len))
        return OUTPUT_COLD;
    if (len == 0)
        return s->len == 0 || most == 0 ? 0 : OUTPUT_SHORT;
    if (piece.kind == SEGMENT_SOURCE || !transport_sends_files(n, c))
        return OUTPUT_FILL;
    ssize_t sent = send_piece(o, connection_transport(n, c), c, piece, len);
    if (sent > 0)
        segment_took(s, (size_t)sent);
    return sent == 0 ? OUTPUT_SHORT : sent;
}

static ssize_t segment_read(struct segment *s, char *to, size_t len)
{
    struct segment piece = segment_next(s);
    ssize_t n = piece.len < len ? (ssize_t)piece.len : (ssize_t)len;
    if (piece.kind == SEGMENT_SOURCE)
        n = piece.source->ops->read(piece.source, to, (size_t)n);
    else if (piece.kind == SEGMENT_FILE)
        n = pread(piece.file->fd, to, (size_t)n, piece.offset);
    else
        memcpy(to, piece.data, (size_t)n);
    if (n < 0)
        return piece.kind == SEGMENT_FILE ? error_from_errno(errno) : n;
    segment_took(s, (size_t)n);
    return n;
}

/* What was read goes before what is still to be read; the last piece takes its place. */
ssize_t output_fill(struct output *o, char *block, size_t size)
{
    struct segment *s = output_at(o, 0);
    debug_assert(size > 0 && s->len > 0 && segment_is_unread(s));
    ssize_t got = segment_read(s, block, s->len < size ? (size_t)s->len : size);
    if (got <= 0)
        return got == 0 ? OUTPUT_SHORT : got;
    if (s->len == 0) {
        struct segment whole = *s;
        o->unread--;
        *s = (struct segment){.kind = SEGMENT_REGION, .len = (uint64_t)got & SEGMENT_LEN_MASK, .data = block};
        o->regions++;
        segment_release(&whole, 0);
        return got;
    }
    debug_assert(o->count < OUTPUT_SEGMENTS);
    o->first = (uint8_t)((o->first + OUTPUT_SEGMENTS - 1) % OUTPUT_SEGMENTS);
    o->count++;
    o->regions++;
    *output_at(o, 0) = (struct segment){.kind = SEGMENT_REGION, .len = (uint64_t)got & SEGMENT_LEN_MASK, .data = block};
    return got;
}
