/*
 * Writing and reading dates without the C library's locale and time zone.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/date.h"

#include <string.h>

static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

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

/* ---- Reading: each step takes what it stands for off the text's front, or fails ---- */

static bool take(struct slice *text, struct slice literal)
{
    if (text->len < literal.len || memcmp(text->data, literal.data, literal.len) != 0)
        return false;
    *text = slice_of(text->data + literal.len, text->len - literal.len);
    return true;
}

static bool take_digits(struct slice *text, unsigned digits, int64_t *number)
{
    *number = 0;
    if (text->len < digits)
        return false;
    for (unsigned i = 0; i < digits; i++) {
        if (text->data[i] < '0' || text->data[i] > '9')
            return false;
        *number = *number * 10 + (text->data[i] - '0');
    }
    *text = slice_of(text->data + digits, text->len - digits);
    return true;
}

/* The number, from 0, of the month. */
static bool take_month(struct slice *text, int64_t *month)
{
    for (*month = 0; *month < 12; ++*month)
        if (take(text, slice_of(months + 3 * *month, 3)))
            return true;
    return false;
}

/* hour:minute:second, of the day. A leap second is the next day's first, as the clock has it. */
static bool take_time(struct slice *text, int64_t *second)
{
    int64_t hour, minute;
    if (!take_digits(text, 2, &hour) || !take(text, SLICE(":")) || !take_digits(text, 2, &minute) ||
        !take(text, SLICE(":")) || !take_digits(text, 2, second))
        return false;
    bool valid = hour < 24 && minute < 60 && *second < 61;
    *second += hour * 3600 + minute * 60;
    return valid;
}

struct date_parts {
    int64_t year, month, day, second; /* the month from 0, the day from 1 */
};

/* " 02 Jan 2006 15:04:05 GMT", behind a weekday's name and a comma. */
static bool take_fixed(struct slice *text, struct date_parts *d)
{
    return take(text, SLICE(" ")) && take_digits(text, 2, &d->day) && take(text, SLICE(" ")) &&
           take_month(text, &d->month) && take(text, SLICE(" ")) && take_digits(text, 4, &d->year) &&
           take(text, SLICE(" ")) && take_time(text, &d->second) && take(text, SLICE(" GMT"));
}

/* " 02-Jan-06 15:04:05 GMT", behind the whole name of a weekday and a comma. */
static bool take_rfc850(struct slice *text, struct date_parts *d)
{
    return take(text, SLICE(" ")) && take_digits(text, 2, &d->day) && take(text, SLICE("-")) &&
           take_month(text, &d->month) && take(text, SLICE("-")) && take_digits(text, 2, &d->year) &&
           take(text, SLICE(" ")) && take_time(text, &d->second) && take(text, SLICE(" GMT"));
}

/* " Jan  2 15:04:05 2006", behind a weekday's name. */
static bool take_asctime(struct slice *text, struct date_parts *d)
{
    if (!take(text, SLICE(" ")) || !take_month(text, &d->month) || !take(text, SLICE(" ")))
        return false;
    unsigned digits = take(text, SLICE(" ")) ? 1 : 2;
    return take_digits(text, digits, &d->day) && take(text, SLICE(" ")) && take_time(text, &d->second) &&
           take(text, SLICE(" ")) && take_digits(text, 4, &d->year);
}

static bool is_leap(int64_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static bool is_day(const struct date_parts *d)
{
    static const int8_t lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return d->day >= 1 && d->day <= lengths[d->month] + (d->month == 1 && is_leap(d->year));
}

/* The inverse of what date_format() does. */
static int64_t parts_seconds(const struct date_parts *d)
{
    int64_t year = d->year + 400 - (d->month < 2); /* one era more, so that nothing is negative */
    int64_t era = year / 400, of_era = year % 400;
    int64_t shifted = d->month < 2 ? d->month + 10 : d->month - 2;
    int64_t of_year = (153 * shifted + 2) / 5 + d->day - 1;
    int64_t day = (era - 1) * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
    return day * 86400 + d->second;
}

/* More than 50 years ahead is the past (RFC 9110 section 5.6.7). */
static void choose_century(struct date_parts *d, int64_t now)
{
    int64_t year_now = 1970 + now / 31556952;
    d->year += year_now - year_now % 100;
    if (d->year > year_now + 50)
        d->year -= 100;
}

bool date_read(struct slice text, int64_t now, int64_t *seconds)
{
    static const char *const names[] = {"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"};
    struct date_parts d;
    size_t day = 0, count = sizeof names / sizeof *names;
    while (day < count && !take(&text, slice_of(names[day], 3)))
        day++;
    if (day == count)
        return false;
    bool read;
    if (take(&text, SLICE(","))) {
        read = take_fixed(&text, &d);
    } else if (take(&text, slice_from(names[day] + 3))) {
        read = take(&text, SLICE(",")) && take_rfc850(&text, &d);
        if (read)
            choose_century(&d, now);
    } else {
        read = take_asctime(&text, &d);
    }
    if (!read || text.len > 0 || !is_day(&d))
        return false;
    *seconds = parts_seconds(&d);
    return true;
}
