/*
 * Reading frames: from the transport into the worker's input, and to who handles them. DATA is handled as it comes, any
 * other frame when it is whole; a frame that is not moves to a block when the connection leaves the input.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/h2/h2.h"

enum read_result {
    READ_MORE,   /* what has come is no whole frame */
    READ_FRAME,  /* a frame, or a part of DATA, has been handled */
    READ_FAILED, /* the connection has failed: nothing more is read */
};

static inline struct fiber *fiber_current(const struct h2 *h)
{
    return h2_net(h)->loop->fibers.current;
}

static inline uint8_t *input_at(struct http_h2 *worker)
{
    return (uint8_t *)worker->input + worker->in_pos;
}

static inline uint32_t input_left(const struct http_h2 *worker)
{
    return worker->in_len - worker->in_pos;
}

/* A frame breaks a rule that its own bytes can. */
static enum read_result frame_fault(struct h2 *h, uint32_t id, struct h2_fault fault)
{
    if (!fault.stream) {
        h2_fail(h, fault.error, REFUSAL_H2_PROTOCOL, fault.reason);
        return READ_FAILED;
    }
    struct h2_stream *s = h2_find(h, id);
    if (s)
        h2_stream_reset(s, fault.error);
    else
        h2_reset_unknown(h, id, fault.error);
    return h2_fault(h, 1, REFUSAL_H2_RESETS) ? READ_FRAME : READ_FAILED;
}

/* ---- DATA ---- */

/* The head of a DATA frame has come: windows, and whose it is. */
static enum read_result data_begin(struct h2 *h, const struct h2_frame *f, uint32_t padding)
{
    struct h2_kept *k = &h->kept;
    uint32_t len = f->length;
    if (len > (uint32_t)(k->receive_window > 0 ? k->receive_window : 0)) {
        h2_fail(h, H2_FLOW_CONTROL_ERROR, REFUSAL_H2_PROTOCOL, "DATA beyond the connection's window");
        return READ_FAILED;
    }
    k->receive_window -= (int32_t)len;
    h->frame = *f;
    h->frame_left = len;
    h->padding_left = (uint16_t)padding;
    h->in_frame = true;
    if (len == padding && !(f->flags & H2_END_STREAM) && !h2_fault(h, 1, REFUSAL_H2_EMPTY))
        return READ_FAILED;
    struct h2_stream *s = h2_find(h, f->stream);
    struct h2_waiting *w = s ? NULL : h2_find_waiting(h, f->stream);
    if (f->stream > k->last_stream && h->ending >= H2_GOING)
        return READ_FRAME; /* of a request that was not taken, which the client may not know yet */
    if (!s && !w && f->stream > k->last_stream) {
        h2_fail(h, H2_PROTOCOL_ERROR, REFUSAL_H2_PROTOCOL, "DATA on a stream that is idle");
        return READ_FAILED;
    }
    if (!s && !w && h2_leftover_data(h, f->stream, len, padding, f->flags & H2_END_STREAM))
        return h->ending < H2_FAILED ? READ_FRAME : READ_FAILED;
    bool closed = s ? s->remote == H2_REMOTE_ENDED : !w;
    bool beyond = s && len > 0 && len > s->receive_window + h2_window_early(h); /* an empty end needs no window */
    if (closed || (beyond && s->remote == H2_REMOTE_OPEN)) {
        uint32_t error = closed ? H2_STREAM_CLOSED : H2_FLOW_CONTROL_ERROR;
        if (s)
            h2_stream_reset(s, error);
        else if (!h2_was_reset(h, f->stream))
            h2_reset_unknown(h, f->stream, error);
        return h2_fault(h, 1, REFUSAL_H2_RESETS) ? READ_FRAME : READ_FAILED;
    }
    if (s)
        s->receive_window -= (int32_t)len;
    return READ_FRAME;
}

/* len bytes of the frame's data have come. */
static enum read_result data_part(struct h2 *h, const uint8_t *data, uint32_t len, bool last)
{
    struct h2_stream *s = h2_find(h, h->frame.stream);
    struct h2_waiting *w = s ? NULL : h2_find_waiting(h, h->frame.stream);
    if (s && s->remote == H2_REMOTE_OPEN) {
        if (len > 0)
            h2_body_came(s, data, len);
        s = last ? h2_find(h, h->frame.stream) : NULL;
        if (s && s->remote == H2_REMOTE_OPEN)
            h2_body_ended(s);
    } else if (w) {
        if (!h2_waiting_data(h, w, data, len, last))
            h2_credit(h, len);
    } else if (len > 0) {
        h2_credit(h, len);
    }
    return h->ending < H2_FAILED ? READ_FRAME : READ_FAILED;
}

