/*
 * Byte ranges: what is one, which bytes it names, what becomes one with what, and that nothing is ever named twice.
 *
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "web/file/range.h"

#include <stdio.h>
#include <string.h>

#define HUGE "99999999999999999999999999999999"

/* "ignored", "none" where it cannot be satisfied, else "first-last first-last ...". */
static void read_to_text(struct slice value, int64_t size, char text[1024])
{
    struct byte_range ranges[RANGES_MAX];
    size_t count;
    int at = 0;
    text[0] = '\0';
    switch (ranges_read(value, size, ranges, &count)) {
    case RANGES_IGNORED:
        snprintf(text, 1024, "ignored");
        break;
    case RANGES_UNSATISFIABLE:
        assert_int_equal(count, 0);
        snprintf(text, 1024, "none");
        break;
    case RANGES_SATISFIED:
        assert_in_range(count, 1, RANGES_MAX);
        for (size_t i = 0; i < count; i++)
            at += snprintf(text + at, 1024 - (size_t)at, "%s%lld-%lld", i ? " " : "", (long long)ranges[i].first,
                           (long long)(ranges[i].first + ranges[i].len - 1));
        break;
    }
}

static void table(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        int64_t size;
        const char *want;
    } rows[] = {
        /* One. */
        {"bytes=0-0", 1000, "0-0"},
        {"bytes=0-499", 1000, "0-499"},
        {"bytes=500-999", 1000, "500-999"},
        {"bytes=-500", 1000, "500-999"},
        {"bytes=500-", 1000, "500-999"},
        {"bytes=0-", 1000, "0-999"},
        {"bytes=999-", 1000, "999-999"},
        {"bytes=-1", 1000, "999-999"},
        {"bytes=-1000", 1000, "0-999"},
        {"bytes=-1001", 1000, "0-999"},
        {"bytes=0-1000", 1000, "0-999"},
        {"bytes=998-2000", 1000, "998-999"},
        {"bytes=0000-0009", 1000, "0-9"},
        {"bytes=007-010", 1000, "7-10"},
        {"bytes=0-0", 1, "0-0"},
        {"BYTES=1-2", 1000, "1-2"},
        {"Bytes=1-2", 1000, "1-2"},
        /* Blanks and empty members, as in any list. */
        {"bytes= 1-2", 1000, "1-2"},
        {"bytes=1-2 ", 1000, "1-2"},
        {"bytes=\t1-2\t,", 1000, "1-2"},
        {"bytes=,1-2", 1000, "1-2"},
        {"bytes=,,1-2,,", 1000, "1-2"},
        /* Not satisfiable. */
        {"bytes=1000-", 1000, "none"},
        {"bytes=1000-1001", 1000, "none"},
        {"bytes=2000-3000,4000-", 1000, "none"},
        {"bytes=-0", 1000, "none"},
        {"bytes=-00", 1000, "none"},
        {"bytes=-0,1000-", 1000, "none"},
        {"bytes=1-1", 1, "none"},
        /* Some of it is. */
        {"bytes=-0,5-6", 1000, "5-6"},
        {"bytes=5-6,1000-", 1000, "5-6"},
        /* Longer than any file. */
        {"bytes=" HUGE "-", 1000, "none"},
        {"bytes=0-" HUGE, 1000, "0-999"},
        {"bytes=-" HUGE, 1000, "0-999"},
        {"bytes=9223372036854775807-9223372036854775807", 1000, "none"},
        {"bytes=9223372036854775806-9223372036854775807", INT64_MAX, "9223372036854775806-9223372036854775806"},
        {"bytes=0-9223372036854775807", INT64_MAX, "0-9223372036854775806"},
        {"bytes=0-9223372036854775808", INT64_MAX, "0-9223372036854775806"},
        {"bytes=-9223372036854775808", INT64_MAX, "0-9223372036854775806"},
        {"bytes=9223372036854775807-", INT64_MAX, "none"},
        {"bytes=" HUGE "1-" HUGE "2", 1000, "none"},
        {"bytes=18446744073709551616-18446744073709551617", 1000, "none"},
        /* Not in order: the set is none. */
        {"bytes=2-1", 1000, "ignored"},
        {"bytes=" HUGE "2-" HUGE "1", 1000, "ignored"},
        {"bytes=1000-999", 1000, "ignored"},
        {"bytes=" HUGE "-0", 1000, "ignored"},
        {"bytes=0-0,2-1", 1000, "ignored"},
        /* Anything else. */
        {"", 1000, "ignored"},
        {"bytes", 1000, "ignored"},
        {"bytes=", 1000, "ignored"},
        {"bytes=,", 1000, "ignored"},
        {"bytes= ", 1000, "ignored"},
        {"bytes=-", 1000, "ignored"},
        {"bytes=--1", 1000, "ignored"},
        {"bytes=1", 1000, "ignored"},
        {"bytes=a-b", 1000, "ignored"},
        {"bytes=1-b", 1000, "ignored"},
        {"bytes=1-2b", 1000, "ignored"},
        {"bytes=1-2-3", 1000, "ignored"},
        {"bytes=1 - 2", 1000, "ignored"},
        {"bytes=1- 2", 1000, "ignored"},
        {"bytes=1 2-3", 1000, "ignored"},
        {"bytes=+1-2", 1000, "ignored"},
        {"bytes=1-+2", 1000, "ignored"},
        {"bytes=0x1-2", 1000, "ignored"},
        {"bytes=1.0-2", 1000, "ignored"},
        {"bytes=1-2;3-4", 1000, "ignored"},
        {"bytes=1-2,x", 1000, "ignored"},
        {"bytes=x,1-2", 1000, "ignored"},
        {"bytes=1-2, bytes=3-4", 1000, "ignored"},
        {"bytes =1-2", 1000, "ignored"},
        {" bytes=1-2", 1000, "ignored"},
        {"bytes:1-2", 1000, "ignored"},
        {"byte=1-2", 1000, "ignored"},
        {"bytess=1-2", 1000, "ignored"},
        {"seconds=1-2", 1000, "ignored"},
        {"none", 1000, "ignored"},
        {"*", 1000, "ignored"},
        /* Nothing has no ranges. */
        {"bytes=0-", 0, "ignored"},
        {"bytes=0-0", 0, "ignored"},
        {"bytes=-1", 0, "ignored"},
        /* Several: far from each other, in the order in which they were asked for. */
        {"bytes=0-0,999-999", 1000, "0-0 999-999"},
        {"bytes=999-999,0-0", 1000, "999-999 0-0"},
        {"bytes=0-0,-1", 1000, "0-0 999-999"},
        {"bytes=0-9,500-509,200-209", 1000, "0-9 500-509 200-209"},
        {"bytes=0-9 , 500-509", 1000, "0-9 500-509"},
        /* As near as a part's head is long. */
        {"bytes=0-0,80-80", 1000, "0-80"},
        {"bytes=0-0,81-81", 1000, "0-0 81-81"},
        {"bytes=80-80,0-0", 1000, "0-80"},
        {"bytes=81-81,0-0", 1000, "81-81 0-0"},
        {"bytes=0-9,10-19", 1000, "0-19"},
        {"bytes=10-19,0-9", 1000, "0-19"},
        {"bytes=0-9,5-14", 1000, "0-14"},
        {"bytes=0-99,10-20", 1000, "0-99"},
        {"bytes=10-20,0-99", 1000, "0-99"},
        {"bytes=5-5,5-5,5-5", 1000, "5-5"},
        {"bytes=0-,0-,0-", 1000, "0-999"},
        {"bytes=0-,-1000", 1000, "0-999"},
        {"bytes=0-499,500-", 1000, "0-999"},
        /* One that comes last joins others, at the place of the first of them. */
        {"bytes=0-9,500-509,100-109,20-450", 1000, "0-509"},
        {"bytes=800-809,0-9,500-509,20-450", 1000, "800-809 0-509"},
        {"bytes=0-9,800-809,400-409,300-390", 1000, "0-9 800-809 300-409"},
        {"bytes=800-809,400-409,0-9,20-330", 1000, "800-809 0-409"},
        {"bytes=400-409,800-809,700-709,480-500,200-209", 1000, "400-500 800-809 700-709 200-209"},
    };
    char text[1024];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        read_to_text(slice_from(rows[i].value), rows[i].size, text);
        if (strcmp(text, rows[i].want) != 0)
            fail_msg("\"%s\" of %lld is %s and not %s", rows[i].value, (long long)rows[i].size, text, rows[i].want);
    }
}

