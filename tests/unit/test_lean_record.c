/*
 * Records: sealed as another hand seals them, opened, and refused for every reason that there is.
 *
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "lean_forge.h"
#include "openssl_fixture.h"

struct fixture {
    struct lean_records records;
    uint8_t record[FORGED_MAX], expected[FORGED_MAX], text[FORGED_MAX];
};

static int open_fixture(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    assert_true(lean_records_open(&f->records));
    for (size_t i = 0; i < sizeof f->text; i++)
        f->text[i] = (uint8_t)(i * 7 + i / 256);
    *state = f;
    return 0;
}

static int close_fixture(void **state)
{
    struct fixture *f = *state;
    lean_records_close(&f->records);
    free(f);
    return 0;
}

static const size_t lengths[] = {0, 1, 15, 16, 17, 1000, 16383, 16384};
#define LENGTHS (sizeof lengths / sizeof lengths[0])

/* Opens what is in f->record; the type or an alert. */
static int open_record(struct fixture *f, struct lean_side *s, struct lean_suite suite, struct lean_plain *plain)
{
    int len = lean_record_length(suite, f->record);
    return len < 0 ? len : lean_open(&f->records, s, suite, f->record, (size_t)len, LEAN_PLAIN_MAX, plain);
}

static void sealed_as_by_another_hand(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 0; i < SUITES; i++) {
        struct lean_suite suite = suite_at(i);
        struct lean_side out = forged_side(suite, 1), in = out;
        for (size_t j = 0; j < LENGTHS; j++) {
            size_t len = lengths[j], inner = len + suite.tls13;
            memcpy(f->record + lean_front(suite), f->text, len);
            uint8_t keep = f->text[len];
            f->text[len] = LEAN_DATA;
            size_t expected = forge(&out, suite, j, out.carry, LEAN_DATA, f->text, inner, f->expected);
            f->text[len] = keep;
            size_t whole = lean_seal(&f->records, &out, suite, LEAN_DATA, f->record, len);
            assert_int_equal(whole, expected);
            assert_true(whole <= len + LEAN_OVERHEAD_MAX);
            assert_memory_equal(f->record, f->expected, whole);
            assert_int_equal(out.sequence, j + 1);
            struct lean_plain plain;
            assert_int_equal(open_record(f, &in, suite, &plain), LEAN_DATA);
            assert_int_equal(plain.len, len);
            assert_memory_equal(plain.data, f->text, len);
            assert_int_equal(in.sequence, j + 1);
        }
        lean_records_forget(&f->records, &out, suite);
        lean_records_forget(&f->records, &in, suite);
    }
}

/* A change anywhere in a record is seen, nothing of it is left, and the record itself can be opened afterwards. */
static void changed_bytes(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 0; i < SUITES; i++) {
        struct lean_suite suite = suite_at(i);
        struct lean_side out = forged_side(suite, 2), in = out;
        memcpy(f->record + lean_front(suite), f->text, 40);
        size_t whole = lean_seal(&f->records, &out, suite, LEAN_HANDSHAKE, f->record, 40);
        memcpy(f->expected, f->record, whole);
        struct lean_plain plain;
        for (size_t at = LEAN_HEADER; at < whole; at++) {
            f->record[at] ^= 0x10;
            assert_int_equal(open_record(f, &in, suite, &plain), -LEAN_BAD_RECORD_MAC);
            for (size_t j = lean_front(suite); j < whole - LEAN_TAG; j++)
                assert_int_equal(f->record[j], 0);
            memcpy(f->record, f->expected, whole);
        }
        assert_int_equal(in.sequence, 0);
        if (!suite.tls13) { /* the type is authenticated */
            f->record[0] = LEAN_DATA;
            assert_int_equal(open_record(f, &in, suite, &plain), -LEAN_BAD_RECORD_MAC);
            memcpy(f->record, f->expected, whole);
        }
        in.sequence = 1;
        assert_int_equal(open_record(f, &in, suite, &plain), -LEAN_BAD_RECORD_MAC);
        memcpy(f->record, f->expected, whole);
        in.sequence = 0;
        assert_int_equal(open_record(f, &in, suite, &plain), LEAN_HANDSHAKE);
        lean_records_forget(&f->records, &in, suite);
        lean_records_forget(&f->records, &out, suite);
    }
}

