/*
 * The decoder of HPACK: the examples of RFC 7541 appendix C, every representation, every limit, and size updates.
 *
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "hpack_fixture.h"
#include "http/h2/field_kind.h"
#include "http/h2/huffman.h"

#define LIST_MAX 16384

/* The fields of a block as "name: value\n" each, "dropped\n" for one that was. Returns how it ended. */
static enum hpack_result decode(struct hpack_fixture *f, struct bytes block, size_t room, char *list)
{
    struct hpack_block b;
    struct hpack_field field;
    char *place = malloc(room ? room : 1);
    assert_non_null(place);
    hpack_block_begin(&b, &f->decoder, &f->tables, block.data, block.len);
    enum hpack_result result;
    list[0] = '\0';
    while ((result = hpack_next(&b, &field, place, room)) == HPACK_FIELD || result == HPACK_DROPPED) {
        size_t len = strlen(list);
        if (result == HPACK_DROPPED) {
            snprintf(list + len, LIST_MAX - len, "dropped\n");
            continue;
        }
        assert_int_equal(field.name[field.name_len], 0);
        assert_int_equal(field.value[field.value_len], 0);
        if (field.form != HPACK_VALUE_PLACED)
            assert_ptr_equal(field.value, field.name + field.name_len + 1);
        snprintf(list + len, LIST_MAX - len, "%s: %s\n", field.name, field.value);
    }
    assert_int_equal(result == HPACK_ERROR, b.reason != NULL);
    free(place);
    return result;
}

static enum hpack_result decode_text(struct hpack_fixture *f, const char *text, size_t room, char *list)
{
    struct bytes block = bytes_of(text);
    enum hpack_result result = decode(f, block, room, list);
    free(block.data);
    return result;
}

static void expect(struct hpack_fixture *f, const char *text, const char *fields)
{
    char list[LIST_MAX];
    assert_int_equal(decode_text(f, text, 8192, list), HPACK_END);
    assert_string_equal(list, fields);
}

/* ---- RFC 7541 appendix C ---- */

#define FIRST  ":method: GET\n:scheme: http\n:path: /\n:authority: www.example.com\n"
#define SECOND FIRST "cache-control: no-cache\n"
#define THIRD                                                                                                          \
    ":method: GET\n:scheme: https\n:path: /index.html\n:authority: www.example.com\ncustom-key: custom-value\n"
#define REPLY_REST "cache-control: private\ndate: Mon, 21 Oct 2013 20:13:21 GMT\nlocation: https://www.example.com\n"
#define REPLY_THIRD                                                                                                    \
    ":status: 200\ncache-control: private\ndate: Mon, 21 Oct 2013 20:13:22 GMT\nlocation: https://www.example.com\n"   \
    "content-encoding: gzip\nset-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1\n"

struct example {
    const char *block, *fields;
    uint16_t table_size; /* after it */
};

static void examples(const struct example *e, size_t count, bool small)
{
    struct hpack_fixture f;
    hpack_fixture_open(&f);
    if (small)
        expect(&f, "3f e1 01", ""); /* 256 */
    for (size_t i = 0; i < count; i++) {
        expect(&f, e[i].block, e[i].fields);
        assert_int_equal(f.decoder.table ? f.decoder.table->size : 0, e[i].table_size);
    }
    hpack_fixture_close(&f);
}

#define EXAMPLES(list, small) examples(list, sizeof(list) / sizeof(list)[0], small)

static void appendix_c2(void **state)
{
    (void)state;
    static const struct example c21[] = {
        {"400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572", "custom-key: custom-header\n", 55}};
    static const struct example c22[] = {{"040c 2f73 616d 706c 652f 7061 7468", ":path: /sample/path\n", 0}};
    static const struct example c23[] = {{"1008 7061 7373 776f 7264 0673 6563 7265 74", "password: secret\n", 0}};
    static const struct example c24[] = {{"82", ":method: GET\n", 0}};
    EXAMPLES(c21, false);
    EXAMPLES(c22, false);
    EXAMPLES(c23, false);
    EXAMPLES(c24, false);
}

