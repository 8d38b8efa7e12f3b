/*
 * Handshakes of a transport by a script: in steps, at once, failed in every way, at the server's stop.
 *
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "connection_fixture.h"

static void agreed_opened(struct net *n, struct connection *c, const char *data, size_t len)
{
    opened(&second, n, c, data, len);
}

static void handshake_in_steps(void **state)
{
    struct fixture *f = *state;
    FAKE_PLAY({.call = FAKE_HANDSHAKE, .result = TRANSPORT_WANT_READ},
              {.call = FAKE_HANDSHAKE, .result = TRANSPORT_WANT_WRITE}, {.call = FAKE_HANDSHAKE, .result = 0},
              {.call = FAKE_READ, .record = "early", .drained = true});
    adopt(f, LISTENER_HANDSHAKE);
    assert_ptr_equal(connection_protocol(&f->net, f->c), &protocol_handshake);
    turns(f, 3);
    assert_int_equal(fake.calls[FAKE_HANDSHAKE], 1);
    assert_int_equal(counter_read(&f->net.handshaking), 1);
    stuff(f->c->fd);
    say(f, "x");
    turns(f, 3);
    assert_int_equal(fake.calls[FAKE_HANDSHAKE], 2); /* x does not concern it: it wants to write */
    assert_int_equal(first.opened, 0);
    unstuff(f->peer);
    turns(f, 2);
    assert_int_equal(first.opened, 1);
    assert_int_equal(first.last_flags, 0);
    assert_ptr_equal(connection_protocol(&f->net, f->c), &protocol_first);
    assert_string_equal(first.data, "early"); /* though no event has told of it */
    for (size_t i = 0; i < HANDSHAKE_FAILURES; i++)
        assert_int_equal(counter_read(&f->net.handshakes[i]), 0);
    assert_int_equal(counter_read(&f->net.handshaking), 0);
    assert_int_equal(counter_read(&f->net.handshakes_done), 1);
}

/* The handshake has agreed on another protocol than the listener's, one of those that it offers. */
static void handshake_leads_elsewhere(void **state)
{
    struct fixture *f = *state;
    static struct protocol agreed;
    agreed = protocol_first;
    agreed.opened = agreed_opened;
    const struct alpn_offer offers[] = {{"agreed", &agreed}, {"first", &protocol_first}, {0}};
    f->listeners[LISTENER_HANDSHAKE].offers = offers;
    assert_int_equal(net_listen(&f->net, f->listeners, LISTENER_COUNT), 0);
    const struct alpn_offer *offer = alpn_find(offers, "agreed, and more", 6);
    assert_ptr_equal(offer, &offers[0]);
    assert_null(alpn_find(offers, "agree", 5));
    assert_null(alpn_find(NULL, "agreed", 6));
    FAKE_PLAY({.call = FAKE_HANDSHAKE, .result = TRANSPORT_WANT_READ}, {.call = FAKE_HANDSHAKE, .result = 0});
    adopt(f, LISTENER_HANDSHAKE);
    handshake_follow(&f->net, f->c, offer->protocol);
    say(f, "x");
    turn(f);
    assert_int_equal(second.opened, 1);
    assert_int_equal(first.opened, 0);
    assert_ptr_equal(connection_protocol(&f->net, f->c), &agreed);
}

/* A transport that is not exact wants what is there already, in either direction. */
static void handshake_wants_in_vain(void **state)
{
    struct fixture *f = *state;
    FAKE_PLAY({.call = FAKE_HANDSHAKE, .result = TRANSPORT_WANT_READ},
              {.call = FAKE_HANDSHAKE, .result = TRANSPORT_WANT_READ},
              {.call = FAKE_HANDSHAKE, .result = TRANSPORT_WANT_WRITE},
              {.call = FAKE_HANDSHAKE, .result = TRANSPORT_WANT_WRITE},
              {.call = FAKE_HANDSHAKE, .result = TRANSPORT_WANT_READ});
    adopt(f, LISTENER_HANDSHAKE);
    say(f, "x");
    turns(f, 6);
    assert_int_equal(first.opened, 1);
}

static void handshake_at_once(void **state)
{
    struct fixture *f = *state;
    adopt(f, LISTENER_HANDSHAKE);
    assert_int_equal(first.opened, 1);
}

static void expect_failure(const struct fixture *f, enum handshake_failure why)
{
    assert_int_equal(counter_read(&f->net.handshaking), 0);
    assert_int_equal(counter_read(&f->net.handshakes_done), 0);
    assert_int_equal(counter_read(&f->net.open), 0);
    assert_int_equal(first.opened, 0);
    assert_int_equal(fake.closed, 1);
    for (size_t i = 0; i < HANDSHAKE_FAILURES; i++)
        assert_int_equal(counter_read(&f->net.handshakes[i]), i == (size_t)why);
}

static void handshake_is_refused(void **state)
{
    struct fixture *f = *state;
    FAKE_PLAY({.call = FAKE_HANDSHAKE, .result = TRANSPORT_WANT_READ}, {.call = FAKE_HANDSHAKE, .result = WEIR_EPROTO});
    adopt(f, LISTENER_HANDSHAKE);
    say(f, "no hello");
    turn(f);
    expect_failure(f, HANDSHAKE_REFUSED);
}

