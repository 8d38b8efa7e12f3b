/*
 * The command's parsers: JSON, URLs, and what is told of a ledger.
 *
 * SPDX-License-Identifier: MIT
 */
#include "cli/fetch.h"
#include "cli/json_read.h"
#include "cli/screen.h"
#include "cli/view.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static const char *const good[] = {
    "{}",
    "[]",
    " [ ] ",
    "0",
    "-0",
    "12.5e-3",
    "\"\"",
    "\"a\\u00e9\\\"\\\\\\n\"",
    "true",
    "null",
    "[1,[2,{\"a\":[]}]]",
    "{\"a\":1,\"b\":{\"c\":[1,2]}}\n",
    "[1.0]",
};

static const char *const bad[] = {
    "",        " ",         "{",          "}",       "[1,]",      "[,1]",
    "{\"a\"}", "{\"a\":}",  "{\"a\":1,}", "{a:1}",   "01",        "1.",
    ".5",      "1e",        "-",          "+1",      "tru",       "nulll",
    "[1 2]",   "\"",        "\"\\",       "\"\\x\"", "\"\\u12\"", "\"\n\"",
    "[1]]",    "{\"a\" 1}", "[\"a\":1]",  "'a'",     "1 2",       "{\"a\":1 \"b\":2}",
};

