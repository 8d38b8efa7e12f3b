/*
 * Query strings, and bodies of the same form (application/x-www-form-urlencoded): pairs separated by "&", "+" and
 * percent escapes decoded. Nothing is an error, as with browsers and most servers. An escape that is none stays as it
 * is, and so does "%00", because values are C strings and must not hide their end. Empty pieces ("a&&b") are skipped,
 * "a" is "a=".
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_QUERY_H
#define WEIR_WEB_QUERY_H

#include "base/arena.h"
#include "base/slice.h"

#define QUERY_PAIRS_MAX 1000

struct query_pair {
    const char *name; /* decoded and NUL-terminated, both */
    const char *value;
};

/* A parsed query; all zero is the empty one. Pairs and texts are in the arena. */
struct query {
    const struct query_pair *pairs; /* in the order of the text; NULL if there are none */
    size_t count;
};

/*
 * Parses raw (without "?") into out. Returns 0; WEIR_ETOOBIG if there are more than QUERY_PAIRS_MAX pairs;
 * WEIR_ENOMEM. After an error out is empty.
 */
int query_parse(struct slice raw, struct arena *arena, struct query *out);

/* The nth (from 0) value of a name, in the text's order, or NULL. */
const char *query_find(const struct query *query, const char *name, size_t nth);

/* Takes the next pair off the front of *rest, still encoded; false at the end. For reading without an arena. */
bool query_next(struct slice *rest, struct slice *name, struct slice *value);

/* Writes text decoded to out, which has room for text.len bytes and may be text.data; returns the length. */
size_t query_decode(struct slice text, char *out);

#endif
