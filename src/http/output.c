/*
 * Draining the output queue.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/output.h"
#include "http/request_log.h"

#include <errno.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef SYS_cachestat
#define SYS_cachestat 451 /* Linux 6.5 */
#endif

static void segment_release(struct segment *s, int error, output_release_fn release)
{
    switch ((enum segment_kind)s->kind) {
    case SEGMENT_SHARED:
        release(s->value);
        break;
    case SEGMENT_FILE:
        close(s->fd);
        break;
    case SEGMENT_CALL:
        s->call(s->arg, error, s->len);
        break;
    case SEGMENT_REGION:
    case SEGMENT_STATIC:
        break;
    }
}

/* The segment is let go of once it is off the queue: what that calls may add others. */
static __attribute__((noinline)) void output_pop_owned(struct output *o, int error, output_release_fn release)
{
    struct segment s = o->segments[o->first];
    o->first = (uint8_t)((o->first + 1) % OUTPUT_SEGMENTS);
    o->count--;
    o->files = (uint8_t)(o->files - (s.kind == SEGMENT_FILE));
    segment_release(&s, error, release);
}

static inline void output_pop(struct output *o, int error, output_release_fn release)
{
    unsigned kind = o->segments[o->first].kind;
    if (unlikely(kind > SEGMENT_STATIC)) {
        output_pop_owned(o, error, release);
        return;
    }
    o->regions = (uint8_t)(o->regions - (kind == SEGMENT_REGION));
    o->first = (uint8_t)((o->first + 1) % OUTPUT_SEGMENTS);
    o->count--;
}

/* Takes n sent bytes off the front. */
static void output_advance(struct output *o, size_t n, output_release_fn release)
{
    while (o->count > 0) {
        struct segment *s = &o->segments[o->first];
        if (s->kind == SEGMENT_FILE || (s->kind != SEGMENT_CALL && s->len > n)) {
            if (s->kind != SEGMENT_FILE) {
                s->data += n;
                s->len = (s->len - n) & SEGMENT_LEN_MASK;
            }
            return;
        }
        if (s->kind != SEGMENT_CALL)
            n -= s->len;
        output_pop(o, 0, release);
    }
}

/*
 * The parts of a queue that is one small piece or two, neither of which has to be let go of: a head and its body, which
 * is what most replies are. Returns their number, or 0 where the queue is anything else.
 */
static inline int short_parts(const struct output *o, struct iovec parts[2], size_t *len)
{
    const struct segment *s = &o->segments[o->first];
    if (o->count > 2 || s->kind > SEGMENT_STATIC)
        return 0;
    parts[0] = (struct iovec){.iov_base = (void *)(uintptr_t)s->data, .iov_len = s->len};
    *len = s->len;
    if (o->count == 2) {
        s = &o->segments[(o->first + 1) % OUTPUT_SEGMENTS];
        if (s->kind > SEGMENT_STATIC)
            return 0;
        parts[1] = (struct iovec){.iov_base = (void *)(uintptr_t)s->data, .iov_len = s->len};
        *len += s->len;
    }
    return o->unsealed + *len < OUTPUT_SEAL ? o->count : 0;
}

/* What the kernel's packet buffer is to gather before it is sealed: more than a write only where more is to come, and
 * could leave at once. */
static size_t output_gather(struct output *o, const struct net *n, const struct connection *c)
{
    if (o->gather == 0) {
        size_t room = n->transport->room(c);
        o->gather = (uint32_t)(room > OUTPUT_GATHER ? OUTPUT_GATHER : room > 0 ? room : 1);
    }
    return o->gather;
}

/* How a write of len bytes is to be made that no file follows. */
static unsigned write_how(struct output *o, const struct net *n, const struct connection *c, size_t len, bool more)
{
    if (o->unsealed + len < OUTPUT_SEAL)
        return 0;
    return more && o->unsealed + len < output_gather(o, n, c) ? WRITE_MORE : WRITE_SEAL;
}

void output_push_held(struct output *o, struct net *n, struct connection *c)
{
    o->held = false;
    n->transport->push(c);
}

