/*
 * Formatting dates without the C library's locale and time zone.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/date.h"

#include <string.h>

static void put_digits(char *at, int64_t number, int digits)
{
    while (digits-- > 0) {
        at[digits] = (char)('0' + number % 10);
        number /= 10;
    }
}

void date_format(char *buf, int64_t seconds)
{
    static const char days[] = "ThuFriSatSunMonTueWed";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    int64_t day = seconds / 86400, second = seconds % 86400;
    /* Days to a civil date, with years that begin in March so that the leap day is last. */
    int64_t z = day + 719468;
    int64_t era = z / 146097;
    int64_t of_era = z - era * 146097;
    int64_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t shifted = (5 * of_year + 2) / 153;
    int64_t month = shifted < 10 ? shifted + 2 : shifted - 10; /* from 0 */
    int64_t year = year_of_era + era * 400 + (month < 2 ? 1 : 0);
    int64_t of_month = of_year - (153 * shifted + 2) / 5 + 1;

    memcpy(buf, "ddd, 00 mmm 0000 00:00:00 GMT", DATE_LEN);
    memcpy(buf, days + 3 * (day % 7), 3);
    put_digits(buf + 5, of_month, 2);
    memcpy(buf + 8, months + 3 * month, 3);
    put_digits(buf + 12, year, 4);
    put_digits(buf + 17, second / 3600, 2);
    put_digits(buf + 20, second / 60 % 60, 2);
    put_digits(buf + 23, second % 60, 2);
}
