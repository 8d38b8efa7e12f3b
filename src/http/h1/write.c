/*
 * The reply of an HTTP/1 exchange: collecting what the handler writes, framing it, and handing it to the queue.
 *
 * Body bytes are collected in the region (they are "open") until there is a reason to send them. If the handler ends
 * before that, the length is known and the head goes before them with Content-Length; else the head says chunked, and
 * what is open becomes a chunk.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/exchange_reply.h"
#include "http/h1/h1.h"

#define HEAD_GROWTH 36  /* what a head may still need beside its fields: Connection, for instance */
#define REGION_MIN  256 /* a region with less room is drained first */

/* ---- The head ---- */

/* Settles how the reply is framed; returns the length that its head is to tell. */
static int64_t reply_decide(struct h1 *h, int64_t length)
{
    struct exchange *x = &h->x;
    length = exchange_settle_form(x, length);
    if (length < 0 && x->head.version >= WEIR_HTTP_1_1 && !reply_is_bodyless(&x->reply))
        x->reply.form = REPLY_CHUNKED;
    bool until_close = length < 0 && x->head.version == WEIR_HTTP_1_0 && !reply_is_bodyless(&x->reply);
    if (until_close || h1_net(h)->draining)
        h1_end(h, ENDING_CLOSE);
    if (unlikely(x->reply.close))
        h1_end(h, ENDING_LINGER); /* the close is not the client's wish: it may have sent more */
    x->reply.length = length;
    return length;
}

/* There is no room for the head that was made: a bare 500 goes out in its place, and nothing more can be written. */
static COLD int commit_failure(struct h1 *h)
{
    struct exchange *x = &h->x;
    if (h->open)
        h->pos = h->open;
    h->open = NULL;
    exchange_bare_failure(x);
    h1_end(h, ENDING_CLOSE);
    int error = h1_make_room(h, h1_head_size(h, 0));
    if (error)
        return error;
    char *end = h1_head_compose(h, 0, h->pos);
    output_push_region(&h->out, h->pos, (size_t)(end - h->pos));
    h->pos = end;
    return 0;
}

/* Sends memory that is queued and that the caller has only lent, to the end. */
static int drain_lent(struct h1 *h, bool more)
{
    h->lent = true;
    int error = more ? h1_drain_on(h) : h1_drain(h);
    h->lent = false;
    return error;
}

/* The head does not fit before what is open: it is composed in the request's memory and sent from there. */
static COLD int commit_elsewhere(struct h1 *h, int64_t length, size_t size, size_t body)
{
    char *head = arena_alloc(&h->x.arena, size + H1_CHUNK_ROOM);
    if (!head) {
        log_error(h1_net(h)->loop->log, "a reply's head of %zu bytes fits neither the buffer nor request_memory", size);
        return commit_failure(h);
    }
    char *end = h1_head_compose(h, length, head);
    if (h->x.reply.form == REPLY_CHUNKED && body) {
        end = h1_put_hex(end, body);
        *end++ = '\r';
        *end++ = '\n';
    }
    if (!output_has_room(&h->out, H1_SEGMENTS_SPARE)) {
        int error = h1_drain(h);
        if (error)
            return error;
    }
    output_push(&h->out,
                (struct segment){.kind = SEGMENT_STATIC, .len = (size_t)(end - head) & SEGMENT_LEN_MASK, .data = head});
    if (body) {
        if (h->x.reply.form == REPLY_CHUNKED) {
            *h->pos++ = '\r';
            *h->pos++ = '\n';
        }
        output_push_region(&h->out, h->open, (size_t)(h->pos - h->open));
    }
    h->open = NULL;
    return drain_lent(h, false); /* the request's memory must not be needed later */
}

