/*
 * SHA-256 and SHA-512, which differ in the length of their words and in how far those are turned. The constants of
 * SHA-256 are the upper halves of those of SHA-512.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/sha2.h"
#include "base/bits.h"

#include <endian.h>
#include <string.h>

static const uint64_t constants[80] = {
    0x428a2f98d728ae22, 0x7137449123ef65cd, 0xb5c0fbcfec4d3b2f, 0xe9b5dba58189dbbc, 0x3956c25bf348b538,
    0x59f111f1b605d019, 0x923f82a4af194f9b, 0xab1c5ed5da6d8118, 0xd807aa98a3030242, 0x12835b0145706fbe,
    0x243185be4ee4b28c, 0x550c7dc3d5ffb4e2, 0x72be5d74f27b896f, 0x80deb1fe3b1696b1, 0x9bdc06a725c71235,
    0xc19bf174cf692694, 0xe49b69c19ef14ad2, 0xefbe4786384f25e3, 0x0fc19dc68b8cd5b5, 0x240ca1cc77ac9c65,
    0x2de92c6f592b0275, 0x4a7484aa6ea6e483, 0x5cb0a9dcbd41fbd4, 0x76f988da831153b5, 0x983e5152ee66dfab,
    0xa831c66d2db43210, 0xb00327c898fb213f, 0xbf597fc7beef0ee4, 0xc6e00bf33da88fc2, 0xd5a79147930aa725,
    0x06ca6351e003826f, 0x142929670a0e6e70, 0x27b70a8546d22ffc, 0x2e1b21385c26c926, 0x4d2c6dfc5ac42aed,
    0x53380d139d95b3df, 0x650a73548baf63de, 0x766a0abb3c77b2a8, 0x81c2c92e47edaee6, 0x92722c851482353b,
    0xa2bfe8a14cf10364, 0xa81a664bbc423001, 0xc24b8b70d0f89791, 0xc76c51a30654be30, 0xd192e819d6ef5218,
    0xd69906245565a910, 0xf40e35855771202a, 0x106aa07032bbd1b8, 0x19a4c116b8d2d0c8, 0x1e376c085141ab53,
    0x2748774cdf8eeb99, 0x34b0bcb5e19b48a8, 0x391c0cb3c5c95a63, 0x4ed8aa4ae3418acb, 0x5b9cca4f7763e373,
    0x682e6ff3d6b2b8a3, 0x748f82ee5defb2fc, 0x78a5636f43172f60, 0x84c87814a1f0ab72, 0x8cc702081a6439ec,
    0x90befffa23631e28, 0xa4506cebde82bde9, 0xbef9a3f7b2c67915, 0xc67178f2e372532b, 0xca273eceea26619c,
    0xd186b8c721c0c207, 0xeada7dd6cde0eb1e, 0xf57d4f7fee6ed178, 0x06f067aa72176fba, 0x0a637dc5a2c898a6,
    0x113f9804bef90dae, 0x1b710b35131c471b, 0x28db77f523047d84, 0x32caab7b40c72493, 0x3c9ebe0a15c9bebc,
    0x431d67c49c100d4c, 0x4cc5d4becb3e42b6, 0x597f299cfc657e2a, 0x5fcb6fab3ad6faec, 0x6c44198c4a475817,
};

static const uint32_t first_words[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                        0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
static const uint64_t first_longs[8] = {0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
                                        0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179};

static inline WRAPS uint32_t turn32(uint32_t x, int by)
{
    return x >> by | x << (32 - by);
}

static inline WRAPS uint64_t turn64(uint64_t x, int by)
{
    return x >> by | x << (64 - by);
}

/* FIPS 180-4 section 6.2.2, with the functions of section 4.1.2. */
static WRAPS void compress32(uint32_t state[static 8], const uint8_t *block)
{
    uint32_t w[16], a = state[0], b = state[1], c = state[2], d = state[3];
    uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
    memcpy(w, block, sizeof w);
    for (unsigned i = 0; i < 64; i++) {
        uint32_t *now = &w[i & 15], x = w[(i + 1) & 15], y = w[(i + 14) & 15];
        if (i < 16)
            *now = be32toh(*now);
        else
            *now +=
                (turn32(x, 7) ^ turn32(x, 18) ^ x >> 3) + w[(i + 9) & 15] + (turn32(y, 17) ^ turn32(y, 19) ^ y >> 10);
        uint32_t one = h + (turn32(e, 6) ^ turn32(e, 11) ^ turn32(e, 25)) + ((e & f) ^ (~e & g)) +
                       (uint32_t)(constants[i] >> 32) + *now;
        uint32_t two = (turn32(a, 2) ^ turn32(a, 13) ^ turn32(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
        h = g;
        g = f;
        f = e;
        e = d + one;
        d = c;
        c = b;
        b = a;
        a = one + two;
    }
    const uint32_t end[8] = {a, b, c, d, e, f, g, h};
    for (int i = 0; i < 8; i++)
        state[i] += end[i];
}

/* FIPS 180-4 section 6.4.2, with the functions of section 4.1.3. */
static WRAPS void compress64(uint64_t state[static 8], const uint8_t *block)
{
    uint64_t w[16], a = state[0], b = state[1], c = state[2], d = state[3];
    uint64_t e = state[4], f = state[5], g = state[6], h = state[7];
    memcpy(w, block, sizeof w);
    for (unsigned i = 0; i < 80; i++) {
        uint64_t *now = &w[i & 15], x = w[(i + 1) & 15], y = w[(i + 14) & 15];
        if (i < 16)
            *now = be64toh(*now);
        else
            *now += (turn64(x, 1) ^ turn64(x, 8) ^ x >> 7) + w[(i + 9) & 15] + (turn64(y, 19) ^ turn64(y, 61) ^ y >> 6);
        uint64_t one = h + (turn64(e, 14) ^ turn64(e, 18) ^ turn64(e, 41)) + ((e & f) ^ (~e & g)) + constants[i] + *now;
        uint64_t two = (turn64(a, 28) ^ turn64(a, 34) ^ turn64(a, 39)) + ((a & b) ^ (a & c) ^ (b & c));
        h = g;
        g = f;
        f = e;
        e = d + one;
        d = c;
        c = b;
        b = a;
        a = one + two;
    }
    const uint64_t end[8] = {a, b, c, d, e, f, g, h};
    for (int i = 0; i < 8; i++)
        state[i] += end[i];
}

static size_t block_len(const struct sha2 *s)
{
    return s->kind == SHA2_256 ? 64 : 128;
}

static void compress(struct sha2 *s, const uint8_t *block)
{
    if (s->kind == SHA2_256)
        compress32(s->words, block);
    else
        compress64(s->longs, block);
}

void sha2_begin(struct sha2 *s, enum sha2_kind kind)
{
    s->kind = (uint8_t)kind;
    s->size = 0;
    if (kind == SHA2_256)
        memcpy(s->words, first_words, sizeof first_words);
    else
        memcpy(s->longs, first_longs, sizeof first_longs);
}

void sha2_add(struct sha2 *s, const void *data, size_t len)
{
    const uint8_t *next = data;
    size_t whole = block_len(s), held = (size_t)(s->size % whole);
    s->size += len;
    if (held > 0 && len > 0) {
        size_t some = len < whole - held ? len : whole - held;
        memcpy(s->block + held, next, some);
        next += some;
        len -= some;
        if (held + some == whole)
            compress(s, s->block);
        else
            return;
    }
    for (; len >= whole; next += whole, len -= whole)
        compress(s, next);
    if (len > 0)
        memcpy(s->block, next, len);
}

size_t sha2_end(struct sha2 *s, uint8_t digest[static SHA2_LEN_MAX])
{
    size_t whole = block_len(s), held = (size_t)(s->size % whole), len = sha2_len(s->kind);
    uint64_t bits = htobe64(s->size * 8);
    s->block[held++] = 0x80;
    memset(s->block + held, 0, whole - held);
    if (held > whole - whole / 8) { /* no room for the length */
        compress(s, s->block);
        memset(s->block, 0, whole);
    }
    memcpy(s->block + whole - sizeof bits, &bits, sizeof bits);
    compress(s, s->block);
    for (size_t i = 0; i < 8; i++) {
        if (s->kind == SHA2_256) {
            uint32_t word = htobe32(s->words[i]);
            memcpy(digest + i * sizeof word, &word, sizeof word);
        } else {
            uint64_t word = htobe64(s->longs[i]);
            memcpy(digest + i * sizeof word, &word, sizeof word);
        }
    }
    return len;
}
