/*
 * Whole numbers of requests: what is one, and what is within bounds.
 *
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "web/number.h"
#include "weir.h"

#include <inttypes.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

#define UNSET 4711

/* A copy of its exact size, so that AddressSanitizer sees a look beyond it. */
static int read_number(const char *text, int64_t min, int64_t max, int64_t *value)
{
    char *copy = strdup(text);
    assert_non_null(copy);
    *value = UNSET;
    int error = number_read(copy, min, max, value);
    free(copy);
    return error;
}

static void numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t value;
    } cases[] = {
        {"0", 0},
        {"7", 7},
        {"-7", -7},
        {"-0", 0},
        {"007", 7},
        {"-000", 0},
        {"0000000000000000000000000000000000000000001", 1},
        {"2147483648", 2147483648},
        {"9223372036854775807", INT64_MAX},
        {"-9223372036854775808", INT64_MIN},
        {"-9223372036854775807", -INT64_MAX},
        {"09223372036854775807", INT64_MAX},
    };
    int64_t value;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(read_number(cases[i].text, INT64_MIN, INT64_MAX, &value), 0);
        assert_true(value == cases[i].value);
    }
}

static void not_numbers(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "-",
        " ",
        " 7",
        "7 ",
        "+7",
        "--7",
        "-+7",
        "- 7",
        "7-",
        "7-7",
        "7.0",
        "7,000",
        "7e3",
        "0x7",
        "7x",
        "x7",
        "\t7",
        "7\n",
        "1_0",
        "inf",
        "nan",
        "٧",
        "７",
        "-\x01",
        "1/2",
        "7:",
        "9a",
        "999999999999999999999999999a",
        "-99999999999999999999999999 ",
        "\xff",
        "7\x80",
    };
    int64_t value;
    setlocale(LC_ALL, "");
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert_int_equal(read_number(texts[i], INT64_MIN, INT64_MAX, &value), WEIR_EINVAL);
        assert_true(value == UNSET);
    }
}

static void bounds(void **state)
{
    (void)state;
    static const char *const beyond[] = {
        "9223372036854775808",
        "-9223372036854775809",
        "18446744073709551616",
        "18446744073709551617",
        "92233720368547758070",
        "99999999999999999999999999999999999999999999999999",
        "-99999999999999999999999999999",
    };
    int64_t value;
    for (size_t i = 0; i < sizeof beyond / sizeof beyond[0]; i++) {
        assert_int_equal(read_number(beyond[i], INT64_MIN, INT64_MAX, &value), WEIR_ETOOBIG);
        assert_true(value == UNSET);
    }
    for (int64_t number = -20; number <= 20; number++) {
        char text[8];
        snprintf(text, sizeof text, "%" PRId64, number);
        int expected = number < -5 || number > 10 ? WEIR_ETOOBIG : 0;
        assert_int_equal(read_number(text, -5, 10, &value), expected);
        assert_true(value == (expected ? UNSET : number));
    }
    assert_int_equal(read_number("7", 7, 7, &value), 0);
    assert_int_equal(read_number("9223372036854775807", 0, INT64_MAX - 1, &value), WEIR_ETOOBIG);
    assert_int_equal(read_number("-9223372036854775808", INT64_MIN + 1, 0, &value), WEIR_ETOOBIG);
}

/* Every text of up to four bytes of what matters is what a slow way says. */
static void short_texts(void **state)
{
    (void)state;
    static const char signs[] = "0159-+ a";
    char text[5];
    for (unsigned i = 0; i < 8 * 8 * 8 * 8; i++) {
        for (unsigned len = 0; len <= 4; len++) {
            for (unsigned at = 0; at < len; at++)
                text[at] = signs[i >> (3 * at) & 7];
            text[len] = '\0';
            const char *digits = text + (text[0] == '-');
            bool number = *digits && strspn(digits, "0159") == strlen(digits);
            int64_t value, expected = number ? strtol(text, NULL, 10) : UNSET;
            bool within = number && expected >= -500 && expected <= 900;
            assert_int_equal(read_number(text, -500, 900, &value), within ? 0 : number ? WEIR_ETOOBIG : WEIR_EINVAL);
            assert_true(value == (within ? expected : UNSET));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers),
        cmocka_unit_test(not_numbers),
        cmocka_unit_test(bounds),
        cmocka_unit_test(short_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
