/*
 * A server whose connections go from HTTP/1 to a protocol of its own and back: `Upgrade: lines` at /lines is answered
 * by 101, and from then on each line that comes is sent back. "ping" is answered by "pong"; "http" is followed by
 * HTTP/1 again; "bye" ends the connection, as the server's stop does after "stopping", and 500 ms without a line (or
 * deadline_ms=...) after "late". Other arguments: stop_timeout_ms=..., and unsteady=SEED for the transport of that
 * name.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/h1/h1.h"
#include "serving.h"
#include "unsteady.h"
#include "web/context.h"

#include <stdlib.h>
#include <string.h>

#define LINE_MAX_BYTES 512

static uint32_t deadline_ms = 500; /* set before there are workers */

struct lines {
    struct flow flow;
    uint32_t in_len, out_len;
    bool ending; /* it is closed when all is sent */
    char in[LINE_MAX_BYTES], out[2 * LINE_MAX_BYTES];
};

static void lines_close(struct net *n, struct connection *c, bool reset)
{
    free(c->active);
    connection_close(n, c, reset);
}

static bool lines_sent(const struct lines *l)
{
    return l->out_len == 0 && !l->flow.held;
}

/* Sends what waits. False: the connection is over. */
static bool lines_send(struct net *n, struct connection *c)
{
    struct lines *l = c->active;
    const struct transport *t = connection_transport(n, c);
    while (!lines_sent(l)) {
        struct iovec part = {.iov_base = l->out, .iov_len = l->out_len};
        ssize_t sent = l->out_len > 0 ? t->write(c, &l->flow, &part, 1, false) : t->flush(c, &l->flow);
        if (sent < 0 && !transport_wants(sent)) {
            lines_close(n, c, true);
            return false;
        }
        if (sent > 0) {
            l->out_len -= (uint32_t)sent;
            memmove(l->out, l->out + sent, l->out_len);
        } else if (sent < 0) {
            int blocked = connection_blocked(n, c, sent);
            if (blocked == 0)
                return true;
            if (blocked < 0) {
                lines_close(n, c, true);
                return false;
            }
        }
    }
    if (!l->ending)
        return true;
    lines_close(n, c, false);
    return false;
}

static void lines_say(struct lines *l, const char *text, size_t len)
{
    memcpy(l->out + l->out_len, text, len);
    l->out_len += (uint32_t)len;
}

static void lines_end(struct net *n, struct connection *c, const char *text)
{
    struct lines *l = c->active;
    if (l->ending)
        return;
    lines_say(l, text, strlen(text));
    l->ending = true;
    if (!(c->ready & READY_QUEUED))
        lines_send(n, c);
}

/* Back to HTTP/1, which has what follows the line. */
static void lines_to_http(struct net *n, struct connection *c, size_t used)
{
    struct lines *l = c->active;
    connection_switch(n, c, &http_protocol_h1, l->in + used, l->in_len - used);
    free(l);
}

/* Answers a line, while there is one and room for its answer. False: the connection is another protocol's, or over. */
static bool lines_answer(struct net *n, struct connection *c)
{
    struct lines *l = c->active;
    char *end;
    while (!l->ending && l->out_len <= LINE_MAX_BYTES && (end = memchr(l->in, '\n', l->in_len))) {
        size_t len = (size_t)(end + 1 - l->in);
        connection_deadline(n, c, deadline_ms);
        if (len == 5 && memcmp(l->in, "http\n", 5) == 0) {
            if (!lines_sent(l))
                return true; /* once that is done */
            lines_to_http(n, c, len);
            return false;
        }
        if (len == 5 && memcmp(l->in, "ping\n", 5) == 0)
            lines_say(l, "pong\n", 5);
        else
            lines_say(l, l->in, len);
        l->ending = len == 4 && memcmp(l->in, "bye\n", 4) == 0;
        l->in_len -= (uint32_t)len;
        memmove(l->in, l->in + len, l->in_len);
    }
    return true;
}

