/*
 * Conditions. Who waits is queued before the mutex is unlocked: a signal that is given with it locked finds the waiter.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/sync/sync.h"

struct cond {
    struct lock lock;
    struct parking queue GUARDED_BY(parking_lock);
};

SYNC_FITS(struct cond, weir_cond);

static struct cond *cond_of(weir_cond *cond)
{
    return (struct cond *)(void *)cond;
}

int weir_cond_wait(weir_ctx *c, weir_cond *public, weir_mutex *m, int timeout_ms)
{
    SYNC_CHECK(c);
    if (!public || !m || timeout_ms < 0 || !mutex_is_locked(m))
        return WEIR_EINVAL;
    struct cond *cond = cond_of(public);
    struct parked p;
    sync_begin(c, &p);
    parking_lock_acquire(&cond->lock);
    parking_join(&cond->queue, &p);
    parking_lock_release(&cond->lock);
    (void)weir_mutex_unlock(m);
    int result = sync_wait(c, &cond->lock, &cond->queue, &p, timeout_ms);
    mutex_lock_uncut(c, m);
    return result;
}

void weir_cond_signal(weir_cond *public)
{
    if (!public)
        return;
    struct cond *cond = cond_of(public);
    struct parking granted = {0};
    parking_lock_acquire(&cond->lock);
    (void)parking_grant(&cond->queue, &granted, 0);
    parking_lock_release(&cond->lock);
    parking_wake(&granted);
}

void weir_cond_broadcast(weir_cond *public)
{
    if (!public)
        return;
    struct cond *cond = cond_of(public);
    struct parking granted = {0};
    parking_lock_acquire(&cond->lock);
    parking_grant_all(&cond->queue, &granted, 0);
    parking_lock_release(&cond->lock);
    parking_wake(&granted);
}
