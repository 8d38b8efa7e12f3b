/*
 * Byte ranges (RFC 9110 section 14): what a Range field asks for, of a representation of known length. Pure: a value
 * in, resolved ranges out.
 *
 * Ranges that overlap, or that are closer together than the head of a part would be long, become one, at the place of
 * the first: no byte is sent twice, whatever is asked for, and no reply is longer than the whole by more than the heads
 * of its parts. Others keep the order in which they were asked for.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_FILE_RANGE_H
#define WEIR_WEB_FILE_RANGE_H

#include "base/slice.h"

#include <stdint.h>

#define RANGES_MAX 32 /* ranges that a request may ask for; of more the whole is sent (section 14.2) */
#define RANGES_GAP 80 /* bytes between two ranges that are sent rather than a further part's head (section 15.3.7.2) */

/* Bytes first to first + len - 1, len > 0. */
struct byte_range {
    int64_t first, len;
};

enum ranges_verdict {
    RANGES_IGNORED,       /* no ranges of bytes, or too many: the whole is sent */
    RANGES_SATISFIED,     /* 206 */
    RANGES_UNSATISFIABLE, /* 416 */
};

/* Reads the value of a Range field, of a representation of size bytes. RANGES_SATISFIED: ranges[0..*count) are to be
 * sent. An empty representation has no ranges: they are ignored. */
enum ranges_verdict ranges_read(struct slice value, int64_t size, struct byte_range ranges[static RANGES_MAX],
                                size_t *count);

#endif
