/*
 * A block that grows without a copy and leaves nothing behind: a mapping of its own, counted by an account. For what is
 * as large as what a client sends.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_MAPPING_H
#define WEIR_WEB_MAPPING_H

#include "base/memory.h"

struct http;

#define MAPPING_FIRST ((size_t)64 * 1024) /* bytes that one begins with, where its length is not known */

/* The beginning of a mapping. */
struct mapping {
    size_t size; /* of all of it */
} __attribute__((aligned(16)));

static inline char *mapping_data(struct mapping *m)
{
    return (char *)(m + 1);
}

static inline size_t mapping_room(const struct mapping *m)
{
    return m->size - sizeof *m;
}

/* The size of a mapping with room for len bytes. */
static inline size_t mapping_size(size_t len)
{
    return memory_whole_pages(sizeof(struct mapping) + len);
}

/* Makes one (m is NULL), or gives one another size, by mapping_size(). Returns where it lies then. NULL: refused, and m
 * is as it was. */
struct mapping *mapping_resize(struct http *http, struct account *a, struct mapping *m, size_t size) MUST_CHECK;
void mapping_free(struct account *a, struct mapping *m);

#endif
