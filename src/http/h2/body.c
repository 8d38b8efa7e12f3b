/*
 * The body of an HTTP/2 request: what has come and is not read lies in pieces, each a buffer; what may come is the
 * stream's window, which is raised while the handler reads (RFC 9113 section 5.2).
 *
 * A window is never larger than what there is room for. Where memory is bounded that is one buffer, which a request's
 * set has: what was read is moved out of the way before more is asked for. Else a handler that reads gets a window of
 * several, and as many buffers as come in use.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/h2/h2.h"

/* Bytes of a body that a buffer holds; its slack holds the head of the piece. */
static uint32_t piece_size(const struct http *http)
{
    return http->settings->buffer_size;
}

uint32_t h2_window_first(const struct http *http)
{
    uint32_t size = piece_size(http), most = http->settings->h2_stream_window;
    return size < most ? size : most;
}

void h2_credit(struct h2 *h, size_t len)
{
    struct h2_kept *k = &h->kept;
    uint32_t all = h->http->settings->h2_connection_window;
    k->uncredited += (uint32_t)len;
    if (k->uncredited < all / 2 || h->ending >= H2_FAILED)
        return;
    uint8_t frame[H2_WINDOW_UPDATE_LEN];
    h2_write_window_update(frame, 0, k->uncredited);
    k->receive_window += (int32_t)k->uncredited;
    k->uncredited = 0;
    h2_control(h, frame, sizeof frame);
}

/* ---- What comes ---- */

static uint32_t unread(const struct h2_stream *s)
{
    uint32_t len = 0;
    for (const struct h2_piece *p = s->body; p; p = p->next)
        len += p->len - p->pos;
    return len;
}

static struct h2_piece *piece_take(struct h2_stream *s)
{
    struct http *http = s->x.http;
    struct h2_piece *p = s->spare ? s->spare : http_take(http, &http->buffers);
    s->spare = NULL;
    if (p)
        *p = (struct h2_piece){.pos = 0};
    return p;
}

size_t h2_body_put(struct h2_stream *s, const uint8_t *data, size_t len)
{
    uint32_t size = piece_size(s->x.http);
    size_t before = len;
    struct h2_piece *last = s->body_end;
    while (len > 0) {
        if (!last || last->len == size) {
            struct h2_piece *p = piece_take(s);
            if (!p)
                break;
            if (last)
                last->next = p;
            else
                s->body = p;
            s->body_end = last = p;
        }
        size_t room = size - last->len, some = len < room ? len : room;
        memcpy(last->data + last->len, data, some);
        last->len += (uint32_t)some;
        data += some;
        len -= some;
    }
    return before - len;
}

/* More has come than was announced, or less. The handler runs, so that s stays. */
static COLD void wrong_length(struct h2_stream *s)
{
    struct h2 *h = s->h2;
    h2_stream_reset(s, H2_PROTOCOL_ERROR);
    (void)h2_fault(h, 1, REFUSAL_H2_RESETS);
}

bool h2_body_came(struct h2_stream *s, const uint8_t *data, size_t len)
{
    struct exchange *x = &s->x;
    s->body_came += (int64_t)len;
    s->continue_due = s->looked = false; /* a client that sends does not wait any more */
    if ((x->head.flags & HEAD_HAS_LENGTH) && s->running && s->body_came > x->body_length && x->body_length >= 0) {
        h2_credit(s->h2, len);
        wrong_length(s);
        return false;
    }
    if (!x->duplex && (!s->running || x->handler == HANDLER_ENDED || x->body_limit == 0)) {
        h2_credit(s->h2, len); /* nobody will read it */
        return true;
    }
    x->body_clock.received += len;
    size_t put = h2_body_put(s, data, len);
    if (put < len) {
        exchange_refuse(x, REFUSAL_MEMORY, "no memory for a body");
        h2_credit(s->h2, len - put);
        h2_stream_reset(s, H2_ENHANCE_YOUR_CALM);
        return false;
    }
    if (x->fiber && x->waiting == WAIT_INPUT)
        fiber_wake(x->fiber, 0);
    if (unlikely(s->left != H2_LEFT_NOT))
        h2_left_queue(s);
    return true;
}

