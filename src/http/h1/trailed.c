/*
 * Replies with trailer fields (RFC 9112 section 7.1.2): they are chunked, whether their length is known or not. A reply
 * that cannot be, of HTTP/1.0 or without a body, goes out as if there were no such fields.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/exchange_reply.h"
#include "http/h1/h1.h"

#define H1_TRAILERS_BEHIND 256 /* bytes of the last chunk that may lie in the region behind a file */

static bool may_trail(const struct exchange *x)
{
    return x->head.version >= WEIR_HTTP_1_1 && !reply_is_bodyless(&x->reply) && !status_bodyless(x->reply.status);
}

int h1_commit_trailed(struct h1 *h)
{
    struct exchange *x = &h->x;
    int64_t announced = x->reply.length;
    if (announced < 0 || !may_trail(x))
        return h1_commit_head(h, announced);
    int error = h1_commit_head(h, REPLY_LENGTH_UNKNOWN);
    if (x->reply.form == REPLY_CHUNKED)
        x->reply.length = announced; /* what is written is still counted */
    return error;
}

/* A body that lies outside of the region, as one chunk. */
static int queue_body_chunk(struct h1 *h)
{
    int error = h1_make_room(h, 32);
    if (error)
        return error;
    char *end = h1_put_hex(h->pos, h->x.reply.body.len);
    *end++ = '\r';
    *end++ = '\n';
    output_push_region(&h->out, h->pos, (size_t)(end - h->pos));
    h->pos = end;
    output_push(&h->out, exchange_take_body(&h->x));
    output_push(&h->out, (struct segment){.kind = SEGMENT_STATIC, .len = 2, .data = "\r\n"});
    return 0;
}

int h1_finish_trailed(struct h1 *h)
{
    struct exchange *x = &h->x;
    if (!reply_is_committed(&x->reply) && x->http->host->before_head(x)) {
        int error = h1_finish_filters(h); /* comes back here: response middleware has run */
        if (error)
            return error;
    }
    if (x->gone || reply_is_committed(&x->reply) || !may_trail(x))
        return 0;
    struct segment body = x->reply.body;
    x->reply.body = (struct segment){.kind = SEGMENT_STATIC}; /* or a small one would be joined to the head */
    int error = h1_commit_trailed(h);
    x->reply.body = body;
    return !error && body.len && x->reply.form == REPLY_CHUNKED ? queue_body_chunk(h) : error;
}

/* The fields do not fit the region: they are sent from the request's memory, which must not be needed later. */
static int send_trailers(struct h1 *h)
{
    const struct segment last = {.kind = SEGMENT_STATIC, .len = 3, .data = "0\r\n"};
    output_push(&h->out, last);
    for (const struct reply_field *f = h->x.reply.trailers; f; f = f->next) {
        int error = output_has_room(&h->out, H1_SEGMENTS_SPARE) ? 0 : h1_drain(h);
        if (error)
            return error;
        output_push(&h->out, (struct segment){.kind = SEGMENT_STATIC, .len = f->line_len, .data = f->line});
    }
    output_push(&h->out, (struct segment){.kind = SEGMENT_STATIC, .len = 2, .data = "\r\n"});
    return h1_drain(h);
}

int h1_put_trailers(struct h1 *h)
{
    size_t size = 5;
    for (const struct reply_field *f = h->x.reply.trailers; f; f = f->next)
        size += f->line_len;
    bool large = h->out.unread > 0 && size > H1_TRAILERS_BEHIND; /* the body may have to be read into the region */
    int error = large ? WEIR_ETOOBIG : h1_make_room(h, size);
    if (error == WEIR_ETOOBIG)
        return send_trailers(h);
    if (error)
        return error;
    char *to = h->pos;
    memcpy(to, "0\r\n", 3);
    to += 3;
    for (const struct reply_field *f = h->x.reply.trailers; f; f = f->next)
        to = h1_put_text(to, f->line, f->line_len);
    memcpy(to, "\r\n", 2);
    output_push_region(&h->out, h->pos, size);
    h->pos = to + 2;
    return 0;
}
