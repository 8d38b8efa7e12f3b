/*
 * Requests that wait for memory. The header block has been decoded, since the decoder's table goes on, so that the head
 * is kept as it is; what comes of the body meanwhile, no more than the stream's first window, is kept beside it.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/h2/h2.h"
#include "http/request_log.h"

struct h2_waiting {
    struct waiter waiter;
    struct h2 *h2;
    struct h2_waiting *next;
    struct timer timer;
    struct spill *head;            /* a struct http_head, its fields and its text */
    struct spill *body;            /* NULL: none has come */
    struct admission_class *class; /* once it has been admitted */
    uint32_t id;
    int32_t send_window, receive_window;
    struct h2_priority priority;
    bool ended; /* the body has */
};

size_t http_h2_waiting_size(void)
{
    return sizeof(struct h2_waiting);
}

struct h2_waiting *h2_find_waiting(const struct h2 *h, uint32_t id)
{
    for (struct h2_waiting *w = h->waiting; w; w = w->next)
        if (w->id == id)
            return w;
    for (struct h2_waiting *w = h->admitted; w; w = w->next)
        if (w->id == id)
            return w;
    return NULL;
}

struct h2_waiting *h2_next_waiting(struct h2 *h, struct h2_waiting *w)
{
    struct h2_waiting *next = w ? w->next : h->waiting;
    bool admitted = w && w->class;
    return next || admitted ? next : h->admitted;
}

int32_t *h2_waiting_window(struct h2_waiting *w)
{
    return &w->send_window;
}

static bool waiting_remove(struct h2_waiting **at, struct h2_waiting *w)
{
    while (*at && *at != w)
        at = &(*at)->next;
    if (!*at)
        return false;
    *at = w->next;
    return true;
}

/* Gives back what is kept of a request that is off the list, and what has come of its body to the window. */
static void waiting_free(struct h2 *h, struct h2_waiting *w)
{
    size_t body = w->body ? w->body->len : 0;
    timer_cancel(&h2_net(h)->loop->wheel, &w->timer);
    if (w->head)
        spill_give(h->http, w->head);
    if (w->body)
        spill_give(h->http, w->body);
    pool_give(&h->http->waiting, w);
    counter_subtract(&h->http->counters.streams_waiting, 1);
    h->streams--;
    if (body > 0)
        h2_credit(h, body);
}

/* What has come of the body becomes the stream's. False: no memory for it. */
static bool body_restore(struct h2_stream *s, struct h2_waiting *w)
{
    struct spill *body = w->body;
    size_t len = body->len, put = h2_body_put(s, (const uint8_t *)body->data, len);
    w->body = NULL;
    spill_give(s->x.http, body);
    s->body_came = (int64_t)len;
    s->x.body_clock.received = len;
    s->continue_due = false;
    if (put < len)
        h2_credit(s->h2, len - put);
    return put == len;
}

/* There is a set for the request: a fiber is to serve the connection. */
static void waiting_admitted(struct http *http, struct waiter *waiter)
{
    struct h2_waiting *w = container_of(waiter, struct h2_waiting, waiter), **last;
    struct h2 *h = w->h2;
    (void)waiting_remove(&h->waiting, w);
    w->class = waiter->class;
    w->next = NULL;
    for (last = &h->admitted; *last; last = &(*last)->next)
        continue;
    *last = w;
    timer_cancel(&http->net->loop->wheel, &w->timer);
    connection_queue(http->net, h->conn);
}

/* The head as it lies in s, in a block: its offsets hold wherever it lies. */
static struct spill *head_keep(struct h2_stream *s)
{
    const struct http_head *head = &s->x.head;
    size_t fields = head->field_count * sizeof(struct http_field), len = sizeof *head + fields + head->size;
    struct spill *block = len <= SPILL_MOST ? spill_take_any(s->x.http, len) : NULL;
    if (!block)
        return NULL;
    memcpy(block->data, head, sizeof *head);
    memcpy(block->data + sizeof *head, head->fields, fields);
    memcpy(block->data + sizeof *head + fields, head->base, head->size);
    return block;
}

bool h2_wait(struct h2_stream *s)
{
    struct h2 *h = s->h2;
    struct http *http = h->http;
    struct admission_class *class = s->x.class;
    struct spill *head = head_keep(s);
    struct h2_waiting *w = head ? http_take(http, &http->waiting) : NULL;
    uint32_t id = s->id;
    if (w)
        *w = (struct h2_waiting){.waiter.admitted = waiting_admitted,
                                 .h2 = h,
                                 .next = h->waiting,
                                 .timer = {.kind = TIMER_STREAM, .owner_bits = H2_TIMER_WAITING},
                                 .head = head,
                                 .id = id,
                                 .send_window = s->send_window,
                                 .receive_window = s->receive_window,
                                 .priority = s->priority,
                                 .ended = s->remote == H2_REMOTE_ENDED};
    s->local = H2_LOCAL_ENDED;
    s->remote = H2_REMOTE_ENDED;
    (void)h2_stream_release(s);
    if (!w) {
        if (head)
            spill_give(http, head);
        http_refused_request(http, h->conn, NULL, REFUSAL_MEMORY, "no memory for a request to wait");
        h2_reset_unknown(h, id, H2_REFUSED_STREAM);
        return h2_fault(h, 1, REFUSAL_H2_RESETS);
    }
    counter_add(&http->counters.streams_waiting, 1);
    h->waiting = w;
    h->streams++;
    admission_wait(http, &w->waiter, class);
    timer_arm(&h2_net(h)->loop->wheel, &w->timer, loop_delay(http->settings->memory_wait_ms));
    return true;
}

