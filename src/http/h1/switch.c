/*
 * From HTTP/1 to another protocol on the same connection (RFC 9110 section 7.8): the reply 101 is this protocol's last,
 * and what the client has sent behind its request is the next one's.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/h1/h1.h"

#include <stdio.h>

/* The fields that a reply 101 needs. False: no memory. */
static bool add_fields(struct exchange *x, const char *name)
{
    static const char fields[] = "Connection: Upgrade\r\nUpgrade: %s\r\n";
    size_t len = sizeof fields - 1 - 2 + strlen(name);
    struct reply_field *f = arena_alloc(&x->arena, sizeof *f + len + 1);
    if (!f)
        return false;
    char *line = (char *)(f + 1);
    snprintf(line, len + 1, fields, name);
    *f = (struct reply_field){.name_len = sizeof "Connection" - 1, .line_len = (uint16_t)len, .line = line};
    *x->reply.last = f;
    x->reply.last = &f->next;
    return true;
}

int h1_switch(struct exchange *x, int protocol, const char *name)
{
    struct h1 *h = h1_of(x);
    debug_assert(protocol > PROTOCOL_HTTP1 && protocol < PROTOCOLS_MAX);
    if (reply_is_committed(&x->reply) || reply_is_complete(&x->reply))
        return WEIR_ECOMMITTED;
    if (x->head.minor == 0 || x->body_length != 0)
        return WEIR_EPROTO;
    if (h1_net(h)->draining)
        return WEIR_ECANCELED;
    if (!add_fields(x, name))
        return WEIR_ENOMEM;
    x->reply.status = 101;
    x->reply.close = false;
    h->ending = ENDING_KEEP; /* what the client says of HTTP ends with it */
    reply_set_complete(&x->reply);
    int error = h1_commit_final(h);
    if (error)
        return error;
    h->next = (uint8_t)protocol;
    h1_end(h, ENDING_CLOSE); /* no further request is parsed, and h1_close() comes when all is sent */
    return 0;
}

bool h1_hand_over(struct h1 *h)
{
    struct http *http = h->x.http;
    struct net *n = http->net;
    struct connection *c = h->x.conn;
    if (h->ending == ENDING_RESET || h->x.gone || (c->ready & READY_GONE))
        return false;
    char *in = h->in;
    uint32_t pos = h->in_pos, len = h->in_len - pos;
    int next = h->next;
    h->in = NULL;
    h1_release(h);
    connection_switch(n, c, next, in ? in + pos : NULL, len);
    if (in)
        pool_give(&http->buffers, in);
    return true;
}
