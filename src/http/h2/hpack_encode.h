/*
 * HPACK (RFC 7541), the encoder's side, without a dynamic table: no memory, no state, and what is sent can be composed
 * in any order by anyone. Names and values of the static table are sent as their index, other names that are there as
 * an index and a literal value, the rest as literals. Strings are raw: Huffman's code would save a few bytes of a reply
 * and cost more than the rest.
 *
 * The first size update that a peer may want (SETTINGS_HEADER_TABLE_SIZE below 4096) is HPACK_NO_TABLE; sent in the
 * first block of a connection it is right for every peer.
 *
 * Names may be given in any case and are sent in lower case (RFC 9113 section 8.2.1). Whether a field may be sent is
 * for the caller.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_HTTP_H2_HPACK_ENCODE_H
#define WEIR_HTTP_H2_HPACK_ENCODE_H

#include "base/slice.h"

#include <stdint.h>

/* A size update to 0: one byte. */
#define HPACK_NO_TABLE 0x20

/* Bytes of a status, 100 to 999: 1, or 5. */
size_t hpack_status_size(int status);

/* Puts :status; returns behind it. */
uint8_t *hpack_put_status(uint8_t *to, int status);

/* Bytes of a field, exactly. */
size_t hpack_field_size(struct slice name, struct slice value);

/* No less than the bytes of a field, told without looking it up. */
static inline size_t hpack_field_bound(size_t name_len, size_t value_len)
{
    return name_len + value_len + 13; /* a first byte, and lengths of at most 6 */
}

/* Puts a field; returns behind it. */
uint8_t *hpack_put_field(uint8_t *to, struct slice name, struct slice value);

/* Content-Length. */
size_t hpack_length_size(uint64_t length);
uint8_t *hpack_put_length(uint8_t *to, uint64_t length);

/* Content-Type; type may be empty. */
size_t hpack_type_size(struct slice type);
uint8_t *hpack_put_type(uint8_t *to, struct slice type);

/* Date, from DATE_LEN bytes (http/date.h). */
#define HPACK_DATE_LEN 32 /* three bytes and the date */
uint8_t *hpack_put_date(uint8_t *to, const char *date);

#endif
