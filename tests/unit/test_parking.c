/*
 * Parking, step by step, on loops of the test's own: order, and what becomes of a waiter that is granted something
 * while its wait ends otherwise, by the same thread and by another.
 *
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "io/parking.h"
#include "weir.h"

enum { FIBERS = 3, STACK = 64 * 1024, KIND = 0 };

/* One queue, and fibers that wait in it; each notes in order what its wait has given. */
struct bench {
    struct memory memory;
    struct account account;
    struct log log;
    struct loop loop;
    struct work work[FIBERS];
    struct lock lock;
    struct parking queue;
    struct fiber *fibers[FIBERS];
    int cut[FIBERS]; /* what the wait of each is ended by at its begin; 0: nothing */
    bool uncut;      /* nothing ends the waits */
    int timeout_ms;
    int results[FIBERS], order[FIBERS], ended;
};

/* A fiber's own way to wait. */
struct way {
    struct bench *bench;
    int number;
};

static int park(void *arg)
{
    const struct way *way = arg;
    int cut = way->bench->cut[way->number];
    return cut ? cut : fiber_park(&way->bench->loop.fibers);
}

static void run_waiter(void *owner, struct work *w)
{
    struct bench *b = owner;
    struct way way = {b, (int)(w - b->work)};
    const struct parker how = {.park = park, .arg = &way, .timer_kind = KIND};
    struct parked p;
    b->fibers[way.number] = b->loop.fibers.current;
    parked_init(&p, &b->loop);
    parking_lock_acquire(&b->lock);
    parking_join(&b->queue, &p);
    parking_lock_release(&b->lock);
    b->results[way.number] = parking_wait(&b->lock, &b->queue, &p, b->uncut ? NULL : &how, (uint32_t)b->timeout_ms);
    b->order[b->ended++] = way.number;
    if (b->ended == FIBERS)
        loop_stop(&b->loop);
}

static void bench_open(struct bench *b)
{
    *b = (struct bench){0};
    memory_init(&b->memory, 0);
    account_open(&b->account, &b->memory, "test");
    assert_int_equal(loop_init(&b->loop, &b->account, STACK, b, &b->log), 0);
    b->loop.work_fn = run_waiter;
    b->loop.wheel.handlers[KIND] = wait_timer_fired;
    lock_init(&b->lock);
}

static void bench_close(struct bench *b)
{
    assert_int_equal(b->ended, FIBERS);
    assert_null(b->queue.first);
    assert_null(b->queue.last);
    lock_done(&b->lock);
    loop_done(&b->loop);
    account_close(&b->account);
    memory_done(&b->memory);
}

/* Starts all fibers, and comes back when each waits. */
static void bench_wait_all(struct bench *b)
{
    for (int i = 0; i < FIBERS; i++)
        loop_push_work(&b->loop, &b->work[i]);
    b->loop.work_left = b->loop.work_count;
    while (b->loop.work_left > 0)
        assert_true(fibers_start(&b->loop.fibers));
}

static void grant(struct bench *b, int result)
{
    struct parking granted = {0};
    parking_lock_acquire(&b->lock);
    assert_non_null(parking_grant(&b->queue, &granted, result));
    parking_lock_release(&b->lock);
    parking_wake(&granted);
}

static void *grant_all_elsewhere(void *arg)
{
    struct bench *b = arg;
    struct parking granted = {0};
    parking_lock_acquire(&b->lock);
    parking_grant_all(&b->queue, &granted, 7);
    parking_lock_release(&b->lock);
    parking_wake(&granted);
    return NULL;
}

static void in_order_of_arrival(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b);
    bench_wait_all(&b);
    for (int i = 0; i < FIBERS; i++)
        grant(&b, 10 + i);
    fibers_resume_ready(&b.loop.fibers);
    for (int i = 0; i < FIBERS; i++) {
        assert_int_equal(b.order[i], i);
        assert_int_equal(b.results[i], 10 + i);
    }
    bench_close(&b);
}

