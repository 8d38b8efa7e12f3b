/*
 * An HTTP/1 connection as the loop sees it: readiness, timers, draining, the end. All of that is taken on
 * the loop's own stack; whatever may run a handler is queued for a fiber and goes on in serve.c.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/log.h"
#include "http/h1/h1.h"
#include "http/request_log.h"
#include "http/scan.h"

size_t http_h1_record_size(const struct http_host *host)
{
    return sizeof(struct h1) + host->context_size;
}

size_t http_h1_waiting_size(void)
{
    return sizeof(struct h1_waiting);
}

/* ---- The record of a live connection ---- */

void h1_shed(struct h1 *h)
{
    if (h->out.regions > 0 || h->open || output_needs_block(&h->out, h1_net(h), h->x.conn))
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

void h1_release_more(struct h1 *h)
{
    struct http *http = h->x.http;
    if (h->x.head.fields != h->x.fields)
        exchange_shrink_fields(&h->x);
    if (h->x.conn->state == H1_DRAINING)
        counter_subtract(&http->counters.draining, 1);
    output_discard(&h->out, WEIR_ECLOSED);
    if (h->second)
        pool_give(&http->buffers, h->second);
    if (http->admission.limited)
        admission_release(&h->x);
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
    h->receiving = h->parsing = h->lent = false;
    h->ending = ENDING_KEEP;
    h->served = h->next = 0;
    output_init(&h->out);
    exchange_init(&h->x, &h1_exchange_ops, http, c, h + 1);
    if (c->state == H1_HEAD) {
        struct spill *s = c->active;
        memcpy(h->in, s->data, s->len);
        h->in_len = s->len;
        h->requests = s->requests;
        if (unlikely(c->flags & H1_ADMITTED))
            admission_arrive(&h->x, s->class);
        spill_give(http, s);
    } else {
        h->requests = (uint32_t)c->idled;
    }
    c->active = h;
    c->state = H1_ACTIVE;
    return h;
}

/* ---- Ending a connection ---- */

void h1_close(struct h1 *h)
{
    struct net *n = h1_net(h);
    struct connection *c = h->x.conn;
    if (unlikely(h->next) && h1_hand_over(h, n->protocols[h->next]))
        return;
    if (unlikely(h->x.duplex)) { /* which has been left in vain: a fiber tells its user of that */
        struct duplex *d = h->x.duplex;
        h1_release(h);
        h1_lose_duplex(n, c, d);
        return;
    }
    bool reset = h->ending == ENDING_RESET;
    /* What has come and is not read would make the close a reset, which may overtake the reply. */
    bool unread = c->ready & READY_READ, over = (c->ready & READY_HALF_CLOSED) && !unread;
    bool linger = (h->ending == ENDING_LINGER || unread) && !reset && !over && !h->x.gone && !(c->ready & READY_GONE);
    h1_release(h);
    if (linger)
        http_linger(n, c);
    else
        connection_close(n, c, reset);
}

/* ---- The protocol's table ---- */

/* A connection without a request is closed when the server stops, but not before a look at what may have arrived: that
 * was sent to a server that accepted it. Half a head has a little time left. */
static void h1_drain_connection(struct net *n, struct connection *c)
{
    int32_t left = ticks_between(loop_now_ms(n->loop), c->deadline);
    switch ((enum h1_state)c->state) {
    case H1_IDLE:
        c->ready |= READY_READ;
        connection_queue(n, c);
        break;
    case H1_HEAD:
        if (left > (int32_t)H1_STOP_GRACE_MS)
            connection_deadline(n, c, H1_STOP_GRACE_MS);
        break;
    case H1_ACTIVE:
        exchange_wake_for_news(&((struct h1 *)c->active)->x, NEWS_STOP);
        break;
    case H1_FAILED:
    case H1_DRAINING:
    case H1_WAITING:
        break;
    }
}

static void h1_opened(struct net *n, struct connection *c, const char *data, size_t len)
{
    struct http *http = n->owner;
    weir_assert(len <= http->settings->buffer_size); /* whoever hands a connection over has read no more than that */
    c->state = H1_IDLE;
    connection_deadline(n, c, http->settings->idle_timeout_ms);
    if (len > 0) { /* of a head, or more: as if it had dripped in */
        if (!(c->active = spill_take(http, data, len))) {
            http_linger_refused(n, c, REFUSAL_MEMORY);
            return;
        }
        c->state = H1_HEAD;
    }
    connection_queue(n, c); /* what it has to say may be there already, and the poller does not watch it yet */
}

/* The output has been sent without a fiber; on to what comes next. */
static void h1_drained(struct h1 *h)
{
    struct net *n = h1_net(h);
    struct connection *c = h->x.conn;
    if (h->ending != ENDING_KEEP || h->x.gone)
        h1_close(h);
    else if (h->in_pos < h->in_len || (c->ready & READY_READ))
        connection_queue(n, c); /* goes on in h1_run() */
    else
        h1_idle(h);
}

/* What is still to be sent keeps what it needs and no more. */
static void h1_keep(struct h1 *h)
{
    h1_shed(h);
    if (h->x.http->admission.limited)
        (void)admission_keep_output(&h->x, (h->in != NULL) + (uint32_t)(h->second != NULL)); /* not more than before */
}

static void h1_continue_draining(struct h1 *h)
{
    struct connection *c = h->x.conn;
    if (h->x.gone) { /* or it was cut while it was queued */
        h1_close(h);
        return;
    }
    int sent = h1_send(h);
    if (sent == OUTPUT_TURN)
        connection_queue(h1_net(h), c);
    else if (transport_wants(sent))
        h1_keep(h);
    else
        h1_drained(h);
}

/* A connection that was queued for a fiber is not served: it is cut, the client has gone meanwhile, or there is no
 * memory. */
static COLD void h1_close_unopened(struct net *n, struct connection *c)
{
    struct http *http = n->owner;
    if (!n->cutting && !(c->ready & READY_GONE))
        http_refused_request(http, c, NULL, REFUSAL_MEMORY, "no memory for a request");
    if (c->flags & H1_ADMITTED)
        admission_forget(http, ((const struct spill *)c->active)->class);
    if (c->state == H1_HEAD)
        spill_give(http, c->active);
    connection_close(n, c, false);
}

/* A request has come, or the rest of one. NULL: it cannot be served. */
static inline __attribute__((always_inline)) struct h1 *open_fresh(struct net *n, struct connection *c, bool needed)
{
    struct h1 *h = NULL;
    if (unlikely(n->cutting || (c->ready & READY_GONE) || !(h = h1_open(n->owner, c)))) {
        /* A new connection need not have asked for anything: there is no memory for it when it does. */
        if (needed || n->cutting || n->draining || (c->ready & (READY_GONE | READY_WATCHED)))
            h1_close_unopened(n, c);
        return NULL;
    }
    return h;
}

struct h1 *h1_open_fresh(struct net *n, struct connection *c, bool needed)
{
    return open_fresh(n, c, needed);
}

static inline void run_fresh(struct net *n, struct connection *c)
{
    struct h1 *h = open_fresh(n, c, false);
    if (likely(h != NULL) && (h->in_len > 0 || h1_receive(h)))
        h1_serve(h);
}

__attribute__((noinline)) void h1_run_on(struct net *n, struct connection *c)
{
    struct http *http = n->owner;
    struct h1 *h = c->active;
    switch ((enum h1_state)c->state) {
    case H1_FAILED:
        c->state = H1_ACTIVE; /* from here on it may wait again */
        if (!h->x.gone)
            h->x.cut = false; /* the request is over its time: there may be a page */
        h->x.http->host->resume(&h->x);
        h1_finish_exchange(h);
        break;
    case H1_DRAINING:
        if (!output_empty(&h->out) || h->ending != ENDING_KEEP || h->x.gone) {
            h1_continue_draining(h);
            return;
        }
        if (!h->in && !(h->in = pool_take(&http->buffers))) {
            h->x.gone = true;
            h1_close(h);
            return;
        }
        c->state = H1_ACTIVE;
        counter_subtract(&http->counters.draining, 1);
        break;
    case H1_WAITING: /* is not queued while it waits */
    case H1_IDLE:
    case H1_HEAD:
    case H1_ACTIVE:
        return;
    }
    h1_serve(h);
}

static void h1_run(struct net *n, struct connection *c)
{
    if (likely(c->state == H1_IDLE || c->state == H1_HEAD))
        run_fresh(n, c);
    else
        h1_run_on(n, c);
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
        if (got == TRANSPORT_WANT_READ)
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

/* News of a connection that a fiber serves: wakes it if it waits for that, and sends what waits to be sent. */
static void active_ready(struct connection *c)
{
    struct h1 *h = c->active;
    struct exchange *x = &h->x;
    if (c->ready & READY_GONE) {
        bool news = !x->gone;
        x->gone = true;
        if (news)
            exchange_wake_gone(x, WEIR_ECLOSED);
        return;
    }
    if ((c->ready & READY_WRITE) && h->out.blocked) {
        bool waited_for = x->fiber && x->waiting == WAIT_OUTPUT;
        int sent = h1_send(h);
        /* Nobody else goes on with it, and no event would tell: all that the kernel takes, without a look at the
         * disk. */
        while (sent == OUTPUT_TURN && !waited_for) {
            h->out.warm = true;
            sent = h1_send(h);
        }
        if (!transport_wants(sent) && x->gone)
            exchange_wake_gone(x, WEIR_ECLOSED);
        else if (!transport_wants(sent) && waited_for)
            fiber_wake(x->fiber, 0);
        if (sent == 0 && x->waiting == WAIT_INPUT) /* the output's deadline was set over it */
            h1_arm_body_deadline(x);
    }
    if (x->fiber && (c->ready & READY_READ) && x->waiting == WAIT_INPUT)
        fiber_wake(x->fiber, 0);
    if (c->ready & READY_HALF_CLOSED)
        exchange_wake_for_news(x, NEWS_HALF_CLOSED);
}

static __attribute__((noinline)) void ready_otherwise(struct net *n, struct connection *c, uint32_t events)
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
    case H1_WAITING:
        if (c->ready & READY_GONE) {
            h1_unwait(n->owner, c);
            spill_give(n->owner, c->active);
            connection_close(n, c, false);
        }
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
    }
}

