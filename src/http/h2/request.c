/*
 * From a whole header block to the end of a handler.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/h2/h2.h"
#include "http/request_log.h"

/* More fields than the record holds: a table as long as the settings allow. */
static bool more_fields(void *arg, struct http_head *head)
{
    struct h2_stream *s = arg;
    struct exchange *x = &s->x;
    if (head->fields != x->fields || x->http->settings->max_headers <= HEAD_FIELDS_INLINE)
        return false;
    struct http_field *fields = pool_take(&x->http->fields);
    if (!fields)
        return false;
    counter_add(&x->http->counters.unlike_requests, 1);
    memcpy(fields, x->fields, sizeof x->fields);
    head->fields = fields;
    head->field_max = x->http->settings->max_headers;
    return true;
}

/* The header block has been decoded: what it was put together in is given back, before a handler may be left for
 * good. */
static void block_over(struct h2 *h)
{
    if (likely(!h->block))
        return;
    spill_give(h->http, h->block);
    h->block = NULL;
}

/* A header block that cannot be decoded: what comes behind it cannot be, either. */
static COLD void block_failed(struct h2 *h, const struct h2_head *head)
{
    h2_fail(h, head->error, head->error == H2_INTERNAL_ERROR ? REFUSAL_MEMORY : REFUSAL_H2_PROTOCOL, head->reason);
}

/* A block that nobody serves is decoded all the same. False: the connection has failed. */
static bool block_discard(struct h2 *h, const uint8_t *block, size_t len)
{
    struct h2_head ignored;
    enum h2_head_result result = h2_head_discard(&ignored, &h->kept.hpack, &h->http->h2_tables, block, len);
    block_over(h);
    if (result == H2_HEAD_GOOD)
        return true;
    block_failed(h, &ignored);
    return false;
}

/* ---- Trailers ---- */

/* A second header block on a stream: the fields behind its body. */
static bool trailers_come(struct h2 *h, uint32_t id, uint8_t flags, const uint8_t *block, size_t len)
{
    struct http *http = h->http;
    struct h2_stream *s = h2_find(h, id);
    size_t most = http->settings->max_trailer + 1u, used;
    bool wanted = s ? s->remote == H2_REMOTE_OPEN : h2_is_leftover(h, id);
    char *buffer = wanted ? http_take(http, &http->buffers) : NULL;
    if (!buffer) {
        if (!block_discard(h, block, len))
            return false;
        if (s && s->remote == H2_REMOTE_OPEN)
            h2_stream_reset(s, H2_ENHANCE_YOUR_CALM);
        else if (s && s->remote == H2_REMOTE_ENDED)
            h2_stream_reset(s, H2_STREAM_CLOSED);
        return h2_fault(h, 1, REFUSAL_H2_RESETS);
    }
    if (most + HPACK_SLACK > http->settings->buffer_size)
        most = http->settings->buffer_size - HPACK_SLACK;
    struct h2_head head;
    enum h2_head_result result =
        h2_trailer_decode(&head, buffer, most + HPACK_SLACK, &used, &h->kept.hpack, &http->h2_tables, block, len);
    block_over(h);
    if (s && result == H2_HEAD_GOOD && used > 0) {
        s->trailers = spill_take_any(http, used);
        if (s->trailers)
            memcpy(s->trailers->data, buffer, used);
    }
    pool_give(&http->buffers, buffer);
    if (result == H2_HEAD_CONNECTION) {
        block_failed(h, &head);
        return false;
    }
    bool good = result == H2_HEAD_GOOD && (flags & H2_END_STREAM);
    h2_leftover_end(h, id);
    if (good && (!s || used == 0 || s->trailers)) {
        if (s)
            h2_body_ended(s);
        return true;
    }
    if (!s) {
        h2_reset_unknown(h, id, H2_PROTOCOL_ERROR);
        return h2_fault(h, 1, REFUSAL_H2_RESETS);
    }
    if (s->running)
        exchange_refuse(&s->x, result == H2_HEAD_REFUSED ? REFUSAL_TRAILER : REFUSAL_MALFORMED, head.reason);
    h2_stream_reset(s, H2_PROTOCOL_ERROR);
    return h2_fault(h, 1, REFUSAL_H2_RESETS);
}

/* ---- The end of a handler ---- */