static void appendix_c3(void **state)
{
    (void)state;
    static const struct example list[] = {
        {"8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d", FIRST, 57},
        {"8286 84be 5808 6e6f 2d63 6163 6865", SECOND, 110},
        {"8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65", THIRD, 164},
    };
    EXAMPLES(list, false);
}

static void appendix_c4(void **state)
{
    (void)state;
    static const struct example list[] = {
        {"8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff", FIRST, 57},
        {"8286 84be 5886 a8eb 1064 9cbf", SECOND, 110},
        {"8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf", THIRD, 164},
    };
    EXAMPLES(list, false);
}

static void appendix_c5(void **state)
{
    (void)state;
    static const struct example list[] = {
        {"4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d"
         "546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
         ":status: 302\n" REPLY_REST, 222},
        {"4803 3330 37c1 c0bf", ":status: 307\n" REPLY_REST, 222},
        {"88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f"
         "6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b"
         "2076 6572 7369 6f6e 3d31",
         REPLY_THIRD, 215},
    };
    EXAMPLES(list, true);
}

static void appendix_c6(void **state)
{
    (void)state;
    static const struct example list[] = {
        {"4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7"
         "8f0b 97c8 e9ae 82ae 43d3",
         ":status: 302\n" REPLY_REST, 222},
        {"4883 640e ffc1 c0bf", ":status: 307\n" REPLY_REST, 222},
        {"88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335"
         "dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07",
         REPLY_THIRD, 215},
    };
    EXAMPLES(list, true);
}

/* ---- Representations ---- */

static void static_table(void **state)
{
    (void)state;
    struct hpack_fixture f;
    hpack_fixture_open(&f);
    for (uint8_t index = 1; index <= HPACK_STATIC_COUNT; index++) {
        const struct hpack_entry *e = &hpack_static[index];
        const char *name = hpack_static_bytes + e->at, *value = name + e->name_len + 1;
        assert_int_equal(strlen(name), e->name_len);
        assert_int_equal(strlen(value), e->value_len);
        assert_int_equal(e->kind, field_kind_of(name, e->name_len, value, e->value_len));
    }
    expect(&f, "81 8f 90 bd", ":authority: \naccept-charset: \naccept-encoding: gzip, deflate\nwww-authenticate: \n");
    assert_null(f.decoder.table);
    hpack_fixture_close(&f);
}

static void literals(void **state)
{
    (void)state;
    struct hpack_fixture f;
    hpack_fixture_open(&f);
    expect(&f, "00 01 'a' 01 'b' 10 01 'c' 00 0f 00 01 'x' 1f 2e 00",
           "a: b\nc: \naccept-charset: x\nwww-authenticate: \n");
    expect(&f, "40 01 'a' 01 'b' 40 01 'c' 01 'd' bf be 7f 00 01 'e' be", "a: b\nc: d\na: b\nc: d\na: e\na: e\n");
    expect(&f, "0f 2f 01 'f' 1f 30 01 'g'", "a: f\nc: g\n");
    expect(&f, "", "");
    expect(&f, "00 00 00 40 00 00 be", ": \n: \n: \n");
    expect(&f, "00 80 80", ": \n"); /* Huffman's code of nothing */
    hpack_fixture_close(&f);
}

static void never_indexed(void **state)
{
    (void)state;
    struct hpack_fixture f;
    struct hpack_block b;
    struct hpack_field field;
    char place[256];
    hpack_fixture_open(&f);
    struct bytes block = bytes_of("10 01 'a' 00 00 01 'a' 00 40 01 'a' 00 be 1f 00 00");
    static const bool expected[] = {true, false, false, false, true};
    hpack_block_begin(&b, &f.decoder, &f.tables, block.data, block.len);
    for (size_t i = 0; i < sizeof expected; i++) {
        assert_int_equal(hpack_next(&b, &field, place, sizeof place), HPACK_FIELD);
        assert_int_equal(field.never_indexed, expected[i]);
    }
    free(block.data);
    hpack_fixture_close(&f);
}

/* Refused with a place and without one. */
static void expect_error(const char *text)
{
    for (size_t room = 0; room <= 8192; room += 8192) {
        struct hpack_fixture f;
        char list[LIST_MAX];
        hpack_fixture_open(&f);
        assert_int_equal(decode_text(&f, text, room, list), HPACK_ERROR);
        hpack_fixture_close(&f);
    }
}

