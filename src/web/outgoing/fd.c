/*
 * Waiting for descriptors of libraries.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/context.h"
#include "web/outgoing/outgoing.h"
#include "web/outgoing/wait.h"

_Static_assert(sizeof(struct watch_waiter) <= sizeof((weir_fd_want){0}.reserved), "a waiter lies in what is wanted");
_Static_assert(_Alignof(struct watch_waiter) <= _Alignof(weir_fd_want), "a waiter lies in what is wanted");

weir_fd *weir_fd_new(weir_ctx *c, int fd)
{
    CONTEXT_CHECK(c);
    return fd < 0 ? NULL : watch_open(&c->web->outgoing->watches, fd);
}

void weir_fd_free(weir_fd *f)
{
    if (f)
        watch_close(f);
}

int weir_fd_number(const weir_fd *f)
{
    return f ? f->fd : -1;
}

static struct watch_waiter *waiter_of(weir_fd_want *want)
{
    return (struct watch_waiter *)(void *)want->reserved;
}

static bool is_wanted(const weir_fd_want *want)
{
    return want->f && want->events;
}

/* Leaves the first count of the descriptors, and says in *wants what they are ready for. Returns how many are. */
static int leave(weir_fd_want *wants, size_t count)
{
    int ready = 0;
    for (size_t i = 0; i < count; i++) {
        weir_fd_want *want = &wants[i];
        if (!is_wanted(want))
            continue;
        struct watch_waiter *w = waiter_of(want);
        watch_leave(want->f, w);
        if (w->ready & (uint32_t)POLLER_HANGUP)
            want->ready = want->events;
        else
            want->ready = (w->ready & (uint32_t)POLLER_READ ? WEIR_READABLE : 0) |
                          (w->ready & (uint32_t)POLLER_WRITE ? WEIR_WRITABLE : 0);
        ready += want->ready != 0;
    }
    return ready;
}

static int join(struct loop *l, weir_fd_want *wants, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        weir_fd_want *want = &wants[i];
        if (!is_wanted(want))
            continue;
        struct watch_waiter *w = waiter_of(want);
        *w = (struct watch_waiter){.fn = watch_wake_fiber, .fiber = l->fibers.current};
        w->wanted = (want->events & WEIR_READABLE ? (uint32_t)POLLER_READ : 0) |
                    (want->events & WEIR_WRITABLE ? (uint32_t)POLLER_WRITE : 0);
        int error = watch_join(want->f, l, w);
        if (error) {
            (void)leave(wants, i);
            return error;
        }
    }
    return 0;
}

int outgoing_wait(weir_ctx *c, weir_fd_want *wants, size_t count, int timeout_ms)
{
    context_before_wait(c); /* ends the handler, if it has to be ended, before anything is registered */
    struct loop *l = c->web->loop;
    int error = join(l, wants, count);
    if (error)
        return error;
    struct wait_timer wait = {.timer.kind = TIMER_WAIT, .fiber = l->fibers.current};
    if (timeout_ms > 0)
        timer_arm(&l->wheel, &wait.timer, loop_delay_now(l, (uint32_t)timeout_ms));
    l->outside += count > 0;
    int result = exchange_park_for_other(c->x);
    l->outside -= count > 0;
    timer_cancel(&l->wheel, &wait.timer);
    int ready = leave(wants, count);
    if (result >= 0 || result == WEIR_ETIMEDOUT)
        return ready > 0 ? ready : result < 0 ? result : 0;
    for (size_t i = 0; i < count; i++)
        wants[i].ready = 0; /* news were told; the descriptors stay ready */
    return result;
}

int weir_fd_wait_any(weir_ctx *c, weir_fd_want *wants, size_t count, int timeout_ms)
{
    CONTEXT_CHECK(c);
    if (timeout_ms < 0 || (count > 0 && !wants))
        return WEIR_EINVAL;
    bool any = false;
    for (size_t i = 0; i < count; i++) {
        if (wants[i].events & ~(WEIR_READABLE | WEIR_WRITABLE))
            return WEIR_EINVAL;
        wants[i].ready = 0;
        any |= is_wanted(&wants[i]);
    }
    if (!any && timeout_ms == 0) /* nothing could end the wait */
        return WEIR_EINVAL;
    return outgoing_wait(c, wants, count, timeout_ms);
}

int weir_fd_wait(weir_ctx *c, weir_fd *f, int events, int timeout_ms)
{
    CONTEXT_CHECK(c);
    if (!f || timeout_ms < 0 || !events || (events & ~(WEIR_READABLE | WEIR_WRITABLE)))
        return WEIR_EINVAL;
    weir_fd_want want = {.f = f, .events = events};
    int result = outgoing_wait(c, &want, 1, timeout_ms);
    return result > 0 ? want.ready : result;
}
