/*
 * Urlencoded bodies as they come: the pairs are those that query.h finds in the whole text, however the body is cut.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web_fixture.h"

#include "web/form/urlencoded.h"
#include "web/query.h"

#include <stdio.h>

#define NAME_SIZE 300

struct text {
    char data[8192];
    size_t len;
};

static void put(struct text *t, const char *data, size_t len)
{
    assert_true(t->len + len < sizeof t->data);
    memcpy(t->data + t->len, data, len);
    t->data[t->len += len] = '\0';
}

static bool take(struct urlencoded *u, struct slice input, bool last, struct text *t)
{
    for (;;) {
        struct slice data = {0};
        enum form_event event = urlencoded_next(u, &input, last, &data);
        if (event == FORM_MORE) {
            assert_int_equal(input.len, 0);
            return false;
        }
        if (event == FORM_PART) {
            put(t, u->name, strlen(u->name));
            put(t, "=", 1);
        } else if (event == FORM_DATA) {
            assert_true(data.len > 0);
            put(t, data.data, data.len);
        } else if (event == FORM_PART_END) {
            put(t, "|", 1);
        } else {
            const char *what = event == FORM_END ? "." : event == FORM_LONG_HEADER ? "long" : "?";
            put(t, what, strlen(what));
            return true;
        }
    }
}

static const char *told(const char *body, size_t len, size_t first, size_t piece, size_t name_size)
{
    static struct text t;
    struct urlencoded u;
    char *name = malloc(name_size);
    assert_non_null(name);
    t.len = 0;
    urlencoded_begin(&u, name, (uint32_t)name_size);
    bool over = false;
    for (size_t at = 0; at < len && !over;) {
        size_t size = at == 0 ? first : piece;
        size = size == 0 || size > len - at ? len - at : size;
        char *exact = fixture_exact(body + at, size);
        over = take(&u, slice_of(exact, size), false, &t);
        free(exact);
        at += size;
    }
    if (!over)
        assert_true(take(&u, slice_of(NULL, 0), true, &t));
    free(name);
    return t.data;
}

static void check(const char *body, const char *expected, size_t name_size)
{
    size_t len = strlen(body);
    assert_string_equal(told(body, len, 0, 0, name_size), expected);
    assert_string_equal(told(body, len, 1, 1, name_size), expected);
    for (size_t first = 1; first < len; first++) {
        assert_string_equal(told(body, len, first, 0, name_size), expected);
        assert_string_equal(told(body, len, first, 2, name_size), expected);
    }
}

/* What query.h finds. */
static void expect(struct fixture *f, const char *body, struct text *t)
{
    struct query q;
    t->len = 0;
    assert_int_equal(query_parse(slice_from(body), &f->arena, &q), 0);
    for (size_t i = 0; i < q.count; i++) {
        put(t, q.pairs[i].name, strlen(q.pairs[i].name));
        put(t, "=", 1);
        put(t, q.pairs[i].value, strlen(q.pairs[i].value));
        put(t, "|", 1);
    }
    put(t, ".", 1);
    fixture_clear_arena(f);
}

static void test_as_a_query(void **state)
{
    static const char *const cases[] = {"",
                                        "a=b",
                                        "a",
                                        "a=",
                                        "=b",
                                        "=",
                                        "a=b&c=d",
                                        "&&a=b&&&c&",
                                        "&",
                                        "&&&",
                                        "a=b=c",
                                        "a==",
                                        "a=1&a=2&a",
                                        "a+b=c+d",
                                        "a%2Bb=c%20d",
                                        "%61=%C3%a4",
                                        "a%3Db=c%26d",
                                        "a=%",
                                        "a=%4",
                                        "a=%zz%41",
                                        "a=%%41",
                                        "a=100%&b=%2",
                                        "a=%&41",
                                        "a=x%00y",
                                        "a=x%0",
                                        "a%00=%000%01",
                                        "a=%2541",
                                        "a;b=c",
                                        "a=b?c/d",
                                        "\xff=\x80",
                                        "%",
                                        "%4",
                                        "%&%=%",
                                        "%4=%4&%4",
                                        "a=%%%%%&b=%4%4%41",
                                        "a=+%+%2+%2b+",
                                        "%+=%",
                                        "a=b&c=d&"};
    struct fixture f;
    static struct text expected;
    (void)state;
    fixture_open(&f);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        expect(&f, cases[i], &expected);
        check(cases[i], expected.data, NAME_SIZE);
    }
    fixture_close(&f);
}

/* Values longer than what is decoded at once, with plain stretches and escapes where a piece ends. */
static void test_long_values(void **state)
{
    struct fixture f;
    static struct text expected;
    static char body[1024];
    (void)state;
    fixture_open(&f);
    for (size_t plain = URLENCODED_SCRATCH - 4; plain < URLENCODED_SCRATCH + 4; plain++) {
        static const char *const tails[] = {"%41", "%4", "%", "%zz", "+", "%4%41"};
        for (size_t i = 0; i < sizeof tails / sizeof *tails; i++) {
            memset(body, 'x', sizeof body);
            memcpy(body, "n=+", 3);
            snprintf(body + 3 + plain, sizeof body - 3 - plain, "%s&next=1", tails[i]);
            expect(&f, body, &expected);
            check(body, expected.data, NAME_SIZE);
        }
    }
    fixture_close(&f);
}

static void test_name_limit(void **state)
{
    (void)state;
    check("abcd=1", "abcd=1|.", 5);
    check("abcde=1", "long", 5);
    check("a=1&abcde", "a=1|long", 5);
    check("%41%42=1", "long", 5); /* as sent, so that what comes next does not matter */
    check("%41%=1", "A%=1|.", 5);
    check("&&&&&&abcd", "abcd=|.", 5);
    check("", ".", 1);
    check("=1&=2", "=1|=2|.", 1);
    check("a", "long", 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_a_query),
        cmocka_unit_test(test_long_values),
        cmocka_unit_test(test_name_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
