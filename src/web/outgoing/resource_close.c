/*
 * Closing connections of pools: by a task of the worker while there is one, so that close may wait; and their end.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/clock.h"
#include "web/outgoing/resource.h"
#include "web/task/task.h"

void resource_release(struct resource *r)
{
    struct resource_share *s = r->share;
    struct parking granted = {0};
    parking_lock_acquire(&s->lock);
    share_freed(s, r);
    share_serve(s, clock_monotonic_ns(), &granted);
    parking_lock_release(&s->lock);
    parking_wake(&granted);
}

void resource_close(weir_ctx *c, struct resource *r)
{
    const weir_pool_config *config = &r->share->pool->config;
    config->close(c, config->data, r->connection);
}

static struct resource *closing_pop(struct resource_worker *w)
{
    struct list *l = list_pop_front(&w->closing);
    return l ? container_of(l, struct resource, link) : NULL;
}

/* Closes all that waits for it without a fiber. */
static void closing_finish(struct resource_worker *w)
{
    struct resource *r;
    while ((r = closing_pop(w))) {
        resource_close(NULL, r);
        resource_release(r);
    }
}

/* ---- The task ---- */

#define CLOSE_MS 10000 /* how long close may wait */

/* The stop may cut the task, but not close in the middle: its waits then fail. */
static void closer_run(weir_ctx *c, void *owner)
{
    struct resource_worker *w = owner;
    while ((w->current = closing_pop(w))) {
        struct exchange_clean_up before;
        exchange_begin_clean_up(c->x, &before, CLOSE_MS);
        c->x->due &= (uint8_t)~DUE_CLEANING; /* there is a task that weir_fail() can end */
        resource_close(c, w->current);
        exchange_end_clean_up(c->x, &before);
        resource_release(w->current);
        w->current = NULL;
        task_renew(c);
    }
}

static void closer_start(struct resource_worker *w);

/* The task may have been ended by weir_fail() within close. */
static void closer_ended(void *owner, size_t data, int error)
{
    (void)data;
    (void)error;
    struct resource_worker *w = owner;
    w->closer_runs = false;
    if (w->current)
        resource_release(w->current);
    w->current = NULL;
    if (!list_empty(&w->closing))
        closer_start(w);
}

static void closer_start(struct resource_worker *w)
{
    static const struct task_kind kind = {.run = closer_run, .ended = closer_ended};
    w->closer_runs = task_new(w->http, &kind, w, "close connections") != NULL;
    if (!w->closer_runs)
        closing_finish(w);
}

void resource_close_later(struct resource_worker *w, struct resource *r)
{
    list_push_back(&w->closing, &r->link);
    if (!w->closer_runs)
        closer_start(w);
}

/* ---- Time ---- */

/* The connection that has been idle for longest, if that is too long: CLOSING from then on. */
static struct resource *share_overdue(struct resource_share *s, uint64_t now_ns) REQUIRES(parking_lock)
{
    int ms = s->pool->config.idle_ms;
    if (ms < 0 || list_empty(&s->idle))
        return NULL;
    struct resource *r = container_of(s->idle.prev, struct resource, link);
    if (now_ns - r->idle_since_ns < (uint64_t)ms * 1000000)
        return NULL;
    share_closing(s, r);
    return r;
}

void resource_maintain(struct resource_worker *w)
{
    struct resource_share *s = w->share;
    struct parking granted = {0};
    struct list overdue;
    struct list *l;
    struct resource *r;
    uint64_t now_ns = clock_monotonic_ns();
    list_init(&overdue);
    parking_lock_acquire(&s->lock);
    while ((r = share_overdue(s, now_ns)))
        list_push_back(&overdue, &r->link);
    share_serve(s, now_ns, &granted);
    parking_lock_release(&s->lock);
    parking_wake(&granted);
    while ((l = list_pop_front(&overdue)))
        resource_close_later(w, container_of(l, struct resource, link));
}

/* ---- Begin and end ---- */

void resource_worker_begin(struct resource_worker *w, struct http *http)
{
    w->http = http;
    atomic_store_explicit(&w->thread, (uintptr_t)pthread_self(), memory_order_relaxed);
}

void resource_worker_end(struct resource_worker *w)
{
    const struct weir_pool *p = w->share->pool;
    closing_finish(w);
    if (p->share_count > 1 || p->worker_count == 1)
        resource_share_close(w->share);
    atomic_store_explicit(&w->thread, 0, memory_order_relaxed);
}

void resource_share_close(struct resource_share *s)
{
    struct list *l;
    parking_lock_acquire(&s->lock);
    s->closed = true;
    weir_assert(!s->queue.first); /* all handlers have ended */
    parking_lock_release(&s->lock);
    do {
        struct resource *r = NULL;
        parking_lock_acquire(&s->lock);
        l = list_empty(&s->idle) ? NULL : s->idle.next;
        if (l) {
            r = container_of(l, struct resource, link);
            share_closing(s, r);
        }
        parking_lock_release(&s->lock);
        if (r) {
            resource_close(NULL, r);
            resource_release(r);
        }
    } while (l);
}
