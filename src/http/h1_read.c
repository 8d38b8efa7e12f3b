/*
 * The body of an HTTP/1 request, by length or chunked, read where it is received.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/log.h"
#include "http/h1.h"
#include "http/scan.h"

void h1_body_announced(struct h1 *h)
{
    struct exchange *x = &h->x;
    h->window_pos = h->in_pos;
    h->window_len = h->in_len;
    h->window_size = x->http->settings->buffer_size;
    if (x->head.flags & HEAD_CHUNKED) {
        x->body_length = -1;
        h1_chunked_begin(&h->chunks);
    } else {
        x->body_length = h->body_left = x->head.content_length;
    }
    x->body_read = x->body_length == 0;
    /* A client that has begun to send does not wait any more (RFC 9110 section 10.1.1). */
    h->continue_due =
        (x->head.flags & HEAD_EXPECT_CONTINUE) && x->head.minor >= 1 && !x->body_read && h->window_pos == h->window_len;
}

void h1_body_end(struct h1 *h)
{
    if (h->window == h->in) {
        h->in_pos = h->window_pos;
        h->in_len = h->window_len;
    } else {
        h->in_pos = 0;
        h->in_len = h->window_len - h->window_pos;
        memmove(h->in, h->window + h->window_pos, h->in_len);
    }
    h->window = h->in;
    h->receiving = false;
}

/* Makes the window ready to receive: all that it held has been used. 0 or an error. */
static int window_prepare(struct h1 *h)
{
    uint32_t size = h->x.http->settings->buffer_size;
    if (!h->receiving) {
        int error = h1_move_region(h);
        if (error)
            return error;
        if (size - h->head_end < size / 4) {
            /* The head fills the first buffer: the second is shared by both directions. */
            if (h->region && (h->open || !output_empty(&h->out))) {
                error = h1_close_open(h);
                if (!error)
                    error = h1_drain(h);
                if (error)
                    return error;
            }
            h->region = NULL;
            if (!h->second && !(h->second = pool_take(&h->x.http->buffers)))
                return WEIR_ENOMEM;
            h->window = h->second;
            h->window_size = size / 2;
        }
        h->receiving = true;
    }
    h->window_pos = h->window_len = h->window == h->in ? h->head_end : 0;
    return 0;
}

/* Receives more of the body. 0 or an error. */
static int body_receive(struct h1 *h)
{
    struct exchange *x = &h->x;
    struct net *n = h1_net(h);
    if (h->continue_due && !x->committed) {
        static const char proceed[] = "HTTP/1.1 100 Continue\r\n\r\n";
        int error = output_full(&h->out) ? h1_drain(h) : 0;
        if (error)
            return error;
        output_push(&h->out, (struct segment){.kind = SEGMENT_STATIC, .len = sizeof proceed - 1, .data = proceed});
    }
    h->continue_due = false;
    int error = x->ops->push(x);
    if (!error)
        error = window_prepare(h);
    if (error)
        return error;
    for (;;) {
        ssize_t got = TRANSPORT_AGAIN;
        if (x->conn->ready & READY_READ)
            got = connection_read(n, x->conn, h->window + h->window_len, h->window_size - h->window_len);
        if (got > 0) {
            h->window_len += (uint32_t)got;
            return 0;
        }
        if (got != TRANSPORT_AGAIN) {
            x->gone = got < 0;
            h->close = true;
            return got == 0 ? WEIR_ECLOSED : (int)got;
        }
        connection_deadline(n, x->conn, x->http->settings->body_timeout_ms);
        error = exchange_park(x, WAIT_INPUT);
        if (error < 0) {
            h->close = true;
            return error;
        }
    }
}

static ssize_t body_take_counted(struct h1 *h, const char **data)
{
    uint32_t have = h->window_len - h->window_pos;
    uint32_t take = (int64_t)have < h->body_left ? have : (uint32_t)h->body_left;
    *data = h->window + h->window_pos;
    h->window_pos += take;
    h->body_left -= take;
    if (h->body_left == 0)
        h->x.body_read = true;
    return take;
}

/* A piece of a chunked body, 0 when more input is needed or the body has ended, or an error. */
static ssize_t body_take_chunked(struct h1 *h, const char **data)
{
    struct slice piece, input = slice_of(h->window + h->window_pos, h->window_len - h->window_pos);
    size_t used;
    enum h1_chunked_event event = h1_chunked_next(&h->chunks, input, &used, &piece);
    h->window_pos += (uint32_t)used;
    switch (event) {
    case CHUNKED_DATA:
        *data = piece.data;
        return (ssize_t)piece.len;
    case CHUNKED_END:
        h->x.body_read = true;
        return 0;
    case CHUNKED_MORE:
        return 0;
    default:
        if (!h->chunks.reason)
            h->chunks.reason = "chunk extensions or trailer too long";
        log_info(h1_net(h)->loop->log, "a request's body was refused: %s", h->chunks.reason);
        h->close = h->linger = true;
        return WEIR_EPROTO;
    }
}

ssize_t h1_body_read(struct exchange *x, const char **data)
{
    struct h1 *h = h1_of(x);
    while (!x->body_read) {
        if (x->body_length < 0 && h->chunks.reason)
            return WEIR_EPROTO;
        if (x->gone)
            return exchange_dead_write(x, WEIR_ECLOSED);
        if (h->window_pos < h->window_len) {
            ssize_t n = x->body_length >= 0 ? body_take_counted(h, data) : body_take_chunked(h, data);
            if (n > 0)
                exchange_charge(x, (size_t)n);
            if (n != 0)
                return n;
            continue;
        }
        int error = body_receive(h);
        if (error)
            return error;
    }
    return 0;
}

bool h1_body_drop(struct h1 *h)
{
    struct exchange *x = &h->x;
    int64_t limit = x->http->settings->drain_limit;
    if (x->body_read)
        return true;
    if (h->continue_due || h->close || (x->body_length >= 0 && h->body_left > limit))
        return false;
    const char *data;
    ssize_t n;
    while ((n = h1_body_read(x, &data)) > 0) {
        limit -= n;
        if (limit < 0)
            return false;
    }
    return n == 0;
}
