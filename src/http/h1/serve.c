/*
 * A fiber's way through an HTTP/1 connection: from bytes to a head, from a head to its handler, from a reply to the
 * next request.
 *
 * The fiber that takes a connection serves every pipelined request that has arrived and sends their replies in one go.
 * When a reply cannot be sent at once, the fiber leaves and the loop drains the output.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/h1/h1.h"
#include "http/request_log.h"
#include "http/scan.h"

/* ---- From one request to the next ---- */

/* The server stops: idle connections are closed, but who has connected just before has to have the time to say what
 * for. Its request may be on its way. */
static COLD void h1_idle_at_end(struct net *n, struct connection *c, uint32_t idle_timeout)
{
    int32_t left = ticks_between(loop_now_ms(n->loop), c->deadline);
    uint32_t age = left > 0 && (uint32_t)left < idle_timeout ? idle_timeout - (uint32_t)left : 0;
    if (!(c->flags & H1_SERVED) && left > 0 && age < H1_STOP_GRACE_MS)
        connection_deadline(n, c, H1_STOP_GRACE_MS - age);
    else
        connection_close(n, c, false);
}

void h1_idle(struct h1 *h)
{
    struct net *n = h1_net(h);
    struct connection *c = h->x.conn;
    uint32_t idle_timeout = h->x.http->settings->idle_timeout_ms;
    uint32_t requests = h->requests;
    h1_release(h);
    c->state = H1_IDLE;
    c->idled = requests;
    if (unlikely(n->draining))
        h1_idle_at_end(n, c, idle_timeout);
    else
        connection_deadline(n, c, idle_timeout);
}

/* Nothing more to read now and half a head is there: it moves to a block of its size. */
static void h1_spill(struct h1 *h)
{
    struct net *n = h1_net(h);
    struct connection *c = h->x.conn;
    struct spill *s = spill_take(h->x.http, h->in + h->in_pos, h->in_len - h->in_pos);
    bool first = !(c->flags & H1_HEAD_TIMED);
    uint32_t header_timeout = h->x.http->settings->header_timeout_ms;
    uint32_t requests = h->requests;
    h1_release(h);
    if (!s) {
        http_linger_refused(n, c, REFUSAL_MEMORY);
        return;
    }
    s->requests = requests;
    c->active = s;
    c->state = H1_HEAD;
    /* The head's time counts from its first byte: what drips in later does not extend it. */
    if (first) {
        c->flags |= H1_HEAD_TIMED;
        connection_deadline(n, c, n->draining && header_timeout > H1_STOP_GRACE_MS ? H1_STOP_GRACE_MS : header_timeout);
    } else {
        connection_deadline_slow(n, c); /* a timer that has come while this was queued found out nothing */
    }
}

/* Settles whether the connection goes on behind the request's body. Response middleware may read that, so it runs
 * before what is there is dropped. */
static COLD void body_is_over(struct h1 *h)
{
    struct exchange *x = &h->x;
    bool changed = !x->body_read && !reply_is_committed(&x->reply) && !x->gone && x->http->host->before_head(x);
    if (!h1_body_can_drop(h))
        h1_end(h, ENDING_LINGER); /* the reply's head says so, if it is not out */
    if (changed)
        (void)h1_finish_filters(h); /* a failure is x->gone */
}

/* Drops what is left of the body: a head that is out has promised that, and the next request lies behind it. */
static COLD void body_finish(struct h1 *h)
{
    struct exchange *x = &h->x;
    if (!x->gone && !h1_body_drop(h))
        h1_end(h, ENDING_LINGER);
    h1_body_end(h);
    x->http->host->body_over(x);
}

/* The handler has ended and leaves its connection to another: nothing of its reply ends. */
static COLD void finish_leaving(struct h1 *h)
{
    struct exchange *x = &h->x;
    bool body = x->body_length != 0, upgraded = exchange_is_upgraded(x);
    if (body && !upgraded)
        body_is_over(h);
    int error = h1_finish_left(h);
    exchange_let_go(x);
    if (upgraded) {
        h1_body_end(h);
        x->http->host->body_over(x);
    } else if (body) {
        body_finish(h);
    }
    exchange_clear(x);
    x->conn->state = H1_ACTIVE;
    x->conn->flags = H1_SERVED;
    if (error || x->gone || (body && !upgraded && h->ending > ENDING_CLOSE))
        h1_end(h, ENDING_RESET);
    else
        h->next = (uint8_t)net_protocol(h1_net(h), &http_protocol_duplex);
    h1_end(h, ENDING_CLOSE); /* no further request is parsed, and h1_close() comes when all is sent */
}

