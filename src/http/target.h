/*
 * The request target (RFC 9112 section 3.2) split into its parts.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_HTTP_TARGET_H
#define WEIR_HTTP_TARGET_H

#include "http/head.h"

struct target {
    struct slice path;      /* "/..." as sent, or "*"; "/" for an absolute form without a path */
    struct slice query;     /* without its "?"; data NULL when there is none */
    struct slice authority; /* of an absolute form, else the Host field's value */
    bool plain;             /* the path holds no escape, no backslash and no dot segment: it is decoded as it is */
};

/* Splits the target of a complete head, which lies in the buffer that h1_parse() read. 0, or 400 with *reason (static)
 * for none of the forms that the method allows. */
int target_split(const struct http_head *head, struct target *t, const char **reason);

#endif
