/*
 * Lines of access logs: the common and the combined format of Apache and nginx, and JSON.
 *
 * SPDX-License-Identifier: MIT
 */
#include "cli/access_line.h"
#include "weir.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define NS_PER_SECOND 1000000000
#define NS_PER_MS     1000000

/* A text that grows up to a bound; what is beyond it is left out. */
struct text {
    char *to, *end;
};

static void put_bytes(struct text *t, const char *data, size_t len)
{
    size_t room = (size_t)(t->end - t->to);
    memcpy(t->to, data, len < room ? len : room);
    t->to += len < room ? len : room;
}

static void put(struct text *t, const char *data)
{
    put_bytes(t, data, strlen(data));
}

__attribute__((format(printf, 2, 3))) static void put_format(struct text *t, const char *fmt, ...)
{
    char text[128];
    va_list args;
    va_start(args, fmt);
    int len = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (len > 0)
        put_bytes(t, text, (size_t)len < sizeof text ? (size_t)len : sizeof text - 1);
}

static bool is_plain(unsigned char byte)
{
    return byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\';
}

/* ---- Common and combined ---- */

/* A text as Apache and nginx write it: a byte that could be taken for something else is \xNN. "-" for an empty one. */
static void put_escaped(struct text *t, const char *value, bool in_quotes)
{
    if (!*value)
        put(t, "-");
    for (const char *p = value; *p; p++) {
        unsigned char byte = (unsigned char)*p;
        if (is_plain(byte) && (in_quotes || byte != ' '))
            put_bytes(t, p, 1);
        else
            put_format(t, "\\x%02X", byte);
    }
}

/* Where an address ends and ":" and its port begin; the end of one that has none: of IPv6 without brackets, of IPv4
 * without a colon, and of "unix:". */
static size_t address_length(const char *peer)
{
    const char *last = strrchr(peer, ':');
    bool bare = peer[0] != '[' && last && strchr(peer, ':') != last;
    return last && last[1] && !bare ? (size_t)(last - peer) : strlen(peer);
}

/* The address without its port. */
static void put_address(struct text *t, const char *peer)
{
    char address[64];
    size_t len = address_length(peer);
    if (peer[0] == '[' && len > 2 && peer[len - 1] == ']') {
        peer++;
        len -= 2;
    }
    snprintf(address, sizeof address, "%.*s", (int)len, peer);
    put_escaped(t, address, false);
}

static void put_clock(struct text *t, int64_t ns)
{
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t seconds = (time_t)(ns / NS_PER_SECOND);
    struct tm at;
    localtime_r(&seconds, &at);
    long east = at.tm_gmtoff / 60; /* minutes */
    put_format(t, "[%02d/%s/%04d:%02d:%02d:%02d %c%02ld%02ld]", at.tm_mday, months[at.tm_mon], at.tm_year + 1900,
               at.tm_hour, at.tm_min, at.tm_sec, east < 0 ? '-' : '+', (east < 0 ? -east : east) / 60,
               (east < 0 ? -east : east) % 60);
}

static const char *version_text(int version)
{
    return version == WEIR_HTTP_2 ? "2.0" : version == WEIR_HTTP_1_0 ? "1.0" : "1.1";
}

static void put_common(struct text *t, const struct access_entry *e)
{
    put_address(t, e->peer);
    put(t, " - ");
    put_escaped(t, e->user, false);
    put(t, " ");
    put_clock(t, e->begin_ns);
    put(t, " \"");
    if (*e->method) {
        put_escaped(t, e->method, true);
        put(t, " ");
        put_escaped(t, e->target, true);
        put_format(t, " HTTP/%s", version_text(e->version));
    } else {
        put(t, "-"); /* a head that could not be read */
    }
    put_format(t, "\" %d ", e->status);
    if (e->bytes)
        put_format(t, "%llu", (unsigned long long)e->bytes);
    else
        put(t, "-");
}

static void put_combined(struct text *t, const struct access_entry *e)
{
    put_common(t, e);
    put(t, " \"");
    put_escaped(t, e->referer, true);
    put(t, "\" \"");
    put_escaped(t, e->agent, true);
    put(t, "\"");
}

/* ---- JSON ---- */

/* A member, whose name follows a comma. Bytes beyond ASCII become the character of that number, as in Latin-1, so that
 * each text is valid and none is lost. */
static void put_member(struct text *t, const char *name, const char *value)
{
    put_format(t, ",\"%s\":", name);
    if (!*value) {
        put(t, "null");
        return;
    }
    put(t, "\"");
    for (const char *p = value; *p; p++) {
        unsigned char byte = (unsigned char)*p;
        if (is_plain(byte))
            put_bytes(t, p, 1);
        else if (byte == '"' || byte == '\\')
            put_format(t, "\\%c", byte);
        else
            put_format(t, "\\u%04x", byte);
    }
    put(t, "\"");
}

static void put_json(struct text *t, const struct access_entry *e)
{
    time_t seconds = (time_t)(e->begin_ns / NS_PER_SECOND);
    struct tm at;
    gmtime_r(&seconds, &at);
    put_format(t, "{\"time\":\"%04d-%02d-%02dT%02d:%02d:%02d.%03dZ\"", at.tm_year + 1900, at.tm_mon + 1, at.tm_mday,
               at.tm_hour, at.tm_min, at.tm_sec, (int)(e->begin_ns % NS_PER_SECOND / NS_PER_MS));
    put_member(t, "peer", e->peer);
    put_member(t, "user", e->user);
    put_member(t, "method", e->method);
    put_member(t, "target", e->target);
    put_member(t, "version", *e->method ? version_text(e->version) : "");
    put_member(t, "host", e->host);
    put_format(t, ",\"status\":%d,\"bytes\":%llu,\"ms\":%lld.%03lld", e->status, (unsigned long long)e->bytes,
               (long long)(e->took_ns / NS_PER_MS), (long long)(e->took_ns % NS_PER_MS / 1000));
    put_member(t, "referer", e->referer);
    put_member(t, "agent", e->agent);
    put_member(t, "error", e->error ? weir_strerror(e->error) : "");
    put(t, "}");
}

size_t access_line(char *out, size_t size, enum access_form form, const struct access_entry *e)
{
    struct text t = {.to = out, .end = out + size - 1};
    if (form == ACCESS_OFF)
        return 0;
    if (form == ACCESS_JSON)
        put_json(&t, e);
    else if (form == ACCESS_COMBINED)
        put_combined(&t, e);
    else
        put_common(&t, e);
    *t.to++ = '\n';
    return (size_t)(t.to - out);
}