/* Reads once. False: nothing has come. */
static bool lines_read(struct net *n, struct connection *c)
{
    struct lines *l = c->active;
    if (!(c->ready & READY_READ) || l->ending || l->in_len == sizeof l->in)
        return false;
    ssize_t got = connection_read(n, c, l->in + l->in_len, sizeof l->in - l->in_len);
    if (got > 0)
        l->in_len += (uint32_t)got;
    else if (got != TRANSPORT_WANT_READ)
        l->ending = true;
    return got > 0;
}

static void lines_run(struct net *n, struct connection *c)
{
    struct lines *l = c->active;
    if (n->cutting) {
        lines_close(n, c, true);
        return;
    }
    do {
        if (!lines_answer(n, c) || !lines_send(n, c))
            return;
    } while (lines_sent(l) && (memchr(l->in, '\n', l->in_len) || lines_read(n, c)));
    if (l->ending)
        lines_send(n, c);
}

static void lines_opened(struct net *n, struct connection *c, const char *data, size_t len)
{
    struct lines *l = calloc(1, sizeof *l);
    if (!l || len > sizeof l->in)
        abort();
    if (len > 0)
        memcpy(l->in, data, len);
    l->in_len = (uint32_t)len;
    c->active = l;
    connection_deadline(n, c, deadline_ms);
    connection_queue(n, c);
}

static void lines_ready(struct net *n, struct connection *c, uint32_t events)
{
    (void)events;
    if (c->ready & READY_QUEUED)
        return;
    if (c->ready & READY_GONE)
        lines_close(n, c, false);
    else
        connection_queue(n, c);
}

static void lines_expired(struct net *n, struct connection *c)
{
    const struct lines *l = c->active;
    connection_deadline(n, c, deadline_ms);
    if (!(c->ready & READY_QUEUED) && l->ending) /* it takes nothing */
        lines_close(n, c, true);
    else
        lines_end(n, c, "late\n");
}

static void lines_drain(struct net *n, struct connection *c)
{
    lines_end(n, c, "stopping\n");
}

static void lines_cut(struct net *n, struct connection *c)
{
    if (!(c->ready & READY_QUEUED))
        lines_close(n, c, true);
}

static uint32_t lines_stalled(struct net *n, struct connection *c)
{
    (void)n;
    (void)c;
    return 0;
}

static const struct protocol protocol_lines = {
    .opened = lines_opened,
    .ready = lines_ready,
    .expired = lines_expired,
    .run = lines_run,
    .drain = lines_drain,
    .cut = lines_cut,
    .stalled = lines_stalled,
    .give_up = lines_cut,
};

/* ---- HTTP/1 ---- */

static void upgrade(weir_ctx *c)
{
    const char *wanted = weir_header(c, "Upgrade");
    if (!wanted || strcmp(wanted, "lines") != 0) {
        weir_set_header(c, "Upgrade", "lines");
        weir_reply_error(c, 426, "this is for lines");
        return;
    }
    int error = c->x->ops->upgrade(c->x, "lines");
    if (error)
        weir_reply_error(c, 400, weir_strerror(error));
    else
        weir_assert(h1_pass_on(c->x, &protocol_lines) == 0);
}

static void hello(weir_ctx *c)
{
    weir_reply_text(c, "hello");
}

int main(int argc, char **argv)
{
    weir_config config = {.host = "127.0.0.1", .port = WEIR_ANY, .log_level = WEIR_OFF, .workers = 2};
    unsigned seed = 0;
    for (int i = 1; i < argc; i++) {
        const char *equals = strchr(argv[i], '=');
        long value = equals ? strtol(equals + 1, NULL, 10) : 0;
        if (strncmp(argv[i], "deadline_ms=", 12) == 0)
            deadline_ms = (uint32_t)value;
        else if (strncmp(argv[i], "stop_timeout_ms=", 16) == 0)
            config.stop_timeout_ms = (int)value;
        else if (strncmp(argv[i], "unsteady=", 9) == 0)
            seed = (unsigned)value;
        else
            abort();
    }
    weir_server *s = weir_server_new(&config);
    if (seed > 0)
        unsteady_install(s, seed);
    weir_any(s, "/lines", upgrade);
    weir_get(s, "/hello", hello);
    return serve(s);
}
