/*
 * The timer wheel against a model that keeps every expiry in 64 bits and looks at all of them: random arming,
 * cancelling and advancing over spans of every level, across the wrap of the 32-bit tick.
 *
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/list.h"
#include "io/timer.h"

#define TIMERS 200

struct entry {
    struct timer timer;
    uint64_t expires; /* 0: not armed */
};

struct model {
    struct wheel wheel;
    uint64_t now; /* the wheel's, unwrapped */
    uint64_t seed;
    uint64_t fired;
    uint64_t advances;
    struct entry entries[TIMERS];
};

/* Of a linear congruence, modulo 2^64. */
static WRAPS uint32_t model_random(struct model *m)
{
    m->seed = m->seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(m->seed >> 32);
}

/* Of every order of magnitude up to 2^bits. */
static uint32_t model_span(struct model *m, uint32_t bits)
{
    uint32_t width = model_random(m) % (bits + 1);
    return model_random(m) & (uint32_t)(((uint64_t)1 << width) - 1);
}

/* The wheel's time in 64 bits, while it may be ahead of what the model knows. */
static uint64_t model_time(const struct model *m)
{
    return m->now + (uint32_t)ticks_between((uint32_t)m->now, m->wheel.now);
}

static void model_arm(struct model *m, struct entry *e, uint32_t delay)
{
    timer_arm(&m->wheel, &e->timer, delay);
    if (delay == 0)
        delay = 1;
    if (delay > TIMER_DELAY_MAX)
        delay = TIMER_DELAY_MAX;
    e->expires = model_time(m) + delay;
}

static void model_cancel(struct model *m, struct entry *e)
{
    timer_cancel(&m->wheel, &e->timer);
    e->expires = 0;
    assert_false(timer_armed(&e->timer));
}

/* Fires at its very tick, and now and then arms and cancels others, itself too. */
static void model_fired(void *owner, struct timer *t)
{
    struct model *m = owner;
    struct entry *e = container_of(t, struct entry, timer);
    assert_int_not_equal(e->expires, 0);
    assert_true(e->expires == model_time(m));
    assert_false(timer_armed(t));
    e->expires = 0;
    m->fired++;
    uint32_t choice = model_random(m) % 8;
    struct entry *other = &m->entries[model_random(m) % TIMERS];
    if (choice == 0)
        model_arm(m, e, model_span(m, 30));
    else if (choice == 1)
        model_cancel(m, other);
    else if (choice == 2)
        model_arm(m, other, model_span(m, 13));
}

static void model_init(struct model *m, uint32_t start, uint64_t seed)
{
    *m = (struct model){.now = ((uint64_t)1 << 32) + start, .seed = seed};
    wheel_init(&m->wheel, start, m);
    m->wheel.handlers[0] = m->wheel.handlers[1] = model_fired;
    for (size_t i = 0; i < TIMERS; i++)
        m->entries[i].timer.kind = (uint8_t)(i & 1);
}

/* Nothing is late, wheel_next() is not later than the truth and not in the past. */
static void model_check(struct model *m)
{
    uint64_t first = UINT64_MAX;
    for (size_t i = 0; i < TIMERS; i++) {
        const struct entry *e = &m->entries[i];
        assert_int_equal(timer_armed(&e->timer), e->expires != 0);
        if (!e->expires)
            continue;
        assert_true(e->expires > m->now);
        if (e->expires < first)
            first = e->expires;
    }
    int64_t next = wheel_next(&m->wheel);
    if (first == UINT64_MAX) {
        assert_int_equal(next, -1);
    } else {
        assert_true(next > 0);
        assert_true((uint64_t)next <= first - m->now);
    }
}

static void model_advance(struct model *m, uint64_t to)
{
    wheel_advance(&m->wheel, (uint32_t)to);
    m->now = to;
    assert_int_equal(m->wheel.now, (uint32_t)to);
    if (m->advances++ % 16 == 0)
        model_check(m);
}

/* As a loop does: from one announced tick to the next. Returns the number of steps. */
static unsigned model_sleep(struct model *m, uint64_t to)
{
    unsigned steps = 0;
    while (m->now < to) {
        int64_t next = wheel_next(&m->wheel);
        uint64_t until = next < 0 || m->now + (uint64_t)next > to ? to : m->now + (uint64_t)next;
        model_advance(m, until);
        steps++;
    }
    return steps;
}

static void model_run(uint32_t start, uint64_t seed, uint32_t bits)
{
    struct model m;
    model_init(&m, start, seed);
    for (int i = 0; i < 200; i++) {
        struct entry *e = &m.entries[model_random(&m) % TIMERS];
        switch (model_random(&m) % 4) {
        case 0:
        case 1:
            model_arm(&m, e, model_span(&m, bits));
            break;
        case 2:
            model_cancel(&m, e);
            break;
        default:
            if (model_random(&m) % 2)
                model_advance(&m, m.now + model_span(&m, bits < 18 ? bits : 18));
            else
                model_sleep(&m, m.now + model_span(&m, bits));
        }
        model_check(&m);
    }
    assert_true(m.fired > 5);
}

