/*
 * Wait groups.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/sync/sync.h"

#include <limits.h>

struct wait_group {
    struct lock lock;
    struct parking queue GUARDED_BY(parking_lock);
    int jobs GUARDED_BY(parking_lock);
};

SYNC_FITS(struct wait_group, weir_wait_group);

static struct wait_group *wait_group_of(weir_wait_group *g)
{
    return (struct wait_group *)(void *)g;
}

int weir_wait_group_add(weir_wait_group *public, int n)
{
    if (!public || n < 0)
        return WEIR_EINVAL;
    struct wait_group *g = wait_group_of(public);
    parking_lock_acquire(&g->lock);
    bool fits = n <= INT_MAX - g->jobs;
    if (fits)
        g->jobs += n;
    parking_lock_release(&g->lock);
    return fits ? 0 : WEIR_ETOOBIG;
}

int weir_wait_group_done(weir_wait_group *public)
{
    if (!public)
        return WEIR_EINVAL;
    struct wait_group *g = wait_group_of(public);
    struct parking granted = {0};
    parking_lock_acquire(&g->lock);
    bool was = g->jobs > 0;
    g->jobs -= was;
    if (was && g->jobs == 0)
        parking_grant_all(&g->queue, &granted, 0);
    parking_lock_release(&g->lock);
    parking_wake(&granted);
    return was ? 0 : WEIR_EINVAL;
}

int weir_wait_group_wait(weir_ctx *c, weir_wait_group *public, int timeout_ms)
{
    SYNC_CHECK(c);
    if (!public || timeout_ms < 0)
        return WEIR_EINVAL;
    struct wait_group *g = wait_group_of(public);
    parking_lock_acquire(&g->lock);
    bool over = g->jobs == 0;
    parking_lock_release(&g->lock);
    if (over)
        return 0;
    struct parked p;
    sync_begin(c, &p);
    parking_lock_acquire(&g->lock);
    over = g->jobs == 0;
    if (!over)
        parking_join(&g->queue, &p);
    parking_lock_release(&g->lock);
    if (!over)
        return sync_wait(c, &g->lock, &g->queue, &p, timeout_ms);
    parked_done(&p);
    return 0;
}
