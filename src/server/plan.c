/*
 * The plan: from settings, routes and caches, before the start, the most memory that the server can take.
 *
 * A pool grows only when each of its slabs is full, so that the slabs that it has are those that its objects needed
 * when there were most of them. Objects that the workers share out leave one slab more for each worker that is not
 * full.
 *
 * SPDX-License-Identifier: MIT
 */
#include "server/plan.h"
#include "io/overflow.h"
#include "server/caches.h"
#include "server/offload_pools.h"
#include "server/pools.h"
#include "server/route_times.h"
#include "server/routes.h"
#include "server/server.h"
#include "server/shares.h"
#include "server/tls.h"
#include "server/topics.h"
#include "web/folder/mount.h"

#define WAITING_MEMORY                                                                                                 \
    ((uint64_t)128 * 1024) /* of a worker: a slab each of half-received heads and of those that wait */

/* A pool of every worker's. */
struct planned {
    size_t object_size, align, slab_size;
    uint64_t each;   /* objects for each connection with a live request */
    uint64_t extra;  /* objects that each worker has beside those */
    uint64_t before; /* objects that each worker makes before the start */
    uint64_t bound;  /* most that each worker has then; 0: any number */
};

/* Most requests that a worker has with all that a request can hold; 0: any number. */
static uint64_t plan_sets(const struct settings *s)
{
    return admission_bounds_any(&s->http.bounds) ? admission_bounds_sets(&s->http.bounds) : 0;
}

/* The i-th of a row's pools. False: there is none. */
static bool plan_pool(const struct settings *s, const struct pool_basis *b, const struct pool_kind *k, uint32_t i,
                      struct planned *p)
{
    const bool of_sets = k->holder == POOL_SET || k->holder == POOL_CLASS;
    uint64_t made = pool_basis_number(b, k->made), standing = b->limited && of_sets ? k->held : 0, sets = plan_sets(s);
    *p = (struct planned){
        .object_size = k->object_size(b, i),
        .align = k->align,
        .slab_size = k->slab_size,
        .each = k->holder == POOL_WAITING && !b->limited ? 0 : k->held,
        .extra = pool_basis_number(b, k->extra),
        .before = made > standing ? made : standing,
        .bound = k->beside && k->holder == POOL_SET ? pool_kind_bound(k, &s->http.bounds)
                 : of_sets                          ? sets * k->held
                                                    : 0,
    };
    return p->object_size > 0;
}

/* What an object costs when there are many: its share of a slab. */
static uint64_t object_cost(const struct planned *p)
{
    struct pool shape;
    pool_init(&shape, NULL, p->object_size, p->align, p->slab_size);
    return (shape.slab_size + shape.per_slab - 1) / shape.per_slab;
}

static uint64_t slab_bytes(const struct planned *p, uint64_t objects)
{
    struct pool shape;
    pool_init(&shape, NULL, p->object_size, p->align, p->slab_size);
    return (objects + shape.per_slab - 1) / shape.per_slab * shape.slab_size;
}

/* What the expressions of the routes cost a worker, found by trying. */
static int plan_expressions(weir_server *s, uint64_t *bytes)
{
    struct account account;
    account_open(&account, &s->memory, "expressions");
    struct regex_context *context = router_context_new(s->site.router, &account);
    *bytes = counter_read(&account.reserved);
    regex_context_free(context);
    account_close(&account);
    return context ? 0 : WEIR_ENOMEM;
}

/* What does not depend on how many connections there are. */
static uint64_t plan_fixed(const weir_server *s, uint64_t workers)
{
    uint64_t records =
        counter_read(&s->account.reserved) + (s->workers ? 0 : workers * sizeof(struct worker) + route_times_size(s));
    uint64_t routes = 2 * counter_read(&s->site.account.reserved); /* with what the start adds */
    uint64_t threads = workers * (thread_stack_bytes(WORKER_STACK_SIZE) + OVERFLOW_STACK_SIZE) +
                       thread_stack_bytes(WATCHDOG_STACK_SIZE);
    uint64_t frames = WEIR_WITH_HTTP2 && s->settings.http.http2 ? workers * http_h2_worker_size() : 0;
    uint64_t counts = plan_sets(&s->settings) ? workers * admission_class_sets_size(s->site.route_count) : 0;
    return records + routes + threads + frames + counts + shares_addresses_size(s);
}

/* What the caches have now, and what they may have. */
static void plan_caches(const weir_server *s, weir_memory_plan *plan)
{
    list_for_each (l, &s->caches) {
        struct weir_cache *cache = container_of(l, struct server_cache, link)->cache;
        plan->start += counter_read(&cache->account.reserved);
        plan->worst += cache_bound(cache);
    }
    uint64_t start;
    plan->worst += caches_own_memory(s, &start);
    plan->start += start;
}