static void random_spans(void **state)
{
    (void)state;
    const uint32_t starts[] = {0, 1, 63, 64, 4095, 0x3ffffff, 0x7ffffff0, UINT32_MAX, UINT32_MAX - 100, 0xfffc0000};
    const uint32_t bits[] = {7, 13, 19, 25, 30};
    for (size_t s = 0; s < sizeof starts / sizeof starts[0]; s++)
        for (size_t b = 0; b < sizeof bits / sizeof bits[0]; b++)
            model_run(starts[s], s * 977 + b, bits[b]);
}

/* Each level's borders, from every phase of the levels below. */
static void borders(void **state)
{
    (void)state;
    static struct model m;
    const uint32_t delays[] = {0,
                               1,
                               2,
                               63,
                               64,
                               65,
                               127,
                               128,
                               4095,
                               4096,
                               4097,
                               262143,
                               262144,
                               262145,
                               16777215,
                               16777216,
                               16777217,
                               268435456,
                               TIMER_DELAY_MAX - 1,
                               TIMER_DELAY_MAX,
                               UINT32_MAX};
    const uint32_t starts[] = {0, 1, 62, 63, 64, 4095, 4096, 262143, 16777215, 0x3fffffff, 0xbfffffc1, UINT32_MAX};
    for (size_t s = 0; s < sizeof starts / sizeof starts[0]; s++) {
        for (size_t d = 0; d < sizeof delays / sizeof delays[0]; d++) {
            model_init(&m, starts[s], 5);
            m.wheel.handlers[0] = m.wheel.handlers[1] = model_fired;
            model_arm(&m, &m.entries[0], delays[d]);
            uint64_t expires = m.entries[0].expires;
            m.seed = 7; /* whose first choice is none */
            while (m.fired == 0) {
                int64_t next = wheel_next(&m.wheel);
                assert_true(next > 0 && m.now + (uint64_t)next <= expires);
                model_advance(&m, m.now + (uint64_t)next);
            }
            assert_true(m.now == expires);
        }
    }
}

static void arming_anew(void **state)
{
    (void)state;
    static struct model m;
    model_init(&m, 100, 7);
    struct timer unarmed = {0};
    timer_cancel(&m.wheel, &unarmed);
    model_arm(&m, &m.entries[0], 10);
    model_arm(&m, &m.entries[0], 5000);
    assert_true(wheel_next(&m.wheel) > 10);
    model_advance(&m, m.now + 100);
    assert_int_equal(m.fired, 0);
    model_arm(&m, &m.entries[0], 3);
    model_arm(&m, &m.entries[1], 3);
    model_arm(&m, &m.entries[2], 3);
    model_cancel(&m, &m.entries[1]);
    model_cancel(&m, &m.entries[1]);
    model_advance(&m, m.now);
    assert_int_equal(wheel_next(&m.wheel), 3);
    model_cancel(&m, &m.entries[0]);
    model_cancel(&m, &m.entries[2]);
    assert_int_equal(wheel_next(&m.wheel), -1);
}

/* A long sleep takes few steps: at most a slot of each level is announced too early. */
static void few_wakeups(void **state)
{
    (void)state;
    static struct model m;
    for (uint64_t seed = 0; seed < 200; seed++) {
        model_init(&m, (uint32_t)(seed * 2654435761u), seed);
        uint32_t delay = model_span(&m, 30);
        model_arm(&m, &m.entries[0], delay);
        m.seed = 7;
        assert_true(model_sleep(&m, m.entries[0].expires) <= WHEEL_LEVELS);
    }
}

/* A hundred thousand timers, armed and cancelled in any order, in no time: a search would take minutes. */
static void constant_time(void **state)
{
    (void)state;
    enum { MANY = 100000 };
    static struct timer timers[MANY];
    static struct wheel wheel;
    wheel_init(&wheel, 0, NULL);
    uint64_t before = clock_monotonic_ns();
    for (uint32_t round = 0; round < 5; round++) {
        for (uint32_t i = 0; i < MANY; i++)
            timer_arm(&wheel, &timers[i], 60000);
        for (uint32_t i = 0; i < MANY; i++)
            timer_cancel(&wheel, &timers[(uint64_t)i * 7919 % MANY]);
    }
    assert_int_equal(wheel_next(&wheel), -1);
    assert_true(clock_monotonic_ns() - before < 10000000000u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_spans), cmocka_unit_test(borders),       cmocka_unit_test(arming_anew),
        cmocka_unit_test(few_wakeups),  cmocka_unit_test(constant_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
