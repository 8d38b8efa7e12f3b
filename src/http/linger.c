/*
 * The protocol of a connection that gets no further reply.
 *
 * A transport may take less than all of a refusal, for which no memory is kept: the record remembers which it is and
 * how far it has come, and the text is made anew.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/linger.h"

#include <time.h>

/* connection.flags */
enum linger_flags {
    LINGER_TELLING = 1,  /* of a refusal, some has not been sent */
    LINGER_SHUTTING = 2, /* the end of this side has not been sent */
};

#define LINGER_READS   32   /* buffers that are read and dropped in a turn */
#define LINGER_MS      2000 /* how long this side waits for a client that has been refused to stop sending */
#define LINGER_STOP_MS 500  /* and when the server stops */

/* connection.idled with LINGER_TELLING: what is being told. */
struct telling {
    int64_t seconds; /* when it was begun */
    uint16_t sent;   /* bytes that the transport has taken */
    uint8_t cause;   /* enum refusal */
};

_Static_assert(REFUSAL_COUNT < 256 && HTTP_REFUSAL_MAX <= UINT16_MAX, "what is told is told by 24 bits and a time");

static uint64_t telling_pack(struct telling t)
{
    return (uint64_t)t.seconds << 24 | (uint64_t)t.sent << 8 | t.cause;
}

static struct telling telling_unpack(uint64_t packed)
{
    return (struct telling){
        .seconds = (int64_t)(packed >> 24), .sent = (uint16_t)(packed >> 8), .cause = (uint8_t)packed};
}

/* Gives the transport more of the refusal, and then has it sent. False: that goes on when the socket allows. */
static bool refusal_send(struct net *n, struct connection *c)
{
    const struct transport *t = connection_transport(n, c);
    struct telling told = telling_unpack(c->idled);
    char text[HTTP_REFUSAL_MAX];
    size_t len = http_refusal_compose((enum refusal)told.cause, told.seconds, text);
    struct flow flow = {0};
    for (;;) {
        ssize_t result;
        if (told.sent < len) {
            size_t rest = len - told.sent;
            struct iovec part = {.iov_base = text + told.sent, .iov_len = rest < t->piece ? rest : t->piece};
            result = t->write(c, &flow, &part, 1, false);
        } else {
            flow.held = true; /* as far as anybody remembers */
            result = t->flush(c, &flow);
            if (result == 0)
                return true;
        }
        if (result > 0) {
            counter_add(&n->bytes_out, (uint64_t)result);
            told.sent = (uint16_t)(told.sent + result);
            c->idled = telling_pack(told);
        } else if (!transport_wants(result)) {
            return true; /* nobody is told */
        } else if (connection_blocked(n, c, result) <= 0) {
            return false;
        }
    }
}

/* Tells what is to be told and ends this side, or goes on with that. */
static void linger_shut(struct net *n, struct connection *c)
{
    if ((c->flags & LINGER_TELLING) && !refusal_send(n, c))
        return;
    c->flags = 0;
    if (!connection_shutdown(n, c))
        c->flags = LINGER_SHUTTING;
}

static void linger_opened(struct net *n, struct connection *c, const char *data, size_t len)
{
    struct http *http = n->owner;
    (void)data;
    weir_assert(len == 0);
    counter_add(&http->counters.lingering, 1);
    connection_deadline(n, c, n->draining ? LINGER_STOP_MS : LINGER_MS);
    connection_queue(n, c); /* what has arrived already makes no further event */
}

void http_linger(struct net *n, struct connection *c)
{
    connection_switch(n, c, &http_protocol_linger, NULL, 0);
    linger_shut(n, c);
}

void http_linger_refused(struct net *n, struct connection *c, enum refusal cause)
{
    http_refused_unasked(n->owner, c, cause);
    connection_switch(n, c, &http_protocol_linger, NULL, 0);
    c->idled = telling_pack((struct telling){.seconds = (int64_t)time(NULL), .cause = (uint8_t)cause});
    c->flags = LINGER_TELLING;
    linger_shut(n, c);
}

static void linger_end(struct net *n, struct connection *c, bool reset)
{
    struct http *http = n->owner;
    counter_subtract(&http->counters.lingering, 1);
    connection_close(n, c, reset);
}

/* Drops what the client still sends. */
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
    if (got == 0 && c->flags)
        return; /* has said all, and may read what it has not been told yet */
    if (got == 0 || (got < 0 && got != TRANSPORT_WANT_READ))
        linger_end(n, c, false);
    else if (got > 0)
        connection_queue(n, c); /* there is more: others get a turn first */
}

static void linger_ready(struct net *n, struct connection *c, uint32_t events)
{
    if (c->flags && (events & POLLER_WRITE)) {
        linger_shut(n, c);
        if (!c->flags && (c->ready & READY_HALF_CLOSED))
            c->ready |= READY_READ; /* the client's end, which had to wait for this one */
    }
    if (!(c->ready & READY_QUEUED) && (c->ready & READY_READ))
        linger_read(n, c);
}

static void linger_run(struct net *n, struct connection *c)
{
    if (n->cutting || ticks_between(loop_now_ms(n->loop), c->deadline) <= 0)
        linger_end(n, c, n->cutting);
    else
        linger_read(n, c);
}

static void linger_expired(struct net *n, struct connection *c)
{
    if (!(c->ready & READY_QUEUED)) /* or linger_run() finds out */
        linger_end(n, c, false);
}

/* A connection that lingers ends by itself, soon. */
static void linger_drain(struct net *n, struct connection *c)
{
    (void)n;
    (void)c;
}

static void linger_cut(struct net *n, struct connection *c)
{
    if (!(c->ready & READY_QUEUED)) /* or linger_run() finds out */
        linger_end(n, c, true);
}

static uint32_t linger_stalled(struct net *n, struct connection *c)
{
    (void)n;
    (void)c;
    return 0;
}

const struct protocol http_protocol_linger = {
    .opened = linger_opened,
    .ready = linger_ready,
    .expired = linger_expired,
    .run = linger_run,
    .drain = linger_drain,
    .cut = linger_cut,
    .stalled = linger_stalled,
    .give_up = linger_cut,
};
