/*
 * The output of an HTTP/1 connection: the region where it is composed, and the sending of the queue.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/h1/h1.h"
#include "http/scan.h"

#include <fcntl.h>
#include <unistd.h>

#define REGION_LEAST ((uint32_t)1024) /* what the first buffer has to have free to serve as the region */

/* ---- The region ---- */

bool h1_choose_region(struct h1 *h)
{
    uint32_t size = h->x.http->settings->buffer_size;
    uint32_t used = (h->in_len + SCAN_SLACK + 15) & ~15u;
    uint32_t least = size / 4 > REGION_LEAST ? size / 4 : REGION_LEAST;
    if (!h->receiving && used + least <= size) {
        h->region = h->in + used;
        h->region_end = h->in + size;
    } else {
        if (!h->second && !(h->second = pool_take(&h->x.http->buffers)))
            return false;
        h->region = h->second + (h->window == h->second ? size / 2 : 0);
        h->region_end = h->second + size;
    }
    h->pos = h->region;
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
    for (unsigned i = 0; i < h->out.count; i++) {
        struct segment *s = &h->out.segments[(h->out.first + i) % OUTPUT_SEGMENTS];
        if (s->kind == SEGMENT_REGION)
            s->data += shift;
    }
    h->pos += shift;
    if (h->open)
        h->open += shift;
    h->region = h->second;
    h->region_end = h->second + h->x.http->settings->buffer_size;
    return 0;
}

/* ---- Sending ---- */

struct warming {
    int fd;
    int64_t offset;
    size_t len;
};

static int warm_file(void *arg)
{
    const struct warming *w = arg;
    char byte;
    (void)readahead(w->fd, w->offset, w->len);
    return pread(w->fd, &byte, 1, w->offset + (int64_t)w->len - 1) < 0 ? WEIR_EIO : 0;
}

/* Fetches the next part of the file at the front into memory, on another thread. Meanwhile nothing else touches the
 * output. */
static void h1_warm(struct h1 *h)
{
    h->out.warm = true; /* if it cannot be fetched, it is sent all the same */
    if (h->x.http->admission.limited && !admission_hold(&h->x, true))
        return;
    const struct segment *s = &h->out.segments[h->out.first];
    struct warming w = {
        .fd = s->fd, .offset = s->offset, .len = s->len < OUTPUT_TURN_BYTES ? (size_t)s->len : OUTPUT_TURN_BYTES};
    uint8_t state = h->x.conn->state;
    h->x.conn->state = H1_ACTIVE;
    h->out.blocked = false;
    (void)offload_run(h->x.http->offload, h1_net(h)->loop, warm_file, &w);
    h->x.conn->state = state;
}

/* output_send(), with cold files fetched. */
static int output_send_warm(struct h1 *h, bool more)
{
    struct net *n = h1_net(h);
    int result;
    while ((result = output_send(&h->out, n, h->x.conn, h->x.http->release_value, more)) == OUTPUT_COLD) {
        if (!n->loop->fibers.current)
            return OUTPUT_TURN; /* goes on on a fiber */
        h1_warm(h);
        if (h->x.gone)
            return WEIR_ECLOSED;
    }
    return result;
}

/* The client has gone or is cut: nothing that waits will be sent. It may lie in the handler's own memory, which it must
 * not outlive. */
void h1_drop_output(struct h1 *h, int error)
{
    uint64_t unsent = output_unsent(&h->out);
    h->x.body_sent -= unsent < h->x.body_sent ? unsent : h->x.body_sent;
    h->x.gone = true;
    h1_end(h, ENDING_RESET);
    output_discard(&h->out, error, h->x.http->release_value);
}

/* A look at what the client takes is had several times in the longest time that it may take nothing. */
static uint32_t output_interval(const struct http_settings *settings)
{
    uint32_t least =
        settings->write_timeout_ms < settings->write_window_ms ? settings->write_timeout_ms : settings->write_window_ms;
    return least > 4 ? least / 4 : 1;
}

/* Whether the client took less than the least rate since the measurement began; begins the next one when it is over. */
static bool output_slow(struct h1 *h, uint32_t now)
{
    const struct http_settings *settings = h->x.http->settings;
    uint32_t elapsed = (uint32_t)ticks_between(h->window_start, now);
    if (h->window_delivered != RATE_UNKNOWN && elapsed < settings->write_window_ms)
        return false;
    bool slow = h->window_delivered != RATE_UNKNOWN && settings->write_min_rate > 0 &&
                (uint64_t)(h->delivered - h->window_delivered) * 1000 < (uint64_t)settings->write_min_rate * elapsed;
    h->window_start = now;
    h->window_delivered = h->delivered;
    return slow;
}

void h1_output_progress(struct h1 *h)
{
    const struct net *n = h1_net(h);
    /* Negative while what an earlier record sent is not acknowledged: differences count. */
    int64_t delivered = (int64_t)h->out.sent - (int64_t)n->transport->unacknowledged(h->x.conn);
    if (delivered > h->delivered) {
        h->delivered = delivered;
        h->progress = loop_now_ms(n->loop);
    }
}

uint32_t h1_output_check(struct h1 *h, enum refusal *cause)
{
    const struct http_settings *settings = h->x.http->settings;
    uint32_t now = loop_now_ms(h1_net(h)->loop);
    h1_output_progress(h);
    *cause = REFUSAL_WRITE_TIMEOUT;
    if ((uint32_t)ticks_between(h->progress, now) >= settings->write_timeout_ms)
        return 0;
    *cause = REFUSAL_WRITE_RATE;
    return output_slow(h, now) ? 0 : output_interval(settings);
}

static int send_queued(struct h1 *h, bool more)
{
    struct net *n = h1_net(h);
    if (!output_empty(&h->out)) {
        bool was_blocked = h->out.blocked;
        uint64_t before = h->out.sent;
        int result = output_send_warm(h, more);
        if (result == TRANSPORT_AGAIN) {
            if (!was_blocked || h->out.sent != before)
                h->progress = loop_now_ms(n->loop);
            if (!was_blocked) { /* from here on the timer looks again and again */
                h->window_delivered = RATE_UNKNOWN;
                connection_deadline(n, h->x.conn, output_interval(h->x.http->settings));
            }
            return result;
        }
        if (result == OUTPUT_TURN)
            return result;
        if (result < 0) {
            h1_drop_output(h, result);
            return result;
        }
    }
    if (unlikely(h->out.held && !more))
        output_push_held(&h->out, n, h->x.conn);
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
        } else if (result == TRANSPORT_AGAIN) {
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
