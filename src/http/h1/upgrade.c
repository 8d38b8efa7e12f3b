/*
 * From HTTP/1 to another protocol on the same connection (RFC 9110 section 7.8): the reply 101 is HTTP's last. What the
 * client has sent behind its request is the other protocol's, which the handler speaks by reading and writing; or,
 * when it has returned, another protocol of the connection.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/upgrade.h"
#include "http/h1/h1.h"

#include <stdio.h>

/* The fields that a reply 101 needs. False: no memory. */
static bool add_fields(struct exchange *x, const char *protocol)
{
    static const char fields[] = "Connection: Upgrade\r\nUpgrade: %s\r\n";
    size_t len = sizeof fields - 1 - 2 + strlen(protocol);
    struct reply_field *f = len <= UINT16_MAX ? arena_alloc(&x->arena, sizeof *f + len + 1) : NULL;
    if (!f)
        return false;
    char *line = (char *)(f + 1);
    snprintf(line, len + 1, fields, protocol);
    *f = (struct reply_field){.name_len = sizeof "Connection" - 1, .line_len = (uint16_t)len, .line = line};
    *x->reply.last = f;
    x->reply.last = &f->next;
    return true;
}

void h1_begin_raw(struct h1 *h)
{
    h->window = h->in;
    h->window_pos = h->in_pos;
    h->window_len = h->in_len;
    h->window_size = h->x.http->settings->buffer_size;
    h->body_left = INT64_MAX; /* as if it had that length, so that it is read as it comes */
    h->x.body_clock.received = h->in_len - h->in_pos;
}

int h1_upgrade(struct exchange *x, const char *protocol)
{
    struct h1 *h = h1_of(x);
    if (x->head.version != WEIR_HTTP_1_1 || x->body_length != 0 || reply_is_bodyless(&x->reply))
        return WEIR_EPROTO;
    int error = upgrade_prepare(x, 101);
    if (error)
        return error;
    if (!add_fields(x, protocol)) {
        x->reply.status = 200;
        return WEIR_ENOMEM;
    }
    h->ending = ENDING_KEEP; /* what the client says of HTTP ends with it */
    error = h1_commit_head(h, REPLY_LENGTH_UNKNOWN);
    if (error)
        return error;
    if (x->reply.status != 101) /* there was no room for the head */
        return WEIR_ENOMEM;
    upgrade_begin(x);
    h1_begin_raw(h);
    h1_end(h, ENDING_CLOSE); /* no further request is parsed */
    return h1_reply_flush(x);
}

int h1_pass_on(struct exchange *x, const struct protocol *p)
{
    int next = net_protocol(x->http->net, p);
    debug_assert(exchange_is_upgraded(x));
    if (next >= 0)
        h1_of(x)->next = (uint8_t)next;
    return next < 0 ? next : 0;
}

bool h1_hand_over(struct h1 *h, const struct protocol *next)
{
    struct http *http = h->x.http;
    struct net *n = http->net;
    struct connection *c = h->x.conn;
    if (h->ending == ENDING_RESET || h->x.gone || (c->ready & READY_GONE))
        return false;
    char *in = h->in;
    uint32_t pos = h->in_pos, len = h->in_len - pos;
    struct duplex *duplex = h->x.duplex;
    bool chunked = h->x.reply.form == REPLY_CHUNKED;
    h->in = NULL;
    h1_release(h);
    if (duplex)
        h1_leave_duplex(n, c, duplex, chunked, in ? in + pos : NULL, len);
    else
        connection_switch(n, c, next, in ? in + pos : NULL, len);
    if (in)
        pool_give(&http->buffers, in);
    return true;
}
