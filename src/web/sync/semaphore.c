/*
 * Semaphores. While somebody waits there are no permits: each that is released goes to the first.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/sync/sync.h"

#include <limits.h>

struct semaphore {
    struct lock lock;
    struct parking queue GUARDED_BY(parking_lock);
    int permits GUARDED_BY(parking_lock);
};

SYNC_FITS(struct semaphore, weir_semaphore);

static struct semaphore *semaphore_of(weir_semaphore *s)
{
    return (struct semaphore *)(void *)s;
}

int weir_semaphore_init(weir_semaphore *public, int permits)
{
    if (!public || permits < 0)
        return WEIR_EINVAL;
    *semaphore_of(public) = (struct semaphore){.permits = permits};
    return 0;
}

static bool semaphore_take(struct semaphore *s) REQUIRES(parking_lock)
{
    if (s->permits == 0)
        return false;
    s->permits--;
    return true;
}

int weir_semaphore_try(weir_semaphore *public)
{
    if (!public)
        return WEIR_EINVAL;
    struct semaphore *s = semaphore_of(public);
    parking_lock_acquire(&s->lock);
    bool taken = semaphore_take(s);
    parking_lock_release(&s->lock);
    return taken ? 0 : WEIR_EBUSY;
}

int weir_semaphore_acquire(weir_ctx *c, weir_semaphore *public, int timeout_ms)
{
    SYNC_CHECK(c);
    if (timeout_ms < 0)
        return WEIR_EINVAL;
    int answer = weir_semaphore_try(public);
    if (answer != WEIR_EBUSY)
        return answer;
    struct semaphore *s = semaphore_of(public);
    struct parked p;
    sync_begin(c, &p);
    parking_lock_acquire(&s->lock);
    bool taken = semaphore_take(s);
    if (!taken)
        parking_join(&s->queue, &p);
    parking_lock_release(&s->lock);
    if (!taken)
        return sync_wait(c, &s->lock, &s->queue, &p, timeout_ms);
    parked_done(&p);
    return 0;
}

int weir_semaphore_release(weir_semaphore *public, int n)
{
    if (!public || n < 0)
        return WEIR_EINVAL;
    struct semaphore *s = semaphore_of(public);
    struct parking granted = {0};
    parking_lock_acquire(&s->lock);
    bool fits = n <= INT_MAX - s->permits;
    if (fits) {
        while (n > 0 && parking_grant(&s->queue, &granted, 0))
            n--;
        s->permits += n;
    }
    parking_lock_release(&s->lock);
    parking_wake(&granted);
    return fits ? 0 : WEIR_ETOOBIG;
}