static int header(struct lean_suite suite, unsigned type, unsigned version, size_t len)
{
    const uint8_t bytes[] = {(uint8_t)type, (uint8_t)(version >> 8), (uint8_t)(version & 0xFF), (uint8_t)(len >> 8),
                             (uint8_t)(len & 0xFF)};
    return lean_record_length(suite, bytes);
}

static void headers(void **state)
{
    (void)state;
    for (unsigned i = 0; i < SUITES; i++) {
        struct lean_suite suite = suite_at(i);
        size_t least = suite.tls13                 ? 17
                       : lean_carries_nonce(suite) ? 24
                                                   : 16,
               most = suite.tls13 ? 16640 : 16384 + least;
        for (unsigned type = 0; type < 256; type++) {
            bool good = type == LEAN_DATA || (!suite.tls13 && (type == LEAN_ALERT || type == LEAN_HANDSHAKE));
            assert_int_equal(header(suite, type, 0x0303, 100), good ? 105 : -LEAN_UNEXPECTED_MESSAGE);
        }
        assert_int_equal(header(suite, LEAN_DATA, 0x0303, least - 1), -LEAN_BAD_RECORD_MAC);
        assert_int_equal(header(suite, LEAN_DATA, 0x0303, 0), -LEAN_BAD_RECORD_MAC);
        assert_int_equal(header(suite, LEAN_DATA, 0x0303, least), LEAN_HEADER + least);
        assert_int_equal(header(suite, LEAN_DATA, 0x0303, most), LEAN_HEADER + most);
        assert_true(LEAN_HEADER + most <= LEAN_RECORD_MAX);
        assert_int_equal(header(suite, LEAN_DATA, 0x0303, most + 1), -LEAN_RECORD_OVERFLOW);
        assert_int_equal(header(suite, LEAN_DATA, 0x0303, 0xFFFF), -LEAN_RECORD_OVERFLOW);
        for (unsigned version = 0; version <= 0xFFFF; version++)
            assert_int_equal(header(suite, LEAN_DATA, version, 100), version == 0x0303 ? 105 : -LEAN_PROTOCOL_VERSION);
    }
}

/* Inner plaintexts of TLS 1.3. */
static void padding_and_inner_types(void **state)
{
    struct fixture *f = *state;
    for (unsigned cipher = 0; cipher < LEAN_CIPHERS; cipher++) {
        struct lean_suite suite = {.cipher = cipher & 3, .tls13 = true};
        struct lean_side in = forged_side(suite, 3);
        struct lean_plain plain;
        const struct {
            size_t content, padding;
            int type, result;
        } rows[] = {
            {0, 0, LEAN_DATA, LEAN_DATA},
            {5, 0, LEAN_ALERT, LEAN_ALERT},
            {5, 200, LEAN_DATA, LEAN_DATA},
            {0, 16384, LEAN_DATA, LEAN_DATA},
            {16384, 0, LEAN_DATA, LEAN_DATA},
            {16384, 1, LEAN_DATA, -LEAN_RECORD_OVERFLOW},
            {16385, 0, LEAN_DATA, -LEAN_RECORD_OVERFLOW},
            {100, 16285, LEAN_DATA, -LEAN_RECORD_OVERFLOW},
            {100, 16284 - 1, LEAN_DATA, LEAN_DATA},
            {0, 0, 0, -LEAN_UNEXPECTED_MESSAGE},
            {0, 100, 0, -LEAN_UNEXPECTED_MESSAGE},
            {0, 16384, 0, -LEAN_UNEXPECTED_MESSAGE},
            {0, 16600, 0, -LEAN_RECORD_OVERFLOW},
            {1, 0, 255, 255},
        };
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
            memset(f->text, 'x', rows[i].content);
            f->text[rows[i].content] = (uint8_t)rows[i].type;
            memset(f->text + rows[i].content + 1, 0, rows[i].padding);
            size_t inner = rows[i].content + 1 + rows[i].padding;
            assert_true(forge(&in, suite, i, 0, LEAN_DATA, f->text, inner, f->record) > 0);
            plain = (struct lean_plain){0};
            assert_int_equal(open_record(f, &in, suite, &plain), rows[i].result);
            assert_int_equal(plain.len, rows[i].result < 0 ? 0 : rows[i].content);
            assert_int_equal(in.sequence, i + 1);
        }
        lean_records_forget(&f->records, &in, suite);
    }
}