/* Goes on with a DATA frame whose head has been handled. */
static enum read_result data_go_on(struct h2 *h, struct http_h2 *worker)
{
    uint32_t have = input_left(worker);
    uint32_t data = h->frame_left - h->padding_left, some = have < data ? have : data;
    bool whole = some == data;
    if (have == 0 && h->frame_left > 0)
        return READ_MORE;
    const uint8_t *at = input_at(worker);
    uint32_t padding = whole ? h->padding_left : 0;
    if (padding > have - some)
        padding = have - some;
    worker->in_pos += some + padding;
    h->frame_left -= some + padding;
    h->padding_left = (uint16_t)(h->padding_left - padding);
    h->in_frame = h->frame_left > 0;
    bool ended = !h->in_frame && (h->frame.flags & H2_END_STREAM);
    if (padding > 0)
        h2_credit(h, padding);
    return some > 0 || ended ? data_part(h, at, some, ended) : READ_FRAME;
}

static enum read_result data_frame(struct h2 *h, struct http_h2 *worker, const struct h2_frame *f)
{
    uint32_t head = H2_FRAME_HEAD, padding = 0;
    if (f->flags & H2_PADDED) {
        if (f->length > 0 && input_left(worker) < H2_FRAME_HEAD + 1)
            return READ_MORE;
        struct h2_fault fault = h2_padding_read(f, f->length > 0 ? input_at(worker)[H2_FRAME_HEAD] : 0, &padding);
        if (!h2_is_good(fault))
            return frame_fault(h, f->stream, fault);
        head++;
        padding++;
    }
    enum read_result result = data_begin(h, f, padding);
    if (result == READ_FAILED)
        return result;
    worker->in_pos += head;
    if (f->flags & H2_PADDED) { /* the length of the padding is padding, too, and has been read */
        h->frame_left--;
        h->padding_left--;
        h2_credit(h, 1);
    }
    h->in_frame = true;
    return data_go_on(h, worker);
}

/* ---- Header blocks ---- */

/* Adds a fragment to the header block that has begun. False: the connection has failed. */
static bool block_add(struct h2 *h, const uint8_t *data, size_t len)
{
    struct http *http = h->http;
    size_t before = h->block ? h->block->len : 0;
    if (++h->block_frames > H2_BLOCK_FRAMES || before + len > H2_FRAME_MOST) {
        h2_fail(h, H2_ENHANCE_YOUR_CALM, REFUSAL_H2_CONTINUATION, NULL);
        return false;
    }
    struct spill *block = spill_take_any(http, before + len);
    if (!block) {
        h2_fail(h, H2_INTERNAL_ERROR, REFUSAL_MEMORY, "no memory for a header block");
        return false;
    }
    if (h->block) {
        memcpy(block->data, h->block->data, before);
        spill_give(http, h->block);
    }
    memcpy(block->data + before, data, len);
    h->block = block;
    return true;
}

/* A fragment of a header block; the last one makes it whole. */
static enum read_result block_part(struct h2 *h, const struct h2_frame *f, const uint8_t *data, size_t len)
{
    bool whole = f->flags & H2_END_HEADERS;
    if (f->type == H2_HEADERS) {
        h->block_stream = f->stream;
        h->block_flags = f->flags;
        h->block_frames = 0;
        if (likely(whole))
            return h2_headers(h, f->stream, f->flags, data, len) ? READ_FRAME : READ_FAILED;
    }
    if (!block_add(h, data, len))
        return READ_FAILED;
    if (!whole)
        return READ_FRAME;
    const uint8_t *block = (const uint8_t *)h->block->data;
    return h2_headers(h, h->block_stream, h->block_flags, block, h->block->len) ? READ_FRAME : READ_FAILED;
}

