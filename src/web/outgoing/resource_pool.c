/*
 * Pools of connections: taking one and giving it back.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/clock.h"
#include "web/outgoing/resource.h"
#include "web/sync/sync.h"

#include <stdio.h>
#include <string.h>

#define RESOURCE_MOST 65536 /* connections of a share */

/* ---- Making ---- */

static bool config_complete(weir_pool_config *c)
{
    if (!c->open || !c->close)
        return false;
    struct {
        int *value, fallback, least;
    } settings[] = {
        {&c->max, 10, 1},
        {&c->max_waiting, 1000, WEIR_OFF},
        {&c->wait_ms, 5000, WEIR_OFF},
        {&c->idle_ms, 60000, WEIR_OFF},
        {&c->check_idle_ms, 5000, 1},
        {&c->backoff_min_ms, 100, 1},
        {&c->backoff_max_ms, 10000, 1},
        {&c->shared, WEIR_OFF, WEIR_OFF},
    };
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        if (*settings[i].value == 0)
            *settings[i].value = settings[i].fallback;
        if (*settings[i].value < settings[i].least)
            return false;
    }
    return c->max <= RESOURCE_MOST;
}

static void share_init(struct resource_share *s, weir_pool *p, struct resource *resources)
{
    *s = (struct resource_share){.pool = p, .pause.random = clock_monotonic_ns() | 1};
    lock_init(&s->lock);
    list_init(&s->free);
    list_init(&s->idle);
    list_init(&s->taken);
    for (int i = 0; i < p->config.max; i++) {
        resources[i] = (struct resource){.share = s};
        list_push_back(&s->free, &resources[i].link);
    }
}

weir_pool *resource_pool_new(struct account *a, int workers, const weir_pool_config *config)
{
    weir_pool_config complete = *config;
    if (!config_complete(&complete))
        return NULL;
    int shares = complete.shared == WEIR_ON ? 1 : workers;
    /* The tables follow the record; each product is far from what wraps, by the bounds of both factors. */
    size_t workers_size = (size_t)workers * sizeof(struct resource_worker);
    size_t shares_size = (size_t)shares * sizeof(struct resource_share);
    size_t resources_size = (size_t)shares * (size_t)complete.max * sizeof(struct resource);
    size_t size = sizeof(weir_pool) + workers_size + shares_size + resources_size;
    weir_pool *p = memory_alloc(a, size);
    if (!p)
        return NULL;
    *p = (weir_pool){.account = a, .config = complete, .worker_count = workers, .share_count = shares, .size = size};
    snprintf(p->name, sizeof p->name, "%s", config->name ? config->name : "pool");
    p->config.name = p->name;
    char *at = (char *)(p + 1);
    p->workers = (struct resource_worker *)(void *)at;
    p->shares = (struct resource_share *)(void *)(at + workers_size);
    p->resources = (struct resource *)(void *)(at + workers_size + shares_size);
    for (int i = 0; i < shares; i++)
        share_init(&p->shares[i], p, p->resources + (size_t)i * (size_t)complete.max);
    for (int i = 0; i < workers; i++) {
        p->workers[i] = (struct resource_worker){.share = &p->shares[shares > 1 ? i : 0]};
        list_init(&p->workers[i].closing);
    }
    return p;
}

void resource_pool_free(weir_pool *p)
{
    for (int i = 0; i < p->share_count; i++) {
        resource_share_close(&p->shares[i]); /* nothing is left where workers have ended */
        lock_done(&p->shares[i].lock);
    }
    memory_free(p->account, p, p->size);
}

void resource_pool_read(weir_pool *p, weir_ledger_pool *row)
{
    for (int i = 0; i < p->share_count; i++) {
        struct resource_share *s = &p->shares[i];
        parking_lock_acquire(&s->lock);
        row->open += (uint64_t)s->open;
        row->idle += (uint64_t)s->idle_count;
        row->waiting += (uint64_t)s->waiting;
        row->opened += s->opened;
        row->failed += s->failed;
        row->broken += s->broken;
        row->timed_out += s->timed_out;
        row->refused += s->refused;
        row->checks_failed += s->checks_failed;
        parking_lock_release(&s->lock);
    }
}

