/*
 * The decoder of the chunked coding. Extensions are checked byte by byte and dropped; trailer fields are checked and
 * collected.
 *
 * Whitespace is accepted within a quoted string and nowhere else in the line of a chunk's size. The grammar has "bad
 * whitespace" around ";" and "=", which has been read differently by two servers in a row too often (RFC 9112 section
 * 7.1.1).
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/h1/chunked.h"
#include "http/scan.h"
#include "http/trailer.h"

enum phase {
    PHASE_SIZE,
    PHASE_EXTENSION, /* at the first byte of a name */
    PHASE_EXTENSION_NAME,
    PHASE_EXTENSION_EQUALS, /* behind the equals sign */
    PHASE_EXTENSION_VALUE,
    PHASE_EXTENSION_QUOTED,
    PHASE_EXTENSION_ESCAPED,
    PHASE_EXTENSION_CLOSED, /* behind a quoted string */
    PHASE_SIZE_LF,
    PHASE_DATA,
    PHASE_DATA_CR,
    PHASE_DATA_LF,
    PHASE_TRAILER_LINE, /* at the first byte of a trailer line */
    PHASE_TRAILER_NAME,
    PHASE_TRAILER_SPACE,
    PHASE_TRAILER_VALUE,
    PHASE_TRAILER_LF,
    PHASE_END_LF,
};

enum reason {
    REASON_NONE,
    REASON_SIZE_LARGE,
    REASON_SIZE_EMPTY,
    REASON_SIZE,
    REASON_EXTENSION,
    REASON_EXTENSION_LONG,
    REASON_SIZE_CR,
    REASON_TRAILER,
    REASON_TRAILER_FIELD,
    REASON_TRAILER_LONG,
    REASON_TRAILER_CR,
    REASON_DATA,
};

static const char *const reasons[] = {
    [REASON_NONE] = "",
    [REASON_SIZE_LARGE] = "chunk size too large",
    [REASON_SIZE_EMPTY] = "empty chunk size",
    [REASON_SIZE] = "malformed chunk size",
    [REASON_EXTENSION] = "malformed chunk extension",
    [REASON_EXTENSION_LONG] = "chunk extensions too long",
    [REASON_SIZE_CR] = "bare CR in a chunk size",
    [REASON_TRAILER] = "malformed trailer",
    [REASON_TRAILER_FIELD] = "a field that no trailer may hold",
    [REASON_TRAILER_LONG] = "trailer section too long",
    [REASON_TRAILER_CR] = "bare CR in a trailer",
    [REASON_DATA] = "chunk data without its CRLF",
};

const char *h1_chunked_reason(const struct h1_chunked *d)
{
    return reasons[d->reason];
}

#define CHUNK_DIGITS_MAX   15 /* more would overflow a length */
#define DATA_PER_EXTENSION 16 /* bytes of data that pay for one of an extension */

void h1_chunked_begin(struct h1_chunked *d, uint16_t extension_max, uint16_t trailer_max)
{
    *d = (struct h1_chunked){
        .extension_left = extension_max, .extension_max = extension_max, .trailer_left = trailer_max};
}

static int refuse_as(struct h1_chunked *d, enum reason reason, enum h1_chunked_event event)
{
    d->reason = (uint8_t)reason;
    return event;
}

static int refuse(struct h1_chunked *d, enum reason reason)
{
    return refuse_as(d, reason, CHUNKED_BAD);
}

/* ---- The line of a chunk's size ---- */

static unsigned hex_value(char c)
{
    return c <= '9' ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a' + 10);
}

/* Counts a byte that is read and dropped. */
static int extension_count(struct h1_chunked *d)
{
    if (d->extension_left == 0)
        return refuse_as(d, REASON_EXTENSION_LONG, CHUNKED_LONG_EXTENSION);
    d->extension_left--;
    return 0;
}

