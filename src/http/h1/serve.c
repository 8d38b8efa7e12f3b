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

#define H1_POSTPONED 2 /* a status of parsing beside H1_INCOMPLETE and H1_COMPLETE */

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
        http_refuse_connection(n->owner, c, REFUSAL_MEMORY);
        h1_linger(n, c);
        return;
    }
    s->requests = requests;
    c->active = s;
    c->state = H1_HEAD;
    /* Counted from the head's first byte: what drips in later does not extend it. */
    if (first) {
        c->flags |= H1_HEAD_TIMED;
        connection_deadline(n, c, n->draining && header_timeout > H1_STOP_GRACE_MS ? H1_STOP_GRACE_MS : header_timeout);
    } else {
        connection_deadline_slow(n, c); /* a timer that has come while this was queued found out nothing */
    }
}

static void exchange_begin(struct h1 *h)
{
    struct exchange *x = &h->x;
    arena_init(&x->arena, &x->http->arenas, x->inline_memory, sizeof x->inline_memory);
    struct reply *r = &x->reply; /* what is not set here has no meaning yet */
    r->status = 200;
    r->close = r->ended = false;
    r->length = REPLY_LENGTH_UNKNOWN;
    r->type = slice_of(NULL, 0);
    r->fields = NULL;
    r->last = &r->fields;
    r->on_sent = NULL;
    r->body = (struct segment){.kind = SEGMENT_STATIC};
    x->begin_ns = counter_read(&x->http->counters.turn_ns);
    x->body_sent = 0;
    x->budget = 8 * 1024;
    x->moved = 0;
    x->dead_ends = 0;
    x->sealing = x->committed = x->bodyless = x->chunked = x->failed = x->suspended = x->special = false;
    x->refusal = REFUSAL_NONE;
    x->untold = x->http->settings->news;
    h->finishing = false;
}

static void exchange_count_class(struct exchange *x)
{
    unsigned class = x->committed ? (unsigned)x->reply.status / 100 : 0;
    counter_add(&x->http->counters.replies[class], 1);
}

static inline void exchange_count(struct exchange *x)
{
    struct route_counters *route = &x->http->routes[likely(x->class) ? (ptrdiff_t)x->class->number : -1];
    counter_add(&route->counts[0], 1);
    if (unlikely(x->reply.status != 200 || !x->committed))
        exchange_count_class(x);
    if (unlikely(counter_read(&x->http->counters.turn_ns) != x->begin_ns))
        http_count_time(x->http, route, x->begin_ns);
}

/*
 * Whether the handler has said something of its own to a refusal: it made an error's reply, or wrote one, or has set
 * such a status since. A status that it had set before, and then waited with, says nothing.
 */
static COLD bool refusal_answered(const struct exchange *x)
{
    if (x->committed)
        return true;
    if (x->reply.status < 400)
        return false;
    return x->reply.ended || (!x->failed && (x->body_sent > 0 || x->reply.status != x->reply.status_then));
}

/* The request was refused while its handler ran, or is over its time: the client is told so if it still can be,
 * whatever the handler made of it. */
static COLD void exchange_settle(struct h1 *h)
{
    struct exchange *x = &h->x;
    timer_cancel(&h1_net(h)->loop->wheel, &x->deadline);
    uint32_t most = x->http->settings->max_requests;
    if (most > 0 && h->requests == most) /* here, because one that has to wait for memory begins twice */
        http_refused_request(x->http, x->conn, x, REFUSAL_CONNECTION_REQUESTS, NULL);
    if (x->http->admission.limited)
        admission_learn(x);
    if (x->refusal == REFUSAL_NONE)
        return;
    h->close = h->linger = true;
    if (x->gone)
        return;
    x->cut = false; /* the page has to get out */
    if (!refusal_answered(x))
        x->http->host->replace(x);
}

/* Whether the connection goes on behind the request's body. Response middleware may read that, so it runs before what
 * is there is dropped. */
