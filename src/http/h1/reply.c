/*
 * Composing a reply's head (RFC 9112 sections 4 and 6). Everything that says where the message ends is written here and
 * nowhere else.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/h1/h1.h"
#include "http/status.h"

#define PUT(to, literal) (memcpy((to), (literal), sizeof(literal) - 1), (to) + sizeof(literal) - 1)
#define LEN(literal)     (sizeof(literal) - 1)

static inline unsigned decimal_digits(uint64_t n)
{
    unsigned digits = 1;
    for (uint64_t power = 10; n >= power; power *= 10)
        if (++digits == 20)
            break;
    return digits;
}

char *h1_put_decimal(char *to, uint64_t n)
{
    if (likely(n < 100)) {
        if (n >= 10)
            *to++ = (char)('0' + n / 10);
        *to++ = (char)('0' + n % 10);
        return to;
    }
    char *end = to + decimal_digits(n), *at = end;
    for (; n >= 10; n /= 10)
        *--at = (char)('0' + n % 10);
    *--at = (char)('0' + n);
    return end;
}

unsigned h1_hex_digits(uint64_t n)
{
    return n ? (67 - (unsigned)__builtin_clzll(n)) / 4 : 1;
}

char *h1_put_hex(char *to, uint64_t n)
{
    unsigned digits = h1_hex_digits(n);
    for (unsigned i = digits; i > 0; i--, n >>= 4)
        to[i - 1] = "0123456789abcdef"[n & 15];
    return to + digits;
}

enum framing { FRAMING_NONE, FRAMING_LENGTH, FRAMING_CHUNKED };

/* RFC 9110 section 8.6 and RFC 9112 section 6: no length on 1xx and 204; chunked only for a stream, in HTTP/1.1. */
static enum framing reply_framing(const struct h1 *h, int64_t length)
{
    int status = h->x.reply.status;
    if (status < 200 || status == 204 || (status == 304 && length <= 0))
        return FRAMING_NONE;
    if (length >= 0)
        return FRAMING_LENGTH;
    return h->x.head.version >= WEIR_HTTP_1_1 ? FRAMING_CHUNKED : FRAMING_NONE;
}

/* Whether a Connection field is needed, and which. */
static inline const char *reply_connection(const struct h1 *h, size_t *len)
{
    if (unlikely(h->x.reply.status == 426) && h->x.head.version == WEIR_HTTP_1_1) { /* has Upgrade (RFC 9110) */
        *len = h->ending != ENDING_KEEP ? LEN("Connection: close, Upgrade\r\n") : LEN("Connection: Upgrade\r\n");
        return h->ending != ENDING_KEEP ? "Connection: close, Upgrade\r\n" : "Connection: Upgrade\r\n";
    }
    if (h->ending != ENDING_KEEP) {
        *len = LEN("Connection: close\r\n");
        return "Connection: close\r\n";
    }
    if (h->x.head.version == WEIR_HTTP_1_0) {
        *len = LEN("Connection: keep-alive\r\n");
        return "Connection: keep-alive\r\n";
    }
    *len = 0;
    return "";
}

/* The longest status line, Date, the frame of Content-Type, a length, Connection and the empty line. */
#define HEAD_FRAME_MAX 256

size_t h1_head_room(const struct h1 *h)
{
    const struct reply *r = &h->x.reply;
    size_t room = HEAD_FRAME_MAX + r->type.len;
    for (const struct reply_field *f = r->fields; f; f = f->next)
        room += f->line_len;
    return room;
}

size_t h1_head_size(const struct h1 *h, int64_t length)
{
    const struct reply *r = &h->x.reply;
    size_t size = HTTP_OK_HEAD_LEN + LEN("\r\n"), connection;
    if (unlikely(r->status != 200))
        size = size + status_reason(r->status).len - LEN("OK");
    if (r->type.len)
        size += LEN("Content-Type: \r\n") + r->type.len;
    for (const struct reply_field *f = r->fields; f; f = f->next)
        size += f->line_len;
    enum framing framing = reply_framing(h, length);
    if (framing == FRAMING_LENGTH)
        size += LEN("Content-Length: \r\n") + decimal_digits((uint64_t)length);
    else if (framing == FRAMING_CHUNKED)
        size += LEN("Transfer-Encoding: chunked\r\n");
    reply_connection(h, &connection);
    return size + connection;
}

