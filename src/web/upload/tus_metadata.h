/*
 * Upload-Metadata of tus 1.0: pairs of a key and a value in Base64 (RFC 4648 section 4), with commas between them.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_UPLOAD_TUS_METADATA_H
#define WEIR_WEB_UPLOAD_TUS_METADATA_H

#include "base/base64.h"

#define TUS_KEYS_MAX 64

/* What is wrong with the field; NULL: nothing. */
const char *tus_metadata_fault(const char *text);

/* Finds a key, and its value as it was sent. text has no fault. */
bool tus_metadata_find(const char *text, struct slice key, struct slice *value);

/* Bytes that decoding takes at most, a NUL included. */
static inline size_t tus_base64_room(struct slice coded)
{
    return BASE64_ROOM(coded.len) + 1;
}

/* Decodes Base64 into tus_base64_room() bytes, with a NUL behind them; to NULL: only looks. False: it is none. */
bool tus_base64_decode(struct slice coded, char *to, size_t *len);

#endif
