/*
 * A stream that a duplex is left on, see http/duplex.h: its record stays, and nothing else. What its user has to send
 * is asked for a block at a time, whenever the one before has been sent.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/duplex.h"
#include "http/h2/h2.h"

#define LEFT_PARTS 16
#define LEFT_BLOCK ((size_t)8 * 1024) /* of what the user has, copied at once */

static inline struct h2_stream *stream_of(const struct duplex *d)
{
    return (struct h2_stream *)(d->carrier & ~(uintptr_t)DUPLEX_KIND);
}

static inline bool has_user(const struct h2_stream *s)
{
    return s->left != H2_LEFT_NOT && s->x.duplex;
}

/* There is no user from here on. */
static void user_leave(struct h2_stream *s)
{
    s->x.duplex->carrier = 0;
    s->x.duplex = NULL;
    if (s->left == H2_LEFT_RESTS)
        s->left = H2_LEFT_NOT;
}

/* ---- Output ---- */

/* Takes a block of what the user has, where nothing of s waits to be sent. False: there is nothing, or no memory, and
 * then the stream is reset. */
static bool block_fill(struct h2_stream *s)
{
    struct duplex *d = s->x.duplex;
    struct http *http = s->x.http;
    struct iovec parts[LEFT_PARTS];
    int count = d->user->peek(http, d, parts, LEFT_PARTS);
    size_t len = 0;
    for (int i = 0; i < count; i++)
        len += parts[i].iov_len < LEFT_BLOCK - len ? parts[i].iov_len : LEFT_BLOCK - len;
    if (len == 0)
        return false;
    struct spill *block = spill_take_any(http, len);
    if (!block) {
        h2_stream_reset(s, H2_ENHANCE_YOUR_CALM);
        return false;
    }
    size_t have = 0;
    for (int i = 0; have < len; i++) {
        size_t some = parts[i].iov_len < len - have ? parts[i].iov_len : len - have;
        memcpy(block->data + have, parts[i].iov_base, some);
        have += some;
    }
    s->kept = block;
    s->begin = block->data;
    s->pos = block->data + len;
    s->x.body_sent += len;
    d->user->took(http, d, len);
    h2_stream_ready(s);
    h2_stream_watch(s);
    return true;
}

void h2_left_more(struct h2_stream *s)
{
    struct duplex *d = s->x.duplex;
    if (!has_user(s) || !duplex_is_there(d) || s->pinned > 0 || h2_stream_has_output(s) || block_fill(s) ||
        !duplex_is_there(d))
        return;
    d->user->sent(s->x.http, d);
}

/* Has what waits of s sent, unless somebody is about to. The connection may be gone afterwards. */
static void left_send(struct h2_stream *s)
{
    struct h2 *h = s->h2;
    if (h->sending || h->warming || h->reader)
        return;
    (void)h2_send(h, false);
    h2_output_leave(h);
    h2_settle(h);
}

static void left_duplex_send(struct http *http, struct duplex *d)
{
    (void)http;
    struct h2_stream *s = stream_of(d);
    if (s->pinned == 0 && !h2_stream_has_output(s) && (block_fill(s) || !duplex_is_there(d)))
        left_send(s); /* or the reset of one that was lost for want of memory */
}

/* ---- Running ---- */

void h2_left_queue(struct h2_stream *s)
{
    struct h2 *h = s->h2;
    if (s->left == H2_LEFT_RUNS || s->left_queued) {
        struct duplex *d = s->x.duplex;
        s->left_again = true;
        bool ended = s->remote != H2_REMOTE_OPEN || h->input_ended;
        if (ended && s->left == H2_LEFT_RUNS && d && duplex_is_there(d) && d->user->half_closed)
            d->user->half_closed(h->http, d);
        return;
    }
    s->left_queued = true;
    s->next_wanting = h->left;
    h->left = s;
    connection_queue(h2_net(h), h->conn);
}

/* s is about to be given back. */
void h2_left_unqueue(struct h2_stream *s)
{
    struct h2_stream **at = &s->h2->left;
    while (*at != s)
        at = &(*at)->next_wanting;
    *at = s->next_wanting;
    s->left_queued = false;
}

void h2_run_left(struct h2 *h)
{
    while (h->left) {
        struct h2_stream *s = h->left;
        struct duplex *d = s->x.duplex;
        h->left = s->next_wanting;
        s->left_queued = s->left_again = false;
        if (!has_user(s))
            continue;
        s->left = H2_LEFT_RUNS;
        if (duplex_is_there(d))
            d->user->run(h->http, d);
        if (s->x.duplex && !duplex_is_there(d)) { /* lost, before or meanwhile */
            s->x.duplex = NULL;
            d->user->ended(h->http, d);
        }
        s->left = s->x.duplex ? H2_LEFT_RESTS : H2_LEFT_NOT;
        if (!s->x.duplex)
            h2_stream_release(s);
        else if (s->left_again)
            h2_left_queue(s);
    }
}

/* ---- The end ---- */

void h2_left_lost(struct h2_stream *s, int error)
{
    struct duplex *d = s->x.duplex;
    if (!has_user(s) || !duplex_is_there(d))
        return;
    d->carrier |= DUPLEX_LOST;
    d->user->lost(s->x.http, d, error);
    h2_left_queue(s);
}

void h2_left_drain(struct h2_stream *s)
{
    if (has_user(s) && duplex_is_there(s->x.duplex))
        s->x.duplex->user->drain(s->x.http, s->x.duplex);
}

void h2_left_expired(struct h2_stream *s)
{
    int32_t left = ticks_between(loop_now_ms(h2_net(s->h2)->loop), s->x.body_clock.deadline);
    if (!s->left_timed || !has_user(s) || !duplex_is_there(s->x.duplex))
        return;
    if (left > 0) {
        h2_stream_time(s, (uint32_t)left);
        return;
    }
    s->left_timed = false;
    s->x.duplex->user->look(s->x.http, s->x.duplex);
}

