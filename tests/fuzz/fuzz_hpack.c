/*
 * HPACK beside nghttp2's. An input is a sequence of steps: header blocks as they are, which both decoders have to read
 * alike; fields, which nghttp2's encoder turns into a block for ours; sizes of the table, acknowledged. What has been
 * read is encoded by ours and has to be read by nghttp2's. A third decoder has no room for anything, or little, and
 * must come to the same table.
 *
 * SPDX-License-Identifier: MIT
 */
#include "fuzz.h"
#include "http/h2/field_kind.h"
#include "http/h2/hpack_decode.h"
#include "http/h2/hpack_encode.h"

#include <nghttp2/nghttp2.h>

#define PLACE_MAX  65536
#define FIELDS_MAX 4096
#define STEPS_MAX  64

struct field {
    struct slice name, value;
};

struct listing {
    struct field fields[FIELDS_MAX];
    size_t count;
    char bytes[4 << 20];
    size_t used;
    bool full;
};

static void listing_clear(struct listing *l)
{
    l->count = l->used = 0;
    l->full = false;
}

static struct slice listing_copy(struct listing *l, const void *data, size_t len)
{
    char *at = l->bytes + l->used;
    if (len)
        memcpy(at, data, len);
    l->used += len;
    return slice_of(at, len);
}

static void listing_add(struct listing *l, const void *name, size_t name_len, const void *value, size_t value_len)
{
    if (l->count == FIELDS_MAX || name_len + value_len > sizeof l->bytes - l->used) {
        l->full = true;
        return;
    }
    struct field *f = &l->fields[l->count++];
    f->name = listing_copy(l, name, name_len);
    f->value = listing_copy(l, value, value_len);
}

static void listings_same(const struct listing *a, const struct listing *b)
{
    FUZZ_CHECK(a->full == b->full && a->count == b->count);
    for (size_t i = 0; i < a->count; i++) {
        FUZZ_CHECK(slice_equal(a->fields[i].name, b->fields[i].name));
        FUZZ_CHECK(slice_equal(a->fields[i].value, b->fields[i].value));
    }
}

/* ---- Ours ---- */

struct tables {
    struct memory memory;
    struct account account;
    struct pool pool;
};

static struct tables tables;

static void tables_open(void)
{
    static bool open;
    if (open)
        return;
    open = true;
    memory_init(&tables.memory, 0);
    account_open(&tables.account, &tables.memory, "fuzz");
    pool_init(&tables.pool, &tables.account, sizeof(struct hpack_table), 16, 0);
}

static void field_check(const struct hpack_field *f, const char *place)
{
    FUZZ_CHECK(f->name[f->name_len] == '\0' && f->value[f->value_len] == '\0');
    FUZZ_CHECK(f->form == HPACK_VALUE_PLACED ? f->value == place : f->value == f->name + f->name_len + 1);
    FUZZ_CHECK(f->form != HPACK_PLACED || f->name == place);
    FUZZ_CHECK(f->kind == field_kind_of(f->name, f->name_len, f->value, f->value_len));
}

/* False: the block is refused. reason: why. */
static bool ours_decode(struct hpack_decoder *d, const uint8_t *block, size_t len, size_t room, struct listing *list,
                        const char **reason)
{
    struct hpack_block b;
    struct hpack_field f;
    char *place = malloc(room ? room : 1);
    FUZZ_CHECK(place);
    hpack_block_begin(&b, d, &tables.pool, block, len);
    enum hpack_result result;
    if (list)
        listing_clear(list);
    while ((result = hpack_next(&b, &f, place, room)) == HPACK_FIELD || result == HPACK_DROPPED) {
        FUZZ_CHECK(result == HPACK_FIELD || room < PLACE_MAX);
        if (result == HPACK_FIELD)
            field_check(&f, place);
        if (list)
            listing_add(list, f.name, f.name_len, f.value, f.value_len);
    }
    FUZZ_CHECK(result == HPACK_END || (result == HPACK_ERROR && b.reason));
    free(place);
    *reason = b.reason;
    return result == HPACK_END;
}

