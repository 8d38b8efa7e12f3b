/*
 * SipHash-2-4, a keyed hash: who does not know the key cannot choose inputs that collide, so a table over names that
 * clients choose keeps short chains.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_BASE_SIPHASH_H
#define WEIR_BASE_SIPHASH_H

#include "base/slice.h"

#include <stdint.h>

struct siphash_key {
    uint64_t word[2];
};

/* Makes a key that nobody can guess. False: the system gives no random bytes. */
bool siphash_seed(struct siphash_key *key) __attribute__((warn_unused_result));

/* The hash of text under key. */
uint64_t siphash(const struct siphash_key *key, struct slice text);

#endif
