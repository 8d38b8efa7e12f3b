/*
 * Shared values: bytes that never change once made and that several replies may be sending at the same time, on any
 * worker. Each holder has a reference; the last one that goes gives the memory back to whoever made the value.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_CACHE_VALUE_H
#define WEIR_WEB_CACHE_VALUE_H

#include "base/shared.h"
#include "weir.h"

#include <stddef.h>

struct weir_value {
    struct shared shared;
    size_t size;
    const void *data; /* NULL only if size is 0 */
};

/* Makes v a value with one reference, the caller's. data lives until release is called with &v->shared. */
void value_init(struct weir_value *v, const void *data, size_t size, void (*release)(struct shared *s));

/* Counts one more holder. The caller holds a reference, or a lock under which one is held. Any thread. */
static inline void value_ref(struct weir_value *v)
{
    shared_ref(&v->shared);
}

/* Gives a reference up without releasing; true if it was the last one: the caller then has to see to the memory. */
static inline bool value_drop(struct weir_value *v)
{
    return shared_drop(&v->shared);
}

/* Gives a reference up, and with the last one the memory. v may be NULL. Any thread; takes the lock of v's maker. */
void value_unref(struct weir_value *v);

static inline const void *value_data(const struct weir_value *v)
{
    return v->data;
}

static inline size_t value_size(const struct weir_value *v)
{
    return v->size;
}

#endif
