/*
 * Draining the output queue.
 *
 * SPDX-License-Identifier: MIT
 */
#include "net/output.h"
#include "net/output_file.h"

void segment_release(const struct segment *s, int error)
{
    switch ((enum segment_kind)s->kind) {
    case SEGMENT_SHARED:
        shared_unref(s->shared);
        break;
    case SEGMENT_CALL:
        s->call(s->arg, error, s->len);
        break;
    case SEGMENT_FILE:
        file_unref(s->file);
        break;
    case SEGMENT_SOURCE:
        s->source->ops->release(s->source, error);
        break;
    case SEGMENT_REGION:
    case SEGMENT_STATIC:
        break;
    }
}

/* Lets go of the first segment once it is off the queue. Because what is called then may add others. */
static __attribute__((noinline)) void output_pop_owned(struct output *o, int error)
{
    struct segment s = *output_at(o, 0);
    o->first = (uint8_t)((o->first + 1) % OUTPUT_SEGMENTS);
    o->count--;
    o->unread = (uint8_t)(o->unread - segment_is_unread(&s));
    segment_release(&s, error);
}

static inline void output_pop(struct output *o, int error)
{
    unsigned kind = o->segments[o->first].kind;
    if (unlikely(kind > SEGMENT_STATIC)) {
        output_pop_owned(o, error);
        return;
    }
    o->regions = (uint8_t)(o->regions - (kind == SEGMENT_REGION));
    o->first = (uint8_t)((o->first + 1) % OUTPUT_SEGMENTS);
    o->count--;
}

/* Takes n sent bytes off the memory segments at the front, and the calls behind them. */
static void output_advance(struct output *o, size_t n)
{
    while (o->count > 0) {
        struct segment *s = output_at(o, 0);
        if (segment_is_unread(s))
            return;
        if (s->kind != SEGMENT_CALL) {
            if (s->len > n) {
                s->data += n;
                s->len = (s->len - n) & SEGMENT_LEN_MASK;
                return;
            }
            n -= s->len;
        }
        output_pop(o, 0);
    }
}

static inline struct iovec segment_part(const struct segment *s, size_t most)
{
    return (struct iovec){.iov_base = (void *)(uintptr_t)s->data, .iov_len = s->len < most ? (size_t)s->len : most};
}

/*
 * The parts of a queue that is one small piece of memory or two, for one write in all: a head and its body, which is
 * what most replies are. Returns their number, or 0 where the queue is anything else. *owned: one of them has to be let
 * go of.
 */
static inline int short_parts(const struct output *o, size_t most, struct iovec parts[2], size_t *len, bool *owned)
{
    const struct segment *s = &o->segments[o->first];
    if (o->count == 0 || o->count > 2 || s->kind > SEGMENT_SHARED)
        return 0;
    parts[0] = segment_part(s, SIZE_MAX);
    *len = s->len;
    *owned = s->kind == SEGMENT_SHARED;
    if (o->count == 2) {
        s = &o->segments[(o->first + 1) % OUTPUT_SEGMENTS];
        if (s->kind > SEGMENT_SHARED)
            return 0;
        parts[1] = segment_part(s, SIZE_MAX);
        *len += s->len;
        *owned |= s->kind == SEGMENT_SHARED;
    }
    return *len <= most ? o->count : 0;
}

/* Sends the memory segments at the front, as far as one write may be given. Bytes sent or an error; *gave: bytes that
 * were given. */
static ssize_t send_memory(struct output *o, const struct transport *t, struct connection *c, bool more, size_t *gave)
{
    struct iovec parts[OUTPUT_SEGMENTS];
    struct iovec *part = parts;
    size_t len = 0;
    for (unsigned i = 0; i < o->count; i++) {
        const struct segment *s = output_at(o, i);
        if (unlikely(s->kind == SEGMENT_CALL))
            continue;
        if (segment_is_unread(s) || len == t->piece) {
            more = true;
            break;
        }
        *part = segment_part(s, t->piece - len);
        len += part->iov_len;
        more = more || part->iov_len < s->len;
        part++;
    }
    *gave = len;
    return len > 0 ? t->write(c, &o->flow, parts, (int)(part - parts), more) : 0;
}

static inline void output_count(struct output *o, struct net *n, size_t sent)
{
    o->sent += sent;
    counter_add(&n->bytes_out, sent);
    if (unlikely(o->blocked))
        o->watch.progress = loop_now_ms(n->loop);
}

/* The transport takes no more; it wants what `want` says. Returns that, 1: it takes more after all, or an error. */
static int output_block(struct output *o, struct net *n, struct connection *c, int want)
{
    int again = connection_blocked(n, c, want);
    if (again != 0)
        return again;
    if (!o->blocked)
        output_watch_begin(o, n);
    o->blocked = true;
    return want;
}

/* Everything is with the transport; what it holds has to leave, too. As output_send(). */
static COLD int output_flush(struct output *o, struct net *n, struct connection *c)
{
    int result;
    do {
        result = connection_transport(n, c)->flush(c, &o->flow);
        if (transport_wants(result))
            result = output_block(o, n, c, result);
        else
            o->blocked = false;
    } while (result > 0);
    return result;
}

static inline int output_sent_all(struct output *o, struct net *n, struct connection *c, bool more)
{
    if (unlikely(o->flow.held && !more))
        return output_flush(o, n, c);
    o->blocked = false;
    return 0;
}

