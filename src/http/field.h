/*
 * Values of fields that say where a message ends, and lists (RFC 9110 sections 5.6.1 and 8.6), read the same way for
 * every version of HTTP.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_HTTP_FIELD_H
#define WEIR_HTTP_FIELD_H

#include "base/slice.h"

#include <stdint.h>

/* Takes the next member of a comma-separated list, trimmed; false at its end. Empty members are skipped. */
bool field_list_next(struct slice *list, struct slice *member);

/* Reads a Content-Length: digits, and no more than an int64_t holds. False: it is none. */
bool field_length_read(struct slice value, int64_t *length);

#endif
