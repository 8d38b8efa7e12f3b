/*
 * Composing the screen.
 *
 * SPDX-License-Identifier: MIT
 */
#include "cli/screen.h"
#include "cli/lines.h"
#include "cli/show.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- Rates ---- */

/* The growth of a figure a second; -1 without an earlier view. */
static double rate(const struct view *v, const struct view *before, uint64_t now, uint64_t then)
{
    double seconds = before ? v->uptime - before->uptime : 0;
    return seconds > 0 ? (double)(now > then ? now - then : 0) / seconds : -1;
}

#define RATE(v, before, member) rate((v), (before), (v)->member, (before) ? (before)->member : 0)

static const char *show_rate(char *buf, double per_second)
{
    return per_second < 0 ? "-" : show_count(buf, per_second);
}

static const char *show_byte_rate(char *buf, double per_second)
{
    return per_second < 0 ? "-" : show_bytes(buf, per_second);
}

/* ---- Totals ---- */

static void put_memory(struct screen *s, const struct view *v)
{
    char a[TEXT_SIZE], b[TEXT_SIZE], c[TEXT_SIZE], d[TEXT_SIZE];
    const char *reserved = show_bytes(a, (double)v->reserved), *in_use = show_bytes(b, (double)v->in_use);
    const char *kernel = show_bytes(d, (double)v->kernel);
    double share = v->limit ? (double)v->reserved / (double)v->limit : 0;
    if (v->limit)
        lines_put_total(s, share > 0.9 ? WARN : NULL, "memory", "%s of %s reserved, %.1f %%  %s in use  kernel %s",
                        reserved, show_bytes(c, (double)v->limit), share * 100, in_use, kernel);
    else
        lines_put_total(s, NULL, "memory", "%s reserved, no limit  %s in use  kernel %s", reserved, in_use, kernel);
}

static void put_traffic(struct screen *s, const struct view *v, const struct view *before)
{
    char a[TEXT_SIZE], b[TEXT_SIZE], c[TEXT_SIZE], d[TEXT_SIZE], e[TEXT_SIZE];
    lines_put_total(s, NULL, "requests", "%s/s  %s in all  median %s  99 %% %s",
                    show_rate(a, RATE(v, before, requests)), show_count(b, (double)v->requests),
                    show_time(c, view_quantile(v, before, 0.5)), show_time(d, view_quantile(v, before, 0.99)));
    lines_put_total(s, NULL, "replies/s", "2xx %s  3xx %s  4xx %s  5xx %s  none %s",
                    show_rate(a, RATE(v, before, responses[2])), show_rate(b, RATE(v, before, responses[3])),
                    show_rate(c, RATE(v, before, responses[4])), show_rate(d, RATE(v, before, responses[5])),
                    show_rate(e, RATE(v, before, responses[0])));
}

/* Puts the states that connections are in; the states without any would push those off a narrow screen. */
static void put_connections(struct screen *s, const struct view *v)
{
    const struct {
        const char *name;
        uint64_t count;
    } states[] = {
        {"active", v->active},       {"wait for memory", v->waiting}, {"idle", v->idle},
        {"half a head", v->head},    {"draining", v->draining},       {"lingering", v->lingering},
        {"handshake", v->handshake},
    };
    char text[256] = "";
    size_t len = 0;
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++)
        if (states[i].count > 0)
            len += (size_t)snprintf(text + len, sizeof text - len, "%s%" PRIu64 " %s", len ? ", " : ": ",
                                    states[i].count, states[i].name);
    lines_put_total(s, NULL, "connections", "%" PRIu64 " open%s", v->open, text);
}

/* Puts totals that a small screen has no room for, up to a number of lines. */
static void put_further_totals(struct screen *s, const struct view *v, const struct view *before, int lines)
{
    char a[TEXT_SIZE], b[TEXT_SIZE], c[TEXT_SIZE];
    if (lines > 0)
        lines_put_total(s, NULL, "fibers",
                        "%" PRIu64 " running, %" PRIu64 " waiting  offload %" PRIu64 " of %" PRIu64 " busy, %" PRIu64
                        " queued",
                        v->fibers_running, v->fibers_waiting, v->offload_busy, v->offload_threads, v->offload_queued);
    if (lines > 1)
        lines_put_total(s, NULL, "bytes", "%s/s sent  %s/s received", show_byte_rate(a, RATE(v, before, bytes_out)),
                        show_byte_rate(b, RATE(v, before, bytes_in)));
    if (lines > 2)
        lines_put_total(s, NULL, "process", "%s private, %s of it in no account  %s resident",
                        show_bytes(a, (double)v->private_bytes), show_bytes(b, (double)v->remainder),
                        show_bytes(c, (double)v->resident));
}

/* ---- The sections: each has a head and a number of rows ---- */

static const char *show_route(char *buf, size_t size, const char *method, const char *host, const char *pattern)
{
    snprintf(buf, size, "%s%s%s%s", method, method[0] ? " " : "", host, pattern[0] ? pattern : "no route");
    return buf;
}

