/*
 * The chunked transfer coding (RFC 9112 section 7.1), decoded in place. Does no I/O; can stop and go on at any byte.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_HTTP_H1_CHUNKED_H
#define WEIR_HTTP_H1_CHUNKED_H

#include "base/slice.h"
#include "http/limits.h"

#include <stdint.h>

struct h1_chunked {
    uint64_t left;                         /* of the present chunk */
    uint16_t extension_left, trailer_left; /* bytes that may still come */
    uint16_t extension_max;                /* the most that extension_left is */
    uint16_t trailer_len;                  /* bytes of trailer fields collected */
    uint16_t part;                         /* where the present name or value begins among them */
    uint8_t phase;
    uint8_t digits; /* of the size, but for leading zeros */
    bool sized;     /* the size has a digit */
    uint8_t reason; /* why the body was refused, see h1_chunked_reason(); 0: it was not */
};

enum h1_chunked_event {
    CHUNKED_MORE = 0,            /* all input is used; more is needed */
    CHUNKED_DATA = 1,            /* *data is a piece of the body */
    CHUNKED_END = 2,             /* the body and its trailer have ended */
    CHUNKED_BAD = -1,            /* not a chunked body */
    CHUNKED_LONG_EXTENSION = -2, /* more extensions than there may be */
    CHUNKED_LONG_TRAILER = -3,   /* more trailer fields than there may be */
};

/*
 * Begins with a new body, whose trailer section may have trailer_max bytes. Extensions, and leading zeros of sizes, may
 * have extension_max, and one more for each 16 bytes of data that came since; so what is read and dropped is little
 * beside the data, however long the body.
 */
void h1_chunked_begin(struct h1_chunked *d, uint16_t extension_max, uint16_t trailer_max);

/*
 * Uses up some of input, at most to the end of the next piece of data. *used: how much. Trailer fields are collected at
 * trailer, each as its name and its value, both with a NUL behind. They get no longer than what has been read of the
 * trailer section, so trailer may be where the input began; what has been collected has to be at the same place, or at
 * the new one, at the next call.
 */
enum h1_chunked_event h1_chunked_next(struct h1_chunked *d, struct slice input, size_t *used, struct slice *data,
                                      char *trailer);

/* Why a body was refused; "" if it was not. */
const char *h1_chunked_reason(const struct h1_chunked *d);

/* The i-th of the fields collected at trailer. False: there are no more. */
bool h1_chunked_trailer(const struct h1_chunked *d, const char *trailer, size_t i, const char **name,
                        const char **value);

#endif
