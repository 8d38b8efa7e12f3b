/*
 * Composing a reply's HEADERS and its trailers (RFC 9113 section 8).
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/h2/h2.h"
#include "http/h2/hpack_encode.h"

#include <strings.h>

/* Fields that are a connection's own, which HTTP/2 does not have (section 8.2.2): a handler that knows no version may
 * set them. */
static bool is_of_connection(struct slice name)
{
    static const char *const names[] = {"connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (name.len == strlen(names[i]) && strncasecmp(name.data, names[i], name.len) == 0)
            return true;
    return false;
}

/* RFC 9110 section 8.6: no length on 1xx and 204. */
static bool tells_length(const struct h2_stream *s, int64_t length)
{
    int status = s->x.reply.status;
    return length >= 0 && status >= 200 && status != 204 && (status != 304 || length > 0);
}

/* A table size update, :status, Date, the frames of Content-Type and Content-Length. */
#define HEAD_FRAME_MAX (H2_FRAME_HEAD + 1 + 5 + HPACK_DATE_LEN + 16 + 32)

size_t h2_head_size(const struct h2_stream *s, int64_t length)
{
    const struct reply *r = &s->x.reply;
    size_t size = HEAD_FRAME_MAX + r->type.len;
    (void)length;
    for (const struct reply_field *f = r->fields; f; f = f->next)
        size += hpack_field_bound(f->name_len, f->line_len);
    return size;
}

char *h2_head_compose(const struct h2_stream *s, int64_t length, bool last, char *to)
{
    const struct reply *r = &s->x.reply;
    struct h2_kept *kept = &s->h2->kept;
    uint8_t *begin = (uint8_t *)to, *at = begin + H2_FRAME_HEAD;
    if (unlikely(!kept->table_refused)) {
        *at++ = HPACK_NO_TABLE; /* a client may have to be told, once, that this side's encoder has none */
        kept->table_refused = true;
    }
    at = hpack_put_status(at, r->status);
    at = hpack_put_date(at, s->x.http->ok_head + HTTP_DATE_AT);
    if (r->type.len)
        at = hpack_put_type(at, r->type);
    for (const struct reply_field *f = r->fields; f; f = f->next)
        if (likely(!is_of_connection(reply_field_name(f))))
            at = hpack_put_field(at, reply_field_name(f), reply_field_value(f));
    if (tells_length(s, length))
        at = hpack_put_length(at, (uint64_t)length);
    h2_frame_write(begin, (uint32_t)(at - begin - H2_FRAME_HEAD), H2_HEADERS,
                   H2_END_HEADERS | (last ? H2_END_STREAM : 0u), s->id);
    return (char *)at;
}

size_t h2_trailers_size(const struct h2_stream *s)
{
    const struct reply *r = &s->x.reply;
    size_t size = r->trailers && r->form != REPLY_BODYLESS ? H2_FRAME_HEAD : 0;
    for (const struct reply_field *f = r->trailers; f && size > 0; f = f->next)
        size += hpack_field_bound(f->name_len, f->line_len);
    return size;
}

char *h2_trailers_compose(const struct h2_stream *s, char *to)
{
    uint8_t *begin = (uint8_t *)to, *at = begin + H2_FRAME_HEAD;
    for (const struct reply_field *f = s->x.reply.trailers; f; f = f->next)
        at = hpack_put_field(at, reply_field_name(f), reply_field_value(f));
    h2_frame_write(begin, (uint32_t)(at - begin - H2_FRAME_HEAD), H2_HEADERS, H2_END_HEADERS | H2_END_STREAM, s->id);
    return (char *)at;
}

void h2_bare_reply(struct h2 *h, uint32_t id, int status, bool last)
{
    uint8_t frame[H2_FRAME_HEAD + 64], *at = frame + H2_FRAME_HEAD;
    at = hpack_put_status(at, status);
    if (status >= 200) {
        at = hpack_put_date(at, h->http->ok_head + HTTP_DATE_AT);
        at = hpack_put_length(at, 0);
    }
    if (status == 503)
        at = hpack_put_field(at, slice_of("retry-after", 11), slice_of("1", 1));
    h2_frame_write(frame, (uint32_t)(at - frame - H2_FRAME_HEAD), H2_HEADERS,
                   H2_END_HEADERS | (last ? H2_END_STREAM : 0u), id);
    h2_control(h, frame, (size_t)(at - frame));
    counter_add(&h->http->counters.replies[status / 100], 1);
}
