/*
 * The loop.
 *
 * SPDX-License-Identifier: MIT
 */
#include "io/loop.h"
#include "base/error.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Ticks: a timer farther away may be late by what a turn takes, since the clock is not read for it. */
#define NEAR_TICKS      128
#define STARVED_WAIT_MS 5 /* how long work that found no stack waits before it tries again */

/* Begins the first of what waits for that; another fiber goes on with the rest, should it wait. */
static COLD void loop_begin_start(struct loop *l)
{
    struct start *s = l->start_first;
    l->start_first = s->next;
    if (s->next)
        loop_push_work_first(l, &l->starts);
    else
        l->start_last = &l->start_first;
    s->fn(l, s);
}

/* A turn is in line in loop_run(), though there is a copy of it for tests: what it calls has two callers then. */
#define IN_TURN static inline __attribute__((always_inline))

/* The entry of every fiber: serves the work queue until it is empty. */
static void loop_serve(void *arg)
{
    struct loop *l = arg;
    while (l->work_left > 0) {
        struct work *w = l->work_first;
        debug_assert(w);
        if (!w) /* no less than work_left are queued; said for those who check the code */
            __builtin_unreachable();
        l->work_first = w->next;
        if (!w->next)
            l->work_last = &l->work_first;
        l->work_count--;
        l->work_left--;
        if (unlikely(w == &l->starts))
            loop_begin_start(l);
        else
            l->work_fn(l->owner, w);
    }
}

static void loop_woken(struct loop *l, void *object, uint16_t generation, uint32_t events)
{
    (void)object;
    (void)generation;
    (void)events;
    uint64_t count;
    ssize_t n = read(l->wake_fd, &count, sizeof count);
    (void)n; /* the inbox is looked at in every turn */
}

int loop_init(struct loop *l, struct account *account, size_t stack_size, void *owner, const struct log *log)
{
    *l = (struct loop){.owner = owner, .log = log, .wake_fd = -1};
    l->work_last = &l->work_first;
    l->start_last = &l->start_first;
    l->start_ns = clock_monotonic_ns();
    l->now_ns = l->start_ns;
    wheel_init(&l->wheel, 0, owner);
    fibers_init(&l->fibers, account, stack_size, loop_serve, l);
    l->sources[SOURCE_WAKE] = loop_woken;
    int error = poller_init(&l->poller);
    if (error)
        return error;
    l->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    error = l->wake_fd < 0 ? error_from_errno(errno) : 0;
    if (!error)
        error = poller_add(&l->poller, l->wake_fd, POLLER_READ, source_mark(SOURCE_WAKE, NULL, 0));
    if (error)
        loop_done(l);
    return error;
}

void loop_end(struct loop *l)
{
    fibers_done(&l->fibers);
    poller_done(&l->poller);
}

void loop_done(struct loop *l)
{
    loop_end(l);
    if (l->wake_fd >= 0)
        close(l->wake_fd);
    l->wake_fd = -1;
}

void loop_stop(struct loop *l)
{
    l->stopped = true;
}

void loop_hasten_work(struct loop *l, struct work *w)
{
    struct work **at = &l->work_first;
    while (*at != w) {
        weir_assert(*at != NULL); /* w is queued */
        at = &(*at)->next;
    }
    *at = w->next;
    if (l->work_last == &w->next)
        l->work_last = at;
    l->work_count--;
    if (l->work_left > l->work_count)
        l->work_left = l->work_count;
    loop_push_work_first(l, w);
}

void loop_push_start(struct loop *l, struct start *s)
{
    s->next = NULL;
    if (!l->start_first)
        loop_push_work(l, &l->starts);
    *l->start_last = s;
    l->start_last = &s->next;
}

void loop_send(struct loop *l, struct inbox_node *node)
{
    struct inbox_node *first = atomic_load_explicit(&l->inbox, memory_order_relaxed);
    do {
        node->next = first;
    } while (
        !atomic_compare_exchange_weak_explicit(&l->inbox, &first, node, memory_order_release, memory_order_relaxed));
    if (!first) {
        uint64_t one = 1;
        ssize_t n = write(l->wake_fd, &one, sizeof one);
        (void)n; /* fails only when the counter is full, and then the loop is being woken */
    }
}

/* Takes all messages of the inbox, in the order in which they were sent. */
IN_TURN void loop_take_inbox(struct loop *l)
{
    if (!atomic_load_explicit(&l->inbox, memory_order_relaxed))
        return;
    struct inbox_node *node = atomic_exchange_explicit(&l->inbox, NULL, memory_order_acquire);
    struct inbox_node *ordered = NULL;
    while (node) {
        struct inbox_node *next = node->next;
        node->next = ordered;
        ordered = node;
        node = next;
    }
    while (ordered) {
        struct inbox_node *next = ordered->next;
        ordered->fn(l, ordered);
        ordered = next;
    }
}

void loop_update_time(struct loop *l)
{
    l->now_ns = loop_clock_ns(l);
}