static void malformed(void **state)
{
    (void)state;
    static const char *const blocks[] = {
        "80",                   /* index 0 */
        "be",                   /* nothing is in the table */
        "ff 00",                /* 127 */
        "ff",                   /* an integer's rest is missing */
        "ff 80",                /* ... and goes on */
        "ff 80 80 80 80 10",    /* 2^32 + 127 */
        "ff ff ff ff ff 0f",    /* 2^32 + 126 */
        "ff 80 80 80 80 80 00", /* too many bytes, of nothing */
        "7e 00",                /* literals with such names: 62 */
        "7f",
        "0f ff",
        "0f 2f 00",
        "1f 2f 00",
        "40",
        "40 01",
        "40 01 'a'",
        "40 01 'a' 01",
        "40 02 'a' 00",
        "00 7f 80 80 80 80 10",
        "00 7f ff ff ff ff 0f 'a'",
        "04",
        "00 ff",
        "00 83 'aa'",
        "00 81 ff 00",          /* padding of a byte */
        "00 82 ff ff 00",       /* two bytes of it */
        "00 84 ff ff ff ff 00", /* EOS */
        "00 81 1e 00",          /* "a" and padding that is not ones */
        "00 82 1f ff 00",       /* "a" and padding of 11 bits */
        "00 01 'a' 81 fe",      /* what begins a long code */
        "82 20",                /* a size update behind a field */
        "20 20 20",             /* three */
        "3f e2 1f",             /* 4097 */
        "3f",
        "3f ff",
        "3f ff ff ff ff 0f",
    };
    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++)
        expect_error(blocks[i]);
}

/* ---- Huffman's code ---- */

static void huffman_lengths(void **state)
{
    (void)state;
    uint8_t zeros[600] = {0}; /* the code of "0" is five of them */
    char to[1000];
    for (size_t len = 0; len < sizeof zeros; len++) {
        size_t whole = len * 8 / 5;
        assert_true(whole <= huffman_most(len));
        if (len * 8 % 5 != 0) { /* the rest has to be ones */
            zeros[len - 1] = (uint8_t)((1u << (len * 8 % 5)) - 1);
        }
        assert_int_equal(huffman_length(zeros, len), whole);
        assert_int_equal(huffman_decode(zeros, len, to, sizeof to), whole);
        for (size_t i = 0; i < whole; i++)
            assert_int_equal(to[i], '0');
        assert_int_equal(huffman_decode(zeros, len, to, whole), whole);
        if (whole > 0)
            assert_int_equal(huffman_decode(zeros, len, to, whole - 1), HUFFMAN_LONG);
        if (len > 0)
            zeros[len - 1] = 0;
    }
}

struct code {
    uint32_t bits;
    uint8_t len;
};

/* Some codes of each length, from the RFC's table. */
static const struct {
    int symbol;
    struct code code;
} codes[] = {
    {'0', {0x0, 5}},        {'t', {0x9, 5}},        {' ', {0x14, 6}},       {'u', {0x2d, 6}},
    {':', {0x5c, 7}},       {'z', {0x7b, 7}},       {'&', {0xf8, 8}},       {'Z', {0xfd, 8}},
    {'!', {0x3f8, 10}},     {'?', {0x3fc, 10}},     {'\'', {0x7fa, 11}},    {'|', {0x7fc, 11}},
    {'#', {0xffa, 12}},     {'>', {0xffb, 12}},     {0, {0x1ff8, 13}},      {'~', {0x1ffd, 13}},
    {'^', {0x3ffc, 14}},    {'}', {0x3ffd, 14}},    {'<', {0x7ffc, 15}},    {'{', {0x7ffe, 15}},
    {'\\', {0x7fff0, 19}},  {208, {0x7fff2, 19}},   {128, {0xfffe6, 20}},   {226, {0xfffed, 20}},
    {153, {0x1fffdc, 21}},  {230, {0x1fffe8, 21}},  {129, {0x3fffd2, 22}},  {233, {0x3fffeb, 22}},
    {1, {0x7fffd8, 23}},    {239, {0x7ffff4, 23}},  {9, {0xffffea, 24}},    {237, {0xfffff5, 24}},
    {199, {0x1ffffec, 25}}, {235, {0x1ffffef, 25}}, {192, {0x3ffffe0, 26}}, {255, {0x3ffffee, 26}},
    {203, {0x7ffffde, 27}}, {254, {0x7fffff0, 27}}, {2, {0xfffffe2, 28}},   {249, {0xffffffe, 28}},
    {10, {0x3ffffffc, 30}}, {22, {0x3ffffffe, 30}},
};