static void test_valid(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        if (!json_is_valid(slice_from(good[i])))
            fail_msg("refused: %s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (json_is_valid(slice_from(bad[i])))
            fail_msg("taken: %s", bad[i]);
}

/* Cut anywhere, a document is refused, and nothing behind its end is read. */
static void test_cut(void **state)
{
    (void)state;
    static const char text[] = "{\"a\":[1,-2.5e3,true,null,\"x\\u0041\\n\"],\"b\":{\"c\":false}}";
    for (size_t len = 0; len < sizeof text - 1; len++) {
        char *copy = test_malloc(len + 1);
        memcpy(copy, text, len);
        assert_false(json_is_valid(slice_of(copy, len)));
        test_free(copy);
    }
    assert_true(json_is_valid(slice_of(text, sizeof text - 1)));
}

static void test_depth(void **state)
{
    (void)state;
    char deep[2 * JSON_DEPTH_MAX + 8];
    for (size_t depth = JSON_DEPTH_MAX - 1; depth <= JSON_DEPTH_MAX + 2; depth++) {
        memset(deep, '[', depth);
        memset(deep + depth, ']', depth);
        assert_int_equal(json_is_valid(slice_of(deep, 2 * depth)), depth <= JSON_DEPTH_MAX + 1);
    }
}

static void test_look_up(void **state)
{
    (void)state;
    struct slice text = SLICE(" { \"a\" : { \"b\" : 18446744073709551615 , \"c\":[ 1 , 2.5 ,\"x\"] } , \"ab\":3 } ");
    text = slice_of(text.data + 1, text.len - 2);
    char buf[16];
    assert_true(json_is_valid(text));
    assert_true(json_integer(json_member(text, "a.b")) == UINT64_MAX);
    assert_int_equal(json_integer(json_member(text, "ab")), 3);
    assert_int_equal(json_member(text, "b").len, 0);
    assert_int_equal(json_member(text, "a.b.c").len, 0);
    assert_int_equal(json_integer(json_member(text, "none")), 0);
    struct slice array = json_member(text, "a.c"), item;
    const char *at = NULL;
    assert_true(json_next(array, &at, &item) && json_integer(item) == 1);
    assert_true(json_next(array, &at, &item) && json_number(item) > 2.4 && json_number(item) < 2.6);
    assert_true(json_next(array, &at, &item));
    assert_string_equal(json_text(item, buf, sizeof buf), "x");
    assert_false(json_next(array, &at, &item));
    at = NULL;
    assert_false(json_next(json_member(text, "ab"), &at, &item));
}

/* Nothing that a terminal would obey gets through, and a character is not cut in two. */
static void test_text(void **state)
{
    (void)state;
    char buf[8];
    assert_string_equal(json_text(SLICE("\"a\\u001b[2\""), buf, sizeof buf), "a?[2");
    assert_string_equal(json_text(SLICE("\"\\n\\t\\\"\\\\\""), buf, sizeof buf), "??\"\\");
    assert_string_equal(json_text(SLICE("\"\xc2\x9b"
                                        "1m\x7f\""),
                                  buf, sizeof buf),
                        "?1m?");
    assert_string_equal(json_text(SLICE("\"abcdef\xc3\xa9\""), buf, sizeof buf), "abcdef");
    assert_string_equal(json_text(SLICE("\"abcde\xc3\xa9\""), buf, sizeof buf), "abcde\xc3\xa9");
    assert_string_equal(json_text(SLICE("17"), buf, sizeof buf), "");
}

struct url_case {
    const char *text, *host, *port, *path, *authority; /* host NULL: refused */
};

static const struct url_case urls[] = {
    {"http://127.0.0.1:60000/_weir", "127.0.0.1", "60000", "/_weir", "127.0.0.1:60000"},
    {"HTTP://Example", "Example", "80", "", "Example"},
    {"http://[::1]:8080/a/b", "::1", "8080", "/a/b", "[::1]:8080"},
    {"http://[fe80::1]", "fe80::1", "80", "", "[fe80::1]"},
    {"https://a/", NULL, NULL, NULL, NULL},
    {"a:1", NULL, NULL, NULL, NULL},
    {"", NULL, NULL, NULL, NULL},
    {"http://", NULL, NULL, NULL, NULL},
    {"http:///x", NULL, NULL, NULL, NULL},
    {"http://:80/", NULL, NULL, NULL, NULL},
    {"http://a:/", NULL, NULL, NULL, NULL},
    {"http://a:0/", NULL, NULL, NULL, NULL},
    {"http://a:65536/", NULL, NULL, NULL, NULL},
    {"http://a:1x/", NULL, NULL, NULL, NULL},
    {"http://a:80:80/", NULL, NULL, NULL, NULL},
    {"http://[::1/", NULL, NULL, NULL, NULL},
    {"http://[]/", NULL, NULL, NULL, NULL},
    {"http://[::1]x/", NULL, NULL, NULL, NULL},
    {"http://user@a/", NULL, NULL, NULL, NULL},
    {"http://a/b?c", NULL, NULL, NULL, NULL},
    {"http://a/b#c", NULL, NULL, NULL, NULL},
    {"http://a/b c", NULL, NULL, NULL, NULL},
    {"http://a/\r\nX: y", NULL, NULL, NULL, NULL},
};

static void test_url(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        struct url url;
        const char *why = url_parse(&url, urls[i].text);
        if (!urls[i].host) {
            if (!why)
                fail_msg("taken: %s as host %s port %s", urls[i].text, url.host, url.port);
            continue;
        }
        if (why)
            fail_msg("%s: %s", urls[i].text, why);
        assert_string_equal(url.host, urls[i].host);
        assert_string_equal(url.port, urls[i].port);
        assert_string_equal(url.path, urls[i].path);
        assert_string_equal(url.authority, urls[i].authority);
    }
}

static void test_url_long(void **state)
{
    (void)state;
    struct url url;
    char text[4096];
    for (size_t len = 200; len < 300; len++) {
        memcpy(text, "http://", 7);
        memset(text + 7, 'a', len);
        text[7 + len] = '\0';
        assert_int_equal(url_parse(&url, text) == NULL, len < URL_HOST_MAX);
    }
    memcpy(text, "http://a/", 9);
    memset(text + 9, 'b', 2000);
    text[2009] = '\0';
    assert_non_null(url_parse(&url, text));
}

