/*
 * Names in pages and URLs, and sorting in place.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web_fixture.h"

#include "web/folder/escape.h"
#include "web/folder/sort.h"

#include <stdlib.h>

#define WRONG "\xef\xbf\xbd"

static void assert_escaped(size_t (*escape)(char *, struct slice), size_t most, const char *text, size_t len,
                           const char *expected)
{
    char *copy = fixture_exact(text, len), *out = malloc(len * most + 1);
    size_t got = escape(out, slice_of(copy, len));
    assert_true(got <= len * most);
    if (got != strlen(expected) || memcmp(out, expected, got) != 0)
        fail_msg("%s: %.*s, not %s", text, (int)got, out, expected);
    free(copy);
    free(out);
}

static void test_html(void **state)
{
    static const struct {
        const char *text, *expected;
    } cases[] = {
        {"", ""},
        {"plain name.txt", "plain name.txt"},
        {"<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"},
        {"\"quoted\" & 'so'", "&quot;quoted&quot; &amp; &#39;so&#39;"},
        {"a\nb\rc\td\x1b"
         "e\x7f",
         "a" WRONG "b" WRONG "c" WRONG "d" WRONG "e" WRONG},
        {"na\xc3\xafve \xe2\x82\xac \xf0\x9f\x8e\x89", "na\xc3\xafve \xe2\x82\xac \xf0\x9f\x8e\x89"},
        {"\xff\xfe", WRONG WRONG},
        {"a\xc3", "a" WRONG},
        {"a\xe2\x82", "a" WRONG WRONG},
        {"\xf0\x9f\x8e", WRONG WRONG WRONG},
        {"\xc0\xaf\xc1\xbf", WRONG WRONG WRONG WRONG}, /* longer than need be */
        {"\xe0\x80\xaf", WRONG WRONG WRONG},
        {"\xf0\x80\x80\xaf", WRONG WRONG WRONG WRONG},
        {"\xed\xa0\x80", WRONG WRONG WRONG}, /* a surrogate */
        {"\xed\x9f\xbf", "\xed\x9f\xbf"},
        {"\xf4\x90\x80\x80", WRONG WRONG WRONG WRONG}, /* beyond Unicode */
        {"\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf"},
        {"\xf5\x80\x80\x80", WRONG WRONG WRONG WRONG},
        {"\xc2\x85\xc2\xa0", WRONG WRONG "\xc2\xa0"}, /* a control character of two bytes */
        {"a\xe2\x80\xae"
         "gpj.exe",
         "a" WRONG "gpj.exe"}, /* turns what follows */
        {"\xe2\x80\x8f\xe2\x80\x90\xe2\x81\xa6\xe2\x81\xaa", WRONG "\xe2\x80\x90" WRONG "\xe2\x81\xaa"},
        {"\xe2\x3c\x82\x3e", WRONG "&lt;" WRONG "&gt;"}, /* nothing hides in half a character */
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_escaped(escape_html, ESCAPE_HTML_MOST, cases[i].text, strlen(cases[i].text), cases[i].expected);
}

static void test_url(void **state)
{
    static const struct {
        const char *text, *expected;
    } cases[] = {
        {"plain-name_1.~txt", "plain-name_1.~txt"},
        {"with space", "with%20space"},
        {"100%25", "100%2525"},
        {"a?b#c;d=e&f", "a%3Fb%23c%3Bd%3De%26f"},
        {"javascript:alert(1)", "javascript%3Aalert%281%29"},
        {"//evil.example", "%2F%2Fevil.example"},
        {"\\evil", "%5Cevil"},
        {"\xff\n\"<", "%FF%0A%22%3C"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_escaped(escape_url, ESCAPE_URL_MOST, cases[i].text, strlen(cases[i].text), cases[i].expected);
}

static bool number_before(const void *things, size_t a, size_t b)
{
    const int *numbers = things;
    return numbers[a] < numbers[b];
}

static void number_swap(void *things, size_t a, size_t b)
{
    int *numbers = things, number = numbers[a];
    numbers[a] = numbers[b];
    numbers[b] = number;
}

/* Every order of up to six numbers, some of them the same. */
static void test_sort(void **state)
{
    static const struct sort_ops ops = {number_before, number_swap};
    (void)state;
    for (size_t count = 0; count <= 6; count++) {
        for (unsigned i = 0; i < 5 * 5 * 5 * 5 * 5 * 5; i++) {
            int numbers[6] = {0}, sum = 0;
            unsigned n = i;
            for (size_t at = 0; at < count; at++, n /= 5)
                sum += numbers[at] = (int)(n % 5);
            sort_in_place(numbers, count, &ops);
            for (size_t at = 0; at < count; at++) {
                sum -= numbers[at];
                assert_true(at == 0 || numbers[at - 1] <= numbers[at]);
            }
            assert_int_equal(sum, 0);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_html),
        cmocka_unit_test(test_url),
        cmocka_unit_test(test_sort),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