/* Sends the memory segments at the front. Bytes sent or an error; *gave: bytes that were given. */
static ssize_t send_memory(struct output *o, struct net *n, struct connection *c, bool more, size_t *gave)
{
    struct iovec parts[OUTPUT_SEGMENTS];
    struct iovec *part = parts;
    size_t len = 0;
    bool file = false, whole = true;
    for (unsigned i = 0; i < o->count && len < OUTPUT_PIECE; i++) {
        const struct segment *s = &o->segments[(o->first + i) % OUTPUT_SEGMENTS];
        if (unlikely(s->kind > SEGMENT_SHARED)) {
            file = s->kind == SEGMENT_FILE;
            if (file)
                break;
            continue;
        }
        size_t room = OUTPUT_PIECE - len, piece = s->len < room ? (size_t)s->len : room;
        *part++ = (struct iovec){.iov_base = (void *)(uintptr_t)s->data, .iov_len = piece};
        len += piece;
        whole = piece == s->len && i + 1 == o->count;
    }
    *gave = len;
    unsigned how = file ? WRITE_MORE : write_how(o, n, c, len, more || !whole);
    ssize_t sent = part > parts ? n->transport->write(c, parts, (int)(part - parts), how) : 0;
    if (sent > 0) {
        o->held = how == WRITE_MORE && !file;
        o->unsealed = how == WRITE_SEAL ? 0 : o->unsealed + (uint32_t)sent;
        o->gather = how == WRITE_SEAL ? 0 : o->gather;
    }
    return sent;
}

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
static bool file_is_cold(struct output *o, size_t most)
{
    const struct segment *s = &o->segments[o->first];
    size_t len = s->len < most ? (size_t)s->len : most;
    if (o->warm || len == 0) {
        o->warm = false;
        return false;
    }
    int look = byte_look(s->fd, s->offset);
    if (look == BYTE_WARM && len > 4096)
        look = byte_look(s->fd, s->offset + (int64_t)len - 1);
    return look == BYTE_COLD || (look == BYTE_UNKNOWN && pages_are_missing(s->fd, s->offset, len));
}

static ssize_t send_file(struct output *o, struct net *n, struct connection *c, size_t most, output_release_fn release)
{
    struct segment *s = &o->segments[o->first];
    size_t len = s->len < most ? (size_t)s->len : most;
    int64_t offset = s->offset;
    ssize_t sent = len ? n->transport->send_file(c, s->fd, &offset, len) : 0;
    if (sent == 0 && len > 0)
        sent = WEIR_EIO; /* the file has become shorter than was announced */
    if (sent < 0 && sent != TRANSPORT_AGAIN && sent != WEIR_ECLOSED && sent != WEIR_ETIMEDOUT)
        http_log_failure(c->active, "a file could not be sent to its end: %s", weir_strerror((int)sent));
    if (sent > 0) {
        s->offset = offset;
        s->len = (s->len - (uint64_t)sent) & SEGMENT_LEN_MASK;
    }
    if (s->len == 0)
        output_pop(o, 0, release);
    return sent;
}

static inline void output_count(struct output *o, struct net *n, size_t sent)
{
    o->sent += sent;
    counter_add(&n->bytes_out, sent);
}

int output_send(struct output *o, struct net *n, struct connection *c, output_release_fn release, bool more)
{
    size_t turn = OUTPUT_TURN_BYTES;
    o->blocked = false;
    while (o->count > 0) {
        const struct segment *s = &o->segments[o->first];
        struct iovec parts[2];
        size_t gave;
        ssize_t sent;
        int count;
        if (s->kind == SEGMENT_FILE) {
            if (file_is_cold(o, turn))
                return OUTPUT_COLD;
            gave = s->len < turn ? s->len : turn;
            sent = send_file(o, n, c, turn, release);
        } else if (likely((count = short_parts(o, parts, &gave)) > 0)) {
            sent = n->transport->write(c, parts, count, 0);
            if (sent > 0)
                o->unsealed += (uint32_t)sent;
            if (likely(sent == (ssize_t)gave))
                o->first = o->count = o->regions = 0;
            else if (sent > 0)
                output_advance(o, (size_t)sent, release);
        } else {
            sent = send_memory(o, n, c, more, &gave);
            if (sent >= 0)
                output_advance(o, (size_t)sent, release);
        }
        if (unlikely(sent < 0 || ((size_t)sent < gave && o->count > 0 && o->segments[o->first].kind != SEGMENT_FILE))) {
            if (sent < 0 && sent != TRANSPORT_AGAIN)
                return (int)sent;
            if (sent > 0)
                output_count(o, n, (size_t)sent);
            if (o->held)
                output_push_held(o, n, c);
            int again = connection_blocked(n, c);
            if (again > 0)
                continue;
            if (again < 0)
                return again;
            o->blocked = true;
            return TRANSPORT_AGAIN;
        }
        output_count(o, n, (size_t)sent);
        turn = (size_t)sent < turn ? turn - (size_t)sent : 0;
        if (turn == 0 && o->count > 0)
            return OUTPUT_TURN;
    }
    return 0;
}

void output_discard(struct output *o, int error, output_release_fn release)
{
    uint64_t unsent = 0;
    while (o->count > 0) {
        struct segment *s = &o->segments[o->first];
        if (s->kind == SEGMENT_CALL) {
            s->len = (s->len > unsent ? s->len - unsent : 0) & SEGMENT_LEN_MASK;
            unsent = 0;
        } else {
            unsent += s->len;
        }
        output_pop(o, error, release);
    }
}

uint64_t output_unsent(const struct output *o)
{
    uint64_t unsent = 0;
    for (unsigned i = 0; i < o->count; i++) {
        const struct segment *s = &o->segments[(o->first + i) % OUTPUT_SEGMENTS];
        unsent = s->kind == SEGMENT_CALL ? 0 : unsent + s->len;
    }
    return unsent;
}
