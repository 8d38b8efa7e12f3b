/*
 * Cookies: lenient reading, strict writing.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web_fixture.h"

#include "web/cookie.h"

#include <stdio.h>

static const char *parsed(struct fixture *f, const char *field, char *out, size_t size)
{
    struct cookies cookies;
    char *exact = fixture_exact(field, strlen(field));
    struct slice slice = slice_of(exact, strlen(field));
    assert_int_equal(cookies_parse(&slice, 1, &f->arena, &cookies), 0);
    free(exact);
    size_t len = 0;
    out[0] = '\0';
    for (size_t i = 0; i < cookies.count; i++)
        len += (size_t)snprintf(out + len, size - len, "%s%s=%s", i ? "|" : "", cookies.items[i].name,
                                cookies.items[i].value);
    return out;
}

static void test_reading(void **state)
{
    static const char *const cases[][2] = {
        {"", ""},
        {"a=b", "a=b"},
        {"a=b; c=d", "a=b|c=d"},
        {"a=b;c=d", "a=b|c=d"},
        {" a = b ;\tc=\td\t", "a=b|c=d"},
        {"a=", "a="},
        {"a=;b=", "a=|b="},
        {"a=\"b c\"", "a=b c"},
        {"a=\"\"", "a="},
        {"a=\"", "a=\""},
        {"a=\"b", "a=\"b"},
        {"a=b\"c\"", "a=b\"c\""},
        {"a=\"b;c\"; d=e", "a=\"b|d=e"},
        {"a=b=c==", "a=b=c=="},
        {"a=%41+", "a=%41+"},
        {"a=1; a=2", "a=1|a=2"},
        {"novalue; a=b", "a=b"},
        {"=b; c=d", "c=d"},
        {"a b=c; d=e", "d=e"},
        {"(x)=c; d=e", "d=e"},
        {";;; ;a=b;;", "a=b"},
        {"$Version=1; a=b", "$Version=1|a=b"},
        {"a=b, c=d", "a=b, c=d"},
        {"a=\xff\x80", "a=\xff\x80"},
        {"__Host-x=1", "__Host-x=1"},
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

static void test_several_fields(void **state)
{
    static const struct slice fields[] = {{"a=1; b=2", 8}, {NULL, 0}, {"A=3; a=4", 8}};
    struct fixture f;
    struct cookies cookies;
    (void)state;
    fixture_open(&f);
    assert_int_equal(cookies_parse(fields, 3, &f.arena, &cookies), 0);
    assert_int_equal(cookies.count, 4);
    assert_string_equal(cookies_find(&cookies, "a"), "1");
    assert_string_equal(cookies_find(&cookies, "A"), "3");
    assert_string_equal(cookies_find(&cookies, "b"), "2");
    assert_null(cookies_find(&cookies, "c"));
    assert_int_equal(cookies_parse(NULL, 0, &f.arena, &cookies), 0);
    assert_int_equal(cookies.count, 0);
    assert_null(cookies_find(&cookies, "a"));
    fixture_close(&f);
}

static void test_limits_of_reading(void **state)
{
    struct fixture f;
    struct cookies cookies;
    char field[4 * (COOKIES_MAX + 1)];
    (void)state;
    fixture_open(&f);
    for (size_t i = 0; i < sizeof field; i += 4)
        memcpy(field + i, "a=b;", 4);
    struct slice slice = slice_of(field, 4 * COOKIES_MAX);
    assert_int_equal(cookies_parse(&slice, 1, &f.arena, &cookies), 0);
    assert_int_equal(cookies.count, COOKIES_MAX);
    fixture_clear_arena(&f);
    slice.len += 4;
    assert_int_equal(cookies_parse(&slice, 1, &f.arena, &cookies), WEIR_ETOOBIG);
    assert_int_equal(cookies.count, 0);
    fixture_starve(&f);
    slice.len = 4;
    assert_int_equal(cookies_parse(&slice, 1, &f.arena, &cookies), WEIR_ENOMEM);
    assert_int_equal(cookies.count, 0);
    fixture_close(&f);
}

struct compose_case {
    weir_set_cookie_options cookie;
    const char *text; /* NULL: refused */
};

