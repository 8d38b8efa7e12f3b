/*
 * Composing log lines about requests.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/request_log.h"
#include "base/clock.h"
#include "http/http.h"
#include "net/address.h"

#include <stdarg.h>
#include <stdio.h>

#define METHOD_MAX     16  /* bytes that are shown of a method */
#define TARGET_MAX     100 /* and of a target or a pattern */
#define REQUEST_MAX    (METHOD_MAX + TARGET_MAX + 16)
#define WARNINGS_MAX   20 /* of a worker in a second: whoever can make requests fail must not drown all other lines */
#define WARNINGS_IN_NS 1000000000u

/* Copies text to at most `most` bytes, in which those that are not printable ASCII are \xNN, and "..." if that is not
 * all. Returns behind them. */
static char *put_escaped(char *to, struct slice text, size_t most)
{
    static const char digits[] = "0123456789abcdef";
    const char *end = to + most;
    size_t i = 0;
    for (; i < text.len; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        bool plain = byte > 0x20 && byte < 0x7f && byte != '\\';
        if (end - to < (plain ? 1 : 4))
            break;
        if (plain) {
            *to++ = (char)byte;
            continue;
        }
        *to++ = '\\';
        *to++ = 'x';
        *to++ = digits[byte >> 4];
        *to++ = digits[byte & 15];
    }
    if (i < text.len) {
        memcpy(to, "...", 3);
        to += 3;
    }
    return to;
}

/* The head is there until the handler's part of the exchange has ended, and takes its length with it; before the first
 * one there is nothing. */
static bool head_is_there(const struct exchange *x)
{
    return x->begin_ns != 0 && x->head.method_len > 0;
}

/* The request's method, and its route if it has one, else its target. */
static const char *request_text(const struct exchange *x, char text[REQUEST_MAX])
{
    char *to = text;
    const char *pattern = x->begin_ns != 0 ? x->http->host->pattern(x) : NULL;
    bool head = head_is_there(x);
    if (head)
        to = put_escaped(to, slice_of(x->head.base, x->head.method_len), METHOD_MAX);
    if (pattern) {
        snprintf(to, TARGET_MAX, "%s%s", head ? " " : "", pattern);
        return text;
    }
    if (head) {
        *to++ = ' ';
        to = put_escaped(to, slice_of(x->head.base + x->head.target, x->head.target_len), TARGET_MAX);
    }
    *to = '\0';
    return *text ? text : "a request";
}

/* c NULL: nobody's request, but a task. */
static const char *peer_text(const struct http *h, const struct connection *c, char text[ADDRESS_TEXT_MAX])
{
    struct address peer;
    if (!c)
        return "the server itself";
    connection_client(h->net, c, &peer);
    return address_format(&peer, text, ADDRESS_TEXT_MAX);
}

/* Whether another warning may be written; tells of those that might not. */
bool http_may_warn(struct http *h)
{
    const struct loop *l = h->net->loop;
    if (!log_wants(l->log, WEIR_LOG_WARN))
        return false;
    if (l->now_ns - h->warnings_since_ns >= WARNINGS_IN_NS) {
        if (h->warnings > WARNINGS_MAX)
            log_warn(l->log, "%u more requests failed or were cut", h->warnings - WARNINGS_MAX);
        h->warnings_since_ns = l->now_ns;
        h->warnings = 0;
    }
    return h->warnings++ < WARNINGS_MAX;
}

void http_log_failure(const struct exchange *x, const char *fmt, ...)
{
    char why[256], request[REQUEST_MAX], peer[ADDRESS_TEXT_MAX];
    if (!http_may_warn(x->http))
        return;
    va_list args;
    va_start(args, fmt);
    vsnprintf(why, sizeof why, fmt, args);
    va_end(args);
    log_warn(x->http->net->loop->log, "%s, from %s: %s", request_text(x, request), peer_text(x->http, x->conn, peer),
             why);
}

void http_log_denial(const struct exchange *x, int status, const char *why)
{
    const struct log *l = x->http->net->loop->log;
    char request[REQUEST_MAX], peer[ADDRESS_TEXT_MAX];
    if (log_wants(l, WEIR_LOG_INFO))
        log_info(l, "%s, from %s: its handler failed with %d: %s", request_text(x, request),
                 peer_text(x->http, x->conn, peer), status, why);
}

/* Ends a request that a handler serves, or whose reply was begun, instead of answering it. */
static bool is_cut(enum refusal cause)
{
    return cause == REFUSAL_HANDLER_TIMEOUT || cause == REFUSAL_WRITE_TIMEOUT || cause == REFUSAL_WRITE_RATE ||
           cause == REFUSAL_KERNEL_MEMORY;
}

void http_refused_request(struct http *h, const struct connection *c, const struct exchange *x, enum refusal cause,
                          const char *why)
{
    const struct refusal_info *info = &refusal_infos[cause];
    const struct log *l = h->net->loop->log;
    char request[REQUEST_MAX], peer[ADDRESS_TEXT_MAX];
    counter_add(&h->refusals[cause], 1);
    if (!why)
        why = info->text;
    bool cut = x && is_cut(cause);
    if (cut ? !http_may_warn(h) : !log_wants(l, WEIR_LOG_INFO))
        return;
    log_write(l, cut ? WEIR_LOG_WARN : WEIR_LOG_INFO, "refused (%s, %u): %s%s%s%s%s", info->name, info->status, why,
              x ? ": " : "", x ? request_text(x, request) : "", c ? ", from " : "", c ? peer_text(h, c, peer) : "");
}

void http_log_over(struct over_listener *l, const struct exchange_over *e)
{
    (void)l;
    char request[REQUEST_MAX], *to = request, text[ADDRESS_TEXT_MAX];
    if (e->method.len > 0) {
        to = put_escaped(to, e->method, METHOD_MAX);
        *to++ = ' ';
        to = put_escaped(to, e->target, TARGET_MAX);
    }
    *to = '\0';
    bool usual = e->version == WEIR_HTTP_1_1;
    log_debug(e->http->net->loop->log, "%s%s%s, from %s: %d, %llu bytes, %llu ms%s%s",
              *request ? request : "a refused head", usual ? "" : " ", usual ? "" : head_version_text(e->version),
              address_format(&e->peer, text, sizeof text), e->status, (unsigned long long)e->sent,
              (unsigned long long)((e->end_ns - e->begin_ns) / 1000000), e->error ? ": " : "",
              e->error ? weir_strerror(e->error) : "");
}
