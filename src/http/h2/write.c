/*
 * The reply of an HTTP/2 exchange. Body bytes are collected in the region until there is a reason to send them, as in
 * HTTP/1; a long piece is the tail behind them. Neither has a framing of its own until the writer cuts frames.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/exchange_reply.h"
#include "http/h2/h2.h"

#define REGION_LEAST ((uint32_t)1024)
#define USUAL_MOST   1024 /* a static body up to this is composed with its head */

/* ---- The region ---- */

/* Chooses where the body is collected: behind the head, or in the request's memory where the head leaves too little.
 * False: no memory. */
static bool region_choose(struct h2_stream *s)
{
    uint32_t size = s->x.http->settings->buffer_size;
    uint32_t used = s->buffer ? (s->x.head.size + 15u) & ~15u : size;
    uint32_t least = size / 4 > REGION_LEAST ? size / 4 : REGION_LEAST;
    debug_assert(!s->region);
    if (likely(used + least <= size)) {
        s->region = s->buffer + used;
        s->region_end = s->buffer + size;
    } else {
        s->region = arena_alloc(&s->x.arena, least);
        s->region_end = s->region ? s->region + least : NULL;
        s->region_is_memory = true;
    }
    s->begin = s->pos = s->region;
    return s->region != NULL;
}

static size_t region_room(const struct h2_stream *s)
{
    return s->region ? (size_t)(s->region_end - s->pos) : 0;
}

/* ---- The head ---- */

/* The head does not fit a frame: a bare 500 goes out in its place, and nothing more can be written. */
static COLD int64_t head_failure(struct h2_stream *s)
{
    struct exchange *x = &s->x;
    log_error(h2_net(s->h2)->loop->log, "a reply's head of %zu bytes does not fit a frame", h2_head_size(s, 0));
    s->pos = s->begin;
    exchange_bare_failure(x);
    return 0;
}

/* Puts the head into the connection's queue, or into a block of its own where the queue is blocked or has no room. 0,
 * or WEIR_ENOMEM. */
static int head_put(struct h2_stream *s, int64_t length, bool last)
{
    struct h2 *h = s->h2;
    size_t size = h2_head_size(s, length);
    if (likely(h2_has_room(h))) {
        char *to = h2_compose(h, size);
        if (!to)
            return WEIR_ECLOSED;
        char *end = h2_head_compose(s, length, last, to);
        h2_composed(h, to, (size_t)(end - to));
        return 0;
    }
    struct spill *block = spill_take_any(s->x.http, size);
    if (!block)
        return WEIR_ENOMEM;
    char *end = h2_head_compose(s, length, false, block->data);
    block->len = (uint16_t)(end - block->data);
    s->first = block;
    return 0;
}

int h2_commit_head(struct h2_stream *s, int64_t length, bool whole)
{
    struct exchange *x = &s->x;
    length = exchange_settle_form(x, length);
    if (h2_head_size(s, length) > H2_FRAME_MOST)
        length = head_failure(s);
    x->reply.length = length;
    reply_set_committed(&x->reply);
    if (reply_is_bodyless(&x->reply)) {
        s->pos = s->begin;
        exchange_drop_body(x);
    }
    bool empty = whole && s->pos == s->begin && x->reply.body.len == 0;
    bool last = empty && h2_trailers_size(s) == 0 && h2_has_room(s->h2);
    int error = head_put(s, length, last);
    if (error) {
        if (!x->gone)
            h2_stream_reset(s, H2_INTERNAL_ERROR);
        return error;
    }
    s->progress = loop_now_ms(h2_net(s->h2)->loop);
    if (last)
        s->local = H2_LOCAL_ENDED;
    return 0;
}

/* What is collected may be sent from here on: commits the head if it is not. 0, an error or REPLY_FILTERED. */
static int head_due(struct h2_stream *s)
{
    enum reply_head head = exchange_head_due(&s->x);
    if (head == REPLY_HEAD_DUE)
        return h2_commit_head(s, s->x.reply.length, false);
    return unlikely(head == REPLY_HEAD_FILTERED) ? REPLY_FILTERED : 0;
}

/* ---- Waiting for the output ---- */

