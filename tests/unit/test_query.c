/*
 * Query strings: pairs, decoding, repeated names, limits.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web_fixture.h"

#include "web/query.h"

#include <stdio.h>

/* The pairs as text: "name=value|name=value". */
static const char *parsed(struct fixture *f, const char *raw, char *out, size_t size)
{
    struct query query;
    char *exact = fixture_exact(raw, strlen(raw));
    assert_int_equal(query_parse(slice_of(exact, strlen(raw)), &f->arena, &query), 0);
    free(exact);
    size_t len = 0;
    out[0] = '\0';
    for (size_t i = 0; i < query.count; i++)
        len +=
            (size_t)snprintf(out + len, size - len, "%s%s=%s", i ? "|" : "", query.pairs[i].name, query.pairs[i].value);
    return out;
}

static void test_table(void **state)
{
    static const char *const cases[][2] = {
        {"", ""},
        {"a=b", "a=b"},
        {"a", "a="},
        {"a=", "a="},
        {"=b", "=b"},
        {"=", "="},
        {"a=b&c=d", "a=b|c=d"},
        {"&&a=b&&&c&", "a=b|c="},
        {"&", ""},
        {"&&&", ""},
        {"a=b=c", "a=b=c"},
        {"a==", "a=="},
        {"a=1&a=2&a", "a=1|a=2|a="},
        {"a+b=c+d", "a b=c d"},
        {"a%2Bb=c%20d", "a+b=c d"},
        {"%61=%C3%a4", "a=\xc3\xa4"},
        {"a%3Db=c%26d", "a=b=c&d"},
        {"a=%", "a=%"},
        {"a=%4", "a=%4"},
        {"a=%zz%41", "a=%zzA"},
        {"a=%%41", "a=%A"},
        {"a=100%&b=%2", "a=100%|b=%2"},
        {"a=%&41", "a=%|41="},
        {"a=x%00y", "a=x%00y"},
        {"a=%2541", "a=%41"},
        {"a;b=c", "a;b=c"},
        {"a=b?c/d", "a=b?c/d"},
        {"\xff=\x80", "\xff=\x80"},
    };
    struct fixture f;
    char out[256];
    (void)state;
    fixture_open(&f);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_string_equal(parsed(&f, cases[i][0], out, sizeof out), cases[i][1]);
        fixture_clear_arena(&f);
    }
    fixture_close(&f);
}

static void test_find(void **state)
{
    struct fixture f;
    struct query query;
    struct query empty = {0};
    (void)state;
    fixture_open(&f);
    assert_int_equal(query_parse(SLICE("a=1&b=2&a=3&A=4&a"), &f.arena, &query), 0);
    assert_string_equal(query_find(&query, "a", 0), "1");
    assert_string_equal(query_find(&query, "a", 1), "3");
    assert_string_equal(query_find(&query, "a", 2), "");
    assert_null(query_find(&query, "a", 3));
    assert_null(query_find(&query, "a", SIZE_MAX));
    assert_string_equal(query_find(&query, "A", 0), "4");
    assert_string_equal(query_find(&query, "b", 0), "2");
    assert_null(query_find(&query, "c", 0));
    assert_null(query_find(&query, "", 0));
    assert_null(query_find(&empty, "a", 0));
    fixture_close(&f);
}

static void test_reading_without_an_arena(void **state)
{
    struct slice rest = SLICE("a%41=b+c&&d");
    struct slice name;
    struct slice value;
    char buf[8];
    (void)state;
    assert_true(query_next(&rest, &name, &value));
    assert_true(slice_equal(name, SLICE("a%41")));
    assert_true(slice_equal(value, SLICE("b+c")));
    assert_int_equal(query_decode(name, buf), 2);
    assert_memory_equal(buf, "aA", 2);
    assert_true(query_next(&rest, &name, &value));
    assert_true(slice_equal(name, SLICE("d")));
    assert_int_equal(value.len, 0);
    assert_false(query_next(&rest, &name, &value));
    assert_false(query_next(&rest, &name, &value));
    char in_place[] = "%41%42+C";
    assert_int_equal(query_decode(slice_of(in_place, 8), in_place), 4);
    assert_memory_equal(in_place, "AB C", 4);
}

static void test_limits(void **state)
{
    struct fixture f;
    struct query query;
    char raw[2 * (QUERY_PAIRS_MAX + 1)];
    (void)state;
    fixture_open(&f);
    for (size_t i = 0; i < sizeof raw; i += 2)
        memcpy(raw + i, "a&", 2);
    assert_int_equal(query_parse(slice_of(raw, 2 * QUERY_PAIRS_MAX), &f.arena, &query), 0);
    assert_int_equal(query.count, QUERY_PAIRS_MAX);
    fixture_clear_arena(&f);
    assert_int_equal(query_parse(slice_of(raw, sizeof raw), &f.arena, &query), WEIR_ETOOBIG);
    assert_int_equal(query.count, 0);
    /* a body of nothing but separators is no work and no pairs */
    memset(raw, '&', sizeof raw);
    assert_int_equal(query_parse(slice_of(raw, sizeof raw), &f.arena, &query), 0);
    assert_int_equal(query.count, 0);
    fixture_starve(&f);
    assert_int_equal(query_parse(SLICE("a=b"), &f.arena, &query), WEIR_ENOMEM);
    assert_int_equal(query.count, 0);
    assert_int_equal(query_parse(slice_of(NULL, 0), &f.arena, &query), 0);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_reading_without_an_arena),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
