/*
 * SipHash-2-4 as its authors define it (Aumasson and Bernstein, 2012).
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/siphash.h"

#include "base/bits.h"

#include <sys/random.h>

/* One round. Sums modulo 2^64 are the algorithm. */
static inline WRAPS void siphash_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotate_left(v[1], 13) ^ v[0];
    v[0] = rotate_left(v[0], 32);
    v[2] += v[3];
    v[3] = rotate_left(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotate_left(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotate_left(v[1], 17) ^ v[2];
    v[2] = rotate_left(v[2], 32);
}

static inline void siphash_word(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    siphash_round(v);
    siphash_round(v);
    v[0] ^= word;
}

uint64_t siphash(const struct siphash_key *key, struct slice text)
{
    uint64_t v[4] = {key->word[0] ^ 0x736f6d6570736575u, key->word[1] ^ 0x646f72616e646f6du,
                     key->word[0] ^ 0x6c7967656e657261u, key->word[1] ^ 0x7465646279746573u};
    size_t whole = text.len & ~(size_t)7;
    for (size_t i = 0; i < whole; i += 8) {
        uint64_t word;
        memcpy(&word, text.data + i, sizeof word); /* both processors that are supported are little-endian */
        siphash_word(v, word);
    }
    uint64_t last = (uint64_t)(text.len & 0xff) << 56;
    for (size_t i = whole; i < text.len; i++)
        last |= (uint64_t)(unsigned char)text.data[i] << (8 * (i - whole));
    siphash_word(v, last);
    v[2] ^= 0xff;
    for (int i = 0; i < 4; i++)
        siphash_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

bool siphash_seed(struct siphash_key *key)
{
    return getrandom(key, sizeof *key, 0) == (ssize_t)sizeof *key;
}
