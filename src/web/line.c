/*
 * The reader of lines. Nobody strips what ends a line: a CR before the newline is the line's.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/line.h"
#include "weir.h"

/* Cuts off what the piece has of the line: up to its newline (*ended), or all. */
static struct slice cut(struct slice *rest, bool *ended)
{
    const char *newline = memchr(rest->data, '\n', rest->len);
    *ended = newline != NULL;
    return slice_of(rest->data, newline ? (size_t)(newline - rest->data) + 1 : rest->len);
}

ssize_t line_read(const struct line_source *source, struct line *line, const char **where)
{
    struct slice *rest = source->rest;
    line->len = 0;
    for (bool ended = false; !ended;) {
        if (rest->len == 0) {
            ssize_t n = source->more(source->owner, rest);
            if (n < 0)
                return n;
            if (n == 0)
                break;
        }
        struct slice part = cut(rest, &ended);
        if (part.len >= line->size - line->len)
            return WEIR_ETOOBIG;
        *rest = slice_of(rest->data + part.len, rest->len - part.len);
        if (where && ended && line->len == 0) {
            *where = part.data;
            return (ssize_t)part.len;
        }
        memcpy(line->buf + line->len, part.data, part.len);
        line->len += part.len;
    }
    line->buf[line->len] = '\0';
    if (where)
        *where = line->buf;
    return (ssize_t)line->len;
}
