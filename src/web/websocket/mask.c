/*
 * Masking, 64 bytes at a time, then 8, then the rest: the mask is turned once, so that it begins with the byte that the
 * first one of data wants, and repeats every four.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/websocket/mask.h"

#include <string.h>

/* What the compiler has in a register of the processor's, or in two. */
typedef uint8_t vector __attribute__((vector_size(16)));

static inline void mask_vector(uint8_t *data, vector key)
{
    vector bytes;
    memcpy(&bytes, data, sizeof bytes);
    const vector masked = bytes ^ key;
    memcpy(data, &masked, sizeof masked);
}

void ws_mask(uint8_t *data, size_t len, const uint8_t mask[static 4], uint64_t offset)
{
    const uint8_t turned[4] = {mask[offset & 3], mask[(offset + 1) & 3], mask[(offset + 2) & 3],
                               mask[(offset + 3) & 3]};
    uint32_t four;
    memcpy(&four, turned, sizeof four);
    const uint64_t words[2] = {(uint64_t)four << 32 | four, (uint64_t)four << 32 | four};
    vector key;
    memcpy(&key, words, sizeof key);
    for (; len >= 4 * sizeof key; data += 4 * sizeof key, len -= 4 * sizeof key) {
        mask_vector(data, key);
        mask_vector(data + sizeof key, key);
        mask_vector(data + 2 * sizeof key, key);
        mask_vector(data + 3 * sizeof key, key);
    }
    for (; len >= sizeof *words; data += sizeof *words, len -= sizeof *words) {
        uint64_t word;
        memcpy(&word, data, sizeof word);
        const uint64_t masked = word ^ words[0];
        memcpy(data, &masked, sizeof masked);
    }
    for (size_t i = 0; i < len; i++)
        data[i] ^= turned[i & 3];
}
