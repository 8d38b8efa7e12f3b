/*
 * The output of an HTTP/1 connection: the region where it is composed, and the sending of the queue.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/h1/h1.h"
#include "http/request_log.h"
#include "http/scan.h"

#define REGION_LEAST ((uint32_t)1024) /* what the first buffer has to have free to serve as the region */

/* ---- The region ---- */

/* The region is a part of the second buffer. */
static __attribute__((noinline)) bool choose_second(struct h1 *h, uint32_t size)
{
    if (!h->second && !(h->second = pool_take(&h->x.http->buffers)))
        return false;
    h->pos = h->region = h->second + (h->window == h->second ? size / 2 : 0);
    h->region_end = h->second + size;
    return true;
}

bool h1_choose_region(struct h1 *h)
{
    uint32_t size = h->x.http->settings->buffer_size;
    uint32_t used = (h->in_len + SCAN_SLACK + 15) & ~15u;
    uint32_t least = size / 4 > REGION_LEAST ? size / 4 : REGION_LEAST;
    if (unlikely(h->receiving || used + least > size))
        return choose_second(h, size);
    h->pos = h->region = h->in + used;
    h->region_end = h->in + size;
    return true;
}

int h1_move_region(struct h1 *h)
{
    if (!h->region || h->region_end != h->in + h->x.http->settings->buffer_size)
        return 0;
    if (output_empty(&h->out) && !h->open) {
        h->region = NULL;
        return 0;
    }
    if (!h->second && !(h->second = pool_take(&h->x.http->buffers)))
        return WEIR_ENOMEM;
    ptrdiff_t shift = h->second - h->region;
    memcpy(h->second, h->region, (size_t)(h->pos - h->region));
    output_shift_region(&h->out, shift);
    h->pos += shift;
    if (h->open)
        h->open += shift;
    h->region = h->second;
    h->region_end = h->second + h->x.http->settings->buffer_size;
    return 0;
}

/* ---- Sending ---- */

/* Fetches the next part of the file at the front into memory, on another thread. Meanwhile nothing else touches the
 * output. */
static void h1_warm(struct h1 *h)
{
    struct output *o = &h->out;
    o->warm = true; /* if it cannot be fetched, it is sent all the same */
    if (h->x.http->admission.limited && !admission_hold(&h->x, true))
        return;
    struct output_piece piece = output_cold_piece(o);
    uint8_t state = h->x.conn->state;
    bool blocked = o->blocked;
    h->x.conn->state = H1_ACTIVE;
    o->blocked = false;
    (void)offload_run(h->x.http->offload, h1_net(h)->loop, output_piece_fetch, &piece);
    o->blocked = blocked;
    o->watch.progress = loop_now_ms(h1_net(h)->loop); /* the client did not keep this side waiting */
    h->x.conn->state = state;
    file_unref(piece.file);
}

/* What is queued of the region moves to its beginning. Because it lies behind what is read, piece by piece, before it:
 * the last chunk of a reply with trailer fields, whose body is a file. */
static COLD void compact_region(struct h1 *h)
{
    char *from, *to;
    if (h->open || !output_region(&h->out, &from, &to))
        return;
    ptrdiff_t shift = h->region - from;
    memmove(h->region, from, (size_t)(to - from));
    output_shift_region(&h->out, shift);
    h->pos = to + shift;
}

/* Reads what comes next, which the transport cannot send itself, into the region. Its bytes or an error. */
static ssize_t h1_fill(struct h1 *h)
{
    if (h->out.regions == 0 && !h->open)
        h->region = NULL; /* nothing in it is needed */
    else if (h->region_end - h->pos < (ptrdiff_t)REGION_LEAST)
        compact_region(h);
    if (!h->region && !h1_choose_region(h))
        return WEIR_ENOMEM;
    ptrdiff_t room = h->region_end - h->pos;
    if (room <= H1_TAIL_ROOM)
        return WEIR_ENOMEM;
    ssize_t got = output_fill(&h->out, h->pos, (size_t)room - H1_TAIL_ROOM);
    h->pos += got > 0 ? got : 0;
    return got;
}

/* output_send(), with cold files fetched, and read where they have to be. */
static int output_send_filled(struct h1 *h, bool more, ssize_t result)
{
    struct net *n = h1_net(h);
    ssize_t filled = 0;
    while (result == OUTPUT_COLD || result == OUTPUT_FILL) {
        if (result == OUTPUT_FILL && filled < (ssize_t)OUTPUT_TURN_BYTES) {
            result = h1_fill(h);
            if (result < 0)
                return (int)result;
            filled += result;
        } else if (result == OUTPUT_FILL || !n->loop->fibers.current) {
            h->out.blocked = false;
            return OUTPUT_TURN; /* goes on after others, or on a fiber */
        } else {
            h1_warm(h);
            if (h->x.gone)
                return WEIR_ECLOSED;
        }
        result = output_send(&h->out, n, h->x.conn, more);
    }
    return (int)result;
}

