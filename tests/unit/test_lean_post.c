/*
 * What may come after the handshake, and everything that may not.
 *
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "net/tls/lean_post.h"
#include "openssl_fixture.h"

#include <string.h>

static const struct lean_suite v12 = {.cipher = LEAN_AES_128_GCM}, v13 = {.cipher = LEAN_AES_128_GCM, .tls13 = true};

static int take(struct lean_post *p, struct lean_suite suite, int type, const void *data, size_t len)
{
    uint8_t copy[1024];
    memcpy(copy, data, len);
    struct lean_plain plain = {copy, len};
    return lean_post_take(p, suite, type, &plain);
}

#define TAKE(p, suite, type, text) take(p, suite, type, text, sizeof(text) - 1)

#define UPDATE     "\x18\0\0\x01\0"
#define UPDATE_ASK "\x18\0\0\x01\x01"

static void data_and_empty_records(void **state)
{
    (void)state;
    struct lean_post p = {0};
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < LEAN_EMPTY_MOST; i++)
            assert_int_equal(TAKE(&p, v13, LEAN_DATA, ""), LEAN_NOTHING);
        assert_int_equal(TAKE(&p, v13, LEAN_DATA, "x"), LEAN_IS_DATA);
    }
    for (int i = 0; i < LEAN_EMPTY_MOST; i++)
        assert_int_equal(TAKE(&p, v12, LEAN_DATA, ""), LEAN_NOTHING);
    assert_int_equal(TAKE(&p, v12, LEAN_DATA, ""), -LEAN_UNEXPECTED_MESSAGE);
}

static void types_that_do_not_come(void **state)
{
    (void)state;
    for (int type = 0; type < 256; type++) {
        struct lean_post p = {0};
        if (type != LEAN_DATA && type != LEAN_ALERT && type != LEAN_HANDSHAKE) {
            assert_int_equal(TAKE(&p, v13, type, "\x01"), -LEAN_UNEXPECTED_MESSAGE);
            assert_int_equal(TAKE(&p, v12, type, "\x01"), -LEAN_UNEXPECTED_MESSAGE);
        }
    }
}

static void alerts(void **state)
{
    (void)state;
    const struct lean_suite suites[] = {v12, v13};
    for (size_t i = 0; i < 2; i++) {
        struct lean_post p = {0};
        struct lean_suite suite = suites[i];
        assert_int_equal(TAKE(&p, suite, LEAN_ALERT, ""), -LEAN_UNEXPECTED_MESSAGE);
        assert_int_equal(TAKE(&p, suite, LEAN_ALERT, "\x01"), -LEAN_DECODE_ERROR);
        assert_int_equal(TAKE(&p, suite, LEAN_ALERT, "\x01\0\x01"), -LEAN_DECODE_ERROR);
        assert_int_equal(TAKE(&p, suite, LEAN_ALERT, "\x01\0\x01\0"), -LEAN_DECODE_ERROR);
        assert_int_equal(TAKE(&p, suite, LEAN_ALERT, "\0\0"), -LEAN_ILLEGAL_PARAMETER);
        assert_int_equal(TAKE(&p, suite, LEAN_ALERT, "\x03\0"), -LEAN_ILLEGAL_PARAMETER);
        assert_int_equal(TAKE(&p, suite, LEAN_ALERT, "\x01\0"), LEAN_IS_CLOSED);
        assert_int_equal(TAKE(&p, suite, LEAN_ALERT, "\x02\x28"), LEAN_IS_GONE);
        for (int j = 0; j < LEAN_WARNINGS_MOST; j++)
            assert_int_equal(TAKE(&p, suite, LEAN_ALERT, "\x01\x5a"), LEAN_NOTHING); /* user_canceled */
        assert_int_equal(TAKE(&p, suite, LEAN_ALERT, "\x01\x5a"), -LEAN_UNEXPECTED_MESSAGE);
        assert_int_equal(TAKE(&p, suite, LEAN_ALERT, "\x01\0"), LEAN_IS_CLOSED);
    }
    struct lean_post p = {0};
    assert_int_equal(TAKE(&p, v12, LEAN_ALERT, "\x01\x64"), LEAN_NOTHING); /* a warning of any kind */
    assert_int_equal(TAKE(&p, v13, LEAN_ALERT, "\x01\x64"), LEAN_IS_GONE);
    assert_int_equal(TAKE(&p, v12, LEAN_ALERT, "\x02\0"), LEAN_IS_GONE);
    assert_int_equal(TAKE(&p, v13, LEAN_ALERT, "\x02\0"), LEAN_IS_CLOSED);
}