/* The status line and the date; the most common one is ready-made. */
static inline char *put_status(const struct h1 *h, char *to)
{
    const char *ready = h->x.http->ok_head;
    if (likely(h->x.reply.status == 200)) {
        memcpy(to, ready, HTTP_OK_HEAD_LEN);
        return to + HTTP_OK_HEAD_LEN;
    }
    struct slice reason = status_reason(h->x.reply.status);
    to = PUT(to, "HTTP/1.1 ");
    to = h1_put_decimal(to, (uint64_t)h->x.reply.status);
    *to++ = ' ';
    memcpy(to, reason.data, reason.len);
    to = PUT(to + reason.len, "\r\nDate: ");
    memcpy(to, ready + HTTP_DATE_AT, DATE_LEN + 2);
    return to + DATE_LEN + 2;
}

char *h1_head_compose(const struct h1 *h, int64_t length, char *to)
{
    const struct reply *r = &h->x.reply;
    to = put_status(h, to);
    if (r->type.len) {
        to = PUT(to, "Content-Type: ");
        to = h1_put_text(to, r->type.data, r->type.len);
        to = PUT(to, "\r\n");
    }
    for (const struct reply_field *f = r->fields; f; f = f->next) {
        memcpy(to, f->line, f->line_len);
        to += f->line_len;
    }
    enum framing framing = reply_framing(h, length);
    if (framing == FRAMING_LENGTH) {
        to = PUT(to, "Content-Length: ");
        to = h1_put_decimal(to, (uint64_t)length);
        to = PUT(to, "\r\n");
    } else if (framing == FRAMING_CHUNKED) {
        to = PUT(to, "Transfer-Encoding: chunked\r\n");
    }
    size_t connection;
    const char *line = reply_connection(h, &connection);
    if (connection)
        to = h1_put_text(to, line, connection);
    return PUT(to, "\r\n");
}

/* ---- What most replies are ---- */

/* Whether a reply is complete and has nothing but status 200, a type and a small static body, or none. */
static inline bool reply_is_usual(const struct h1 *h)
{
    const struct reply *r = &h->x.reply;
    if (r->status != 200 || r->phase != REPLY_FINAL || r->form != REPLY_PLAIN || r->close || r->fields)
        return false;
    if (r->body.kind != SEGMENT_STATIC || r->body.len > H1_JOIN_MAX || h->open || r->type.len == 0)
        return false;
    return h->ending == ENDING_KEEP && h->x.head.version != WEIR_HTTP_1_0 && !h1_net(h)->draining;
}

/* h1_put_decimal() for a number below 1000. */
static inline char *put_small(char *to, unsigned n)
{
    if (n >= 100) {
        *to++ = (char)('0' + n / 100);
        n %= 100;
        *to++ = (char)('0' + n / 10);
    } else if (n >= 10) {
        *to++ = (char)('0' + n / 10);
    }
    *to++ = (char)('0' + n % 10);
    return to;
}

/* Puts it behind what is in the region, where there is room. */
static inline void put_usual(struct h1 *h, size_t len)
{
    struct reply *r = &h->x.reply;
    char *start = h->pos, *to = start;
    memcpy(to, h->x.http->ok_head, HTTP_OK_HEAD_LEN);
    to = PUT(to + HTTP_OK_HEAD_LEN, "Content-Type: ");
    to = h1_put_text(to, r->type.data, r->type.len);
    to = PUT(to, "\r\nContent-Length: ");
    to = put_small(to, (unsigned)len);
    to = PUT(to, "\r\n\r\n");
    debug_assert((size_t)(to - start) == h1_head_size(h, (int64_t)len));
    to = h1_put_text(to, r->body.data, len);
    h->pos = to;
    h->x.body_sent = len;
    r->phase = REPLY_ENDED;
    r->body.len = 0;
    output_push_region(&h->out, start, (size_t)(to - start));
}

bool h1_put_usual(struct h1 *h)
{
    const struct reply *r = &h->x.reply;
    size_t len = r->body.len;
    if (!reply_is_usual(h) || (!h->region && !h1_choose_region(h)) ||
        !h1_room_is_there(h, HEAD_FRAME_MAX + r->type.len + len))
        return false;
    put_usual(h, len);
    return true;
}
