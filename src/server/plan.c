/*
 * The plan: from settings, routes and caches, before the start, the most memory that the server can take.
 *
 * A pool grows only when each of its slabs is full, so that the slabs that it has are those that its objects needed
 * when there were most of them. Objects that the workers share out leave one slab more for each worker that is not
 * full.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/http.h"
#include "http/scan.h"
#include "io/overflow.h"
#include "server/route_times.h"
#include "server/server.h"
#include "web/cache/cache.h"
#include "web/context.h"

#define WAITING_MEMORY                                                                                                 \
    ((uint64_t)128 * 1024) /* of a worker: a slab each of half-received heads and of those that wait */

/* A pool of every worker's. */
struct planned {
    size_t object_size, align;
    uint64_t each;   /* objects for each connection with a live request */
    uint64_t before; /* objects that each worker makes before the start */
    uint64_t bound;  /* most that each worker has then; 0: any number */
};

enum { PLANNED_CONNECTION, PLANNED_HEAD, PLANNED_WAITING, PLANNED_REQUEST, PLANNED_COUNT = 8 };

/* Most requests that a worker has with all that a request can hold; 0: any number. */
static uint64_t plan_sets(const struct settings *s)
{
    return admission_bounds_any(&s->http.bounds) ? admission_bounds_sets(&s->http.bounds) : 0;
}

/* As http_init(), net_init(), worker_preallocate(), admission_init() and spill_take() make them. */
static void plan_pools(const struct settings *s, struct planned pools[PLANNED_COUNT])
{
    const weir_config *c = &s->config;
    const struct admission_bounds *b = &s->http.bounds;
    uint64_t buffers = (uint64_t)c->http_buffers, blocks = (uint64_t)c->request_memory_blocks, sets = plan_sets(s);
    uint64_t limited = c->memory_limit > 0 || sets > 0; /* there is a standing set, and requests may wait */
    size_t head = SPILL_FINE_MAX;
    while (head < (size_t)s->http.buffer_size + sizeof(struct spill) + 1)
        head *= 2;
    const struct planned all[PLANNED_COUNT] = {
        [PLANNED_CONNECTION] = {transport_plain.connection_size, 8, 1, (uint64_t)c->connection_records, 0},
        [PLANNED_HEAD] = {head, 8, 1, 0, 0},
        [PLANNED_WAITING] = {http_waiting_size(), 8, limited, 0, 0},
        [PLANNED_REQUEST] = {http_record_size(&web_host), 64, 1, (uint64_t)c->request_records, b->records},
        {s->http.buffer_size + 2 * SCAN_SLACK, 64, 2, buffers > 2 * limited ? buffers : 2 * limited, b->buffers},
        {s->http.max_headers * sizeof(struct http_field), 16, 1, limited, sets},
        {http_block_size(s->http.request_memory), 64, 1, blocks, sets},
        {c->ws_buffer_size, 64, 0, buffers, 0},
    };
    memcpy(pools, all, sizeof all);
}

/* What an object costs when there are many: its share of a slab. */
static uint64_t object_cost(const struct planned *p)
{
    struct pool shape;
    pool_init(&shape, NULL, p->object_size, p->align, 0);
    return (shape.slab_size + shape.per_slab - 1) / shape.per_slab;
}

static uint64_t slab_bytes(const struct planned *p, uint64_t objects)
{
    struct pool shape;
    pool_init(&shape, NULL, p->object_size, p->align, 0);
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
    uint64_t counts = plan_sets(&s->settings) ? workers * admission_class_sets_size(s->site.route_count) : 0;
    return records + routes + threads + counts + server_addresses_size(s);
}

/* What the caches have now, and what they may have. */
static void plan_caches(const weir_server *s, weir_memory_plan *plan)
{
    list_for_each (l, &s->caches) {
        struct weir_cache *cache = container_of(l, struct server_cache, link)->cache;
        plan->start += counter_read(&cache->account.reserved);
        plan->worst += cache_bound(cache);
    }
}

/* Files that are kept open, and one for each connection: nothing before the first is sent. */
static void plan_add_files(const weir_config *c, weir_memory_plan *plan)
{
    uint64_t workers = (uint64_t)c->workers, kept = c->open_files > 0 ? workers * (uint64_t)c->open_files : 0;
    struct pool handles;
    pool_init(&handles, NULL, sizeof(struct file), 8, FILE_HANDLE_SLAB);
    plan->worst += pool_slab_bytes(&handles, (uint64_t)c->max_connections + kept) + workers * FILE_HANDLE_SLAB;
    if (kept > 0)
        plan->worst += workers * FILE_CACHE_SLAB;
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
    uint64_t most = slab_bytes(p, p->each * (uint64_t)s->config.max_connections) +
                    workers * (before > 0 ? before : slab_bytes(p, 1));
    if (p->bound > 0)
        most = least_of(most, workers * slab_bytes(p, most_of(p->bound, p->before)));
    plan->start += workers * before;
    plan->worst += most;
}

/* Blocks of request memory of other sizes, which a request has beside the usual one. */
static void plan_add_memories(const struct settings *s, weir_memory_plan *plan)
{
    uint64_t sets = plan_sets(s), limited = s->config.memory_limit > 0 || sets > 0, most = 0;
    for (uint32_t i = 0; i < s->http.memory_count; i++) {
        const struct planned blocks = {http_block_size(s->http.memories[i]), 64, 1, limited, sets};
        plan_add_pool(s, &blocks, plan);
        most = most_of(most, object_cost(&blocks));
    }
    plan->request += most;
}

static void plan_compute(const weir_server *s, uint64_t expressions, weir_memory_plan *plan)
{
    const weir_config *c = &s->settings.config;
    uint64_t workers = (uint64_t)c->workers;
    struct planned pools[PLANNED_COUNT];
    plan_pools(&s->settings, pools);
    *plan = (weir_memory_plan){.connections = (uint64_t)c->max_connections};
    plan->start = plan_fixed(s, workers) + workers * expressions;
    plan->worst =
        plan->start + (uint64_t)c->offload_threads * (thread_stack_bytes(c->offload_stack_size) + OVERFLOW_STACK_SIZE);
    plan_caches(s, plan);
    plan_add_files(c, plan);
    plan_add_stacks(&s->settings, plan);
    plan->worst += workers * memory_whole_pages(c->deep_stack_size);
    for (size_t i = 0; i < PLANNED_COUNT; i++) {
        plan_add_pool(&s->settings, &pools[i], plan);
        if (i >= PLANNED_REQUEST)
            plan->request += pools[i].each * object_cost(&pools[i]);
    }
    plan_add_memories(&s->settings, plan);
    plan->worst += server_body_memory(s);
    plan->connection = object_cost(&pools[PLANNED_CONNECTION]);
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
    server_count_routes(s);
    int error = s->site.errors_len > 0 ? WEIR_EINVAL : plan_expressions(s, &expressions);
    if (!error)
        plan_compute(s, expressions, plan);
    return error;
}

uint64_t plan_least(weir_server *s)
{
    weir_memory_plan plan;
    uint64_t expressions = 0;
    server_count_routes(s);
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
