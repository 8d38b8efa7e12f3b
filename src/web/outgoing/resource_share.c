/*
 * A pool's share: which record goes to whom, and when somebody may open.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/outgoing/resource.h"

/* ---- Pauses ---- */

/* The next number of a sequence that is only to be unlike that of others. */
static WRAPS uint64_t pause_random(struct resource_pause *p)
{
    p->random ^= p->random << 13;
    p->random ^= p->random >> 7;
    p->random ^= p->random << 17;
    return p->random;
}

/* The pause after so many failures: doubled by each, and shortened by up to a half, by chance, so that not all who have
 * seen the same failure come back at once. */
static uint64_t pause_ns(struct resource_pause *p, const weir_pool_config *config)
{
    uint64_t ms = (uint64_t)config->backoff_min_ms, most = (uint64_t)config->backoff_max_ms;
    for (uint32_t i = 1; i < p->failures && ms < most; i++)
        ms *= 2;
    if (ms > most)
        ms = most;
    uint64_t ns = ms * 1000000;
    return ns - pause_random(p) % (ns / 2 + 1);
}

static bool share_may_open(const struct resource_share *s, uint64_t now_ns) REQUIRES(parking_lock)
{
    const struct resource_pause *p = &s->pause;
    return !s->closed && !list_empty(&s->free) && (p->failures == 0 || (!p->probing && now_ns >= p->until_ns));
}

int share_hopeless(const struct resource_share *s)
{
    return s->pause.failures > 0 && s->open == 0 ? s->pause.error : 0;
}

/* ---- Records ---- */

static struct resource *share_pick(struct resource_share *s, uint64_t now_ns) REQUIRES(parking_lock)
{
    struct list *l = list_pop_front(&s->idle);
    if (l) {
        struct resource *r = container_of(l, struct resource, link);
        s->idle_count--;
        r->state = RESOURCE_TAKEN;
        list_push_front(&s->taken, &r->link);
        return r;
    }
    if (!share_may_open(s, now_ns))
        return NULL;
    struct resource *r = container_of(list_pop_front(&s->free), struct resource, link);
    r->state = RESOURCE_OPENING;
    r->probe = s->pause.failures > 0;
    s->pause.probing |= r->probe;
    s->open++;
    return r;
}

struct resource *share_take(struct resource_share *s, uint64_t now_ns)
{
    return s->queue.first ? NULL : share_pick(s, now_ns);
}

/* Tells the first that waits. */
static void share_tell(struct resource_share *s, struct resource *r, int result, struct parking *granted)
    REQUIRES(parking_lock)
{
    struct parked *p = parking_grant(&s->queue, granted, result);
    struct resource_waiter *w = container_of(p, struct resource_waiter, parked);
    w->record = r;
    w->told = true;
    s->waiting--;
}

void share_serve(struct resource_share *s, uint64_t now_ns, struct parking *granted)
{
    while (s->queue.first) {
        int error = s->closed ? WEIR_ECANCELED : 0;
        struct resource *r = error ? NULL : share_pick(s, now_ns);
        if (!r && !error)
            error = share_hopeless(s);
        if (!r && !error)
            return;
        share_tell(s, r, error, granted);
    }
}

static void share_free(struct resource_share *s, struct resource *r) REQUIRES(parking_lock)
{
    r->state = RESOURCE_FREE;
    r->connection = NULL;
    list_push_front(&s->free, &r->link);
    s->open--;
}

void share_opened(struct resource_share *s, struct resource *r)
{
    r->state = RESOURCE_TAKEN;
    list_push_front(&s->taken, &r->link);
    s->opened++;
    s->pause.failures = 0;
    s->pause.probing = false;
}

void share_failed(struct resource_share *s, struct resource *r, int error, uint64_t now_ns)
{
    struct resource_pause *p = &s->pause;
    s->failed++;
    if (r->probe)
        p->probing = false;
    /* Of several that were under way when the first one failed each has seen the same failure: one counts. */
    if (error && (r->probe || p->failures == 0)) {
        p->failures++;
        p->error = error;
        p->until_ns = now_ns + pause_ns(p, &s->pool->config);
    }
    share_free(s, r);
}

void share_idle(struct resource_share *s, struct resource *r, uint64_t now_ns)
{
    list_remove(&r->link);
    r->state = RESOURCE_IDLE;
    r->idle_since_ns = now_ns;
    list_push_front(&s->idle, &r->link);
    s->idle_count++;
}

void share_closing(struct resource_share *s, struct resource *r)
{
    list_remove(&r->link);
    s->idle_count -= r->state == RESOURCE_IDLE;
    r->state = RESOURCE_CLOSING;
}

void share_freed(struct resource_share *s, struct resource *r)
{
    share_free(s, r);
}

void share_reopen(struct resource *r)
{
    r->state = RESOURCE_OPENING;
    r->connection = NULL;
    r->probe = false;
}

struct resource *share_find(const struct resource_share *s, const void *connection)
{
    list_for_each (l, &s->taken) {
        struct resource *r = container_of(l, struct resource, link);
        if (r->connection == connection)
            return r;
    }
    return NULL;
}
