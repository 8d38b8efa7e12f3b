/*
 * Waiting for time, descriptors and other threads; and the call that needs neither another thread nor a wait.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/context.h"
#include "web/offload_pool.h"

void context_before_wait(weir_ctx *c)
{
    (void)c->x->ops->push(c->x);
    exchange_before_wait(c->x);
}

int weir_sleep(weir_ctx *c, int ms)
{
    CONTEXT_CHECK(c);
    struct exchange *x = c->x;
    if (ms < 0)
        return WEIR_EINVAL;
    context_before_wait(c);
    struct loop *l = c->web->loop;
    struct wait_timer wait = {.timer.kind = TIMER_WAIT, .fiber = l->fibers.current};
    timer_arm(&l->wheel, &wait.timer, loop_delay_now(l, (uint32_t)ms));
    int result = exchange_park_for_other(x);
    timer_cancel(&l->wheel, &wait.timer);
    return result == WEIR_ETIMEDOUT && !exchange_is_late(x) ? 0 : result;
}

void weir_yield(weir_ctx *c)
{
    CONTEXT_CHECK(c);
    (void)c->x->ops->push(c->x);
    exchange_yield(c->x);
    if (exchange_is_cut(c->x))
        exchange_abandon(c->x);
}

int weir_await_fd(weir_ctx *c, int fd, int events, int timeout_ms)
{
    CONTEXT_CHECK(c);
    if (fd < 0 || timeout_ms < 0 || !(events & (WEIR_READABLE | WEIR_WRITABLE)))
        return WEIR_EINVAL;
    context_before_wait(c);
    struct exchange *x = c->x;
    int over = exchange_wait_over(x);
    if (over)
        return over;
    uint32_t wanted = (events & WEIR_READABLE ? POLLER_READ : 0u) | (events & WEIR_WRITABLE ? POLLER_WRITE : 0u);
    x->waiting = WAIT_OTHER;
    x->fiber = c->web->loop->fibers.current;
    int result = wait_descriptor(c->web->loop, fd, wanted, (uint32_t)timeout_ms, TIMER_WAIT);
    x->waiting = WAIT_NONE;
    x->fiber = NULL;
    if (result < 0)
        return exchange_wait_result(x, result);
    int ready = (result & (POLLER_READ | POLLER_HANGUP) ? WEIR_READABLE : 0) |
                (result & (POLLER_WRITE | POLLER_HANGUP) ? WEIR_WRITABLE : 0);
    return ready & events ? ready & events : events;
}

int weir_offload(weir_ctx *c, int (*fn)(void *arg), void *arg)
{
    CONTEXT_CHECK(c);
    if (!fn)
        return WEIR_EINVAL;
    context_before_wait(c);
    return offload_run(c->web->offload, c->web->loop, fn, arg);
}

int weir_offload_to(weir_ctx *c, weir_offload_pool *pool, int (*fn)(void *thread_data, void *arg), void *arg)
{
    CONTEXT_CHECK(c);
    if (!fn || !pool || pool->server != c->web->server)
        return WEIR_EINVAL;
    context_before_wait(c);
    return offload_run_of_thread(&pool->offload, c->web->loop, fn, arg);
}

bool weir_stopping(weir_ctx *c)
{
    CONTEXT_CHECK(c);
    return c->x->http->net->draining;
}

void weir_stop_ends_waits(weir_ctx *c, bool on)
{
    CONTEXT_CHECK(c);
    struct exchange *x = c->x;
    bool news = on && !(x->untold & NEWS_STOP_TOLD);
    x->untold = (uint8_t)(news ? x->untold | NEWS_STOP : x->untold & ~NEWS_STOP);
}

int weir_call_deep(weir_ctx *c, int (*fn)(void *arg), void *arg)
{
    CONTEXT_CHECK(c);
    if (!fn)
        return WEIR_EINVAL;
    struct fibers *f = &c->web->loop->fibers;
    if (unlikely(!deep_ready(&f->deep))) {
        c->x->http->starved(c->x->http, f->deep.size); /* the caches may give back enough */
        if (!deep_ready(&f->deep))
            return WEIR_ENOMEM;
    }
    return fiber_call_deep(f, fn, arg);
}