void h2_body_ended(struct h2_stream *s)
{
    struct exchange *x = &s->x;
    s->remote = H2_REMOTE_ENDED;
    if (unlikely(s->left != H2_LEFT_NOT))
        h2_left_queue(s);
    if (!s->running)
        return;
    if (x->body_length >= 0 && s->body_came != x->body_length) {
        s->remote = H2_REMOTE_OPEN;
        wrong_length(s);
        return;
    }
    if (x->fiber && x->waiting == WAIT_INPUT)
        fiber_wake(x->fiber, 0);
}

/* ---- What is read ---- */

void h2_body_begin(struct h2_stream *s, bool ended)
{
    struct exchange *x = &s->x;
    x->rest.len = 0;
    x->body_length = 0;
    x->body_read = true;
    s->remote = ended ? H2_REMOTE_ENDED : H2_REMOTE_OPEN;
    if (ended)
        return;
    x->body_length = x->head.flags & HEAD_HAS_LENGTH ? x->head.content_length : -1;
    x->body_read = x->head.flags & HEAD_CONNECT; /* what comes belongs to what it may be upgraded to */
    x->body_limit = x->http->settings->max_body;
    x->body_clock = (struct body_clock){0};
    s->continue_due = x->head.flags & HEAD_EXPECT_CONTINUE;
}

/* The first piece has been read: what it lies in serves the next one. */
static void piece_done(struct h2_stream *s)
{
    struct h2_piece *p = s->body;
    s->body = p->next;
    if (!s->body)
        s->body_end = NULL;
    if (s->spare)
        pool_give(&s->x.http->buffers, p);
    else
        s->spare = p;
}

/* The piece that was handed out last is not used any more: what is behind it in the buffer moves to its front. */
static void piece_compact(struct h2_stream *s)
{
    struct h2_piece *p = s->body;
    if (!p || p->pos == 0)
        return;
    if (p->pos == p->len) {
        piece_done(s);
        return;
    }
    if (p->next)
        return;
    memmove(p->data, p->data + p->pos, p->len - p->pos);
    p->len -= p->pos;
    p->pos = 0;
}

/* Gives the client a window for what there is room for. */
static void window_raise(struct h2_stream *s)
{
    const struct http_settings *settings = s->x.http->settings;
    uint32_t most = s->x.http->admission.limited ? h2_window_first(s->x.http) : settings->h2_stream_window;
    int64_t held = (int64_t)unread(s) + s->receive_window;
    if (s->remote != H2_REMOTE_OPEN || held >= most)
        return;
    uint32_t more = (uint32_t)(most - held);
    int64_t left = s->x.body_length >= 0 ? s->x.body_length - s->body_came - s->receive_window : INT64_MAX;
    if (left <= 0 || more < most / 2)
        return;
    uint8_t frame[H2_WINDOW_UPDATE_LEN];
    h2_write_window_update(frame, s->id, more);
    s->receive_window += (int32_t)more;
    h2_control(s->h2, frame, sizeof frame);
}

static ssize_t body_take(struct h2_stream *s, const char **data)
{
    struct h2_piece *p = s->body;
    ssize_t len = (ssize_t)(p->len - p->pos);
    *data = p->data + p->pos;
    p->pos = p->len;
    h2_credit(s->h2, (size_t)len);
    return len;
}

/* What is left is not read. */
static COLD int body_too_long(struct h2_stream *s)
{
    struct exchange *x = &s->x;
    exchange_refuse(x, REFUSAL_BODY, NULL);
    x->body_limit = 0;
    h2_body_drop(s);
    return exchange_dead_end(x, WEIR_ETOOBIG);
}

/* Has the client told to go on, if it waits for that. An error: it is not asked for what it has held back. */
static int ask_for_body(struct h2_stream *s)
{
    struct exchange *x = &s->x;
    if (!s->continue_due)
        return 0;
    if (reply_is_complete(&x->reply))
        return exchange_dead_end(x, WEIR_EDONE);
    s->continue_due = false;
    if (!reply_is_committed(&x->reply))
        h2_bare_reply(s->h2, s->id, 100, false);
    return 0;
}

