/*
 * Lines of the access log, basic authentication, and origins.
 *
 * SPDX-License-Identifier: MIT
 */
#include "cli/access_line.h"
#include "cli/basic_auth.h"
#include "cli/cors.h"
#include "cli/json_read.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static char line[16384];

static const char *compose(enum access_form form, const struct access_entry *e)
{
    size_t len = access_line(line, sizeof line, form, e);
    assert_true(len > 0 && line[len - 1] == '\n');
    line[len - 1] = '\0';
    assert_int_equal(strlen(line), len - 1);
    return line;
}

static const struct access_entry entry = {
    .peer = "192.0.2.7:4711",
    .user = "",
    .method = "GET",
    .target = "/a?b=c",
    .host = "h:81",
    .referer = "",
    .agent = "curl/8",
    .version = WEIR_HTTP_1_1,
    .status = 200,
    .bytes = 1234,
    .begin_ns = 1700000000123456789,
    .took_ns = 1500999,
};

static void test_forms(void **state)
{
    (void)state;
    struct access_entry e = entry;
    assert_string_equal(compose(ACCESS_COMMON, &e),
                        "192.0.2.7 - - [14/Nov/2023:22:13:20 +0000] \"GET /a?b=c HTTP/1.1\" 200 1234");
    assert_string_equal(compose(ACCESS_COMBINED, &e), "192.0.2.7 - - [14/Nov/2023:22:13:20 +0000] \"GET /a?b=c "
                                                      "HTTP/1.1\" 200 1234 \"-\" \"curl/8\"");
    assert_string_equal(compose(ACCESS_JSON, &e),
                        "{\"time\":\"2023-11-14T22:13:20.123Z\",\"peer\":\"192.0.2.7:4711\",\"user\":null,\"method\":"
                        "\"GET\",\"target\":\"/a?b=c\",\"version\":\"1.1\",\"host\":\"h:81\",\"status\":200,\"bytes\":"
                        "1234,\"ms\":1.500,\"referer\":null,\"agent\":\"curl/8\",\"error\":null}");
    e.peer = "[2001:db8::1]:99";
    e.user = "bob";
    e.bytes = 0;
    e.version = WEIR_HTTP_2;
    assert_string_equal(compose(ACCESS_COMMON, &e),
                        "2001:db8::1 - bob [14/Nov/2023:22:13:20 +0000] \"GET /a?b=c HTTP/2.0\" 200 -");
    e.peer = "2001:db8::1"; /* of a client behind a proxy, whose port is not known */
    assert_string_equal(compose(ACCESS_COMMON, &e),
                        "2001:db8::1 - bob [14/Nov/2023:22:13:20 +0000] \"GET /a?b=c HTTP/2.0\" 200 -");
    e.peer = "192.0.2.7";
    assert_string_equal(compose(ACCESS_COMMON, &e),
                        "192.0.2.7 - bob [14/Nov/2023:22:13:20 +0000] \"GET /a?b=c HTTP/2.0\" 200 -");
    e.method = e.target = "";
    e.peer = "unix:";
    assert_string_equal(compose(ACCESS_COMMON, &e), "unix: - bob [14/Nov/2023:22:13:20 +0000] \"-\" 200 -");
    assert_int_equal(access_line(line, sizeof line, ACCESS_OFF, &e), 0);
}

static void test_zone(void **state)
{
    (void)state;
    setenv("TZ", "NST+3:30", 1);
    tzset();
    assert_non_null(strstr(compose(ACCESS_COMMON, &entry), "[14/Nov/2023:18:43:20 -0330]"));
    setenv("TZ", "UTC", 1);
    tzset();
}

/* Whatever bytes a client sends, a line stays one line of printable ASCII, with as many quotes as it has, and JSON. */
static void test_escaping(void **state)
{
    (void)state;
    struct access_entry e = entry;
    e.target = "/\"\\\n\x1b[2J\x7f\xc3\xa9 x";
    e.agent = "\" 200 1 \"";
    e.user = "a b\n";
    assert_string_equal(compose(ACCESS_COMBINED, &e),
                        "192.0.2.7 - a\\x20b\\x0A [14/Nov/2023:22:13:20 +0000] \"GET /\\x22\\x5C\\x0A\\x1B[2J\\x7F\\xC3"
                        "\\xA9 x HTTP/1.1\" 200 1234 \"-\" \"\\x22 200 1 \\x22\"");
    char text[256];
    for (int i = 1; i < 256; i++)
        text[i - 1] = (char)i;
    text[255] = '\0';
    e.method = e.target = e.host = e.referer = e.agent = e.user = text;
    for (int form = ACCESS_COMMON; form <= ACCESS_JSON; form++) {
        const char *all = compose((enum access_form)form, &e);
        for (const char *p = all; *p; p++)
            assert_true((unsigned char)*p >= 0x20 && (unsigned char)*p < 0x7f);
        if (form == ACCESS_JSON)
            assert_true(json_is_valid(slice_from(all)));
    }
}

/* A line that is too long is cut, and ends. */
static void test_cut(void **state)
{
    (void)state;
    struct access_entry e = entry;
    for (size_t size = 2; size < 100; size++) {
        size_t len = access_line(line, size, ACCESS_COMMON, &e);
        assert_true(len <= size);
        assert_int_equal(line[len - 1], '\n');
    }
}

/* ---- Basic authentication ---- */

static const char *add(struct basic_auth *a, const char *pair)
{
    return basic_auth_add(a, pair, strlen(pair));
}

