/*
 * Patterns of paths.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web_fixture.h"

#include "web/folder/glob.h"

#include <stdlib.h>

static void test_cases(void **state)
{
    static const struct {
        const char *pattern, *path;
        bool matches;
    } cases[] = {
        {"*", "a", true},
        {"*", "a/b/c", true}, /* the last name */
        {"*.js", "app.js", true},
        {"*.js", "a/b/app.js", true},
        {"*.js", "app.jsx", false},
        {"*.js", "app.js/x", false},
        {"/*.js", "app.js", true},
        {"/*.js", "a/app.js", false},
        {"a/*", "a/b", true},
        {"a/*", "a/b/c", false},
        {"a/**", "a/b/c", true},
        {"a/**", "a/b", true},
        {"a/**", "b/a/b", false},
        {"**", "a/b/c", true},
        {"/**", "a/b/c", true},
        {"**/c", "a/b/c", true},
        {"**/c", "c", true},
        {"a/**/c", "a/c", true},
        {"a/**/c", "a/b/b/c", true},
        {"a/**/c", "ac", false},
        {"a/**/c", "a/bc", false},
        {"a**/c", "a/c", true},
        {"a**/c", "ab/b/c", true},
        {"a**/c", "ac", false},
        {"a?c", "abc", true},
        {"a?c", "ac", false},
        {"/a?c", "a/c", false},
        {"*-????????.css", "site-01234567.css", true},
        {"*-????????.css", "site-0123456.css", false},
        {"", "", true},
        {"", "a", false},
        {"a", "", false},
        {"*", "", true},
        {"*a*b*c", "xxaxxbxxc", true},
        {"*a*b*c", "xxaxxcxxb", false},
        {"[a]", "[a]", true},
        {"[a]", "a", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (glob_matches(cases[i].pattern, cases[i].path) != cases[i].matches)
            fail_msg("%s and %s", cases[i].pattern, cases[i].path);
}

/* The slow and obvious way. */
static bool slowly(const char *p, const char *s, bool begins)
{
    if (p[0] == '*' && p[1] == '*') {
        if (begins && p[2] == '/' && slowly(p + 3, s, true))
            return true;
        return slowly(p + 2, s, false) || (*s && slowly(p, s + 1, begins && false));
    }
    if (p[0] == '*')
        return slowly(p + 1, s, false) || (*s && *s != '/' && slowly(p, s + 1, false));
    if (!*p || !*s)
        return !*p && !*s;
    return (p[0] == *s || (p[0] == '?' && *s != '/')) && slowly(p + 1, s + 1, p[0] == '/');
}

/* Every short pattern and path of a few letters. */
static void test_compared(void **state)
{
    static const char letters[] = "ab/*?";
    char pattern[8] = "/", path[8];
    (void)state;
    for (unsigned i = 0; i < 5 * 5 * 5 * 5 * 5; i++) {
        unsigned n = i;
        for (int at = 1; at < 6; at++, n /= 5)
            pattern[at] = letters[n % 5];
        pattern[6] = '\0';
        if (strstr(pattern, "***"))
            continue; /* an order of stars that says nothing */
        for (unsigned j = 0; j < 3 * 3 * 3 * 3; j++) {
            n = j;
            for (int at = 0; at < 4; at++, n /= 3)
                path[at] = letters[n % 3];
            path[4] = '\0';
            if (glob_matches(pattern, path) != slowly(pattern + 1, path, true))
                fail_msg("%s and %s", pattern, path);
        }
    }
}

/* A path that would take a matcher that tries one way after the other longer than anybody waits. */
static void test_is_bounded(void **state)
{
    (void)state;
    char *path = malloc(4097);
    memset(path, 'a', 4096);
    path[4096] = '\0';
    assert_false(glob_matches("/**a**a**a**a**a**a**a**a**a**a**a**a**a**a**a**a**a**a**b", path));
    assert_true(glob_matches("/**a**a**a**a**a**a**a**a**a**a**a**a**a**a**a**a**a**a**a", path));
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_compared),
        cmocka_unit_test(test_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
