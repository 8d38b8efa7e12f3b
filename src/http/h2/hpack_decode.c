/*
 * Header blocks, representation by representation (RFC 7541 section 6).
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/h2/hpack_decode.h"
#include "base/debug.h"
#include "http/h2/field_kind.h"
#include "http/h2/huffman.h"

#define UPDATES_MAX 2 /* at a block's beginning: the smallest size since the last block, and the present one */

/* ---- The decoder ---- */

void hpack_decoder_done(struct hpack_decoder *d, struct pool *tables)
{
    if (d->table)
        pool_give(tables, d->table);
    d->table = NULL;
}

void hpack_decoder_limit(struct hpack_decoder *d, struct pool *tables, uint32_t limit)
{
    weir_assert(limit <= HPACK_TABLE_MAX);
    d->limit = (uint16_t)limit;
    if (d->limit < d->least)
        d->least = d->limit;
    if (limit == 0)
        hpack_decoder_done(d, tables);
}

static COLD enum hpack_result refuse(struct hpack_block *b, const char *reason)
{
    b->reason = reason;
    return HPACK_ERROR;
}

/* ---- Integers and strings (RFC 7541 section 5) ---- */

/* The rest of an integer whose prefix is full. False: it is not all there, or does not fit. */
static COLD bool integer_rest(struct hpack_block *b, uint32_t *n)
{
    for (unsigned shift = 0; shift < 32 && b->pos < b->end; shift += 7) {
        uint8_t byte = *b->pos++;
        uint32_t part = byte & 0x7f;
        if (part > UINT32_MAX >> shift || __builtin_add_overflow(*n, part << shift, n))
            return false;
        if (!(byte & 0x80))
            return true;
    }
    return false;
}

/* An integer with a prefix of some bits, in the byte at pos, which is there. */
static inline bool integer_read(struct hpack_block *b, unsigned prefix, uint32_t *n)
{
    uint32_t most = (1u << prefix) - 1;
    *n = *b->pos++ & most;
    return likely(*n != most) || integer_rest(b, n);
}

struct string {
    const uint8_t *at;
    uint32_t len;
    bool huffman;
};

static inline bool string_read(struct hpack_block *b, struct string *s)
{
    if (unlikely(b->pos == b->end))
        return false;
    s->huffman = *b->pos & 0x80;
    if (unlikely(!integer_read(b, 7, &s->len) || s->len > (size_t)(b->end - b->pos)))
        return false;
    s->at = b->pos;
    b->pos += s->len;
    return true;
}

/* Puts a string and a NUL; *len: how long it is, HUFFMAN_BAD, or HUFFMAN_LONG, beyond room. Returns behind the NUL. */
static inline char *string_put(const struct string *s, char *to, const char *end, size_t *len)
{
    if (s->huffman) {
        *len = huffman_decode(s->at, s->len, to, (size_t)(end - to));
        if (unlikely(*len >= HUFFMAN_LONG))
            return to;
    } else {
        *len = s->len;
        if (unlikely(s->len >= (size_t)(end - to))) {
            *len = HUFFMAN_LONG;
            return to;
        }
        memcpy(to, s->at, s->len);
    }
    to += *len;
    if (unlikely(to == end)) {
        *len = HUFFMAN_LONG;
        return to;
    }
    *to = '\0';
    return to + 1;
}

/* ---- Tables ---- */

static inline const struct hpack_entry *entry_find(const struct hpack_block *b, uint32_t index, const char **bytes)
{
    if (index <= HPACK_STATIC_COUNT) {
        *bytes = hpack_static_bytes + hpack_static[index].at;
        return index > 0 ? &hpack_static[index] : NULL;
    }
    const struct hpack_table *t = b->decoder->table;
    uint32_t n = index - HPACK_STATIC_COUNT - 1;
    if (unlikely(!t || n >= t->count))
        return NULL;
    const struct hpack_entry *e = hpack_table_entry(t, n);
    *bytes = t->bytes + e->at;
    return e;
}

/* A table of the decoder's; NULL when refused. */
static struct hpack_table *table_of(struct hpack_block *b)
{
    struct hpack_decoder *d = b->decoder;
    if (unlikely(!d->table)) {
        d->table = pool_take(b->tables);
        if (d->table)
            hpack_table_init(d->table);
    }
    return d->table;
}

/* ---- Literals ---- */

/* The strings of a literal, as they lie in the block. */
struct literal {
    const struct hpack_entry *named; /* whose name it is; NULL: the name is a string */
    const char *named_bytes;
    uint32_t index; /* of named */
    struct string name, value;
    bool insert;
};