/* The handler's wait for its output has been ended: nothing of it that is unsent can be sent later. */
static void output_give_up(struct h2_stream *s, int error)
{
    h2_stream_unpin_now(s);
    h2_stream_drop_output(s, error);
    s->x.gone = true;
    if (s->h2->ending < H2_FAILED && s->remote != H2_REMOTE_RESET)
        h2_stream_reset(s, H2_INTERNAL_ERROR);
}

int h2_drain(struct h2_stream *s, bool more)
{
    struct exchange *x = &s->x;
    struct h2 *h = s->h2;
    for (;;) {
        h2_stream_ready(s);
        int result = h2_send(h, more);
        if (x->gone) {
            h2_stream_unpin_now(s);
            return WEIR_ECLOSED;
        }
        if (!h2_stream_has_output(s) && s->pinned == 0)
            return 0;
        if (result == OUTPUT_TURN) {
            exchange_yield(x);
            continue;
        }
        h2_stream_watch(s);
        int woken = exchange_park(x, WAIT_OUTPUT);
        if (woken < 0) {
            output_give_up(s, woken);
            return woken;
        }
    }
}

/* ---- The exchange's calls ---- */

/* Sends what the region holds, so that it is empty. 0, an error or REPLY_FILTERED. */
static int region_send(struct h2_stream *s, bool more)
{
    int error = head_due(s);
    if (!error && s->pos == s->begin && s->pinned == 0)
        return 0;
    return error ? error : h2_drain(s, more);
}

/* Makes room for at least min bytes. 0, an error or REPLY_FILTERED. */
static int region_open(struct h2_stream *s, size_t min)
{
    if (!s->region && !region_choose(s))
        return WEIR_ENOMEM;
    if (region_room(s) >= min)
        return 0;
    if (min > (size_t)(s->region_end - s->region))
        return WEIR_ETOOBIG;
    int error = region_send(s, true);
    if (!error && reply_is_bodyless(&s->x.reply))
        error = WEIR_EDONE;
    return error;
}

char *h2_reply_reserve(struct exchange *x, size_t min, size_t *room, int *error)
{
    struct h2_stream *s = h2_of(x);
    *error = exchange_check_write(x);
    if (!*error && region_room(s) < min)
        *error = region_open(s, min);
    if (unlikely(*error == REPLY_FILTERED))
        return x->ops->reserve(x, min, room, error);
    if (*error)
        return NULL;
    *room = region_room(s);
    return s->pos;
}

int h2_reply_commit(struct exchange *x, size_t len)
{
    struct h2_stream *s = h2_of(x);
    int error = exchange_count_write(x, len);
    if (error)
        return error;
    s->pos += len;
    exchange_charge(x, len);
    return 0;
}

/* A reply that is one call and fits the region is put there, however long, so that its handler need not wait. */
static bool whole_fits(struct h2_stream *s, size_t len)
{
    return !reply_is_committed(&s->x.reply) && (s->region || region_choose(s)) && region_room(s) >= len;
}

char *h2_reply_place(struct exchange *x, size_t len)
{
    struct h2_stream *s = h2_of(x);
    return whole_fits(s, len) ? s->pos : NULL;
}

/* Sends data from where it lies, behind what is in the region. */
static int write_direct(struct h2_stream *s, const char *data, size_t len)
{
    int error = head_due(s);
    if (error)
        return error;
    if (reply_is_bodyless(&s->x.reply))
        return 0;
    debug_assert(s->tail.len == 0);
    if (s->pinned > 0 && (error = h2_drain(s, true)))
        return error;
    s->tail = (struct segment){.kind = SEGMENT_STATIC, .len = len & SEGMENT_LEN_MASK, .data = data};
    s->borrowed = true;
    error = h2_drain(s, s->x.reply.length < 0 || exchange_left(&s->x) > 0);
    s->borrowed = false;
    return error;
}

int h2_reply_write(struct exchange *x, const char *data, size_t len)
{
    struct h2_stream *s = h2_of(x);
    int error = exchange_check_write(x);
    if (!error)
        error = len <= INT64_MAX ? exchange_count_write(x, len) : WEIR_ETOOBIG;
    if (error || len == 0)
        return error;
    bool fits = region_room(s) >= len || (!s->region && whole_fits(s, len));
    if (!fits && len >= REPLY_DIRECT_MIN) {
        error = write_direct(s, data, len);
    } else {
        if (!fits)
            error = region_open(s, len);
        if (!error) {
            memcpy(s->pos, data, len);
            s->pos += len;
        } else if (error == WEIR_ETOOBIG) {
            error = write_direct(s, data, len);
        }
    }
    if (unlikely(error == REPLY_FILTERED)) {
        x->body_sent -= len; /* none of it has been taken */
        return x->ops->write(x, data, len);
    }
    if (error && x->gone)
        return exchange_dead_end(x, error);
    exchange_charge(x, len);
    return error;
}

