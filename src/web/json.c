/*
 * Writing JSON strings: one function measures and writes, so that the two cannot disagree. And the depth of a text,
 * which is found without a stack.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/json.h"
#include "weir.h"

#include <stdint.h>

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

/* The range of a character's second byte, which excludes overlong forms, surrogates and what is beyond U+10FFFF. */
static void second_byte_range(unsigned char first, unsigned char *low, unsigned char *high)
{
    *low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    *high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
}

/*
 * The length of the character at p or, if that is wrong, of the longest beginning of one (at least 1); *valid tells
 * which. There are left bytes, at least one, and the first is not ASCII.
 */
static size_t utf8_length(const char *p, size_t left, bool *valid)
{
    unsigned char first = (unsigned char)p[0];
    size_t len = first >= 0xc2 && first <= 0xdf   ? 2
                 : first >= 0xe0 && first <= 0xef ? 3
                 : first >= 0xf0 && first <= 0xf4 ? 4
                                                  : 0;
    unsigned char low;
    unsigned char high;
    *valid = false;
    if (len == 0)
        return 1;
    second_byte_range(first, &low, &high);
    for (size_t i = 1; i < len; i++) {
        if (i == left || (unsigned char)p[i] < low || (unsigned char)p[i] > high)
            return i;
        low = 0x80;
        high = 0xbf;
    }
    *valid = true;
    return len;
}

static inline bool is_plain(char c)
{
    return (unsigned char)c >= 0x20 && (unsigned char)c < 0x80 && c != '"' && c != '\\';
}

/* Writes the escape of an ASCII byte that needs one; returns its length. */
static size_t escape(char c, char out[6])
{
    static const char digits[] = "0123456789abcdef";
    static const char from[] = "\"\\\b\f\n\r\t";
    static const char to[] = "\"\\bfnrt";
    const char *found = c ? strchr(from, c) : NULL;
    out[0] = '\\';
    if (found) {
        out[1] = to[found - from];
        return 2;
    }
    memcpy(out + 1, "u00", 3);
    out[4] = digits[(unsigned char)c >> 4];
    out[5] = digits[(unsigned char)c & 15];
    return 6;
}

/* Adds bytes to out at *len, or only counts them if out is NULL. */
static inline void put(char *out, size_t *len, const char *bytes, size_t count)
{
    if (out)
        memcpy(out + *len, bytes, count);
    *len += count;
}

static size_t write_string(struct slice text, char *out)
{
    size_t len = 0;
    put(out, &len, "\"", 1);
    for (size_t at = 0; at < text.len;) {
        size_t run = at;
        while (run < text.len && is_plain(text.data[run]))
            run++;
        if (run > at)
            put(out, &len, text.data + at, run - at);
        at = run;
        if (at == text.len)
            break;
        if ((unsigned char)text.data[at] < 0x80) {
            char escaped[6];
            size_t escaped_len = escape(text.data[at], escaped);
            put(out, &len, escaped, escaped_len);
            at++;
        } else {
            bool valid;
            size_t bytes = utf8_length(text.data + at, text.len - at, &valid);
            put(out, &len, valid ? text.data + at : REPLACEMENT, valid ? bytes : sizeof REPLACEMENT - 1);
            at += bytes;
        }
    }
    put(out, &len, "\"", 1);
    return len;
}

size_t json_string_size(struct slice text)
{
    return write_string(text, NULL);
}

size_t json_string_write(struct slice text, char *out)
{
    return write_string(text, out);
}

const char *json_string(struct slice text, struct arena *arena)
{
    size_t size = json_string_size(text);
    char *out = arena_alloc(arena, size + 1);
    if (!out)
        return NULL;
    json_string_write(text, out);
    out[size] = '\0';
    return out;
}

/* The end of the string that begins at at, behind its quote: its closing quote, or the end of the text. */
static size_t string_end(struct slice text, size_t at)
{
    while (at < text.len && text.data[at] != '"')
        at += text.data[at] == '\\' ? 2 : 1;
    return at;
}

size_t weir_json_depth(const char *text, size_t len)
{
    struct slice json = slice_of(text, text ? len : 0);
    size_t depth = 0, most = 0;
    for (size_t at = 0; at < json.len; at++) {
        char c = json.data[at];
        if (c == '"')
            at = string_end(json, at + 1);
        else if (c == '[' || c == '{')
            most = ++depth > most ? depth : most;
        else if ((c == ']' || c == '}') && depth > 0)
            depth--;
    }
    return most;
}
