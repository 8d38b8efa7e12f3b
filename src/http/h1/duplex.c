/*
 * The protocol of an HTTP/1 connection that a duplex is left on, see http/duplex.h: 56 bytes and the user's record are
 * all that it costs while nothing happens.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/duplex.h"
#include "http/h1/h1.h"
#include "http/request_log.h"

/* connection.state */
enum duplex_state {
    DUPLEX_RESTS,
    DUPLEX_RUNS, /* a fiber is in run() or ended(), and may be suspended there */
};

/* connection.flags */
enum duplex_flags {
    DUPLEX_BLOCKED = 1,  /* what peek() gives waits for the socket, or the transport's own does */
    DUPLEX_UNSENT = 2,   /* the turn was over, and more can be sent */
    DUPLEX_AGAIN = 4,    /* run() is wanted once more */
    DUPLEX_CLOSED = 8,   /* by the user, or lost: the connection ends as soon as it can */
    DUPLEX_RESET = 16,   /* and by a reset; `active` is the user then that is to be told of its end, or NULL */
    DUPLEX_SENDS = 32,   /* what is there is being sent: calls meanwhile do not */
    DUPLEX_MORE = 64,    /* and there was such a call */
    DUPLEX_ENDING = 128, /* the last chunk is to be sent, of which `idled` bytes are */
};

static const char last_chunk[] = "0\r\n\r\n";

#define DUPLEX_PARTS      16
#define JOIN_MOST         2048                 /* bytes of parts that are copied together */
#define DUPLEX_TURN_BYTES ((size_t)256 * 1024) /* sent before others get a turn */

static inline struct connection *connection_of(const struct duplex *d)
{
    return (struct connection *)(d->carrier & ~(uintptr_t)DUPLEX_KIND);
}

/* ---- The end ---- */

/* There is no user any more. The connection must not be queued, nor a fiber in run(). */
static void duplex_finish(struct net *n, struct connection *c)
{
    bool reset = c->flags & DUPLEX_RESET;
    bool over = (c->ready & READY_HALF_CLOSED) && !(c->ready & READY_READ);
    c->active = NULL;
    if (reset || over || (c->ready & READY_GONE))
        connection_close(n, c, reset);
    else
        http_linger(n, c);
}

/* Finishes now, or when what keeps the connection is over. */
static void finish_when_free(struct net *n, struct connection *c)
{
    bool unsent = (c->flags & DUPLEX_ENDING) && !(c->ready & READY_GONE);
    if (c->state == DUPLEX_RESTS && !(c->ready & READY_QUEUED) && !(c->flags & DUPLEX_SENDS) && !unsent)
        duplex_finish(n, c);
}

/* The client has gone, or is given up: a fiber tells the user of its end. */
static void duplex_lose(struct net *n, struct connection *c, int error)
{
    struct duplex *d = c->active;
    bool closed = c->flags & DUPLEX_CLOSED;
    if (closed && !(c->flags & DUPLEX_RESET))
        c->active = NULL; /* what lies there are the bytes of the last chunk */
    c->flags = (uint8_t)((c->flags | DUPLEX_CLOSED | DUPLEX_RESET) & ~(DUPLEX_ENDING | DUPLEX_BLOCKED | DUPLEX_UNSENT));
    if (closed) {
        finish_when_free(n, c);
        return;
    }
    d->carrier |= DUPLEX_LOST;
    d->user->lost(n->owner, d, error);
    if (c->state == DUPLEX_RESTS)
        connection_queue(n, c);
}

/* On a fiber: tells a user that was lost of its end, and ends the connection of any. */
static void duplex_end(struct net *n, struct connection *c)
{
    struct duplex *d = c->active;
    if ((c->flags & DUPLEX_RESET) && d) {
        c->active = NULL;
        c->state = DUPLEX_RUNS;
        d->user->ended(n->owner, d);
        c->state = DUPLEX_RESTS;
    }
    finish_when_free(n, c);
}

/* ---- Output ---- */

/* As much of the parts as one write may be given: their number. */
static int parts_trim(struct iovec *parts, int count, size_t most)
{
    for (int i = 0; i < count; i++) {
        if (parts[i].iov_len >= most) {
            parts[i].iov_len = most;
            return i + 1;
        }
        most -= parts[i].iov_len;
    }
    return count;
}

/* Puts small parts together in buf, and returns how many there are then: one buffer costs the kernel less than a vector
 * that has to be copied in and checked. */
