/*
 * Looking fields up, and the names of versions.
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

const char *head_version_text(uint8_t version)
{
    return version == WEIR_HTTP_2 ? "HTTP/2" : version == WEIR_HTTP_1_0 ? "HTTP/1.0" : "HTTP/1.1";
}
