/*
 * Connections without HTTP, of listeners whose service says so (http/raw.h). One is served as an HTTP/1 connection
 * whose request has been upgraded is, by the same record and the same operations; it only never had a head. Until its
 * client has said something it is at rest, and 56 bytes are all that it costs, unless the server speaks first.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/raw.h"
#include "http/h1/h1.h"
#include "http/request_log.h"
#include "http/upgrade.h"
#include "net/listener.h"

static const struct raw_service *service_of(const struct net *n, const struct connection *c)
{
    return n->listeners[c->timer.owner_bits].service;
}

void h1_raw_opened(struct net *n, struct connection *c, const char *data, size_t len)
{
    const struct http *http = n->owner;
    (void)data;
    weir_assert(len == 0); /* a handshake leaves what is behind it to the transport */
    c->state = H1_IDLE;
    connection_deadline(n, c, http->settings->idle_timeout_ms);
    connection_queue(n, c); /* what the client has to say may be there already, and the poller does not watch it yet */
}

/* The client has not said anything: the connection rests, until the deadline that it was given at its begin. */
static void raw_rest(struct h1 *h)
{
    struct net *n = h1_net(h);
    struct connection *c = h->x.conn;
    h1_release(h);
    c->state = H1_IDLE;
    c->idled = 0;
    if (n->draining)
        connection_close(n, c, false);
    else
        connection_deadline_slow(n, c);
}

/* Reads what the client says first. False: it has not said anything, and the connection has been left. */
static bool raw_receive(struct h1 *h)
{
    struct connection *c = h->x.conn;
    ssize_t got = c->ready & READY_HALF_CLOSED ? 0 : TRANSPORT_WANT_READ;
    if (c->ready & READY_READ)
        got = connection_read(h1_net(h), c, h->in, h->x.http->settings->buffer_size);
    if (got > 0) {
        h->in_len = (uint32_t)got;
        return true;
    }
    if (got == TRANSPORT_WANT_READ) {
        raw_rest(h);
        return false;
    }
    h->x.gone = got < 0;
    h1_end(h, ENDING_CLOSE);
    h1_close(h);
    return false;
}

/* An exchange without a request, as if it had been upgraded. */
static void raw_begin(struct h1 *h)
{
    struct exchange *x = &h->x;
    exchange_begin(x);
    exchange_forget_class(x);
    char *nothing = h->in + x->http->settings->buffer_size; /* the slack behind the input, for strings to end there */
    x->head = (struct http_head){
        .base = nothing, .version = WEIR_HTTP_1_1, .fields = x->head.fields, .field_max = x->head.field_max};
    x->target = (struct target){.plain = false, .authority = slice_of(nothing, 0)};
    x->special = x->http->special;
    h->head_end = 0;
    h1_body_begin(h);
    h1_end(h, ENDING_CLOSE);
    x->reply.status = 101;
    reply_set_committed(&x->reply);
    upgrade_begin(x);
    h1_begin_raw(h);
}

/* There is no memory that the connection may have: nothing that its client knows could say so. */
static COLD void raw_refuse(struct h1 *h)
{
    struct http *http = h->x.http;
    exchange_undo(&h->x);
    http_refused_request(http, h->x.conn, NULL, REFUSAL_MEMORY, "no memory for a connection without HTTP");
    h1_end(h, ENDING_RESET);
    h1_close(h);
}

static void raw_serve(struct h1 *h)
{
    struct exchange *x = &h->x;
    raw_begin(h);
    if (!x->http->host->connected(x, service_of(h1_net(h), x->conn))) {
        raw_refuse(h);
        return;
    }
    h1_finish_exchange(h);
    h1_serve(h); /* sends what is left, and ends the connection */
}

void h1_raw_run(struct net *n, struct connection *c)
{
    if (c->state != H1_IDLE) {
        h1_run_on(n, c);
        return;
    }
    bool first = service_of(n, c)->server_first;
    struct h1 *h = h1_open_fresh(n, c, first);
    if (h && (first || raw_receive(h)))
        raw_serve(h);
}
