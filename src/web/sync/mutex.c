/*
 * Mutexes: who has locked one and whether somebody waits is one word, so that a lock that nobody else wants is taken
 * and given by one instruction each. A mutex that is waited for is never free: it is handed to the first.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/sync/sync.h"

#define MUTEX_FREE   ((uintptr_t)0)
#define MUTEX_WAITED ((uintptr_t)1) /* with the owner: the queue may hold somebody; set and cleared under the lock */
#define MUTEX_NOBODY ((uintptr_t)2) /* in the owner's place: by weir_mutex_try() */

struct mutex {
    struct lock lock;
    struct parking queue GUARDED_BY(parking_lock);
    _Atomic uintptr_t state; /* MUTEX_FREE, or sync_self() of the owner */
};

SYNC_FITS(struct mutex, weir_mutex);

struct mutex_waiter {
    struct parked parked;
    uintptr_t self;
};

static struct mutex *mutex_of(weir_mutex *m)
{
    return (struct mutex *)(void *)m;
}

bool mutex_is_locked(const weir_mutex *m)
{
    const struct mutex *mutex = (const struct mutex *)(const void *)m;
    return atomic_load_explicit(&mutex->state, memory_order_relaxed) != MUTEX_FREE;
}

/* Takes a mutex that is free: true. Else the state it is in. */
static inline bool mutex_take(struct mutex *m, uintptr_t self, uintptr_t *state)
{
    *state = MUTEX_FREE;
    return atomic_compare_exchange_strong_explicit(&m->state, state, self, memory_order_acquire, memory_order_relaxed);
}

/* Takes the mutex, which may be free by now, or queues w. True: taken. */
static bool mutex_take_or_join(struct mutex *m, struct mutex_waiter *w) REQUIRES(parking_lock)
{
    uintptr_t state;
    do {
        if (mutex_take(m, w->self, &state))
            return true;
    } while (!(state & MUTEX_WAITED) &&
             !atomic_compare_exchange_weak_explicit(&m->state, &state, state | MUTEX_WAITED, memory_order_relaxed,
                                                    memory_order_relaxed));
    parking_join(&m->queue, &w->parked);
    return false;
}

int weir_mutex_lock(weir_ctx *c, weir_mutex *mutex, int timeout_ms)
{
    SYNC_CHECK(c);
    if (!mutex || timeout_ms < 0)
        return WEIR_EINVAL;
    struct mutex *m = mutex_of(mutex);
    uintptr_t state, self = sync_self(c);
    if (likely(mutex_take(m, self, &state)))
        return 0;
    if ((state & ~MUTEX_WAITED) == self)
        return WEIR_EDEADLK;
    struct mutex_waiter w = {.self = self};
    sync_begin(c, &w.parked);
    parking_lock_acquire(&m->lock);
    bool taken = mutex_take_or_join(m, &w);
    parking_lock_release(&m->lock);
    if (!taken)
        return sync_wait(c, &m->lock, &m->queue, &w.parked, timeout_ms);
    parked_done(&w.parked);
    return 0;
}

void mutex_lock_uncut(weir_ctx *c, weir_mutex *mutex)
{
    struct mutex *m = mutex_of(mutex);
    struct mutex_waiter w = {.self = sync_self(c)};
    parked_init(&w.parked, c ? context_loop(c) : NULL);
    parking_lock_acquire(&m->lock);
    bool taken = mutex_take_or_join(m, &w);
    parking_lock_release(&m->lock);
    if (taken)
        parked_done(&w.parked);
    else
        (void)parking_wait(&m->lock, &m->queue, &w.parked, NULL, 0);
}

int weir_mutex_try(weir_mutex *mutex)
{
    uintptr_t state;
    if (!mutex)
        return WEIR_EINVAL;
    return mutex_take(mutex_of(mutex), MUTEX_NOBODY, &state) ? 0 : WEIR_EBUSY;
}

/* Hands the mutex to the first that waits; where all have left meanwhile, it is free. */
static void mutex_hand_over(struct mutex *m)
{
    struct parking granted = {0};
    parking_lock_acquire(&m->lock);
    struct parked *p = parking_grant(&m->queue, &granted, 0);
    uintptr_t state = MUTEX_FREE;
    if (p)
        state = container_of(p, struct mutex_waiter, parked)->self | (m->queue.first ? MUTEX_WAITED : 0);
    atomic_store_explicit(&m->state, state, memory_order_release);
    parking_lock_release(&m->lock);
    parking_wake(&granted);
}

int weir_mutex_unlock(weir_mutex *mutex)
{
    if (!mutex)
        return WEIR_EINVAL;
    struct mutex *m = mutex_of(mutex);
    uintptr_t state = atomic_load_explicit(&m->state, memory_order_relaxed);
    while (!(state & MUTEX_WAITED)) {
        if (state == MUTEX_FREE)
            return WEIR_EINVAL;
        if (atomic_compare_exchange_weak_explicit(&m->state, &state, MUTEX_FREE, memory_order_release,
                                                  memory_order_relaxed))
            return 0;
    }
    mutex_hand_over(m);
    return 0;
}
