/*
 * Waiting for a descriptor. The record lies on the waiting fiber's stack: whatever wakes the fiber, the fiber removes
 * the watch before it goes on.
 *
 * SPDX-License-Identifier: MIT
 */
#include "io/wait.h"
#include "weir.h"

struct wait_fd {
    struct wait_timer timeout;
} __attribute__((aligned(16)));

void wait_timer_fired(void *owner, struct timer *t)
{
    (void)owner;
    fiber_wake(container_of(t, struct wait_timer, timer)->fiber, WEIR_ETIMEDOUT);
}

void wait_descriptor_ready(struct loop *l, void *object, uint16_t generation, uint32_t events)
{
    (void)l;
    (void)generation;
    struct wait_fd *wait = object;
    fiber_wake(wait->timeout.fiber, (int)(events & 0xffff));
}

int wait_descriptor(struct loop *l, int fd, uint32_t events, uint32_t timeout_ms, uint8_t timer_kind)
{
    struct wait_fd wait = {.timeout = {.timer.kind = timer_kind, .fiber = l->fibers.current}};
    int error = poller_add(&l->poller, fd, events | POLLER_ONCE, source_mark(SOURCE_AWAIT, &wait, 0));
    if (error)
        return error == WEIR_EEXIST ? WEIR_EBUSY : error == WEIR_ENOMEM ? WEIR_ENOMEM : WEIR_ESYS;
    if (timeout_ms > 0)
        timer_arm(&l->wheel, &wait.timeout.timer, loop_delay_now(l, timeout_ms));
    l->outside++;
    int result = fiber_park(&l->fibers);
    l->outside--;
    timer_cancel(&l->wheel, &wait.timeout.timer);
    poller_remove(&l->poller, fd);
    return result;
}
