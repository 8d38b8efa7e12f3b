/*
 * Route patterns, read segment by segment: "/users/{id:[0-9]+}/posts/{post}". A segment is text or one parameter.
 * Text is compared decoded: percent escapes in it stand for bytes, as in a request ("%2F" is an encoded slash, "%7B"
 * a brace). What other routers write for parameters, ":id" and "*", and '?' and '#' are refused; escaped they are text.
 * An expression may hold slashes, colons and braces: its end is the brace that balances the first one, where braces in
 * character classes, after a backslash and between \Q and \E do not count.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_ROUTE_PATTERN_H
#define WEIR_WEB_ROUTE_PATTERN_H

#include "base/slice.h"

#define PATTERN_SEGMENTS_MAX 64
#define PATTERN_PARAMS_MAX   32
#define PATTERN_LEN_MAX      4096 /* bytes */

enum segment_kind {
    SEGMENT_TEXT,      /* text as it stands in the pattern, still escaped; may be empty */
    SEGMENT_PARAMETER, /* a whole segment, not empty */
    SEGMENT_EXPRESSION /* a whole segment that text matches; if it is the last one, the rest of the path */
};

struct pattern_segment {
    enum segment_kind kind;
    struct slice text; /* of a text or an expression; in the pattern */
    struct slice name; /* of a parameter or an expression; in the pattern */
};

struct pattern {
    const char *source; /* the caller's string */
    size_t count;
    size_t params;
    struct pattern_segment segments[PATTERN_SEGMENTS_MAX];
};

/* The place for error messages: "pattern \"/a/{}\": byte 4: the parameter has no name". Bytes count from 0. */
struct pattern_error {
    char *message; /* may be NULL if size is 0 */
    size_t size;
};

/*
 * Reads source, which has to outlive out. Returns 0, or WEIR_EINVAL and a message. Expressions are only delimited
 * here, not compiled.
 */
int pattern_parse(const char *source, struct pattern *out, struct pattern_error *error);

/*
 * Writes text, decoded as struct path's route form, to out (text.len bytes of room); returns its length. For text
 * that pattern_parse() has accepted.
 */
size_t pattern_decode(struct slice text, char *out);

/* Writes a message about the byte at in the pattern source; returns code. */
int pattern_fail(struct pattern_error *error, const char *source, size_t at, int code, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

#endif
