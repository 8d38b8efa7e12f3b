/*
 * The decoder of the chunked coding. Extensions and trailer fields are checked byte by byte and dropped.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/h1_chunked.h"
#include "http/scan.h"

enum phase {
    PHASE_SIZE,
    PHASE_EXTENSION,
    PHASE_SIZE_LF,
    PHASE_DATA,
    PHASE_DATA_CR,
    PHASE_DATA_LF,
    PHASE_TRAILER_LINE, /* at the first byte of a trailer line */
    PHASE_TRAILER_NAME,
    PHASE_TRAILER_VALUE,
    PHASE_TRAILER_LF,
    PHASE_END_LF,
};

#define CHUNK_DIGITS_MAX 15 /* more would overflow a length */

void h1_chunked_begin(struct h1_chunked *d)
{
    *d = (struct h1_chunked){0};
}

static int refuse(struct h1_chunked *d, const char *reason)
{
    d->reason = reason;
    return CHUNKED_BAD;
}

static unsigned hex_value(char c)
{
    return c <= '9' ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a' + 10);
}

static int size_byte(struct h1_chunked *d, char c)
{
    if (scan_is(c, SCAN_HEX)) {
        if (d->digits++ == CHUNK_DIGITS_MAX)
            return refuse(d, "chunk size too large");
        d->left = d->left * 16 + hex_value(c);
        return 0;
    }
    if (d->digits == 0)
        return refuse(d, "empty chunk size");
    if (c == '\r')
        d->phase = PHASE_SIZE_LF;
    else if (c == ';')
        d->phase = PHASE_EXTENSION;
    else
        return refuse(d, "malformed chunk size");
    return 0;
}

static int extension_byte(struct h1_chunked *d, char c)
{
    if (c == '\r') {
        d->phase = PHASE_SIZE_LF;
        return 0;
    }
    if (!scan_is(c, SCAN_VALUE))
        return refuse(d, "malformed chunk extension");
    return ++d->extension > CHUNK_EXTENSION_MAX ? CHUNKED_TOO_LONG : 0;
}

static int size_lf_byte(struct h1_chunked *d, char c)
{
    if (c != '\n')
        return refuse(d, "bare CR in a chunk size");
    d->phase = d->left > 0 ? PHASE_DATA : PHASE_TRAILER_LINE;
    d->digits = 0;
    return 0;
}

static int trailer_byte(struct h1_chunked *d, char c)
{
    if (++d->trailer > CHUNK_TRAILER_MAX)
        return CHUNKED_TOO_LONG;
    switch (d->phase) {
    case PHASE_TRAILER_LINE:
        if (c == '\r')
            d->phase = PHASE_END_LF;
        else if (scan_is(c, SCAN_TOKEN))
            d->phase = PHASE_TRAILER_NAME;
        else
            return refuse(d, "malformed trailer");
        return 0;
    case PHASE_TRAILER_NAME:
        if (c == ':')
            d->phase = PHASE_TRAILER_VALUE;
        else if (!scan_is(c, SCAN_TOKEN))
            return refuse(d, "malformed trailer");
        return 0;
    case PHASE_TRAILER_VALUE:
        if (c == '\r')
            d->phase = PHASE_TRAILER_LF;
        else if (!scan_is(c, SCAN_VALUE))
            return refuse(d, "malformed trailer");
        return 0;
    default:
        if (c != '\n')
            return refuse(d, "bare CR in a trailer");
        if (d->phase == PHASE_END_LF)
            return CHUNKED_END;
        d->phase = PHASE_TRAILER_LINE;
        return 0;
    }
}

static int framing_byte(struct h1_chunked *d, char c)
{
    switch (d->phase) {
    case PHASE_SIZE:
        return size_byte(d, c);
    case PHASE_EXTENSION:
        return extension_byte(d, c);
    case PHASE_SIZE_LF:
        return size_lf_byte(d, c);
    case PHASE_DATA_CR:
        d->phase = PHASE_DATA_LF;
        return c == '\r' ? 0 : refuse(d, "chunk data without its CRLF");
    case PHASE_DATA_LF:
        d->phase = PHASE_SIZE;
        return c == '\n' ? 0 : refuse(d, "chunk data without its CRLF");
    default:
        return trailer_byte(d, c);
    }
}

enum h1_chunked_event h1_chunked_next(struct h1_chunked *d, struct slice input, size_t *used, struct slice *data)
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
        int event = framing_byte(d, input.data[i]);
        if (event != 0) {
            *used = i + 1;
            return (enum h1_chunked_event)event;
        }
    }
    *used = input.len;
    return CHUNKED_MORE;
}