/* A small static body is copied behind its head: a part of its own would cost more. Returns behind it. */
static inline char *join_static(struct h1 *h, char *end)
{
    struct segment *body = &h->x.reply.body;
    if (unlikely(body->kind != SEGMENT_STATIC || reply_is_bodyless(&h->x.reply)))
        return end;
    size_t len = body->len;
    if (len == 0 || len > H1_JOIN_MAX || (size_t)(h->region_end - end) < len + H1_TAIL_ROOM)
        return end;
    body->len = 0;
    h->x.body_sent += len;
    return h1_put_text(end, body->data, len);
}

/* Commits the head for a body of length (REPLY_LENGTH_UNKNOWN: a stream), and queues what is open behind it. */
int h1_commit_head(struct h1 *h, int64_t length)
{
    struct exchange *x = &h->x;
    length = reply_decide(h, length);
    reply_set_committed(&x->reply);
    if (h->open && reply_is_bodyless(&x->reply)) {
        h->pos = h->open;
        h->open = NULL;
    }
    size_t body = h->open ? (size_t)(h->pos - h->open) : 0;
    bool chunk = x->reply.form == REPLY_CHUNKED && body > 0;
    size_t prefix = chunk ? h1_hex_digits(body) + 2 : 0;
    if (!h->open) {
        if (!h->region)
            (void)h1_choose_region(h); /* h1_make_room() says what is amiss */
        int error = likely(h1_room_is_there(h, h1_head_room(h))) ? 0 : h1_make_room(h, h1_head_size(h, length));
        if (unlikely(error == WEIR_ETOOBIG))
            return commit_elsewhere(h, length, h1_head_size(h, length), 0);
        if (error)
            return error;
        char *end = h1_head_compose(h, length, h->pos);
        debug_assert((size_t)(end - h->pos) == h1_head_size(h, length));
        end = join_static(h, end);
        output_push_region(&h->out, h->pos, (size_t)(end - h->pos));
        h->pos = end;
        return 0;
    }
    size_t size = h1_head_size(h, length);
    if (h->pos + size + prefix + H1_TAIL_ROOM > h->region_end || !output_has_room(&h->out, H1_SEGMENTS_SPARE))
        return commit_elsewhere(h, length, size, body);
    memmove(h->open + size + prefix, h->open, body);
    char *end = h1_head_compose(h, length, h->open);
    debug_assert(end == h->open + size);
    if (chunk) {
        end = h1_put_hex(end, body);
        *end++ = '\r';
        *end++ = '\n';
    }
    end += body;
    if (chunk) {
        *end++ = '\r';
        *end++ = '\n';
    }
    output_push_region(&h->out, h->open, (size_t)(end - h->open));
    h->pos = end;
    h->open = NULL;
    return 0;
}

int h1_close_open(struct h1 *h)
{
    struct exchange *x = &h->x;
    enum reply_head head = exchange_head_due(x);
    if (head == REPLY_HEAD_DUE)
        return unlikely(x->reply.trailers) ? h1_commit_trailed(h) : h1_commit_head(h, x->reply.length);
    if (unlikely(head == REPLY_HEAD_FILTERED))
        return REPLY_FILTERED;
    if (!h->open)
        return 0;
    size_t body = (size_t)(h->pos - h->open);
    char *start = h->open;
    h->open = NULL;
    if (body == 0) {
        h->pos = start;
        return 0;
    }
    if (x->reply.form == REPLY_CHUNKED) {
        start -= h1_hex_digits(body) + 2;
        char *end = h1_put_hex(start, body);
        end[0] = '\r';
        end[1] = '\n';
        *h->pos++ = '\r';
        *h->pos++ = '\n';
    }
    output_push_region(&h->out, start, (size_t)(h->pos - start));
    return 0;
}

/* ---- The exchange's calls ---- */

/* How many body bytes the region takes; while the head is not committed, room for it is left. */
static size_t open_room(const struct h1 *h)
{
    size_t room = (size_t)(h->region_end - h->pos);
    size_t reserve =
        H1_TAIL_ROOM + (reply_is_committed(&h->x.reply) ? 0 : h1_head_size(h, REPLY_LENGTH_UNKNOWN) + HEAD_GROWTH);
    return room > reserve ? room - reserve : 0;
}