/* Data of len bytes comes, and pays for extensions. */
static void extension_refill(struct h1_chunked *d, uint64_t len)
{
    uint64_t paid = len / DATA_PER_EXTENSION, room = (uint64_t)d->extension_max - d->extension_left;
    d->extension_left = (uint16_t)(d->extension_left + (paid < room ? paid : room));
}

static int size_digit(struct h1_chunked *d, char c)
{
    bool zero = c == '0' && d->digits == 0, first = !d->sized;
    d->sized = true;
    if (zero)
        return first ? 0 : extension_count(d);
    if (d->digits++ == CHUNK_DIGITS_MAX)
        return refuse(d, REASON_SIZE_LARGE);
    d->left = d->left * 16 + hex_value(c);
    return 0;
}

static int size_byte(struct h1_chunked *d, char c)
{
    if (scan_is(c, SCAN_HEX))
        return size_digit(d, c);
    if (!d->sized)
        return refuse(d, REASON_SIZE_EMPTY);
    if (c == '\r')
        d->phase = PHASE_SIZE_LF;
    else if (c == ';')
        d->phase = PHASE_EXTENSION;
    else
        return refuse(d, REASON_SIZE);
    return 0;
}

/* What may follow a name or a value; PHASE_SIZE for what may not. */
static uint8_t extension_over(char c)
{
    return c == ';' ? PHASE_EXTENSION : c == '\r' ? PHASE_SIZE_LF : PHASE_SIZE;
}

/* The phase that a byte of an extension leads to; PHASE_SIZE: it has no place there. */
static uint8_t extension_next(uint8_t phase, char c)
{
    bool token = scan_is(c, SCAN_TOKEN);
    switch (phase) {
    case PHASE_EXTENSION:
        return token ? PHASE_EXTENSION_NAME : PHASE_SIZE;
    case PHASE_EXTENSION_NAME:
        return token ? phase : c == '=' ? PHASE_EXTENSION_EQUALS : extension_over(c);
    case PHASE_EXTENSION_EQUALS:
        return token ? PHASE_EXTENSION_VALUE : c == '"' ? PHASE_EXTENSION_QUOTED : PHASE_SIZE;
    case PHASE_EXTENSION_VALUE:
        return token ? phase : extension_over(c);
    case PHASE_EXTENSION_QUOTED:
        if (c == '"')
            return PHASE_EXTENSION_CLOSED;
        if (c == '\\')
            return PHASE_EXTENSION_ESCAPED;
        return scan_is(c, SCAN_VALUE) ? phase : PHASE_SIZE;
    case PHASE_EXTENSION_ESCAPED:
        return scan_is(c, SCAN_VALUE) ? PHASE_EXTENSION_QUOTED : PHASE_SIZE;
    default:
        return extension_over(c);
    }
}

static int extension_byte(struct h1_chunked *d, char c)
{
    d->phase = extension_next(d->phase, c);
    if (d->phase == PHASE_SIZE)
        return refuse(d, REASON_EXTENSION);
    return d->phase == PHASE_SIZE_LF ? 0 : extension_count(d);
}

static int size_lf_byte(struct h1_chunked *d, char c)
{
    if (c != '\n')
        return refuse(d, REASON_SIZE_CR);
    d->phase = d->left > 0 ? PHASE_DATA : PHASE_TRAILER_LINE;
    d->digits = 0;
    d->sized = false;
    extension_refill(d, d->left);
    return 0;
}

/* ---- The trailer section ---- */

static void trailer_keep(struct h1_chunked *d, char *trailer, char c)
{
    trailer[d->trailer_len++] = c;
}

static int trailer_name_byte(struct h1_chunked *d, char *trailer, char c)
{
    if (scan_is(c, SCAN_TOKEN)) {
        trailer_keep(d, trailer, c);
        return 0;
    }
    if (c != ':')
        return refuse(d, REASON_TRAILER);
    if (trailer_is_forbidden(slice_of(trailer + d->part, d->trailer_len - d->part)))
        return refuse(d, REASON_TRAILER_FIELD);
    trailer_keep(d, trailer, '\0');
    d->part = d->trailer_len;
    d->phase = PHASE_TRAILER_SPACE;
    return 0;
}

