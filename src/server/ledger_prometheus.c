/*
 * The ledger as Prometheus metrics, in the text format 0.0.4.
 *
 * SPDX-License-Identifier: MIT
 */
#include "server/ledger.h"
#include "server/ledger_compression.h"
#include "server/ledger_live.h"
#include "server/ledger_pools.h"
#include "server/ledger_rows.h"
#include "server/ledger_tasks.h"
#include "server/ledger_tls.h"
#include "server/offload_pools.h"
#include "server/route_times.h"

#include <inttypes.h>
#include <string.h>

static void put_single(struct ledger_writer *w, const char *name, const char *type, const char *help, uint64_t value)
{
    ledger_put_metric(w, name, type, help);
    ledger_put(w, "weir_%s %" PRIu64 "\n", name, value);
}

static void put_labelled(struct ledger_writer *w, const char *name, const char *label, const char *text, uint64_t value)
{
    char escaped[LEDGER_LABEL_SIZE];
    ledger_label(text, escaped);
    ledger_put(w, "weir_%s{%s=\"%s\"} %" PRIu64 "\n", name, label, escaped, value);
}

/* ---- Tables of what there is for each account and each cache ---- */

_Static_assert(offsetof(weir_ledger_account, name) == 0 && offsetof(weir_ledger_cache, name) == 0,
               "see struct ledger_rows");

static void put_accounts(struct ledger_writer *w, const weir_ledger *l)
{
#define ACCOUNT(member) offsetof(weir_ledger_account, member)
    static const struct ledger_figure figures[] = {
        {NULL, "account_limit_bytes", "gauge", "Bound of an account's own, on it and all below it; 0: none.",
         ACCOUNT(limit)},
        {NULL, "account_in_use_bytes", "gauge", "Bytes that an account has handed out.", ACCOUNT(in_use)},
        {NULL, "account_reserved_bytes", "gauge", "Bytes that an account has taken from the system.",
         ACCOUNT(reserved)},
        {NULL, "account_peak_bytes", "gauge", "Most bytes that an account had handed out, each worker at its own time.",
         ACCOUNT(peak)},
        {NULL, "account_refused_total", "counter", "Times that an account was refused memory.", ACCOUNT(refused)},
        {NULL, "account_objects", "gauge", "Objects that an account has handed out.", ACCOUNT(objects)},
    };
    struct ledger_rows rows = {.figures = figures,
                               .figure_count = sizeof figures / sizeof figures[0],
                               .rows = l->accounts,
                               .row_size = sizeof l->accounts[0],
                               .row_count = l->account_count,
                               .label = "account"};
    ledger_put_rows_metrics(w, &rows);
}

static void put_caches(struct ledger_writer *w, const weir_ledger *l)
{
#define CACHE(member) offsetof(weir_ledger_cache, stats) + offsetof(weir_cache_stats, member)
    static const struct ledger_figure figures[] = {
        {NULL, "cache_hits_total", "counter", "Values that were found.", CACHE(hits)},
        {NULL, "cache_misses_total", "counter", "Values that had to be computed.", CACHE(misses)},
        {NULL, "cache_waits_total", "counter", "Requests that waited for another's computation.", CACHE(waits)},
        {NULL, "cache_evictions_total", "counter", "Values that made room for others.", CACHE(evictions)},
        {NULL, "cache_expirations_total", "counter", "Values that were too old.", CACHE(expirations)},
        {NULL, "cache_failures_total", "counter", "Computations that failed.", CACHE(failures)},
        {NULL, "cache_entries", "gauge", "Values that are there.", CACHE(entries)},
        {NULL, "cache_bytes", "gauge", "Bytes that a cache has taken from the system.", CACHE(bytes)},
    };
    struct ledger_rows rows = {.figures = figures,
                               .figure_count = sizeof figures / sizeof figures[0],
                               .rows = l->caches,
                               .row_size = sizeof l->caches[0],
                               .row_count = l->cache_count,
                               .label = "cache"};
    ledger_put_rows_metrics(w, &rows);
}

/* ---- The rest ---- */

static void put_memory(struct ledger_writer *w, const weir_ledger *l)
{
    if (l->memory_limit)
        put_single(w, "memory_limit_bytes", "gauge", "Bound on what the accounts take from the system.",
                   l->memory_limit);
    put_single(w, "memory_in_use_bytes", "gauge", "Bytes that all accounts have handed out.", l->in_use);
    put_single(w, "memory_reserved_bytes", "gauge", "Bytes that all accounts have taken from the system.", l->reserved);
    put_accounts(w, l);
    if (l->kernel_memory_limit)
        put_single(w, "kernel_memory_limit_bytes", "gauge", "Soft bound on what the kernel holds for connections.",
                   l->kernel_memory_limit);
    put_single(w, "kernel_memory_bytes", "gauge", "What the kernel holds in the queues of connections.",
               l->kernel_memory);
    put_single(w, "kernel_memory_peak_bytes", "gauge", "Most that it held when it was asked.", l->kernel_memory_peak);
    put_single(w, "kernel_memory_cut_total", "counter", "Connections that were cut because of that bound.",
               l->kernel_memory_cut);
    if (l->process_age_ms < 0)
        return;
    put_single(w, "process_resident_bytes", "gauge", "Memory of the process that is there, shared or not.",
               l->process_resident);
    put_single(w, "process_private_bytes", "gauge",
               "Memory of the process that was written to and is shared with nobody.", l->process_private);
    put_single(w, "process_remainder_bytes", "gauge", "What of the private memory is in no account.",
               l->process_remainder);
}