static void test_pairs(void **state)
{
    (void)state;
    static struct basic_auth a;
    char text[300];
    a.count = 0;
    assert_null(add(&a, "bob:secret"));
    assert_null(add(&a, "eve:with:colon"));
    assert_null(add(&a, "bo:b:secret"));
    assert_int_equal(basic_auth_name_length(&a, 1), 3);
    static const char *const wrong[] = {"",      "bob",    ":x",        "x:",          "bob:other",
                                        "a\n:b", "a:\x7f", "a:$2y$05$", "a:{SHA}bG9s", "a:$apr1$x"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_non_null(add(&a, wrong[i]));
    memset(text, 'a', sizeof text);
    text[1] = ':';
    assert_non_null(basic_auth_add(&a, text, 256));
    assert_null(basic_auth_add(&a, text, 255));
    assert_int_equal(a.count, 4);
    for (int i = 0; i < 60; i++) {
        snprintf(text, sizeof text, "user%d:x", i);
        assert_null(add(&a, text));
    }
    assert_non_null(add(&a, "last:x"));
}

static void test_file(void **state)
{
    (void)state;
    static struct basic_auth a;
    unsigned at;
    static const char good[] = "# names\n\nbob:secret\r\neve:x";
    a.count = 0;
    assert_null(basic_auth_read(&a, good, sizeof good - 1, &at));
    assert_int_equal(a.count, 2);
    assert_string_equal(a.pairs[0], "bob:secret");
    static const char bad[] = "ann:x\nnobody\n";
    assert_non_null(basic_auth_read(&a, bad, sizeof bad - 1, &at));
    assert_int_equal(at, 2);
    a.count = 0;
    assert_non_null(basic_auth_read(&a, "# none\n", 7, &at));
    assert_non_null(basic_auth_read(&a, "", 0, &at));
}

static void test_field(void **state)
{
    (void)state;
    static struct basic_auth a;
    a.count = 0;
    assert_null(add(&a, "bob:secret"));
    assert_null(add(&a, "Aladdin:open sesame"));
    assert_null(add(&a, "test:123\xc2\xa3"));
    static const struct {
        const char *field;
        int user;
    } table[] = {
        {NULL, -1},
        {"", -1},
        {"Basic", -1},
        {"Basic ", -1},
        {"Basic Ym9iOnNlY3JldA==", 0},
        {"basic Ym9iOnNlY3JldA==", 0},
        {"BASIC   Ym9iOnNlY3JldA==  ", 0},
        {"Basic Ym9iOnNlY3JldA", 0},
        {"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", 1}, /* RFC 7617 section 2 */
        {"Basic dGVzdDoxMjPCow==", 2},             /* RFC 7617 section 2.1 */
        {"Basic Ym9iOnNlY3Jl", -1},                /* bob:secre */
        {"Basic Ym9iOnNlY3JldHQ=", -1},            /* bob:secrett */
        {"Basic Ym9iOnNlY3JldAA=", -1},            /* with a NUL behind it */
        {"Basic Qm9iOnNlY3JldA==", -1},            /* Bob:secret */
        {"Basic Ym9iOnNlY3JldA== x", -1},
        {"Basic Ym9iOnNlY3JldA==Ym9i", -1},
        {"Basic Ym9iOnNlY3JldA=-", -1},
        {"Basic Ym9i\nOnNlY3JldA==", -1},
        {"BasicYm9iOnNlY3JldA==", -1},
        {"Bearer Ym9iOnNlY3JldA==", -1},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (basic_auth_check(&a, table[i].field) != table[i].user)
            fail_msg("%s", table[i].field ? table[i].field : "none");
    char longest[1024] = "Basic ";
    memset(longest + 6, 'Q', sizeof longest - 7);
    assert_int_equal(basic_auth_check(&a, longest), -1);
    a.count = 0;
    assert_int_equal(basic_auth_check(&a, "Basic Ym9iOnNlY3JldA=="), -1);
}

/* ---- Origins ---- */

static void test_origins(void **state)
{
    (void)state;
    static const char *const good[] = {"http://a", "https://a.example:81", "http://[::1]:3000",
                                       "capacitor://localhost"};
    static const char *const wrong[] = {
        "",           "a",          "://a",       "http://",    "http://a/",       "http://a/b",       "http://a?b",
        "http://u@a", "http://*.a", "http://a b", "http://a\n", "http://\xc3\xa9", "http://a,http://b"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_null(cors_origin_fault(good[i]));
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_non_null(cors_origin_fault(wrong[i]));

    static const char *const origins[] = {"https://a.example", "http://b:81"};
    const struct cors all = {0}, some = {.origins = origins, .count = 2};
    assert_string_equal(cors_allowed(&all, NULL), "*");
    assert_string_equal(cors_allowed(&all, "https://x"), "*");
    assert_null(cors_allowed(&some, NULL));
    assert_null(cors_allowed(&some, "https://a.example.evil"));
    assert_null(cors_allowed(&some, "null"));
    assert_string_equal(cors_allowed(&some, "http://b:81"), "http://b:81");

    assert_true(cors_may_change(&all, NULL, "h:1"));
    assert_true(cors_may_change(&all, "http://h:1", "h:1"));
    assert_false(cors_may_change(&all, "http://h:2", "h:1"));
    assert_false(cors_may_change(&all, "null", "null"));
    assert_true(cors_may_change(&some, "https://a.example", "h:1"));
    assert_false(cors_may_change(&some, "https://c.example", "h:1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms), cmocka_unit_test(test_zone),    cmocka_unit_test(test_escaping),
        cmocka_unit_test(test_cut),   cmocka_unit_test(test_pairs),   cmocka_unit_test(test_file),
        cmocka_unit_test(test_field), cmocka_unit_test(test_origins),
    };
    setenv("TZ", "UTC", 1);
    tzset();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