struct bit_writer {
    uint8_t bytes[512];
    size_t count;
};

static void bits_put(struct bit_writer *w, struct code code)
{
    for (unsigned i = code.len; i > 0; i--, w->count++)
        if (code.bits >> (i - 1) & 1)
            w->bytes[w->count / 8] |= (uint8_t)(0x80 >> (w->count % 8));
}

/* Each code at each position in a byte, near the end and far from it. */
static void huffman_codes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        for (size_t before = 0; before < 8; before++) {
            for (size_t behind = 0; behind < 40; behind += 13) {
                struct bit_writer w = {0};
                char to[64];
                for (size_t n = 0; n < before; n++)
                    bits_put(&w, (struct code){0x9, 5}); /* "t" */
                bits_put(&w, codes[i].code);
                for (size_t n = 0; n < behind; n++)
                    bits_put(&w, (struct code){0x9, 5});
                while (w.count % 8 != 0)
                    bits_put(&w, (struct code){1, 1});
                size_t len = before + behind + 1;
                assert_int_equal(huffman_decode(w.bytes, w.count / 8, to, sizeof to), len);
                assert_int_equal(huffman_length(w.bytes, w.count / 8), len);
                for (size_t n = 0; n < len; n++)
                    assert_int_equal((unsigned char)to[n], n == before ? codes[i].symbol : 't');
            }
        }
    }
}

/* ---- The dynamic table ---- */

/* An entry that counts size bytes, of a name of one byte. */
static struct bytes entry_block(char name, size_t size)
{
    struct bytes b = {.data = malloc(size + 16)};
    assert_non_null(b.data);
    size_t value = size - HPACK_ENTRY_OVERHEAD - 1;
    b.data[b.len++] = 0x40;
    b.data[b.len++] = 1;
    b.data[b.len++] = (uint8_t)name;
    if (value < 127) {
        b.data[b.len++] = (uint8_t)value;
    } else {
        b.data[b.len++] = 127;
        b.data[b.len++] = (uint8_t)((value - 127) | 0x80);
        b.data[b.len++] = (uint8_t)((value - 127) >> 7);
    }
    memset(b.data + b.len, name, value);
    b.len += value;
    return b;
}

static void insert(struct hpack_fixture *f, char name, size_t size, size_t room)
{
    char list[LIST_MAX];
    struct bytes b = entry_block(name, size);
    assert_int_equal(decode(f, b, room, list), HPACK_END);
    free(b.data);
}

static void evicts(void **state)
{
    (void)state;
    for (size_t room = 0; room <= 8192; room += 8192) { /* with and without a place */
        struct hpack_fixture f;
        hpack_fixture_open(&f);
        insert(&f, 'a', 2048, room);
        insert(&f, 'b', 2048, room);
        assert_int_equal(f.decoder.table->count, 2);
        insert(&f, 'c', 34, room);
        assert_int_equal(f.decoder.table->count, 2);
        assert_int_equal(f.decoder.table->size, 2048 + 34);
        insert(&f, 'd', 4096, room);
        assert_int_equal(f.decoder.table->count, 1);
        insert(&f, 'e', 4097, room);
        assert_int_equal(f.decoder.table->count, 0);
        assert_int_equal(f.decoder.table->size, 0);
        hpack_fixture_close(&f);
    }
}

