/*
 * The cutting of what streams have to send into frames, one for the stream whose turn it is (turns.c), within its
 * window and that of the connection.
 *
 * Small pieces are copied behind their frame's head; larger ones are sent from where they lie, so that the stream is
 * pinned until they are.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/h2/h2.h"

#include <sys/uio.h>

#define BATCH_BYTES ((size_t)32 * 1024) /* queued before they are sent; with a frame more, a block holds them */

uint64_t h2_stream_unsent(const struct h2_stream *s)
{
    return reply_is_committed(&s->x.reply) ? (uint64_t)(s->pos - s->begin) + s->tail.len : 0;
}

bool h2_stream_has_output(const struct h2_stream *s)
{
    return s->first || h2_stream_unsent(s) > 0 || s->local == H2_LOCAL_LAST;
}

/* Whether a frame of s can be cut, but for the connection's window. */
static bool has_turn(const struct h2_stream *s)
{
    return s->first || (h2_stream_unsent(s) > 0 ? s->send_window > 0 : s->local == H2_LOCAL_LAST);
}

void h2_stream_ready(struct h2_stream *s)
{
    if (list_empty(&s->turn) && has_turn(s))
        h2_turn_enter(&s->h2->turns, s);
}

void h2_stream_set_priority(struct h2_stream *s, struct h2_priority priority)
{
    bool in_turn = !list_empty(&s->turn);
    if (in_turn)
        h2_turn_leave(&s->h2->turns, s);
    s->priority = priority;
    if (in_turn)
        h2_stream_ready(s);
}

static bool needs_no_window(const struct h2_stream *s)
{
    return s->first || h2_stream_unsent(s) == 0;
}

/* The next stream that can send; NULL: there is none. Those that only the connection's window keeps stay in their
 * lists. */
static struct h2_stream *next_turn(struct h2 *h)
{
    return h2_turn_next(&h->turns, likely(h->kept.send_window > 0) ? NULL : needs_no_window);
}

bool h2_has_turn(struct h2 *h)
{
    return h->ending < H2_FAILED && next_turn(h) != NULL;
}

/* ---- What the queue refers to ---- */

/* Nothing in the queue refers to the stream's memory any more. */
static void unpinned(struct h2_stream *s)
{
    if (s->tail.len == 0 && (s->tail.kind != SEGMENT_STATIC || s->tail.data)) {
        struct segment sent = s->tail;
        s->tail = (struct segment){.kind = SEGMENT_STATIC};
        segment_release(&sent, 0);
    }
    if (s->begin == s->pos && reply_is_committed(&s->x.reply)) {
        s->begin = s->pos = s->region;
        if (s->kept) {
            spill_give(s->x.http, s->kept);
            s->kept = NULL;
        }
    }
}

/* The client has taken something of s, or has let it be sent. If that was all, whoever waits for that goes on. */
static void stream_progress(struct h2_stream *s)
{
    s->progress = loop_now_ms(h2_net(s->h2)->loop);
    if (s->pinned > 0)
        return;
    unpinned(s);
    if (h2_stream_has_output(s))
        return;
    s->watched = false;
    if (s->x.fiber && s->x.waiting == WAIT_OUTPUT)
        fiber_wake(s->x.fiber, 0);
    if (unlikely(s->left != H2_LEFT_NOT))
        h2_left_more(s);
}

void h2_stream_unpin(void *arg, int error, uint64_t bytes)
{
    struct h2_stream *s = arg;
    (void)error;
    (void)bytes;
    debug_assert(s->pinned > 0);
    s->pinned--;
    stream_progress(s);
    h2_stream_release(s);
}

/* The slice of the tail that a frame sends from where it lies, whose reference is the queue's. */
static struct segment tail_slice(struct h2_stream *s, size_t len)
{
    struct segment slice = segment_next(&s->tail);
    if (slice.kind == SEGMENT_FILE)
        slice.file = file_ref(slice.file);
    else
        slice = (struct segment){.kind = SEGMENT_STATIC, .data = slice.data};
    slice.len = len & SEGMENT_LEN_MASK;
    segment_took(&s->tail, len);
    return slice;
}

/* ---- Frames ---- */

/* The whole of the reply is queued. The stream may be gone afterwards. */
static void reply_ended(struct h2_stream *s)
{
    struct h2 *h = s->h2;
    s->local = H2_LOCAL_ENDED;
    if (s->over.kind == SEGMENT_CALL) {
        output_push(&h->out, s->over);
        s->over = (struct segment){.kind = SEGMENT_STATIC};
    }
    h2_stream_release(s);
}

/* Copies a block that is a frame already. */
static void cut_block(struct h2_stream *s, struct spill **block)
{
    struct h2 *h = s->h2;
    struct spill *frame = *block;
    char *to = h2_compose(h, frame->len);
    if (!to)
        return;
    memcpy(to, frame->data, frame->len);
    h2_composed(h, to, frame->len);
    *block = NULL;
    spill_give(h->http, frame);
}