/* The one in the middle leaves, and the others stay in order. */
static void a_timeout_leaves_the_queue(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b);
    bench_wait_all(&b);
    assert_true(fiber_wake(b.fibers[1], WEIR_ETIMEDOUT));
    fibers_resume_ready(&b.loop.fibers);
    assert_int_equal(b.ended, 1);
    assert_int_equal(b.results[1], WEIR_ETIMEDOUT);
    grant(&b, 1);
    grant(&b, 2);
    fibers_resume_ready(&b.loop.fibers);
    assert_int_equal(b.results[0], 1);
    assert_int_equal(b.results[2], 2);
    bench_close(&b);
}

/* Woken by its timeout, and granted before it runs: it has what it waited for. */
static void a_grant_during_a_timeout_counts(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b);
    bench_wait_all(&b);
    assert_true(fiber_wake(b.fibers[0], WEIR_ETIMEDOUT));
    grant(&b, 5);
    fibers_resume_ready(&b.loop.fibers);
    assert_int_equal(b.ended, 1);
    assert_int_equal(b.results[0], 5);
    grant(&b, 0);
    grant(&b, 0);
    fibers_resume_ready(&b.loop.fibers);
    bench_close(&b);
}

/* The same where another thread grants: the waiters stay until the messages have come, and go on then. */
static void a_grant_from_elsewhere_is_waited_for(void **state)
{
    (void)state;
    struct bench b;
    pthread_t thread;
    bench_open(&b);
    bench_wait_all(&b);
    assert_true(fiber_wake(b.fibers[0], WEIR_ETIMEDOUT));
    assert_int_equal(pthread_create(&thread, NULL, grant_all_elsewhere, &b), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    fibers_resume_ready(&b.loop.fibers);
    assert_int_equal(b.ended, 0); /* the message is in the inbox, which nobody has looked into */
    assert_true(fiber_wake(b.fibers[0], WEIR_ECANCELED));
    fibers_resume_ready(&b.loop.fibers);
    assert_int_equal(b.ended, 0);
    loop_run(&b.loop);
    for (int i = 0; i < FIBERS; i++)
        assert_int_equal(b.results[i], 7);
    bench_close(&b);
}

/* A wait that is over before it begins leaves nothing behind. */
static void a_wait_that_is_refused_leaves_the_queue(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b);
    for (int i = 0; i < FIBERS; i++)
        b.cut[i] = WEIR_ECANCELED;
    bench_wait_all(&b);
    for (int i = 0; i < FIBERS; i++)
        assert_int_equal(b.results[i], WEIR_ECANCELED);
    bench_close(&b);
}

static void nothing_cuts_an_uncut_wait(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b);
    b.uncut = true;
    bench_wait_all(&b);
    for (int i = 0; i < FIBERS; i++)
        assert_true(fiber_wake(b.fibers[i], WEIR_ECANCELED));
    fibers_resume_ready(&b.loop.fibers);
    assert_int_equal(b.ended, 0);
    for (int i = 0; i < FIBERS; i++)
        grant(&b, 0);
    fibers_resume_ready(&b.loop.fibers);
    bench_close(&b);
}

static void timers_end_waits(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b);
    b.timeout_ms = 1;
    for (int i = 0; i < FIBERS; i++)
        loop_push_work(&b.loop, &b.work[i]);
    loop_run(&b.loop);
    for (int i = 0; i < FIBERS; i++)
        assert_int_equal(b.results[i], WEIR_ETIMEDOUT);
    bench_close(&b);
}

/* ---- The primitives, as threads of the program have them ---- */

