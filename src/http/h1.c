/*
 * An HTTP/1 connection's way: from readiness to a head, from a head to its handler, from a reply to the next request.
 *
 * Readiness is taken on the loop's own stack; whatever may run a handler is queued for a fiber. The fiber that takes a connection serves every pipelined request that has arrived and sends their
 * replies in one go. When a reply cannot be sent at once, the fiber leaves and the loop drains the output.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/h1.h"
#include "base/log.h"
#include "http/scan.h"

#define LINGER_READS 32   /* buffers that are read and dropped in a turn */
#define LINGER_MS    2000 /* how long this side waits for a client that has been refused to stop sending */

size_t http_record_size(const struct http_host *host)
{
    return sizeof(struct h1) + host->context_size;
}

/* ---- The record of a live connection ---- */

/* Gives back the buffers that hold nothing any more: while only a file or static bytes are left, a stalled client costs its records. */
static void h1_shed(struct h1 *h)
{
    if (h->out.regions > 0 || h->open)
        return;
    h->region = NULL;
    if (h->second) {
        pool_give(&h->x.http->buffers, h->second);
        h->second = NULL;
    }
    if (h->in && h->in_pos == h->in_len) {
        pool_give(&h->x.http->buffers, h->in);
        h->in = NULL;
        h->in_pos = h->in_len = 0;
    }
}

static void h1_release(struct h1 *h)
{
    struct http *http = h->x.http;
    if (unlikely(h->x.head.fields != h->x.fields))
        pool_give(&http->fields, h->x.head.fields);
    output_discard(&h->out, WEIR_ECLOSED, http->release_value);
    if (h->second)
        pool_give(&http->buffers, h->second);
    if (h->in)
        pool_give(&http->buffers, h->in);
    h->x.conn->active = NULL;
    pool_give(&http->records, h);
}

/* Takes a record and a buffer for a connection that has something to say. NULL: no memory. */
static struct h1 *h1_open(struct http *http, struct connection *c)
{
    struct h1 *h = pool_take(&http->records);
    if (!h)
        return NULL;
    h->in = pool_take(&http->buffers);
    if (!h->in) {
        pool_give(&http->records, h);
        return NULL;
    }
    h->second = NULL;
    h->in_pos = h->in_len = 0;
    h->region = h->region_end = h->pos = h->open = NULL;
    h->close = h->linger = h->reset = h->finishing = h->receiving = h->parsing = false;
    h->served = 0;
    output_init(&h->out);
    struct exchange *x = &h->x;
    x->ops = &h1_exchange_ops;
    x->http = http;
    x->conn = c;
    x->context = h + 1;
    x->fiber = NULL;
    x->waiting = WAIT_NONE;
    x->gone = x->cut = false;
    x->deadline = (struct timer){.kind = TIMER_HANDLER};
    x->head.fields = x->fields;
    x->head.field_max = HEAD_FIELDS_INLINE;
    if (c->state == H1_HEAD) {
        struct spill *s = c->active;
        memcpy(h->in, s->data, s->len);
        h->in_len = s->len;
        h->requests = s->requests;
        spill_give(http, s);
    } else {
        h->requests = (uint32_t)c->idled;
    }
    c->active = h;
    c->state = H1_ACTIVE;
    return h;
}

/* ---- Ending a connection ---- */

static void linger_begin(struct net *n, struct connection *c)
{
    c->state = H1_LINGER;
    n->transport->shutdown(c);
    connection_deadline(n, c, LINGER_MS);
    connection_queue(n, c); /* what has arrived already makes no further event */
}

/* The last reply is out, or there will be none. */
static void h1_close(struct h1 *h)
{
    struct net *n = h1_net(h);
    struct connection *c = h->x.conn;
    bool reset = h->reset;
    bool linger = h->linger && !reset && !h->x.gone && !(c->ready & (READY_GONE | READY_HALF_CLOSED));
    h1_release(h);
    if (linger)
        linger_begin(n, c);
    else
        connection_close(n, c, reset);
}

/* Drops what a refused client still sends, so that closing does not reset the reply away. */
static void linger_read(struct net *n, struct connection *c)
{
    struct http *http = n->owner;
    char *buf = pool_take(&http->buffers);
    ssize_t got = WEIR_ENOMEM;
    for (int i = 0; buf && i < LINGER_READS; i++) {
        got = connection_read(n, c, buf, http->settings->buffer_size);
        if (got <= 0)
            break;
    }
    if (buf)
        pool_give(&http->buffers, buf);
    if (got == 0 || (got < 0 && got != TRANSPORT_AGAIN))
        connection_close(n, c, false);
    else if (got > 0)
        connection_queue(n, c); /* there is more: others get a turn first */
}

