/*
 * Base64: every length, every letter, and what is none.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/base64.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

static void test_texts(void **state)
{
    (void)state;
    static const char *const coded[] = {"",       "Zg",      "Zm8",     "Zm9v",
                                        "Zm9vYg", "Zm9vYmE", "Zm9vYmFy"}; /* RFC 4648 section 10 */
    char to[8];
    for (size_t len = 0; len <= 6; len++) {
        memset(to, '#', sizeof to);
        assert_int_equal(base64_decode(slice_from(coded[len]), to, len), len);
        assert_memory_equal(to, "foobar", len);
        assert_int_equal(to[len], '#');
        assert_int_equal(base64_decode(slice_from(coded[len]), NULL, 100), len);
        assert_true(BASE64_ROOM(strlen(coded[len])) >= len);
    }
}

static void test_letters(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        char text[2] = {'A', (char)c};
        uint8_t byte = 255;
        const char *at = c ? strchr(LETTERS, c) : NULL;
        assert_int_equal(base64_decode(slice_of(text, 2), &byte, 1), at ? 1 : -1);
        if (at)
            assert_int_equal(byte, (at - LETTERS) >> 4);
    }
}

static void test_none(void **state)
{
    (void)state;
    char to[8];
    assert_int_equal(base64_decode(SLICE("Z"), to, sizeof to), -1);
    assert_int_equal(base64_decode(SLICE("Zm9vY"), to, sizeof to), -1);
    assert_int_equal(base64_decode(SLICE("Zg=="), to, sizeof to), -1);
    assert_int_equal(base64_decode(SLICE("Zm9 "), to, sizeof to), -1);
    assert_int_equal(base64_decode(SLICE("Zm9v"), to, 2), -1);
    assert_int_equal(base64_decode(SLICE("Zm8"), to, 2), 2);
}

static void test_encodes(void **state)
{
    (void)state;
    static const char *const coded[] = {"",         "Zg==",     "Zm8=",    "Zm9v",
                                        "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"}; /* RFC 4648 section 10 */
    char to[9];
    for (size_t len = 0; len <= 6; len++) {
        memset(to, '#', sizeof to);
        base64_encode("foobar", len, to);
        assert_int_equal(BASE64_LEN(len), strlen(coded[len]));
        assert_memory_equal(to, coded[len], BASE64_LEN(len));
        assert_int_equal(to[BASE64_LEN(len)], '#');
    }
    /* every letter, there and back */
    uint8_t bytes[48], back[48];
    char letters[64];
    assert_int_equal(base64_decode(SLICE(LETTERS), bytes, sizeof bytes), 48);
    base64_encode(bytes, sizeof bytes, letters);
    assert_memory_equal(letters, LETTERS, sizeof letters);
    for (unsigned i = 0; i < 256; i++) {
        memset(bytes, (int)i, sizeof bytes);
        base64_encode(bytes, sizeof bytes, letters);
        assert_int_equal(base64_decode(slice_of(letters, sizeof letters), back, sizeof back), sizeof back);
        assert_memory_equal(back, bytes, sizeof back);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_letters),
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_encodes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
