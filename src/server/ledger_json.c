/*
 * The ledger as JSON.
 *
 * SPDX-License-Identifier: MIT
 */
#include "server/ledger.h"
#include "server/ledger_compression.h"
#include "server/ledger_live.h"
#include "server/ledger_pools.h"
#include "server/ledger_tasks.h"
#include "server/ledger_tls.h"
#include "server/live.h"
#include "server/offload_pools.h"
#include "server/route_times.h"

#include <inttypes.h>

static void put_memory(struct ledger_writer *w, const weir_ledger *l)
{
    char buf[LEDGER_SECONDS_SIZE];
    ledger_put(w, ",\"memory\":{\"limit\":%" PRIu64 ",\"in_use\":%" PRIu64 ",\"reserved\":%" PRIu64 ",\"accounts\":[",
               l->memory_limit, l->in_use, l->reserved);
    for (size_t i = 0; i < l->account_count; i++) {
        const weir_ledger_account *a = &l->accounts[i];
        ledger_put(w, i ? ",{\"name\":" : "{\"name\":");
        ledger_put_string(w, a->name);
        ledger_put(w,
                   ",\"limit\":%" PRIu64 ",\"in_use\":%" PRIu64 ",\"reserved\":%" PRIu64 ",\"peak\":%" PRIu64
                   ",\"refused\":%" PRIu64 ",\"objects\":%" PRIu64 "}",
                   a->limit, a->in_use, a->reserved, a->peak, a->refused, a->objects);
    }
    ledger_put(w,
               "]},\"kernel\":{\"limit\":%" PRIu64 ",\"held\":%" PRIu64 ",\"peak\":%" PRIu64 ",\"cut\":%" PRIu64
               "},\"process\":",
               l->kernel_memory_limit, l->kernel_memory, l->kernel_memory_peak, l->kernel_memory_cut);
    if (l->process_age_ms < 0)
        ledger_put(w, "null");
    else
        ledger_put(w, "{\"resident\":%" PRIu64 ",\"private\":%" PRIu64 ",\"remainder\":%" PRIu64 ",\"age_seconds\":%s}",
                   l->process_resident, l->process_private, l->process_remainder,
                   ledger_seconds((uint64_t)l->process_age_ms * 1000000, buf));
}

static void put_causes(struct ledger_writer *w, const weir_ledger_refusal *causes, size_t count)
{
    ledger_put(w, "{");
    for (size_t i = 0; i < count; i++)
        ledger_put(w, "%s\"%s\":%" PRIu64, i ? "," : "", causes[i].cause, causes[i].count);
    ledger_put(w, "}");
}

static void put_traffic(struct ledger_writer *w, const weir_ledger *l)
{
    ledger_put(w,
               ",\"connections\":{\"accepted\":%" PRIu64 ",\"open\":%" PRIu64 ",\"idle\":%" PRIu64 ",\"head\":%" PRIu64
               ",\"waiting\":%" PRIu64 ",\"active\":%" PRIu64 ",\"draining\":%" PRIu64 ",\"lingering\":%" PRIu64
               ",\"handshake\":%" PRIu64 "},\"streams\":%" PRIu64,
               l->accepted, l->connections, l->connections_idle, l->connections_head, l->connections_waiting,
               l->connections_active, l->connections_draining, l->connections_lingering, l->connections_handshake,
               l->streams);
    ledger_put(w, ",\"requests\":%" PRIu64 ",\"responses\":{", l->requests);
    for (int i = 1; i <= 5; i++)
        ledger_put(w, "\"%dxx\":%" PRIu64 ",", i, l->responses[i]);
    ledger_put(w, "\"none\":%" PRIu64 "},\"bytes\":{\"in\":%" PRIu64 ",\"out\":%" PRIu64 "}", l->responses[0],
               l->bytes_in, l->bytes_out);
    ledger_put(w, ",\"refusals\":");
    put_causes(w, l->refusals, l->refusal_count);
    ledger_put(w, ",\"handshakes\":{\"done\":%" PRIu64 ",\"failed\":", l->handshakes);
    put_causes(w, l->handshake_failures, l->handshake_failure_count);
    ledger_put(w, "}");
}

static void put_handlers(struct ledger_writer *w, const weir_ledger *l)
{
    char buf[LEDGER_SECONDS_SIZE];
    ledger_put(w, ",\"handlers\":{\"seconds\":%s,\"times\":[", ledger_seconds(l->handler_ns, buf));
    for (size_t i = 0; i < WEIR_LEDGER_TIMES; i++) {
        const weir_handler_time *t = &l->handler_times[i];
        if (t->most_ns == UINT64_MAX)
            ledger_put(w, "{\"most\":null,\"count\":%" PRIu64 "}", t->count);
        else
            ledger_put(w, "{\"most\":%s,\"count\":%" PRIu64 "},", ledger_seconds(t->most_ns, buf), t->count);
    }
    ledger_put(w, "]},\"fibers\":{\"running\":%" PRIu64 ",\"waiting\":%" PRIu64 "}", l->fibers_running,
               l->fibers - l->fibers_running);
    ledger_put(w, ",\"offload\":{\"threads\":%d,\"busy\":%d,\"queued\":%d,\"jobs\":%" PRIu64 "}", l->offload_threads,
               l->offload_busy, l->offload_queued, l->offload_jobs);
}

static void put_caches(struct ledger_writer *w, const weir_ledger *l)
{
    ledger_put(w, ",\"caches\":[");
    for (size_t i = 0; i < l->cache_count; i++) {
        const weir_cache_stats *s = &l->caches[i].stats;
        ledger_put(w, i ? ",{\"name\":" : "{\"name\":");
        ledger_put_string(w, l->caches[i].name);
        ledger_put(w,
                   ",\"hits\":%" PRIu64 ",\"misses\":%" PRIu64 ",\"waits\":%" PRIu64 ",\"evictions\":%" PRIu64
                   ",\"expirations\":%" PRIu64 ",\"failures\":%" PRIu64 ",\"entries\":%" PRIu64 ",\"bytes\":%" PRIu64
                   "}",
                   s->hits, s->misses, s->waits, s->evictions, s->expirations, s->failures, s->entries, s->bytes);
    }
    ledger_put(w, "]");
}

void ledger_put_json(struct ledger_writer *w, const weir_ledger *l)
{
    char buf[LEDGER_SECONDS_SIZE];
    ledger_put(w, "{\"version\":\"%s\",\"uptime_seconds\":%s,\"workers\":%d", weir_version_string(),
               ledger_seconds(l->uptime_ms * 1000000, buf), l->workers);
    put_memory(w, l);
    put_traffic(w, l);
    ledger_put_tls_json(w, &l->tls);
    ledger_put_compression_json(w, &l->compression);
    ledger_put_live_json(w, l);
    put_handlers(w, l);
    ledger_put_offload_pools_json(w, l);
    route_times_put_json(w);
    put_caches(w, l);
    ledger_put_pools_json(w, l);
    ledger_put_tasks_json(w, l);
    ledger_put(w, ",\"live\":");
    live_put_json(w);
    ledger_put(w, "}");
}

void weir_ledger_json(weir_ctx *c)
{
    weir_ledger *ledger = ledger_room(c);
    if (!ledger)
        return;
    live_refresh(c);
    ledger_read_fresh(c, ledger);
    weir_set_header(c, "Content-Type", "application/json");
    weir_set_header(c, "Cache-Control", "no-store");
    struct ledger_writer w = {.c = c};
    ledger_put_json(&w, ledger);
    ledger_put(&w, "\n");
}
