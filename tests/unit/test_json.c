/*
 * JSON: strings, with escapes and every kind of wrong UTF-8; and how deep a text nests.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web_fixture.h"

#include "web/json.h"
#include "weir.h"

#define R "\xef\xbf\xbd"

struct json_case {
    const char *text;
    size_t len;
    const char *json;
};

#define CASE(text, json)                                                                                               \
    {                                                                                                                  \
        text, sizeof(text) - 1, json                                                                                   \
    }

static const struct json_case cases[] = {
    CASE("", "\"\""),
    CASE("abc", "\"abc\""),
    CASE("a\"b\\c/d", "\"a\\\"b\\\\c/d\""),
    CASE("\b\f\n\r\t", "\"\\b\\f\\n\\r\\t\""),
    CASE("\0", "\"\\u0000\""),
    CASE("a\0b", "\"a\\u0000b\""),
    CASE("\x01\x1f\x7f", "\"\\u0001\\u001f\x7f\""),
    CASE("</script>", "\"</script>\""),
    /* well-formed: the first and the last character of each length, and around the surrogates */
    CASE("\xc2\x80\xdf\xbf", "\"\xc2\x80\xdf\xbf\""),
    CASE("\xe0\xa0\x80\xef\xbf\xbf", "\"\xe0\xa0\x80\xef\xbf\xbf\""),
    CASE("\xed\x9f\xbf\xee\x80\x80", "\"\xed\x9f\xbf\xee\x80\x80\""),
    CASE("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf", "\"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\""),
    CASE("\xe2\x80\xa8", "\"\xe2\x80\xa8\""),
    /* wrong: stray, cut off, overlong, surrogates, beyond the end */
    CASE("\x80", "\"" R "\""),
    CASE("\xbf\xbf", "\"" R R "\""),
    CASE("\xc2", "\"" R "\""),
    CASE("\xc2"
         "a",
         "\"" R "a\""),
    CASE("\xc2\xc2\x80", "\"" R "\xc2\x80\""),
    CASE("\xc0\x80", "\"" R R "\""),
    CASE("\xc1\xbf", "\"" R R "\""),
    CASE("\xe0\x80\x80", "\"" R R R "\""),
    CASE("\xe0\x9f\xbf", "\"" R R R "\""),
    CASE("\xe1\x80", "\"" R "\""),
    CASE("\xe1\x80"
         "a",
         "\"" R "a\""),
    CASE("\xe1\x80\xe1\x80\x80", "\"" R "\xe1\x80\x80\""),
    CASE("\xed\xa0\x80", "\"" R R R "\""),
    CASE("\xed\xbf\xbf", "\"" R R R "\""),
    CASE("\xf0\x8f\xbf\xbf", "\"" R R R R "\""),
    CASE("\xf0\x90\x80", "\"" R "\""),
    CASE("\xf1\x80\x80\"", "\"" R "\\\"\""),
    CASE("\xf4\x90\x80\x80", "\"" R R R R "\""),
    CASE("\xf5\x80\x80\x80", "\"" R R R R "\""),
    CASE("\xfe\xff", "\"" R R "\""),
    /* the Unicode standard's own example, table 3-8 */
    CASE("\x61\xf1\x80\x80\xe1\x80\xc2\x62\x80\x63\x80\xbf\x64", "\"a" R R R "b" R "c" R R "d\""),
};

static void test_table(void **state)
{
    struct fixture f;
    (void)state;
    fixture_open(&f);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct json_case *c = &cases[i];
        char *exact = fixture_exact(c->text, c->len);
        struct slice text = slice_of(exact, c->len);
        size_t size = json_string_size(text);
        char *out = malloc(size);
        assert_non_null(out);
        assert_int_equal(json_string_write(text, out), size);
        if (size != strlen(c->json) || memcmp(out, c->json, size) != 0)
            fail_msg("case %zu gave %.*s", i, (int)size, out);
        assert_string_equal(json_string(text, &f.arena), c->json);
        free(out);
        free(exact);
        fixture_clear_arena(&f);
    }
    assert_string_equal(json_string(slice_of(NULL, 0), &f.arena), "\"\"");
    fixture_close(&f);
}

/* Every pair of bytes, before a letter: the result is well-formed and the letter survives. */
static void test_every_pair(void **state)
{
    (void)state;
    for (unsigned pair = 0; pair < 65536; pair++) {
        char text[3] = {(char)(pair >> 8), (char)pair, 'z'};
        char out[32];
        size_t size = json_string_size(slice_of(text, 3));
        assert_in_range(size, 3, 15);
        assert_int_equal(json_string_write(slice_of(text, 3), out), size);
        assert_memory_equal(out + size - 2, "z\"", 2);
        for (size_t i = 1; i + 1 < size; i++) {
            unsigned char c = (unsigned char)out[i];
            assert_true(c >= 0x20 && (c != '"' || out[i - 1] == '\\'));
            assert_true(c < 0xf0 && c != 0xc0 && c != 0xc1);
        }
    }
}

struct depth_case {
    const char *text;
    size_t depth;
};

static const struct depth_case depths[] = {
    {"", 0},
    {"1", 0},
    {"\"[[[\"", 0},
    {"[]", 1},
    {"{}", 1},
    {"[{}]", 2},
    {"[[],[[]],[]]", 3},
    {" { \"a\" : [ 1 , { \"b\" : [ ] } ] } ", 4},
    /* a string ends at the first quote that is not escaped */
    {"[\"\\\"[[[\"]", 1},
    {"[\"\\\\\",[]]", 2},
    {"[\"\\\\\\\"[\"]", 1},
    {"{\"[\":{\"{\":1}}", 2},
    {"[\"\\u005b[\"]", 1},
    /* no JSON: what a parser enters before it finds that out counts */
    {"[[[", 3},
    {"]]]][[", 2},
    {"[}[{", 2},
    {"[\"[[", 1},
    {"[\"\\", 1},
    {"\\\"[[", 0},
};

static void test_depth(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof depths / sizeof *depths; i++) {
        char *exact = fixture_exact(depths[i].text, strlen(depths[i].text)); /* nothing behind the end is read */
        if (weir_json_depth(exact, strlen(depths[i].text)) != depths[i].depth)
            fail_msg("%s: not %zu", depths[i].text, depths[i].depth);
        free(exact);
    }
    static char deep[1 << 20];
    memset(deep, '[', sizeof deep);
    assert_int_equal(weir_json_depth(deep, sizeof deep), sizeof deep);
    memset(deep + sizeof deep / 2, ']', sizeof deep / 2);
    assert_int_equal(weir_json_depth(deep, sizeof deep), sizeof deep / 2);
    assert_int_equal(weir_json_depth(NULL, 0), 0);
}

static void test_no_memory(void **state)
{
    struct fixture f;
    (void)state;
    fixture_open(&f);
    fixture_starve(&f);
    assert_null(json_string(SLICE("a"), &f.arena));
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_every_pair),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
