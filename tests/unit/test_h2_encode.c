/*
 * The encoder of HPACK: what it puts is as long as it says, and is what the decoder reads.
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
#include "http/h2/hpack_encode.h"

/* Decodes one field that is the whole block. */
static void decoded(const uint8_t *block, size_t len, struct slice name, struct slice value, bool never_indexed)
{
    struct hpack_fixture f;
    struct hpack_block b;
    struct hpack_field field;
    static char place[70000];
    hpack_fixture_open(&f);
    hpack_block_begin(&b, &f.decoder, &f.tables, block, len);
    assert_int_equal(hpack_next(&b, &field, place, sizeof place), HPACK_FIELD);
    assert_true(slice_equal(slice_of(field.name, field.name_len), name));
    assert_true(slice_equal(slice_of(field.value, field.value_len), value));
    assert_int_equal(field.never_indexed, never_indexed);
    assert_int_equal(hpack_next(&b, &field, place, sizeof place), HPACK_END);
    assert_null(f.decoder.table);
    hpack_fixture_close(&f);
}

static void statuses(void **state)
{
    (void)state;
    for (int status = 100; status <= 999; status++) {
        char text[4];
        size_t size = hpack_status_size(status);
        uint8_t *out = malloc(size);
        assert_non_null(out);
        snprintf(text, sizeof text, "%d", status);
        assert_ptr_equal(hpack_put_status(out, status), out + size);
        decoded(out, size, SLICE(":status"), slice_from(text), false);
        free(out);
    }
    assert_int_equal(hpack_status_size(200), 1);
    assert_int_equal(hpack_status_size(500), 1);
    assert_int_equal(hpack_status_size(503), 5);
}

static void field(struct slice name, struct slice value, struct slice lower, bool never_indexed, size_t expected)
{
    size_t size = hpack_field_size(name, value);
    if (expected > 0)
        assert_int_equal(size, expected);
    assert_true(size <= hpack_field_bound(name.len, value.len));
    uint8_t *out = malloc(size);
    char *exact = malloc(name.len ? name.len : 1); /* nothing beyond may be looked at */
    assert_true(out && exact);
    memcpy(exact, name.data, name.len);
    assert_ptr_equal(hpack_put_field(out, slice_of(exact, name.len), value), out + size);
    decoded(out, size, lower, value, never_indexed);
    free(exact);
    free(out);
}

static void fields(void **state)
{
    (void)state;
    for (unsigned i = 15; i <= HPACK_STATIC_COUNT; i++) {
        const struct hpack_entry *e = &hpack_static[i];
        struct slice name = slice_of(hpack_static_bytes + e->at, e->name_len);
        struct slice value = slice_of(name.data + name.len + 1, e->value_len);
        bool secret = i == HPACK_AUTHORIZATION || i == HPACK_PROXY_AUTHORIZATION || i == HPACK_SET_COOKIE;
        field(name, value, name, false, 1);
        field(name, SLICE("x"), name, secret, i < 15 ? 3 : 4);
        char upper[64];
        for (size_t at = 0; at < name.len; at++)
            upper[at] = name.data[at] >= 'a' && name.data[at] <= 'z' ? (char)(name.data[at] - 32) : name.data[at];
        field(slice_of(upper, name.len), SLICE("y"), name, secret, 4);
    }
    field(SLICE("X-Frame-Options"), SLICE("DENY"), SLICE("x-frame-options"), false, 1 + 1 + 15 + 1 + 4);
    field(SLICE("a"), SLICE(""), SLICE("a"), false, 4);
    field(SLICE("agf"), SLICE("1"), SLICE("agf"), false, 0);
    field(SLICE("dxte"), SLICE("1"), SLICE("dxte"), false, 0);
    field(SLICE(""), SLICE("1"), SLICE(""), false, 4);
    field(SLICE("Date!"), SLICE("1"), SLICE("date!"), false, 0);
    field(SLICE("Set-Cookie2"), SLICE("1"), SLICE("set-cookie2"), false, 0);
    field(SLICE("coNtenX-length"), SLICE("1"), SLICE("contenx-length"), false, 0);
}

static void long_fields(void **state)
{
    (void)state;
    static char text[66000];
    memset(text, 'v', sizeof text);
    for (size_t len = 0; len < sizeof text; len = len < 300 ? len + 1 : len * 2 - 7) {
        field(SLICE("x"), slice_of(text, len), SLICE("x"), false, 0);
        field(SLICE("ETag"), slice_of(text, len), SLICE("etag"), false, 0);
        if (len > 0 && len < 60000)
            field(slice_of(text, len), SLICE("y"), slice_of(text, len), false, 0);
    }
}

static void usual(void **state)
{
    (void)state;
    uint8_t out[128];
    static const uint64_t lengths[] = {0, 9, 10, 99, 100, 12345, UINT32_MAX, UINT64_MAX};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        char text[24];
        snprintf(text, sizeof text, "%llu", (unsigned long long)lengths[i]);
        assert_ptr_equal(hpack_put_length(out, lengths[i]), out + hpack_length_size(lengths[i]));
        decoded(out, hpack_length_size(lengths[i]), SLICE("content-length"), slice_from(text), false);
    }
    static const char *const types[] = {"", "text/plain", "text/html; charset=utf-8"};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        struct slice type = slice_from(types[i]);
        assert_ptr_equal(hpack_put_type(out, type), out + hpack_type_size(type));
        decoded(out, hpack_type_size(type), SLICE("content-type"), type, false);
    }
    static const char date[] = "Sun, 06 Nov 1994 08:49:37 GMT";
    assert_ptr_equal(hpack_put_date(out, date), out + HPACK_DATE_LEN);
    decoded(out, HPACK_DATE_LEN, SLICE("date"), slice_from(date), false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statuses),
        cmocka_unit_test(fields),
        cmocka_unit_test(long_fields),
        cmocka_unit_test(usual),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