/* Of what was given, the transport has taken less: `sent` bytes, or none and why. As output_block(), or 1. */
static int output_refused(struct output *o, struct net *n, struct connection *c, ssize_t sent)
{
    if (sent < 0 && !transport_wants(sent))
        return (int)sent;
    if (o->flow.held)
        (void)connection_transport(n, c)->flush(c, &o->flow); /* what is behind it will not come soon */
    return output_block(o, n, c, sent < 0 ? (int)sent : TRANSPORT_WANT_WRITE);
}

/* Sends any queue, segment by segment. */
static __attribute__((noinline)) int output_send_long(struct output *o, struct net *n, struct connection *c, bool more)
{
    size_t turn = OUTPUT_TURN_BYTES;
    while (o->count > 0) {
        bool unread = segment_is_unread(output_at(o, 0));
        size_t gave = 0;
        ssize_t sent;
        if (unread) {
            sent = output_send_unread(o, n, c, turn);
            if (sent >= 0 && output_at(o, 0)->len == 0)
                output_pop(o, 0);
        } else {
            sent = send_memory(o, connection_transport(n, c), c, more, &gave);
            if (sent >= 0)
                output_advance(o, (size_t)sent);
        }
        if (sent > 0)
            output_count(o, n, (size_t)sent);
        if (sent < 0 || (!unread && (size_t)sent < gave)) {
            int again = output_refused(o, n, c, sent);
            if (again <= 0)
                return again;
            continue;
        }
        turn = (size_t)sent < turn ? turn - (size_t)sent : 0;
        if (turn == 0 && o->count > 0) {
            o->blocked = false;
            return OUTPUT_TURN;
        }
    }
    return output_sent_all(o, n, c, more);
}

/* Goes on after a write of a short queue, of which the kernel took only some. */
static COLD int output_send_rest(struct output *o, struct net *n, struct connection *c, bool more, ssize_t sent)
{
    if (sent > 0) {
        output_advance(o, (size_t)sent);
        output_count(o, n, (size_t)sent);
    }
    int again = output_refused(o, n, c, sent);
    return again > 0 ? output_send_long(o, n, c, more) : again;
}

static __attribute__((noinline)) int output_send_any(struct output *o, struct net *n, struct connection *c, bool more)
{
    struct iovec parts[2];
    size_t gave;
    bool owned;
    const struct transport *t = connection_transport(n, c);
    int count = short_parts(o, t->piece, parts, &gave, &owned);
    if (unlikely(count == 0))
        return output_send_long(o, n, c, more);
    ssize_t sent = t->write(c, &o->flow, parts, count, more);
    if (unlikely(sent != (ssize_t)gave))
        return output_send_rest(o, n, c, more, sent);
    if (owned)
        output_advance(o, gave);
    else
        o->first = o->count = o->regions = 0;
    output_count(o, n, gave);
    return output_sent_all(o, n, c, more);
}

int output_send(struct output *o, struct net *n, struct connection *c, bool more)
{
    const struct segment *s = &o->segments[o->first];
    const struct transport *t = connection_transport(n, c);
    size_t len = s->len;
    if (unlikely(o->count != 1 || s->kind > SEGMENT_STATIC || len > t->piece))
        return output_send_any(o, n, c, more);
    struct iovec part = segment_part(s, SIZE_MAX);
    ssize_t sent = t->write(c, &o->flow, &part, 1, more);
    if (unlikely(sent != (ssize_t)len))
        return output_send_rest(o, n, c, more, sent);
    o->first = o->count = o->regions = 0;
    output_count(o, n, len);
    return output_sent_all(o, n, c, more);
}

void output_discard(struct output *o, int error)
{
    uint64_t unsent = 0;
    o->blocked = false;
    while (o->count > 0) {
        struct segment *s = output_at(o, 0);
        if (s->kind == SEGMENT_CALL) {
            s->len = (s->len > unsent ? s->len - unsent : 0) & SEGMENT_LEN_MASK;
            unsent = 0;
        } else {
            unsent += s->len;
        }
        output_pop(o, error);
    }
}

uint64_t output_unsent(const struct output *o, bool called)
{
    uint64_t unsent = 0, before = 0; /* behind the last call so far, and before it */
    for (unsigned i = 0; i < o->count; i++) {
        const struct segment *s = &o->segments[(o->first + i) % OUTPUT_SEGMENTS];
        if (s->kind == SEGMENT_CALL) {
            before = unsent;
            unsent = 0;
        } else {
            unsent += s->len;
        }
    }
    return called ? before : unsent;
}

bool output_region(struct output *o, char **begin, char **end)
{
    *begin = *end = NULL;
    for (unsigned i = 0; i < o->count; i++) {
        const struct segment *s = output_at(o, i);
        if (s->kind != SEGMENT_REGION)
            continue;
        char *from = (char *)(uintptr_t)s->data, *to = from + s->len;
        *begin = !*begin || from < *begin ? from : *begin;
        *end = to > *end ? to : *end;
    }
    return *begin != NULL;
}

void output_shift_region(struct output *o, ptrdiff_t shift)
{
    for (unsigned i = 0; i < o->count; i++)
        if (output_at(o, i)->kind == SEGMENT_REGION)
            output_at(o, i)->data += shift;
}