static int by_reserved(const void *a, const void *b)
{
    const struct view_account *x = a, *y = b;
    return x->reserved != y->reserved ? (x->reserved < y->reserved) - (x->reserved > y->reserved)
                                      : strcmp(x->name, y->name);
}

/* Sorts the accounts that have ever held anything, the largest first. Returns their number. */
static int sort_accounts(struct view_account sorted[VIEW_ACCOUNTS], const struct view *v)
{
    int count = 0;
    for (int i = 0; i < v->account_count; i++) {
        const struct view_account *a = &v->accounts[i];
        if (a->reserved > 0 || a->peak > 0 || a->refused > 0)
            sorted[count++] = *a;
    }
    qsort(sorted, (size_t)count, sizeof sorted[0], by_reserved);
    return count;
}

static void put_accounts(struct screen *s, const struct view *v, int rows)
{
    static const struct column columns[] = {
        {"ACCOUNT", 0, LEFT},  {"IN USE", 10, RIGHT}, {"RESERVED", 10, RIGHT}, {"PEAK", 10, RIGHT},
        {"OBJECTS", 9, RIGHT}, {"REFUSED", 8, RIGHT}, {NULL, 0, LEFT},
    };
    struct view_account sorted[VIEW_ACCOUNTS];
    char a[TEXT_SIZE], b[TEXT_SIZE], c[TEXT_SIZE], d[TEXT_SIZE], e[TEXT_SIZE];
    sort_accounts(sorted, v);
    lines_put_heads(s, columns);
    for (int i = 0; i < rows; i++) {
        const struct view_account *row = &sorted[i];
        const char *const cells[] = {
            row->name,
            show_bytes(a, (double)row->in_use),
            show_bytes(b, (double)row->reserved),
            show_bytes(c, (double)row->peak),
            show_count(d, (double)row->objects),
            show_count(e, (double)row->refused),
        };
        lines_put_row(s, row->refused ? WARN : NULL, columns, cells);
    }
}

static void put_routes(struct screen *s, const struct view *v, int rows)
{
    static const struct column columns[] = {
        {"ROUTE", 0, LEFT}, {"REQUESTS", 8, RIGHT}, {"MEDIAN <=", 9, RIGHT}, {"99 % <=", 8, RIGHT}, {NULL, 0, LEFT},
    };
    double longest = view_longest(v);
    char name[3 * VIEW_NAME_MAX], a[TEXT_SIZE], b[TEXT_SIZE], c[TEXT_SIZE];
    lines_put_heads(s, columns);
    for (int i = 0; i < rows; i++) {
        const struct view_route *row = &v->routes[i];
        const char *const cells[] = {
            show_route(name, sizeof name, row->method, row->host, row->pattern),
            show_count(a, (double)row->requests),
            show_bound(b, row->median, longest),
            show_bound(c, row->p99, longest),
        };
        lines_put_row(s, NULL, columns, cells);
    }
}

static void put_live(struct screen *s, const struct view *v, int rows)
{
    static const struct column columns[] = {
        {"RUNNING", 0, LEFT}, {"FOR", 8, RIGHT},  {"STATE", 9, LEFT}, {"SENT", 9, RIGHT},
        {"MEMORY", 9, RIGHT}, {"PEER", 15, LEFT}, {NULL, 0, LEFT},
    };
    char name[2 * VIEW_NAME_MAX], a[TEXT_SIZE], b[TEXT_SIZE], c[TEXT_SIZE];
    lines_put_heads(s, columns);
    for (int i = 0; i < rows; i++) {
        const struct view_live *row = &v->live[i];
        const char *const cells[] = {
            show_route(name, sizeof name, row->method, "", row->route),
            show_time(a, row->seconds),
            row->state,
            show_bytes(b, (double)row->sent),
            show_bytes(c, (double)row->memory),
            row->peer,
        };
        lines_put_row(s, NULL, columns, cells);
    }
}

static void put_caches(struct screen *s, const struct view *v, int rows)
{
    static const struct column columns[] = {
        {"CACHE", 0, LEFT},       {"HITS", 10, RIGHT},   {"MISSES", 10, RIGHT}, {"WAITS", 8, RIGHT},
        {"EVICTIONS", 10, RIGHT}, {"ENTRIES", 8, RIGHT}, {"BYTES", 10, RIGHT},  {NULL, 0, LEFT},
    };
    char a[TEXT_SIZE], b[TEXT_SIZE], c[TEXT_SIZE], d[TEXT_SIZE], e[TEXT_SIZE], f[TEXT_SIZE];
    lines_put_heads(s, columns);
    for (int i = 0; i < rows; i++) {
        const struct view_cache *row = &v->caches[i];
        const char *const cells[] = {
            row->name,
            show_count(a, (double)row->hits),
            show_count(b, (double)row->misses),
            show_count(c, (double)row->waits),
            show_count(d, (double)row->evictions),
            show_count(e, (double)row->entries),
            show_bytes(f, (double)row->bytes),
        };
        lines_put_row(s, NULL, columns, cells);
    }
}

