/*
 * Tokens (RFC 9110 section 5.6.2): what methods and the names of cookies are made of.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_HTTP_TOKEN_H
#define WEIR_HTTP_TOKEN_H

#include "base/slice.h"
#include "http/scan.h"

static inline bool is_token(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!scan_is(text.data[i], SCAN_TOKEN))
            return false;
    return text.len > 0;
}

#endif