int h2_reply_flush(struct exchange *x)
{
    struct h2_stream *s = h2_of(x);
    if (x->gone)
        return exchange_dead_end(x, WEIR_ECLOSED);
    if (reply_is_complete(&x->reply) || x->reply.phase == REPLY_SEALING)
        return WEIR_EDONE;
    int error = head_due(s);
    if (unlikely(error == REPLY_FILTERED))
        return x->ops->flush(x);
    return error ? error : h2_drain(s, false);
}

/* Whether the handler has written body bytes that a push is to send. */
static bool is_written(const struct h2_stream *s)
{
    return (s->pos > s->begin || reply_is_committed(&s->x.reply)) && !reply_is_complete(&s->x.reply) &&
           s->x.reply.phase != REPLY_SEALING;
}

int h2_reply_push(struct exchange *x)
{
    struct h2_stream *s = h2_of(x);
    if (x->gone)
        return WEIR_ECLOSED;
    int error = is_written(s) ? head_due(s) : 0;
    if (unlikely(error == REPLY_FILTERED))
        return x->ops->push(x);
    if (error)
        return error;
    h2_stream_ready(s);
    int result = h2_send(s->h2, false);
    if (h2_stream_has_output(s))
        h2_stream_watch(s);
    return x->gone ? WEIR_ECLOSED : transport_wants(result) || result == OUTPUT_TURN ? 0 : result;
}

void h2_reply_discard(struct exchange *x)
{
    struct h2_stream *s = h2_of(x);
    exchange_drop_body(x);
    if (reply_is_committed(&x->reply))
        return;
    s->pos = s->begin;
    x->body_sent = 0;
}

size_t h2_reply_written(struct exchange *x, const char **data)
{
    const struct h2_stream *s = h2_of(x);
    *data = s->begin;
    return reply_is_committed(&x->reply) ? 0 : (size_t)(s->pos - s->begin);
}

int h2_reply_commit_head(struct exchange *x)
{
    debug_assert(!reply_is_committed(&x->reply));
    return head_due(h2_of(x));
}

/* ---- The end of a reply ---- */

/* The reply cannot be made whole: the stream is reset. */
static COLD int break_off(struct h2_stream *s, const char *why)
{
    http_refused(s->x.http, REFUSAL_BROKEN_REPLY, why);
    s->x.gone = true;
    if (s->remote != H2_REMOTE_RESET)
        h2_stream_reset(s, H2_INTERNAL_ERROR);
    return WEIR_EPROTO;
}

int h2_finish_filters(struct h2_stream *s)
{
    int error = exchange_finish_filters(&s->x);
    return error && !s->x.gone ? break_off(s, weir_strerror(error)) : error;
}

static int finish_stream(struct h2_stream *s)
{
    return unlikely(exchange_is_short(&s->x)) ? break_off(s, REPLY_OTHER_LENGTH) : 0;
}

/* Whether a reply is complete and has nothing but status 200, a type and a small static body, or none, for which
 * windows and queue have room. */
static bool is_usual(const struct h2_stream *s)
{
    const struct reply *r = &s->x.reply;
    const struct h2 *h = s->h2;
    if (r->status != 200 || r->phase != REPLY_FINAL || r->form != REPLY_PLAIN || r->close || r->fields || r->trailers)
        return false;
    if (r->body.kind != SEGMENT_STATIC || r->body.len > USUAL_MOST || s->pos != s->begin)
        return false;
    int64_t len = (int64_t)r->body.len;
    return len <= s->send_window && len <= h->kept.send_window && !h->out.blocked && !h->warming;
}

/* Puts the whole of a reply that is the usual into the queue at once. False: the reply is anything else, and nothing
 * was done. */