/* Nearly always a request comes. */
static void h1_ready(struct net *n, struct connection *c, uint32_t events)
{
    if (likely(c->state == H1_IDLE && !(c->ready & (READY_QUEUED | READY_GONE)) && (events & POLLER_READ)))
        connection_queue(n, c);
    else
        ready_otherwise(n, c, events);
}

/*
 * A time is over. Timers come before events, and a process that stood still finds both at once: what came meanwhile is
 * looked for, once. True: there is something, for which a fiber is queued.
 */
static bool late_input(struct net *n, struct connection *c)
{
    if ((c->flags & H1_LOOKED) || !connection_events(n, c, POLLER_READ))
        return false;
    c->flags |= H1_LOOKED;
    c->ready |= READY_READ;
    connection_queue(n, c);
    return true;
}

/* A head that did not come in time. */
static void head_expired(struct net *n, struct connection *c)
{
    struct http *http = n->owner;
    if (late_input(n, c))
        return;
    spill_give(http, c->active);
    http_linger_refused(n, c, REFUSAL_HEADER_TIMEOUT); /* a client too slow to ask may well not read either */
}

/* What a live request waits for has not come in time, or the timer has no meaning now. */
static void active_expired(struct net *n, struct h1 *h)
{
    struct exchange *x = &h->x;
    if (h->out.blocked) {
        enum refusal cause;
        uint32_t next = h1_output_check(h, &cause);
        if (next == 0) {
            h1_cut_stalled(h, cause);
            return;
        }
        if (!exchange_is_upgraded(x) || x->waiting != WAIT_INPUT) { /* which has a time of its own */
            connection_deadline(n, x->conn, next);
            return;
        }
    }
    if (x->waiting != WAIT_INPUT || !x->fiber) {
        connection_deadline(n, x->conn, x->http->settings->idle_timeout_ms);
    } else if (ticks_between(loop_now_ms(n->loop), x->body_clock.deadline) > 0) {
        h1_arm_body_deadline(x);
    } else {
        bool come = connection_events(n, x->conn, POLLER_READ); /* while the process stood still, see late_input() */
        x->conn->ready |= come ? READY_READ : 0;
        fiber_wake(x->fiber, come ? 0 : WEIR_ETIMEDOUT);
    }
}

