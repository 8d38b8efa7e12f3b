/*
 * Reading what was counted by route.
 *
 * SPDX-License-Identifier: MIT
 */
#include "server/route_times.h"
#include "server/server.h"

#include <inttypes.h>
#include <stdio.h>

#define ROUTES_SHOWN 32 /* in the JSON: the busiest */

/* A worker's counters: for requests without a route, for each route, and as much as keeps two workers off one cache
 * line. */
static size_t slots(const struct weir_server *s)
{
    return (size_t)s->site.route_count + 2;
}

uint64_t route_times_size(const struct weir_server *s)
{
    return (uint64_t)s->settings.config.workers * slots(s) * sizeof(struct route_counters);
}

int route_times_open(struct weir_server *s)
{
    size_t size = (size_t)route_times_size(s);
    s->route_counters = memory_alloc(&s->account, size);
    if (!s->route_counters)
        return WEIR_ENOMEM;
    memset(s->route_counters, 0, size);
    return 0;
}

void route_times_close(struct weir_server *s)
{
    if (s->route_counters)
        memory_free(&s->account, s->route_counters, (size_t)route_times_size(s));
    s->route_counters = NULL;
}

struct route_counters *route_times_of(const struct weir_server *s, int worker)
{
    return s->route_counters + (size_t)worker * slots(s) + 1;
}

/* Adds what has been counted to times, by class, and returns how many requests it was. */
static uint64_t counters_add(const struct route_counters *c, uint64_t times[WEIR_LEDGER_TIMES])
{
    uint64_t all = counter_read(&c->counts[0]), slower = 0;
    for (size_t i = 1; i < HTTP_TIMES; i++) {
        uint64_t count = counter_read(&c->counts[i]);
        times[i] += count;
        slower += count;
    }
    times[0] += ledger_less(all, slower);
    return all;
}

uint64_t route_times_sum(const struct weir_server *s, int worker, uint64_t times[WEIR_LEDGER_TIMES])
{
    uint64_t requests = 0;
    for (size_t i = 0; i < slots(s) - 1; i++)
        requests += counters_add(route_times_of(s, worker) - 1 + i, times);
    return requests;
}

/* The bound of the class within which so many of a hundred are. */
static uint64_t percentile(const uint64_t times[WEIR_LEDGER_TIMES], uint64_t percent)
{
    uint64_t all = 0, seen = 0;
    for (size_t i = 0; i < WEIR_LEDGER_TIMES; i++)
        all += times[i];
    uint64_t rank = all - all * (100 - percent) / 100; /* at least one where there is any */
    for (size_t i = 0; i < WEIR_LEDGER_TIMES; i++) {
        seen += times[i];
        if (seen >= rank)
            return http_times_ns[i];
    }
    return UINT64_MAX;
}

/* The i-th route's figures. False: there are no more. */
static bool route_read(const weir_server *s, size_t i, weir_route_figures *out)
{
    uint64_t times[WEIR_LEDGER_TIMES] = {0};
    *out = (weir_route_figures){0};
    void *value;
    if (!router_item(s->site.router, i, &out->route, &value))
        return false;
    const struct route *route = value;
    for (int w = 0; s->route_counters && w < s->settings.config.workers; w++)
        out->requests += counters_add(&route_times_of(s, w)[route->admission.number], times);
    if (out->requests > 0) {
        out->p50_ns = percentile(times, 50);
        out->p99_ns = percentile(times, 99);
    }
    return true;
}

void weir_route_times(weir_server *s, void (*each)(void *arg, const weir_route_figures *figures), void *arg)
{
    weir_route_figures figures;
    for (size_t i = 0; s && each && route_read(s, i, &figures); i++)
        each(arg, &figures);
}

/* ---- As text ---- */

struct busiest {
    size_t count;
    struct {
        uint64_t requests;
        size_t route;
    } rows[ROUTES_SHOWN];
};

/* Keeps a route if it is among the busiest. */
static void busiest_add(struct busiest *b, size_t route, uint64_t requests)
{
    size_t at = b->count;
    while (at > 0 && b->rows[at - 1].requests < requests)
        at--;
    if (at == ROUTES_SHOWN)
        return;
    size_t kept = b->count < ROUTES_SHOWN ? b->count : ROUTES_SHOWN - 1;
    memmove(&b->rows[at + 1], &b->rows[at], (kept - at) * sizeof b->rows[0]);
    b->rows[at].requests = requests;
    b->rows[at].route = route;
    b->count = kept + 1;
}

static void put_milliseconds(struct ledger_writer *w, const char *name, uint64_t ns)
{
    char buf[LEDGER_SECONDS_SIZE];
    if (ns == UINT64_MAX)
        ledger_put(w, ",\"%s\":null", name);
    else
        ledger_put(w, ",\"%s\":%s", name, ledger_seconds(ns * 1000, buf)); /* a class is days at most */
}

void route_times_put_json(struct ledger_writer *w)
{
    const weir_server *s = weir_ctx_server(w->c);
    struct busiest b = {.count = 0};
    weir_route_figures f;
    for (size_t i = 0; route_read(s, i, &f); i++)
        if (f.requests > 0)
            busiest_add(&b, i, f.requests);
    ledger_put(w, ",\"routes\":[");
    for (size_t i = 0; i < b.count && route_read(s, b.rows[i].route, &f); i++) {
        ledger_put(w, i ? ",{\"method\":" : "{\"method\":");
        ledger_put_string(w, f.route.method);
        if (f.route.host) {
            ledger_put(w, ",\"host\":");
            ledger_put_string(w, f.route.host);
        }
        ledger_put(w, ",\"pattern\":");
        ledger_put_string(w, f.route.pattern);
        ledger_put(w, ",\"requests\":%" PRIu64, f.requests);
        put_milliseconds(w, "p50_ms", f.p50_ns);
        put_milliseconds(w, "p99_ms", f.p99_ns);
        ledger_put(w, "}");
    }
    ledger_put(w, "]");
}

static void put_seconds(struct ledger_writer *w, const char *label, const char *quantile, uint64_t ns)
{
    char buf[LEDGER_SECONDS_SIZE];
    ledger_put(w, "weir_route_duration_seconds{route=\"%s\",quantile=\"%s\"} %s\n", label, quantile,
               ns == UINT64_MAX ? "+Inf" : ledger_seconds(ns, buf));
}

void route_times_put_metrics(struct ledger_writer *w)
{
    const weir_server *s = weir_ctx_server(w->c);
    weir_route_figures f;
    char label[LEDGER_LABEL_SIZE], text[LEDGER_TEXT_MAX + 1];
    ledger_put_metric(
        w, "route_duration_seconds", "summary",
        "How long a route's handlers ran and waited: the upper bound of the class in which the quantile is.");
    for (size_t i = 0; route_read(s, i, &f); i++) {
        if (f.requests == 0)
            continue;
        snprintf(text, sizeof text, "%s %s%s", f.route.method, f.route.host ? f.route.host : "", f.route.pattern);
        ledger_label(text, label);
        put_seconds(w, label, "0.5", f.p50_ns);
        put_seconds(w, label, "0.99", f.p99_ns);
        ledger_put(w, "weir_route_duration_seconds_count{route=\"%s\"} %" PRIu64 "\n", label, f.requests);
    }
}
