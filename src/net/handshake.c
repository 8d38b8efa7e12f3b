/*
 * A connection whose transport has a handshake begins here: the loop drives that, on its own stack and with a deadline
 * of its own, before the protocol of the listener hears of the connection. Since it is a protocol itself, what comes
 * after it knows no such state.
 *
 * connection.state is the number of the protocol that follows, connection.flags what the poller is waited for.
 *
 * SPDX-License-Identifier: MIT
 */
#include "net/connection.h"
#include "net/listener.h"
#include "weir.h"

#include <string.h>

#define HANDSHAKE_STOP_MS 1000u /* what a handshake has left when the server stops: a request may follow it */

const struct handshake_failure_info handshake_failure_infos[HANDSHAKE_FAILURES] = {
#define X(reason, name, text) {name, text},
    HANDSHAKE_TABLE(X)
#undef X
};

static COLD void handshake_fail(struct net *n, struct connection *c, enum handshake_failure why)
{
    log_debug(n->loop->log, "connection %d: handshake failed: %s", c->fd, handshake_failure_infos[why].text);
    counter_add(&n->handshakes[why], 1);
    counter_subtract(&n->handshaking, 1);
    connection_close(n, c, false);
}

static void handshake_done(struct net *n, struct connection *c)
{
    counter_add(&n->handshakes_done, 1);
    counter_subtract(&n->handshaking, 1);
    connection_switch(n, c, n->protocols[c->state], NULL, 0);
}

void handshake_follow(struct net *n, struct connection *c, const struct protocol *p)
{
    int number = net_protocol(n, p);
    weir_assert(number >= 0);
    c->state = (uint8_t)number;
}

const struct alpn_offer *alpn_find(const struct alpn_offer *offers, const void *name, size_t len)
{
    for (const struct alpn_offer *offer = offers; offer && offer->name; offer++)
        if (strlen(offer->name) == len && memcmp(offer->name, name, len) == 0)
            return offer;
    return NULL;
}

/* Has the poller tell when a handshake that wants the socket can go on. 0; 1: at once; or WEIR_ENOMEM. */
static int handshake_wait(struct net *n, struct connection *c, int want)
{
    c->flags = want == TRANSPORT_WANT_READ ? POLLER_READ : POLLER_WRITE;
    if (want == TRANSPORT_WANT_READ) {
        bool exact = connection_transport(n, c)->capabilities & TRANSPORT_EXACT;
        connection_drained(c);
        return (exact ? connection_watch(n, c) : connection_watch_anew(n, c)) ? 0 : WEIR_ENOMEM;
    }
    int blocked = connection_blocked(n, c, want);
    return blocked < 0 ? WEIR_ENOMEM : blocked;
}

static enum handshake_failure failure_of(int error)
{
    if (error <= TRANSPORT_FAILED(0))
        return (enum handshake_failure)(TRANSPORT_FAILED(0) - error);
    return error == WEIR_ENOMEM ? HANDSHAKE_MEMORY : error == WEIR_ECLOSED ? HANDSHAKE_CLOSED : HANDSHAKE_REFUSED;
}

/* Goes as far as it goes now. True: it is under way; false: it is over, in one way or another. */
static bool handshake_step(struct net *n, struct connection *c)
{
    int result, wait;
    do {
        result = connection_transport(n, c)->handshake(c);
        wait = transport_wants(result) ? handshake_wait(n, c, result) : result;
    } while (wait > 0);
    if (wait < 0)
        handshake_fail(n, c, failure_of(wait));
    else if (result == 0)
        handshake_done(n, c);
    return wait == 0 && result != 0;
}

static void handshake_opened(struct net *n, struct connection *c, const char *data, size_t len)
{
    (void)data;
    weir_assert(len == 0); /* whoever switches to a handshake has left all of it in the socket */
    if (n->cutting) {      /* the listeners' last look comes after the cut where the stop has little time */
        connection_close(n, c, true);
        return;
    }
    const struct listen_spec *spec = &n->listeners[c->timer.owner_bits];
    uint32_t ms = spec->handshake_timeout_ms ? spec->handshake_timeout_ms : n->handshake_timeout_ms;
    counter_add(&n->handshaking, 1);
    handshake_follow(n, c, spec->protocol);
    connection_deadline(n, c, n->draining && ms > HANDSHAKE_STOP_MS ? HANDSHAKE_STOP_MS : ms);
    handshake_step(n, c);
}

static void handshake_ready(struct net *n, struct connection *c, uint32_t events)
{
    if (c->ready & READY_GONE)
        handshake_fail(n, c, HANDSHAKE_CLOSED);
    else if (events & c->flags)
        handshake_step(n, c);
}

/* Timers come before events, and a process that stood still finds both at once: what has come meanwhile counts. */
static void handshake_expired(struct net *n, struct connection *c)
{
    if (handshake_step(n, c))
        handshake_fail(n, c, HANDSHAKE_TIMEOUT);
}

static void handshake_run(struct net *n, struct connection *c)
{
    handshake_step(n, c);
}

static void handshake_drain(struct net *n, struct connection *c)
{
    if (ticks_between(loop_now_ms(n->loop), c->deadline) > (int32_t)HANDSHAKE_STOP_MS)
        connection_deadline(n, c, HANDSHAKE_STOP_MS);
}

static void handshake_cut(struct net *n, struct connection *c)
{
    counter_subtract(&n->handshaking, 1);
    connection_close(n, c, true);
}

/* A handshake is not given up for its output. Because that is small, and the deadline is near. */
static uint32_t handshake_stalled(struct net *n, struct connection *c)
{
    (void)n;
    (void)c;
    return 0;
}

const struct protocol protocol_handshake = {
    .opened = handshake_opened,
    .ready = handshake_ready,
    .expired = handshake_expired,
    .run = handshake_run,
    .drain = handshake_drain,
    .cut = handshake_cut,
    .stalled = handshake_stalled,
    .give_up = handshake_cut,
};