/* The client has gone or is cut: nothing that waits will be sent. It may lie in the handler's own memory, which it must
 * not outlive. */
void h1_drop_output(struct h1 *h, int error)
{
    uint64_t unsent = output_unsent(&h->out, false);
    h->x.body_sent -= unsent < h->x.body_sent ? unsent : h->x.body_sent;
    h->x.gone = true;
    h1_end(h, ENDING_RESET);
    output_discard(&h->out, error);
}

/* The output is broken at what is at its front. Returns the error that the handler is told. */
static COLD int h1_break_output(struct h1 *h, int result)
{
    int error = result == OUTPUT_SHORT ? WEIR_EIO : result;
    bool unread = h->out.count > 0 && segment_is_unread(output_at(&h->out, 0));
    if (unread && error != WEIR_ECLOSED && error != WEIR_ETIMEDOUT)
        http_log_failure(&h->x, "a file could not be sent to its end: %s", weir_strerror(error));
    h1_drop_output(h, error);
    return error;
}

static struct output_limits output_limits(const struct h1 *h)
{
    const struct http_settings *settings = h->x.http->settings;
    return (struct output_limits){.stall_ms = settings->write_timeout_ms,
                                  .window_ms = settings->write_window_ms,
                                  .min_rate = settings->write_min_rate};
}

uint32_t h1_output_check(struct h1 *h, enum refusal *cause)
{
    struct output_limits limits = output_limits(h);
    enum output_pace pace = output_check(&h->out, h1_net(h), h->x.conn, &limits);
    *cause = pace == OUTPUT_SLOW ? REFUSAL_WRITE_RATE : REFUSAL_WRITE_TIMEOUT;
    return pace == OUTPUT_KEEPS_UP ? output_interval(&limits) : 0;
}

uint32_t h1_output_interval(const struct h1 *h)
{
    struct output_limits limits = output_limits(h);
    return output_interval(&limits);
}

/* The output has just blocked: from here on the timer looks again and again. */
static void watch_output(struct h1 *h)
{
    connection_deadline(h1_net(h), h->x.conn, h1_output_interval(h));
}

/* The output has not gone out at once: result says why. */
static __attribute__((noinline)) int send_on(struct h1 *h, bool more, bool was_blocked, int result)
{
    result = output_send_filled(h, more, result);
    if (result == 0 && !h->open)
        h->region = NULL;
    if (result == 0 || result == OUTPUT_TURN)
        return result;
    if (!transport_wants(result))
        return h1_break_output(h, result);
    if (!was_blocked)
        watch_output(h);
    return result;
}

static inline int send_queued(struct h1 *h, bool more)
{
    bool was_blocked = h->out.blocked;
    int result = output_send(&h->out, h1_net(h), h->x.conn, more);
    if (unlikely(result != 0))
        return send_on(h, more, was_blocked, result);
    if (!h->open)
        h->region = NULL;
    return 0;
}

int h1_send(struct h1 *h)
{
    return send_queued(h, false);
}

static int drain(struct h1 *h, bool more)
{
    for (;;) {
        int result = send_queued(h, more);
        if (result == OUTPUT_TURN) {
            exchange_yield(&h->x);
        } else if (transport_wants(result)) {
            int woken = exchange_park(&h->x, WAIT_OUTPUT);
            if (woken < 0) {
                h1_drop_output(h, woken);
                return woken;
            }
        } else {
            return result;
        }
        if (h->x.gone) {
            h1_drop_output(h, WEIR_ECLOSED);
            return WEIR_ECLOSED;
        }
    }
}

int h1_drain(struct h1 *h)
{
    return drain(h, false);
}

int h1_drain_on(struct h1 *h)
{
    return drain(h, true);
}

int h1_make_room(struct h1 *h, size_t room)
{
    for (;;) {
        if (!h->region && !h1_choose_region(h))
            return WEIR_ENOMEM;
        if (h1_room_is_there(h, room))
            return 0;
        if (output_empty(&h->out)) {
            if (h->open || h->pos == h->region)
                return WEIR_ETOOBIG;
            h->region = NULL;
            continue;
        }
        int error = h1_drain(h);
        if (error)
            return error;
    }
}