/* Opens the region for body bytes, with room for at least min. */
static int open_begin(struct h1 *h, size_t min)
{
    for (;;) {
        if (!h->open) {
            size_t before = reply_is_committed(&h->x.reply) && h->x.reply.form == REPLY_CHUNKED ? H1_CHUNK_ROOM : 0;
            int error = h1_make_room(h, before + (min > REGION_MIN ? min : REGION_MIN));
            if (error)
                return error;
            h->open = h->pos += before;
        }
        if (open_room(h) >= min)
            return 0;
        if (h->pos == h->open && output_empty(&h->out) && reply_is_committed(&h->x.reply))
            return WEIR_ETOOBIG;
        int error = h1_close_open(h);
        if (!error)
            error = h1_drain_on(h);
        if (!error && reply_is_bodyless(&h->x.reply))
            error = WEIR_EDONE;
        if (error)
            return error;
    }
}

char *h1_reply_reserve(struct exchange *x, size_t min, size_t *room, int *error)
{
    struct h1 *h = h1_of(x);
    *error = exchange_check_write(x);
    if (!*error && (!h->open || open_room(h) < min))
        *error = open_begin(h, min);
    if (unlikely(*error == REPLY_FILTERED))
        return x->ops->reserve(x, min, room, error);
    if (*error)
        return NULL;
    *room = open_room(h);
    return h->pos;
}

int h1_reply_commit(struct exchange *x, size_t len)
{
    struct h1 *h = h1_of(x);
    int error = exchange_count_write(x, len);
    if (error)
        return error;
    h->pos += len;
    exchange_charge(x, len);
    return 0;
}

/* Sends data from where it lies, behind what is open, as a chunk of its own. */
static int write_direct(struct h1 *h, const char *data, size_t len)
{
    struct exchange *x = &h->x;
    int error = h1_close_open(h);
    if (!error && reply_is_bodyless(&x->reply))
        return 0;
    if (!error)
        error = h1_make_room(h, 32);
    if (error)
        return error;
    if (x->reply.form == REPLY_CHUNKED) {
        char *end = h1_put_hex(h->pos, len);
        *end++ = '\r';
        *end++ = '\n';
        output_push_region(&h->out, h->pos, (size_t)(end - h->pos));
        h->pos = end;
    }
    output_push(&h->out, (struct segment){.kind = SEGMENT_STATIC, .len = len & SEGMENT_LEN_MASK, .data = data});
    if (x->reply.form == REPLY_CHUNKED)
        output_push(&h->out, (struct segment){.kind = SEGMENT_STATIC, .len = 2, .data = "\r\n"});
    return drain_lent(h, x->reply.length < 0 || exchange_left(x) > 0);
}

/* A reply that is one call and fits the region is put there, however long, so that its handler need not wait. */
static bool whole_fits(struct h1 *h, size_t len)
{
    if (reply_is_committed(&h->x.reply) || (!h->region && !h1_choose_region(h)) || open_room(h) < len)
        return false;
    if (!h->open)
        h->open = h->pos;
    return true;
}

char *h1_reply_place(struct exchange *x, size_t len)
{
    struct h1 *h = h1_of(x);
    return whole_fits(h, len) ? h->pos : NULL;
}