static void key_updates(void **state)
{
    (void)state;
    struct lean_post p = {0};
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < LEAN_UPDATES_MOST; i++)
            assert_int_equal(TAKE(&p, v13, LEAN_HANDSHAKE, UPDATE), LEAN_NEW_KEY);
        assert_int_equal(TAKE(&p, v13, LEAN_DATA, ""), LEAN_NOTHING); /* is not data that would begin it anew */
        p.asked = true;
        assert_int_equal(TAKE(&p, v13, LEAN_HANDSHAKE, UPDATE_ASK), LEAN_NEW_KEY | LEAN_WANTS_UPDATE);
        assert_false(p.asked);
        if (round == 0)
            assert_int_equal(TAKE(&p, v13, LEAN_DATA, "x"), LEAN_IS_DATA);
    }
    assert_int_equal(TAKE(&p, v13, LEAN_HANDSHAKE, UPDATE), -LEAN_UNEXPECTED_MESSAGE);
}

/* In pieces, of every cut. */
static void key_update_in_pieces(void **state)
{
    (void)state;
    for (unsigned cuts = 0; cuts < 16; cuts++) {
        struct lean_post p = {0};
        size_t from = 0;
        int meaning = LEAN_NOTHING;
        for (size_t at = 1; at <= 5; at++) {
            if (at < 5 && !(cuts >> (at - 1) & 1))
                continue;
            assert_int_equal(meaning, LEAN_NOTHING);
            meaning = take(&p, v13, LEAN_HANDSHAKE, &UPDATE_ASK[from], at - from);
            from = at;
            if (at < 5) {
                struct lean_post other = p;
                assert_false(lean_post_between(&p));
                assert_int_equal(TAKE(&other, v13, LEAN_DATA, "x"), -LEAN_UNEXPECTED_MESSAGE);
                other = p;
                assert_int_equal(TAKE(&other, v13, LEAN_ALERT, "\x01\0"), -LEAN_UNEXPECTED_MESSAGE);
            }
        }
        assert_int_equal(meaning, LEAN_NEW_KEY | LEAN_WANTS_UPDATE);
        assert_true(lean_post_between(&p));
    }
}

static void other_messages(void **state)
{
    (void)state;
    const struct {
        const char *data;
        size_t len;
        int result;
    } rows[] = {
        {"", 0, -LEAN_UNEXPECTED_MESSAGE},
        {UPDATE UPDATE, 10, -LEAN_UNEXPECTED_MESSAGE}, /* what follows is under another key */
        {UPDATE "\x18", 6, -LEAN_UNEXPECTED_MESSAGE},
        {"\x18\0\0\x01\x02", 5, -LEAN_ILLEGAL_PARAMETER},
        {"\x18\0\0\0", 4, -LEAN_DECODE_ERROR},
        {"\x18\0\0\x02\0\0", 6, -LEAN_DECODE_ERROR},
        {"\x18\xff\xff\xff", 4, -LEAN_DECODE_ERROR},
        {"\x01\0\0\x01\0", 5, -LEAN_UNEXPECTED_MESSAGE}, /* ClientHello */
        {"\x04\0\0\x01\0", 5, -LEAN_UNEXPECTED_MESSAGE}, /* NewSessionTicket is a server's */
        {"\x0b\0\0\x01\0", 5, -LEAN_UNEXPECTED_MESSAGE}, /* Certificate: we have not asked */
        {"\x14\0\0\x01\0", 5, -LEAN_UNEXPECTED_MESSAGE}, /* Finished */
        {"\x05\0\0\0", 4, -LEAN_UNEXPECTED_MESSAGE},     /* EndOfEarlyData */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct lean_post p = {0};
        assert_int_equal(take(&p, v13, LEAN_HANDSHAKE, rows[i].data, rows[i].len), rows[i].result);
    }
    for (int type = 0; type < 256; type++) {
        struct lean_post p = {0};
        const char message[] = {(char)type, 0, 0, 0};
        int result = take(&p, v12, LEAN_HANDSHAKE, message, sizeof message);
        assert_int_equal(result, type == 1 ? LEAN_REFUSE_HELLO : -LEAN_UNEXPECTED_MESSAGE);
    }
}