void h2_finish_exchange(struct h2_stream *s)
{
    struct exchange *x = &s->x;
    struct http *http = x->http;
    bool special = x->special;
    exchange_end_handler(x, special);
    if (unlikely(x->duplex)) {
        h2_finish_leaving(s);
        return;
    }
    if (unlikely(x->ops != &h2_exchange_ops))
        (void)h2_finish_filters(s);
    h2_finish_reply(s);
    exchange_let_go(x);
    if (s->body || s->spare)
        h2_body_drop(s);
    if (x->body_length != 0)
        http->host->body_over(x);
    exchange_clear(x);
    s->running = false;
    if (h2_stream_release(s))
        return;
    s->draining = true;
    h2_stream_watch(s);
}

/* What a stream keeps whose handler has ended, and whose reply could not be sent at once. */
static void stream_keep(struct h2 *h, uint32_t id)
{
    struct h2_stream *s = h2_find(h, id);
    if (!s || !s->draining)
        return;
    h2_stream_shed(s);
    if (!h->http->admission.limited || admission_keep_output(&s->x, s->buffer != NULL))
        return;
    http_refused_request(h->http, h->conn, &s->x, REFUSAL_MEMORY, "no memory to keep a reply that is not taken");
    h2_stream_reset(s, H2_ENHANCE_YOUR_CALM);
}

void h2_resume_failed(struct h2_stream *s)
{
    struct h2 *h = s->h2;
    uint32_t id = s->id;
    if (!s->x.gone)
        s->x.cut = false; /* the request is over its time: there may be a page */
    s->x.http->host->resume(&s->x);
    h2_finish_exchange(s);
    (void)h2_send(h, false);
    stream_keep(h, id);
}

/* ---- The beginning ---- */

static enum refusal head_refusal(const struct h2_head *head)
{
    switch (head->status) {
    case 414:
        return REFUSAL_REQUEST_LINE;
    case 417:
        return REFUSAL_EXPECTATION;
    case 431:
        return head->fields_full ? REFUSAL_HEADER_COUNT : REFUSAL_HEADER_BLOCK;
    case 501:
        return REFUSAL_NOT_IMPLEMENTED;
    default:
        return REFUSAL_MALFORMED;
    }
}

/* The head breaks a limit or a rule that a reply can tell. Nothing of it is looked at. */
static COLD void request_unread(struct h2_stream *s, const struct h2_head *head)
{
    struct exchange *x = &s->x;
    http_refused_request(x->http, x->conn, NULL, head_refusal(head), head->reason);
    x->head = (struct http_head){
        .base = s->buffer, .version = WEIR_HTTP_2, .fields = x->head.fields, .field_max = x->head.field_max};
    x->target = (struct target){.plain = false};
}

/* The limits of a request that few servers set. */
static COLD void request_special(struct h2_stream *s)
{
    struct h2 *h = s->h2;
    uint32_t most = h->http->settings->max_requests;
    exchange_begin_special(&s->x);
    if (most > 0 && ++h->kept.requests >= most) {
        http_refused_request(h->http, h->conn, NULL, REFUSAL_CONNECTION_REQUESTS, NULL); /* s has no route yet */
        h2_go_away(h);
    }
}

bool h2_serve_request(struct h2_stream *s, const struct h2_head *head, bool ended, bool waited)
{
    struct exchange *x = &s->x;
    struct h2 *h = s->h2;
    uint32_t id = s->id;
    exchange_begin(x);
    if (!waited)
        h2_body_begin(s, ended);
    s->running = true;
    s->local = H2_LOCAL_OPEN;
    if (x->http->special && !waited)
        request_special(s);
    else if (x->http->special)
        exchange_begin_special(x);
    if (x->head.method_len == 4 && memcmp(x->head.base, "HEAD", 4) == 0)
        x->reply.form = REPLY_BODYLESS;
    const char *reason = head ? head->reason : NULL;
    int status = head && head->status ? head->status : target_split(&x->head, &x->target, &reason);
    if (unlikely(status)) {
        if (head)
            request_unread(s, head);
        exchange_forget_class(x);
        x->http->host->refuse(x, status, reason);
    } else if (unlikely(!x->http->host->handle(x))) {
        timer_cancel(&h2_net(h)->loop->wheel, &x->deadline); /* the head stays as it is: it is kept */
        arena_done(&x->arena, x->inline_memory, sizeof x->inline_memory);
        s->running = false;
        return false;
    }
    h2_finish_exchange(s);
    if (unlikely(h2_find(h, id) != NULL)) {
        (void)h2_send(h, true);
        stream_keep(h, id);
    }
    return true;
}