/* special: as x->special, a constant here so that the usual request asks once. */
static inline __attribute__((always_inline)) void finish(struct h1 *h, bool special)
{
    struct exchange *x = &h->x;
    exchange_end_handler(x, special);
    if (special && x->duplex) {
        finish_leaving(h);
        return;
    }
    bool body = x->body_length != 0;
    if (unlikely(body))
        body_is_over(h);
    if (special)
        (void)h1_finish_filters(h);
    (void)h1_finish_reply(h); /* a failure is x->gone */
    exchange_let_go(x);
    if (unlikely(body))
        body_finish(h);
    exchange_clear(x);
    if (h->in)
        memory_forget(h->in, h->in_pos); /* nor what was read of the body in the same buffer */
    h->served++;
    x->conn->state = H1_ACTIVE;
    x->conn->flags = H1_SERVED;
    if (x->gone)
        h1_end(h, ENDING_CLOSE);
    if (h->ending == ENDING_CLOSE && h->in_pos < h->in_len)
        h1_end(h, ENDING_LINGER);
}

static COLD void finish_special(struct h1 *h)
{
    struct exchange *x = &h->x;
    uint32_t most = x->http->settings->max_requests;
    if (most > 0 && h->requests == most) /* here, because one that has to wait for memory begins twice */
        http_refused_request(x->http, x->conn, x, REFUSAL_CONNECTION_REQUESTS, NULL);
    finish(h, true);
}

void h1_finish_exchange(struct h1 *h)
{
    if (unlikely(h->x.special))
        finish_special(h);
    else
        finish(h, false);
}

/* The limits of a request that few servers set. */
static COLD void request_special(struct h1 *h)
{
    if (++h->requests == h->x.http->settings->max_requests)
        h1_end(h, ENDING_LINGER); /* the client may have sent more */
    exchange_begin_special(&h->x);
}

/* The request cannot be admitted now: its head is unparsed input again. */
static COLD void request_undo(struct h1 *h, uint32_t start)
{
    exchange_undo(&h->x);
    h->requests--;
    h->in_pos = start;
    h->ending = ENDING_KEEP;
}

/* Handles the request whose head has been parsed. False: it cannot be admitted now. */
static bool h1_request(struct h1 *h)
{
    struct exchange *x = &h->x;
    uint32_t start = h->in_pos;
    h->in_pos = (uint32_t)(x->head.base - h->in) + x->head.size; /* the base is behind empty lines, if some came */
    h->head_end = h->in_pos;
    exchange_begin(x);
    h1_body_begin(h);
    uint16_t flags = x->head.flags;
    bool close = (flags & HEAD_CLOSE) || (x->head.version == WEIR_HTTP_1_0 && !(flags & HEAD_KEEP_ALIVE));
    h->ending = close ? ENDING_CLOSE : ENDING_KEEP;
    if (unlikely(x->http->special))
        request_special(h);
    if (x->head.method_len == 4 && memcmp(x->head.base, "HEAD", 4) == 0)
        x->reply.form = REPLY_BODYLESS;
    const char *reason;
    int status = target_split(&x->head, &x->target, &reason);
    if (likely(status == 0)) {
        if (unlikely(!x->http->host->handle(x))) {
            request_undo(h, start);
            return false;
        }
    } else {
        h1_end(h, ENDING_LINGER);
        exchange_forget_class(x);
        x->http->host->refuse(x, status, reason);
    }
    h1_finish_exchange(h);
    return true;
}

/* The cause that fits the status with which a head is refused. */
static enum refusal head_refusal(const struct h1 *h, int status)
{
    switch (status) {
    case 414:
        return REFUSAL_REQUEST_LINE;
    case 417:
        return REFUSAL_EXPECTATION;
    case 431:
        return h->x.head.field_count == h->x.head.field_max ? REFUSAL_HEADER_COUNT : REFUSAL_HEADER_BLOCK;
    case 501:
        return REFUSAL_NOT_IMPLEMENTED;
    case 503:
        return REFUSAL_MEMORY;
    case 505:
        return REFUSAL_VERSION;
    default:
        return REFUSAL_MALFORMED;
    }
}

/* Whether the head that begins at in_pos, and need not be whole or right, is a HEAD request's: its refusal has no
 * content (RFC 9110 section 9.3.2). */