static void tables_same(const struct hpack_decoder *a, const struct hpack_decoder *b)
{
    FUZZ_CHECK(a->max == b->max && a->limit == b->limit && a->least == b->least);
    FUZZ_CHECK(!a->table == !b->table);
    if (!a->table)
        return;
    FUZZ_CHECK(a->table->count == b->table->count && a->table->size == b->table->size);
    size_t size = 0;
    for (uint32_t i = 0; i < a->table->count; i++) {
        const struct hpack_entry *x = hpack_table_entry(a->table, i), *y = hpack_table_entry(b->table, i);
        FUZZ_CHECK(x->name_len == y->name_len && x->value_len == y->value_len && x->kind == y->kind);
        size_t bytes = (size_t)x->name_len + x->value_len + 2;
        FUZZ_CHECK(x->at + bytes <= HPACK_TABLE_MAX);
        FUZZ_CHECK(memcmp(a->table->bytes + x->at, b->table->bytes + y->at, bytes) == 0);
        size += bytes - 2 + HPACK_ENTRY_OVERHEAD;
    }
    FUZZ_CHECK(size == a->table->size && size <= a->max);
}

/* ---- nghttp2's ---- */

static bool theirs_decode(nghttp2_hd_inflater *inflater, const uint8_t *block, size_t len, struct listing *list)
{
    listing_clear(list);
    for (;;) {
        nghttp2_nv nv;
        int flags = 0;
        ssize_t used = nghttp2_hd_inflate_hd2(inflater, &nv, &flags, block, len, 1);
        if (used < 0)
            return false;
        block += used;
        len -= (size_t)used;
        if (flags & NGHTTP2_HD_INFLATE_EMIT)
            listing_add(list, nv.name, nv.namelen, nv.value, nv.valuelen);
        if (flags & NGHTTP2_HD_INFLATE_FINAL)
            break;
        FUZZ_CHECK((flags & NGHTTP2_HD_INFLATE_EMIT) || len > 0);
    }
    FUZZ_CHECK(nghttp2_hd_inflate_end_headers(inflater) == 0);
    return true;
}

/* ---- Steps ---- */

struct state {
    struct hpack_decoder whole, little; /* of blocks as they are */
    struct hpack_decoder encoded;       /* of what nghttp2's encoder makes */
    nghttp2_hd_inflater *inflater, *replies;
    nghttp2_hd_deflater *deflater;
};

static struct listing ours, theirs;

/* What has been read, as our encoder puts it. */
static void encode(struct state *s, struct listing *list)
{
    static uint8_t block[8 << 20];
    uint8_t *at = block;
    if (list->full)
        return;
    for (size_t i = 0; i < list->count; i++) {
        struct field *f = &list->fields[i];
        size_t size = hpack_field_size(f->name, f->value);
        FUZZ_CHECK(size <= hpack_field_bound(f->name.len, f->value.len));
        uint8_t *end = hpack_put_field(at, f->name, f->value);
        FUZZ_CHECK(end == at + size);
        at = end;
        char *name = (char *)(uintptr_t)f->name.data;
        for (size_t n = 0; n < f->name.len; n++)
            name[n] = ascii_lower(name[n]);
    }
    FUZZ_CHECK(theirs_decode(s->replies, block, (size_t)(at - block), &theirs));
    listings_same(list, &theirs);
}

/* Names as handlers give them are tokens, which our encoder counts on. */
static bool names_are_tokens(const struct listing *list)
{
    for (size_t i = 0; i < list->count; i++) {
        struct slice name = list->fields[i].name;
        for (size_t n = 0; n < name.len; n++)
            if (name.data[n] <= ' ' || name.data[n] == 0x7f)
                return false;
    }
    return true;
}

/* Returns false after a block that is refused: nothing more can be read. */
static bool step_block(struct state *s, const uint8_t *data, size_t len, size_t room)
{
    const char *reason, *again;
    uint8_t *block = (uint8_t *)fuzz_copy(data, len, 0);
    bool good = ours_decode(&s->whole, block, len, PLACE_MAX, &ours, &reason);
    bool other = ours_decode(&s->little, block, len, room, NULL, &again);
    FUZZ_CHECK(good == other && (good || strcmp(reason, again) == 0));
    bool theirs_good = theirs_decode(s->inflater, block, len, &theirs);
    free(block);
    if (!good && strcmp(reason, "too many size updates") == 0)
        return false; /* nghttp2 takes any number */
    FUZZ_CHECK(good == theirs_good);
    if (!good)
        return false;
    listings_same(&ours, &theirs);
    tables_same(&s->whole, &s->little);
    if (names_are_tokens(&ours))
        encode(s, &ours);
    return true;
}

