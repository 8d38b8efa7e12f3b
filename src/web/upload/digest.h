/*
 * Content-Digest of a request (RFC 9530 section 2): what its body's bytes are to be, as SHA-256 or SHA-512 tells.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_UPLOAD_DIGEST_H
#define WEIR_WEB_UPLOAD_DIGEST_H

#include "base/sha2.h"
#include "base/slice.h"

#include <stdbool.h>

struct digest {
    bool expected; /* there is one that can be checked; the members below mean something */
    uint8_t kind;  /* enum sha2_kind: the stronger one, if there are both */
    uint8_t value[SHA2_LEN_MAX];
};

/* Takes one line of the field, a dictionary (RFC 8941 section 3.2), into a digest that is zero before the first. Other
 * algorithms are passed over. Returns 0, or WEIR_EPROTO: the line is none, or a digest of ours is not as long as it
 * is to be. */
int digest_take(struct digest *d, struct slice line);

#endif
