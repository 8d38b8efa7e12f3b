/*
 * Base64 (RFC 4648 section 4). The padding of what is decoded is for the caller to see to, since what may lack it
 * differs from user to user.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_BASE_BASE64_H
#define WEIR_BASE_BASE64_H

#include "base/slice.h"

#include <sys/types.h>

/* Bytes that so many letters stand for, at most. */
#define BASE64_ROOM(letters) (((letters) + 3) / 4 * 3)

/* Decodes letters, without padding, into up to `most` bytes; to NULL: only looks. Returns how many bytes, or -1: there
 * is another character, there are too many bytes, or a single letter is left over. */
ssize_t base64_decode(struct slice letters, void *to, size_t most);

/* Letters that so many bytes become, with their padding. */
#define BASE64_LEN(bytes) (((bytes) + 2) / 3 * 4)

/* Writes the letters of len bytes, BASE64_LEN(len) of them. */
void base64_encode(const void *data, size_t len, char *to);

#endif