/* There was no memory for too long. */
static void waiting_expired(struct net *n, struct connection *c)
{
    h1_unwait(n->owner, c);
    spill_give(n->owner, c->active);
    http_linger_refused(n, c, REFUSAL_MEMORY);
}

static void h1_expired(struct net *n, struct connection *c)
{
    const struct http *http = n->owner;
    struct h1 *h = c->active;
    if (c->ready & READY_QUEUED) {
        if (c->state != H1_HEAD) /* h1_run() finds out about that */
            connection_deadline(n, c, http->settings->idle_timeout_ms);
        return;
    }
    switch ((enum h1_state)c->state) {
    case H1_IDLE:
        if (late_input(n, c))
            break;
        if (!n->draining)
            http_refused_request(n->owner, c, NULL, REFUSAL_IDLE_TIMEOUT, NULL);
        connection_close(n, c, false);
        break;
    case H1_HEAD:
        head_expired(n, c);
        break;
    case H1_WAITING:
        waiting_expired(n, c);
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
    case H1_WAITING:
        h1_unwait(n->owner, c);
        spill_give(n->owner, c->active);
        connection_close(n, c, true);
        break;
    case H1_DRAINING:
    case H1_ACTIVE:
    case H1_FAILED:
        if (!h->x.cut && !h->x.gone)
            http_log_failure(&h->x, "cut: the server stops, and stop_timeout_ms are over");
        h->x.gone = h->x.cut = true;
        h1_end(h, ENDING_RESET);
        if (h->x.fiber)
            fiber_wake(h->x.fiber, WEIR_ECANCELED);
        else if (c->state == H1_DRAINING && !(c->ready & READY_QUEUED))
            h1_close(h);
        break;
    }
}

/* No request is alive, not even in part, and nothing of one is about to be served. */
static bool h1_is_idle(const struct connection *c)
{
    return c->state == H1_IDLE && !(c->ready & READY_QUEUED);
}

static void h1_close_idle(struct net *n, struct connection *c)
{
    connection_close(n, c, false);
}

const struct protocol http_protocol_h1 = {
    .opened = h1_opened,
    .ready = h1_ready,
    .expired = h1_expired,
    .run = h1_run,
    .drain = h1_drain_connection,
    .cut = h1_cut,
    .stalled = h1_stalled,
    .give_up = h1_give_up,
    .idle = h1_is_idle,
    .close_idle = h1_close_idle,
};

const struct protocol http_protocol_raw = {
    .opened = h1_raw_opened,
    .ready = h1_ready,
    .expired = h1_expired,
    .run = h1_raw_run,
    .drain = h1_drain_connection,
    .cut = h1_cut,
    .stalled = h1_stalled,
    .give_up = h1_give_up,
    .idle = h1_is_idle,
    .close_idle = h1_close_idle,
};