static void test_view(void **state)
{
    (void)state;
    static struct view v, before;
    struct slice text = SLICE(
        "{\"version\":\"1\",\"uptime_seconds\":2.5,\"memory\":{\"limit\":7,\"accounts\":[{\"name\":\"a\",\"in_use\":1},"
        "{\"name\":\"b\",\"refused\":2}]},\"responses\":{\"2xx\":4},\"refusals\":{\"x\":0,\"y\":3},"
        "\"handlers\":{\"times\":[{\"most\":0.001,\"count\":4},{\"most\":0.01,\"count\":4},{\"most\":null,\"count\":2}]"
        "}}");
    assert_false(view_read(&v, SLICE("{\"a\":1}")));
    assert_false(view_read(&v, SLICE("no JSON")));
    assert_true(view_read(&v, text));
    assert_int_equal(v.limit, 7);
    assert_int_equal(v.account_count, 2);
    assert_string_equal(v.accounts[1].name, "b");
    assert_int_equal(v.accounts[1].refused, 2);
    assert_int_equal(v.responses[2], 4);
    assert_int_equal(v.refusal_count, 1);
    assert_string_equal(v.refusals[0].cause, "y");
    assert_int_equal(v.live_count, 0);
    assert_true(view_quantile(&v, NULL, 0.25) == 0);
    double middle = view_quantile(&v, NULL, 0.6);
    assert_true(middle > 0.0054 && middle < 0.0056);
    assert_true(view_quantile(&v, NULL, 0.99) == 0.01);
    before = v;
    assert_true(view_quantile(&v, &before, 0.5) < 0);
}

/* ---- The screen ---- */

struct text {
    char data[16384];
    size_t len;
};