/* The stream cannot be opened: there are too many, the server ends, or there is no memory. */
static COLD bool open_refuse(struct h2 *h, uint32_t id, enum refusal cause, const uint8_t *block, size_t len)
{
    if (!block_discard(h, block, len))
        return false;
    if (cause != REFUSAL_NONE)
        http_refused_request(h->http, h->conn, NULL, cause, "a stream was refused");
    h2_reset_unknown(h, id, H2_REFUSED_STREAM);
    return h2_fault(h, 1, REFUSAL_H2_RESETS);
}

/* Decodes the head into the stream's buffer. */
static enum h2_head_result head_decode(struct h2_stream *s, struct h2_head *head, const uint8_t *block, size_t len)
{
    const struct http_settings *settings = s->x.http->settings;
    struct h2_head_place place = {
        .head = &s->x.head,
        .buf = s->buffer,
        .size = settings->buffer_size < HEAD_SIZE_MAX ? settings->buffer_size : HEAD_SIZE_MAX,
        .request_line_max = settings->max_request_line,
        .block_max = settings->max_header_block,
        .connect = settings->h2_connect,
        .more_fields = more_fields,
        .more_fields_arg = s,
    };
    return h2_head_decode(head, &place, &s->h2->kept.hpack, &s->x.http->h2_tables, block, len);
}

/* A new stream, by its id, which is the highest so far. */
static bool open_stream(struct h2 *h, uint32_t id, uint8_t flags, const uint8_t *block, size_t len)
{
    struct h2_kept *k = &h->kept;
    if (h->ending >= H2_GOING) /* the client does not know yet: it will try elsewhere */
        return block_discard(h, block, len);
    k->last_stream = id;
    if (k->table == H2_TABLE_PARKED)
        h2_announce_table(h, HPACK_TABLE_MAX);
    if (h->ending >= H2_FAILED)
        return false;
    if (h->streams >= h->http->settings->h2_max_streams)
        return open_refuse(h, id, REFUSAL_H2_STREAMS, block, len);
    struct h2_stream *s = h2_stream_take(h, id);
    if (!s)
        return open_refuse(h, id, REFUSAL_MEMORY, block, len);
    struct h2_head head = {.reason = NULL};
    enum h2_head_result result = head_decode(s, &head, block, len);
    block_over(h);
    bool ended = flags & H2_END_STREAM;
    if (unlikely(result == H2_HEAD_GOOD && ended && s->x.head.content_length > 0)) { /* RFC 9113 section 8.1.1 */
        result = H2_HEAD_MALFORMED;
        head.reason = "a length, and no body";
    }
    if (result == H2_HEAD_CONNECTION || result == H2_HEAD_MALFORMED || h->block_broken) {
        h2_stream_untake(s);
        if (result == H2_HEAD_CONNECTION) {
            block_failed(h, &head);
            return false;
        }
        http_refused_request(h->http, h->conn, NULL, REFUSAL_MALFORMED, head.reason);
        h2_reset_unknown(h, id, H2_PROTOCOL_ERROR);
        return h2_fault(h, 1, REFUSAL_H2_RESETS);
    }
    k->priorities |= head.has_priority;
    s->priority = head.priority;
    if (!k->priorities) /* one who knows none has not said that the reply is of use only when it is whole */
        s->priority.incremental = true;
    if (result == H2_HEAD_GOOD)
        head.status = 0;
    h2_stream_add(s);
    if (likely(h2_serve_request(s, result == H2_HEAD_REFUSED ? &head : NULL, ended, false)))
        return h->ending < H2_FAILED;
    return h2_wait(s) && h->ending < H2_FAILED;
}

bool h2_headers(struct h2 *h, uint32_t id, uint8_t flags, const uint8_t *block, size_t len)
{
    if (id <= h->kept.last_stream) {
        struct h2_waiting *w = h2_find_waiting(h, id);
        if (h2_find(h, id) || h2_is_leftover(h, id))
            return trailers_come(h, id, flags, block, len);
        if (w) {
            h2_unwait(h, w);
            return open_refuse(h, id, REFUSAL_MEMORY, block, len);
        }
        if (h2_was_reset(h, id))
            return block_discard(h, block, len) && h2_fault(h, 1, REFUSAL_H2_RESETS);
        h2_fail(h, H2_STREAM_CLOSED, REFUSAL_H2_PROTOCOL, "HEADERS on a stream that is closed");
        return false;
    }
    return open_stream(h, id, flags, block, len);
}
