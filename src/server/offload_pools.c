/*
 * Offload pools: made before the start, shown in the ledger, and freed with the server.
 *
 * SPDX-License-Identifier: MIT
 */
#include "server/offload_pools.h"
#include "base/log.h"
#include "base/thread.h"
#include "io/overflow.h"
#include "server/ledger_rows.h"
#include "server/server.h"
#include "web/offload_pool.h"

#include <inttypes.h>
#include <string.h>

#define POOL_THREADS_MOST 256
#define POOL_QUEUED_MOST  1000000
#define POOL_IDLE_S_MOST  86400

/* ---- Adding ---- */

static bool name_is_good(const char *name)
{
    size_t len = name ? strlen(name) : 0;
    for (size_t i = 0; i < len; i++)
        if (name[i] < 0x20 || name[i] > 0x7e)
            return false;
    return len > 0 && len < WEIR_LEDGER_OFFLOAD_POOL_NAME_SIZE;
}

/* The number of pools, or WEIR_EEXIST: one of that name is among them. */
static int pools_count(const weir_server *s, const char *name)
{
    int count = 0;
    list_for_each (l, &s->offload_pools) {
        if (strcmp(container_of(l, struct weir_offload_pool, link)->name, name) == 0)
            return WEIR_EEXIST;
        count++;
    }
    return count;
}

static COLD bool pool_refuse(weir_server *s, const char *name, const char *why)
{
    site_error(&s->site, "offload pool \"%.60s\": %s", name ? name : "(null)", why);
    return false;
}

static bool number_is_good(weir_server *s, const weir_offload_pool_config *config, const char *member, int64_t value,
                           int64_t least, int64_t most)
{
    char what[96];
    if (value == 0 || (value >= least && value <= most))
        return true;
    snprintf(what, sizeof what, "offload pool \"%s\": %s", config->name, member);
    site_error_number(&s->site, what, value, least, most, NULL);
    return false;
}

static bool config_is_good(weir_server *s, const weir_offload_pool_config *config)
{
    if (s->site.sealed)
        return pool_refuse(s, config->name, "the server has started");
    if (!name_is_good(config->name))
        return pool_refuse(s, config->name, "a name has 1 to 31 bytes, all of them printable ASCII");
    int count = pools_count(s, config->name);
    if (count < 0)
        return pool_refuse(s, config->name, "a pool of that name is there already");
    if (count == WEIR_LEDGER_OFFLOAD_POOLS)
        return pool_refuse(s, config->name, "there are too many");
    if (config->threads_at_start != 0 && config->threads_at_start != WEIR_ON && config->threads_at_start != WEIR_OFF)
        return pool_refuse(s, config->name, "threads_at_start is neither WEIR_ON nor WEIR_OFF");
    int64_t stack_size = config->stack_size > INT64_MAX ? INT64_MAX : (int64_t)config->stack_size;
    return number_is_good(s, config, "threads", config->threads, 1, POOL_THREADS_MOST) &&
           number_is_good(s, config, "stack_size", stack_size, OFFLOAD_STACK_LEAST, OFFLOAD_STACK_MOST) &&
           number_is_good(s, config, "max_queued", config->max_queued, 1, POOL_QUEUED_MOST) &&
           number_is_good(s, config, "idle_s", config->idle_s, 1, POOL_IDLE_S_MOST);
}

weir_offload_pool *weir_offload_pool_new_sized(weir_server *s, const weir_offload_pool_config *config,
                                               size_t config_size)
{
    weir_offload_pool_config given = {0};
    if (!s)
        return NULL;
    if (config)
        memcpy(&given, config, config_size < sizeof given ? config_size : sizeof given);
    if (!config_is_good(s, &given))
        return NULL;
    weir_offload_pool *pool = memory_alloc(&s->account, sizeof *pool);
    if (!pool) {
        (void)pool_refuse(s, given.name, "no memory");
        return NULL;
    }
    *pool = (weir_offload_pool){.server = s, .at_start = given.threads_at_start == WEIR_ON};
    snprintf(pool->name, sizeof pool->name, "%s", given.name);
    struct offload_config own = {
        .threads_max = given.threads ? given.threads : 1,
        .stack_size = given.stack_size ? given.stack_size : s->settings.config.offload_stack_size,
        .idle_s = given.idle_s ? given.idle_s : OFFLOAD_STAYS,
        .queued_max = given.max_queued,
        .start = given.start,
        .stop = given.stop,
        .data = given.data,
    };
    offload_init(&pool->offload, &s->memory, &own);
    list_push_back(&s->offload_pools, &pool->link);
    return pool;
}