int h1_reply_write(struct exchange *x, const char *data, size_t len)
{
    struct h1 *h = h1_of(x);
    int error = exchange_check_write(x);
    if (!error)
        error = len <= INT64_MAX ? exchange_count_write(x, len) : WEIR_ETOOBIG;
    if (error || len == 0)
        return error;
    size_t all = len;
    bool fits = h->open ? open_room(h) >= len : x->reply.length == (int64_t)len && whole_fits(h, len);
    if (!fits && len >= REPLY_DIRECT_MIN) {
        error = write_direct(h, data, len);
    } else {
        if (!fits)
            error = open_begin(h, len);
        if (!error) {
            memcpy(h->pos, data, len);
            h->pos += len;
        } else if (error == WEIR_ETOOBIG) {
            error = write_direct(h, data, len);
        }
    }
    if (unlikely(error == REPLY_FILTERED)) {
        x->body_sent -= all; /* none of it has been taken */
        return x->ops->write(x, data, all);
    }
    if (error && x->gone)
        return exchange_dead_end(x, error);
    exchange_charge(x, all);
    return error;
}

int h1_reply_flush(struct exchange *x)
{
    struct h1 *h = h1_of(x);
    if (x->gone)
        return exchange_dead_end(x, WEIR_ECLOSED);
    if (reply_is_complete(&x->reply) || x->reply.phase == REPLY_SEALING)
        return WEIR_EDONE;
    int error = h1_close_open(h);
    if (unlikely(error == REPLY_FILTERED))
        return x->ops->flush(x);
    return error ? error : h1_drain(h);
}

/* Whether the handler has written body bytes that a push is to send; a region that was opened for nothing commits no
 * head. */
static bool is_written(const struct h1 *h)
{
    return h->open && (h->pos > h->open || reply_is_committed(&h->x.reply)) && !reply_is_complete(&h->x.reply) &&
           h->x.reply.phase != REPLY_SEALING;
}

int h1_reply_push(struct exchange *x)
{
    struct h1 *h = h1_of(x);
    if (x->gone)
        return WEIR_ECLOSED;
    int error = is_written(h) ? h1_close_open(h) : 0;
    if (unlikely(error == REPLY_FILTERED))
        return x->ops->push(x);
    if (unlikely(error) && !x->gone) { /* what was open is lost, and nobody looks at what is returned */
        http_refused(x->http, REFUSAL_BROKEN_REPLY, weir_strerror(error));
        x->gone = true;
        h1_end(h, ENDING_RESET);
    }
    if (!error)
        error = h1_send(h);
    while (error == OUTPUT_TURN && !x->gone) { /* no event would tell that there is room */
        exchange_yield(x);
        error = h1_send(h);
    }
    return transport_wants(error) || error == OUTPUT_TURN ? 0 : error;
}

void h1_reply_discard(struct exchange *x)
{
    struct h1 *h = h1_of(x);
    exchange_drop_body(x);
    if (reply_is_committed(&x->reply))
        return;
    if (h->open)
        h->pos = h->open;
    h->open = NULL;
    x->body_sent = 0;
}

size_t h1_reply_written(struct exchange *x, const char **data)
{
    const struct h1 *h = h1_of(x);
    *data = h->open;
    return h->open && !reply_is_committed(&x->reply) ? (size_t)(h->pos - h->open) : 0;
}

int h1_reply_commit_head(struct exchange *x)
{
    debug_assert(!reply_is_committed(&x->reply));
    return h1_close_open(h1_of(x));
}

/* ---- The end of a reply ---- */

static void queue_body(struct h1 *h)
{
    output_push(&h->out, exchange_take_body(&h->x));
}

/* The reply cannot be made whole. What is queued still goes out, whole replies to earlier requests among it; then the
 * connection is reset. */
static COLD int break_off(struct h1 *h, const char *why)
{
    http_refused(h->x.http, REFUSAL_BROKEN_REPLY, why);
    (void)h1_drain(h);
    h->x.gone = true;
    h1_end(h, ENDING_RESET);
    return WEIR_EPROTO;
}

