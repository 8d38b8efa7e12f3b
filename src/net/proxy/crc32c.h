/*
 * CRC-32C (RFC 9260 appendix A), bit by bit: it is asked for a few hundred bytes of a connection's first ones at most.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_NET_PROXY_CRC32C_H
#define WEIR_NET_PROXY_CRC32C_H

#include "base/slice.h"

#include <stdint.h>

/* Goes on with crc, 0 at the beginning, over further bytes. */
static inline uint32_t crc32c(uint32_t crc, struct slice bytes)
{
    crc = ~crc;
    for (size_t i = 0; i < bytes.len; i++) {
        crc ^= (unsigned char)bytes.data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
    }
    return ~crc;
}

#endif
