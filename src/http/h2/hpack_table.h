/*
 * The tables of HPACK (RFC 7541 section 2.3): the static one, and the decoder's dynamic one. In both an entry's strings
 * lie together as "name NUL value NUL", with HPACK_SLACK bytes that can be read behind.
 *
 * The dynamic table's bytes are a log: entries are added at its end, the oldest go from its beginning, and when the end
 * is reached what lives moves to the front. An entry counts 32 bytes more than its strings (section 4.1) and takes two
 * more, so there is always room for what the table may hold.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_HTTP_H2_HPACK_TABLE_H
#define WEIR_HTTP_H2_HPACK_TABLE_H

#include "base/debug.h"
#include "base/slice.h"

#include <stdint.h>

#define HPACK_STATIC_COUNT   61
#define HPACK_ENTRY_OVERHEAD 32
#define HPACK_TABLE_MAX      4096
#define HPACK_ENTRIES_MAX    (HPACK_TABLE_MAX / HPACK_ENTRY_OVERHEAD)
#define HPACK_SLACK          32

struct hpack_entry {
    uint16_t at; /* of the name, in the table's bytes; the value is behind its NUL */
    uint16_t name_len, value_len;
    uint8_t kind; /* enum field_kind */
    uint8_t unused;
};

/* ---- The static table ---- */

extern const struct hpack_entry hpack_static[HPACK_STATIC_COUNT + 1]; /* by index, from 1 */
extern const char hpack_static_bytes[];

/* Indexes of the static table that are known by name. */
enum hpack_index {
    HPACK_AUTHORITY = 1,
    HPACK_METHOD = 2,
    HPACK_PATH = 4,
    HPACK_SCHEME = 6,
    HPACK_STATUS_200 = 8,
    HPACK_STATUS_500 = 14, /* the last pseudo-header */
    HPACK_AUTHORIZATION = 23,
    HPACK_CONTENT_LENGTH = 28,
    HPACK_CONTENT_TYPE = 31,
    HPACK_DATE = 33,
    HPACK_PROXY_AUTHORIZATION = 49,
    HPACK_SET_COOKIE = 55,
};

/* ---- The dynamic table ---- */

struct hpack_table {
    uint32_t inserted; /* entries ever; the newest is entries[(inserted - 1) % HPACK_ENTRIES_MAX] */
    uint16_t count;    /* entries that live */
    uint16_t size;     /* what they count together */
    uint32_t end;      /* of the log */
    struct hpack_entry entries[HPACK_ENTRIES_MAX];
    char bytes[HPACK_TABLE_MAX + HPACK_SLACK];
};

void hpack_table_init(struct hpack_table *t);

/* The n-th newest entry, from 0; n < t->count. */
static inline WRAPS const struct hpack_entry *hpack_table_entry(const struct hpack_table *t, uint32_t n)
{
    return &t->entries[(t->inserted - 1 - n) % HPACK_ENTRIES_MAX];
}

static inline WRAPS struct hpack_entry *hpack_table_newest(struct hpack_table *t)
{
    return &t->entries[(t->inserted - 1) % HPACK_ENTRIES_MAX];
}

/* Lets the oldest entries go until the others count no more than max. */
void hpack_table_evict(struct hpack_table *t, uint32_t max);

/*
 * Makes the newest entry of strings of these lengths, for a table of at most max bytes, letting older ones go; returns
 * where the caller puts "name NUL value NUL". NULL: an entry of that size empties the table and is not in it (RFC 7541
 * section 4.4). What the bytes of the table held at another place is lost.
 */
char *hpack_table_insert(struct hpack_table *t, uint32_t max, size_t name_len, size_t value_len, uint8_t kind);

#endif