static void handshake_has_no_memory(void **state)
{
    struct fixture *f = *state;
    FAKE_PLAY({.call = FAKE_HANDSHAKE, .result = WEIR_ENOMEM});
    adopt(f, LISTENER_HANDSHAKE);
    expect_failure(f, HANDSHAKE_MEMORY);
}

static void handshake_cannot_be_watched(void **state)
{
    struct fixture *f = *state;
    FAKE_PLAY({.call = FAKE_HANDSHAKE, .result = TRANSPORT_WANT_READ});
    int poller = f->loop.poller.fd;
    f->loop.poller.fd = -1;
    adopt(f, LISTENER_HANDSHAKE);
    f->loop.poller.fd = poller;
    expect_failure(f, HANDSHAKE_MEMORY);
}

static void peer_leaves_handshake(void **state)
{
    struct fixture *f = *state;
    FAKE_PLAY({.call = FAKE_HANDSHAKE, .result = TRANSPORT_WANT_READ});
    adopt(f, LISTENER_HANDSHAKE);
    close(f->peer);
    f->peer = -1;
    turn(f);
    expect_failure(f, HANDSHAKE_CLOSED);
}

static void handshake_is_too_slow(void **state)
{
    struct fixture *f = *state;
    FAKE_PLAY({.call = FAKE_HANDSHAKE, .result = TRANSPORT_WANT_READ},
              {.call = FAKE_HANDSHAKE, .result = TRANSPORT_WANT_READ});
    f->net.handshake_timeout_ms = 1;
    adopt(f, LISTENER_HANDSHAKE);
    until_closed(f);
    expect_failure(f, HANDSHAKE_TIMEOUT);
}

/* What has come while the process stood still counts, though the timer comes before its event. */
static void handshake_is_done_at_the_deadline(void **state)
{
    struct fixture *f = *state;
    FAKE_PLAY({.call = FAKE_HANDSHAKE, .result = TRANSPORT_WANT_READ}, {.call = FAKE_HANDSHAKE, .result = 0});
    adopt(f, LISTENER_HANDSHAKE);
    say(f, "x");
    f->c->deadline = loop_now_ms(&f->loop);
    f->loop.wheel.handlers[TIMER_CONNECTION](&f->net, &f->c->timer);
    assert_int_equal(first.opened, 1);
    assert_int_equal(counter_read(&f->net.handshakes[HANDSHAKE_TIMEOUT]), 0);
}

/* The server stops: a handshake has a second left, in which a request may follow. */
static void handshake_is_drained(void **state)
{
    struct fixture *f = *state;
    FAKE_PLAY({.call = FAKE_HANDSHAKE, .result = TRANSPORT_WANT_READ});
    adopt(f, LISTENER_HANDSHAKE);
    net_drain(&f->net);
    int32_t left = ticks_between(loop_now_ms(&f->loop), f->c->deadline);
    assert_true(left > 0 && left <= 1001);
    say(f, "x");
    turn(f);
    assert_int_equal(first.opened, 1);
}

static void handshake_is_cut(void **state)
{
    struct fixture *f = *state;
    FAKE_PLAY({.call = FAKE_HANDSHAKE, .result = TRANSPORT_WANT_READ});
    adopt(f, LISTENER_HANDSHAKE);
    assert_int_equal(protocol_handshake.stalled(&f->net, f->c), 0);
    net_cut(&f->net);
    assert_int_equal(counter_read(&f->net.open), 0);
    assert_int_equal(first.opened, 0);
    assert_int_equal(fake.closed, 1);
}

/* The server stops already: a client that had connected just before has no longer than those that were there. */
static void late_one_is_drained(void **state)
{
    struct fixture *f = *state;
    FAKE_PLAY({.call = FAKE_HANDSHAKE, .result = TRANSPORT_WANT_READ});
    net_drain(&f->net);
    adopt(f, LISTENER_HANDSHAKE);
    assert_in_range(ticks_between(loop_now_ms(&f->loop), f->c->deadline), 1, 1001);
}

/* Its time is over already: nothing would cut this one any more. */
static void late_one_is_cut(void **state)
{
    struct fixture *f = *state;
    FAKE_PLAY({.call = FAKE_HANDSHAKE, .result = TRANSPORT_WANT_READ});
    net_cut(&f->net);
    adopt(f, LISTENER_HANDSHAKE);
    assert_int_equal(counter_read(&f->net.open), 0);
    assert_int_equal(fake.closed, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(handshake_in_steps),          TEST(handshake_leads_elsewhere),
        TEST(handshake_wants_in_vain),     TEST(handshake_at_once),
        TEST(handshake_is_refused),        TEST(handshake_has_no_memory),
        TEST(handshake_cannot_be_watched), TEST(peer_leaves_handshake),
        TEST(handshake_is_too_slow),       TEST(handshake_is_done_at_the_deadline),
        TEST(handshake_is_drained),        TEST(handshake_is_cut),
        TEST(late_one_is_drained),         TEST(late_one_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
