/*
 * Waits of handlers for each other.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/sync/sync.h"

void sync_begin(weir_ctx *c, struct parked *p)
{
    if (c)
        context_before_wait(c);
    parked_init(p, c ? context_loop(c) : NULL);
}

/* Parks a handler for something other than its client. Where the request is cut, a wait would end the handler; but its
 * stack is known to others, so the wait is refused, and the handler's next one ends it. */
static int sync_park(void *arg)
{
    weir_ctx *c = arg;
    return c->x->cut ? WEIR_ECANCELED : exchange_park_for_other(c->x);
}

int sync_wait(weir_ctx *c, struct lock *lock, struct parking *q, struct parked *p, int timeout_ms)
{
    const struct parker how = {.park = sync_park, .arg = c, .timer_kind = TIMER_WAIT};
    return parking_wait(lock, q, p, &how, (uint32_t)timeout_ms);
}

uintptr_t sync_self(const weir_ctx *c)
{
    return c ? (uintptr_t)c->web->loop->fibers.current : (uintptr_t)pthread_self();
}
