/*
 * The streams of a connection: their table, what ends them, and what is given back then.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/h2/h2.h"
#include "http/request_log.h"

/* ---- The table ---- */

static struct h2_stream **bucket_of(struct h2 *h, uint32_t id)
{
    return &h->buckets[id / 2 % H2_BUCKETS]; /* a client's are odd */
}

struct h2_stream *h2_find(const struct h2 *h, uint32_t id)
{
    struct h2_stream *s = h->buckets[id / 2 % H2_BUCKETS];
    while (s && s->id != id)
        s = s->next;
    return s;
}

void h2_stream_add(struct h2_stream *s)
{
    struct h2_stream **bucket = bucket_of(s->h2, s->id);
    s->next = *bucket;
    *bucket = s;
    s->h2->streams++;
}

static void stream_remove(struct h2_stream *s)
{
    struct h2_stream **at = bucket_of(s->h2, s->id);
    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
    s->h2->streams--;
}

void h2_each_stream(struct h2 *h, void (*each)(struct h2_stream *s, int arg), int arg)
{
    for (size_t i = 0; i < H2_BUCKETS; i++) {
        struct h2_stream *s = h->buckets[i];
        while (s) {
            struct h2_stream *next = s->next;
            uint32_t streams = h->streams;
            each(s, arg);
            s = h->streams == streams ? next : h->buckets[i]; /* the next may have been released as well */
        }
    }
}

/* ---- Taking and giving back ---- */

struct h2_stream *h2_stream_take(struct h2 *h, uint32_t id)
{
    struct http *http = h->http;
    struct h2_stream *s = pool_take(&http->records);
    if (!s)
        return NULL;
    char *buffer = pool_take(&http->buffers);
    if (!buffer) {
        pool_give(&http->records, s);
        return NULL;
    }
    counter_add(&http->counters.streams, 1);
    memset((char *)s + sizeof s->x, 0, sizeof *s - sizeof s->x);
    exchange_init(&s->x, &h2_exchange_ops, http, h->conn, s + 1);
    s->h2 = h;
    s->id = id;
    s->buffer = buffer;
    s->timer.kind = TIMER_STREAM;
    s->priority = h2_priority_default();
    s->tail.kind = s->over.kind = SEGMENT_STATIC;
    s->send_window = (int32_t)h->kept.peer_window;
    s->receive_window = (int32_t)h2_window_first(http);
    list_init(&s->turn);
    return s;
}

void h2_stream_untake(struct h2_stream *s)
{
    struct http *http = s->x.http;
    if (s->x.head.fields != s->x.fields)
        exchange_shrink_fields(&s->x);
    if (http->admission.limited)
        admission_release(&s->x);
    if (s->buffer)
        pool_give(&http->buffers, s->buffer);
    pool_give(&http->records, s);
    counter_subtract(&http->counters.streams, 1);
}

bool h2_stream_release(struct h2_stream *s)
{
    struct http *http = s->x.http;
    if (s->running || s->pinned > 0 || s->local != H2_LOCAL_ENDED || s->left != H2_LEFT_NOT)
        return false;
    if (unlikely(s->left_queued))
        h2_left_unqueue(s);
    stream_remove(s); /* first: a frame that is sent below may find the client gone, which ends all that are there */
    timer_cancel(&h2_net(s->h2)->loop->wheel, &s->timer);
    list_remove(&s->turn);
    h2_leave_rest(s);
    if (s->body || s->spare)
        h2_body_drop(s);
    if (s->trailers)
        spill_give(http, s->trailers);
    if (s->kept)
        spill_give(http, s->kept);
    h2_stream_untake(s);
    return true;
}

/* ---- Ends before the end ---- */

/* Neither direction goes on. error: what waits are told. */
static void stream_give_up(struct h2_stream *s, int error)
{
    s->remote = H2_REMOTE_RESET;
    s->x.gone = true;
    h2_left_lost(s, error);
    h2_stream_drop_output(s, error);
    if (!s->running) {
        h2_stream_release(s);
        return;
    }
    if (s->borrowed)
        h2_stream_unpin_now(s);
    exchange_wake_gone(&s->x, error);
}

void h2_stream_lost(struct h2_stream *s, int error)
{
    if (s->remote == H2_REMOTE_RESET && s->x.gone && s->running)
        return;
    stream_give_up(s, error);
}