static int trailer_value_byte(struct h1_chunked *d, char *trailer, char c)
{
    if (c == '\r') {
        while (d->trailer_len > d->part && (trailer[d->trailer_len - 1] == ' ' || trailer[d->trailer_len - 1] == '\t'))
            d->trailer_len--;
        trailer_keep(d, trailer, '\0');
        d->phase = PHASE_TRAILER_LF;
        return 0;
    }
    if (!scan_is(c, SCAN_VALUE))
        return refuse(d, REASON_TRAILER);
    trailer_keep(d, trailer, c);
    return 0;
}

static int trailer_byte(struct h1_chunked *d, char *trailer, char c)
{
    if (d->trailer_left == 0)
        return refuse_as(d, REASON_TRAILER_LONG, CHUNKED_LONG_TRAILER);
    d->trailer_left--;
    switch (d->phase) {
    case PHASE_TRAILER_LINE:
        d->part = d->trailer_len;
        d->phase = c == '\r' ? PHASE_END_LF : PHASE_TRAILER_NAME;
        if (c == '\r')
            return 0;
        return c == ':' ? refuse(d, REASON_TRAILER) : trailer_name_byte(d, trailer, c);
    case PHASE_TRAILER_NAME:
        return trailer_name_byte(d, trailer, c);
    case PHASE_TRAILER_SPACE:
        if (c == ' ' || c == '\t')
            return 0;
        d->phase = PHASE_TRAILER_VALUE;
        return trailer_value_byte(d, trailer, c);
    case PHASE_TRAILER_VALUE:
        return trailer_value_byte(d, trailer, c);
    default:
        if (c != '\n')
            return refuse(d, REASON_TRAILER_CR);
        if (d->phase == PHASE_END_LF)
            return CHUNKED_END;
        d->phase = PHASE_TRAILER_LINE;
        return 0;
    }
}

bool h1_chunked_trailer(const struct h1_chunked *d, const char *trailer, size_t i, const char **name,
                        const char **value)
{
    const char *at = trailer, *end = at + d->trailer_len;
    for (; at < end; i--) {
        const char *second = at + strlen(at) + 1;
        if (i == 0) {
            *name = at;
            *value = second;
            return true;
        }
        at = second + strlen(second) + 1;
    }
    return false;
}

/* ---- The whole ---- */

static int framing_byte(struct h1_chunked *d, char *trailer, char c)
{
    switch (d->phase) {
    case PHASE_SIZE:
        return size_byte(d, c);
    case PHASE_SIZE_LF:
        return size_lf_byte(d, c);
    case PHASE_DATA_CR:
        d->phase = PHASE_DATA_LF;
        return c == '\r' ? 0 : refuse(d, REASON_DATA);
    case PHASE_DATA_LF:
        d->phase = PHASE_SIZE;
        return c == '\n' ? 0 : refuse(d, REASON_DATA);
    default:
        return d->phase < PHASE_SIZE_LF ? extension_byte(d, c) : trailer_byte(d, trailer, c);
    }
}

enum h1_chunked_event h1_chunked_next(struct h1_chunked *d, struct slice input, size_t *used, struct slice *data,
                                      char *trailer)
{
    for (size_t i = 0; i < input.len; i++) {
        if (d->phase == PHASE_DATA) {
            size_t len = input.len - i < d->left ? input.len - i : (size_t)d->left;
            *data = slice_of(input.data + i, len);
            d->left -= len;
            if (d->left == 0)
                d->phase = PHASE_DATA_CR;
            *used = i + len;
            return CHUNKED_DATA;
        }
        int event = framing_byte(d, trailer, input.data[i]);
        if (event != 0) {
            *used = i + 1;
            return (enum h1_chunked_event)event;
        }
    }
    *used = input.len;
    return CHUNKED_MORE;
}
