/*
 * What is done once. The handler that does it may be ended in the middle: its claim then ends the attempt, so that
 * nobody waits for one that is gone.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/sync/sync.h"

#define ONCE_NEW  ((uintptr_t)0)
#define ONCE_DONE ((uintptr_t)1)

struct once {
    struct lock lock;
    struct parking queue GUARDED_BY(parking_lock);
    _Atomic uintptr_t state; /* ONCE_NEW, ONCE_DONE, or sync_self() of who does it; changed under the lock */
};

SYNC_FITS(struct once, weir_once);

/* An attempt under way; on the stack of who makes it. */
struct once_attempt {
    struct claim claim;
    struct once *once;
};

/* Takes up an attempt (ONCE_NEW), or queues p (NULL: does not), unless it is done. Returns the state that was found. */
static uintptr_t once_ask(struct once *o, uintptr_t self, struct parked *p)
{
    parking_lock_acquire(&o->lock);
    uintptr_t state = atomic_load_explicit(&o->state, memory_order_relaxed);
    if (state == ONCE_NEW)
        atomic_store_explicit(&o->state, self, memory_order_relaxed);
    else if (state != ONCE_DONE && state != self && p)
        parking_join(&o->queue, p);
    parking_lock_release(&o->lock);
    return state;
}

static void once_finish(struct once *o, int result)
{
    struct parking granted = {0};
    parking_lock_acquire(&o->lock);
    atomic_store_explicit(&o->state, result == 0 ? ONCE_DONE : ONCE_NEW, memory_order_release);
    parking_grant_all(&o->queue, &granted, result);
    parking_lock_release(&o->lock);
    parking_wake(&granted);
}

/* The handler was ended within the attempt. */
static void once_left(struct claim *claim)
{
    once_finish(container_of(claim, struct once_attempt, claim)->once, WEIR_ECANCELED);
}

static int once_do(weir_ctx *c, struct once *o, int (*fn)(weir_ctx *c, void *arg), void *arg)
{
    struct once_attempt attempt = {.once = o};
    if (c)
        claim_make(c, &attempt.claim, once_left);
    int result = fn(c, arg);
    if (c)
        claim_settle(&attempt.claim);
    if (result > 0)
        result = WEIR_EINVAL;
    once_finish(o, result);
    return result;
}

int weir_once_run(weir_ctx *c, weir_once *once, int (*fn)(weir_ctx *c, void *arg), void *arg)
{
    SYNC_CHECK(c);
    if (!once || !fn)
        return WEIR_EINVAL;
    struct once *o = (struct once *)(void *)once;
    if (likely(atomic_load_explicit(&o->state, memory_order_acquire) == ONCE_DONE))
        return 0;
    uintptr_t self = sync_self(c), state = once_ask(o, self, NULL);
    if (state == ONCE_NEW)
        return once_do(c, o, fn, arg);
    if (state == ONCE_DONE)
        return 0;
    if (state == self)
        return WEIR_EDEADLK;
    struct parked p;
    sync_begin(c, &p);
    state = once_ask(o, self, &p);
    if (state != ONCE_NEW && state != ONCE_DONE)
        return sync_wait(c, &o->lock, &o->queue, &p, 0);
    parked_done(&p);
    return state == ONCE_DONE ? 0 : once_do(c, o, fn, arg);
}