static void a_mutex_by_itself(void **state)
{
    (void)state;
    weir_mutex m = {0};
    assert_int_equal(weir_mutex_unlock(&m), WEIR_EINVAL);
    assert_int_equal(weir_mutex_lock(NULL, &m, 0), 0);
    assert_int_equal(weir_mutex_lock(NULL, &m, 0), WEIR_EDEADLK);
    assert_int_equal(weir_mutex_try(&m), WEIR_EBUSY);
    assert_int_equal(weir_mutex_unlock(&m), 0);
    assert_int_equal(weir_mutex_try(&m), 0);
    assert_int_equal(weir_mutex_lock(NULL, &m, 1), WEIR_ETIMEDOUT);
    assert_int_equal(weir_mutex_unlock(&m), 0); /* who has waited has left */
    assert_int_equal(weir_mutex_try(&m), 0);
    assert_int_equal(weir_mutex_lock(NULL, NULL, 0), WEIR_EINVAL);
    assert_int_equal(weir_mutex_lock(NULL, &m, -1), WEIR_EINVAL);
    assert_int_equal(weir_mutex_try(NULL), WEIR_EINVAL);
    assert_int_equal(weir_mutex_unlock(NULL), WEIR_EINVAL);
}

static void a_condition_by_itself(void **state)
{
    (void)state;
    weir_mutex m = {0};
    weir_cond cond = {0};
    assert_int_equal(weir_cond_wait(NULL, &cond, &m, 1), WEIR_EINVAL); /* it is not locked */
    assert_int_equal(weir_mutex_lock(NULL, &m, 0), 0);
    weir_cond_signal(&cond); /* nobody waits: no signal is kept */
    assert_int_equal(weir_cond_wait(NULL, &cond, &m, 1), WEIR_ETIMEDOUT);
    assert_int_equal(weir_mutex_try(&m), WEIR_EBUSY);
    weir_cond_broadcast(&cond);
    weir_cond_signal(NULL);
    weir_cond_broadcast(NULL);
    assert_int_equal(weir_mutex_unlock(&m), 0);
}

static void a_semaphore_by_itself(void **state)
{
    (void)state;
    weir_semaphore s = {0};
    assert_int_equal(weir_semaphore_try(&s), WEIR_EBUSY);
    assert_int_equal(weir_semaphore_acquire(NULL, &s, 1), WEIR_ETIMEDOUT);
    assert_int_equal(weir_semaphore_init(&s, 1), 0);
    assert_int_equal(weir_semaphore_acquire(NULL, &s, 0), 0);
    assert_int_equal(weir_semaphore_release(&s, INT32_MAX), 0);
    assert_int_equal(weir_semaphore_release(&s, 1), WEIR_ETOOBIG);
    assert_int_equal(weir_semaphore_release(&s, -1), WEIR_EINVAL);
    assert_int_equal(weir_semaphore_init(&s, -1), WEIR_EINVAL);
    assert_int_equal(weir_semaphore_acquire(NULL, NULL, 0), WEIR_EINVAL);
    assert_int_equal(weir_semaphore_acquire(NULL, &s, -1), WEIR_EINVAL);
}

static void a_wait_group_by_itself(void **state)
{
    (void)state;
    weir_wait_group g = {0};
    assert_int_equal(weir_wait_group_wait(NULL, &g, 0), 0);
    assert_int_equal(weir_wait_group_done(&g), WEIR_EINVAL);
    assert_int_equal(weir_wait_group_add(&g, 2), 0);
    assert_int_equal(weir_wait_group_add(&g, INT32_MAX), WEIR_ETOOBIG);
    assert_int_equal(weir_wait_group_add(&g, -1), WEIR_EINVAL);
    assert_int_equal(weir_wait_group_done(&g), 0);
    assert_int_equal(weir_wait_group_wait(NULL, &g, 1), WEIR_ETIMEDOUT);
    assert_int_equal(weir_wait_group_done(&g), 0);
    assert_int_equal(weir_wait_group_wait(NULL, &g, 0), 0);
    assert_int_equal(weir_wait_group_wait(NULL, NULL, 0), WEIR_EINVAL);
}