static COLD bool is_to_head(const struct h1 *h)
{
    const char *at = h->in + h->in_pos, *end = h->in + h->in_len;
    while (end - at >= 2 && memcmp(at, "\r\n", 2) == 0)
        at += 2;
    return end - at >= 5 && memcmp(at, "HEAD ", 5) == 0;
}

/* The head cannot be served, because of status. */
static enum h1_parse_result head_refuse(struct h1 *h, int status)
{
    h->parser.status = (uint16_t)status;
    h->parser.reason = NULL;
    return H1_REFUSED;
}

/* A head that is not one: replies and closes. Nothing behind it is looked at. */
static COLD void h1_refuse(struct h1 *h)
{
    struct exchange *x = &h->x;
    int status = h->parser.status;
    bool to_head = is_to_head(h);
    enum refusal cause = head_refusal(h, status);
    const char *reason = h->parser.reason ? h->parser.reason : refusal_infos[cause].text;
    http_refused_request(x->http, x->conn, NULL, cause, reason);
    h->in_pos = h->in_len;
    h->head_end = h->in_len;
    h->parsing = false;
    exchange_begin(x);
    exchange_forget_class(x);
    x->head = (struct http_head){
        .base = h->in, .version = WEIR_HTTP_1_1, .fields = x->head.fields, .field_max = x->head.field_max};
    x->target = (struct target){.plain = false};
    x->reply.form = to_head ? REPLY_BODYLESS : REPLY_PLAIN;
    h1_body_begin(h);
    h1_end(h, ENDING_LINGER);
    x->http->host->refuse(x, status, reason);
    h1_finish_exchange(h);
    h1_end(h, ENDING_LINGER);
}

/* Parses the head at in_pos, from its beginning. */
static enum h1_parse_result parse_anew(struct h1 *h)
{
    h->parsing = true;
    h1_parse_begin(&h->parser, &h->x.head);
    return h1_parse(&h->parser, &h->x.head, h->in + h->in_pos, h->in_len - h->in_pos);
}

/* More fields than the record holds: once more, with a table as long as the settings allow. */
static COLD enum h1_parse_result parse_long(struct h1 *h)
{
    struct exchange *x = &h->x;
    if (x->head.fields != x->fields || x->http->settings->max_headers <= HEAD_FIELDS_INLINE)
        return H1_REFUSED;
    struct http_field *fields = pool_take(&x->http->fields);
    if (!fields)
        return head_refuse(h, 503);
    counter_add(&x->http->counters.unlike_requests, 1);
    x->head.fields = fields;
    x->head.field_max = x->http->settings->max_headers;
    return parse_anew(h);
}

/* Whether what has been parsed, the whole head or its beginning, keeps to the limits that may be lower than the
 * buffer's size. */
static COLD enum h1_parse_result head_limits(struct h1 *h, enum h1_parse_result parsed)
{
    const struct http_settings *settings = h->x.http->settings;
    const struct http_head *head = &h->x.head;
    uint32_t seen = h->in_len - h->in_pos - 2u * h->parser.empty_lines, line;
    if (parsed == H1_COMPLETE)
        seen = head->size;
    line = seen;
    int place = parsed == H1_COMPLETE ? 431 : h1_too_long(&h->parser);
    if (place == 431)
        line = head->target + head->target_len + (uint32_t)sizeof " HTTP/1.1\r\n" - 1;
    if (line > settings->max_request_line)
        return head_refuse(h, place == 431 ? 414 : place);
    return seen > line && seen - line > settings->max_header_block ? head_refuse(h, 431) : parsed;
}

static enum h1_parse_result parse_input(struct h1 *h)
{
    struct exchange *x = &h->x;
    if (h->in_pos == h->in_len)
        return H1_INCOMPLETE;
    memset(h->in + h->in_len, 0, SCAN_SLACK);
    enum h1_parse_result parsed =
        h->parsing ? h1_parse(&h->parser, &x->head, h->in + h->in_pos, h->in_len - h->in_pos) : parse_anew(h);
    if (unlikely(parsed == H1_REFUSED && h->parser.status == 431 && x->head.field_count == x->head.field_max))
        parsed = parse_long(h);
    if (unlikely(h->in_len - h->in_pos > x->http->head_check) && parsed != H1_REFUSED)
        parsed = head_limits(h, parsed);
    if (parsed != H1_INCOMPLETE)
        h->parsing = false;
    return parsed;
}

/* ---- Serving ---- */

