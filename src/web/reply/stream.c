/*
 * Bodies in both directions, piece by piece.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/log.h"
#include "http/filter.h"
#include "web/context.h"
#include "web/line.h"

#include <stdio.h>

/* ---- The request's body ---- */

int64_t weir_body_length(weir_ctx *c)
{
    CONTEXT_CHECK(c);
    return c->x->body_length;
}

ssize_t weir_read_slice(weir_ctx *c, const void **data)
{
    CONTEXT_CHECK(c);
    struct exchange *x = c->x;
    if (!data)
        return WEIR_EINVAL;
    if (x->rest.len > 0) { /* of a piece that weir_read() has begun */
        ssize_t rest = (ssize_t)x->rest.len;
        *data = x->rest.data;
        x->rest.len = 0;
        return rest;
    }
    const char *bytes;
    ssize_t n = exchange_read(x, &bytes);
    if (n > 0)
        *data = bytes;
    return n;
}

ssize_t weir_read(weir_ctx *c, void *buf, size_t len)
{
    CONTEXT_CHECK(c);
    struct exchange *x = c->x;
    if (len == 0)
        return 0;
    if (!buf)
        return WEIR_EINVAL;
    if (x->rest.len == 0) {
        ssize_t n = exchange_read(x, &x->rest.data);
        if (n <= 0)
            return n;
        x->rest.len = (size_t)n;
    }
    size_t n = x->rest.len < len ? x->rest.len : len;
    memcpy(buf, x->rest.data, n);
    x->rest.data += n;
    x->rest.len -= n;
    return (ssize_t)n;
}

/* The next piece of the body, of which there is no rest. */
static ssize_t body_more(void *owner, struct slice *rest)
{
    ssize_t n = exchange_read(owner, &rest->data);
    if (n > 0)
        rest->len = (size_t)n;
    return n;
}

/* An error within a line is final: what comes next would be taken for a line, and is a part of one. */
// NOLINTNEXTLINE(readability-non-const-parameter): the line that points to buf writes to it
static ssize_t body_line(weir_ctx *c, const char **where, char *buf, size_t size)
{
    struct exchange *x = c->x;
    struct line line = {.buf = buf, .size = size};
    if (!buf || size == 0)
        return WEIR_EINVAL;
    if (c->line_error)
        return exchange_dead_end(x, c->line_error);
    ssize_t n = line_read(&(struct line_source){.rest = &x->rest, .more = body_more, .owner = x}, &line, where);
    if (n == WEIR_ETOOBIG || (n < 0 && line.len > 0))
        c->line_error = (int16_t)n;
    return n;
}

ssize_t weir_body_line(weir_ctx *c, char *buf, size_t size)
{
    CONTEXT_CHECK(c);
    return body_line(c, NULL, buf, size);
}

ssize_t weir_body_line_slice(weir_ctx *c, const char **line, char *buf, size_t size)
{
    CONTEXT_CHECK(c);
    return line ? body_line(c, line, buf, size) : WEIR_EINVAL;
}

/* ---- The reply's body ---- */

/*
 * Sees to a reply of which something is missing, and not because the client has gone: whatever the handler still does,
 * the reply must not look whole. One that is out is broken off; else nothing more is taken, and an error page is made
 * of it.
 */
static COLD int stream_failed(weir_ctx *c, int error)
{
    struct exchange *x = c->x;
    if (x->gone || error == WEIR_EDONE)
        return error;
    if (reply_is_complete(&x->reply) || x->reply.phase == REPLY_SEALING ||
        (reply_is_committed(&x->reply) && reply_is_bodyless(&x->reply)))
        return WEIR_EDONE;
    if (error == WEIR_ETOOBIG && (x->reply.length >= 0 || filter_counts_length(x)))
        return error; /* more than was announced: the body may be whole, and is counted at the end */
    if (reply_is_committed(&x->reply)) {
        reply_break(c, weir_strerror(error));
        return error;
    }
    log_warn(c->web->loop->log, "%s: a reply could not be written (%s)", weir_route_pattern(c), weir_strerror(error));
    x->ops->discard(x);
    reply_set_complete(&x->reply);
    c->reply_broken = true;
    c->reply_error = error;
    return error;
}

int weir_write(weir_ctx *c, const void *data, size_t len)
{
    CONTEXT_CHECK(c);
    if (unlikely(!data) && len > 0)
        return stream_failed(c, context_null_error(c));
    int error = c->x->ops->write(c->x, data, len);
    return likely(!error) ? 0 : stream_failed(c, error);
}

int weir_flush(weir_ctx *c)
{
    CONTEXT_CHECK(c);
    int error = c->x->ops->flush(c->x);
    return likely(!error) ? 0 : stream_failed(c, error);
}

/* Writes a text that the output's region has no room for: by way of the request's memory, which is given back. */
static COLD int printf_long(weir_ctx *c, size_t len, const char *fmt, va_list args)
{
    struct arena *a = &c->x->arena;
    size_t size = len + 1;
    if (size > arena_room(a))
        return WEIR_ETOOBIG;
    char *text = arena_alloc(a, size);
    if (!text)
        return WEIR_ENOMEM;
    vsnprintf(text, size, fmt, args);
    int error = c->x->ops->write(c->x, text, len);
    arena_shrink(a, text, size, 0);
    return error;
}

int context_vprintf(weir_ctx *c, bool whole, const char *fmt, va_list args)
{
    struct exchange *x = c->x;
    size_t room;
    int error;
    char *to = x->ops->reserve(x, 1, &room, &error);
    if (!to && error != WEIR_ETOOBIG)
        return error;
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(to, to ? room : 0, fmt, args);
    if (len >= 0 && to && !whole && (size_t)len >= room && (size_t)len < EXCHANGE_RESERVE_MAX) {
        to = x->ops->reserve(x, (size_t)len + 1, &room, &error);
        if (to)
            vsnprintf(to, room, fmt, again);
        else if (error != WEIR_ETOOBIG)
            len = -1;
    }
    if (len < 0) {
        error = error ? error : WEIR_EINVAL;
    } else if (to && (size_t)len < room) {
        error = x->ops->commit(x, (size_t)len);
    } else {
        if (whole)
            x->reply.length = len;
        error = printf_long(c, (size_t)len, fmt, again);
    }
    va_end(again);
    return error;
}

int weir_vprintf(weir_ctx *c, const char *fmt, va_list args)
{
    CONTEXT_CHECK(c);
    int error = fmt ? context_vprintf(c, false, fmt, args) : context_null_error(c);
    return likely(!error) ? 0 : stream_failed(c, error);
}

int weir_printf(weir_ctx *c, const char *fmt, ...)
{
    CONTEXT_CHECK(c);
    va_list args;
    va_start(args, fmt);
    int error = weir_vprintf(c, fmt, args);
    va_end(args);
    return error;
}

enum weir_closed_state weir_closed(weir_ctx *c)
{
    CONTEXT_CHECK(c);
    switch (c->x->ops->peer(c->x, true)) {
    case PEER_HALF_CLOSED:
        return WEIR_HALF_CLOSED;
    case PEER_GONE:
        return WEIR_GONE;
    case PEER_OPEN:
        break;
    }
    return WEIR_OPEN;
}
