/*
 * Lists and lengths.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/field.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

bool field_list_next(struct slice *list, struct slice *member)
{
    while (list->len > 0) {
        const char *comma = memchr(list->data, ',', list->len);
        size_t len = comma ? (size_t)(comma - list->data) : list->len;
        *member = slice_of(list->data, len);
        size_t skip = comma ? len + 1 : len;
        list->data += skip;
        list->len -= skip;
        while (member->len > 0 && is_blank(member->data[0])) {
            member->data++;
            member->len--;
        }
        while (member->len > 0 && is_blank(member->data[member->len - 1]))
            member->len--;
        if (member->len > 0)
            return true;
    }
    return false;
}

bool field_length_read(struct slice value, int64_t *length)
{
    int64_t n = 0;
    for (size_t i = 0; i < value.len; i++) {
        if (value.data[i] < '0' || value.data[i] > '9' || __builtin_mul_overflow(n, 10, &n) ||
            __builtin_add_overflow(n, value.data[i] - '0', &n))
            return false;
    }
    *length = n;
    return value.len > 0;
}
