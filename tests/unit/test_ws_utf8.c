/*
 * UTF-8 as it arrives: every sequence of up to four bytes that matters, whole and cut, against the definition of RFC
 * 3629; what is wrong is told with the first byte that shows it.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/websocket/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Writes a code point by its definition, whatever it is. */
static size_t encode(uint32_t c, uint8_t *to)
{
    if (c < 0x80) {
        to[0] = (uint8_t)c;
        return 1;
    }
    size_t len = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = len - 1; i > 0; i--, c >>= 6)
        to[i] = (uint8_t)(0x80 | (c & 0x3f));
    to[0] = (uint8_t)((0xf0 << (4 - len)) | c);
    return len;
}

static bool is_whole_text(const uint8_t *text, size_t len)
{
    struct utf8 u = {0};
    return utf8_add(&u, text, len) && utf8_is_whole(&u);
}

static void test_code_points(void **state)
{
    (void)state;
    for (uint32_t c = 0; c < 0x200000; c++) {
        uint8_t text[4];
        size_t len = encode(c, text);
        bool good = c <= 0x10ffff && (c < 0xd800 || c > 0xdfff);
        if (is_whole_text(text, len) != good)
            fail_msg("U+%04X", c);
    }
}

/* How many bytes of two or three can begin a text, by the code points that there are. */
static void test_prefixes(void **state)
{
    (void)state;
    static uint8_t begins[1 << 16], begins_three[1 << 24];
    for (uint32_t c = 0; c <= 0x10ffff; c++) {
        uint8_t text[4] = {0};
        if (c >= 0xd800 && c <= 0xdfff)
            continue;
        size_t len = encode(c, text);
        if (len > 1)
            begins[text[0] << 8 | text[1]] = 1;
        if (len > 2)
            begins_three[text[0] << 16 | text[1] << 8 | text[2]] = 1;
    }
    for (uint32_t bytes = 0x8000; bytes < 0x10000; bytes++) {
        uint8_t text[2] = {(uint8_t)(bytes >> 8), (uint8_t)bytes};
        struct utf8 u = {0};
        assert_int_equal(utf8_add(&u, text, 2), begins[bytes]);
    }
    for (uint32_t bytes = 0xe00000; bytes < 0xf50000; bytes++) {
        uint8_t text[3] = {(uint8_t)(bytes >> 16), (uint8_t)(bytes >> 8), (uint8_t)bytes};
        struct utf8 u = {0};
        assert_int_equal(utf8_add(&u, text, 3), begins_three[bytes]);
    }
}

static const struct {
    const char *text;
    int wrong; /* the byte that shows it, from 0; -1: none; -2: the text ends too early */
} texts[] = {
    {"", -1},
    {"Hello", -1},
    {"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5", -1},
    {"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80"
     "edited",
     12}, /* a surrogate, in its second byte */
    {"\xe6\xb0\xb4\xf0\x9f\x8c\x8a.", -1},
    {"\xf4\x8f\xbf\xbf", -1},
    {"\xf4\x90\x80\x80", 1},
    {"\xf5", 0},
    {"\xff", 0},
    {"\x80", 0},
    {"a\xbf", 1},
    {"\xc0\xaf", 0},
    {"\xc1\xbf", 0},
    {"\xc2\x80", -1},
    {"\xe0\x80\xaf", 1},
    {"\xe0\x9f\xbf", 1},
    {"\xe0\xa0\x80", -1},
    {"\xf0\x80\x80\xaf", 1},
    {"\xf0\x8f\xbf\xbf", 1},
    {"\xf0\x90\x80\x80", -1},
    {"\xed\x9f\xbf\xee\x80\x80", -1},
    {"\xed\xbf\xbf", 1},
    {"\xef\xbf\xbf", -1}, /* no character, and yet a code point */
    {"\xc3"
     "a",
     1},
    {"\xe6\xb0"
     "a",
     2},
    {"\xf0\x9f\x8c"
     "a",
     3},
    {"\xc3", -2},
    {"\xe6\xb0", -2},
    {"0123456789abcdef0123456789abcdef\xf0\x9f\x8c", -2},
    {"0123456789abcdef0123456789abcde\xc3\xa4", -1},
    {"0123456789abcdef\xff"
     "0123456789abcdef",
     16},
};

static void check_text(const char *text, size_t len, int wrong, size_t cut)
{
    struct utf8 u = {0};
    char *first = malloc(cut ? cut : 1), *second = malloc(len - cut ? len - cut : 1);
    assert_true(first && second);
    memcpy(first, text, cut);
    memcpy(second, text + cut, len - cut);
    bool good = utf8_add(&u, first, cut);
    assert_int_equal(good, wrong < 0 || (size_t)wrong >= cut);
    if (good)
        assert_int_equal(utf8_add(&u, second, len - cut), wrong < 0);
    if (wrong < 0)
        assert_int_equal(utf8_is_whole(&u), wrong == -1);
    free(first);
    free(second);
}

static void test_texts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        size_t len = strlen(texts[i].text);
        for (size_t cut = 0; cut <= len; cut++)
            check_text(texts[i].text, len, texts[i].wrong, cut);
        /* a byte at a time */
        struct utf8 u = {0};
        for (size_t at = 0; at < len; at++) {
            bool good = utf8_add(&u, texts[i].text + at, 1);
            assert_int_equal(good, texts[i].wrong < 0 || at < (size_t)texts[i].wrong);
            if (!good)
                break;
        }
    }
}

/* The bytes of a character that is not complete are counted. */
static void test_begun(void **state)
{
    (void)state;
    struct utf8 u = {0};
    static const uint8_t counts[] = {0, 1, 2, 3, 0};
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(u.begun, counts[i]);
        assert_int_equal(utf8_is_whole(&u), counts[i] == 0);
        assert_true(utf8_add(&u, &"\xf0\x9f\x8c\x8a."[i], 1));
    }
    assert_int_equal(u.begun, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_code_points),
        cmocka_unit_test(test_prefixes),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_begun),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
