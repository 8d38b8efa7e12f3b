/*
 * Reading JSON.
 *
 * SPDX-License-Identifier: MIT
 */
#include "cli/json_read.h"

#include <stdlib.h>
#include <string.h>

/* ---- Scanning: each function returns behind what it scans, or NULL if the text is wrong ---- */

static const char *skip_space(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r'))
        p++;
    return p;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int hex_value(char c)
{
    return is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static const char *scan_string(const char *p, const char *end)
{
    for (p++; p < end && *p != '"'; p++) {
        if ((unsigned char)*p < 0x20)
            return NULL;
        if (*p != '\\')
            continue;
        if (++p == end || !strchr("\"\\/bfnrtu", *p))
            return NULL;
        for (int i = 0; *p == 'u' && i < 4; i++)
            if (p + 1 + i >= end || hex_value(p[1 + i]) < 0)
                return NULL;
    }
    return p < end ? p + 1 : NULL;
}

static const char *scan_digits(const char *p, const char *end)
{
    const char *first = p;
    while (p < end && is_digit(*p))
        p++;
    return p > first ? p : NULL;
}

static const char *scan_number(const char *p, const char *end)
{
    if (*p == '-')
        p++;
    if (p + 1 < end && p[0] == '0' && is_digit(p[1]))
        return NULL;
    p = scan_digits(p, end);
    if (p && p < end && *p == '.')
        p = scan_digits(p + 1, end);
    if (p && p < end && (*p == 'e' || *p == 'E')) {
        p++;
        if (p < end && (*p == '+' || *p == '-'))
            p++;
        p = scan_digits(p, end);
    }
    return p;
}

static const char *scan_word(const char *p, const char *end, const char *word)
{
    size_t len = strlen(word);
    return (size_t)(end - p) >= len && memcmp(p, word, len) == 0 ? p + len : NULL;
}

static const char *scan_value(const char *p, const char *end, int depth);

/* Scans an object or an array, from its bracket on. */
static const char *scan_container(const char *p, const char *end, int depth)
{
    bool object = *p == '{';
    char close = object ? '}' : ']';
    p = skip_space(p + 1, end);
    if (p < end && *p == close)
        return p + 1;
    while (p < end) {
        if (object) {
            p = *p == '"' ? scan_string(p, end) : NULL;
            p = p ? skip_space(p, end) : end;
            if (p == end || *p != ':')
                return NULL;
            p = skip_space(p + 1, end);
        }
        p = scan_value(p, end, depth + 1);
        if (!p)
            return NULL;
        p = skip_space(p, end);
        if (p == end || (*p != ',' && *p != close))
            return NULL;
        if (*p == close)
            return p + 1;
        p = skip_space(p + 1, end);
    }
    return NULL;
}

static const char *scan_value(const char *p, const char *end, int depth)
{
    if (p == end || depth > JSON_DEPTH_MAX)
        return NULL;
    switch (*p) {
    case '{':
    case '[':
        return scan_container(p, end, depth);
    case '"':
        return scan_string(p, end);
    case 't':
        return scan_word(p, end, "true");
    case 'f':
        return scan_word(p, end, "false");
    case 'n':
        return scan_word(p, end, "null");
    default:
        return scan_number(p, end);
    }
}

bool json_is_valid(struct slice text)
{
    const char *end = text.data + text.len;
    const char *p = scan_value(skip_space(text.data, end), end, 0);
    return p && skip_space(p, end) == end;
}

/* ---- Looking up ---- */

/* The value that begins at p, in a valid text. */
static struct slice value_at(const char *p, const char *end)
{
    const char *behind = scan_value(p, end, 0);
    return behind ? slice_of(p, (size_t)(behind - p)) : slice_of(p, 0);
}

/* The beginning of the next item of a container; NULL: there is none. */
static const char *next_item(struct slice container, char open, const char *at)
{
    if (container.len < 2 || container.data[0] != open)
        return NULL;
    const char *end = container.data + container.len;
    const char *p = skip_space(at ? at : container.data + 1, end);
    if (*p == ',')
        p = skip_space(p + 1, end);
    return *p == ']' || *p == '}' ? NULL : p;
}

bool json_next(struct slice array, const char **at, struct slice *item)
{
    const char *p = next_item(array, '[', *at);
    if (!p)
        return false;
    *item = value_at(p, array.data + array.len);
    *at = item->data + item->len;
    return item->len > 0;
}

bool json_next_member(struct slice object, const char **at, struct slice *name, struct slice *value)
{
    const char *p = next_item(object, '{', *at);
    if (!p)
        return false;
    const char *end = object.data + object.len;
    *name = value_at(p, end);
    p = skip_space(name->data + name->len, end);
    *value = value_at(skip_space(p + 1, end), end);
    *at = value->data + value->len;
    return value->len > 0;
}

static struct slice find_member(struct slice object, struct slice wanted)
{
    const char *at = NULL;
    struct slice name, value;
    while (json_next_member(object, &at, &name, &value))
        if (slice_equal(slice_of(name.data + 1, name.len - 2), wanted))
            return value;
    return slice_of(NULL, 0);
}

struct slice json_member(struct slice object, const char *path)
{
    while (object.len > 0 && *path) {
        size_t len = strcspn(path, ".");
        object = find_member(object, slice_of(path, len));
        path += len + (path[len] == '.');
    }
    return object;
}

double json_number(struct slice value)
{
    char digits[64];
    if (value.len == 0 || value.len >= sizeof digits || (value.data[0] != '-' && !is_digit(value.data[0])))
        return 0;
    memcpy(digits, value.data, value.len);
    digits[value.len] = '\0';
    return strtod(digits, NULL);
}

uint64_t json_integer(struct slice value)
{
    uint64_t n = 0;
    for (size_t i = 0; i < value.len && is_digit(value.data[i]); i++)
        n = n > (UINT64_MAX - 9) / 10 ? UINT64_MAX : n * 10 + (uint64_t)(value.data[i] - '0');
    return n;
}

/* The character that an escape stands for, with its length in the text; what is not printable ASCII becomes '?'. */
static char escaped_character(const char *p, size_t *len)
{
    *len = p[1] == 'u' ? 6 : 2;
    if (p[1] == 'u') {
        int code = 0;
        for (int i = 0; i < 4; i++)
            code = code * 16 + hex_value(p[2 + i]);
        return code >= 0x20 && code < 0x7f ? (char)code : '?';
    }
    return p[1] == '"' || p[1] == '\\' || p[1] == '/' ? p[1] : '?';
}

/* Whether the bytes at p are one of the control characters beyond ASCII, U+0080 to U+009F, which terminals obey too. */
static bool is_high_control(const char *p, const char *end)
{
    return (unsigned char)p[0] == 0xc2 && p + 1 < end && (unsigned char)p[1] >= 0x80 && (unsigned char)p[1] < 0xa0;
}

const char *json_text(struct slice value, char *buf, size_t size)
{
    size_t len = 0;
    if (value.len >= 2 && value.data[0] == '"') {
        const char *end = value.data + value.len - 1;
        for (const char *p = value.data + 1; p < end && len + 1 < size;) {
            size_t used = 1;
            if (*p == '\\' || *p == 0x7f || is_high_control(p, end)) {
                buf[len++] = *p == '\\' ? escaped_character(p, &used) : '?';
                used = is_high_control(p, end) ? 2 : used;
            } else {
                while (p + used < end && ((unsigned char)p[used] & 0xc0) == 0x80)
                    used++;
                if (len + used >= size)
                    break;
                memcpy(buf + len, p, used);
                len += used;
            }
            p += used;
        }
    }
    buf[len] = '\0';
    return buf;
}
