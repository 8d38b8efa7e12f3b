/*
 * Status codes and their names (RFC 9110 section 15).
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_HTTP_STATUS_H
#define WEIR_HTTP_STATUS_H

#include "base/slice.h"

/* The reason phrase; empty for a status without a name. */
struct slice status_reason(int status);

/* Whether a reply of this status never has a body: 1xx, 204, 205, 304. */
static inline bool status_bodyless(int status)
{
    return status != 200 && (status < 200 || status == 204 || status == 205 || status == 304);
}

#endif
