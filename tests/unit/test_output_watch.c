/*
 * Peers that take nothing, or too little, by a clock that is set.
 *
 * SPDX-License-Identifier: MIT
 */
#include "output_fixture.h"

#define STALL  1000
#define WINDOW 400

static const struct output_limits limits = {.stall_ms = STALL, .window_ms = WINDOW, .min_rate = 100};

/* The output blocks at `tick`, with `sent` bytes taken of more. */
static void block(struct fixture *f, uint32_t tick, size_t sent)
{
    static char bytes[100000];
    fixture_begin(f);
    f->loop.wheel.now = tick;
    push_static(&f->out, bytes, sizeof bytes);
    fixture_step(f, (ssize_t)sent);
    if (sent == PIECE)
        fixture_step(f, TRANSPORT_WANT_WRITE);
    assert_int_equal(fixture_send(f, false), TRANSPORT_WANT_WRITE);
    f->unconfirmed = sent;
}

static enum output_pace look(struct fixture *f, uint32_t tick)
{
    f->loop.wheel.now = tick;
    return output_check(&f->out, &f->net, &f->conn, &limits);
}

static void intervals(void **state)
{
    (void)state;
    assert_int_equal(output_interval(&limits), WINDOW / 4);
    assert_int_equal(output_interval(&(struct output_limits){.stall_ms = 80, .window_ms = 400}), 20);
    for (uint32_t ms = 1; ms <= 7; ms++)
        assert_int_equal(output_interval(&(struct output_limits){.stall_ms = ms, .window_ms = 400}), 1);
}

/* Ticks wrap meanwhile. */
static void stalls(void **state)
{
    struct fixture *f = *state;
    struct output_limits any = limits;
    any.min_rate = 0;
    uint32_t start = UINT32_MAX - 500;
    block(f, start, PIECE);
    assert_int_equal(f->out.watch.progress, start);
    f->loop.wheel.now = tick_after(start, 999);
    assert_int_equal(output_check(&f->out, &f->net, &f->conn, &any), OUTPUT_KEEPS_UP);
    f->unconfirmed--; /* it takes a byte */
    f->loop.wheel.now = tick_after(start, 1001);
    assert_int_equal(output_check(&f->out, &f->net, &f->conn, &any), OUTPUT_KEEPS_UP);
    assert_int_equal(f->out.watch.progress, tick_after(start, 1001));
    f->loop.wheel.now = tick_after(start, 2000);
    assert_int_equal(output_check(&f->out, &f->net, &f->conn, &any), OUTPUT_KEEPS_UP);
    f->loop.wheel.now = tick_after(start, 2001);
    assert_int_equal(output_check(&f->out, &f->net, &f->conn, &any), OUTPUT_STALLED);
    output_discard(&f->out, WEIR_ETIMEDOUT);
}

/* What the transport takes is progress while the output is blocked, and is none of a peer that has not taken it. */
static void taking_is_progress(void **state)
{
    struct fixture *f = *state;
    block(f, 1000, PIECE);
    fixture_step(f, TRANSPORT_WANT_WRITE);
    f->loop.wheel.now = 1500;
    assert_int_equal(fixture_send(f, false), TRANSPORT_WANT_WRITE);
    assert_int_equal(f->out.watch.progress, 1000);
    fixture_step(f, 10);
    f->loop.wheel.now = 1600;
    assert_int_equal(fixture_send(f, false), TRANSPORT_WANT_WRITE);
    assert_int_equal(f->out.watch.progress, 1600);
    f->unconfirmed = PIECE + 10;
    output_look(&f->out, &f->net, &f->conn);
    int64_t delivered = f->out.watch.delivered;
    f->loop.wheel.now = 1700;
    f->unconfirmed += 5; /* an earlier output's bytes */
    output_look(&f->out, &f->net, &f->conn);
    assert_int_equal(f->out.watch.progress, 1600);
    assert_int_equal(f->out.watch.delivered, delivered);
    output_discard(&f->out, WEIR_ETIMEDOUT);
}

/* Of each measurement as much has to be taken as the rate asks for; a byte less is too slow. */
static void rates(void **state)
{
    struct fixture *f = *state;
    for (size_t less = 0; less <= 1; less++) {
        block(f, 5000, PIECE);
        assert_int_equal(look(f, 5100), OUTPUT_KEEPS_UP); /* the measurement begins */
        f->unconfirmed -= 40;
        assert_int_equal(look(f, 5499), OUTPUT_KEEPS_UP);
        assert_int_equal(look(f, 5500), OUTPUT_KEEPS_UP); /* 40 bytes in 400 ms */
        f->unconfirmed -= 50 - less;
        assert_int_equal(look(f, 5899), OUTPUT_KEEPS_UP);
        assert_int_equal(look(f, 6000), less ? OUTPUT_SLOW : OUTPUT_KEEPS_UP); /* of 50 in 500 ms */
        output_discard(&f->out, WEIR_ETIMEDOUT);
    }
}

static void no_rate(void **state)
{
    struct fixture *f = *state;
    struct output_limits any = limits;
    any.min_rate = 0;
    block(f, 0, PIECE);
    for (uint32_t tick = 100; tick < STALL; tick += 100) {
        f->loop.wheel.now = tick;
        assert_int_equal(output_check(&f->out, &f->net, &f->conn, &any), OUTPUT_KEEPS_UP);
    }
    output_discard(&f->out, WEIR_ETIMEDOUT);
}

/* Blocking again goes on with the measurement; blocking anew, after all was sent, begins another. */
static void begins_anew(void **state)
{
    struct fixture *f = *state;
    block(f, 0, PIECE);
    assert_int_equal(look(f, 100), OUTPUT_KEEPS_UP);
    fixture_step(f, 1);
    f->loop.wheel.now = 400;
    assert_int_equal(fixture_send(f, false), TRANSPORT_WANT_WRITE);
    f->unconfirmed++;
    assert_int_equal(look(f, 500), OUTPUT_SLOW);
    assert_int_equal(fixture_send(f, false), 0);
    f->unconfirmed = (size_t)f->out.sent;
    f->loop.wheel.now = 900;
    push_text(&f->out, "abc");
    fixture_step(f, 1);
    assert_int_equal(fixture_send(f, false), TRANSPORT_WANT_WRITE);
    assert_int_equal(f->out.watch.progress, 900);
    assert_int_equal(f->out.watch.window_delivered, RATE_UNKNOWN);
    f->unconfirmed++;
    assert_int_equal(look(f, 1000), OUTPUT_KEEPS_UP);
    assert_int_equal(look(f, 1399), OUTPUT_KEEPS_UP);
    assert_int_equal(look(f, 1400), OUTPUT_SLOW);
    output_discard(&f->out, WEIR_ETIMEDOUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(intervals), cmocka_unit_test(stalls),  cmocka_unit_test(taking_is_progress),
        cmocka_unit_test(rates),     cmocka_unit_test(no_rate), cmocka_unit_test(begins_anew),
    };
    return cmocka_run_group_tests(tests, fixture_open, fixture_close);
}
