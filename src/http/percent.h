/*
 * Percent escapes (RFC 3986 section 2.1), for paths, patterns and query strings. What a wrong escape means differs
 * from user to user, so this file only tells what stands there.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_HTTP_PERCENT_H
#define WEIR_HTTP_PERCENT_H

/* The value of a hexadecimal digit, or -1. */
static inline int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* The byte that the escape at p stands for (*p is '%', end is the end of the text), or -1 if it is not an escape. */
static inline int percent_value(const char *p, const char *end)
{
    if (end - p < 3)
        return -1;
    int high = hex_value(p[1]);
    int low = hex_value(p[2]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

#endif