static COLD bool body_is_over(struct h1 *h)
{
    struct exchange *x = &h->x;
    if (!x->body_read && !x->committed && !x->gone)
        x->http->host->before_head(x);
    return h1_body_can_drop(h);
}

/* special: as x->special, a constant here so that the usual request asks once. */
static inline __attribute__((always_inline)) void exchange_finish(struct h1 *h, bool special)
{
    struct exchange *x = &h->x;
    if (special)
        exchange_settle(h);
    bool body = x->body_length != 0;
    if (unlikely(body) && !body_is_over(h))
        h->close = h->linger = true; /* the reply's head says so, if it is not out */
    (void)h1_finish_reply(h);        /* its failure is x->gone */
    x->http->host->ended(x);
    if (special)
        http_log_request(x);
    if (unlikely(body)) {
        if (!x->gone && !h1_body_drop(h))
            h->close = h->linger = true;
        h1_body_end(h);
        x->http->host->body_over(x);
    }
    arena_done(&x->arena, x->inline_memory, sizeof x->inline_memory);
    if (unlikely(x->head.fields != x->fields))
        h1_shrink_fields(h);
    x->head.method_len = 0; /* the head is there no more */
    if (h->in)
        memory_forget(h->in, h->in_pos); /* nor what was read of the body in the same buffer */
    exchange_count(x);
    h->served++;
    x->conn->state = H1_ACTIVE;
    x->conn->flags = H1_SERVED;
    if (x->gone)
        h->close = true;
    if (h->close && h->in_pos < h->in_len)
        h->linger = true;
}

static COLD void exchange_finish_special(struct h1 *h)
{
    exchange_finish(h, true);
}

void h1_finish_exchange(struct h1 *h)
{
    h->finishing = true; /* from here on a cut lets the waits fail, and ends nothing */
    if (unlikely(h->x.special))
        exchange_finish_special(h);
    else
        exchange_finish(h, false);
}

/* The limits of a request that few servers set. */
static COLD void request_special(struct h1 *h)
{
    struct exchange *x = &h->x;
    const struct http_settings *settings = x->http->settings;
    if (++h->requests == settings->max_requests)
        h->close = h->linger = true; /* the client may have sent more */
    x->special = true;
    if (settings->handler_timeout_ms > 0)
        timer_arm(&h1_net(h)->loop->wheel, &x->deadline, loop_delay(settings->handler_timeout_ms));
}

/* The request cannot be admitted now: its head is unparsed input again. */
static COLD void request_undo(struct h1 *h, uint32_t start)
{
    struct exchange *x = &h->x;
    h->requests--;
    timer_cancel(&h1_net(h)->loop->wheel, &x->deadline);
    arena_done(&x->arena, x->inline_memory, sizeof x->inline_memory);
    if (x->head.fields != x->fields)
        h1_shrink_fields(h);
    h->in_pos = start;
    h->close = h->linger = false;
}

/* Lets the connection wait until the request at in_pos can be admitted, or refuses it if there is no memory even for
 * that. */
static COLD void h1_wait(struct h1 *h)
{
    struct http *http = h->x.http;
    struct net *n = http->net;
    struct connection *c = h->x.conn;
    struct admission_class *class = h->x.class;
    uint32_t requests = h->requests;
    struct spill *s = spill_take(http, h->in + h->in_pos, h->in_len - h->in_pos);
    h1_release(h);
    c->flags &= H1_SERVED;
    if (s && admission_wait(http, c, s, class)) {
        s->requests = requests;
        connection_deadline(n, c, http->settings->memory_wait_ms);
        return;
    }
    if (s)
        spill_give(http, s);
    http_refuse_connection(http, c, REFUSAL_MEMORY);
    h1_linger(n, c);
}

