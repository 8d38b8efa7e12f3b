/*
 * From JSON to a view.
 *
 * SPDX-License-Identifier: MIT
 */
#include "cli/view.h"
#include "cli/json_read.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

struct number {
    const char *path;
    size_t offset;
};

static void read_numbers(void *to, struct slice object, const struct number *numbers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t value = json_integer(json_member(object, numbers[i].path));
        memcpy((char *)to + numbers[i].offset, &value, sizeof value);
    }
}

#define READ_NUMBERS(to, object, numbers) read_numbers(to, object, numbers, sizeof(numbers) / sizeof(numbers)[0])

static const struct number totals[] = {
    {"workers", offsetof(struct view, workers)},
    {"memory.limit", offsetof(struct view, limit)},
    {"memory.in_use", offsetof(struct view, in_use)},
    {"memory.reserved", offsetof(struct view, reserved)},
    {"kernel.held", offsetof(struct view, kernel)},
    {"process.resident", offsetof(struct view, resident)},
    {"process.private", offsetof(struct view, private_bytes)},
    {"process.remainder", offsetof(struct view, remainder)},
    {"connections.accepted", offsetof(struct view, accepted)},
    {"connections.open", offsetof(struct view, open)},
    {"connections.idle", offsetof(struct view, idle)},
    {"connections.head", offsetof(struct view, head)},
    {"connections.waiting", offsetof(struct view, waiting)},
    {"connections.active", offsetof(struct view, active)},
    {"connections.draining", offsetof(struct view, draining)},
    {"connections.lingering", offsetof(struct view, lingering)},
    {"connections.handshake", offsetof(struct view, handshake)},
    {"requests", offsetof(struct view, requests)},
    {"responses.none", offsetof(struct view, responses[0])},
    {"responses.1xx", offsetof(struct view, responses[1])},
    {"responses.2xx", offsetof(struct view, responses[2])},
    {"responses.3xx", offsetof(struct view, responses[3])},
    {"responses.4xx", offsetof(struct view, responses[4])},
    {"responses.5xx", offsetof(struct view, responses[5])},
    {"bytes.in", offsetof(struct view, bytes_in)},
    {"bytes.out", offsetof(struct view, bytes_out)},
    {"fibers.running", offsetof(struct view, fibers_running)},
    {"fibers.waiting", offsetof(struct view, fibers_waiting)},
    {"offload.threads", offsetof(struct view, offload_threads)},
    {"offload.busy", offsetof(struct view, offload_busy)},
    {"offload.queued", offsetof(struct view, offload_queued)},
};

static void read_accounts(struct view *v, struct slice array)
{
    static const struct number numbers[] = {
        {"in_use", offsetof(struct view_account, in_use)},   {"reserved", offsetof(struct view_account, reserved)},
        {"peak", offsetof(struct view_account, peak)},       {"objects", offsetof(struct view_account, objects)},
        {"refused", offsetof(struct view_account, refused)},
    };
    const char *at = NULL;
    struct slice item;
    while (v->account_count < VIEW_ACCOUNTS && json_next(array, &at, &item)) {
        struct view_account *a = &v->accounts[v->account_count++];
        json_text(json_member(item, "name"), a->name, sizeof a->name);
        READ_NUMBERS(a, item, numbers);
    }
}

static void read_live(struct view *v, struct slice array)
{
    static const struct number numbers[] = {
        {"sent", offsetof(struct view_live, sent)},
        {"memory", offsetof(struct view_live, memory)},
    };
    const char *at = NULL;
    struct slice item;
    while (v->live_count < VIEW_LIVE && json_next(array, &at, &item)) {
        struct view_live *l = &v->live[v->live_count++];
        json_text(json_member(item, "method"), l->method, sizeof l->method);
        json_text(json_member(item, "route"), l->route, sizeof l->route);
        json_text(json_member(item, "peer"), l->peer, sizeof l->peer);
        json_text(json_member(item, "state"), l->state, sizeof l->state);
        l->seconds = json_number(json_member(item, "seconds"));
        READ_NUMBERS(l, item, numbers);
    }
}

/* A class's bound; null is the last class's, which has none. */
static double read_bound(struct slice milliseconds)
{
    if (milliseconds.len == 0)
        return 0;
    return milliseconds.data[0] == 'n' ? VIEW_BEYOND : json_number(milliseconds) / 1000;
}