/* Leaves what is unsent to the loop; this fiber is done. result: what h1_send() said. */
static void h1_leave(struct h1 *h, int result)
{
    struct net *n = h1_net(h);
    struct connection *c = h->x.conn;
    c->state = H1_DRAINING;
    counter_add(&h->x.http->counters.draining, 1);
    h1_shed(h);
    if (h->x.http->admission.limited &&
        !admission_keep_output(&h->x, (h->in != NULL) + (uint32_t)(h->second != NULL))) {
        http_refused_request(h->x.http, c, &h->x, REFUSAL_MEMORY, "no memory to keep a reply that is not taken");
        h->x.gone = true;
        h1_end(h, ENDING_RESET);
        h1_close(h);
        return;
    }
    if (result == OUTPUT_TURN)
        connection_queue(n, c);
}

/* Leaves a connection on which nothing came. False, as h1_receive(). */
static __attribute__((noinline)) bool received_nothing(struct h1 *h, ssize_t got)
{
    if (got != TRANSPORT_WANT_READ) {
        h->x.gone = got < 0;
        h1_close(h);
    } else if (h->in_pos == h->in_len) {
        h1_idle(h);
    } else {
        h1_spill(h);
    }
    return false;
}

static inline bool receive_behind(struct h1 *h, uint32_t most)
{
    struct connection *c = h->x.conn;
    ssize_t got = TRANSPORT_WANT_READ;
    if (c->ready & READY_READ)
        got = connection_read(h1_net(h), c, h->in + h->in_len, most - h->in_len);
    if (unlikely(got <= 0))
        return received_nothing(h, got);
    h->in_len += (uint32_t)got;
    return true;
}

/* Receives more behind the beginning of a head. */
static __attribute__((noinline)) bool receive_more(struct h1 *h, uint32_t most)
{
    if (h->in_pos > 0 && h->in_len > most / 2) {
        memmove(h->in, h->in + h->in_pos, h->in_len - h->in_pos);
        h->in_len -= h->in_pos;
        h->in_pos = 0;
    }
    if (h->in_len - h->in_pos == most) {
        (void)head_refuse(h, h1_too_long(&h->parser));
        h1_refuse(h);
        return true;
    }
    return receive_behind(h, most);
}

bool h1_receive(struct h1 *h)
{
    uint32_t size = h->x.http->settings->buffer_size;
    uint32_t most = size < HEAD_SIZE_MAX ? size : HEAD_SIZE_MAX;
    memory_unpoison(h->in, h->in_pos);
    if (unlikely(h->in_pos != h->in_len))
        return receive_more(h, most);
    h->in_pos = h->in_len = 0;
    return receive_behind(h, most);
}

/* Whether the output should be sent before another request is parsed: also where a file is in it, so that a connection
 * has one open. */
static bool h1_output_high(const struct h1 *h)
{
    return h->out.unread > 0 || h->out.count > OUTPUT_SEGMENTS / 2 || (h->region && h->region_end - h->pos < 1024);
}

/* Serves the request whose head has been parsed. False: it cannot be admitted now. */
static inline bool serve_request(struct h1 *h)
{
    if (unlikely(!h1_request(h)))
        return false;
    if (unlikely(h->served >= h->x.http->settings->pipeline_depth)) {
        h->served = 0;
        exchange_yield(&h->x);
    }
    return true;
}

void h1_serve(struct h1 *h)
{
    for (;;) {
        bool over = h->ending != ENDING_KEEP || h->x.gone;
        enum h1_parse_result parsed = over ? H1_INCOMPLETE : parse_input(h);
        if (unlikely(parsed == H1_REFUSED)) {
            enum h1_prior prior = h1_prior_knowledge(h);
            if (prior == PRIOR_DONE)
                return;
            if (prior == PRIOR_NONE) {
                h1_refuse(h);
                continue;
            }
            parsed = H1_INCOMPLETE;
        }
        bool postponed = parsed == H1_COMPLETE && !serve_request(h); /* waits once the replies before it are out */
        if (parsed == H1_COMPLETE && !postponed && likely(!h1_output_high(h)))
            continue;
        int sent = h1_send(h);
        if (transport_wants(sent) || sent == OUTPUT_TURN) {
            h1_leave(h, sent);
            return;
        }
        if (h->ending != ENDING_KEEP || h->x.gone) {
            h1_close(h);
            return;
        }
        if (unlikely(postponed)) {
            h1_wait(h);
            return;
        }
        if (parsed == H1_COMPLETE)
            continue;
        if (h->in_pos == h->in_len && !(h->x.conn->ready & READY_READ)) {
            h1_idle(h); /* as h1_receive() would find out */
            return;
        }
        if (!h1_receive(h))
            return;
    }
}
