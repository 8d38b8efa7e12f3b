/*
 * Waiting for time, descriptors and other threads; and the call that needs neither another thread nor a wait.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/context.h"

void context_before_wait(weir_ctx *c)
{
    (void)c->x->ops->push(c->x);
    exchange_before_wait(c->x);
}

/* A handler that does not care is told once, and may then sleep as long as it likes: sleeps that end at once would make its loop spin. */
static int tell_gone(struct exchange *x)
{
    x->told = true;
    return WEIR_ECLOSED;
}

int weir_sleep(weir_ctx *c, int ms)
{
    struct exchange *x = c->x;
    if (ms < 0)
        return WEIR_EINVAL;
    context_before_wait(c);
    if (x->gone && !x->told)
        return tell_gone(x);
    struct loop *l = c->web->loop;
    struct wait_timer wait = {.timer.kind = TIMER_WAIT, .fiber = l->fibers.current};
    timer_arm(&l->wheel, &wait.timer, loop_delay_now(l, (uint32_t)ms));
    int result = exchange_park(x, WAIT_OTHER);
    timer_cancel(&l->wheel, &wait.timer);
    if (x->gone && (result == WEIR_ETIMEDOUT || result == WEIR_ECLOSED))
        return tell_gone(x);
    return result == WEIR_ETIMEDOUT ? 0 : result;
}

void weir_yield(weir_ctx *c)
{
    (void)c->x->ops->push(c->x);
    exchange_yield(c->x);
    if (exchange_is_cut(c->x))
        exchange_abandon(c->x);
}

int weir_await_fd(weir_ctx *c, int fd, int events, int timeout_ms)
{
    if (fd < 0 || timeout_ms < 0 || !(events & (WEIR_READABLE | WEIR_WRITABLE)))
        return WEIR_EINVAL;
    context_before_wait(c);
    struct exchange *x = c->x;
    if (x->gone && !x->told)
        return tell_gone(x);
    uint32_t wanted = (events & WEIR_READABLE ? POLLER_READ : 0u) | (events & WEIR_WRITABLE ? POLLER_WRITE : 0u);
    x->waiting = WAIT_OTHER;
    x->fiber = c->web->loop->fibers.current;
    int result = wait_descriptor(c->web->loop, fd, wanted, (uint32_t)timeout_ms, TIMER_WAIT);
    x->waiting = WAIT_NONE;
    x->fiber = NULL;
    if (x->gone && (result == WEIR_ETIMEDOUT || result == WEIR_ECLOSED))
        return tell_gone(x);
    if (result < 0)
        return result;
    int ready = (result & (POLLER_READ | POLLER_HANGUP) ? WEIR_READABLE : 0) |
                (result & (POLLER_WRITE | POLLER_HANGUP) ? WEIR_WRITABLE : 0);
    return ready & events ? ready & events : events;
}

int weir_offload(weir_ctx *c, int (*fn)(void *arg), void *arg)
{
    context_before_wait(c);
    return offload_run(c->web->offload, c->web->loop, fn, arg);
}

int weir_call_deep(weir_ctx *c, int (*fn)(void *arg), void *arg)
{
    struct fibers *f = &c->web->loop->fibers;
    if (unlikely(!deep_ready(&f->deep))) {
        c->x->http->starved(c->x->http, f->deep.size); /* the caches may give back enough */
        if (!deep_ready(&f->deep))
            return WEIR_ENOMEM;
    }
    return fiber_call_deep(f, fn, arg);
}
