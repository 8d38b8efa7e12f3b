/*
 * Shared values.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/cache/value.h"

void value_init(struct weir_value *v, const void *data, size_t size, void (*release)(struct weir_value *v))
{
    atomic_init(&v->references, 1);
    v->size = size;
    v->data = data;
    v->release = release;
}

void value_unref(struct weir_value *v)
{
    if (v && value_drop(v))
        v->release(v);
}

const void *weir_value_data(const weir_value *v)
{
    return v ? value_data(v) : NULL;
}

size_t weir_value_size(const weir_value *v)
{
    return v ? value_size(v) : 0;
}
