/*
 * Parsing query strings: once over the text to count, once to decode, so that a single piece of memory of the exact
 * size holds everything.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/query.h"

#include "http/percent.h"
#include "weir.h"

bool query_next(struct slice *rest, struct slice *name, struct slice *value)
{
    while (rest->len > 0) {
        const char *ampersand = memchr(rest->data, '&', rest->len);
        size_t len = ampersand ? (size_t)(ampersand - rest->data) : rest->len;
        struct slice piece = slice_of(rest->data, len);
        size_t taken = ampersand ? len + 1 : len;
        *rest = slice_of(rest->data + taken, rest->len - taken);
        if (len == 0)
            continue;
        const char *equals = memchr(piece.data, '=', len);
        size_t name_len = equals ? (size_t)(equals - piece.data) : len;
        size_t value_start = equals ? name_len + 1 : len;
        *name = slice_of(piece.data, name_len);
        *value = slice_of(piece.data + value_start, len - value_start);
        return true;
    }
    return false;
}

size_t query_decode(struct slice text, char *out)
{
    const char *end = text.data + text.len;
    size_t len = 0;
    for (const char *p = text.data; p < end; p++) {
        int byte = *p == '%' ? percent_value(p, end) : -1;
        if (byte > 0) {
            out[len++] = (char)byte;
            p += 2;
        } else {
            out[len++] = *p == '+' ? ' ' : *p;
        }
    }
    return len;
}

/* Decodes text to *at as a C string, and moves *at behind it. */
static const char *decode_string(struct slice text, char **at)
{
    char *string = *at;
    size_t len = query_decode(text, string);
    string[len] = '\0';
    *at += len + 1;
    return string;
}

int query_parse(struct slice raw, struct arena *arena, struct query *out)
{
    struct slice name;
    struct slice value;
    size_t count = 0;
    size_t text_size = 0;
    *out = (struct query){0};
    for (struct slice rest = raw; query_next(&rest, &name, &value); count++)
        text_size += name.len + value.len + 2;
    if (count == 0)
        return 0;
    if (count > QUERY_PAIRS_MAX)
        return WEIR_ETOOBIG;
    struct query_pair *pairs = arena_alloc(arena, count * sizeof *pairs + text_size);
    if (!pairs)
        return WEIR_ENOMEM;
    char *text = (char *)(pairs + count);
    struct query_pair *pair = pairs;
    for (struct slice rest = raw; query_next(&rest, &name, &value); pair++) {
        pair->name = decode_string(name, &text);
        pair->value = decode_string(value, &text);
    }
    *out = (struct query){.pairs = pairs, .count = count};
    return 0;
}

const char *query_find(const struct query *query, const char *name, size_t nth)
{
    for (size_t i = 0; i < query->count; i++) {
        if (strcmp(query->pairs[i].name, name) != 0)
            continue;
        if (nth == 0)
            return query->pairs[i].value;
        nth--;
    }
    return NULL;
}