static void append(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void append(struct text *t, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int len = vsnprintf(t->data + t->len, sizeof t->data - t->len, fmt, args);
    va_end(args);
    assert_true(len >= 0 && (size_t)len < sizeof t->data - t->len);
    t->len += (size_t)len;
}

/* The ledger of a busy server: 20 accounts, 8 running requests, 10 routes, and a cache. A client has put a terminal's
 * code into its method. */
static struct slice busy(struct text *t, bool routes)
{
    t->len = 0;
    append(t, "{\"version\":\"1\",\"uptime_seconds\":90,\"workers\":2,\"requests\":4321,"
              "\"memory\":{\"limit\":33554432,\"reserved\":16777216,\"in_use\":12345678,\"accounts\":[");
    for (int i = 0; i < 20; i++)
        append(t, "%s{\"name\":\"account_%02d\",\"in_use\":%d,\"reserved\":%d,\"peak\":%d,\"objects\":7}", i ? "," : "",
               i, i * 1000, i * 70000, i * 1100);
    append(t, "]},\"kernel\":{\"held\":1000000},\"process\":{\"resident\":20000000,\"private\":9000000,"
              "\"remainder\":300000},\"connections\":{\"open\":1000,\"idle\":400,\"head\":100,\"waiting\":100,"
              "\"active\":200,\"draining\":100,\"lingering\":100},\"live\":[");
    for (int i = 0; i < 8; i++)
        append(t,
               "%s{\"method\":\"GE\\u001bT\",\"route\":\"/running/%d\",\"peer\":\"127.0.0.%d:5000%d\","
               "\"state\":\"waiting\",\"seconds\":%d,\"sent\":123456,\"memory\":98304}",
               i ? "," : "", i, i, i, 100 - i);
    append(t, "],\"caches\":[{\"name\":\"cached\",\"hits\":5}],\"refusals\":{\"max_body\":3},"
              "\"handlers\":{\"times\":[{\"most\":0.001,\"count\":4},{\"most\":60,\"count\":4},"
              "{\"most\":null,\"count\":2}]}");
    for (int i = 0; routes && i < 10; i++)
        append(t,
               "%s{\"method\":\"POST\",\"pattern\":\"/p%d/{a_name_that_is_longer_than_any_column}\","
               "\"requests\":%d,\"p50_ms\":2.5,\"p99_ms\":%s}",
               i ? "," : ",\"routes\":[", i, 1000 - i, i == 1 ? "null" : "2500");
    append(t, routes ? "]}" : "}");
    return slice_of(t->data, t->len);
}

struct drawing {
    char text[SCREEN_SIZE];
    int lines, live, routes, accounts;
};

/* Draws a busy server and counts what is there. No line is wider than the screen, and none is too many. */
static void draw(struct drawing *d, int width, int height, bool routes)
{
    static struct text json;
    static char buf[SCREEN_SIZE];
    static struct view v;
    assert_true(view_read(&v, busy(&json, routes)));
    struct screen s = {.buf = buf, .width = width, .height = height, .line_begin = ""};
    screen_compose(&s, &v, NULL, "http://127.0.0.1:60000/_weir");
    *d = (struct drawing){.lines = s.lines};
    memcpy(d->text, buf, s.len);
    assert_true(s.lines <= height);
    int lines = 0;
    for (const char *line = d->text, *end; (end = strchr(line, '\n')); line = end + 1, lines++) {
        assert_true(end - line <= width);
        assert_null(memchr(line, '\x1b', (size_t)(end - line)));
        d->live += strncmp(line, "GE?T /runnin", 12) == 0;
        d->routes += strncmp(line, "POST /p", 7) == 0;
        d->accounts += strncmp(line, "account_", 8) == 0;
    }
    assert_int_equal(lines, s.lines);
}

static void assert_has(const struct drawing *d, const char *text)
{
    if (!strstr(d->text, text))
        fail_msg("'%s' is not in\n%s", text, d->text);
}

static void test_screen_usual(void **state)
{
    (void)state;
    static struct drawing d;
    draw(&d, 80, 23, true); /* a terminal of 24 lines: the last one stays empty */
    assert_int_equal(d.lines, 23);
    assert_int_equal(d.live, 5);
    assert_int_equal(d.routes, 5);
    assert_int_equal(d.accounts, 5);
    assert_has(&d, "memory       16.0 MiB of 32.0 MiB reserved, 50.0 %  11.8 MiB in use");
    assert_has(&d, "connections  1000 open: 200 active, 100 wait for memory, 400 idle\n");
    assert_has(&d, "ROUTE                  REQUESTS MEDIAN <=  99 % <=\n");
    assert_has(&d, "POST /p0/{a_name_that_     1000    2.5 ms    2.5 s\n");
    assert_has(&d, "POST /p1/{a_name_that_      999    2.5 ms   > 60 s\n");
    assert_has(&d, "GE?T /running/0           100 s  waiting     121 KiB  96.0 KiB  127.0.0.0:50000\n");
    assert_has(&d, "account_19 ");
    assert_null(strstr(d.text, "account_14 "));
}

/* An older server says nothing of its routes: others have the room. */
static void test_screen_without_routes(void **state)
{
    (void)state;
    static struct drawing d;
    draw(&d, 80, 23, false);
    assert_int_equal(d.lines, 23);
    assert_true(d.live >= 4 && d.accounts >= 5 && d.routes == 0);
    assert_null(strstr(d.text, "MEDIAN <="));
}

static void test_screen_small(void **state)
{
    (void)state;
    static struct drawing d;
    draw(&d, 40, 9, true);
    assert_int_equal(d.lines, 9);
    assert_int_equal(d.live, 3);
    assert_has(&d, "memory 16.0 MiB of 32.0 MiB reserved\n"); /* no part is cut */
    assert_has(&d, "replies/s 2xx -  3xx -  4xx -  5xx -\n");
    assert_has(&d, "GE?T /runnin    100 s  waiting\n");
    draw(&d, 40, 23, true);
    assert_has(&d, "POST /p0/{a_     1000    2.5 ms    2.5 s\n");
    for (int height = 0; height < 70; height++)
        for (int width = 40; width < 120; width += 13)
            draw(&d, width, height, true);
}

static void test_screen_large(void **state)
{
    (void)state;
    static struct drawing d;
    draw(&d, 200, 59, true);
    assert_int_equal(d.live, 8);
    assert_int_equal(d.routes, 10);
    assert_int_equal(d.accounts, 19); /* account_00 has never held anything */
    assert_has(&d, "\n\nROUTE ");
    assert_has(&d, "max_body");
    assert_has(&d, "cached");
    assert_has(&d, "process ");
    assert_has(&d, "POST /p1/{a_name_that_is_longer_than_any      999    2.5 ms   > 60 s\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_valid),        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_depth),        cmocka_unit_test(test_look_up),
        cmocka_unit_test(test_text),         cmocka_unit_test(test_url),
        cmocka_unit_test(test_url_long),     cmocka_unit_test(test_view),
        cmocka_unit_test(test_screen_usual), cmocka_unit_test(test_screen_without_routes),
        cmocka_unit_test(test_screen_small), cmocka_unit_test(test_screen_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