static uint64_t least_of(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t most_of(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static void plan_add_stacks(const struct settings *s, weir_memory_plan *plan)
{
    const weir_config *c = &s->config;
    uint64_t stack = memory_whole_pages(c->stack_size);
    uint64_t workers = (uint64_t)c->workers, before = workers * (uint64_t)c->stacks;
    uint64_t most = (uint64_t)c->max_connections + before, sets = plan_sets(s);
    if (sets > 0)
        most = least_of(most, most_of(workers * sets, before));
    plan->start += before * stack;
    plan->worst += most * stack;
    plan->request += stack;
}

static void plan_add_pool(const struct settings *s, const struct planned *p, weir_memory_plan *plan)
{
    uint64_t workers = (uint64_t)s->config.workers, before = slab_bytes(p, p->before);
    uint64_t most = slab_bytes(p, p->each * (uint64_t)s->config.max_connections + workers * p->extra) +
                    workers * (before > 0 ? before : slab_bytes(p, 1));
    if (p->bound > 0)
        most = least_of(most, workers * slab_bytes(p, most_of(p->bound, p->before)));
    plan->start += workers * before;
    plan->worst += most;
}

/* What the pools add of which a holder has an object of one alone. */
struct largest {
    uint64_t connection, class;
};

/* What a pool adds to what a connection costs, and a live request. */
static void plan_add_shares(const struct pool_kind *k, uint64_t cost, struct largest *largest, weir_memory_plan *plan)
{
    switch ((enum pool_holder)k->holder) {
    case POOL_CONNECTION:
        largest->connection = most_of(largest->connection, k->held * cost);
        break;
    case POOL_SET:
        plan->request += k->held * cost;
        break;
    case POOL_CLASS:
        largest->class = most_of(largest->class, k->held * cost);
        break;
    case POOL_NOBODY:
    case POOL_HEAD:
    case POOL_REPLY:
    case POOL_WAITING:
        break;
    }
}

static void plan_add_pools(const struct settings *s, struct pool_table t, weir_memory_plan *plan)
{
    const struct pool_basis basis = pool_basis_of(s);
    struct largest largest = {0};
    for (const struct pool_kind *k = t.kinds; k < t.kinds + t.count; k++) {
        uint32_t count = k->start == POOL_AT_USE ? 1 : k->count; /* all are taken to be of the largest */
        struct planned pool;
        for (uint32_t i = 0; i < count; i++) {
            if (!plan_pool(s, &basis, k, i, &pool))
                continue;
            plan_add_pool(s, &pool, plan);
            plan_add_shares(k, object_cost(&pool), &largest, plan);
        }
    }
    plan->connection += largest.connection;
    plan->request += largest.class;
}

static void plan_compute(weir_server *s, uint64_t expressions, weir_memory_plan *plan)
{
    const weir_config *c = &s->settings.config;
    uint64_t workers = (uint64_t)c->workers;
    *plan = (weir_memory_plan){.connections = (uint64_t)c->max_connections};
    plan->start = plan_fixed(s, workers) + workers * expressions + folders_types_memory(&s->site) + topics_reserved(s);
    plan->start += offload_pools_memory(s, false);
    plan->worst =
        plan->start + (uint64_t)c->offload_threads * (thread_stack_bytes(c->offload_stack_size) + OVERFLOW_STACK_SIZE);
    plan->worst += offload_pools_memory(s, true);
    plan->worst += topics_bound(s) - topics_reserved(s);
    plan_caches(s, plan);
    plan_add_stacks(&s->settings, plan);
    plan->worst += workers * memory_whole_pages(c->deep_stack_size);
    plan_add_pools(&s->settings, http_pools, plan);
    plan_add_pools(&s->settings, worker_pools, plan);
    plan->worst += shares_body_memory(s) + shares_compression(s) + folders_memory(&s->site);
    tls_plan(s, plan);
    if (c->memory_limit && plan->worst > c->memory_limit)
        plan->worst = c->memory_limit;
}

int weir_plan(weir_server *s, weir_memory_plan *plan)
{
    if (!plan)
        return WEIR_EINVAL;
    *plan = (weir_memory_plan){0};
    if (!s)
        return WEIR_EINVAL;
    uint64_t expressions;
    routes_count(s);
    int error = s->site.errors_len > 0 ? WEIR_EINVAL : plan_expressions(s, &expressions);
    if (!error)
        plan_compute(s, expressions, plan);
    return error;
}

uint64_t plan_least(weir_server *s)
{
    weir_memory_plan plan;
    uint64_t expressions = 0;
    routes_count(s);
    (void)plan_expressions(
        s, &expressions); /* where the bound does not even allow that, less than it is too little, too */
    plan_compute(s, expressions, &plan);
    return plan.start + (uint64_t)s->settings.config.workers * WAITING_MEMORY;
}

void plan_check_limit(weir_server *s)
{
    const weir_config *c = &s->settings.config;
    uint64_t least = c->memory_limit > 0 ? plan_least(s) : 0;
    if (c->memory_limit < least)
        site_error(&s->site, "setting memory_limit: %zu is less than what %d workers need, %llu", c->memory_limit,
                   c->workers, (unsigned long long)least);
}
