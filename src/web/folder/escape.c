/*
 * Escaping names.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/folder/escape.h"

#include <stdint.h>

static bool continues(unsigned char c)
{
    return (c & 0xc0) == 0x80;
}

/* The length of the character at p of UTF-8 (RFC 3629), or 0: there is none, or a control character beyond ASCII. */
static size_t character(const unsigned char *p, size_t left)
{
    if (p[0] < 0x80)
        return 1;
    if (p[0] >= 0xc2 && p[0] <= 0xdf)
        return left >= 2 && continues(p[1]) && !(p[0] == 0xc2 && p[1] < 0xa0) ? 2 : 0;
    if (p[0] >= 0xe0 && p[0] <= 0xef) {
        bool good = left >= 3 && continues(p[1]) && continues(p[2]) && !(p[0] == 0xe0 && p[1] < 0xa0) &&
                    !(p[0] == 0xed && p[1] > 0x9f);
        return good ? 3 : 0;
    }
    if (p[0] >= 0xf0 && p[0] <= 0xf4) {
        bool good = left >= 4 && continues(p[1]) && continues(p[2]) && continues(p[3]) &&
                    !(p[0] == 0xf0 && p[1] < 0x90) && !(p[0] == 0xf4 && p[1] > 0x8f);
        return good ? 4 : 0;
    }
    return 0;
}

/* What a byte becomes that may not stand for itself; NULL: it may. */
static const char *reference(unsigned char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return c < 0x20 || c == 0x7f ? "\xef\xbf\xbd" : NULL;
    }
}

/* Whether a character of three bytes has others be shown in another order than they stand in (U+200E, U+200F, U+202A to
 * U+202E, U+2066 to U+2069): a name that ends with "exe" would end with "gpj". */
static bool turns(const unsigned char *p)
{
    if (p[0] != 0xe2)
        return false;
    return p[1] == 0x80 ? p[2] == 0x8e || p[2] == 0x8f || (p[2] >= 0xaa && p[2] <= 0xae)
                        : p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9;
}

size_t escape_html(char *out, struct slice text)
{
    const unsigned char *p = (const unsigned char *)text.data;
    size_t len = 0;
    for (size_t at = 0; at < text.len;) {
        size_t bytes = character(p + at, text.len - at);
        const char *other = bytes == 1 ? reference(p[at]) : NULL;
        if (bytes == 0 || (bytes == 3 && turns(p + at)))
            other = "\xef\xbf\xbd";
        if (other) {
            size_t other_len = strlen(other);
            memcpy(out + len, other, other_len);
            len += other_len;
            at += bytes > 0 ? bytes : 1;
        } else {
            memcpy(out + len, p + at, bytes);
            len += bytes;
            at += bytes;
        }
    }
    return len;
}

static bool is_unreserved(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
           c == '_' || c == '~';
}

size_t escape_url(char *out, struct slice text)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (is_unreserved(c)) {
            out[len++] = (char)c;
        } else {
            out[len++] = '%';
            out[len++] = digits[c >> 4];
            out[len++] = digits[c & 15];
        }
    }
    return len;
}
