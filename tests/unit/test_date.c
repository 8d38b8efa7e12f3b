/*
 * Dates against the C library, over eight thousand years, written and read; and what is no date.
 *
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "http/date.h"

#include <string.h>
#include <time.h>

static void check(int64_t seconds)
{
    struct tm utc;
    time_t t = (time_t)seconds;
    char want[64], got[DATE_LEN + 2];
    assert_non_null(gmtime_r(&t, &utc));
    assert_int_equal(strftime(want, sizeof want, "%a, %d %b %Y %H:%M:%S GMT", &utc), DATE_LEN);
    memset(got, '#', sizeof got);
    date_format(got, seconds);
    assert_memory_equal(got, want, DATE_LEN);
    assert_int_equal(got[DATE_LEN], '#');
    int64_t read = -1;
    assert_true(date_read(slice_of(got, DATE_LEN), 0, &read));
    assert_int_equal(read, seconds);
}

static void against_strftime(void **state)
{
    (void)state;
    const int64_t last = 253402300799; /* of the year 9999 */
    for (int64_t second = 0; second <= last; second += 86399 * 3)
        check(second);
    for (int64_t day = 0; day < 146097; day++) { /* every day of 400 years, its first and last second */
        check(day * 86400);
        check(day * 86400 + 86399);
    }
    check(784111777);
    check(last);
}

#define IN_2026 1790000000

/* The obsolete forms, against the C library as well. */
static void old_forms(void **state)
{
    (void)state;
    for (int64_t second = 223456789; second < 3376500000; second += 86399 * 7) { /* 1977 to 2076 */
        struct tm utc;
        time_t t = (time_t)second;
        char text[64];
        int64_t read = -1;
        assert_non_null(gmtime_r(&t, &utc));
        size_t len = strftime(text, sizeof text, "%A, %d-%b-%y %H:%M:%S GMT", &utc);
        assert_true(date_read(slice_of(text, len), IN_2026, &read));
        assert_int_equal(read, second);
        len = strftime(text, sizeof text, "%a %b %e %H:%M:%S %Y", &utc);
        assert_true(date_read(slice_of(text, len), IN_2026, &read));
        assert_int_equal(read, second);
    }
}

static void read_exactly(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t seconds; /* -1: text is no date */
    } rows[] = {
        {"Sun, 06 Nov 1994 08:49:37 GMT", 784111777},
        {"Sunday, 06-Nov-94 08:49:37 GMT", 784111777},
        {"Sun Nov  6 08:49:37 1994", 784111777},
        {"Wed Nov 16 08:49:37 1994", 784975777},
        {"Mon, 06 Nov 1994 08:49:37 GMT", 784111777}, /* of another weekday */
        {"Thu, 29 Feb 2024 00:00:00 GMT", 1709164800},
        {"Tue, 29 Feb 2000 00:00:00 GMT", 951782400},
        {"Sat, 31 Dec 2016 23:59:60 GMT", 1483228800},
        {"Thu, 01 Jan 1970 00:00:00 GMT", 0},
        {"Fri, 31 Dec 9999 23:59:59 GMT", 253402300799},
        {"Sunday, 06-Nov-76 08:49:37 GMT", 3371878177}, /* 50 years ahead */
        {"Sunday, 06-Nov-77 08:49:37 GMT", 247654177},  /* more would be ahead */
        {"", -1},
        {"0", -1},
        {"Sun", -1},
        {"Sun,", -1},
        {"Sun, 06 Nov 1994 08:49:37", -1},
        {"Sun, 06 Nov 1994 08:49:37 GMT ", -1},
        {" Sun, 06 Nov 1994 08:49:37 GMT", -1},
        {"Sun, 06 Nov 1994 08:49:37 UTC", -1},
        {"Sun, 06 Nov 1994 08:49:37 gmt", -1},
        {"sun, 06 Nov 1994 08:49:37 GMT", -1},
        {"Sun, 06 nov 1994 08:49:37 GMT", -1},
        {"Sun,06 Nov 1994 08:49:37 GMT", -1},
        {"Sun, 6 Nov 1994 08:49:37 GMT", -1},
        {"Sun, 06 Nov 94 08:49:37 GMT", -1},
        {"Sun, 06 Nov 1994 8:49:37 GMT", -1},
        {"Sun, 06 Nov 1994 08.49.37 GMT", -1},
        {"Sun, 06 Nov 1994 24:00:00 GMT", -1},
        {"Sun, 06 Nov 1994 08:60:00 GMT", -1},
        {"Sun, 06 Nov 1994 08:49:61 GMT", -1},
        {"Sun, 00 Nov 1994 08:49:37 GMT", -1},
        {"Sun, 31 Nov 1994 08:49:37 GMT", -1},
        {"Sun, 30 Feb 2024 08:49:37 GMT", -1},
        {"Sun, 29 Feb 2023 08:49:37 GMT", -1},
        {"Mon, 29 Feb 2100 08:49:37 GMT", -1},
        {"Son, 06 Nov 1994 08:49:37 GMT", -1},
        {"Sun, 06 Nov 199x 08:49:37 GMT", -1},
        {"Sunday, 06 Nov 1994 08:49:37 GMT", -1},
        {"Sunday, 06-Nov-1994 08:49:37 GMT", -1},
        {"Sun, 06-Nov-94 08:49:37 GMT", -1},
        {"Sunda, 06-Nov-94 08:49:37 GMT", -1},
        {"Sundays, 06-Nov-94 08:49:37 GMT", -1},
        {"Sunday 06-Nov-94 08:49:37 GMT", -1},
        {"Sun Nov 6 08:49:37 1994", -1},
        {"Sun Nov 006 08:49:37 1994", -1},
        {"Sun Nov   6 08:49:37 1994", -1},
        {"Sun Nov  6 08:49:37 1994 GMT", -1},
        {"Sun Nov  6 08:49:37 94", -1},
        {"Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT", -1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int64_t read = -1;
        bool is_date = date_read(slice_from(rows[i].text), IN_2026, &read);
        if (is_date != (rows[i].seconds >= 0) || (is_date && read != rows[i].seconds))
            fail_msg("\"%s\" is %lld", rows[i].text, is_date ? (long long)read : -1LL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(against_strftime), cmocka_unit_test(old_forms),
                                       cmocka_unit_test(read_exactly)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