/* ---- With the server ---- */

int offload_pools_start(weir_server *s)
{
    list_for_each (l, &s->offload_pools) {
        struct weir_offload_pool *pool = container_of(l, struct weir_offload_pool, link);
        if (pool->at_start && offload_start_all(&pool->offload) != 0) {
            log_error(&s->log, "offload pool \"%s\": a thread could not be had", pool->name);
            return WEIR_ENOMEM;
        }
    }
    return 0;
}

uint64_t offload_pools_memory(const weir_server *s, bool later)
{
    uint64_t bytes = 0;
    list_for_each (l, &s->offload_pools) {
        const struct weir_offload_pool *pool = container_of(l, struct weir_offload_pool, link);
        const struct offload_config *config = &pool->offload.config;
        if (pool->at_start != later)
            bytes += (uint64_t)config->threads_max * (thread_stack_bytes(config->stack_size) + OVERFLOW_STACK_SIZE);
    }
    return bytes;
}

void offload_pools_free(weir_server *s)
{
    struct list *l;
    while ((l = list_pop_front(&s->offload_pools))) {
        struct weir_offload_pool *pool = container_of(l, struct weir_offload_pool, link);
        offload_done(&pool->offload);
        memory_free(&s->account, pool, sizeof *pool);
    }
}

/* ---- The ledger ---- */

static const struct ledger_figure figures[] = {
#define FIGURE(member, metric, type, help) LEDGER_FIGURE(weir_ledger_offload_pool, member, metric, type, help)
    FIGURE(threads, "offload_pool_threads", "gauge", "Threads of a pool of the program's."),
    FIGURE(busy, "offload_pool_threads_busy", "gauge", "What of them works, or starts."),
    FIGURE(queued, "offload_pool_jobs_queued", "gauge", "Jobs that wait for a thread of the pool."),
    FIGURE(jobs, "offload_pool_jobs_total", "counter", "Jobs of the pool ever."),
    FIGURE(refused, "offload_pool_jobs_refused_total", "counter", "Jobs that found too many waiting."),
};
_Static_assert(offsetof(weir_ledger_offload_pool, name) == 0, "see struct ledger_rows");

static struct ledger_rows rows_of(const weir_ledger *ledger)
{
    return (struct ledger_rows){.figures = figures,
                                .figure_count = sizeof figures / sizeof figures[0],
                                .rows = ledger->offload_pools,
                                .row_size = sizeof ledger->offload_pools[0],
                                .row_count = ledger->offload_pool_count,
                                .label = "pool"};
}

bool offload_pools_are_busy(const weir_server *s)
{
    list_for_each (l, &s->offload_pools) {
        struct offload_counts counts = offload_count(&container_of(l, struct weir_offload_pool, link)->offload);
        if (counts.busy > 0 || counts.queued > 0)
            return true;
    }
    return false;
}

void ledger_read_offload_pools(const weir_server *s, weir_ledger *ledger)
{
    list_for_each (l, &s->offload_pools) {
        struct weir_offload_pool *pool = container_of(l, struct weir_offload_pool, link);
        struct offload_counts counts = offload_count(&pool->offload);
        weir_ledger_offload_pool *row = &ledger->offload_pools[ledger->offload_pool_count++];
        *row = (weir_ledger_offload_pool){.threads = (uint64_t)counts.threads,
                                          .busy = (uint64_t)counts.busy,
                                          .queued = (uint64_t)counts.queued,
                                          .jobs = counts.jobs,
                                          .refused = counts.refused};
        snprintf(row->name, sizeof row->name, "%s", pool->name);
    }
}

void ledger_put_offload_pools_json(struct ledger_writer *w, const weir_ledger *ledger)
{
    struct ledger_rows rows = rows_of(ledger);
    ledger_put(w, ",\"offload_pools\":");
    ledger_put_rows_json(w, &rows);
}

void ledger_put_offload_pools_metrics(struct ledger_writer *w, const weir_ledger *ledger)
{
    struct ledger_rows rows = rows_of(ledger);
    ledger_put_rows_metrics(w, &rows);
}