bool h2_was_reset(const struct h2 *h, uint32_t id)
{
    for (size_t i = 0; i < H2_RESETS; i++)
        if (h->resets[i] == id)
            return true;
    return false;
}

void h2_reset_unknown(struct h2 *h, uint32_t id, uint32_t error)
{
    uint8_t frame[H2_RST_STREAM_LEN];
    h->resets[h->resets_next++ % H2_RESETS] = id;
    h2_write_rst_stream(frame, id, error);
    h2_control(h, frame, sizeof frame);
}

void h2_stream_reset(struct h2_stream *s, uint32_t error)
{
    struct h2 *h = s->h2;
    uint32_t id = s->id;
    if (s->remote == H2_REMOTE_RESET && s->x.gone)
        return;
    stream_give_up(s, WEIR_ECLOSED);
    h2_reset_unknown(h, id, error);
}

/* ---- Time ---- */

/* How long until a client that opens no window, or takes too little, is given up, in ms; 0: now, because of *cause. */
static uint32_t output_patience(struct h2_stream *s, enum refusal *cause)
{
    const struct http_settings *settings = s->x.http->settings;
    uint32_t now = loop_now_ms(h2_net(s->h2)->loop);
    uint32_t stalled = (uint32_t)ticks_between(s->progress, now),
             measured = (uint32_t)ticks_between(s->rate_start, now);
    *cause = REFUSAL_WRITE_TIMEOUT;
    if (stalled >= settings->write_timeout_ms)
        return 0;
    uint32_t left = settings->write_timeout_ms - stalled;
    if (settings->write_min_rate == 0)
        return left;
    if (measured >= settings->write_window_ms) {
        *cause = REFUSAL_WRITE_RATE;
        if (s->rate_sent * 1000 < (uint64_t)settings->write_min_rate * measured)
            return 0;
        s->rate_start = now;
        s->rate_sent = 0;
        measured = 0;
    }
    uint32_t window = settings->write_window_ms - measured;
    return left < window ? left : window;
}

void h2_stream_time(struct h2_stream *s, uint32_t delay)
{
    struct loop *l = h2_net(s->h2)->loop;
    if (!timer_armed(&s->timer) || ticks_between(tick_after(loop_now_ms(l), delay), s->timer.expires) > 0)
        timer_arm(&l->wheel, &s->timer, delay);
}

void h2_stream_watch(struct h2_stream *s)
{
    enum refusal cause;
    if (s->watched)
        return;
    s->watched = true;
    s->progress = s->rate_start = loop_now_ms(h2_net(s->h2)->loop);
    s->rate_sent = 0;
    h2_stream_time(s, loop_delay(output_patience(s, &cause)));
}

/* The output's time. While the connection itself is blocked, its own watch says whether the client takes anything.
 * True: the stream is given up. */
static bool output_expired(struct h2_stream *s)
{
    struct h2 *h = s->h2;
    uint32_t id = s->id;
    if (h->out.blocked || h->warming)
        s->progress = s->rate_start = loop_now_ms(h2_net(h)->loop);
    enum refusal cause;
    uint32_t left = output_patience(s, &cause);
    if (left > 0) {
        h2_stream_time(s, loop_delay(left));
        return false;
    }
    http_refused_request(s->x.http, s->x.conn, &s->x, cause, NULL);
    stream_give_up(s, WEIR_ETIMEDOUT);
    h2_reset_unknown(h, id, H2_CANCEL);
    (void)h2_send(h, false);
    h2_output_leave(h);
    h2_settle(h);
    return true;
}

void http_h2_stream_timer(void *owner, struct timer *t)
{
    (void)owner;
    if (t->owner_bits == H2_TIMER_WAITING) {
        h2_waiting_expired(t);
        return;
    }
    struct h2_stream *s = container_of(t, struct h2_stream, timer);
    if (s->x.gone) { /* the client went as the fiber was about to wait: nothing else would end that */
        exchange_wake_gone(&s->x, WEIR_ECLOSED);
        return;
    }
    if (s->watched && output_expired(s))
        return;
    if (s->left != H2_LEFT_NOT) {
        h2_left_expired(s);
        return;
    }
    if (s->x.fiber && s->x.waiting == WAIT_INPUT)
        h2_body_expired(s);
}