static const struct compose_case compose_cases[] = {
    {{.name = "a", .value = "b"}, "a=b"},
    {{.name = "a"}, "a="},
    {{.name = "a", .value = "\"b\""}, "a=\"b\""},
    {{.name = "a", .value = "!#$%&'()*+-./:<=>?@[]^_`{|}~"}, "a=!#$%&'()*+-./:<=>?@[]^_`{|}~"},
    {{.name = "sid",
      .value = "1",
      .path = "/x y",
      .domain = "example.org",
      .max_age = 3600,
      .expires = 784111777,
      .secure = true,
      .http_only = true,
      .partitioned = true,
      .same_site = WEIR_SAME_SITE_NONE},
     "sid=1; Path=/x y; Domain=example.org; Max-Age=3600; Expires=Sun, 06 Nov 1994 08:49:37 GMT; Secure; HttpOnly; "
     "SameSite=None; Partitioned"},
    {{.name = "a", .max_age = WEIR_OFF}, "a=; Max-Age=0"},
    {{.name = "a", .max_age = INT64_MAX}, "a=; Max-Age=9223372036854775807"},
    {{.name = "a", .expires = 1}, "a=; Expires=Thu, 01 Jan 1970 00:00:01 GMT"},
    {{.name = "a", .expires = 253402300799}, "a=; Expires=Fri, 31 Dec 9999 23:59:59 GMT"},
    {{.name = "a", .same_site = WEIR_SAME_SITE_LAX}, "a=; SameSite=Lax"},
    {{.name = "a", .same_site = WEIR_SAME_SITE_STRICT}, "a=; SameSite=Strict"},
    {{.name = "a", .domain = "127.0.0.1"}, "a=; Domain=127.0.0.1"},
    {{.name = "a", .domain = "x-1.Example.ORG"}, "a=; Domain=x-1.Example.ORG"},
    {{.name = "__Host-a", .path = "/", .secure = true}, "__Host-a=; Path=/; Secure"},
    {{.name = "__Secure-a", .secure = true}, "__Secure-a=; Secure"},
    /* refused */
    {{.name = NULL}, NULL},
    {{.name = ""}, NULL},
    {{.name = "a b"}, NULL},
    {{.name = "a=b"}, NULL},
    {{.name = "a;b"}, NULL},
    {{.name = "a\r\nX: y"}, NULL},
    {{.name = "\xc3\xa4"}, NULL},
    {{.name = "a", .value = "b c"}, NULL},
    {{.name = "a", .value = "b;c"}, NULL},
    {{.name = "a", .value = "b,c"}, NULL},
    {{.name = "a", .value = "b\\c"}, NULL},
    {{.name = "a", .value = "b\"c"}, NULL},
    {{.name = "a", .value = "\""}, NULL},
    {{.name = "a", .value = "\"b\"c\""}, NULL},
    {{.name = "a", .value = "b\nc"}, NULL},
    {{.name = "a", .value = "b\x7f"}, NULL},
    {{.name = "a", .value = "\xc3\xa4"}, NULL},
    {{.name = "a", .path = ""}, NULL},
    {{.name = "a", .path = "x"}, NULL},
    {{.name = "a", .path = "/;Domain=evil"}, NULL},
    {{.name = "a", .path = "/\r\nX: y"}, NULL},
    {{.name = "a", .path = "/\xff"}, NULL},
    {{.name = "a", .domain = ""}, NULL},
    {{.name = "a", .domain = ".a.org"}, NULL},
    {{.name = "a", .domain = "a..org"}, NULL},
    {{.name = "a", .domain = "a.org."}, NULL},
    {{.name = "a", .domain = "-a.org"}, NULL},
    {{.name = "a", .domain = "a-.org"}, NULL},
    {{.name = "a", .domain = "a.org-"}, NULL},
    {{.name = "a", .domain = "a.org:80"}, NULL},
    {{.name = "a", .domain = "a;b"}, NULL},
    {{.name = "a", .domain = "a_b.org"}, NULL},
    {{.name = "a", .max_age = -2}, NULL},
    {{.name = "a", .expires = -1}, NULL},
    {{.name = "a", .expires = 253402300800}, NULL},
    {{.name = "a", .same_site = (enum weir_same_site)4}, NULL},
    {{.name = "a", .same_site = WEIR_SAME_SITE_NONE}, NULL},
    {{.name = "a", .partitioned = true}, NULL},
    {{.name = "__Secure-a"}, NULL},
    {{.name = "__Host-a", .secure = true}, NULL},
    {{.name = "__host-a", .path = "/", .domain = "a.org", .secure = true}, NULL},
    {{.name = "__Host-a", .path = "/x", .secure = true}, NULL},
};