void h2_unwait(struct h2 *h, struct h2_waiting *w)
{
    if (waiting_remove(&h->waiting, w)) {
        admission_unwait(h->http, &w->waiter);
    } else {
        (void)waiting_remove(&h->admitted, w);
        admission_forget(h->http, w->class);
    }
    waiting_free(h, w);
}

void h2_unwait_all(struct h2 *h)
{
    while (h->waiting)
        h2_unwait(h, h->waiting);
    while (h->admitted)
        h2_unwait(h, h->admitted);
}

bool h2_waiting_data(struct h2 *h, struct h2_waiting *w, const uint8_t *data, size_t len, bool last)
{
    size_t before = w->body ? w->body->len : 0;
    uint32_t id = w->id;
    w->ended |= last;
    if (len == 0)
        return true;
    struct spill *block = len <= (size_t)w->receive_window ? spill_take_any(h->http, before + len) : NULL;
    if (!block) {
        h2_unwait(h, w);
        h2_reset_unknown(h, id, H2_REFUSED_STREAM);
        return false;
    }
    w->receive_window -= (int32_t)len;
    if (w->body) {
        memcpy(block->data, w->body->data, before);
        spill_give(h->http, w->body);
    }
    memcpy(block->data + before, data, len);
    w->body = block;
    return true;
}

/* Puts the head back as it was decoded. False: no memory. */
static bool head_restore(struct h2_stream *s, const struct spill *block)
{
    struct http *http = s->x.http;
    struct http_field *fields = s->x.fields;
    struct http_head head;
    memcpy(&head, block->data, sizeof head);
    size_t size = head.field_count * sizeof *fields;
    if (head.field_count > HEAD_FIELDS_INLINE) {
        fields = pool_take(&http->fields);
        if (!fields)
            return false;
        counter_add(&http->counters.unlike_requests, 1);
        head.field_max = http->settings->max_headers;
    } else {
        head.field_max = HEAD_FIELDS_INLINE;
    }
    memcpy(fields, block->data + sizeof head, size);
    memcpy(s->buffer, block->data + sizeof head + size, head.size);
    head.base = s->buffer;
    head.fields = fields;
    s->x.head = head;
    return true;
}

/* A request's turn has come. */
static COLD void serve_admitted(struct h2 *h, struct h2_waiting *w)
{
    struct h2_stream *s = h2_stream_take(h, w->id);
    if (s)
        admission_arrive(&s->x, w->class);
    else
        admission_forget(h->http, w->class);
    bool good = s && head_restore(s, w->head), whole = true;
    if (good) {
        s->send_window = w->send_window;
        s->receive_window = w->receive_window;
        s->priority = w->priority;
        h2_body_begin(s, w->ended && !w->body);
        if (w->body)
            good = body_restore(s, w);
        s->remote = w->ended ? H2_REMOTE_ENDED : H2_REMOTE_OPEN;
        int64_t length = s->x.body_length;
        whole = length < 0 || s->body_came == length || (!w->ended && s->body_came < length);
    }
    uint32_t id = w->id;
    waiting_free(h, w);
    if (!good || !whole || h->ending >= H2_FAILED) {
        if (s) {
            h2_body_drop(s);
            h2_stream_untake(s);
        }
        h2_reset_unknown(h, id, whole ? H2_REFUSED_STREAM : H2_PROTOCOL_ERROR);
        if (!whole)
            (void)h2_fault(h, 1, REFUSAL_H2_RESETS);
        return;
    }
    h2_stream_add(s);
    if (!h2_serve_request(s, NULL, s->remote == H2_REMOTE_ENDED, true))
        (void)h2_wait(s);
}

void h2_serve_admitted(struct h2 *h)
{
    const struct fiber *me = h->reader;
    while (h->admitted && h->reader == me && h->ending < H2_FAILED) {
        struct h2_waiting *w = h->admitted;
        h->admitted = w->next;
        serve_admitted(h, w);
    }
}

void h2_waiting_expired(struct timer *t)
{
    struct h2_waiting *w = container_of(t, struct h2_waiting, timer);
    struct h2 *h = w->h2;
    uint32_t id = w->id;
    bool ended = w->ended;
    http_refused_request(h->http, h->conn, NULL, REFUSAL_MEMORY, NULL);
    counter_add(&h->http->routes[-1].counts[0], 1);
    h2_unwait(h, w);
    h2_bare_reply(h, id, 503, true);
    if (!ended)
        h2_reset_unknown(h, id, H2_NO_ERROR);
    (void)h2_send(h, false);
    h2_output_leave(h);
    h2_settle(h);
}