static enum read_result headers_frame(struct h2 *h, const struct h2_frame *f, const uint8_t *payload)
{
    struct slice block;
    if (f->type == H2_CONTINUATION)
        return block_part(h, f, payload, f->length);
    struct h2_fault fault = h2_headers_read(f, payload, &block);
    if (!h2_is_good(fault) && !fault.stream)
        return frame_fault(h, f->stream, fault);
    h->block_broken = !h2_is_good(fault);
    return block_part(h, f, (const uint8_t *)block.data, block.len);
}

/* ---- Any frame ---- */

/* Whether the order of frames allows this one. */
static bool order_is_right(struct h2 *h, const struct h2_frame *f)
{
    bool in_block = h->block != NULL;
    if (unlikely(!h->kept.settings_read) && (f->type != H2_SETTINGS || (f->flags & H2_ACK)))
        h2_fail(h, H2_PROTOCOL_ERROR, REFUSAL_H2_PROTOCOL, "the first frame is not SETTINGS");
    else if (unlikely(in_block != (f->type == H2_CONTINUATION)))
        h2_fail(h, H2_PROTOCOL_ERROR, REFUSAL_H2_PROTOCOL, "CONTINUATION and a header block do not meet");
    else if (unlikely(in_block && f->stream != h->block_stream))
        h2_fail(h, H2_PROTOCOL_ERROR, REFUSAL_H2_PROTOCOL, "CONTINUATION of another stream");
    else
        return true;
    return false;
}

static enum read_result preface_read(struct h2 *h, struct http_h2 *worker)
{
    uint32_t have = input_left(worker), len = have < H2_PREFACE_LEN ? have : H2_PREFACE_LEN;
    if (memcmp(input_at(worker), H2_PREFACE, len) != 0) {
        h2_fail(h, H2_PROTOCOL_ERROR, REFUSAL_H2_PROTOCOL, "no preface of HTTP/2");
        return READ_FAILED;
    }
    if (len < H2_PREFACE_LEN)
        return READ_MORE;
    worker->in_pos += len;
    h->kept.preface_read = true;
    return READ_FRAME;
}

static enum read_result frame_read(struct h2 *h, struct http_h2 *worker)
{
    if (unlikely(!h->kept.preface_read))
        return preface_read(h, worker);
    if (h->in_frame)
        return data_go_on(h, worker);
    if (input_left(worker) < H2_FRAME_HEAD)
        return READ_MORE;
    struct h2_frame f = h2_frame_read(input_at(worker));
    struct h2_fault fault = h2_frame_check(&f, H2_FRAME_MOST);
    if (!order_is_right(h, &f))
        return READ_FAILED;
    bool header = f.type == H2_HEADERS || f.type == H2_CONTINUATION;
    if (!h2_is_good(fault) && (!fault.stream || header)) {
        h2_fail(h, fault.error, REFUSAL_H2_PROTOCOL, fault.reason);
        return READ_FAILED;
    }
    if (f.type == H2_DATA && h2_is_good(fault))
        return data_frame(h, worker, &f);
    if (input_left(worker) < H2_FRAME_HEAD + f.length)
        return READ_MORE;
    const uint8_t *payload = input_at(worker) + H2_FRAME_HEAD;
    worker->in_pos += H2_FRAME_HEAD + f.length;
    if (!h2_is_good(fault))
        return frame_fault(h, f.stream, fault);
    if (header)
        return headers_frame(h, &f, payload);
    return h2_control_frame(h, &f, payload) ? READ_FRAME : READ_FAILED;
}

bool h2_read_on(struct h2 *h)
{
    struct http_h2 *worker = &h->http->h2;
    if (h->reader != fiber_current(h) || worker->input_of != h || h->ending >= H2_FAILED)
        return false;
    if (!h->in_frame) {
        if (input_left(worker) < H2_FRAME_HEAD || !h->kept.preface_read)
            return false;
        uint8_t type = input_at(worker)[3];
        if (type == H2_HEADERS || type == H2_CONTINUATION)
            return false;
    }
    return frame_read(h, worker) != READ_MORE;
}

/* ---- The input ---- */

/* The worker's input is this connection's, with what it has left of a frame. */
static struct http_h2 *input_enter(struct h2 *h)
{
    struct http_h2 *worker = &h->http->h2;
    struct spill *partial = h->kept.partial;
    debug_assert(!worker->input_of);
    worker->input_of = h;
    worker->in_pos = worker->in_len = 0;
    if (partial) {
        memcpy(worker->input, partial->data, partial->len);
        worker->in_len = partial->len;
        spill_give(h->http, partial);
        h->kept.partial = NULL;
    }
    return worker;
}

