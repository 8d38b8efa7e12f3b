/*
 * SHA-1 (FIPS 180-4), for the one thing that still asks for it: the key of a WebSocket's handshake (RFC 6455 section
 * 1.3), where nothing hangs on its strength.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_BASE_SHA1_H
#define WEIR_BASE_SHA1_H

#include <stddef.h>
#include <stdint.h>

#define SHA1_LEN 20

/* Writes the digest of len bytes, which lie in one piece. */
void sha1(const void *data, size_t len, uint8_t digest[static SHA1_LEN]);

#endif
