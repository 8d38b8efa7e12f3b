/*
 * The waits that all of this folder's are made of, and the time that is left for them.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_OUTGOING_WAIT_H
#define WEIR_WEB_OUTGOING_WAIT_H

#include "web/context.h"

/* weir_fd_wait_any() for arguments that have been checked. */
int outgoing_wait(weir_ctx *c, weir_fd_want *wants, size_t count, int timeout_ms);

/* When a call of several waits has to be over, by its loop's clock. */
struct until {
    const struct loop *loop;
    uint64_t end_ns; /* 0: no limit */
};

static inline struct until until_of(weir_ctx *c, int timeout_ms)
{
    const struct loop *l = c->web->loop;
    return (struct until){l, timeout_ms > 0 ? loop_clock_ns(l) + (uint64_t)timeout_ms * 1000000 : 0};
}

/* The time that is left, in ms, as a timeout of a wait (0: no limit). False: none is. */
static inline bool until_left(struct until u, int *ms)
{
    *ms = 0;
    if (u.end_ns == 0)
        return true;
    uint64_t now = loop_clock_ns(u.loop);
    if (now >= u.end_ns)
        return false;
    uint64_t left = (u.end_ns - now + 999999) / 1000000;
    *ms = left > INT32_MAX ? INT32_MAX : (int)left;
    return true;
}

/* Waits for one descriptor: 0, WEIR_ETIMEDOUT, or another error. */
static inline int outgoing_wait_for(weir_ctx *c, weir_fd *f, int events, struct until u)
{
    weir_fd_want want = {.f = f, .events = events};
    int ms;
    if (!until_left(u, &ms))
        return WEIR_ETIMEDOUT;
    int result = outgoing_wait(c, &want, 1, ms);
    return result < 0 ? result : 0;
}

#endif
