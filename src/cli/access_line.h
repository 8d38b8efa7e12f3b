/*
 * A line of an access log, as text. What clients send is escaped, so that no line holds a control character, a byte
 * beyond ASCII, or a quote that ends a field.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_CLI_ACCESS_LINE_H
#define WEIR_CLI_ACCESS_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum access_form { ACCESS_OFF, ACCESS_COMMON, ACCESS_COMBINED, ACCESS_JSON };

/* What a line tells of a request. Strings are as the client sent them; "" where there is nothing to say. */
struct access_entry {
    const char *peer; /* an address with its port, as weir_peer() has them, or without, as weir_client() */
    const char *user; /* whom the password was right for */
    const char *method, *target, *host, *referer, *agent;
    int version;      /* enum weir_http */
    int status;       /* of the reply */
    int error;        /* enum weir_error: why not all of the reply was sent, or 0 */
    uint64_t bytes;   /* of the reply's body that were sent */
    int64_t begin_ns; /* when the request's head had come, in nanoseconds since 1970 */
    int64_t took_ns;  /* from then until the reply was sent */
};

/* Composes the line with its newline, cut to size where it is longer: 16 KiB hold every line of strings that have 2 KiB
 * together. Local time in the forms common and combined, UTC in JSON. Returns its length, 0 for ACCESS_OFF. */
size_t access_line(char *out, size_t size, enum access_form form, const struct access_entry *e);

#endif