/* ---- What the user calls ---- */

static ssize_t left_duplex_read(struct http *http, struct duplex *d, char *buf, size_t len)
{
    (void)http;
    return h2_body_take(stream_of(d), buf, len);
}

static void left_duplex_queue(struct http *http, struct duplex *d)
{
    (void)http;
    h2_left_queue(stream_of(d));
}

static void left_duplex_time(struct http *http, struct duplex *d, uint32_t ms)
{
    struct h2_stream *s = stream_of(d);
    s->x.body_clock.deadline = tick_after(loop_now_ms(http->net->loop), loop_delay(ms));
    s->left_timed = true;
    h2_stream_time(s, loop_delay(ms));
}

static bool left_duplex_before_wait(struct http *http, struct duplex *d)
{
    (void)http;
    struct h2 *h = stream_of(d)->h2;
    if (!h->out.blocked)
        (void)h2_send(h, false);
    if (!h2_leave(h))
        return false;
    h2_output_leave(h);
    if (!h->reader && (h->left || h->failed || h->admitted || (h->conn->ready & READY_READ)))
        connection_queue(h2_net(h), h->conn); /* another fiber goes on with these */
    return connection_watch(h2_net(h), h->conn);
}

static void left_duplex_close(struct http *http, struct duplex *d, bool orderly)
{
    (void)http;
    struct h2_stream *s = stream_of(d);
    user_leave(s);
    if (!orderly) {
        struct h2 *h = s->h2;
        h2_stream_reset(s, H2_CANCEL);
        if (h->reader || h->sending)
            return;
        (void)h2_send(h, false);
        h2_output_leave(h);
        h2_settle(h);
        return;
    }
    h2_body_drop(s);
    s->draining = true;
    s->local = H2_LOCAL_LAST;
    reply_set_complete(&s->x.reply);
    h2_stream_ready(s);
    left_send(s);
}

static void left_duplex_fail(struct http *http, struct duplex *d, bool goes_on)
{
    (void)http;
    struct h2_stream *s = stream_of(d);
    struct h2 *h = s->h2;
    s->left = s->x.duplex ? H2_LEFT_RESTS : H2_LEFT_NOT;
    if (!h2_leave(h)) {
        h2_fail(h, H2_INTERNAL_ERROR, REFUSAL_MEMORY, "no memory for a frame's beginning");
        (void)h2_leave(h); /* of a connection that has failed nothing is kept */
    } else if (!goes_on) {
        h2_stream_reset(s, H2_INTERNAL_ERROR);
    }
    h2_output_leave(h);
    if (s->x.duplex)
        h2_left_queue(s); /* for run(), or for its end */
    else
        h2_stream_release(s);
    connection_queue(h2_net(h), h->conn);
}

static struct connection *left_duplex_connection(const struct duplex *d)
{
    return stream_of(d)->h2->conn;
}

static bool left_duplex_is_half_closed(const struct duplex *d)
{
    const struct h2_stream *s = stream_of(d);
    return s->remote != H2_REMOTE_OPEN || s->h2->input_ended;
}

const struct duplex_ops http_h2_duplex_ops = {
    .read = left_duplex_read,
    .send = left_duplex_send,
    .queue = left_duplex_queue,
    .time = left_duplex_time,
    .before_wait = left_duplex_before_wait,
    .close = left_duplex_close,
    .fail = left_duplex_fail,
    .connection = left_duplex_connection,
    .is_half_closed = left_duplex_is_half_closed,
};

/* ---- From an exchange ---- */

void h2_finish_leaving(struct h2_stream *s)
{
    struct exchange *x = &s->x;
    struct http *http = x->http;
    struct duplex *d = x->duplex;
    int error = x->gone ? WEIR_ECLOSED : x->ops->flush(x);
    if (!error && (x->ops != &h2_exchange_ops || reply_is_bodyless(&x->reply) || x->reply.length >= 0))
        error = WEIR_EINVAL; /* a reply with an end of its own, or whose filters would end with the handler */
    if (error && !x->gone)
        h2_stream_reset(s, H2_INTERNAL_ERROR);
    struct segment call;
    if (exchange_is_listened_to(x) && exchange_over_call(x, error, &call))
        call.call(call.arg, error, call.len);
    exchange_let_go(x);
    if (x->body_length != 0)
        http->host->body_over(x);
    exchange_clear(x);
    s->running = false;
    h2_stream_shed_buffer(s);
    if (!error && http->admission.limited && !admission_keep_output(x, 0))
        error = WEIR_ENOMEM;
    s->left = H2_LEFT_RESTS;
    if (error || x->gone) {
        d->carrier = (uintptr_t)s | DUPLEX_HTTP2 | DUPLEX_LOST; /* a fiber tells its user of that */
        if (!x->gone)
            h2_stream_reset(s, H2_ENHANCE_YOUR_CALM);
        h2_stream_drop_output(s, WEIR_ECLOSED); /* the handler ran when it was reset: this side may still be open */
        h2_left_queue(s);
        return;
    }
    d->carrier = (uintptr_t)s | DUPLEX_HTTP2;
    struct slice rest = x->rest; /* of a piece that is there until the next is read */
    x->rest.len = 0;
    d->user->begun(http, d, rest.data, rest.len);
    if (has_user(s) && s->pinned == 0 && !h2_stream_has_output(s))
        (void)block_fill(s);
    if (h2_net(s->h2)->draining)
        h2_left_drain(s);
    if (has_user(s))
        h2_left_queue(s); /* what has come already makes no further event */
}
