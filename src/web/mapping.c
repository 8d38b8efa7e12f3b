/*
 * Mappings that grow.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/mapping.h"

#include "http/http.h"

#include <unistd.h>

struct mapping *mapping_resize(struct http *http, struct account *a, struct mapping *m, size_t new_size)
{
    size_t size = m ? m->size : 0;
    if (new_size > size && !admission_make_room(http, new_size - size)) {
        atomic_fetch_add_explicit(&a->refused, 1, memory_order_relaxed);
        return NULL;
    }
    m = m ? memory_remap(a, m, size, new_size) : memory_map(a, new_size, (size_t)sysconf(_SC_PAGESIZE));
    if (!m)
        return NULL;
    if (size > 0)
        account_give_any(a, size);
    account_take_any(a, new_size);
    m->size = new_size;
    return m;
}

void mapping_free(struct account *a, struct mapping *m)
{
    account_give_any(a, m->size);
    memory_unmap(a, m, m->size);
}