/* Waits for more of the body. 0 or an error. */
static int body_wait(struct h2_stream *s)
{
    struct exchange *x = &s->x;
    int error = ask_for_body(s);
    if (!error) {
        window_raise(s);
        if (h2_read_on(s->h2))
            return x->gone ? WEIR_ECLOSED : 0;
        error = x->ops->push(x);
    }
    if (error || s->body || s->remote != H2_REMOTE_OPEN)
        return error;
    return s->h2->input_ended ? exchange_dead_end(x, WEIR_ECLOSED) : exchange_wait_for_body(x);
}

ssize_t h2_body_read(struct exchange *x, const char **data)
{
    struct h2_stream *s = h2_of(x);
    piece_compact(s);
    while (!x->body_read) {
        if (x->gone)
            return exchange_dead_end(x, WEIR_ECLOSED);
        if (x->body_limit == 0 && x->refusal == REFUSAL_BODY)
            return exchange_dead_end(x, WEIR_ETOOBIG);
        if (s->body) {
            ssize_t n = body_take(s, data);
            if (n > x->body_limit)
                return body_too_long(s);
            x->body_limit -= n;
            exchange_charge(x, (size_t)n);
            return n;
        }
        if (s->remote == H2_REMOTE_ENDED) {
            x->body_read = true;
            break;
        }
        int error = body_wait(s);
        if (error)
            return error;
    }
    return 0;
}

ssize_t h2_body_take(struct h2_stream *s, char *buf, size_t len)
{
    if (s->body && s->body->pos == s->body->len) /* by a handler that has left */
        piece_done(s);
    struct h2_piece *p = s->body;
    if (!p && (s->remote != H2_REMOTE_OPEN || s->h2->input_ended))
        return 0;
    if (!p) {
        window_raise(s);
        return TRANSPORT_WANT_READ;
    }
    size_t have = p->len - p->pos, some = have < len ? have : len;
    memcpy(buf, p->data + p->pos, some);
    p->pos += (uint32_t)some;
    h2_credit(s->h2, some);
    if (p->pos == p->len) {
        piece_done(s);
        pool_give(&s->x.http->buffers, s->spare);
        s->spare = NULL;
    }
    return (ssize_t)some;
}

bool h2_body_trailer(const struct exchange *x, size_t i, const char **name, const char **value)
{
    const struct h2_stream *s = h2_of_const(x);
    if (!x->body_read || !s->trailers)
        return false;
    const char *at = s->trailers->data, *end = at + s->trailers->len;
    for (;; i--) {
        if (at >= end)
            return false;
        *name = at;
        *value = at + strlen(at) + 1;
        if (i == 0)
            return true;
        at = *value + strlen(*value) + 1;
    }
}

void h2_body_drop(struct h2_stream *s)
{
    struct http *http = s->x.http;
    uint32_t len = unread(s);
    for (struct h2_piece *p = s->body, *next; p; p = next) {
        next = p->next;
        pool_give(&http->buffers, p);
    }
    if (s->spare)
        pool_give(&http->buffers, s->spare);
    s->body = s->spare = NULL;
    s->body_end = NULL;
    if (len > 0)
        h2_credit(s->h2, len);
}

/* ---- Time ---- */

void h2_body_arm(struct exchange *x)
{
    int32_t left = ticks_between(loop_now_ms(x->http->net->loop), x->body_clock.deadline);
    h2_stream_time(h2_of(x), left > 0 ? (uint32_t)left : 1);
}

void h2_body_expired(struct h2_stream *s)
{
    struct exchange *x = &s->x;
    if (ticks_between(loop_now_ms(x->http->net->loop), x->body_clock.deadline) > 0) {
        h2_body_arm(x);
        return;
    }
    /* Timers come before events, and a process that stood still finds both at once: what has come meanwhile is read
     * first, once. */
    if (!s->looked && connection_events(x->http->net, x->conn, POLLER_READ)) {
        s->looked = true;
        x->body_clock.deadline = tick_after(loop_now_ms(x->http->net->loop), 2);
        h2_body_arm(x);
        return;
    }
    fiber_wake(x->fiber, WEIR_ETIMEDOUT);
}
