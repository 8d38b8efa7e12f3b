/*
 * Adding up the ledger.
 *
 * SPDX-License-Identifier: MIT
 */
#include "server/ledger.h"
#include "base/clock.h"
#include "server/caches.h"
#include "server/ledger_compression.h"
#include "server/ledger_live.h"
#include "server/ledger_pools.h"
#include "server/ledger_tls.h"
#include "server/offload_pools.h"
#include "server/route_times.h"
#include "server/server.h"
#include "server/state.h"

#include <stdio.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* The row of that name; the last row is of all that found none, so that the rows always add up. */
static weir_ledger_account *account_row(weir_ledger *ledger, const char *name)
{
    for (size_t i = 0; i < ledger->account_count; i++)
        if (strcmp(ledger->accounts[i].name, name) == 0)
            return &ledger->accounts[i];
    if (ledger->account_count == WEIR_LEDGER_ACCOUNTS)
        return &ledger->accounts[WEIR_LEDGER_ACCOUNTS - 1];
    weir_ledger_account *a = &ledger->accounts[ledger->account_count++];
    snprintf(a->name, sizeof a->name, "%s", ledger->account_count == WEIR_LEDGER_ACCOUNTS ? "others" : name);
    return a;
}

static void read_accounts(weir_server *s, weir_ledger *ledger)
{
    ledger->memory_limit = s->memory.limit;
    ledger->kernel_memory_limit = s->sockets.limit;
    ledger->kernel_memory = counter_read(&s->sockets.held);
    ledger->kernel_memory_peak = counter_read(&s->sockets.peak);
    ledger->kernel_memory_cut = counter_read(&s->sockets.cut);
    memory_lock_acquire(&s->memory.lock);
    for (struct account *a = s->memory.accounts; a; a = a->next) {
        weir_ledger_account *sum = account_row(ledger, a->name);
        uint64_t in_use = counter_read(&a->in_use), reserved = counter_read(&a->reserved);
        ledger->in_use += in_use;
        ledger->reserved += reserved;
        sum->limit += a->limit;
        sum->in_use += in_use;
        sum->reserved += reserved;
        sum->peak += counter_read(&a->peak);
        sum->refused += counter_read(&a->refused);
        sum->objects += counter_read(&a->objects);
    }
    memory_lock_release(&s->memory.lock);
}

static void read_process(const weir_server *s, weir_ledger *ledger)
{
    const struct process_memory *p = &s->process_memory;
    uint64_t taken_ns = counter_read(&p->taken_ns);
    ledger->process_age_ms = -1;
    if (taken_ns == 0)
        return;
    ledger->process_age_ms = (int64_t)((clock_monotonic_ns() - taken_ns) / 1000000);
    ledger->process_resident = counter_read(&p->resident);
    ledger->process_private = counter_read(&p->private_bytes);
    ledger->process_remainder = counter_read(&p->remainder);
}

static void cache_stats_add(weir_cache_stats *sum, const weir_cache_stats *more)
{
    sum->hits += more->hits;
    sum->misses += more->misses;
    sum->waits += more->waits;
    sum->evictions += more->evictions;
    sum->expirations += more->expirations;
    sum->failures += more->failures;
    sum->entries += more->entries;
    sum->bytes += more->bytes;
}

static weir_ledger_cache *cache_row(weir_ledger *ledger, const char *name)
{
    for (size_t i = 0; i < ledger->cache_count; i++)
        if (strcmp(ledger->caches[i].name, name) == 0)
            return &ledger->caches[i];
    if (ledger->cache_count == WEIR_LEDGER_CACHES)
        return &ledger->caches[WEIR_LEDGER_CACHES - 1];
    weir_ledger_cache *cache = &ledger->caches[ledger->cache_count++];
    snprintf(cache->name, sizeof cache->name, "%s", ledger->cache_count == WEIR_LEDGER_CACHES ? "others" : name);
    return cache;
}

static void read_caches(const weir_server *s, weir_ledger *ledger)
{
    list_for_each (l, &s->caches) {
        struct weir_cache *cache = container_of(l, struct server_cache, link)->cache;
        weir_cache_stats stats;
        cache_stats_read(cache, &stats);
        cache_stats_add(&cache_row(ledger, cache->name)->stats, &stats);
    }
}

/* Connections by state. What pools have handed out tells most: of HTTP/1 each connection with a request has a record,
 * and each with half a head a block; one of HTTP/2 that is not at rest is active, however many requests it has. */
static void read_connections(const struct worker *w, weir_ledger *ledger)
{
    const struct http *http = &w->http;
    const struct http_counters *counters = &http->counters;
    uint64_t open = counter_read(&w->net.open), streams = counter_read(&counters->streams);
    uint64_t waiting =
        ledger_less(counter_read(&http->admission.account.objects), counter_read(&counters->streams_waiting));
    /* One that waits for memory has its head in such a block, too. */
    uint64_t heads =
        ledger_less(counter_read(&http->spill_account.objects), counter_read(&counters->unlike_heads) + waiting);
    uint64_t draining = counter_read(&counters->draining), lingering = counter_read(&counters->lingering);
    uint64_t live =
        ledger_less(counter_read(&http->record_account.objects), counter_read(&counters->unlike_requests) + streams) +
        counter_read(&counters->h2_live);
    uint64_t handshaking = counter_read(&w->net.handshaking);
    ledger->accepted += counter_read(&w->net.accepted);
    ledger->connections += open;
    ledger->connections_head += heads;
    ledger->connections_waiting += waiting;
    ledger->connections_draining += draining;
    ledger->connections_active += ledger_less(live, draining);
    ledger->connections_lingering += lingering;
    ledger->connections_handshake += handshaking;
    ledger->connections_idle += ledger_less(open, heads + waiting + live + lingering + handshaking);
    ledger->streams += streams;
    ledger->bytes_in += counter_read(&w->net.bytes_in);
    ledger->bytes_out += counter_read(&w->net.bytes_out);
}

