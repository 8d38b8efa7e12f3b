/*
 * Composing the screen.
 *
 * SPDX-License-Identifier: MIT
 */
#include "cli/screen.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define LINE_MAX_BYTES 1024
#define TEXT_SIZE      32

#define BOLD "1"
#define WARN "31"

/* ---- Lines ---- */

/* How many bytes the first `width` characters of UTF-8 take. */
static size_t bytes_of_width(const char *text, int width)
{
    size_t i = 0;
    for (; text[i]; i++) {
        bool begins = ((unsigned char)text[i] & 0xc0) != 0x80;
        if (begins && width-- == 0)
            break;
    }
    return i;
}

static void append(struct screen *s, const char *text, size_t len)
{
    if (s->len + len >= SCREEN_SIZE)
        return;
    memcpy(s->buf + s->len, text, len);
    s->len += len;
}

static void append_text(struct screen *s, const char *text)
{
    append(s, text, strlen(text));
}

void screen_line(struct screen *s, const char *emphasis, const char *fmt, ...)
{
    if (s->lines >= s->height)
        return;
    char line[LINE_MAX_BYTES];
    va_list args;
    va_start(args, fmt);
    vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    size_t len = bytes_of_width(line, s->width);
    while (len > 0 && line[len - 1] == ' ')
        len--;
    if (emphasis && s->colour) {
        append_text(s, "\x1b[");
        append_text(s, emphasis);
        append_text(s, "m");
    }
    append(s, line, len);
    if (emphasis && s->colour)
        append_text(s, "\x1b[0m");
    append_text(s, s->line_end);
    s->lines++;
}

/* ---- Numbers for people ---- */

static const char *show(char *buf, double value, const char *unit)
{
    int digits = value < 10 ? 2 : value < 100 ? 1 : 0;
    snprintf(buf, TEXT_SIZE, "%.*f%s", digits, value, unit);
    return buf;
}

static const char *show_bytes(char *buf, double value)
{
    static const char *const units[] = {" B", " KiB", " MiB", " GiB", " TiB"};
    size_t unit = 0;
    while (value >= 1024 && unit + 1 < sizeof units / sizeof units[0]) {
        value /= 1024;
        unit++;
    }
    if (unit > 0)
        return show(buf, value, units[unit]);
    snprintf(buf, TEXT_SIZE, "%.0f B", value);
    return buf;
}

static const char *show_count(char *buf, double value)
{
    if (value >= 1e9)
        return show(buf, value / 1e9, " G");
    if (value >= 1e6)
        return show(buf, value / 1e6, " M");
    if (value >= 1e5)
        return show(buf, value / 1e3, " k");
    snprintf(buf, TEXT_SIZE, "%.0f", value);
    return buf;
}

static const char *show_time(char *buf, double seconds)
{
    if (seconds < 0)
        snprintf(buf, TEXT_SIZE, "-");
    else if (seconds < 0.001)
        snprintf(buf, TEXT_SIZE, "< 1 ms");
    else if (seconds < 1)
        show(buf, seconds * 1e3, " ms");
    else if (seconds < 120)
        show(buf, seconds, " s");
    else if (seconds < 7200)
        show(buf, seconds / 60, " min");
    else if (seconds < 172800)
        show(buf, seconds / 3600, " h");
    else
        show(buf, seconds / 86400, " days");
    return buf;
}

/* ---- The parts ---- */

/* What has grown by how much a second; -1 without an earlier view. */
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

static void put_memory(struct screen *s, const struct view *v)
{
    char a[TEXT_SIZE], b[TEXT_SIZE], c[TEXT_SIZE], d[TEXT_SIZE];
    const char *reserved = show_bytes(a, (double)v->reserved), *in_use = show_bytes(b, (double)v->in_use);
    const char *kernel = show_bytes(d, (double)v->kernel);
    double share = v->limit ? (double)v->reserved / (double)v->limit : 0;
    if (v->limit)
        screen_line(s, share > 0.9 ? WARN : NULL, "memory       %s reserved, %.1f %% of %s   %s in use   kernel %s",
                    reserved, share * 100, show_bytes(c, (double)v->limit), in_use, kernel);
    else
        screen_line(s, NULL, "memory       %s reserved, no limit   %s in use   kernel %s", reserved, in_use, kernel);
    if (v->resident)
        screen_line(s, NULL, "process      %s private, %s of it in no account   %s resident",
                    show_bytes(a, (double)v->private_bytes), show_bytes(b, (double)v->remainder),
                    show_bytes(c, (double)v->resident));
}

static void put_traffic(struct screen *s, const struct view *v, const struct view *before)
{
    char a[TEXT_SIZE], b[TEXT_SIZE], c[TEXT_SIZE], d[TEXT_SIZE], e[TEXT_SIZE];
    screen_line(s, NULL, "requests     %s/s   %s in all   median %s   99 %% %s",
                show_rate(a, RATE(v, before, requests)), show_count(b, (double)v->requests),
                show_time(c, view_quantile(v, before, 0.5)), show_time(d, view_quantile(v, before, 0.99)));
    screen_line(s, NULL, "replies/s    2xx %s   3xx %s   4xx %s   5xx %s   none %s",
                show_rate(a, RATE(v, before, responses[2])), show_rate(b, RATE(v, before, responses[3])),
                show_rate(c, RATE(v, before, responses[4])), show_rate(d, RATE(v, before, responses[5])),
                show_rate(e, RATE(v, before, responses[0])));
    screen_line(s, NULL,
                "connections  %" PRIu64 " open: %" PRIu64 " active, %" PRIu64 " draining, %" PRIu64 " idle, %" PRIu64
                " half a head, %" PRIu64 " lingering, %" PRIu64 " wait for memory",
                v->open, v->active, v->draining, v->idle, v->head, v->lingering, v->waiting);
    screen_line(s, NULL, "bytes        %s/s sent   %s/s received", show_byte_rate(a, RATE(v, before, bytes_out)),
                show_byte_rate(b, RATE(v, before, bytes_in)));
    screen_line(s, NULL,
                "fibers       %" PRIu64 " running, %" PRIu64 " waiting   offload %" PRIu64 " of %" PRIu64
                " busy, %" PRIu64 " queued",
                v->fibers_running, v->fibers_waiting, v->offload_busy, v->offload_threads, v->offload_queued);
}

