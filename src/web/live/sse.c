/*
 * Server-Sent Events (HTML, "Server-sent events"): a reply of type text/event-stream, written by a handler, and what
 * goes on when the handler has ended, with what topics bring.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/exchange_life.h"
#include "web/context.h"
#include "web/live/stream.h"

#include <errno.h>
#include <stdlib.h>

#define HEARTBEAT_MS    15000u /* a comment is sent so often, so that nobody in between takes the stream for dead */
#define DROPPED_AT_ONCE 512    /* bytes of what such a client sends, which nobody reads */

#define DROPS_IN_A_TURN 32

static const char comment[] = ":\n\n", comment_chunk[] = "3\r\n:\n\n\r\n";

/* ---- The stream without a handler ---- */

static void sse_close(struct http *http, struct live_stream *l)
{
    live_unsubscribe_all(http, l);
    duplex_close(http, &l->duplex, true);
    live_free(http, l);
}

static void sse_begun(struct http *http, struct duplex *d, const char *data, size_t len)
{
    (void)data;
    (void)len;
    duplex_time(http, d, HEARTBEAT_MS);
    if (live_of(d)->rest.driver & LIVE_CLOSING)
        duplex_queue(http, d);
}

/* A client has nothing to say. */
static void sse_run(struct http *http, struct duplex *d)
{
    struct live_stream *l = live_of(d);
    char dropped[DROPPED_AT_ONCE];
    ssize_t got = 1;
    for (int i = 0; i < DROPS_IN_A_TURN && got > 0; i++)
        got = duplex_read(http, d, dropped, sizeof dropped);
    if (got > 0)
        duplex_queue(http, d); /* after others */
    /* Over HTTP/2 the request has ended as requests do. */
    bool gone = got < 0 ? got != TRANSPORT_WANT_READ : got == 0 && !duplex_is_http2(d);
    if (duplex_is_there(d) && (gone || (l->rest.driver & LIVE_CLOSING)))
        sse_close(http, l);
}

static void sse_look(struct http *http, struct duplex *d)
{
    struct live_stream *l = live_of(d);
    duplex_time(http, d, HEARTBEAT_MS);
    bool said = duplex_is_chunked(d) ? live_say(http, l, comment_chunk, sizeof comment_chunk - 1)
                                     : live_say(http, l, comment, sizeof comment - 1);
    if (!said && duplex_is_there(d))
        duplex_send(http, d); /* something is under way, or could not be taken for want of memory */
}

static void sse_drain(struct http *http, struct duplex *d)
{
    live_end_soon(http, live_of(d), LIVE_CLOSING);
}

static void sse_ended(struct http *http, struct duplex *d)
{
    live_free(http, live_of(d));
}

static struct slice sse_encode(struct live_stream *l, struct message *m)
{
    return duplex_is_chunked(&l->duplex) ? message_event_chunk(m) : message_event_text(m);
}

static const struct live_kind sse_kind = {
    .user = {.begun = sse_begun,
             .run = sse_run,
             .look = sse_look,
             .resumed = sse_look,
             .drain = sse_drain,
             .ended = sse_ended,
             LIVE_SENDS},
    .encode = sse_encode,
    .figure = offsetof(struct live_figures, event_streams),
    LIVE_SUBSCRIBES,
};

/* ---- What handlers call ---- */

const char *weir_sse_last_id(weir_ctx *c)
{
    return weir_header(c, "Last-Event-ID");
}

int weir_sse_open(weir_ctx *c)
{
    CONTEXT_CHECK(c);
    int error = exchange_may(c->x, REPLY_CHANGE_HEAD);
    if (!error)
        error = weir_set_header(c, "Content-Type", "text/event-stream");
    if (!error)
        error = weir_set_header(c, "Cache-Control", "no-store, no-transform");
    return error ? error : weir_flush(c);
}

/* A field of one line. False: it has more. */
static bool is_line(const char *text)
{
    return !text || !strpbrk(text, "\r\n");
}

static int write_data(weir_ctx *c, struct slice data)
{
    struct slice line;
    bool more = true;
    int error = 0;
    while (more && !error) {
        more = event_next_line(&data, &line);
        error = weir_write(c, "data: ", 6);
        if (!error)
            error = weir_write(c, line.data, line.len);
        if (!error)
            error = weir_write(c, "\n", 1);
    }
    return error;
}

int weir_sse_send(weir_ctx *c, const weir_event *event)
{
    CONTEXT_CHECK(c);
    if (!event || !is_line(event->event) || !is_line(event->id) || event->retry_ms < 0)
        return WEIR_EINVAL;
    int error = event->id ? weir_printf(c, "id: %s\n", event->id) : 0;
    if (!error && event->event)
        error = weir_printf(c, "event: %s\n", event->event);
    if (!error && event->retry_ms > 0)
        error = weir_printf(c, "retry: %d\n", event->retry_ms);
    if (!error && event->data)
        error = write_data(c, event->len > 0 ? slice_of(event->data, event->len) : slice_from(event->data));
    if (!error)
        error = weir_write(c, "\n", 1);
    return error ? error : weir_flush(c);
}

/* The number that a client has got last, of our messages'; 0: it says none. */
static uint64_t last_id(weir_ctx *c)
{
    const char *text = weir_sse_last_id(c);
    char *end = NULL;
    errno = 0;
    unsigned long long id = text && *text >= '0' && *text <= '9' ? strtoull(text, &end, 10) : 0;
    return end && *end == '\0' && errno == 0 ? id : 0;
}

int weir_sse_subscribe(weir_ctx *c, const char *topic, const weir_topic_start *start)
{
    CONTEXT_CHECK(c);
    struct exchange *x = c->x;
    if (!topic)
        return context_null_error(c);
    if (start && start->last < 0)
        return WEIR_EINVAL;
    int error = exchange_may(x, REPLY_WRITE);
    if (error)
        return error;
    if (reply_is_bodyless(&x->reply))
        return weir_sse_open(c); /* to HEAD there is no stream */
    weir_topic_start resumed = {.after = last_id(c)};
    bool begins = !x->duplex;
    struct live_stream *l = begins ? live_take(x->http) : live_of(x->duplex);
    if (!l)
        return WEIR_ENOMEM;
    if (begins)
        live_leave(x, l, &sse_kind);
    error = live_subscribe(x->http, l, slice_from(topic), start || resumed.after == 0 ? start : &resumed);
    if (!error && !reply_is_committed(&x->reply))
        error = weir_sse_open(c);
    if (error && begins)
        exchange_drop_duplex(x);
    return error;
}
