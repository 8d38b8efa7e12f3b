/*
 * The line of the transfers that are under way.
 *
 * SPDX-License-Identifier: MIT
 */
#include "cli/progress_line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define WIDTH_MAX 511

static void expect_name(const char *target, const char *expected)
{
    char name[PROGRESS_NAME_SIZE];
    progress_name(name, target);
    assert_string_equal(name, expected);
}

static void test_names(void **state)
{
    (void)state;
    expect_name("/big.bin", "big.bin");
    expect_name("/a/b/big%20file.bin?x=/y", "big file.bin");
    expect_name("/a/%1b%5B2J%0a%7f", "%1B[2J%0A%7F");
    expect_name("/a/\x1b[2J\x9b", "%1B[2J%9B"); /* as they never come */
    expect_name("/%c3%9c", "%C3%9C");
    expect_name("/%e2%80%ae", "%E2%80%AE"); /* would turn the line's direction */
    expect_name("/100%", "100%");
    expect_name("/%zz%4", "%zz%4");
    expect_name("/upload/", "upload/");
    expect_name("/", "/");
    expect_name("*", "*");
    expect_name("", "");
    char target[1000] = "/";
    memset(target + 1, '\x01', sizeof target - 2);
    char name[PROGRESS_NAME_SIZE];
    progress_name(name, target);
    assert_true(strlen(name) < PROGRESS_NAME_SIZE && strspn(name, "%01") == strlen(name));
}

static void expect(size_t width, struct progress p, const char *expected)
{
    char line[WIDTH_MAX + 1];
    progress_line(line, width, &p);
    assert_string_equal(line, expected);
}

static void test_lines(void **state)
{
    (void)state;
    struct progress one = {
        .sending = 1, .name = "big.bin", .done = 43 << 20, .total = 100 << 20, .total_known = true, .rate = 1 << 20};
    expect(79, (struct progress){.total_known = true}, "");
    expect(79, one, "sending big.bin: 43%, 43.0 MiB of 100 MiB, 1.00 MiB/s");
    one.done = one.total + 100; /* framing was counted, too */
    expect(79, one, "sending big.bin: 100%, 100 MiB of 100 MiB, 1.00 MiB/s");
    one.done = one.total - 1;
    expect(79, one, "sending big.bin: 99%, 100.0 MiB of 100 MiB, 1.00 MiB/s");
    one.total_known = false;
    expect(79, one, "sending big.bin: 100.0 MiB, 1.00 MiB/s");
    one.name[0] = '\0';
    expect(79, one, "sending 1: 100.0 MiB, 1.00 MiB/s");
    expect(79, (struct progress){.receiving = 1, .name = "x", .done = 5}, "receiving x: 5 B, 0 B/s");
    expect(79, (struct progress){.sending = 2, .receiving = 1, .done = 5, .total = 10, .total_known = true},
           "sending 2, receiving 1: 50%, 5 B of 10 B, 0 B/s");
    expect(79, (struct progress){.sending = 2, .more = true}, "sending 2 and more: 0 B, 0 B/s");
    expect(79, (struct progress){.sending = 256, .receiving = 1, .more = true},
           "sending 256, receiving 1, and more: 0 B, 0 B/s");
}

static void test_narrow(void **state)
{
    (void)state;
    struct progress p = {.sending = 1,
                         .done = 43 << 20,
                         .total = 100 << 20,
                         .total_known = true,
                         .rate = 1 << 20,
                         .name = "abcdefghijklmnopqrstuvwxyz"};
    expect(60, p, "sending abcdef...vwxyz: 43%, 43.0 MiB of 100 MiB, 1.00 MiB/s");
    expect(50, p, "sending 1: 43%, 43.0 MiB of 100 MiB, 1.00 MiB/s");
    expect(20, p, "sending 1: 43%");
    expect(14, p, "sending 1: 43%");
    expect(13, p, "sending 1");
    expect(8, p, "");
    for (size_t width = 1; width <= WIDTH_MAX; width++) {
        char line[WIDTH_MAX + 1];
        progress_line(line, width, &p);
        assert_true(strlen(line) <= width);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_narrow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