/* Entries of every size, and what is in the table after each: the newest ones, unchanged. */
static void moves(void **state)
{
    (void)state;
    for (size_t step = 1; step < 40; step += 3) {
        struct hpack_fixture f;
        hpack_fixture_open(&f);
        static size_t sizes[1000];
        for (size_t n = 0; n < 1000; n++) {
            sizes[n] = 33 + (n * n * step + n * 17) % (step * 30);
            insert(&f, (char)('a' + n % 26), sizes[n], n % 3 == 0 ? 0 : 8192);
            size_t kept = 0, count = 0;
            while (count <= n && kept + sizes[n - count] <= HPACK_TABLE_MAX)
                kept += sizes[n - count++];
            struct hpack_table *t = f.decoder.table;
            assert_int_equal(t->count, count);
            assert_int_equal(t->size, kept);
            for (uint32_t i = 0; i < count; i++) {
                const struct hpack_entry *e = hpack_table_entry(t, i);
                char expected = (char)('a' + (n - i) % 26);
                assert_int_equal(e->name_len, 1);
                assert_int_equal(e->value_len, sizes[n - i] - 33);
                assert_int_equal(t->bytes[e->at], expected);
                for (size_t at = 0; at < e->value_len; at++)
                    assert_int_equal(t->bytes[e->at + 2 + at], expected);
                assert_int_equal(t->bytes[e->at + 2 + e->value_len], 0);
            }
        }
        hpack_fixture_close(&f);
    }
}

/* An entry whose name comes from one that has to go for it (RFC 7541 section 4.4). */
static void name_goes(void **state)
{
    (void)state;
    for (size_t room = 0; room <= 8192; room += 8192) {
        struct hpack_fixture f;
        char list[LIST_MAX];
        hpack_fixture_open(&f);
        insert(&f, 'a', 3000, 8192);
        insert(&f, 'b', 1000, 8192);
        struct bytes b = entry_block('x', 3000); /* with the name of index 63, "a" */
        b.data[1] = 0x7f;
        b.data[2] = 0x00;
        struct bytes shifted = {.data = b.data + 1, .len = b.len - 1};
        assert_int_equal(decode(&f, shifted, room, list), HPACK_END);
        free(b.data);
        assert_int_equal(f.decoder.table->count, 2);
        assert_int_equal(decode_text(&f, "be bf", 8192, list), HPACK_END);
        assert_memory_equal(list, "a: xxx", 6);
        assert_non_null(strstr(list, "\nb: bbb"));
        hpack_fixture_close(&f);
    }
}

/* Whatever there is room for, the table is the same. */
static void without_room(void **state)
{
    (void)state;
    static const char block[] =
        "82 41 8c f1e3 c2e5 f23a 6ba0 ab90 f4ff 40 88 25a8 49e9 5ba9 7d7f 89 25a8 49e9 5bb8 e8b4 bf"
        " 7e 02 'xy' 00 01 'n' 01 'v' c0 bf be";
    for (size_t room = 0; room < 120; room++) {
        struct hpack_fixture f;
        char list[LIST_MAX];
        hpack_fixture_open(&f);
        assert_int_equal(decode_text(&f, block, room, list), HPACK_END);
        assert_int_equal(strstr(list, "dropped") == NULL, room >= HPACK_SLACK + 24);
        expect(&f, "be bf c0", "custom-key: xy\ncustom-key: custom-value\n:authority: www.example.com\n");
        hpack_fixture_close(&f);
    }
}

/* ---- Sizes ---- */

static void size_updates(void **state)
{
    (void)state;
    struct hpack_fixture f;
    hpack_fixture_open(&f);
    expect(&f, "40 01 'a' 01 'b' 40 01 'c' 01 'd'", "a: b\nc: d\n");
    expect(&f, "3f 03 be", "c: d\n"); /* 34: the older one goes */
    assert_int_equal(f.decoder.table->count, 1);
    expect(&f, "20 3f e1 1f 40 01 'a' 01 'b' be", "a: b\na: b\n"); /* 0, then 4096 */
    assert_int_equal(f.decoder.table->count, 1);
    expect(&f, "20 40 01 'a' 01 'b'", "a: b\n"); /* a table of nothing holds nothing */
    assert_int_equal(f.decoder.table->count, 0);
    hpack_fixture_close(&f);
}

struct limit_case {
    uint32_t limits[3]; /* acknowledged one after the other; UINT32_MAX: none */
    const char *block;
    bool good;
};