/* Hellos of TLS 1.2, over records of every size. */
static void hellos(void **state)
{
    (void)state;
    uint8_t hello[300] = {1, 0, 1, 0x28}; /* 296 bytes */
    for (size_t piece = 1; piece <= sizeof hello; piece++) {
        struct lean_post p = {0};
        for (int i = 0; i <= LEAN_HELLOS_MOST; i++) {
            int meaning = LEAN_NOTHING;
            for (size_t at = 0; at < sizeof hello; at += piece) {
                assert_int_equal(meaning, LEAN_NOTHING);
                size_t len = sizeof hello - at < piece ? sizeof hello - at : piece;
                meaning = take(&p, v12, LEAN_HANDSHAKE, hello + at, len);
            }
            assert_int_equal(meaning, i < LEAN_HELLOS_MOST ? LEAN_REFUSE_HELLO : -LEAN_UNEXPECTED_MESSAGE);
            assert_true(lean_post_between(&p));
        }
    }
    struct lean_post p = {0};
    assert_int_equal(TAKE(&p, v12, LEAN_HANDSHAKE, "\x01\0\0\0\x01\0\0\0\x01"), LEAN_REFUSE_HELLO);
    assert_int_equal(p.hellos, 2);
    assert_int_equal(TAKE(&p, v12, LEAN_DATA, "x"), -LEAN_UNEXPECTED_MESSAGE);
    p = (struct lean_post){0};
    assert_int_equal(TAKE(&p, v12, LEAN_HANDSHAKE, "\x01\x01\0\x01"), -LEAN_ILLEGAL_PARAMETER);
    assert_int_equal(TAKE(&p, v12, LEAN_HANDSHAKE, ""), -LEAN_UNEXPECTED_MESSAGE);
    p = (struct lean_post){0};
    assert_int_equal(TAKE(&p, v12, LEAN_HANDSHAKE, "\x01\x01\0\0"), LEAN_NOTHING); /* as long as one may be */
    uint8_t body[1024] = {0};
    for (size_t i = 1; i <= LEAN_HELLO_MAX / sizeof body; i++)
        assert_int_equal(take(&p, v12, LEAN_HANDSHAKE, body, sizeof body),
                         i < LEAN_HELLO_MAX / sizeof body ? LEAN_NOTHING : LEAN_REFUSE_HELLO);
}

static void what_is_put(void **state)
{
    (void)state;
    uint8_t to[8];
    assert_int_equal(lean_put_key_update(to, false), 5);
    assert_memory_equal(to, UPDATE, 5);
    assert_int_equal(lean_put_key_update(to, true), 5);
    assert_memory_equal(to, UPDATE_ASK, 5);
    assert_int_equal(lean_put_alert(to, LEAN_CLOSE_NOTIFY), 2);
    assert_memory_equal(to, "\x01\0", 2);
    assert_int_equal(lean_put_alert(to, LEAN_NO_RENEGOTIATION), 2);
    assert_memory_equal(to, "\x01\x64", 2);
    assert_int_equal(lean_put_alert(to, LEAN_BAD_RECORD_MAC), 2);
    assert_memory_equal(to, "\x02\x14", 2);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(data_and_empty_records),
        cmocka_unit_test(types_that_do_not_come),
        cmocka_unit_test(alerts),
        cmocka_unit_test(key_updates),
        cmocka_unit_test(key_update_in_pieces),
        cmocka_unit_test(other_messages),
        cmocka_unit_test(hellos),
        cmocka_unit_test(what_is_put),
    };
    return cmocka_run_group_tests_name("lean_post", tests, load_openssl, NULL);
}
