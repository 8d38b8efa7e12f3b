/*
 * Waiting in a queue, and being woken.
 *
 * SPDX-License-Identifier: MIT
 */
#include "io/parking.h"
#include "weir.h"

#include <errno.h>
#include <time.h>

/* The message has come to the waiter's own loop. */
static void parked_arrived(struct loop *l, struct inbox_node *node)
{
    (void)l;
    struct parked *p = container_of(node, struct parked, message);
    p->arrived = true;
    fiber_wake(p->fiber, 0);
}

void parked_init(struct parked *p, struct loop *l)
{
    *p = (struct parked){.loop = l, .thread = pthread_self()};
    if (l) {
        p->fiber = l->fibers.current;
        p->message.fn = parked_arrived;
        return;
    }
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    weir_assert(pthread_cond_init(&p->woken, &attributes) == 0);
    pthread_condattr_destroy(&attributes);
    lock_init(&p->lock);
}

void parked_done(struct parked *p)
{
    if (p->loop)
        return;
    pthread_cond_destroy(&p->woken);
    lock_done(&p->lock);
}

/* ---- Queues ---- */

static void parking_push(struct parking *q, struct parked *p)
{
    p->next = NULL;
    p->previous = q->last;
    *(q->last ? &q->last->next : &q->first) = p;
    q->last = p;
}

static void parking_remove(struct parking *q, struct parked *p)
{
    *(p->previous ? &p->previous->next : &q->first) = p->next;
    *(p->next ? &p->next->previous : &q->last) = p->previous;
}

void parking_join(struct parking *q, struct parked *p)
{
    parking_push(q, p);
}

struct parked *parking_grant(struct parking *q, struct parking *granted, int result)
{
    struct parked *p = q->first;
    if (!p)
        return NULL;
    parking_remove(q, p);
    p->granted = true;
    p->result = result;
    parking_push(granted, p);
    return p;
}

void parking_grant_all(struct parking *q, struct parking *granted, int result)
{
    while (parking_grant(q, granted, result))
        ;
}

/* ---- Waking ---- */

/* Wakes a waiter, whose record may be gone when this returns. */
static void parked_wake(struct parked *p)
{
    if (!p->loop) {
        parked_lock_acquire(&p->lock);
        p->arrived = true;
        pthread_cond_signal(&p->woken);
        parked_lock_release(&p->lock);
    } else if (pthread_equal(p->thread, pthread_self())) {
        p->arrived = true;
        fiber_wake(p->fiber, 0); /* false: something else has woken it, and it has not run since */
    } else {
        loop_send(p->loop, &p->message);
    }
}

void parking_wake(struct parking *granted)
{
    struct parked *p = granted->first;
    while (p) {
        struct parked *next = p->next;
        parked_wake(p);
        p = next;
    }
    *granted = (struct parking){0};
}

/* ---- Waiting ---- */

static struct timespec time_after(uint32_t ms)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += ms / 1000;
    t.tv_nsec += (long)(ms % 1000) * 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    return t;
}

/* Blocks the thread until it is woken, or for timeout_ms (0: no limit). */
static int thread_wait(struct parked *p, uint32_t timeout_ms)
{
    struct timespec until = {0};
    if (timeout_ms > 0)
        until = time_after(timeout_ms);
    int late = 0;
    parked_lock_acquire(&p->lock);
    while (!p->arrived && late != ETIMEDOUT)
        late = timeout_ms > 0 ? pthread_cond_timedwait(&p->woken, &p->lock.mutex, &until)
                              : pthread_cond_wait(&p->woken, &p->lock.mutex);
    bool arrived = p->arrived;
    parked_lock_release(&p->lock);
    return arrived ? 0 : WEIR_ETIMEDOUT;
}

/* Parks the fiber until it is woken, for timeout_ms (0: no limit), or until something else ends its wait. */
static int fiber_wait(struct parked *p, const struct parker *how, uint32_t timeout_ms)
{
    struct wheel *wheel = &p->loop->wheel;
    struct wait_timer timer = {.timer.kind = how->timer_kind, .fiber = p->fiber};
    if (timeout_ms > 0)
        timer_arm(wheel, &timer.timer, loop_delay_now(p->loop, timeout_ms));
    int result = 0;
    while (!p->arrived && result >= 0)
        result = how->park(how->arg);
    timer_cancel(wheel, &timer.timer);
    return p->arrived ? 0 : result;
}

/* Waits for a waking that is under way, or will be, whatever else happens: nothing but the waker may let the waiter go
 * on, which would take its record along. */
static void parked_stay(struct parked *p)
{
    if (p->loop)
        while (!p->arrived)
            (void)fiber_park(&p->loop->fibers);
    else
        (void)thread_wait(p, 0);
}

/* Whether p was granted something after all; else it leaves the queue. */
static bool parking_leave(struct lock *lock, struct parking *q, struct parked *p)
{
    parking_lock_acquire(lock);
    bool granted = p->granted;
    if (!granted)
        parking_remove(q, p);
    parking_lock_release(lock);
    return granted;
}

int parking_wait(struct lock *lock, struct parking *q, struct parked *p, const struct parker *how, uint32_t timeout_ms)
{
    int result = 0;
    if (how)
        result = p->loop ? fiber_wait(p, how, timeout_ms) : thread_wait(p, timeout_ms);
    bool granted = result == 0 || parking_leave(lock, q, p);
    if (granted)
        parked_stay(p);
#ifdef PARKING_PLANTED_LOSS
    if (result < 0) /* what the waiter was granted meanwhile is lost: for the test that has to find it */
        granted = false;
#endif
    parked_done(p);
    return granted ? p->result : result;
}