/* False: no memory to keep what has not been read. */
static bool input_leave(struct h2 *h)
{
    struct http_h2 *worker = &h->http->h2;
    uint32_t left = input_left(worker);
    debug_assert(worker->input_of == h);
    worker->input_of = NULL;
    if (left == 0 || h->ending >= H2_FAILED)
        return true;
    struct spill *partial = spill_take_any(h->http, left);
    if (!partial)
        return false;
    memcpy(partial->data, input_at(worker), left);
    h->kept.partial = partial;
    return true;
}

bool h2_leave(struct h2 *h)
{
    struct http_h2 *worker = &h->http->h2;
    if (h->reader != fiber_current(h))
        return true;
    uint32_t left = input_left(worker);
    if (!input_leave(h)) {
        worker->input_of = h;
        return false;
    }
    h->reader = NULL;
    if (left > 0 || h->admitted || (h->conn->ready & READY_READ))
        connection_queue(h2_net(h), h->conn);
    return true;
}

/* The client has ended its side: whoever waits for a body, or for that, is told. */
static void stream_input_ended(struct h2_stream *s, int arg)
{
    (void)arg;
    if (s->left != H2_LEFT_NOT)
        h2_left_queue(s);
    if (s->x.fiber && s->x.waiting == WAIT_INPUT)
        fiber_wake(s->x.fiber, 0);
    else
        exchange_wake_for_news(&s->x, NEWS_HALF_CLOSED);
}

/* Reads more behind what is there. True: there is more. */
static bool input_read(struct h2 *h, struct http_h2 *worker)
{
    struct connection *c = h->conn;
    if (worker->in_pos > 0) {
        memmove(worker->input, worker->input + worker->in_pos, input_left(worker));
        worker->in_len -= worker->in_pos;
        worker->in_pos = 0;
    }
    if (!(c->ready & READY_READ) || (h->out.blocked && h->unsent_control > H2_UNSENT_MOST))
        return false;
    ssize_t got = connection_read(h2_net(h), c, worker->input + worker->in_len, H2_INPUT_SIZE - worker->in_len);
    if (got > 0) {
        worker->in_len += (uint32_t)got;
        c->flags &= (uint8_t)~H2_LOOKED;
        return true;
    }
    if (got < 0 && got != TRANSPORT_WANT_READ) {
        h2_die(h, WEIR_ECLOSED);
    } else if (got == 0) {
        h->input_ended = true;
        h2_each_stream(h, stream_input_ended, 0);
    }
    return false;
}

/* Nothing more is there: what is left of a frame is kept. The connection may be gone afterwards. */
static void serve_end(struct h2 *h)
{
    h->reader = NULL;
    if (!input_leave(h))
        h2_fail(h, H2_INTERNAL_ERROR, REFUSAL_MEMORY, "no memory for a frame's beginning");
    (void)h2_send(h, false);
    h2_output_leave(h);
    h2_settle(h);
}

void h2_serve(struct h2 *h)
{
    struct fiber *me = fiber_current(h);
    struct http_h2 *worker = input_enter(h);
    uint32_t frames = 0;
    h->reader = me;
    if (unlikely(!h->kept.settings_sent))
        h2_begin(h);
    h2_serve_admitted(h);
    while (h->reader == me && h->ending < H2_FAILED) {
        enum read_result result = frame_read(h, worker);
        if (h->reader != me || result == READ_FAILED)
            break;
        if (result == READ_MORE) {
            if (frames > h->http->settings->pipeline_depth * 4) { /* others get a turn */
                if (h->conn->ready & READY_READ)
                    connection_queue(h2_net(h), h->conn);
                break;
            }
            if (!input_read(h, worker))
                break;
        } else if (!h->block) {
            h->conn->flags &= (uint8_t)~H2_FRAME_TIMED; /* the time is that of one frame, or of one header block */
        }
        frames++;
    }
    if (h->reader == me) {
        serve_end(h);
        return;
    }
    (void)h2_send(h, false);
    h2_output_leave(h);
    h2_settle(h);
}
