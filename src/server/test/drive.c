/*
 * The turns of a tested server's loop, and its time. Whoever waits for the server makes the turns until what is waited
 * for is there. When nothing can go on, nobody outside of the process is waited for, and time may move, it moves to
 * when the next timer is due.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/clock.h"
#include "net/within.h"
#include "server/offload_pools.h"
#include "server/test/peer.h"

#define SLICE_MS 1      /* how long what is outside is waited for before everything is looked at again */
#define REAL_MS  10000u /* longest time for which others are given time for real */

static struct loop *test_loop(const struct test *t)
{
    return &t->server->workers[0].loop;
}

/* What the peers have to tell. Returns how many events. */
static int peers_tell(struct test *t, struct epoll_event *events, int most)
{
    int n = 0;
    list_for_each (l, &t->peers) {
        struct weir_test_peer *p = container_of(l, struct weir_test_peer, link);
        if (n < most && within_events(&p->within, &events[n]))
            n++;
    }
    return n;
}

/* Peers take as much as the program may want soon: one that it asks nothing of is a client that has stopped, so that a
 * handler that writes for ever comes to rest. */
static void peers_take(struct test *t)
{
    list_for_each_safe (l, &t->peers) {
        struct weir_test_peer *p = container_of(l, struct weir_test_peer, link);
        if (test_bytes_left(&p->raw).len < WITHIN_WINDOW)
            test_peer_take(p);
        if (p->released && !p->within.connection)
            test_peer_free(p);
    }
}

static void test_turn(struct test *t, int wait_ms)
{
    struct loop *l = test_loop(t);
    struct epoll_event events[LOOP_EVENTS];
    int n = peers_tell(t, events, LOOP_EVENTS / 2);
    n += poller_wait(&l->poller, events + n, LOOP_EVENTS / 2, n > 0 ? 0 : wait_ms);
    loop_turn(l, events, n);
    peers_take(t);
}

/* Whether a turn has nothing to do now. */
static bool test_is_quiet(const struct test *t)
{
    struct loop *l = test_loop(t);
    if (loop_waits(l) == 0 || atomic_load(&l->inbox))
        return false;
    list_for_each (link, &t->peers)
        if (within_has_events(&container_of(link, struct weir_test_peer, link)->within))
            return false;
    return true;
}

static bool test_offloads(struct test *t)
{
    struct offload_counts counts = offload_count(&t->server->offload);
    return counts.busy > 0 || counts.queued > 0 || offload_pools_are_busy(t->server);
}

static uint64_t real_ms(void)
{
    return clock_monotonic_ns() / 1000000;
}

/* Makes turns until everything waits. Returns whether offloaded functions are among what is waited for. Those are
 * looked at first: one that is done has sent its message before it is. */
static bool test_rest(struct test *t)
{
    for (;;) {
        bool offloads = test_offloads(t);
        if (test_is_quiet(t))
            return offloads;
        test_turn(t, 0);
    }
}

void test_settle(struct test *t)
{
    uint64_t began = real_ms();
    worker_enter(&t->server->workers[0]);
    test_turn(t, 0);
    while (test_rest(t) && real_ms() - began < REAL_MS)
        test_turn(t, SLICE_MS);
}

/* Moves the time to the next timer, `until` at most. */
static void test_skip(struct test *t, uint64_t until_ns)
{
    int wait = loop_waits(test_loop(t));
    uint64_t step_ns = (uint64_t)wait * 1000000u, left_ns = until_ns - t->clock_ns;
    t->clock_ns = wait < 0 || step_ns > left_ns ? until_ns : t->clock_ns + step_ns;
}

static uint64_t test_later(const struct test *t, uint64_t ms)
{
    const uint64_t most = (UINT64_MAX / 4 - t->clock_ns) / 1000000;
    return t->clock_ns + (ms < most ? ms : most) * 1000000u;
}

void test_advance(struct test *t, uint64_t ms)
{
    uint64_t until_ns = test_later(t, ms);
    test_settle(t);
    while (t->clock_ns < until_ns && !test_loop(t)->stopped) {
        test_skip(t, until_ns);
        test_settle(t);
    }
}

/* Everything waits, and for somebody outside, who is given a moment. True: the next timer's time has passed for real,
 * *spent_ms since the time was moved. */
static bool test_give_time(struct test *t, uint64_t *spent_ms)
{
    uint64_t began = real_ms();
    test_turn(t, SLICE_MS);
    *spent_ms += real_ms() - began;
    int wait = loop_waits(test_loop(t));
    return wait >= 0 && *spent_ms >= (uint64_t)wait;
}

int test_run(struct test *t, bool (*done)(void *arg), void *arg, int64_t ms)
{
    uint64_t until_ns = test_later(t, (uint64_t)ms), began = real_ms(), spent_ms = 0;
    worker_enter(&t->server->workers[0]);
    while (!done(arg)) {
        if (!test_is_quiet(t)) {
            test_turn(t, 0);
            continue;
        }
        bool outside = test_rest(t) || test_loop(t)->outside > 0;
        if (done(arg))
            break;
        if (t->held) {
            if (real_ms() - began > REAL_MS)
                return WEIR_ETIMEDOUT;
            test_turn(t, SLICE_MS);
            continue;
        }
        if (outside && !test_give_time(t, &spent_ms))
            continue;
        spent_ms = 0;
        if (t->clock_ns >= until_ns)
            return WEIR_ETIMEDOUT;
        if (test_is_quiet(t))
            test_skip(t, until_ns);
        test_turn(t, 0);
    }
    return 0;
}