static int finish_stream(struct h1 *h)
{
    struct exchange *x = &h->x;
    int error = h1_close_open(h);
    if (error || reply_is_bodyless(&x->reply))
        return error;
    if (unlikely(exchange_is_short(x)))
        return break_off(h, REPLY_OTHER_LENGTH);
    if (x->reply.form != REPLY_CHUNKED)
        return 0;
    reply_set_complete(&x->reply);
    if (unlikely(x->reply.trailers))
        return h1_put_trailers(h);
    error = h1_make_room(h, 0);
    if (error)
        return error;
    memcpy(h->pos, "0\r\n\r\n", 5);
    output_push_region(&h->out, h->pos, 5);
    h->pos += 5;
    return 0;
}

COLD int h1_finish_filters(struct h1 *h)
{
    int error = exchange_finish_filters(&h->x);
    if (error && !h->x.gone)
        error = break_off(h, weir_strerror(error));
    return error || !h->x.reply.trailers ? error : h1_finish_trailed(h);
}

/* Finishes a reply that is neither committed nor the usual one. */
static __attribute__((noinline)) int finish_otherwise(struct h1 *h)
{
    struct exchange *x = &h->x;
    int64_t length;
    if (!exchange_whole_length(x, h->open ? h->pos - h->open : 0, &length))
        return break_off(h, REPLY_OTHER_LENGTH);
    int error = h1_commit_head(h, length);
    if (!error && x->reply.body.len && !reply_is_bodyless(&x->reply))
        queue_body(h);
    return error;
}

static int finish_uncommitted(struct h1 *h)
{
    struct exchange *x = &h->x;
    if (unlikely(x->http->host->before_head(x))) { /* may make the reply if there is none yet */
        int error = h1_finish_filters(h);
        if (error || reply_is_committed(&x->reply))
            return error ? error : finish_stream(h);
    }
    return likely(h1_put_usual(h)) ? 0 : finish_otherwise(h);
}

int h1_commit_final(struct h1 *h)
{
    struct exchange *x = &h->x;
    debug_assert(reply_is_complete(&x->reply) && !reply_is_committed(&x->reply));
    (void)x->http->host->before_head(x); /* may add filters: what they begin to stream ends once, with the handler */
    int error = h1_finish_filters(h);
    return error || reply_is_committed(&x->reply) ? error : finish_uncommitted(h);
}

/* The reply could not be made, or the client has gone. */
static COLD void finish_failed(struct h1 *h, int error)
{
    struct exchange *x = &h->x;
    if (!x->gone)
        http_refused(x->http, REFUSAL_BROKEN_REPLY, weir_strerror(error));
    h1_drop_output(h, error);
    h->open = NULL;
}

/* Has the listeners told when the reply has been sent. */
static COLD void finish_told(struct h1 *h, int error)
{
    struct segment call;
    if (!exchange_over_call(&h->x, error, &call))
        return;
    if (error || !output_has_room(&h->out, 1))
        call.call(call.arg, error, call.len);
    else
        output_push(&h->out, call);
}

int h1_finish_reply(struct h1 *h)
{
    struct exchange *x = &h->x;
    int error = x->gone ? WEIR_ECLOSED : reply_is_committed(&x->reply) ? finish_stream(h) : finish_uncommitted(h);
    if (unlikely(error))
        finish_failed(h, error);
    if (unlikely(reply_has_body(&x->reply)))
        exchange_drop_body(x);
    if (unlikely(exchange_is_listened_to(x)))
        finish_told(h, error);
    return error;
}

int h1_finish_left(struct h1 *h)
{
    struct exchange *x = &h->x;
    int error = x->gone ? WEIR_ECLOSED : h1_close_open(h);
    if (!error && (reply_is_bodyless(&x->reply) || reply_is_complete(&x->reply) || x->reply.length >= 0))
        error = WEIR_EDONE; /* a reply with an end of its own */
    if (error == REPLY_FILTERED)
        error = WEIR_EINVAL; /* and one whose filters would end with the handler */
    if (unlikely(error))
        finish_failed(h, error);
    if (unlikely(exchange_is_listened_to(x)))
        finish_told(h, error);
    return error;
}