static size_t put_many(char value[2048], size_t count, int step)
{
    size_t at = (size_t)snprintf(value, 2048, "bytes=");
    for (size_t i = 0; i < count; i++)
        at += (size_t)snprintf(value + at, 2048 - at, "%s%d-%d", i ? "," : "", (int)i * step, (int)i * step);
    return at;
}

static void how_many(void **state)
{
    (void)state;
    char value[2048], text[1024];
    struct byte_range ranges[RANGES_MAX];
    size_t count, len = put_many(value, RANGES_MAX, 1000);
    assert_int_equal(ranges_read(slice_of(value, len), 1000000, ranges, &count), RANGES_SATISFIED);
    assert_int_equal(count, RANGES_MAX);
    len = put_many(value, RANGES_MAX + 1, 1000);
    read_to_text(slice_of(value, len), 1000000, text);
    assert_string_equal(text, "ignored");
    len = put_many(value, RANGES_MAX + 1, 1); /* also where they would be one */
    read_to_text(slice_of(value, len), 1000000, text);
    assert_string_equal(text, "ignored");
    len = put_many(value, RANGES_MAX, 1);
    read_to_text(slice_of(value, len), 1000000, text);
    assert_string_equal(text, "0-31");
}

#define SMALL 600

/* Any ranges: exactly the bytes that were asked for are named, once, and the gaps between near ones. */
static void any_set(void **state)
{
    (void)state;
    uint64_t seed = 1;
    for (int round = 0; round < 20000; round++) {
        char value[2048], asked[SMALL] = {0}, named[SMALL] = {0};
        struct byte_range ranges[RANGES_MAX];
        size_t count, at = (size_t)snprintf(value, sizeof value, "bytes=");
        int members = 1 + round % 12;
        for (int i = 0; i < members; i++) {
            seed = (seed * 1103515245 + 12345) & UINT32_MAX;
            int first = (int)(seed >> 8) % SMALL, len = 1 + (int)(seed >> 20) % 40;
            at += (size_t)snprintf(value + at, sizeof value - at, "%s%d-%d", i ? "," : "", first, first + len - 1);
            for (int k = first; k < first + len && k < SMALL; k++)
                asked[k] = 1;
        }
        assert_int_equal(ranges_read(slice_of(value, at), SMALL, ranges, &count), RANGES_SATISFIED);
        for (size_t i = 0; i < count; i++) {
            assert_in_range(ranges[i].first, 0, SMALL - 1);
            assert_in_range(ranges[i].len, 1, SMALL - ranges[i].first);
            for (int64_t k = ranges[i].first; k < ranges[i].first + ranges[i].len; k++)
                assert_int_equal(named[k]++, 0);
            assert_int_equal(asked[ranges[i].first], 1);
            assert_int_equal(asked[ranges[i].first + ranges[i].len - 1], 1);
        }
        for (int k = 0, gap = RANGES_GAP, left = 0; k < SMALL; k++) {
            assert_true(named[k] >= asked[k]);
            gap = asked[k] ? 0 : gap + 1;
            left = named[k] ? 0 : left + 1;
            if (gap >= RANGES_GAP)
                continue;
            assert_true(named[k] || left == gap); /* a gap is named whole or not at all */
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(table), cmocka_unit_test(how_many), cmocka_unit_test(any_set)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