static void read_routes(struct view *v, struct slice array)
{
    const char *at = NULL;
    struct slice item;
    while (v->route_count < VIEW_ROUTES && json_next(array, &at, &item)) {
        struct view_route *r = &v->routes[v->route_count++];
        json_text(json_member(item, "method"), r->method, sizeof r->method);
        json_text(json_member(item, "host"), r->host, sizeof r->host);
        json_text(json_member(item, "pattern"), r->pattern, sizeof r->pattern);
        r->requests = json_integer(json_member(item, "requests"));
        r->median = read_bound(json_member(item, "p50_ms"));
        r->p99 = read_bound(json_member(item, "p99_ms"));
    }
}

static void read_caches(struct view *v, struct slice array)
{
    static const struct number numbers[] = {
        {"hits", offsetof(struct view_cache, hits)},       {"misses", offsetof(struct view_cache, misses)},
        {"waits", offsetof(struct view_cache, waits)},     {"evictions", offsetof(struct view_cache, evictions)},
        {"entries", offsetof(struct view_cache, entries)}, {"bytes", offsetof(struct view_cache, bytes)},
    };
    const char *at = NULL;
    struct slice item;
    while (v->cache_count < VIEW_CACHES && json_next(array, &at, &item)) {
        struct view_cache *c = &v->caches[v->cache_count++];
        json_text(json_member(item, "name"), c->name, sizeof c->name);
        READ_NUMBERS(c, item, numbers);
    }
}

/* prefix: of the causes' names. */
static void read_refusals(struct view *v, const char *prefix, struct slice object)
{
    const char *at = NULL;
    struct slice name, value;
    char cause[VIEW_NAME_MAX];
    while (v->refusal_count < VIEW_REFUSALS && json_next_member(object, &at, &name, &value)) {
        uint64_t count = json_integer(value);
        if (count == 0)
            continue;
        struct view_refusal *r = &v->refusals[v->refusal_count++];
        json_text(name, cause, sizeof cause);
        snprintf(r->cause, sizeof r->cause, "%s%.*s", prefix, (int)(sizeof r->cause - 1 - strlen(prefix)), cause);
        r->count = count;
    }
}

static void read_times(struct view *v, struct slice array)
{
    const char *at = NULL;
    struct slice item;
    while (v->time_count < VIEW_TIMES && json_next(array, &at, &item)) {
        struct view_time *t = &v->times[v->time_count++];
        t->most = json_number(json_member(item, "most"));
        t->count = json_integer(json_member(item, "count"));
    }
}

bool view_read(struct view *v, struct slice text)
{
    *v = (struct view){.account_count = 0};
    if (!json_is_valid(text) || json_member(text, "memory.accounts").len == 0)
        return false;
    json_text(json_member(text, "version"), v->version, sizeof v->version);
    v->uptime = json_number(json_member(text, "uptime_seconds"));
    READ_NUMBERS(v, text, totals);
    read_accounts(v, json_member(text, "memory.accounts"));
    read_live(v, json_member(text, "live"));
    read_routes(v, json_member(text, "routes"));
    read_caches(v, json_member(text, "caches"));
    read_refusals(v, "", json_member(text, "refusals"));
    read_refusals(v, "handshake: ", json_member(text, "handshakes.failed"));
    read_times(v, json_member(text, "handlers.times"));
    return true;
}

double view_quantile(const struct view *v, const struct view *before, double q)
{
    double counts[VIEW_TIMES], all = 0;
    for (int i = 0; i < v->time_count; i++) {
        uint64_t then = before && i < before->time_count ? before->times[i].count : 0;
        counts[i] = v->times[i].count > then ? (double)(v->times[i].count - then) : 0;
        all += counts[i];
    }
    if (all <= 0)
        return -1;
    double left = q * all;
    for (int i = 0; i < v->time_count; i++) {
        if (left > counts[i]) {
            left -= counts[i];
            continue;
        }
        if (i == 0)
            return 0;
        double low = v->times[i - 1].most, high = v->times[i].most > 0 ? v->times[i].most : low;
        return low + (high - low) * left / counts[i];
    }
    return view_longest(v);
}

double view_longest(const struct view *v)
{
    return v->time_count > 1 ? v->times[v->time_count - 2].most : 0;
}