/* ---- From one request to the next ---- */

static void h1_idle(struct h1 *h)
{
    struct net *n = h1_net(h);
    struct connection *c = h->x.conn;
    uint32_t idle_timeout = h->x.http->settings->idle_timeout_ms;
    uint32_t requests = h->requests;
    h1_release(h);
    c->state = H1_IDLE;
    c->idled = requests;
    if (n->draining)
        connection_close(n, c, false);
    else
        connection_deadline(n, c, idle_timeout);
}

/* Nothing more to read now and half a head is there: it moves to a block of its size. */
static void h1_spill(struct h1 *h)
{
    struct net *n = h1_net(h);
    struct connection *c = h->x.conn;
    struct spill *s = spill_take(h->x.http, h->in + h->in_pos, h->in_len - h->in_pos);
    bool first = c->flags == 0;
    uint32_t header_timeout = h->x.http->settings->header_timeout_ms;
    uint32_t requests = h->requests;
    h1_release(h);
    if (!s) {
        http_refused(n->owner, REFUSAL_MEMORY, "no memory for a half-received head");
        connection_close(n, c, false);
        return;
    }
    s->requests = requests;
    c->active = s;
    c->state = H1_HEAD;
    /* Counted from the head's first byte: what drips in later does not extend it. */
    if (first) {
        c->flags = 1;
        connection_deadline(n, c, header_timeout);
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
    x->body_sent = 0;
    x->budget = 8 * 1024;
    x->moved = 0;
    x->dead_writes = 0;
    x->committed = x->sealing = x->bodyless = x->chunked = x->failed = x->special = false;
    x->refusal = REFUSAL_NONE;
    h->finishing = false;
}

/* Gives back a longer table of fields. */
static COLD void fields_shrink(struct h1 *h)
{
    struct exchange *x = &h->x;
    pool_give(&x->http->fields, x->head.fields);
    x->head.fields = x->fields;
    x->head.field_max = HEAD_FIELDS_INLINE;
}

/* The request was refused while its handler ran, or is over its time: the client is told so if it still can be, whatever the handler made of it. */
static COLD void exchange_settle(struct h1 *h)
{
    struct exchange *x = &h->x;
    timer_cancel(&h1_net(h)->loop->wheel, &x->deadline);
    if (x->refusal == REFUSAL_NONE)
        return;
    h->close = h->linger = true;
    if (x->gone)
        return;
    x->cut = false; /* the page has to get out */
    if (!x->committed && x->reply.status < 400)
        x->http->host->replace(x);
}

/* The handler has ended, in one way or another: completes the exchange. */
static void exchange_finish(struct h1 *h)
{
    struct exchange *x = &h->x;
    h->finishing = true; /* from here on a cut lets the waits fail, and ends nothing */
    if (unlikely(x->special))
        exchange_settle(h);
    (void)h1_finish_reply(h); /* its failure is x->gone */
    x->http->host->ended(x);
    if (unlikely(x->body_length != 0)) {
        if (!x->gone && !h1_body_drop(h))
            h->close = h->linger = true;
        h1_body_end(h);
    }
    arena_done(&x->arena);
    if (unlikely(x->head.fields != x->fields))
        fields_shrink(h);
    counter_add(&x->http->requests, 1);
    h->served++;
    x->conn->state = H1_ACTIVE;
    x->conn->flags = 0;
    if (x->gone)
        h->close = true;
    if (h->close && h->in_pos < h->in_len)
        h->linger = true;
}

/* The limits of a request that few servers set. */
static COLD void request_special(struct h1 *h)
{
    struct exchange *x = &h->x;
    const struct http_settings *settings = x->http->settings;
    if (++h->requests == settings->max_requests) {
        http_refused(x->http, REFUSAL_CONNECTION_REQUESTS, NULL);
        h->close = true;
    }
    if (settings->handler_timeout_ms > 0) {
        x->special = true;
        timer_arm(&h1_net(h)->loop->wheel, &x->deadline, loop_delay(settings->handler_timeout_ms));
    }
}

static void h1_request(struct h1 *h)
{
    struct exchange *x = &h->x;
    h->in_pos += (uint32_t)(x->head.base - (h->in + h->in_pos)) + x->head.size;
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
        x->http->host->handle(x);
    } else {
        h->close = h->linger = true;
        x->http->host->refuse(x, status, reason);
    }
    exchange_finish(h);
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

/* A head that is not one: replies and closes. Nothing behind it is looked at. */
static COLD void h1_refuse(struct h1 *h, int status)
{
    struct exchange *x = &h->x;
    enum refusal cause = head_refusal(h, status);
    const char *reason = h->parser.reason ? h->parser.reason : refusal_infos[cause].text;
    http_refused(x->http, cause, reason);
    h->in_pos = h->in_len;
    h->head_end = h->in_len;
    h->parsing = false;
    exchange_begin(h);
    x->head = (struct http_head){.base = h->in, .minor = 1, .fields = x->head.fields, .field_max = x->head.field_max};
    x->target = (struct target){{NULL, 0}, {NULL, 0}, {NULL, 0}};
    h1_body_begin(h);
    h->close = h->linger = true;
    x->http->host->refuse(x, status, reason);
    exchange_finish(h);
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
    x->head.fields = fields;
    x->head.field_max = x->http->settings->max_headers;
    return parse_anew(h);
}

/* Whether what has been parsed, the whole head or its beginning, keeps to the limits that may be lower than the buffer's size. */
static COLD int head_limits(struct h1 *h, int status)
{
    const struct http_settings *settings = h->x.http->settings;
    const struct http_head *head = &h->x.head;
    uint32_t seen = status == H1_COMPLETE ? head->size : h->in_len - h->in_pos, line = seen;
    if (status == H1_COMPLETE || h1_too_long(&h->parser) != 414)
        line = head->target + head->target_len + (uint32_t)sizeof " HTTP/1.1\r\n" - 1;
    if (line > settings->max_request_line)
        return 414;
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
    h1_shed(h);
    if (result == OUTPUT_TURN)
        connection_queue(n, c);
}

/* Receives more input behind what is there. True: there is some, or the request has been refused; false: the connection has been left. */
static bool h1_receive(struct h1 *h)
{
    struct net *n = h1_net(h);
    struct connection *c = h->x.conn;
    uint32_t size = h->x.http->settings->buffer_size;
    uint32_t most = size < HEAD_SIZE_MAX ? size : HEAD_SIZE_MAX;
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
    ssize_t got = TRANSPORT_AGAIN;
    if (c->ready & READY_READ)
        got = connection_read(n, c, h->in + h->in_len, most - h->in_len);
    if (got > 0) {
        h->in_len += (uint32_t)got;
        return true;
    }
    if (got == TRANSPORT_AGAIN) {
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

/* Whether the output should be sent before another request is parsed. */
static bool h1_output_high(const struct h1 *h)
{
    return h->out.count > OUTPUT_SEGMENTS / 2 || (h->region && h->region_end - h->pos < 1024);
}

/* Serves what has arrived until nothing more is there, the output blocks, or the connection ends. */
static void h1_serve(struct h1 *h)
{
    for (;;) {
        int status = h->close || h->x.gone ? H1_INCOMPLETE : parse_input(h);
        if (status == H1_COMPLETE) {
            h1_request(h);
            if (unlikely(h->served >= h->x.http->settings->pipeline_depth)) {
                h->served = 0;
                fiber_yield(&h1_net(h)->loop->fibers);
            }
            if (likely(!h1_output_high(h)))
                continue;
        } else if (status != H1_INCOMPLETE) {
            h1_refuse(h, status);
            continue;
        }
        int sent = h1_send(h);
        if (sent == TRANSPORT_AGAIN || sent == OUTPUT_TURN) {
            h1_leave(h, sent);
            return;
        }
        if (h->close || h->x.gone) {
            h1_close(h);
            return;
        }
        if (status == H1_INCOMPLETE && !h1_receive(h))
            return;
    }
}

/* ---- The protocol's table ---- */

/* A connection without a request is closed when the server stops, but not before a look at what may have arrived: that was sent to a server that
 * accepted it. */
static void h1_drain_connection(struct net *n, struct connection *c)
{
    if (c->state != H1_IDLE)
        return;
    c->ready |= READY_READ;
    connection_queue(n, c);
}

static void h1_opened(struct net *n, struct connection *c)
{
    const struct http *http = n->owner;
    c->state = H1_IDLE;
    connection_deadline(n, c, http->settings->idle_timeout_ms);
    if (n->draining)
        h1_drain_connection(n, c);
}

/* The output has been sent without a fiber; on to what comes next. */
static void h1_drained(struct h1 *h)
{
    struct net *n = h1_net(h);
    struct connection *c = h->x.conn;
    if (h->close || h->x.gone)
        h1_close(h);
    else if (h->in_pos < h->in_len || (c->ready & READY_READ))
        connection_queue(n, c); /* goes on in h1_run() */
    else
        h1_idle(h);
}

static void h1_continue_draining(struct h1 *h)
{
    struct connection *c = h->x.conn;
    int sent = h1_send(h);
    if (sent == OUTPUT_TURN)
        connection_queue(h1_net(h), c);
    else if (sent == TRANSPORT_AGAIN)
        h1_shed(h);
    else
        h1_drained(h);
}

static void h1_run(struct net *n, struct connection *c)
{
    struct http *http = n->owner;
    struct h1 *h = c->active;
    switch ((enum h1_state)c->state) {
    case H1_IDLE:
    case H1_HEAD:
        if (n->cutting || !(h = h1_open(http, c))) {
            if (!n->cutting)
                http_refused(http, REFUSAL_MEMORY, "no memory for a request");
            if (c->state == H1_HEAD)
                spill_give(http, c->active);
            connection_close(n, c, false);
            return;
        }
        if (h->in_len == 0 && !h1_receive(h))
            return;
        break;
    case H1_FAILED:
        c->state = H1_ACTIVE; /* from here on it may wait again */
        if (!h->x.gone)
            h->x.cut = false; /* it is over its time: there may be a page */
        h->x.http->host->resume(&h->x);
        exchange_finish(h);
        break;
    case H1_DRAINING:
        if (!output_empty(&h->out) || h->close || h->x.gone) {
            h1_continue_draining(h);
            return;
        }
        if (!h->in && !(h->in = pool_take(&http->buffers))) {
            h->x.gone = true;
            h1_close(h);
            return;
        }
        c->state = H1_ACTIVE;
        break;
    case H1_LINGER:
        if (n->cutting)
            connection_close(n, c, true);
        else
            linger_read(n, c);
        return;
    case H1_ACTIVE:
        return;
    }
    h1_serve(h);
}

/* Reads into a half-received head's own block; what completes or outgrows it goes to a fiber. */
static void head_ready(struct net *n, struct connection *c)
{
    struct spill *s = c->active;
    if (c->ready & READY_QUEUED)
        return;
    if ((c->ready & READY_READ) && s->len < s->capacity) {
        size_t before = s->len;
        ssize_t got = connection_read(n, c, s->data + s->len, (size_t)(s->capacity - s->len));
        if (got == TRANSPORT_AGAIN)
            return;
        if (got <= 0) {
            spill_give(n->owner, s);
            connection_close(n, c, false);
            return;
        }
        s->len = (uint16_t)(s->len + got);
        if (spill_ripe(s, before) || (c->ready & READY_READ))
            connection_queue(n, c);
    }
}

/* Sets the timer for the present wait for a body. */
static void input_deadline(struct h1 *h)
{
    struct net *n = h1_net(h);
    int32_t left = (int32_t)(h->input_deadline - loop_now_ms(n->loop));
    connection_deadline(n, h->x.conn, left > 0 ? (uint32_t)left : 0);
}

/* News of a connection that a fiber serves: wakes it if it waits for that, and sends what waits to be sent. */
static void active_ready(struct connection *c)
{
    struct h1 *h = c->active;
    struct exchange *x = &h->x;
    if (c->ready & READY_GONE) {
        bool news = !x->gone;
        x->gone = true;
        if (news && x->fiber)
            fiber_wake(x->fiber, WEIR_ECLOSED);
        return;
    }
    if ((c->ready & READY_WRITE) && h->out.blocked) {
        bool waited_for = x->fiber && x->waiting == WAIT_OUTPUT;
        int sent = h1_send(h);
        /* Nobody else goes on with it, and no event would tell: all that the kernel takes, without a look at the disk. */
        while (sent == OUTPUT_TURN && !waited_for) {
            h->out.warm = true;
            sent = h1_send(h);
        }
        if (x->fiber && sent != TRANSPORT_AGAIN && (waited_for || x->gone))
            fiber_wake(x->fiber, x->gone ? WEIR_ECLOSED : 0);
        if (sent == 0 && x->waiting == WAIT_INPUT) /* the output's deadline was set over it */
            input_deadline(h);
    }
    if (x->fiber && (c->ready & READY_READ) && x->waiting == WAIT_INPUT)
        fiber_wake(x->fiber, 0);
}

static void h1_ready(struct net *n, struct connection *c, uint32_t events)
{
    struct h1 *h = c->active;
    switch ((enum h1_state)c->state) {
    case H1_IDLE:
        if (c->ready & READY_QUEUED)
            break;
        if (c->ready & READY_GONE)
            connection_close(n, c, false);
        else if (events & (POLLER_READ | POLLER_HALF_CLOSED))
            connection_queue(n, c);
        break;
    case H1_HEAD:
        head_ready(n, c);
        break;
    case H1_ACTIVE:
        active_ready(c);
        break;
    case H1_FAILED:
        if (c->ready & READY_GONE)
            h->x.gone = true;
        break;
    case H1_DRAINING:
        if (c->ready & READY_GONE)
            h->x.gone = true;
        if (!(c->ready & READY_QUEUED) && (c->ready & (READY_WRITE | READY_GONE)))
            h1_continue_draining(h);
        break;
    case H1_LINGER:
        if (!(c->ready & READY_QUEUED) && (c->ready & READY_READ))
            linger_read(n, c);
        break;
    }
}

/* A head that did not come in time. */
static void head_expired(struct net *n, struct connection *c)
{
    struct http *http = n->owner;
    spill_give(http, c->active);
    c->active = NULL;
    http_refuse_connection(http, c, REFUSAL_HEADER_TIMEOUT); /* a client too slow to ask may well not read either */
    linger_begin(n, c);
}

/* What a live request waits for has not come in time, or the timer has no meaning now. */
static void active_expired(struct net *n, struct h1 *h)
{
    struct exchange *x = &h->x;
    if (h->out.blocked && !output_empty(&h->out)) {
        enum refusal cause;
        uint32_t next = h1_output_check(h, &cause);
        if (next > 0) {
            connection_deadline(n, x->conn, next);
            return;
        }
        http_refused(x->http, cause, NULL);
        x->gone = h->reset = true;
        output_discard(&h->out, WEIR_ETIMEDOUT, x->http->release_value);
        if (x->fiber)
            fiber_wake(x->fiber, WEIR_ETIMEDOUT);
        return;
    }
    if (x->waiting != WAIT_INPUT || !x->fiber)
        connection_deadline(n, x->conn, x->http->settings->idle_timeout_ms);
    else if ((int32_t)(h->input_deadline - loop_now_ms(n->loop)) > 0)
        input_deadline(h);
    else
        fiber_wake(x->fiber, WEIR_ETIMEDOUT);
}

static void h1_expired(struct net *n, struct connection *c)
{
    const struct http *http = n->owner;
    struct h1 *h = c->active;
    if (c->ready & READY_QUEUED) {
        connection_deadline(n, c, c->state == H1_LINGER ? 1 : http->settings->idle_timeout_ms);
        return;
    }
    switch ((enum h1_state)c->state) {
    case H1_IDLE:
        http_refused(n->owner, REFUSAL_IDLE_TIMEOUT, NULL);
        connection_close(n, c, false);
        break;
    case H1_LINGER:
        connection_close(n, c, false);
        break;
    case H1_HEAD:
        head_expired(n, c);
        break;
    case H1_ACTIVE:
    case H1_FAILED:
        active_expired(n, h);
        break;
    case H1_DRAINING:
        active_expired(n, h);
        if (h->x.gone)
            h1_close(h);
        break;
    }
}

static void h1_cut(struct net *n, struct connection *c)
{
    struct h1 *h = c->active;
    switch ((enum h1_state)c->state) {
    case H1_HEAD:
    case H1_IDLE:
        if (c->ready & READY_QUEUED)
            break; /* h1_run() closes it */
        if (c->state == H1_HEAD)
            spill_give(n->owner, c->active);
        connection_close(n, c, true);
        break;
    case H1_LINGER:
        if (!(c->ready & READY_QUEUED))
            connection_close(n, c, true);
        break;
    case H1_DRAINING:
    case H1_ACTIVE:
    case H1_FAILED:
        h->x.gone = h->x.cut = h->reset = true;
        if (h->x.fiber)
            fiber_wake(h->x.fiber, WEIR_ECANCELED);
        else if (c->state == H1_DRAINING && !(c->ready & READY_QUEUED))
            h1_close(h);
        break;
    }
}

const struct protocol http_protocol_h1 = {
    .opened = h1_opened,
    .ready = h1_ready,
    .expired = h1_expired,
    .run = h1_run,
    .drain = h1_drain_connection,
    .cut = h1_cut,
};