static void limits(void **state)
{
    (void)state;
    enum { NONE = -1 };
    static const struct limit_case cases[] = {
        {{256, UINT32_MAX, UINT32_MAX}, "82", false}, /* a smaller table has to be announced */
        {{256, UINT32_MAX, UINT32_MAX}, "", false},
        {{256, UINT32_MAX, UINT32_MAX}, "3f e1 01 82", true},  /* 256 */
        {{256, UINT32_MAX, UINT32_MAX}, "3f e2 01 82", false}, /* 257 */
        {{256, UINT32_MAX, UINT32_MAX}, "20 82", true},
        {{256, UINT32_MAX, UINT32_MAX}, "20 3f e1 01 82", true},
        {{256, UINT32_MAX, UINT32_MAX}, "20 3f e2 01 82", false},
        {{0, 4096, UINT32_MAX}, "82", false}, /* the smallest one in between */
        {{0, 4096, UINT32_MAX}, "3f e1 1f 82", false},
        {{0, 4096, UINT32_MAX}, "20 3f e1 1f 82", true},
        {{0, 4096, UINT32_MAX}, "20 82", true},
        {{256, 0, 512}, "3f e1 01 82", false},
        {{256, 0, 512}, "20 3f e1 03 82", true}, /* 512 */
        {{256, 0, 512}, "20 3f e2 03 82", false},
        {{4096, UINT32_MAX, UINT32_MAX}, "82", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct hpack_fixture f;
        char list[LIST_MAX];
        hpack_fixture_open(&f);
        for (size_t n = 0; n < 3 && cases[i].limits[n] != UINT32_MAX; n++)
            hpack_decoder_limit(&f.decoder, &f.tables, cases[i].limits[n]);
        assert_int_equal(decode_text(&f, cases[i].block, 8192, list), cases[i].good ? HPACK_END : HPACK_ERROR);
        hpack_fixture_close(&f);
    }
}

/* Parking: the table goes and comes again. */
static void parked(void **state)
{
    (void)state;
    struct hpack_fixture f;
    hpack_fixture_open(&f);
    assert_int_equal(counter_read(&f.account.in_use), 0);
    expect(&f, "40 01 'a' 01 'b' be", "a: b\na: b\n");
    assert_true(counter_read(&f.account.in_use) >= sizeof(struct hpack_table));
    hpack_decoder_limit(&f.decoder, &f.tables, 0);
    assert_int_equal(counter_read(&f.account.in_use), 0);
    hpack_decoder_limit(&f.decoder, &f.tables, HPACK_TABLE_MAX);
    expect(&f, "20 3f e1 1f 40 01 'c' 01 'd' be", "c: d\nc: d\n");
    hpack_decoder_limit(&f.decoder, &f.tables, 0);
    expect(&f, "20 00 01 'a' 01 'b' 40 01 'e' 01 'f'", "a: b\ne: f\n");
    assert_null(f.decoder.table);
    hpack_fixture_close(&f);
}

static void no_memory(void **state)
{
    (void)state;
    for (size_t room = 0; room <= 256; room += 256) {
        struct hpack_fixture f = {0};
        char list[LIST_MAX];
        memory_init(&f.memory, 4096);
        account_open(&f.account, &f.memory, "test");
        pool_init(&f.tables, &f.account, sizeof(struct hpack_table), 16, 0);
        hpack_decoder_init(&f.decoder);
        assert_int_equal(decode_text(&f, "82", room, list), HPACK_END);
        assert_int_equal(decode_text(&f, "40 01 'a' 01 'b'", room, list), HPACK_NO_MEMORY);
        hpack_fixture_close(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appendix_c2),     cmocka_unit_test(appendix_c3),   cmocka_unit_test(appendix_c4),
        cmocka_unit_test(appendix_c5),     cmocka_unit_test(appendix_c6),   cmocka_unit_test(static_table),
        cmocka_unit_test(literals),        cmocka_unit_test(never_indexed), cmocka_unit_test(malformed),
        cmocka_unit_test(huffman_lengths), cmocka_unit_test(huffman_codes), cmocka_unit_test(evicts),
        cmocka_unit_test(moves),           cmocka_unit_test(name_goes),     cmocka_unit_test(without_room),
        cmocka_unit_test(size_updates),    cmocka_unit_test(limits),        cmocka_unit_test(parked),
        cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
