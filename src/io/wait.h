/*
 * What a fiber can wait for besides its own connection: time, a descriptor, another thread's work.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_IO_WAIT_H
#define WEIR_IO_WAIT_H

#include "io/loop.h"

/*
 * Waits until fd is ready for events (POLLER_READ, POLLER_WRITE), the fiber is woken otherwise, or for timeout_ms (0:
 * no limit). Returns the events that came, or what the waker said, or WEIR_ETIMEDOUT; WEIR_EBUSY when this loop watches
 * fd already, WEIR_ENOMEM, or WEIR_ESYS when fd cannot be watched. timer_kind's handler has to be wait_timer_fired.
 */
int wait_descriptor(struct loop *l, int fd, uint32_t events, uint32_t timeout_ms, uint8_t timer_kind);

/* A timer that wakes a fiber. */
struct wait_timer {
    struct timer timer;
    struct fiber *fiber;
};

/* The handler of the timer's kind: wakes the fiber with WEIR_ETIMEDOUT. */
void wait_timer_fired(void *owner, struct timer *t);

/* The handler for SOURCE_AWAIT. */
void wait_descriptor_ready(struct loop *l, void *object, uint16_t generation, uint32_t events);

#endif