static void a_channel_by_itself(void **state)
{
    (void)state;
    weir_server *s = weir_server_new(NULL);
    assert_null(weir_channel_new(s, 1, 0));
    assert_null(weir_channel_new(s, SIZE_MAX, 2));
    assert_null(weir_channel_new(NULL, 1, 1));
    weir_channel *ch = weir_channel_new(s, 3, sizeof(int));
    int item;
    assert_int_equal(weir_channel_receive(NULL, ch, &item, 1), WEIR_ETIMEDOUT);
    for (int round = 0; round < 5; round++) { /* the ring goes round */
        for (int i = 0; i < 3; i++)
            assert_int_equal(weir_channel_send(NULL, ch, &i, 0), 0);
        assert_int_equal(weir_channel_send(NULL, ch, &round, 1), WEIR_ETIMEDOUT);
        assert_int_equal(weir_channel_try_send(ch, &round), WEIR_EBUSY);
        for (int i = 0; i < 2 + round % 2; i++) {
            assert_int_equal(weir_channel_receive(NULL, ch, &item, 0), 0);
            assert_int_equal(item, i);
        }
        while (weir_channel_try_receive(ch, &item) == 0)
            ;
    }
    int last = 9;
    assert_int_equal(weir_channel_send(NULL, ch, &last, 0), 0);
    weir_channel_close(ch);
    weir_channel_close(ch);
    assert_int_equal(weir_channel_send(NULL, ch, &last, 0), WEIR_EDONE);
    assert_int_equal(weir_channel_receive(NULL, ch, &item, 0), 0);
    assert_int_equal(item, 9);
    assert_int_equal(weir_channel_receive(NULL, ch, &item, 0), WEIR_EDONE);
    assert_int_equal(weir_channel_receive(NULL, ch, NULL, 0), WEIR_EINVAL);
    assert_int_equal(weir_channel_try_send(NULL, &item), WEIR_EINVAL);
    weir_channel_free(ch);
    weir_channel_free(NULL);
    weir_channel_close(NULL);
    weir_server_free(s);
}

struct once_calls {
    weir_once once;
    int calls;
};

static int fail_twice(weir_ctx *c, void *arg)
{
    struct once_calls *o = arg;
    assert_int_equal(weir_once_run(c, &o->once, fail_twice, o), WEIR_EDEADLK);
    o->calls++;
    return o->calls == 1 ? WEIR_EIO : o->calls == 2 ? 1 : 0;
}

static void once_by_itself(void **state)
{
    (void)state;
    struct once_calls o = {.calls = 0};
    assert_int_equal(weir_once_run(NULL, &o.once, fail_twice, &o), WEIR_EIO);
    assert_int_equal(weir_once_run(NULL, &o.once, fail_twice, &o), WEIR_EINVAL);
    assert_int_equal(weir_once_run(NULL, &o.once, fail_twice, &o), 0);
    assert_int_equal(weir_once_run(NULL, &o.once, fail_twice, &o), 0);
    assert_int_equal(o.calls, 3);
    assert_int_equal(weir_once_run(NULL, NULL, fail_twice, &o), WEIR_EINVAL);
    assert_int_equal(weir_once_run(NULL, &o.once, NULL, &o), WEIR_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_order_of_arrival),
        cmocka_unit_test(a_timeout_leaves_the_queue),
        cmocka_unit_test(a_grant_during_a_timeout_counts),
        cmocka_unit_test(a_grant_from_elsewhere_is_waited_for),
        cmocka_unit_test(a_wait_that_is_refused_leaves_the_queue),
        cmocka_unit_test(nothing_cuts_an_uncut_wait),
        cmocka_unit_test(timers_end_waits),
        cmocka_unit_test(a_mutex_by_itself),
        cmocka_unit_test(a_condition_by_itself),
        cmocka_unit_test(a_semaphore_by_itself),
        cmocka_unit_test(a_wait_group_by_itself),
        cmocka_unit_test(a_channel_by_itself),
        cmocka_unit_test(once_by_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
