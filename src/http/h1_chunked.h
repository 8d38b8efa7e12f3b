/*
 * The chunked transfer coding (RFC 9112 section 7.1), decoded in place. Does no I/O; can stop and go on at any byte.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_HTTP_H1_CHUNKED_H
#define WEIR_HTTP_H1_CHUNKED_H

#include "base/slice.h"

#include <stdint.h>

#define CHUNK_EXTENSION_MAX 1024 /* bytes of extensions in a body */
#define CHUNK_TRAILER_MAX   4096 /* bytes of trailer fields */

struct h1_chunked {
    uint64_t left;               /* of the present chunk */
    uint16_t extension, trailer; /* bytes seen */
    uint8_t phase;
    uint8_t digits;
    const char *reason; /* why the body was refused; static */
};

enum h1_chunked_event {
    CHUNKED_MORE = 0,      /* all input is used; more is needed */
    CHUNKED_DATA = 1,      /* *data is a piece of the body */
    CHUNKED_END = 2,       /* the body and its trailer have ended */
    CHUNKED_BAD = -1,      /* refuse with 400 */
    CHUNKED_TOO_LONG = -2, /* refuse with 431: extensions or trailer */
};

void h1_chunked_begin(struct h1_chunked *d);

/* Uses up some of input, at most to the end of the next piece of data. *used: how much. */
enum h1_chunked_event h1_chunked_next(struct h1_chunked *d, struct slice input, size_t *used, struct slice *data);

#endif