static int by_reserved(const void *a, const void *b)
{
    const struct view_account *x = a, *y = b;
    return x->reserved != y->reserved ? (x->reserved < y->reserved) - (x->reserved > y->reserved)
                                      : strcmp(x->name, y->name);
}

static void put_accounts(struct screen *s, const struct view *v)
{
    struct view_account sorted[VIEW_ACCOUNTS];
    char a[TEXT_SIZE], b[TEXT_SIZE], c[TEXT_SIZE], d[TEXT_SIZE], e[TEXT_SIZE];
    memcpy(sorted, v->accounts, sizeof sorted);
    qsort(sorted, (size_t)v->account_count, sizeof sorted[0], by_reserved);
    screen_line(s, NULL, "%s", "");
    screen_line(s, BOLD, "%-22s %10s %10s %10s %9s %8s", "ACCOUNT", "IN USE", "RESERVED", "PEAK", "OBJECTS", "REFUSED");
    for (int i = 0; i < v->account_count; i++) {
        const struct view_account *row = &sorted[i];
        if (row->reserved == 0 && row->peak == 0 && row->refused == 0)
            continue;
        screen_line(s, row->refused ? WARN : NULL, "%-22.22s %10s %10s %10s %9s %8s", row->name,
                    show_bytes(a, (double)row->in_use), show_bytes(b, (double)row->reserved),
                    show_bytes(c, (double)row->peak), show_count(d, (double)row->objects),
                    show_count(e, (double)row->refused));
    }
}

static void put_live(struct screen *s, const struct view *v)
{
    char a[TEXT_SIZE], b[TEXT_SIZE], c[TEXT_SIZE];
    if (v->live_count == 0)
        return;
    screen_line(s, NULL, "%s", "");
    screen_line(s, BOLD, "%-22s %8s  %-9s %10s %10s  %s", "ROUTE", "RUNNING", "STATE", "SENT", "MEMORY", "PEER");
    for (int i = 0; i < v->live_count; i++) {
        const struct view_live *row = &v->live[i];
        char route[VIEW_NAME_MAX + 20];
        snprintf(route, sizeof route, "%s%s%s", row->method, row->method[0] ? " " : "",
                 row->route[0] ? row->route : "no route");
        screen_line(s, NULL, "%-22.22s %8s  %-9.9s %10s %10s  %s", route, show_time(a, row->seconds), row->state,
                    show_bytes(b, (double)row->sent), show_bytes(c, (double)row->memory), row->peer);
    }
}

static void put_caches(struct screen *s, const struct view *v)
{
    char a[TEXT_SIZE], b[TEXT_SIZE], c[TEXT_SIZE], d[TEXT_SIZE], e[TEXT_SIZE], f[TEXT_SIZE];
    if (v->cache_count == 0)
        return;
    screen_line(s, NULL, "%s", "");
    screen_line(s, BOLD, "%-22s %10s %10s %8s %10s %8s %10s", "CACHE", "HITS", "MISSES", "WAITS", "EVICTIONS",
                "ENTRIES", "BYTES");
    for (int i = 0; i < v->cache_count; i++) {
        const struct view_cache *row = &v->caches[i];
        screen_line(s, NULL, "%-22.22s %10s %10s %8s %10s %8s %10s", row->name, show_count(a, (double)row->hits),
                    show_count(b, (double)row->misses), show_count(c, (double)row->waits),
                    show_count(d, (double)row->evictions), show_count(e, (double)row->entries),
                    show_bytes(f, (double)row->bytes));
    }
}

static void put_refusals(struct screen *s, const struct view *v)
{
    if (v->refusal_count == 0)
        return;
    screen_line(s, NULL, "%s", "");
    screen_line(s, BOLD, "%-32s %10s", "REFUSED BY", "TIMES");
    for (int i = 0; i < v->refusal_count; i++)
        screen_line(s, NULL, "%-32.32s %10" PRIu64, v->refusals[i].cause, v->refusals[i].count);
}

void screen_compose(struct screen *s, const struct view *v, const struct view *before, const char *where)
{
    char up[TEXT_SIZE];
    if (s->width < SCREEN_WIDTH_MIN)
        s->width = SCREEN_WIDTH_MIN;
    s->len = 0;
    s->lines = 0;
    if (before && before->uptime >= v->uptime)
        before = NULL; /* another server has taken its place */
    screen_line(s, BOLD, "weir %s  %s  up %s  %" PRIu64 " workers", v->version, where, show_time(up, v->uptime),
                v->workers);
    put_memory(s, v);
    put_traffic(s, v, before);
    put_accounts(s, v);
    put_live(s, v);
    put_caches(s, v);
    put_refusals(s, v);
}
