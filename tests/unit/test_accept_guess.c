/*
 * How many connections are asked for when a listening socket is readable.
 *
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/accept_guess.h"

#define US 1000u

struct world {
    struct accept_guess guess;
    uint64_t turn, now_ns;
    uint32_t waiting; /* in the socket's queue */
    uint32_t calls, vain;
};

static struct world world_open(void)
{
    struct world w = {.turn = 1, .now_ns = 1000 * US};
    accept_guess_init(&w.guess);
    return w;
}

/* A turn of the loop in which so many have arrived. */
static void world_turn(struct world *w, uint32_t arrived, uint64_t took_ns)
{
    w->turn += 2;
    w->now_ns += took_ns;
    w->waiting += arrived;
    if (w->waiting == 0)
        return;
    uint32_t asked = accept_guess_ask(&w->guess, w->turn, w->now_ns);
    assert_in_range(asked, 1, ACCEPT_BATCH);
    for (uint32_t i = 0; i < asked; i++) {
        w->calls++;
        if (w->waiting == 0) {
            w->vain++;
            accept_guess_drained(&w->guess, i);
            return;
        }
        w->waiting--;
    }
    accept_guess_filled(&w->guess);
}

static void test_now_and_then(void **state)
{
    (void)state;
    struct world w = world_open();
    for (int i = 0; i < 1000; i++) {
        world_turn(&w, 1, 20 * US);
        world_turn(&w, 0, 20 * US); /* its request */
    }
    assert_int_equal(w.calls, 1000);
    assert_int_equal(w.vain, 0);
}

static void test_one_in_every_turn(void **state)
{
    (void)state;
    struct world w = world_open();
    for (int i = 0; i < 1000; i++)
        world_turn(&w, 1, 20 * US);
    assert_int_equal(w.waiting, 0);
    assert_in_range(w.vain, 1, 130);
}

static void test_a_burst(void **state)
{
    (void)state;
    for (int before = 0; before < 100; before += 99) {
        struct world w = world_open();
        for (int i = 0; i < before; i++) /* it has learned to be patient */
            world_turn(&w, 1, 20 * US);
        world_turn(&w, 10000, 20 * US);
        int turns = 1;
        for (; w.waiting > 0; turns++)
            world_turn(&w, 0, 20 * US);
        assert_in_range(turns, 10000 / ACCEPT_BATCH, 10000 / ACCEPT_BATCH + 20);
        /* And back to one, by one call in vain. */
        uint32_t vain = w.vain;
        for (int i = 0; i < 100; i++) {
            world_turn(&w, 0, 20 * US);
            world_turn(&w, 1, 20 * US);
        }
        assert_in_range(w.vain, vain, vain + 1);
        assert_int_equal(w.guess.batch, 1);
    }
}

static void test_bursts_of_a_size(void **state)
{
    (void)state;
    struct world w = world_open();
    for (int i = 0; i < 1000; i++) {
        world_turn(&w, 12, 20 * US);
        for (int k = 0; k < 3; k++)
            world_turn(&w, 0, 20 * US);
    }
    assert_in_range(w.waiting, 0, 12);
    assert_in_range(w.vain, 0, 1000);
    world_turn(&w, 40, 50000 * US); /* it is asked for all, and learns 40 or so */
    for (int i = 0; i < 100; i++)
        world_turn(&w, 200, 20 * US);
    assert_int_equal(w.guess.batch, ACCEPT_BATCH);
}

/* Others may be free for what has gathered while this worker was busy. */
static void test_long_turns(void **state)
{
    (void)state;
    struct world w = world_open();
    for (int i = 0; i < 100; i++)
        world_turn(&w, 1, 20 * US);
    world_turn(&w, 10, 50000 * US);
    assert_int_equal(w.waiting, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_now_and_then), cmocka_unit_test(test_one_in_every_turn),
        cmocka_unit_test(test_a_burst),      cmocka_unit_test(test_bursts_of_a_size),
        cmocka_unit_test(test_long_turns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
