/*
 * The plan: from settings, routes and caches, before the start, the most memory that the server can take.
 *
 * A pool grows only when each of its slabs is full, so that the slabs that it has are those that its objects needed when
 * there were most of them. Objects that the workers share out leave one slab more for each worker that is not full.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/h1.h"
#include "http/scan.h"
#include "io/overflow.h"
#include "server/server.h"
#include "web/cache.h"
#include "web/context.h"

#include <unistd.h>

/* A pool of every worker's, or its stacks. */
struct planned {
    size_t object_size, align;
    uint64_t each;   /* objects for each connection with a live request */
    uint64_t before; /* objects that each worker makes before the start */
};

enum { PLANNED_CONNECTION, PLANNED_HEAD, PLANNED_REQUEST, PLANNED_COUNT = 8 };

/* As http_init(), net_init(), worker_preallocate(), admission_init() and spill_take() make them. */
static size_t plan_pools(const struct settings *s, struct planned pools[PLANNED_COUNT])
{
    const weir_config *c = &s->config;
    uint64_t buffers = (uint64_t)c->http_buffers, blocks = (uint64_t)c->request_memory_blocks;
    size_t head = SPILL_FINE_MAX;
    while (head < (size_t)s->http.buffer_size + sizeof(struct spill) + 1)
        head *= 2;
    const struct planned all[PLANNED_COUNT] = {
        [PLANNED_CONNECTION] = {transport_plain.connection_size, 8, 1, 1},
        [PLANNED_HEAD] = {head, 8, 1, 0},
        [PLANNED_REQUEST] = {http_record_size(&web_host), 64, 1, 1},
        {s->http.buffer_size + 2 * SCAN_SLACK, 64, 2, buffers},
        {s->http.max_headers * sizeof(struct http_field), 16, 1, c->memory_limit > 0}, /* of the standing set */
        {(s->http.request_memory + 15) & ~(size_t)15, 64, 1, blocks},
        {c->ws_buffer_size, 64, 0, buffers},
    };
    memcpy(pools, all, sizeof all);
    return PLANNED_COUNT - 1;
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
    uint64_t records = counter_read(&s->account.reserved) + (s->workers ? 0 : workers * sizeof(struct worker));
    uint64_t routes = 2 * counter_read(&s->site.account.reserved); /* with what the start adds */
    uint64_t threads = workers * (WORKER_STACK_SIZE + OVERFLOW_STACK_SIZE) + WATCHDOG_STACK_SIZE;
    return records + routes + threads + server_addresses_size(s);
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

int weir_plan(weir_server *s, weir_memory_plan *plan)
{
    *plan = (weir_memory_plan){0};
    const weir_config *c = &s->settings.config;
    uint64_t workers = (uint64_t)c->workers, most = (uint64_t)c->max_connections, expressions;
    struct planned pools[PLANNED_COUNT];
    size_t count = plan_pools(&s->settings, pools), page = (size_t)sysconf(_SC_PAGESIZE);
    uint64_t stack = (c->stack_size + page - 1) & ~(uint64_t)(page - 1);
    int error = s->site.errors_len > 0 ? WEIR_EINVAL : plan_expressions(s, &expressions);
    if (error)
        return error;
    plan->connections = most;
    plan->start = plan_fixed(s, workers) + workers * (stack + expressions);
    plan->worst = plan_fixed(s, workers) + workers * expressions + (most + workers) * stack +
                  (uint64_t)c->offload_threads * OFFLOAD_STACK_SIZE;
    plan->request = stack;
    plan_caches(s, plan);
    for (size_t i = 0; i < count; i++) {
        const struct planned *p = &pools[i];
        uint64_t before = slab_bytes(p, p->before), many = slab_bytes(p, p->each * most);
        plan->start += workers * before;
        plan->worst += many + workers * (before > 0 ? before : slab_bytes(p, 1));
        if (i >= PLANNED_REQUEST)
            plan->request += p->each * object_cost(p);
    }
    plan->connection = object_cost(&pools[PLANNED_CONNECTION]);
    if (c->memory_limit && plan->worst > c->memory_limit)
        plan->worst = c->memory_limit;
    return 0;
}