/* Nanoseconds since the loop began. Only the difference has a meaning: a loop that a test has made old may have begun
 * before the clock's own zero. */
static WRAPS uint64_t loop_elapsed_ns(const struct loop *l, uint64_t now_ns)
{
    return now_ns - l->start_ns;
}

uint32_t loop_tick_now(const struct loop *l)
{
    return (uint32_t)(loop_elapsed_ns(l, loop_clock_ns(l)) / 1000000);
}

uint32_t loop_delay_now(const struct loop *l, uint32_t ms)
{
    uint32_t behind = (uint32_t)ticks_between(l->wheel.now, loop_tick_now(l));
    uint32_t delay = loop_delay(ms);
    return behind < TIMER_DELAY_MAX - delay ? delay + behind : TIMER_DELAY_MAX;
}

IN_TURN int loop_timeout(struct loop *l)
{
    if (!list_empty(&l->fibers.ready) || l->busy)
        return 0;
    if (l->work_first)
        return l->starved ? STARVED_WAIT_MS : 0;
    int64_t ticks = wheel_next(&l->wheel);
    if (ticks < 0)
        return -1; /* nothing is armed */
    if (ticks >= NEAR_TICKS)
        return (int)ticks; /* less than 2^30 */
    loop_update_time(l);
    /* The wheel's time wraps after 49 days and the clock's does not: only differences are compared. */
    uint64_t elapsed_ns = loop_elapsed_ns(l, l->now_ns);
    uint32_t behind = (uint32_t)ticks_between(l->wheel.now, (uint32_t)(elapsed_ns / 1000000));
    uint64_t passed_ns = (uint64_t)behind * 1000000 + elapsed_ns % 1000000, due_ns = (uint64_t)ticks * 1000000;
    if (due_ns <= passed_ns)
        return 0;
    uint64_t ms = (due_ns - passed_ns + 999999) / 1000000;
    return ms > INT32_MAX ? INT32_MAX : (int)ms;
}

COLD int loop_waits(struct loop *l)
{
    return loop_timeout(l);
}

/* Moves the wheel to the present, in steps where the clock has jumped far, as on a machine that was put aside for
 * weeks: the wheel takes ticks for the past that are more than half of what 32 bits hold ahead. */
IN_TURN void loop_advance(struct loop *l)
{
    uint32_t tick = (uint32_t)(loop_elapsed_ns(l, l->now_ns) / 1000000);
    while (unlikely(ticks_between(l->wheel.now, tick) < 0))
        wheel_advance(&l->wheel, tick_after(l->wheel.now, INT32_MAX));
    wheel_advance(&l->wheel, tick);
}

static void loop_dispatch_one(struct loop *l, const struct epoll_event *event)
{
    uint64_t mark = event->data.u64;
    void *object = (void *)(uintptr_t)(mark & 0x0000fffffffffff8u);
    l->sources[mark & 7](l, object, (uint16_t)(mark >> 48), event->events);
}

/* Hands events to their sources, listeners last: new connections are queued for this turn, behind those that were
 * there. */
IN_TURN void loop_dispatch(struct loop *l, const struct epoll_event *events, int n)
{
    int listeners = 0;
    for (int i = 0; i < n; i++) {
        if (unlikely((events[i].data.u64 & 7) == SOURCE_LISTENER))
            listeners++;
        else
            loop_dispatch_one(l, &events[i]);
    }
    for (int i = 0; unlikely(listeners > 0); i++) {
        if ((events[i].data.u64 & 7) == SOURCE_LISTENER) {
            loop_dispatch_one(l, &events[i]);
            listeners--;
        }
    }
}

IN_TURN void loop_run_fibers(struct loop *l)
{
    l->work_left = l->work_count;
    fibers_resume_ready(&l->fibers);
    while (l->work_left > 0 && fibers_start(&l->fibers))
        ;
    l->starved = l->work_left > 0;
    atomic_store_explicit(&l->fiber_count, l->fibers.total - l->fibers.idle_count, memory_order_relaxed);
}

IN_TURN void loop_turn_in_line(struct loop *l, const struct epoll_event *events, int n)
{
    counter_add(&l->turns, 1);
    loop_update_time(l);
    if (l->begin_fn)
        l->begin_fn(l->owner);
    loop_advance(l);
    loop_dispatch(l, events, n);
    loop_take_inbox(l);
    loop_run_fibers(l);
    if (l->turn_fn)
        l->turn_fn(l->owner);
    counter_add(&l->turns, 1);
}

COLD void loop_turn(struct loop *l, const struct epoll_event *events, int n)
{
    loop_turn_in_line(l, events, n);
}

void loop_run(struct loop *l)
{
    struct epoll_event events[LOOP_EVENTS];
    while (!l->stopped)
        loop_turn_in_line(l, events, poller_wait(&l->poller, events, LOOP_EVENTS, loop_timeout(l)));
}
