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

/* A handler's wait: what it knew before, and what it has been told. */
struct sync_waiting {
    weir_ctx *c;
    uint8_t untold;
    int told;
};

/* Parks a handler for something other than its client. Where the request is cut, a wait would end the handler; but its
 * stack is known to others, so the wait is refused, and the handler's next one ends it. */
static int sync_park(void *arg)
{
    struct sync_waiting *waiting = arg;
    struct exchange *x = waiting->c->x;
    if (x->cut)
        return WEIR_ECANCELED;
    waiting->untold = x->untold;
    waiting->told = exchange_park_for_other(x);
    return waiting->told;
}

int sync_wait(weir_ctx *c, struct lock *lock, struct parking *q, struct parked *p, int timeout_ms)
{
    struct sync_waiting waiting = {.c = c};
    const struct parker how = {.park = sync_park, .arg = &waiting, .timer_kind = TIMER_WAIT};
    int result = parking_wait(lock, q, p, &how, (uint32_t)timeout_ms);
    /* What was waited for came at the same moment as news, and is the result: the next wait has to tell the news. */
    if (waiting.told < 0 && result != waiting.told)
        c->x->untold = waiting.untold;
    return result;
}

uintptr_t sync_self(const weir_ctx *c)
{
    return c ? (uintptr_t)c->web->loop->fibers.current : (uintptr_t)pthread_self();
}