/* Fields as "name NUL value NUL", encoded by nghttp2. */
static void step_fields(struct state *s, const uint8_t *data, size_t len)
{
    static nghttp2_nv nvs[256];
    static uint8_t block[262144];
    size_t count = 0;
    listing_clear(&theirs);
    while (len > 0 && count < 256) {
        const uint8_t *end = memchr(data, 0, len);
        size_t name = end ? (size_t)(end - data) : len, rest = end ? len - name - 1 : 0;
        const uint8_t *value = end ? end + 1 : data + len, *stop = memchr(value, 0, rest);
        size_t value_len = stop ? (size_t)(stop - value) : rest;
        nvs[count++] = (nghttp2_nv){.name = (uint8_t *)(uintptr_t)data,
                                    .namelen = name,
                                    .value = (uint8_t *)(uintptr_t)value,
                                    .valuelen = value_len,
                                    .flags = value_len % 7 == 6 ? NGHTTP2_NV_FLAG_NO_INDEX : 0};
        listing_add(&theirs, data, name, value, value_len);
        const uint8_t *next = stop ? stop + 1 : value + value_len;
        len -= (size_t)(next - data);
        data = next;
    }
    ssize_t size = nghttp2_hd_deflate_hd(s->deflater, block, sizeof block, nvs, count);
    FUZZ_CHECK(size >= 0);
    const char *reason;
    uint8_t *exact = (uint8_t *)fuzz_copy(block, (size_t)size, 0);
    FUZZ_CHECK(ours_decode(&s->encoded, exact, (size_t)size, PLACE_MAX, &ours, &reason));
    free(exact);
    listings_same(&ours, &theirs);
}

static void step_size(struct state *s, uint32_t size)
{
    hpack_decoder_limit(&s->whole, &tables.pool, size);
    hpack_decoder_limit(&s->little, &tables.pool, size);
    hpack_decoder_limit(&s->encoded, &tables.pool, size);
    FUZZ_CHECK(nghttp2_hd_inflate_change_table_size(s->inflater, size) == 0);
    FUZZ_CHECK(nghttp2_hd_deflate_change_table_size(s->deflater, size) == 0);
}

static void state_open(struct state *s)
{
    hpack_decoder_init(&s->whole);
    hpack_decoder_init(&s->little);
    hpack_decoder_init(&s->encoded);
    FUZZ_CHECK(nghttp2_hd_inflate_new(&s->inflater) == 0);
    FUZZ_CHECK(nghttp2_hd_inflate_new(&s->replies) == 0);
    FUZZ_CHECK(nghttp2_hd_deflate_new(&s->deflater, HPACK_TABLE_MAX) == 0);
}

static void state_close(struct state *s)
{
    hpack_decoder_done(&s->whole, &tables.pool);
    hpack_decoder_done(&s->little, &tables.pool);
    hpack_decoder_done(&s->encoded, &tables.pool);
    FUZZ_CHECK(counter_read(&tables.account.in_use) == 0);
    nghttp2_hd_inflate_del(s->inflater);
    nghttp2_hd_inflate_del(s->replies);
    nghttp2_hd_deflate_del(s->deflater);
}

/* A step is a byte that says what it is, two of a number, and as many bytes as that says for a block or fields. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct state s;
    if (size > 30000)
        return 0;
    tables_open();
    state_open(&s);
    for (int step = 0; step < STEPS_MAX && size >= 3; step++) {
        unsigned what = data[0];
        size_t number = (size_t)data[1] | (size_t)data[2] << 8;
        data += 3;
        size -= 3;
        if (what % 4 == 3) {
            step_size(&s, (uint32_t)(number % (HPACK_TABLE_MAX + 1)));
            continue;
        }
        size_t len = number < size ? number : size;
        if (what % 4 == 2)
            step_fields(&s, data, len);
        else if (!step_block(&s, data, len, what / 4))
            break;
        data += len;
        size -= len;
    }
    state_close(&s);
    return 0;
}