/* A piece of the tail that is made when its turn comes: as much of it as the frame holds. */
static int source_read(struct h2_stream *s, char *to, size_t len, size_t *got)
{
    struct output_source *source = s->tail.source;
    for (*got = 0; *got < len;) {
        ssize_t n = source->ops->read(source, to + *got, len - *got);
        if (n < 0)
            return (int)n;
        if (n == 0)
            return OUTPUT_SHORT;
        *got += (size_t)n;
    }
    segment_took(&s->tail, len);
    return 0;
}

/* Puts the frame's bytes behind its head: those of the region, and of the tail's next piece. False: they could not be
 * made. */
static bool cut_copy(struct h2_stream *s, char *to, size_t region, size_t tail)
{
    if (region > 0) {
        memcpy(to, s->begin, region);
        s->begin += region;
    }
    if (tail == 0)
        return true;
    struct segment next = segment_next(&s->tail);
    if (next.kind == SEGMENT_SOURCE) {
        size_t got;
        return source_read(s, to + region, tail, &got) == 0;
    }
    if (next.kind != SEGMENT_FILE) /* which cut_file() has put there */
        memcpy(to + region, next.data, tail);
    segment_took(&s->tail, tail);
    return true;
}

/* Queues the frame's bytes from where they lie. */
static void cut_refer(struct h2_stream *s, size_t region, size_t tail)
{
    struct output *o = &s->h2->out;
    if (region > 0) {
        output_push(o, (struct segment){.kind = SEGMENT_STATIC, .len = region & SEGMENT_LEN_MASK, .data = s->begin});
        s->begin += region;
    }
    if (tail > 0)
        output_push(o, tail_slice(s, tail));
    s->pinned++;
    output_push(o, (struct segment){.kind = SEGMENT_CALL, .call = h2_stream_unpin, .arg = s});
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Where a file's bytes have to be copied anyway: the frame's share of them is read behind its head, so that both fill
 * one record. How many were read: fewer than asked for where the rest is not in memory, or the file has become shorter,
 * which is then found out by the usual way. */
static size_t cut_file(const struct segment *file, struct iovec part)
{
    ssize_t got = preadv2(file->file->fd, &part, 1, file->offset, RWF_NOWAIT);
    return got > 0 ? (size_t)got : 0;
}

/* Whether a file is to be copied: its transport reads it in any case. */
static bool copies_file(const struct h2_stream *s)
{
    const struct connection *c = s->h2->conn;
    return !(connection_transport(h2_net(s->h2), c)->capabilities & TRANSPORT_UNREAD);
}

/* Cuts a DATA frame of what s has to send, or one that only ends the stream. The stream may be gone afterwards. Returns
 * the bytes queued. */
static size_t cut_data(struct h2_stream *s)
{
    struct h2 *h = s->h2;
    uint64_t unsent = h2_stream_unsent(s);
    size_t len = unsent < H2_FRAME_MOST ? (size_t)unsent : H2_FRAME_MOST;
    if (len > 0 && s->send_window <= 0)
        return 0; /* SETTINGS have narrowed it since it got its turn */
    if (len > 0)
        len = least(least(len, (size_t)s->send_window), (size_t)h->kept.send_window);
    size_t region = least(len, (size_t)(s->pos - s->begin));
    struct segment next = {.kind = SEGMENT_STATIC};
    if (len > region) {
        next = segment_next(&s->tail);
        debug_assert(next.len > 0);
        len = region + least(len - region, (size_t)next.len);
    }
    bool is_file = next.kind == SEGMENT_FILE, file = is_file && copies_file(s);
    if (file)
        len = least(len, H2_FRAME_MOST - H2_FRAME_HEAD);
    size_t tail = len - region;
    bool last = len == unsent && s->local == H2_LOCAL_LAST && !s->last;
    bool copied = is_file ? file : len <= H2_COPY_MOST || s->tail.kind == SEGMENT_SOURCE;
    char *to = h2_compose(h, H2_FRAME_HEAD + (copied ? len : 0));
    if (!to)
        return 0;
    if (file)
        copied = cut_file(&next, (struct iovec){.iov_base = to + H2_FRAME_HEAD + region, .iov_len = tail}) == tail;
    h2_frame_write((uint8_t *)to, (uint32_t)len, H2_DATA, last ? H2_END_STREAM : 0, s->id);
    if (copied && !cut_copy(s, to + H2_FRAME_HEAD, region, tail)) {
        h2_stream_reset(s, H2_INTERNAL_ERROR);
        return 0;
    }
    h2_composed(h, to, H2_FRAME_HEAD + (copied ? len : 0));
    s->send_window -= (int32_t)len;
    h->kept.send_window -= (int32_t)len;
    s->rate_sent += len;
    if (copied && timer_armed(&s->timer))
        s->progress = loop_now_ms(h2_net(h)->loop);
    if (!copied)
        cut_refer(s, region, tail);
    else if (s->pinned == 0)
        unpinned(s);
    if (last)
        reply_ended(s);
    return len + H2_FRAME_HEAD;
}

/* Cuts the next frame of a stream whose turn it is. The stream may be gone afterwards. Returns the bytes queued. */
static size_t cut_frame(struct h2_stream *s)
{
    struct h2 *h = s->h2;
    uint32_t id = s->id;
    size_t len;
    h2_turn_take(&h->turns, s);
    if (s->first) {
        len = s->first->len;
        cut_block(s, &s->first);
    } else if (h2_stream_unsent(s) == 0 && s->last) {
        len = s->last->len;
        cut_block(s, &s->last);
        if (h->ending != H2_DEAD)
            reply_ended(s);
    } else {
        len = cut_data(s);
    }
    if (h->ending == H2_DEAD || !(s = h2_find(h, id)))
        return len;
    if (len > 0)
        stream_progress(s);
    h2_stream_ready(s);
    return len;
}

/* Whether all that s has to send can be copied to the worker's output at once. */
static bool is_small(const struct h2_stream *s)
{
    const struct h2 *h = s->h2;
    uint64_t unsent = h2_stream_unsent(s);
    if (list_empty(&s->turn) || s->first || h->out.blocked || h->sending || h->warming)
        return false;
    if (unsent > H2_COPY_MOST || (s->tail.len > 0 && segment_is_unread(&s->tail)))
        return false;
    return (int64_t)unsent <= s->send_window && (int64_t)unsent <= h->kept.send_window;
}

void h2_stream_cut_small(struct h2_stream *s)
{
    while (is_small(s) && s->local == H2_LOCAL_LAST && s->h2->ending < H2_FAILED && h2_has_room(s->h2))
        (void)cut_frame(s);
}

bool h2_cut_frames(struct h2 *h)
{
    size_t queued = 0;
    while (queued < BATCH_BYTES && output_has_room(&h->out, H2_BATCH_SEGMENTS) && h->ending < H2_FAILED) {
        struct h2_stream *s = next_turn(h);
        if (!s)
            break;
        if (h->http->h2.composed + H2_COPY_MOST + H2_FRAME_HEAD > H2_COMPOSE_SIZE && h->http->h2.output_of == h &&
            queued > 0)
            break; /* what is composed is sent first */
        queued += cut_frame(s);
    }
    return queued > 0;
}

/* ---- Giving up, and keeping less ---- */

static void give_block(struct http *http, struct spill **block)
{
    if (*block)
        spill_give(http, *block);
    *block = NULL;
}

void h2_stream_drop_output(struct h2_stream *s, int error)
{
    struct http *http = s->x.http;
    uint64_t unsent = h2_stream_unsent(s);
    if (!list_empty(&s->turn))
        h2_turn_leave(&s->h2->turns, s);
    s->x.body_sent -= unsent < s->x.body_sent ? unsent : s->x.body_sent;
    s->local = s->running && s->local == H2_LOCAL_OPEN ? H2_LOCAL_OPEN : H2_LOCAL_ENDED;
    s->pos = s->begin;
    s->tail.len = 0;
    give_block(http, &s->first);
    give_block(http, &s->last);
    if (s->over.kind == SEGMENT_CALL) {
        struct segment over = s->over;
        s->over = (struct segment){.kind = SEGMENT_STATIC};
        over.len = (over.len > unsent ? over.len - unsent : 0) & SEGMENT_LEN_MASK;
        segment_release(&over, error);
    }
    if (s->pinned == 0)
        unpinned(s);
}

/* The rest of the reply moves to a block of its size, and the buffer goes back. */
void h2_stream_shed_buffer(struct h2_stream *s)
{
    struct http *http = s->x.http;
    size_t len = (size_t)(s->pos - s->begin);
    struct spill *block = NULL;
    if (!s->buffer || s->pinned > 0 || len > http->settings->buffer_size / 2 ||
        (len > 0 && !(block = spill_take_any(http, len))))
        return;
    if (block) {
        memcpy(block->data, s->begin, len);
        s->begin = block->data;
        s->pos = block->data + len;
        s->kept = block;
    } else {
        s->begin = s->pos = NULL;
    }
    s->region = s->region_end = NULL;
    pool_give(&http->buffers, s->buffer);
    s->buffer = NULL;
}

void h2_stream_shed(struct h2_stream *s)
{
    h2_stream_shed_buffer(s);
    h2_body_drop(s);
}
