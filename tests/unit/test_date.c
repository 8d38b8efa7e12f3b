/*
 * Dates against the C library, over eight thousand years.
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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(against_strftime)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