static int parts_join(struct iovec *parts, int count, char buf[static JOIN_MOST])
{
    size_t len = 0;
    for (int i = 0; i < count; i++)
        len += parts[i].iov_len;
    if (count < 2 || len > JOIN_MOST)
        return count;
    char *to = buf;
    for (int i = 0; i < count; i++)
        to = mempcpy(to, parts[i].iov_base, parts[i].iov_len);
    parts[0] = (struct iovec){.iov_base = buf, .iov_len = len};
    return 1;
}

/* What is to be sent next: the user's, or the last chunk. */
static int parts_peek(struct http *http, struct connection *c, struct iovec *parts)
{
    struct duplex *d = c->active;
    if (!(c->flags & DUPLEX_CLOSED))
        return d->user->peek(http, d, parts, DUPLEX_PARTS);
    if (!(c->flags & DUPLEX_ENDING) || c->idled == sizeof last_chunk - 1)
        return 0;
    parts[0] = (struct iovec){.iov_base = (void *)(uintptr_t)(last_chunk + c->idled),
                              .iov_len = sizeof last_chunk - 1 - c->idled};
    return 1;
}

static void parts_took(struct http *http, struct connection *c, size_t n)
{
    struct duplex *d = c->active;
    if (c->flags & DUPLEX_CLOSED)
        c->idled += n;
    else
        d->user->took(http, d, n);
}

/* Sends what the user has. 0: all of it is sent; 1: the turn is over; TRANSPORT_WANT_..., or an error. *any: some
 * was. */
static int send_parts(struct net *n, struct connection *c, bool *any)
{
    const struct transport *t = connection_transport(n, c);
    struct http *http = n->owner;
    struct flow flow = {.held = c->flags & (DUPLEX_BLOCKED | DUPLEX_UNSENT)}; /* as far as anybody remembers */
    for (size_t moved = 0; moved < DUPLEX_TURN_BYTES;) {
        struct iovec parts[DUPLEX_PARTS];
        char joined[JOIN_MOST];
        int count = parts_join(parts, parts_trim(parts, parts_peek(http, c, parts), t->piece), joined);
        ssize_t result = 0;
        if (count > 0)
            result = t->write(c, &flow, parts, count, false);
        else if (flow.held)
            result = t->flush(c, &flow);
        if (result > 0) {
            *any = true;
            moved += (size_t)result;
            counter_add(&n->bytes_out, (uint64_t)result);
            parts_took(http, c, (size_t)result);
        } else if (transport_wants(result)) {
            int blocked = connection_blocked(n, c, result);
            if (blocked <= 0)
                return blocked < 0 ? blocked : (int)result;
        } else if (result < 0 || count == 0) {
            return (int)result;
        }
    }
    return 1;
}

/* Sends as far as the client takes it, once, and tells the user when that was all. The result of send_parts(). */
static int pump_once(struct net *n, struct connection *c)
{
    struct http *http = n->owner;
    struct duplex *d = c->active;
    bool any = false, was_blocked = c->flags & DUPLEX_BLOCKED, was_unsent = c->flags & DUPLEX_UNSENT;
    c->flags &= (uint8_t)~DUPLEX_MORE;
    int result = send_parts(n, c, &any);
    c->flags &= (uint8_t) ~(DUPLEX_BLOCKED | DUPLEX_UNSENT);
    if (transport_wants(result)) {
        c->flags |= DUPLEX_BLOCKED;
        if (any || !was_blocked)
            connection_deadline(n, c, http->settings->write_timeout_ms);
    } else if (result == 1) {
        c->flags |= DUPLEX_UNSENT;
        if (was_blocked && !(c->flags & DUPLEX_CLOSED))
            d->user->resumed(http, d);
    } else if (result == 0 && (c->flags & DUPLEX_CLOSED)) {
        c->flags &= (uint8_t)~DUPLEX_ENDING;
    } else if (result == 0) {
        if (any || was_blocked || was_unsent)
            d->user->sent(http, d);
        if (was_blocked && !(c->flags & DUPLEX_CLOSED)) /* the time was the client's until now */
            d->user->resumed(http, d);
    }
    return result;
}

/* Sends as far as the client takes it. c may be gone afterwards, where nothing keeps it. */
static void duplex_pump(struct net *n, struct connection *c)
{
    int result;
    c->flags |= DUPLEX_SENDS;
    do
        result = pump_once(n, c);
    while (result == 0 && (c->flags & (DUPLEX_MORE | DUPLEX_ENDING)));
    c->flags &= (uint8_t)~DUPLEX_SENDS;
    if (result < 0 && !transport_wants(result))
        duplex_lose(n, c, result);
    else if (c->flags & DUPLEX_CLOSED)
        finish_when_free(n, c);
    else if (result == 1)
        connection_queue(n, c);
}