static size_t string_length(const struct string *s)
{
    return s->huffman ? huffman_length(s->at, s->len) : s->len;
}

static void string_put_whole(const struct string *s, char *to, size_t len)
{
    if (s->huffman)
        (void)huffman_decode(s->at, s->len, to, len);
    else
        memcpy(to, s->at, len);
    to[len] = '\0';
}

/* Decodes what goes into the table, and nowhere else, right there. The name may lie in the table, in an entry that has
 * to go for this one, so it takes its way over the stack. */
static COLD __attribute__((noinline)) enum hpack_result insert_unplaced(struct hpack_block *b, const struct literal *l,
                                                                        size_t name_len, size_t value_len)
{
    char name[HPACK_TABLE_MAX];
    struct hpack_table *t = table_of(b);
    if (!t)
        return HPACK_NO_MEMORY;
    if (l->named && name_len <= sizeof name)
        memcpy(name, l->named_bytes, name_len);
    char *to = hpack_table_insert(t, b->decoder->max, name_len, value_len, FIELD_PLAIN);
    if (!to)
        return HPACK_DROPPED;
    if (l->named)
        memcpy(to, name, name_len);
    else
        string_put_whole(&l->name, to, name_len);
    to[name_len] = '\0';
    string_put_whole(&l->value, to + name_len + 1, value_len);
    hpack_table_newest(t)->kind =
        (uint8_t)field_kind_of(to, (uint32_t)name_len, to + name_len + 1, (uint32_t)value_len);
    return HPACK_DROPPED;
}

/* A literal that there is no place for: what is left of it is what the table has. */
static COLD enum hpack_result literal_drop(struct hpack_block *b, struct hpack_field *f, const struct literal *l)
{
    size_t name_len = l->named ? l->named->name_len : string_length(&l->name), value_len = string_length(&l->value);
    if (name_len == HUFFMAN_BAD || value_len == HUFFMAN_BAD)
        return refuse(b, "malformed Huffman code");
    *f = (struct hpack_field){.kind = FIELD_PLAIN, .name_len = (uint32_t)name_len, .value_len = (uint32_t)value_len};
    return l->insert && b->decoder->max > 0 ? insert_unplaced(b, l, name_len, value_len) : HPACK_DROPPED;
}

/* Puts a placed field into the table, too. */
static enum hpack_result insert_placed(struct hpack_block *b, const struct hpack_field *f)
{
    if (b->decoder->max == 0)
        return HPACK_FIELD;
    struct hpack_table *t = table_of(b);
    if (unlikely(!t))
        return HPACK_NO_MEMORY;
    char *to = hpack_table_insert(t, b->decoder->max, f->name_len, f->value_len, f->kind);
    if (likely(to != NULL)) {
        memcpy(to, f->name, f->name_len + 1);
        memcpy(to + f->name_len + 1, f->value, f->value_len + 1);
    }
    return HPACK_FIELD;
}

/* The value has no place, or is none; the name has been put, or is in a table. */
static COLD enum hpack_result value_unplaced(struct hpack_block *b, struct hpack_field *f, const struct literal *l,
                                             size_t name_len, size_t value_len)
{
    if (value_len == HUFFMAN_BAD)
        return refuse(b, "malformed Huffman code");
    bool path = name_len == sizeof ":path" - 1 && memcmp(f->name, ":path", name_len) == 0;
    bool method = name_len == sizeof ":method" - 1 && memcmp(f->name, ":method", name_len) == 0;
    enum hpack_result result = literal_drop(b, f, l);
    f->kind = path ? FIELD_BAD_PATH : method ? FIELD_BAD_METHOD : FIELD_PLAIN;
    return result;
}