static bool put_usual(struct h2_stream *s)
{
    struct h2 *h = s->h2;
    struct reply *r = &s->x.reply;
    size_t len = r->body.len;
    char *begin = is_usual(s) ? h2_compose(h, h2_head_size(s, 0) + H2_FRAME_HEAD + len) : NULL;
    if (!begin)
        return false;
    char *end = h2_head_compose(s, (int64_t)len, len == 0, begin);
    if (len > 0) {
        end = (char *)h2_frame_write((uint8_t *)end, (uint32_t)len, H2_DATA, H2_END_STREAM, s->id);
        memcpy(end, r->body.data, len);
        end += len;
    }
    h2_composed(h, begin, (size_t)(end - begin));
    s->send_window -= (int32_t)len;
    h->kept.send_window -= (int32_t)len;
    s->x.body_sent = len;
    r->body.len = 0;
    r->phase = REPLY_ENDED;
    s->local = H2_LOCAL_ENDED;
    return true;
}

static int finish_uncommitted(struct h2_stream *s)
{
    struct exchange *x = &s->x;
    if (unlikely(x->http->host->before_head(x))) { /* may make the reply if there is none yet */
        int error = h2_finish_filters(s);
        if (error || reply_is_committed(&x->reply))
            return error ? error : finish_stream(s);
    }
    if (likely(put_usual(s)))
        return 0;
    int64_t length;
    if (!exchange_whole_length(x, s->pos - s->begin, &length))
        return break_off(s, REPLY_OTHER_LENGTH);
    int error = h2_commit_head(s, length, true);
    if (!error && reply_has_body(&x->reply) && !reply_is_bodyless(&x->reply))
        s->tail = exchange_take_body(x);
    return error;
}

/* The trailers become a frame that outlives the request's memory. 0 or WEIR_ENOMEM. */
static int keep_trailers(struct h2_stream *s)
{
    size_t size = s->local == H2_LOCAL_OPEN ? h2_trailers_size(s) : 0;
    if (size == 0)
        return 0;
    struct spill *block = size <= H2_FRAME_MOST ? spill_take_any(s->x.http, size) : NULL;
    if (!block)
        return WEIR_ENOMEM;
    block->len = (uint16_t)(h2_trailers_compose(s, block->data) - block->data);
    s->last = block;
    return 0;
}

/* A region in the request's memory does not outlive that. */
static int keep_region(struct h2_stream *s)
{
    struct http *http = s->x.http;
    size_t len = (size_t)(s->pos - s->begin);
    if (!s->region_is_memory)
        return 0;
    h2_stream_unpin_now(s);
    s->region_is_memory = false;
    s->region = s->region_end = NULL;
    if (len == 0) {
        s->begin = s->pos = NULL;
        return 0;
    }
    struct spill *block = spill_take_any(http, len);
    if (!block) {
        s->pos = s->begin;
        return WEIR_ENOMEM;
    }
    memcpy(block->data, s->begin, len);
    s->begin = block->data;
    s->pos = block->data + len;
    s->kept = block;
    return 0;
}

/* Has the listeners told when the reply has been sent, or has failed. */
static COLD void finish_told(struct h2_stream *s, int error)
{
    struct segment call;
    if (!exchange_over_call(&s->x, error, &call))
        return;
    if (error || !output_has_room(&s->h2->out, 1))
        call.call(call.arg, error, call.len);
    else if (s->local == H2_LOCAL_ENDED)
        output_push(&s->h2->out, call);
    else
        s->over = call;
}

void h2_finish_reply(struct h2_stream *s)
{
    struct exchange *x = &s->x;
    int error = x->gone ? WEIR_ECLOSED : reply_is_committed(&x->reply) ? finish_stream(s) : finish_uncommitted(s);
    if (!error)
        error = keep_trailers(s);
    if (!error)
        error = keep_region(s);
    if (unlikely(error)) {
        if (!x->gone)
            (void)break_off(s, weir_strerror(error));
        h2_stream_unpin_now(s);
        h2_stream_drop_output(s, error);
        s->local = H2_LOCAL_ENDED;
    }
    if (unlikely(reply_has_body(&x->reply)))
        exchange_drop_body(x);
    if (unlikely(exchange_is_listened_to(x)))
        finish_told(s, error);
    if (unlikely(x->reply.close) && x->refusal == REFUSAL_NONE) /* a refusal is about this stream alone */
        h2_go_away(s->h2);
    if (s->local == H2_LOCAL_OPEN) {
        s->local = H2_LOCAL_LAST;
        reply_set_complete(&x->reply);
        h2_stream_ready(s);
        h2_stream_cut_small(s);
    }
}