/* ---- What the user calls ---- */

static ssize_t duplex_h1_read(struct http *http, struct duplex *d, char *buf, size_t len)
{
    struct connection *c = connection_of(d);
    if (!(c->ready & READY_READ))
        return c->ready & READY_HALF_CLOSED ? 0 : TRANSPORT_WANT_READ;
    return connection_read(http->net, c, buf, len);
}

static void duplex_h1_send(struct http *http, struct duplex *d)
{
    struct connection *c = connection_of(d);
    c->flags |= c->flags & DUPLEX_SENDS ? DUPLEX_MORE : 0;
    if (!(c->flags & (DUPLEX_BLOCKED | DUPLEX_UNSENT | DUPLEX_SENDS)))
        duplex_pump(http->net, c);
}

static void duplex_h1_queue(struct http *http, struct duplex *d)
{
    struct connection *c = connection_of(d);
    if (c->state == DUPLEX_RUNS)
        c->flags |= DUPLEX_AGAIN;
    else
        connection_queue(http->net, c);
}

static void duplex_h1_time(struct http *http, struct duplex *d, uint32_t ms)
{
    struct connection *c = connection_of(d);
    if (!(c->flags & DUPLEX_BLOCKED))
        connection_deadline(http->net, c, ms);
}

static bool duplex_h1_before_wait(struct http *http, struct duplex *d)
{
    return connection_watch(http->net, connection_of(d));
}

static void duplex_h1_close(struct http *http, struct duplex *d, bool orderly)
{
    struct net *n = http->net;
    struct connection *c = connection_of(d);
    /* What the user had to send and did not is missing from the stream, which must not look whole then. */
    bool ends = orderly && duplex_is_chunked(d) && !(c->flags & (DUPLEX_BLOCKED | DUPLEX_UNSENT));
    d->carrier = 0;
    c->flags |= DUPLEX_CLOSED | (ends ? DUPLEX_ENDING : 0) | (orderly ? 0 : DUPLEX_RESET);
    c->idled = 0;
    if (ends && !(c->flags & DUPLEX_SENDS))
        duplex_pump(n, c);
    else
        finish_when_free(n, c);
}

static void duplex_h1_fail(struct http *http, struct duplex *d, bool goes_on)
{
    struct net *n = http->net;
    struct connection *c = connection_of(d);
    c->state = DUPLEX_RESTS;
    if (duplex_is_there(d) && !goes_on)
        duplex_lose(n, c, WEIR_ECANCELED);
    else
        connection_queue(n, c); /* for run(), or because it was lost already, or closed */
}

static struct connection *duplex_h1_connection(const struct duplex *d)
{
    return connection_of(d);
}

static bool duplex_h1_is_half_closed(const struct duplex *d)
{
    return connection_of(d)->ready & READY_HALF_CLOSED;
}

const struct duplex_ops http_h1_duplex_ops = {
    .read = duplex_h1_read,
    .send = duplex_h1_send,
    .queue = duplex_h1_queue,
    .time = duplex_h1_time,
    .before_wait = duplex_h1_before_wait,
    .close = duplex_h1_close,
    .fail = duplex_h1_fail,
    .connection = duplex_h1_connection,
    .is_half_closed = duplex_h1_is_half_closed,
};

/* ---- The protocol's table ---- */

static void duplex_opened(struct net *n, struct connection *c, const char *data, size_t len)
{
    (void)data;
    weir_assert(len == 0); /* which h1_leave_duplex() hands over itself */
    connection_deadline(n, c, ((const struct http *)n->owner)->settings->idle_timeout_ms);
}

static void duplex_ready(struct net *n, struct connection *c, uint32_t events)
{
    (void)events;
    if (c->ready & READY_GONE) {
        duplex_lose(n, c, WEIR_ECLOSED);
        return;
    }
    struct duplex *d = c->active;
    if (!(c->flags & DUPLEX_CLOSED) && (c->ready & READY_READ))
        duplex_h1_queue(n->owner, d);
    if (!(c->flags & DUPLEX_CLOSED) && (c->ready & READY_HALF_CLOSED) && c->state == DUPLEX_RUNS &&
        d->user->half_closed)
        d->user->half_closed(n->owner, d);
    if ((c->ready & READY_WRITE) && (c->flags & DUPLEX_BLOCKED))
        duplex_pump(n, c);
}