/* max_fragment_length holds for what the client sends as well. */
static void fragments(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 0; i < SUITES; i++) {
        struct lean_suite suite = suite_at(i);
        struct lean_side in = forged_side(suite, 4);
        struct lean_plain plain;
        for (size_t extra = 0; extra < 2; extra++) {
            memset(f->text, 'x', 600);
            f->text[512 + extra] = LEAN_DATA;
            size_t len = forge(&in, suite, extra, 5, LEAN_DATA, f->text, 512 + extra + suite.tls13, f->record);
            assert_int_equal(lean_open(&f->records, &in, suite, f->record, len, 512, &plain),
                             extra ? -LEAN_RECORD_OVERFLOW : LEAN_DATA);
        }
        lean_records_forget(&f->records, &in, suite);
    }
}

/* A context is keyed only when another connection's turn comes. */
static void keyed_when_another_comes(void **state)
{
    struct fixture *f = *state;
    struct lean_suite suite = suite_at(1);
    struct lean_side a = forged_side(suite, 5), b = forged_side(suite, 6);
    for (int i = 0; i < 10; i++)
        assert_true(lean_seal(&f->records, &a, suite, LEAN_DATA, f->record, 10) > 0);
    assert_int_equal(f->records.keyed, 1);
    assert_true(lean_seal(&f->records, &b, suite, LEAN_DATA, f->record, 10) > 0);
    assert_true(lean_seal(&f->records, &a, suite, LEAN_DATA, f->record, 10) > 0);
    assert_int_equal(f->records.keyed, 3);
    lean_records_forget(&f->records, &b, suite); /* holds nothing of it */
    assert_true(lean_seal(&f->records, &a, suite, LEAN_DATA, f->record, 10) > 0);
    assert_int_equal(f->records.keyed, 3);
    lean_records_forget(&f->records, &a, suite);
    a = forged_side(suite, 7); /* another connection at the same place */
    struct lean_side same = a;
    size_t len = lean_seal(&f->records, &a, suite, LEAN_DATA, f->record, 10);
    assert_int_equal(f->records.keyed, 4);
    struct lean_plain plain;
    assert_int_equal(lean_open(&f->records, &same, suite, f->record, len, 100, &plain), LEAN_DATA);
}

static void spent_keys(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 0; i < SUITES; i++) {
        struct lean_suite suite = suite_at(i);
        struct lean_side s = forged_side(suite, 8);
        struct lean_plain plain;
        uint64_t most = lean_cipher_of(suite)->records_most;
        assert_true(suite.cipher == LEAN_CHACHA20_POLY1305 || most == 1u << 24);
        s.sequence = most - 1;
        assert_false(lean_side_is_worn(&s, suite));
        s.sequence = most;
        assert_true(lean_side_is_worn(&s, suite));
        s.sequence = 2 * most - 1;
        assert_false(lean_side_is_spent(&s, suite));
        size_t len = lean_seal(&f->records, &s, suite, LEAN_DATA, f->record, 1);
        assert_true(len > 0);
        assert_true(lean_side_is_spent(&s, suite));
        assert_int_equal(lean_seal(&f->records, &s, suite, LEAN_DATA, f->expected, 1), 0);
        assert_int_equal(lean_open(&f->records, &s, suite, f->record, len, 1, &plain), -LEAN_INTERNAL_ERROR);
        lean_records_forget(&f->records, &s, suite);
    }
}

/* The nonce that a record carries goes on by one, and over its end. */
static void carried_nonces(void **state)
{
    struct fixture *f = *state;
    struct lean_suite suite = suite_at(0);
    struct lean_side s = forged_side(suite, 9);
    s.carry = UINT64_MAX;
    static const uint8_t last[8] = {255, 255, 255, 255, 255, 255, 255, 255}, first[8] = {0};
    assert_true(lean_seal(&f->records, &s, suite, LEAN_DATA, f->record, 1) > 0);
    assert_memory_equal(f->record + LEAN_HEADER, last, 8);
    assert_true(lean_seal(&f->records, &s, suite, LEAN_DATA, f->record, 1) > 0);
    assert_memory_equal(f->record + LEAN_HEADER, first, 8);
    lean_records_forget(&f->records, &s, suite);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(sealed_as_by_another_hand), TEST(changed_bytes),  TEST(headers),
        TEST(padding_and_inner_types),   TEST(fragments),      TEST(spent_keys),
        TEST(keyed_when_another_comes),  TEST(carried_nonces),
    };
    return cmocka_run_group_tests_name("lean_record", tests, load_openssl, NULL);
}