/* Handles the request whose head has been parsed. H1_COMPLETE, or H1_POSTPONED: it cannot be admitted now. */
static int h1_request(struct h1 *h)
{
    struct exchange *x = &h->x;
    uint32_t start = h->in_pos;
    h->in_pos = (uint32_t)(x->head.base - h->in) + x->head.size; /* the base is behind empty lines, if some came */
    h->head_end = h->in_pos;
    exchange_begin(h);
    h1_body_begin(h);
    uint16_t flags = x->head.flags;
    h->close = (flags & HEAD_CLOSE) || (x->head.minor == 0 && !(flags & HEAD_KEEP_ALIVE));
    if (unlikely(x->http->special))
        request_special(h);
    x->bodyless = x->head.method_len == 4 && memcmp(x->head.base, "HEAD", 4) == 0;
    const char *reason;
    int status = target_split(&x->head, &x->target, &reason);
    if (likely(status == 0)) {
        if (unlikely(!x->http->host->handle(x))) {
            request_undo(h, start);
            return H1_POSTPONED;
        }
    } else {
        h->close = h->linger = true;
        exchange_forget_class(x);
        x->http->host->refuse(x, status, reason);
    }
    h1_finish_exchange(h);
    return H1_COMPLETE;
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

/* A head that is not one: replies and closes. Nothing behind it is looked at. */
static COLD void h1_refuse(struct h1 *h, int status)
{
    struct exchange *x = &h->x;
    bool to_head = is_to_head(h);
    enum refusal cause = head_refusal(h, status);
    const char *reason = h->parser.reason ? h->parser.reason : refusal_infos[cause].text;
    http_refused_request(x->http, x->conn, NULL, cause, reason);
    h->in_pos = h->in_len;
    h->head_end = h->in_len;
    h->parsing = false;
    exchange_begin(h);
    exchange_forget_class(x);
    x->head = (struct http_head){.base = h->in, .minor = 1, .fields = x->head.fields, .field_max = x->head.field_max};
    x->target = (struct target){.plain = false};
    x->bodyless = to_head;
    h1_body_begin(h);
    h->close = h->linger = true;
    x->http->host->refuse(x, status, reason);
    h1_finish_exchange(h);
    h->close = h->linger = true;
}

/* Parses the head at in_pos, from its beginning. */
static int parse_anew(struct h1 *h)
{
    h->parsing = true;
    h1_parse_begin(&h->parser, &h->x.head);
    return h1_parse(&h->parser, &h->x.head, h->in + h->in_pos, h->in_len - h->in_pos);
}

/* More fields than the record holds: once more, with a table as long as the settings allow. */
static COLD int parse_long(struct h1 *h)
{
    struct exchange *x = &h->x;
    if (x->head.fields != x->fields || x->http->settings->max_headers <= HEAD_FIELDS_INLINE)
        return 431;
    struct http_field *fields = pool_take(&x->http->fields);
    if (!fields)
        return 503;
    counter_add(&x->http->counters.field_tables, 1);
    x->head.fields = fields;
    x->head.field_max = x->http->settings->max_headers;
    return parse_anew(h);
}

/* Whether what has been parsed, the whole head or its beginning, keeps to the limits that may be lower than the
 * buffer's size. */
static COLD int head_limits(struct h1 *h, int status)
{
    const struct http_settings *settings = h->x.http->settings;
    const struct http_head *head = &h->x.head;
    uint32_t seen = h->in_len - h->in_pos - 2u * h->parser.empty_lines, line;
    if (status == H1_COMPLETE)
        seen = head->size;
    line = seen;
    int place = status == H1_COMPLETE ? 431 : h1_too_long(&h->parser);
    if (place == 431)
        line = head->target + head->target_len + (uint32_t)sizeof " HTTP/1.1\r\n" - 1;
    if (line > settings->max_request_line)
        return place == 431 ? 414 : place;
    return seen > line && seen - line > settings->max_header_block ? 431 : status;
}

static int parse_input(struct h1 *h)
{
    struct exchange *x = &h->x;
    if (h->in_pos == h->in_len)
        return H1_INCOMPLETE;
    memset(h->in + h->in_len, 0, SCAN_SLACK);
    int status = h->parsing ? h1_parse(&h->parser, &x->head, h->in + h->in_pos, h->in_len - h->in_pos) : parse_anew(h);
    if (unlikely(status == 431 && x->head.field_count == x->head.field_max))
        status = parse_long(h);
    if (unlikely(h->in_len - h->in_pos > x->http->head_check) && (status == H1_COMPLETE || status == H1_INCOMPLETE))
        status = head_limits(h, status);
    if (status != H1_INCOMPLETE)
        h->parsing = false;
    return status;
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
    if (h->x.http->admission.limited && !admission_keep_output(h, (h->in != NULL) + (uint32_t)(h->second != NULL))) {
        http_refused_request(h->x.http, c, &h->x, REFUSAL_MEMORY, "no memory to keep a reply that is not taken");
        h->reset = h->x.gone = true;
        h1_close(h);
        return;
    }
    if (result == OUTPUT_TURN)
        connection_queue(n, c);
}

bool h1_receive(struct h1 *h)
{
    struct net *n = h1_net(h);
    struct connection *c = h->x.conn;
    uint32_t size = h->x.http->settings->buffer_size;
    uint32_t most = size < HEAD_SIZE_MAX ? size : HEAD_SIZE_MAX;
    memory_unpoison(h->in, h->in_pos);
    if (h->in_pos == h->in_len)
        h->in_pos = h->in_len = 0;
    if (h->in_pos > 0 && h->in_len > most / 2) {
        memmove(h->in, h->in + h->in_pos, h->in_len - h->in_pos);
        h->in_len -= h->in_pos;
        h->in_pos = 0;
    }
    if (h->in_len - h->in_pos == most) {
        h->parser.reason = NULL;
        h1_refuse(h, h1_too_long(&h->parser));
        return true;
    }
    ssize_t got = TRANSPORT_WANT_READ;
    if (c->ready & READY_READ)
        got = connection_read(n, c, h->in + h->in_len, most - h->in_len);
    if (got > 0) {
        h->in_len += (uint32_t)got;
        return true;
    }
    if (got == TRANSPORT_WANT_READ) {
        if (h->in_pos == h->in_len)
            h1_idle(h);
        else
            h1_spill(h);
        return false;
    }
    h->x.gone = got < 0;
    h1_close(h);
    return false;
}

/* Whether the output should be sent before another request is parsed: also where a file is in it, so that a connection
 * has one open. */
static bool h1_output_high(const struct h1 *h)
{
    return h->out.unread > 0 || h->out.count > OUTPUT_SEGMENTS / 2 || (h->region && h->region_end - h->pos < 1024);
}

void h1_serve(struct h1 *h)
{
    for (;;) {
        int status = h->close || h->x.gone ? H1_INCOMPLETE : parse_input(h);
        if (status == H1_COMPLETE && (status = h1_request(h)) == H1_COMPLETE) {
            if (unlikely(h->served >= h->x.http->settings->pipeline_depth)) {
                h->served = 0;
                exchange_yield(&h->x);
            }
            if (likely(!h1_output_high(h)))
                continue;
        } else if (status == H1_POSTPONED) {
            /* waits once the replies before it are out */
        } else if (status != H1_INCOMPLETE) {
            h1_refuse(h, status);
            continue;
        }
        int sent = h1_send(h);
        if (transport_wants(sent) || sent == OUTPUT_TURN) {
            h1_leave(h, sent);
            return;
        }
        if (h->close || h->x.gone) {
            h1_close(h);
            return;
        }
        if (unlikely(status == H1_POSTPONED)) {
            h1_wait(h);
            return;
        }
        if (status != H1_INCOMPLETE)
            continue;
        if (h->in_pos == h->in_len && !(h->x.conn->ready & READY_READ)) {
            h1_idle(h); /* as h1_receive() would find out */
            return;
        }
        if (!h1_receive(h))
            return;
    }
}
