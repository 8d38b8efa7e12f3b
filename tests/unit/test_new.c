/*
 * Names of services that weir new makes, and the files that it has.
 *
 * SPDX-License-Identifier: MIT
 */
#include "cli/new.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_names(void **state)
{
    (void)state;
    static const char *const good[] = {"a", "hello", "my-service", "My_service2", "tester"};
    static const char *const wrong[] = {"",        ".",    "..",  "-a",   "1a",  "_a",          "a b",
                                        "a/b",     "../a", "a.b", "a\n",  "a$x", "caf\xc3\xa9", "test",
                                        "install", "weir", "a;b", "a\"b", "a@b", "all"};
    char longest[62];
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (new_name_fault(good[i]))
            fail_msg("%s: %s", good[i], new_name_fault(good[i]));
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (!new_name_fault(wrong[i]))
            fail_msg("taken: %s", wrong[i]);
    memset(longest, 'a', sizeof longest);
    longest[61] = '\0';
    assert_non_null(new_name_fault(longest));
    longest[60] = '\0';
    assert_null(new_name_fault(longest));
}

static void test_files(void **state)
{
    (void)state;
    static const char *const names[] = {"CMakeLists.txt", "main.c",        "routes.c",  "routes.h",  "test.c",
                                        "test.sh",        "Containerfile", "README.md", ".gitignore"};
    size_t count = 0;
    for (const struct new_file *f = new_files; f->name; f++, count++) {
        assert_true(count < sizeof names / sizeof *names);
        assert_string_equal(f->name, names[count]);
        assert_true(f->size > 0 && f->data[f->size - 1] == '\n');
    }
    assert_int_equal(count, sizeof names / sizeof *names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_names), cmocka_unit_test(test_files)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