static void put_refusals(struct screen *s, const struct view *v, int rows)
{
    static const struct column columns[] = {{"REFUSED BY", 0, LEFT}, {"TIMES", 10, RIGHT}, {NULL, 0, LEFT}};
    char a[TEXT_SIZE];
    lines_put_heads(s, columns);
    for (int i = 0; i < rows; i++) {
        const char *const cells[] = {v->refusals[i].cause, show_count(a, (double)v->refusals[i].count)};
        lines_put_row(s, NULL, columns, cells);
    }
}

/* ---- Who gets how many lines ---- */

/* The parts, in the order in which they are shown. */
enum part { FURTHER, ACCOUNTS, ROUTES, LIVE, CACHES, REFUSALS, PARTS };

#define TOTALS     5 /* lines that are there always */
#define EVERYTHING SCREEN_LINES_ALL

struct share {
    int rows[PARTS];  /* rows that each part has */
    int shown[PARTS]; /* rows that are shown */
    int left;         /* lines that nobody has yet */
};

/* Gives a part up to `most` rows in all, where there is room for its head and one row. */
static void share_give(struct share *h, enum part part, int most)
{
    int wanted = (h->rows[part] < most ? h->rows[part] : most) - h->shown[part];
    int head = part != FURTHER && h->shown[part] == 0;
    int room = h->left - head;
    int given = wanted < room ? wanted : room;
    if (given <= 0)
        return;
    h->shown[part] += given;
    h->left -= given + head;
}

/* Gives an empty line above each part, or above none. */
static bool share_give_gaps(struct share *h)
{
    int gaps = 0;
    for (int part = ACCOUNTS; part < PARTS; part++)
        gaps += h->shown[part] > 0;
    if (gaps > h->left)
        return false;
    h->left -= gaps;
    return true;
}

/* Shares the lines out: what an operator looks for first gets its lines first. */
static bool share_all(struct share *h)
{
    static const struct {
        enum part part;
        int most;
    } needs[] = {{LIVE, 4},     {ROUTES, 3},  {ACCOUNTS, 3}, {LIVE, 5},  {ROUTES, 5},
                 {ACCOUNTS, 5}, {FURTHER, 3}, {REFUSALS, 3}, {CACHES, 3}},
      wishes[] = {{LIVE, 10},         {ACCOUNTS, 10},         {ROUTES, 10},         {REFUSALS, EVERYTHING},
                  {LIVE, EVERYTHING}, {ACCOUNTS, EVERYTHING}, {ROUTES, EVERYTHING}, {CACHES, EVERYTHING}};
    for (size_t i = 0; i < sizeof needs / sizeof needs[0]; i++)
        share_give(h, needs[i].part, needs[i].most);
    bool gaps = share_give_gaps(h);
    for (size_t i = 0; i < sizeof wishes / sizeof wishes[0]; i++)
        share_give(h, wishes[i].part, wishes[i].most);
    return gaps;
}

static void put_parts(struct screen *s, const struct view *v, const struct share *h, bool gaps)
{
    static void (*const put[PARTS])(struct screen *, const struct view *, int) = {
        [ACCOUNTS] = put_accounts, [ROUTES] = put_routes,     [LIVE] = put_live,
        [CACHES] = put_caches,     [REFUSALS] = put_refusals,
    };
    for (int part = ACCOUNTS; part < PARTS; part++) {
        if (h->shown[part] == 0)
            continue;
        if (gaps)
            screen_line(s, NULL, "%s", "");
        put[part](s, v, h->shown[part]);
    }
}

void screen_compose(struct screen *s, const struct view *v, const struct view *before, const char *where)
{
    char up[TEXT_SIZE];
    struct view_account sorted[VIEW_ACCOUNTS];
    if (s->width < SCREEN_WIDTH_MIN)
        s->width = SCREEN_WIDTH_MIN;
    s->len = 0;
    s->lines = 0;
    if (before && before->uptime >= v->uptime)
        before = NULL; /* another server has taken its place */
    struct share share = {
        .rows = {[FURTHER] = v->resident ? 3 : 2,
                 [ACCOUNTS] = sort_accounts(sorted, v),
                 [ROUTES] = v->route_count,
                 [LIVE] = v->live_count,
                 [CACHES] = v->cache_count,
                 [REFUSALS] = v->refusal_count},
        .left = s->height - TOTALS,
    };
    bool gaps = share_all(&share);
    screen_line(s, BOLD, "weir %s  %s  up %s  %" PRIu64 " workers", v->version, where, show_time(up, v->uptime),
                v->workers);
    put_memory(s, v);
    put_traffic(s, v, before);
    put_connections(s, v);
    put_further_totals(s, v, before, share.shown[FURTHER]);
    put_parts(s, v, &share, gaps);
}
