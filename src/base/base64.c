/*
 * Decoding and encoding.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/base64.h"

#include <stdint.h>

/* The six bits of a letter; -1: it is none. */
static int letter_bits(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

ssize_t base64_decode(struct slice letters, void *to, size_t most)
{
    uint32_t bits = 0;
    uint8_t *bytes = to;
    size_t made = 0;
    if (letters.len % 4 == 1)
        return -1;
    for (size_t i = 0; i < letters.len; i++) {
        int letter = letter_bits(letters.data[i]);
        if (letter < 0 || (i % 4 > 0 && made == most))
            return -1;
        bits = (bits & 63) << 6 | (uint32_t)letter;
        if (i % 4 == 0)
            continue;
        if (bytes)
            bytes[made] = (uint8_t)(bits >> (6 - i % 4 * 2) & 255);
        made++;
    }
    return (ssize_t)made;
}

void base64_encode(const void *data, size_t len, char *to)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *bytes = data;
    for (size_t at = 0; at < len; at += 3, to += 4) {
        size_t left = len - at;
        uint32_t bits = (uint32_t)bytes[at] << 16;
        bits |= left > 1 ? (uint32_t)bytes[at + 1] << 8 : 0;
        bits |= left > 2 ? bytes[at + 2] : 0;
        to[0] = letters[bits >> 18];
        to[1] = letters[bits >> 12 & 63];
        to[2] = left > 1 ? letters[bits >> 6 & 63] : '=';
        to[3] = left > 2 ? letters[bits & 63] : '=';
    }
}