static void duplex_run(struct net *n, struct connection *c)
{
    struct http *http = n->owner;
    if (c->state == DUPLEX_RUNS) { /* a fiber is suspended there: only the output goes on */
        if ((c->flags & (DUPLEX_UNSENT | DUPLEX_CLOSED)) == DUPLEX_UNSENT)
            duplex_pump(n, c);
        return;
    }
    c->state = DUPLEX_RUNS; /* so that c stays whatever is called */
    if (n->cutting || (c->ready & READY_GONE)) {
        duplex_lose(n, c, n->cutting ? WEIR_ECANCELED : WEIR_ECLOSED);
    } else {
        c->flags &= (uint8_t)~DUPLEX_AGAIN;
        if (c->flags & DUPLEX_UNSENT)
            duplex_pump(n, c);
        struct duplex *d = c->active;
        if (!(c->flags & DUPLEX_CLOSED))
            d->user->run(http, d);
    }
    c->state = DUPLEX_RESTS;
    if (c->flags & DUPLEX_CLOSED)
        duplex_end(n, c);
    else if (c->flags & (DUPLEX_AGAIN | DUPLEX_UNSENT))
        connection_queue(n, c);
}

static void duplex_expired(struct net *n, struct connection *c)
{
    struct http *http = n->owner;
    struct duplex *d = c->active;
    bool blocked = c->flags & DUPLEX_BLOCKED, closed = c->flags & DUPLEX_CLOSED;
    if ((c->ready & READY_QUEUED) || (closed && !blocked)) { /* or a fiber is in run() */
        connection_deadline(n, c, 1000);
    } else if (blocked) {
        http_refused_request(http, c, NULL, REFUSAL_WRITE_TIMEOUT, NULL);
        duplex_lose(n, c, WEIR_ETIMEDOUT);
    } else {
        d->user->look(http, d);
    }
}

static void duplex_drain(struct net *n, struct connection *c)
{
    struct duplex *d = c->active;
    if (!(c->flags & DUPLEX_CLOSED))
        d->user->drain(n->owner, d);
}

static void duplex_cut(struct net *n, struct connection *c)
{
    duplex_lose(n, c, WEIR_ECANCELED);
}

static uint32_t duplex_stalled(struct net *n, struct connection *c)
{
    const struct http *http = n->owner;
    if (!(c->flags & DUPLEX_BLOCKED) || (c->ready & READY_QUEUED))
        return 0;
    int32_t left = ticks_between(loop_now_ms(n->loop), c->deadline);
    int32_t since = (int32_t)http->settings->write_timeout_ms - left;
    return since > 0 ? (uint32_t)since : 0;
}

static void duplex_give_up(struct net *n, struct connection *c)
{
    http_refused_request(n->owner, c, NULL, REFUSAL_KERNEL_MEMORY, NULL);
    duplex_lose(n, c, WEIR_ETIMEDOUT);
}

const struct protocol http_protocol_duplex = {
    .opened = duplex_opened,
    .ready = duplex_ready,
    .expired = duplex_expired,
    .run = duplex_run,
    .drain = duplex_drain,
    .cut = duplex_cut,
    .stalled = duplex_stalled,
    .give_up = duplex_give_up,
};

/* ---- From an exchange ---- */

void h1_lose_duplex(struct net *n, struct connection *c, struct duplex *d)
{
    d->carrier = (uintptr_t)c | DUPLEX_LOST;
    connection_switch(n, c, &http_protocol_duplex, NULL, 0);
    c->active = d;
    c->flags = DUPLEX_CLOSED | DUPLEX_RESET;
    connection_queue(n, c);
}

void h1_leave_duplex(struct net *n, struct connection *c, struct duplex *d, bool chunked, const char *data, size_t len)
{
    d->carrier = (uintptr_t)c | (chunked ? DUPLEX_CHUNKED : 0);
    connection_switch(n, c, &http_protocol_duplex, NULL, 0);
    c->active = d;
    c->flags = DUPLEX_SENDS; /* so that it stays here whatever begun() does */
    d->user->begun(n->owner, d, data, len);
    if (n->draining && !(c->flags & DUPLEX_CLOSED))
        d->user->drain(n->owner, d);
    c->flags &= (uint8_t)~DUPLEX_SENDS;
    if (c->flags & DUPLEX_CLOSED) {
        finish_when_free(n, c);
        return;
    }
    connection_queue(n, c); /* what has come already makes no further event */
    duplex_pump(n, c);
}
