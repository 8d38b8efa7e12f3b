/*
 * The request target (RFC 9112 section 3.2) split into its parts.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_HTTP_TARGET_H
#define WEIR_HTTP_TARGET_H

#include "base/debug.h"
#include "http/head.h"

struct target {
    struct slice path;      /* "/..." as sent, or "*"; "/" for an absolute form without a path */
    struct slice query;     /* without its "?"; data NULL when there is none */
    struct slice authority; /* of an absolute form, else the Host field's value */
    bool plain;             /* the path holds no escape, no backslash and no dot segment: it is decoded as it is */
};

/* Splits the target of a complete head, which lies in the buffer that h1_parse() read. 0, or 400 with *reason (static)
 * for none of the forms that the method allows. */
int target_split_slowly(const struct http_head *head, struct target *t, const char **reason);
static inline int target_split(const struct http_head *head, struct target *t, const char **reason)
{
    if (unlikely(head->path_len == 0))
        return target_split_slowly(head, t, reason);
    const char *path = head->base + head->target;
    t->authority = head_slice(head, head->host, head->host_len);
    t->path = slice_of(path, head->path_len);
    t->query = slice_of(NULL, 0);
    if (head->path_len < head->target_len)
        t->query = slice_of(path + head->path_len + 1, (size_t)head->target_len - head->path_len - 1);
    t->plain = true;
    return 0;
}

#endif
