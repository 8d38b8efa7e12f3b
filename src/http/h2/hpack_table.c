/*
 * The dynamic table's log.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/h2/hpack_table.h"

_Static_assert(sizeof(struct hpack_entry) == 8, "an index of few bytes");
_Static_assert((HPACK_ENTRIES_MAX & (HPACK_ENTRIES_MAX - 1)) == 0, "the counter of insertions may wrap");

void hpack_table_init(struct hpack_table *t)
{
    t->inserted = 0;
    t->count = 0;
    t->size = 0;
    t->end = 0;
    memset(t->bytes + HPACK_TABLE_MAX, 0, HPACK_SLACK);
}

static size_t entry_size(size_t name_len, size_t value_len)
{
    return name_len + value_len + HPACK_ENTRY_OVERHEAD;
}

void hpack_table_evict(struct hpack_table *t, uint32_t max)
{
    while (t->size > max) {
        debug_assert(t->count > 0);
        const struct hpack_entry *oldest = hpack_table_entry(t, t->count - 1u);
        t->size = (uint16_t)(t->size - entry_size(oldest->name_len, oldest->value_len));
        t->count--;
    }
    if (t->count == 0)
        t->end = 0;
}

/* What lives moves to the front. */
static WRAPS void table_compact(struct hpack_table *t)
{
    uint16_t begin = hpack_table_entry(t, t->count - 1u)->at;
    memmove(t->bytes, t->bytes + begin, t->end - begin);
    t->end -= begin;
    for (uint32_t n = 1; n <= t->count; n++) {
        struct hpack_entry *e = &t->entries[(t->inserted - n) % HPACK_ENTRIES_MAX];
        e->at = (uint16_t)(e->at - begin);
    }
}

WRAPS char *hpack_table_insert(struct hpack_table *t, uint32_t max, size_t name_len, size_t value_len, uint8_t kind)
{
    debug_assert(max <= HPACK_TABLE_MAX);
    size_t size = entry_size(name_len, value_len), bytes = name_len + value_len + 2;
    if (size > max) {
        hpack_table_evict(t, 0);
        return NULL;
    }
    hpack_table_evict(t, max - (uint32_t)size);
    if (t->end + bytes > HPACK_TABLE_MAX)
        table_compact(t);
    weir_assert(t->end + bytes <= HPACK_TABLE_MAX);
    t->entries[t->inserted % HPACK_ENTRIES_MAX] = (struct hpack_entry){
        .at = (uint16_t)t->end, .name_len = (uint16_t)name_len, .value_len = (uint16_t)value_len, .kind = kind};
    char *at = t->bytes + t->end;
    t->end += (uint32_t)bytes;
    t->inserted++; /* modulo 2^32 */
    t->count++;
    t->size = (uint16_t)(t->size + size);
    return at;
}
