/*
 * The body of an HTTP/1 request, by length or chunked, read where it is received.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/h1/h1.h"
#include "http/scan.h"

void h1_body_announced(struct h1 *h)
{
    struct exchange *x = &h->x;
    h->window_pos = h->in_pos;
    h->window_len = h->in_len;
    h->window_size = x->http->settings->buffer_size;
    if (x->head.flags & HEAD_CHUNKED) {
        x->body_length = -1;
        h1_chunked_begin(&h->chunks, x->http->settings->max_chunk_extension, x->http->settings->max_trailer);
    } else {
        x->body_length = h->body_left = x->head.content_length;
    }
    x->body_read = x->body_length == 0;
    x->body_limit = x->http->settings->max_body;
    x->body_clock = (struct body_clock){.received = h->window_len - h->window_pos};
    /* A client that has begun to send does not wait any more (RFC 9110 section 10.1.1). */
    h->continue_due = (x->head.flags & HEAD_EXPECT_CONTINUE) && x->head.version >= WEIR_HTTP_1_1 && !x->body_read &&
                      h->window_pos == h->window_len;
}

void h1_body_end(struct h1 *h)
{
    memory_unpoison(h->in, h->in_pos);
    if (exchange_is_upgraded(&h->x)) /* of the last piece, whose end window_pos is, this has not been read */
        h->window_pos -= (uint32_t)h->x.rest.len;
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

/* What the client sends is not a body: nothing that follows it is looked at. */
static COLD int body_refuse(struct h1 *h, enum refusal cause, const char *reason)
{
    exchange_refuse(&h->x, cause, reason);
    h->refused = true;
    h1_end(h, ENDING_LINGER);
    return WEIR_EPROTO;
}

/* Whether the body is framed in chunks. One of an upgraded exchange has no end either, and no frames. */
static inline bool is_chunked(const struct exchange *x)
{
    return x->head.flags & HEAD_CHUNKED;
}

/* Where the window begins. Trailer fields that have come are kept there. */
static char *window_begin(const struct h1 *h)
{
    return h->window == h->in ? h->in + h->head_end : h->window;
}

/* Whether the head fills the first buffer so far that the body is received in the second, which the output uses too. */
static bool second_is_shared(const struct h1 *h)
{
    uint32_t size = h->x.http->settings->buffer_size;
    return size - h->head_end < size / 4;
}

/*
 * The head fills the first buffer: the second is shared by both directions from here on, and nothing of the output may
 * lie in the half that receives. A head that the handler has not made yet stays uncommitted: what is unsent are earlier
 * replies. 0 or an error. May suspend.
 */
static int second_clear(struct h1 *h)
{
    struct exchange *x = &h->x;
    int error = 0;
    if (h->open && reply_is_complete(&x->reply) && !reply_is_committed(&x->reply))
        error = h1_commit_final(h);
    if (!error && h->open && (h->pos > h->open || reply_is_committed(&x->reply)))
        error = h1_close_open(h);
    if (!error && !output_empty(&h->out))
        error = h1_drain(h);
    debug_assert(error < 0 || (error == 0 && (!h->open || h->pos == h->open)));
    h->open = NULL;
    return error;
}

/* Makes the window ready to receive: all that it held has been used. 0 or an error. */
static int window_prepare(struct h1 *h)
{
    uint32_t size = h->x.http->settings->buffer_size;
    uint32_t keep = is_chunked(&h->x) ? h->chunks.trailer_len : 0;
    if (!h->receiving) {
        int error = h1_move_region(h);
        if (error)
            return error;
        if (second_is_shared(h)) {
            error = second_clear(h);
            if (error)
                return error;
            h->region = NULL;
            if (!h->second && !(h->second = pool_take(&h->x.http->buffers)))
                return WEIR_ENOMEM;
            memcpy(h->second, window_begin(h), keep);
            h->window = h->second;
            h->window_size = size / 2;
        }
        h->receiving = true;
    }
    h->window_pos = h->window_len = (uint32_t)(window_begin(h) - h->window) + keep;
    if (h->window_len < h->window_size)
        return 0;
    return body_refuse(h, REFUSAL_TRAILER, "a trailer section that does not fit the buffer");
}

/* What waits for any time keeps no buffer for output that is sent. */
static void second_give(struct h1 *h)
{
    bool used = h->region || h->open || h->window == h->second || !output_empty(&h->out);
    if (!h->second || used || h->x.http->admission.limited)
        return;
    pool_give(&h->x.http->buffers, h->second);
    h->second = NULL;
}

/* Waits for more of the body: 0 or an error. */
static int body_wait(struct h1 *h)
{
    if (exchange_is_upgraded(&h->x))
        second_give(h);
    int error = exchange_wait_for_body(&h->x);
    if (error)
        h1_end(h, ENDING_CLOSE);
    return error;
}

/* What reading would give where the connection has nothing to be read. The end that has been read once is no news: a
 * handler that asks again hears the same, and does not wait for more. */
static ssize_t body_unread(const struct h1 *h)
{
    return h->x.conn->ready & READY_HALF_CLOSED ? 0 : TRANSPORT_WANT_READ;
}

/* The client has ended its side within the body (0), or reading has failed. */
static int body_cut(struct h1 *h, ssize_t got)
{
    if (got == 0 && exchange_is_upgraded(&h->x)) {
        h->x.body_read = true; /* which is how it ends */
        return 0;
    }
    h->x.gone = got < 0;
    h1_end(h, ENDING_CLOSE);
    return exchange_dead_end(&h->x, got == 0 ? WEIR_ECLOSED : (int)got);
}

/* Receives more of the body. 0 or an error. */
static int body_receive(struct h1 *h)
{
    struct exchange *x = &h->x;
    struct net *n = h1_net(h);
    if (h->continue_due && reply_is_complete(&x->reply))
        return exchange_dead_end(x, WEIR_EDONE); /* answered: the client is not asked for what it has held back */
    if (h->continue_due && !reply_is_committed(&x->reply)) {
        static const char proceed[] = "HTTP/1.1 100 Continue\r\n\r\n";
        int error = output_has_room(&h->out, 1) ? 0 : h1_drain(h);
        if (error)
            return error;
        output_push(&h->out, (struct segment){.kind = SEGMENT_STATIC, .len = sizeof proceed - 1, .data = proceed});
        counter_add(&x->http->counters.replies[1], 1);
    }
    h->continue_due = false;
    int error = x->ops->push(x);
    if (!error)
        error = window_prepare(h);
    if (error)
        return error;
    for (;;) {
        ssize_t got = body_unread(h);
        if (x->conn->ready & READY_READ)
            got = connection_read(n, x->conn, h->window + h->window_len, h->window_size - h->window_len);
        if (got > 0) {
            h->window_len += (uint32_t)got;
            x->body_clock.received += (uint64_t)got;
            return 0;
        }
        if (got != TRANSPORT_WANT_READ)
            return body_cut(h, got);
        error = body_wait(h);
        if (error)
            return error;
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

static enum refusal chunked_refusal(enum h1_chunked_event event)
{
    return event == CHUNKED_LONG_EXTENSION ? REFUSAL_CHUNK_EXTENSION
           : event == CHUNKED_LONG_TRAILER ? REFUSAL_TRAILER
                                           : REFUSAL_MALFORMED;
}

/* A piece of a chunked body, 0 when more input is needed or the body has ended, or an error. */
static ssize_t body_take_chunked(struct h1 *h, const char **data)
{
    struct slice piece, input = slice_of(h->window + h->window_pos, h->window_len - h->window_pos);
    size_t used;
    enum h1_chunked_event event = h1_chunked_next(&h->chunks, input, &used, &piece, window_begin(h));
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
        return body_refuse(h, chunked_refusal(event), h1_chunked_reason(&h->chunks));
    }
}

/* What is left is neither read nor drained. */
static COLD int body_too_long(struct h1 *h)
{
    exchange_refuse(&h->x, REFUSAL_BODY, NULL);
    h->x.body_limit = 0;
    h1_end(h, ENDING_LINGER);
    return exchange_dead_end(&h->x, WEIR_ETOOBIG);
}

ssize_t h1_body_read(struct exchange *x, const char **data)
{
    struct h1 *h = h1_of(x);
    while (!x->body_read) {
        if (h->refused)
            return exchange_dead_end(x, WEIR_EPROTO);
        if (x->gone)
            return exchange_dead_end(x, WEIR_ECLOSED);
        if (h->window_pos < h->window_len) {
            ssize_t n = is_chunked(x) ? body_take_chunked(h, data) : body_take_counted(h, data);
            if (n > x->body_limit)
                return body_too_long(h);
            if (n > 0) {
                x->body_limit -= n;
                exchange_charge(x, (size_t)n);
            }
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

/* Only what has not been received, of a body whose length is known, which the client has been told to send. */
ssize_t h1_body_splice(struct exchange *x, int pipe, size_t len)
{
    struct h1 *h = h1_of(x);
    struct net *n = h1_net(h);
    bool received = h->window_pos < h->window_len || h->continue_due || h->refused || x->gone;
    if (x->body_read)
        return 0;
    if (is_chunked(x) || received || !(connection_transport(n, x->conn)->capabilities & TRANSPORT_SPLICE))
        return EXCHANGE_SPLICE_READ;
    if (h->body_left > x->body_limit)
        return body_too_long(h);
    ssize_t got = body_unread(h);
    if (x->conn->ready & READY_READ)
        got = connection_splice(n, x->conn, pipe, (int64_t)len < h->body_left ? len : (size_t)h->body_left);
    if (got == TRANSPORT_WANT_READ)
        return EXCHANGE_SPLICE_LATER;
    if (got <= 0)
        return body_cut(h, got);
    x->body_clock.received += (uint64_t)got;
    x->body_limit -= got;
    h->body_left -= got;
    x->body_read = h->body_left == 0;
    return got;
}

int h1_body_await(struct exchange *x)
{
    int error = x->ops->push(x);
    return error ? error : body_wait(h1_of(x));
}

bool h1_body_trailer(const struct exchange *x, size_t i, const char **name, const char **value)
{
    const struct h1 *h = h1_of_const(x);
    return is_chunked(x) && x->body_read && h1_chunked_trailer(&h->chunks, window_begin(h), i, name, value);
}

/* Receives more of the body if that is there and nothing has to be waited for. */
static bool body_receive_now(struct h1 *h)
{
    struct connection *c = h->x.conn;
    bool waits = !h->receiving && second_is_shared(h) && (h->open || !output_empty(&h->out));
    if (!(c->ready & READY_READ) || waits || window_prepare(h) != 0)
        return false;
    ssize_t got = connection_read(h1_net(h), c, h->window + h->window_len, h->window_size - h->window_len);
    h->window_len += got > 0 ? (uint32_t)got : 0;
    return got > 0;
}

/* Drops what has come of a body whose length nobody knows. True: that was all of it. */
static COLD bool body_drop_come(struct h1 *h)
{
    struct exchange *x = &h->x;
    int64_t limit = x->http->settings->drain_limit;
    while (!x->body_read) {
        const char *data;
        if (h->window_pos == h->window_len && !body_receive_now(h))
            return false;
        ssize_t n = body_take_chunked(h, &data);
        limit -= n > 0 ? n : 0;
        if (n < 0 || n > x->body_limit || limit < 0)
            return false;
        x->body_limit -= n;
    }
    return true;
}

bool h1_body_can_drop(struct h1 *h)
{
    const struct exchange *x = &h->x;
    if (x->body_read)
        return true;
    /* A client that waits for 100 Continue may send the body or not: nobody knows where the next request begins. */
    if (h->continue_due || h->ending != ENDING_KEEP || h->refused || x->gone)
        return false;
    if (is_chunked(x)) /* a head that is out has promised to go on, and the rest is waited for */
        return reply_is_committed(&x->reply) || body_drop_come(h);
    return h->body_left <= x->http->settings->drain_limit;
}

bool h1_body_drop(struct h1 *h)
{
    int64_t limit = h->x.http->settings->drain_limit;
    if (!h1_body_can_drop(h))
        return false;
    const char *data;
    ssize_t n;
    while ((n = h1_body_read(&h->x, &data)) > 0) {
        limit -= n;
        if (limit < 0)
            return false;
    }
    return n == 0;
}