/* Puts the strings at their place. Names of pseudo-headers that are known by index stay away: none becomes a field. */
static inline enum hpack_result literal_place(struct hpack_block *b, struct hpack_field *f, const struct literal *l,
                                              char *place, const char *end)
{
    size_t name_len, value_len;
    char *value = place;
    f->name = place;
    f->form = HPACK_PLACED;
    if (!l->named) {
        value = string_put(&l->name, place, end, &name_len);
        if (unlikely(name_len >= HUFFMAN_LONG))
            return name_len == HUFFMAN_BAD ? refuse(b, "malformed Huffman code") : literal_drop(b, f, l);
    } else if (l->index > 0 && l->index <= HPACK_STATUS_500) {
        name_len = l->named->name_len;
        f->name = l->named_bytes;
        f->form = HPACK_VALUE_PLACED;
    } else {
        name_len = l->named->name_len;
        if (unlikely(name_len >= (size_t)(end - place)))
            return literal_drop(b, f, l);
        hpack_copy_out(place, l->named_bytes, name_len + 1);
        value += name_len + 1;
    }
    string_put(&l->value, value, end, &value_len);
    if (unlikely(value_len >= HUFFMAN_LONG))
        return value_unplaced(b, f, l, name_len, value_len);
    f->value = value;
    f->name_len = (uint32_t)name_len;
    f->value_len = (uint32_t)value_len;
    f->kind = (uint8_t)field_kind_of(f->name, f->name_len, value, f->value_len);
    return l->insert ? insert_placed(b, f) : HPACK_FIELD;
}

static enum hpack_result literal_next(struct hpack_block *b, struct hpack_field *f, unsigned prefix, char *place,
                                      size_t room)
{
    struct literal l = {.insert = prefix == 6};
    f->never_indexed = prefix == 4 && (*b->pos & 0x10);
    if (unlikely(!integer_read(b, prefix, &l.index)))
        return refuse(b, "malformed index");
    if (l.index > 0) {
        l.named = entry_find(b, l.index, &l.named_bytes);
        if (unlikely(!l.named))
            return refuse(b, "no such index");
    } else if (unlikely(!string_read(b, &l.name))) {
        return refuse(b, "malformed name");
    }
    if (unlikely(!string_read(b, &l.value)))
        return refuse(b, "malformed value");
    if (unlikely(room <= HPACK_SLACK))
        return literal_drop(b, f, &l);
    return literal_place(b, f, &l, place, place + room - HPACK_SLACK);
}

/* ---- Blocks ---- */

/* A size update (RFC 7541 section 6.3). False: the block's reason says what is wrong. */
static COLD bool size_update(struct hpack_block *b)
{
    struct hpack_decoder *d = b->decoder;
    uint32_t size;
    if (!integer_read(b, 5, &size)) {
        b->reason = "malformed size update";
        return false;
    }
    if (size > (d->max > d->least ? d->least : d->limit)) {
        b->reason = "a size update beyond what was allowed";
        return false;
    }
    d->max = (uint16_t)size;
    d->least = d->limit;
    if (d->table)
        hpack_table_evict(d->table, size);
    return true;
}

static bool is_size_update(const struct hpack_block *b)
{
    return b->pos < b->end && (*b->pos & 0xe0) == 0x20;
}

/* The size updates of a block, and whether those are there that have to be. */
static COLD void size_updates(struct hpack_block *b)
{
    for (int i = 0; i < UPDATES_MAX && is_size_update(b); i++)
        if (!size_update(b))
            return;
    if (is_size_update(b))
        b->reason = "too many size updates";
    else if (b->decoder->max > b->decoder->least)
        b->reason = "no size update";
    b->decoder->least = b->decoder->limit;
}

void hpack_block_begin(struct hpack_block *b, struct hpack_decoder *d, struct pool *tables, const uint8_t *block,
                       size_t len)
{
    *b = (struct hpack_block){.decoder = d, .tables = tables, .pos = block, .end = block + len};
    if (unlikely(d->least < d->limit || d->max > d->limit || is_size_update(b)))
        size_updates(b);
    if (unlikely(b->reason != NULL))
        b->pos = b->end;
}

static inline enum hpack_result indexed_next(struct hpack_block *b, struct hpack_field *f)
{
    uint32_t index;
    const char *strings;
    if (unlikely(!integer_read(b, 7, &index)))
        return refuse(b, "malformed index");
    const struct hpack_entry *e = entry_find(b, index, &strings);
    if (unlikely(!e))
        return refuse(b, "no such index");
    *f = hpack_field_of(e, strings);
    return HPACK_FIELD;
}

enum hpack_result hpack_next(struct hpack_block *b, struct hpack_field *f, char *place, size_t room)
{
    if (unlikely(b->reason != NULL))
        return HPACK_ERROR;
    if (b->pos == b->end)
        return HPACK_END;
    uint8_t byte = *b->pos;
    if (byte & 0x80)
        return indexed_next(b, f);
    if (unlikely((byte & 0xe0) == 0x20))
        return refuse(b, "a size update behind a field");
    return literal_next(b, f, byte & 0x40 ? 6 : 4, place, room);
}
