/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "chunk.h"

#include <stdlib.h>
#include <string.h>

enum { SIZE_MAX_DIGITS = 8 };

static const char DATA[] = "data: ";

/* Length of a chunk's first line, with its end, and the size that it tells; 0: it has not come whole. */
static size_t parse_line(const uint8_t *data, size_t len, size_t *size)
{
    char digits[SIZE_MAX_DIGITS + 1] = {0};
    const uint8_t *end = memchr(data, '\n', len);
    if (!end)
        return 0;
    size_t line = (size_t)(end - data) + 1;
    memcpy(digits, data, line < SIZE_MAX_DIGITS ? line : SIZE_MAX_DIGITS);
    *size = strtoul(digits, NULL, 16);
    if (*size == 0)
        fail("an event stream ended");
    return line;
}

static void take_events(struct stream *s, const uint8_t *data, size_t len, stream_taker *take, void *arg)
{
    while (len > 0) {
        const uint8_t *end = memchr(data, '\n', len);
        if (!end)
            fail("a chunk ends within a line");
        size_t line = (size_t)(end - data);
        if (line >= sizeof DATA - 1 && memcmp(data, DATA, sizeof DATA - 1) == 0)
            take(s, data + sizeof DATA - 1, line - (sizeof DATA - 1), arg);
        data += line + 1;
        len -= line + 1;
    }
}

size_t chunks_take(struct stream *s, const uint8_t *data, size_t len, stream_taker *take, void *arg)
{
    size_t at = 0, line, size = 0;
    while ((line = parse_line(data + at, len - at, &size)) > 0 && line + size + 2 <= len - at) {
        take_events(s, data + at + line, size, take, arg);
        at += line + size + 2;
    }
    return at;
}