/* ---- Which worker this is ---- */

/* The side of the worker whose thread calls; NULL: it is another thread. */
static struct resource_worker *worker_here(weir_pool *p)
{
    uintptr_t self = (uintptr_t)pthread_self();
    for (int i = 0; i < p->worker_count; i++)
        if (atomic_load_explicit(&p->workers[i].thread, memory_order_relaxed) == self)
            return &p->workers[i];
    return NULL;
}

/* ---- Giving back ---- */

/* A TAKEN record is given back, or closed. */
static void resource_put(struct resource_worker *w, struct resource *r, bool healthy)
{
    struct resource_share *s = r->share;
    struct parking granted = {0};
    uint64_t now_ns = clock_monotonic_ns();
    parking_lock_acquire(&s->lock);
    s->broken += !healthy;
    if (healthy)
        share_idle(s, r, now_ns);
    else
        share_closing(s, r);
    share_serve(s, now_ns, &granted);
    parking_lock_release(&s->lock);
    parking_wake(&granted);
    if (!healthy)
        resource_close_later(w, r);
}

/* Nothing comes of an OPENING record. */
static void resource_open_failed(struct resource *r, int error)
{
    struct resource_share *s = r->share;
    struct parking granted = {0};
    uint64_t now_ns = clock_monotonic_ns();
    parking_lock_acquire(&s->lock);
    share_failed(s, r, error, now_ns);
    share_serve(s, now_ns, &granted);
    parking_lock_release(&s->lock);
    parking_wake(&granted);
}

/* The request has ended, and has the record still: within open, check, or behind them. */
static void resource_forfeit(struct claim *claim)
{
    struct resource *r = container_of(claim, struct resource, claim);
    if (r->state == RESOURCE_OPENING)
        resource_open_failed(r, WEIR_EREACH);
    else if (r->state == RESOURCE_CLOSING)
        resource_release(r);
    else
        resource_put(worker_here(r->share->pool), r, false);
}

int weir_pool_put(weir_pool *p, void *connection, bool healthy)
{
    struct resource_worker *w = p ? worker_here(p) : NULL;
    if (!w)
        return WEIR_EINVAL;
    parking_lock_acquire(&w->share->lock);
    struct resource *r = share_find(w->share, connection);
    parking_lock_release(&w->share->lock);
    if (!r)
        return WEIR_EINVAL;
    claim_settle(&r->claim);
    resource_put(w, r, healthy);
    return 0;
}

/* ---- Taking ---- */

/* One attempt to get a record: 0 with it in *r, or without it: w (not NULL) is queued; or an error. WEIR_EBUSY without
 * w: the caller would have to wait. */
static int share_ask(struct resource_share *s, struct resource **r, struct resource_waiter *w)
{
    struct parking granted = {0};
    uint64_t now_ns = clock_monotonic_ns();
    int most = s->pool->config.max_waiting;
    parking_lock_acquire(&s->lock);
    int error = s->closed ? WEIR_ECANCELED : 0;
    *r = error ? NULL : share_take(s, now_ns);
    if (!*r && !error)
        error = share_hopeless(s);
    if (!*r && !error && (!w || (most >= 0 && s->waiting >= most)))
        error = WEIR_EBUSY;
    if (!*r && !error) {
        parking_join(&s->queue, &w->parked);
        s->waiting++;
        share_serve(s, now_ns, &granted); /* a pause may be over: whoever is first opens */
    } else if (error == WEIR_EBUSY && w) {
        s->refused++;
    }
    parking_lock_release(&s->lock);
    parking_wake(&granted);
    return error;
}

/* A waiter leaves that nobody has told anything. */
static void waiter_left(struct resource_share *s, int result)
{
    parking_lock_acquire(&s->lock);
    s->waiting--;
    s->timed_out += result == WEIR_ETIMEDOUT;
    parking_lock_release(&s->lock);
}