static void put_connections(struct ledger_writer *w, const weir_ledger *l)
{
    const struct {
        const char *state;
        uint64_t count;
    } states[] = {
        {"idle", l->connections_idle},           {"head", l->connections_head},
        {"waiting", l->connections_waiting},     {"active", l->connections_active},
        {"draining", l->connections_draining},   {"lingering", l->connections_lingering},
        {"handshake", l->connections_handshake},
    };
    put_single(w, "connections_accepted_total", "counter", "Connections ever.", l->accepted);
    ledger_put_metric(w, "connections", "gauge", "Connections that are open, by what they do.");
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++)
        put_labelled(w, "connections", "state", states[i].state, states[i].count);
    put_single(w, "streams", "gauge", "Requests that are alive on connections of HTTP/2.", l->streams);
    put_single(w, "received_bytes_total", "counter", "Bytes read from clients.", l->bytes_in);
    put_single(w, "sent_bytes_total", "counter", "Bytes handed to the kernel for clients.", l->bytes_out);
}

static void put_causes(struct ledger_writer *w, const char *name, const weir_ledger_refusal *causes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        put_labelled(w, name, "cause", causes[i].cause, causes[i].count);
}

static void put_handshakes(struct ledger_writer *w, const weir_ledger *l)
{
    put_single(w, "handshakes_total", "counter", "Handshakes of connections that are done.", l->handshakes);
    ledger_put_metric(w, "handshake_failures_total", "counter", "Handshakes that failed, by their cause.");
    put_causes(w, "handshake_failures_total", l->handshake_failures, l->handshake_failure_count);
}

static void put_requests(struct ledger_writer *w, const weir_ledger *l)
{
    static const char *const classes[] = {"none", "1xx", "2xx", "3xx", "4xx", "5xx"};
    put_single(w, "requests_total", "counter", "Requests that have ended, whatever their answer.", l->requests);
    ledger_put_metric(w, "responses_total", "counter",
                      "Replies by the class of their status; none: the client had gone before there was one.");
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++)
        put_labelled(w, "responses_total", "class", classes[i], l->responses[i]);
    ledger_put_metric(w, "refusals_total", "counter", "Times that a limit or a timeout was met, by its setting.");
    put_causes(w, "refusals_total", l->refusals, l->refusal_count);
}

static void put_handlers(struct ledger_writer *w, const weir_ledger *l)
{
    char buf[LEDGER_SECONDS_SIZE];
    uint64_t count = 0;
    ledger_put_metric(
        w, "handler_duration_seconds", "histogram",
        "How long handlers ran and waited, in turns of the loop: within one turn is within the first class.");
    for (size_t i = 0; i < WEIR_LEDGER_TIMES; i++) {
        count += l->handler_times[i].count;
        if (l->handler_times[i].most_ns != UINT64_MAX)
            ledger_put(w, "weir_handler_duration_seconds_bucket{le=\"%s\"} %" PRIu64 "\n",
                       ledger_seconds(l->handler_times[i].most_ns, buf), count);
    }
    ledger_put(w,
               "weir_handler_duration_seconds_bucket{le=\"+Inf\"} %" PRIu64
               "\nweir_handler_duration_seconds_sum %s\nweir_handler_duration_seconds_count %" PRIu64 "\n",
               count, ledger_seconds(l->handler_ns, buf), count);
    ledger_put_metric(w, "fibers", "gauge", "Handlers that run, and that wait.");
    put_labelled(w, "fibers", "state", "running", l->fibers_running);
    put_labelled(w, "fibers", "state", "waiting", l->fibers - l->fibers_running);
    put_single(w, "offload_threads", "gauge", "Threads for work that blocks.", (uint64_t)l->offload_threads);
    put_single(w, "offload_threads_busy", "gauge", "What of them works.", (uint64_t)l->offload_busy);
    put_single(w, "offload_jobs_queued", "gauge", "Jobs that wait for a thread.", (uint64_t)l->offload_queued);
    put_single(w, "offload_jobs_total", "counter", "Jobs ever.", l->offload_jobs);
}

void weir_ledger_metrics(weir_ctx *c)
{
    weir_ledger *ledger = ledger_room(c);
    if (!ledger)
        return;
    ledger_read_fresh(c, ledger);
    weir_set_header(c, "Content-Type", "text/plain; version=0.0.4; charset=utf-8");
    weir_set_header(c, "Cache-Control", "no-store");
    struct ledger_writer w = {.c = c};
    char buf[LEDGER_SECONDS_SIZE];
    ledger_put_metric(&w, "build_info", "gauge", "Always 1; the version is its label.");
    ledger_put(&w, "weir_build_info{version=\"%s\"} 1\n", weir_version_string());
    ledger_put_metric(&w, "uptime_seconds", "gauge", "Since the server started.");
    ledger_put(&w, "weir_uptime_seconds %s\n", ledger_seconds(ledger->uptime_ms * 1000000, buf));
    put_single(&w, "workers", "gauge", "Threads that serve.", (uint64_t)ledger->workers);
    put_memory(&w, ledger);
    put_connections(&w, ledger);
    put_handshakes(&w, ledger);
    put_requests(&w, ledger);
    ledger_put_tls_metrics(&w, &ledger->tls);
    ledger_put_compression_metrics(&w, &ledger->compression);
    ledger_put_live_metrics(&w, ledger);
    put_handlers(&w, ledger);
    ledger_put_offload_pools_metrics(&w, ledger);
    route_times_put_metrics(&w);
    put_caches(&w, ledger);
    ledger_put_pools_metrics(&w, ledger);
    ledger_put_tasks_metrics(&w, ledger);
}
