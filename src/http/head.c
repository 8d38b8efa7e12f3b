/*
 * Looking fields up.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/head.h"

const struct http_field *head_find(const struct http_head *h, struct slice name, size_t n)
{
    for (size_t i = 0; i < h->field_count; i++) {
        const struct http_field *f = &h->fields[i];
        if (f->name_len != name.len || !slice_equal_nocase(head_slice(h, f->name, f->name_len), name))
            continue;
        if (n == 0)
            return f;
        n--;
    }
    return NULL;
}
