/*
 * SHA-1: blocks of 64 bytes, and the padding behind them.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/sha1.h"
#include "base/debug.h"

#include <endian.h>
#include <string.h>

#define BLOCK 64

static inline WRAPS uint32_t turn_left(uint32_t x, int by)
{
    return x << by | x >> (32 - by);
}

/* The function of a round, with its constant (FIPS 180-4 sections 4.1.1 and 4.2.1). */
static inline WRAPS uint32_t mix(unsigned round, uint32_t b, uint32_t c, uint32_t d)
{
    if (round < 20)
        return ((b & c) ^ (~b & d)) + 0x5a827999;
    if (round < 40)
        return (b ^ c ^ d) + 0x6ed9eba1;
    if (round < 60)
        return ((b & c) ^ (b & d) ^ (c & d)) + 0x8f1bbcdc;
    return (b ^ c ^ d) + 0xca62c1d6;
}

/* FIPS 180-4 section 6.1.2. */
static WRAPS void compress(uint32_t state[static 5], const uint8_t *block)
{
    uint32_t w[16], a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
    memcpy(w, block, sizeof w);
    for (unsigned i = 0; i < 80; i++) {
        uint32_t *now = &w[i & 15];
        *now = i < 16 ? be32toh(*now) : turn_left(w[(i + 13) & 15] ^ w[(i + 8) & 15] ^ w[(i + 2) & 15] ^ *now, 1);
        uint32_t next = turn_left(a, 5) + mix(i, b, c, d) + e + *now;
        e = d;
        d = c;
        c = turn_left(b, 30);
        b = a;
        a = next;
    }
    const uint32_t end[5] = {a, b, c, d, e};
    for (int i = 0; i < 5; i++)
        state[i] += end[i];
}

void sha1(const void *data, size_t len, uint8_t digest[static SHA1_LEN])
{
    uint32_t state[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    const uint8_t *next = data;
    size_t left = len;
    for (; left >= BLOCK; left -= BLOCK, next += BLOCK)
        compress(state, next);
    uint8_t last[2 * BLOCK] = {0};
    uint64_t bits = htobe64((uint64_t)len * 8);
    size_t padded = left + 1 + sizeof bits <= BLOCK ? BLOCK : 2 * BLOCK;
    if (left > 0)
        memcpy(last, next, left);
    last[left] = 0x80;
    memcpy(last + padded - sizeof bits, &bits, sizeof bits);
    for (size_t at = 0; at < padded; at += BLOCK)
        compress(state, last + at);
    for (size_t i = 0; i < 5; i++) {
        uint32_t word = htobe32(state[i]);
        memcpy(digest + i * sizeof word, &word, sizeof word);
    }
}
