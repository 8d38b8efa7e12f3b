/*
 * Shared values.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/cache/value.h"

void value_init(struct weir_value *v, const void *data, size_t size, void (*release)(struct shared *s))
{
    shared_init(&v->shared, release);
    v->size = size;
    v->data = data;
}

void value_unref(struct weir_value *v)
{
    if (v)
        shared_unref(&v->shared);
}

const void *weir_value_data(const weir_value *v)
{
    return v ? value_data(v) : NULL;
}

size_t weir_value_size(const weir_value *v)
{
    return v ? value_size(v) : 0;
}