static void test_writing(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof compose_cases / sizeof *compose_cases; i++) {
        const struct compose_case *c = &compose_cases[i];
        char buf[512];
        ssize_t len = cookie_compose(&c->cookie, buf, sizeof buf);
        if (!c->text) {
            if (len != WEIR_EINVAL)
                fail_msg("case %zu gave %zd", i, len);
            continue;
        }
        assert_int_equal(len, strlen(c->text));
        assert_string_equal(buf, c->text);
        /* a buffer of every smaller size is refused, and nothing is written beyond it */
        for (size_t size = 0; size <= (size_t)len; size++) {
            char *small = malloc(size ? size : 1);
            assert_non_null(small);
            assert_int_equal(cookie_compose(&c->cookie, small, size), WEIR_ETOOBIG);
            free(small);
        }
        assert_int_equal(cookie_compose(&c->cookie, buf, (size_t)len + 1), len);
    }
}

static void test_limits_of_writing(void **state)
{
    char value[COOKIE_PAIR_MAX + 1];
    char buf[2 * COOKIE_PAIR_MAX];
    char path[COOKIE_ATTRIBUTE_MAX + 2];
    char domain[300];
    (void)state;
    memset(value, 'v', sizeof value);
    value[COOKIE_PAIR_MAX] = '\0';
    assert_int_equal(cookie_compose(&(weir_set_cookie_options){.name = "a", .value = value}, buf, sizeof buf),
                     WEIR_ETOOBIG);
    value[COOKIE_PAIR_MAX - 1] = '\0';
    assert_int_equal(cookie_compose(&(weir_set_cookie_options){.name = "a", .value = value}, buf, sizeof buf),
                     COOKIE_PAIR_MAX + 1);
    memset(path, '/', sizeof path);
    path[COOKIE_ATTRIBUTE_MAX + 1] = '\0';
    assert_int_equal(cookie_compose(&(weir_set_cookie_options){.name = "a", .path = path}, buf, sizeof buf),
                     WEIR_ETOOBIG);
    memset(domain, 'd', sizeof domain);
    domain[64] = '\0';
    assert_int_equal(cookie_compose(&(weir_set_cookie_options){.name = "a", .domain = domain}, buf, sizeof buf),
                     WEIR_EINVAL);
    domain[63] = '\0';
    assert_true(cookie_compose(&(weir_set_cookie_options){.name = "a", .domain = domain}, buf, sizeof buf) > 0);
    for (size_t i = 1; i < sizeof domain; i += 2)
        domain[i] = '.', domain[i - 1] = 'd';
    domain[255] = '\0';
    assert_int_equal(cookie_compose(&(weir_set_cookie_options){.name = "a", .domain = domain}, buf, sizeof buf),
                     WEIR_EINVAL);
    domain[253] = '\0';
    assert_true(cookie_compose(&(weir_set_cookie_options){.name = "a", .domain = domain}, buf, sizeof buf) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reading),           cmocka_unit_test(test_several_fields),
        cmocka_unit_test(test_limits_of_reading), cmocka_unit_test(test_writing),
        cmocka_unit_test(test_limits_of_writing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