static int resource_wait(weir_ctx *c, struct resource_share *s, struct resource **r)
{
    struct resource_waiter w = {.record = NULL};
    int wait_ms = s->pool->config.wait_ms;
    sync_begin(c, &w.parked);
    int error = share_ask(s, r, &w);
    if (error || *r) {
        parked_done(&w.parked);
        return error;
    }
    int result = sync_wait(c, &s->lock, &s->queue, &w.parked, wait_ms > 0 ? wait_ms : 0);
    if (!w.told)
        waiter_left(s, result);
    *r = w.record;
    return result;
}

/* Whether an error says that the request has no more time, and nothing of the other side. */
static bool error_is_news(weir_ctx *c, int error)
{
    return error == WEIR_ECLOSED || error == WEIR_ECANCELED || (error == WEIR_ETIMEDOUT && exchange_is_late(c->x));
}

/* Makes a connection in an OPENING record, which the handler has claimed. */
static int resource_open(weir_ctx *c, struct resource *r)
{
    const weir_pool_config *config = &r->share->pool->config;
    void *connection = NULL;
    int error = config->open(c, config->data, &connection);
    if (error > 0 || (!error && !connection))
        error = WEIR_EINVAL;
    if (error) {
        claim_settle(&r->claim);
        resource_open_failed(r, error_is_news(c, error) ? 0 : error);
        return error;
    }
    struct resource_share *s = r->share;
    struct parking granted = {0};
    parking_lock_acquire(&s->lock);
    r->connection = connection;
    share_opened(s, r);
    share_serve(s, clock_monotonic_ns(), &granted); /* who waits for what comes of it may open as well */
    parking_lock_release(&s->lock);
    parking_wake(&granted);
    return 0;
}

/* Closes a TAKEN record's connection, which is dead, here and now. True: its place is kept, to open another one in. */
static bool resource_renew(weir_ctx *c, struct resource *r)
{
    struct resource_share *s = r->share;
    parking_lock_acquire(&s->lock);
    share_closing(s, r);
    s->checks_failed++;
    parking_lock_release(&s->lock);
    resource_close(c, r);
    parking_lock_acquire(&s->lock);
    bool keep = s->pause.failures == 0;
    if (keep)
        share_reopen(r);
    parking_lock_release(&s->lock);
    if (!keep) {
        claim_settle(&r->claim);
        resource_release(r);
    }
    return keep;
}

static bool resource_wants_check(const struct resource *r)
{
    const weir_pool_config *config = &r->share->pool->config;
    return config->check && clock_monotonic_ns() - r->idle_since_ns >= (uint64_t)config->check_idle_ms * 1000000;
}

/* Checks a TAKEN record's connection. WEIR_EBUSY: it was dead, and its place is gone as well. */
static int resource_check(weir_ctx *c, struct resource *r)
{
    const weir_pool_config *config = &r->share->pool->config;
    int error = config->check(c, config->data, r->connection);
    if (!error)
        return 0;
    if (!error_is_news(c, error))
        return resource_renew(c, r) ? resource_open(c, r) : WEIR_EBUSY;
    claim_settle(&r->claim);
    resource_put(worker_here(r->share->pool), r, false);
    return error;
}

/* A record from the share, with a connection or to open one in. */
static int resource_take(weir_ctx *c, struct resource_share *s, struct resource **r)
{
    int error = share_ask(s, r, NULL);
    return error == WEIR_EBUSY ? resource_wait(c, s, r) : error;
}

int weir_pool_get(weir_ctx *c, weir_pool *p, void **connection)
{
    CONTEXT_CHECK(c);
    if (!connection)
        return WEIR_EINVAL;
    *connection = NULL;
    if (!p)
        return WEIR_EINVAL;
    struct resource_share *s = p->workers[c->web->worker_index].share;
    struct resource *r;
    bool again;
    int error;
    do {
        error = resource_take(c, s, &r);
        if (error)
            return error;
        claim_make(c, &r->claim, resource_forfeit);
        bool checks = r->state == RESOURCE_TAKEN && resource_wants_check(r);
        error = r->state == RESOURCE_OPENING ? resource_open(c, r) : checks ? resource_check(c, r) : 0;
        again = checks && error == WEIR_EBUSY; /* once for each connection that is idle, at most */
    } while (again);
    if (!error)
        *connection = r->connection;
    return error;
}
