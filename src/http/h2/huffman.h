/*
 * The Huffman code of HPACK (RFC 7541 section 5.2 and appendix B), decoded.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_HTTP_H2_HUFFMAN_H
#define WEIR_HTTP_H2_HUFFMAN_H

#include <stddef.h>
#include <stdint.h>

#define HUFFMAN_BAD  SIZE_MAX       /* no code: EOS, or padding that is longer than 7 bits or not all ones */
#define HUFFMAN_LONG (SIZE_MAX - 1) /* does not fit */

/* The most bytes that len bytes decode to: the shortest code has 5 bits. */
static inline size_t huffman_most(size_t len)
{
    return len + len / 2 + len / 8 + 1;
}

/* Decodes len bytes to to, which has room for room bytes; returns how many there are, HUFFMAN_BAD or HUFFMAN_LONG. */
size_t huffman_decode(const uint8_t *text, size_t len, char *to, size_t room);

/* How many bytes len bytes decode to, or HUFFMAN_BAD. */
size_t huffman_length(const uint8_t *text, size_t len);

#endif
