/*
 * Bits of words.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_BASE_BITS_H
#define WEIR_BASE_BITS_H

#include "base/debug.h"

#include <stdint.h>

/* x rotated to the left by 0 to 63 bits: those that the shift to the left loses come back by the one to the right. */
static inline WRAPS uint64_t rotate_left(uint64_t x, unsigned by)
{
    return x << by | x >> ((64 - by) & 63);
}

#endif