static void read_requests(const weir_server *s, int worker, weir_ledger *ledger)
{
    const struct http_counters *counters = &s->workers[worker].http.counters;
    uint64_t times[WEIR_LEDGER_TIMES] = {0}, others = 0;
    uint64_t requests = route_times_sum(s, worker, times);
    for (size_t i = 0; i < COUNT(counters->replies); i++) {
        uint64_t replies = counter_read(&counters->replies[i]);
        ledger->responses[i] += replies;
        others += i == 1 ? 0 : replies;
    }
    for (size_t i = 0; i < WEIR_LEDGER_TIMES; i++)
        ledger->handler_times[i].count += times[i];
    ledger->requests += requests;
    ledger->responses[2] += ledger_less(requests, others);
    ledger->handler_ns += counter_read(&counters->measured_ns);
}

static void read_refusals(const struct http *http, weir_ledger *ledger)
{
    for (size_t i = 0; i < ledger->refusal_count; i++)
        ledger->refusals[i].count += counter_read(&http->refusals[i + 1]); /* the first cause is none */
}

static void read_handshakes(const struct net *n, weir_ledger *ledger)
{
    ledger->handshakes += counter_read(&n->handshakes_done);
    for (size_t i = 0; i < ledger->handshake_failure_count; i++)
        ledger->handshake_failures[i].count += counter_read(&n->handshakes[i]);
}

static void read_fibers(const struct worker *w, weir_ledger *ledger)
{
    uint64_t fibers = counter_read(&w->stack_account.objects);
    ledger->fibers += fibers;
    ledger->fibers_running += fibers > 0 && counter_read(&w->loop.turns) % 2 == 1;
}

_Static_assert(HTTP_TIMES == WEIR_LEDGER_TIMES, "the classes of handler times");
_Static_assert(REFUSAL_COUNT - 1 <= WEIR_LEDGER_REFUSALS, "there is a place for each cause");
_Static_assert(HANDSHAKE_FAILURES <= WEIR_LEDGER_HANDSHAKES, "there is a place for each cause");

void weir_ledger_read(weir_server *s, weir_ledger *ledger)
{
    if (!ledger)
        return;
    *ledger = (weir_ledger){0};
    if (!s)
        return;
    ledger->workers = s->settings.config.workers;
    read_accounts(s, ledger);
    read_process(s, ledger);
    read_caches(s, ledger);
    ledger_read_pools(s, ledger);
    struct offload_counts offload = offload_count(&s->offload);
    ledger->offload_threads = offload.threads;
    ledger->offload_busy = offload.busy;
    ledger->offload_queued = offload.queued;
    ledger->offload_jobs = offload.jobs;
    ledger_read_offload_pools(s, ledger);
    for (size_t i = 0; i < WEIR_LEDGER_TIMES; i++)
        ledger->handler_times[i].most_ns = http_times_ns[i];
    for (size_t i = 1; i < REFUSAL_COUNT; i++)
        ledger->refusals[ledger->refusal_count++].cause = refusal_infos[i].name;
    for (size_t i = 0; i < HANDSHAKE_FAILURES; i++)
        ledger->handshake_failures[ledger->handshake_failure_count++].cause = handshake_failure_infos[i].name;
    bool started = state_has_started(s);
    ledger_read_live(s, started, ledger);
    ledger_read_tasks(s, ledger);
    if (!started)
        return;
    ledger->uptime_ms = (clock_monotonic_ns() - s->start_ns) / 1000000;
    ledger_read_tls(s, &ledger->tls);
    ledger_read_compression(s, &ledger->compression);
    for (int i = 0; i < s->settings.config.workers; i++) {
        read_connections(&s->workers[i], ledger);
        read_requests(s, i, ledger);
        read_refusals(&s->workers[i].http, ledger);
        read_handshakes(&s->workers[i].net, ledger);
        read_fibers(&s->workers[i], ledger);
    }
}

int weir_ledger_sample(weir_server *s)
{
    return s ? process_memory_sample(&s->process_memory, &s->memory.allocated) : WEIR_EINVAL;
}

/* ---- From a handler ---- */

static int sample_job(void *arg)
{
    return weir_ledger_sample(arg);
}

struct ledger_reading {
    weir_server *server;
    weir_ledger ledger;
};

static void reading_free(void *arg)
{
    struct ledger_reading *r = arg;
    memory_free(&r->server->account, r, sizeof *r);
}

weir_ledger *ledger_room(weir_ctx *c)
{
    weir_server *s = weir_ctx_server(c);
    struct ledger_reading *r = memory_alloc(&s->account, sizeof *r);
    if (r)
        r->server = s;
    if (r && weir_defer(c, reading_free, r) == 0)
        return &r->ledger;
    (void)weir_reply_error(c, 503, "no memory to read the ledger");
    return NULL;
}

void ledger_read_fresh(weir_ctx *c, weir_ledger *ledger)
{
    weir_server *s = weir_ctx_server(c);
    if (process_memory_due(&s->process_memory, context_loop(c)->now_ns))
        (void)weir_offload(c, sample_job, s); /* without a thread for it the last sample is shown */
    weir_ledger_read(s, ledger);
}
