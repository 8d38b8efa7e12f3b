/*
 * The forms of a request target.
 *
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "http/scan.h"
#include "http/target.h"

struct target_case {
    const char *method, *target;
    const char *path; /* NULL: refused */
    const char *query;
    const char *authority; /* NULL: the Host field's */
};

static const struct target_case cases[] = {
    {"GET", "/", "/", NULL, NULL},
    {"GET", "/a/b", "/a/b", NULL, NULL},
    {"GET", "/a?", "/a", "", NULL},
    {"GET", "/a?b=c?d/e", "/a", "b=c?d/e", NULL},
    {"GET", "//a", "//a", NULL, NULL},
    {"GET", "/http://x/", "/http://x/", NULL, NULL},
    {"GET", "/a.b/c.html?d=%41&e=/../", "/a.b/c.html", "d=%41&e=/../", NULL},
    {"GET", "/a/%2e%2e/b", "/a/%2e%2e/b", NULL, NULL},
    {"GET", "/.a?b", "/.a", "b", NULL},
    {"GET", "/a\\b", "/a\\b", NULL, NULL},
    {"GET", "/0123456789abcd/e.", "/0123456789abcd/e.", NULL, NULL},
    {"GET", "/0123456789abcde/.", "/0123456789abcde/.", NULL, NULL}, /* the slash and the dot in two blocks */
    {"GET", "/0123456789abcdef/../ghijklmnopqrst?u", "/0123456789abcdef/../ghijklmnopqrst", "u", NULL},
    {"GET", "/0123456789abcdef0123456789abcdef0123456789abcdef%", "/0123456789abcdef0123456789abcdef0123456789abcdef%",
     NULL, NULL},
    {"OPTIONS", "*", "*", NULL, NULL},
    {"OPTIONS", "/", "/", NULL, NULL},
    {"GET", "http://other", "/", NULL, "other"},
    {"GET", "HTTP://other:81/a?b", "/a", "b", "other:81"},
    {"GET", "https://other/", "/", NULL, "other"},
    {"GET", "http://other?b", "/", "b", "other"},
    {"GET", "http://[::1]:8/", "/", NULL, "[::1]:8"},
    {"OPTIONS", "http://other", "/", NULL, "other"},
    {"GET", "*", NULL, NULL, NULL},
    {"OPTIONX", "*", NULL, NULL, NULL},
    {"OPTIONS", "**", NULL, NULL, NULL},
    {"GET", "a", NULL, NULL, NULL},
    {"GET", "?a", NULL, NULL, NULL},
    {"GET", "other:80", NULL, NULL, NULL},
    {"GET", "http:", NULL, NULL, NULL},
    {"GET", "http:/", NULL, NULL, NULL},
    {"GET", "http://", NULL, NULL, NULL},
    {"GET", "https://", NULL, NULL, NULL},
    {"GET", "http:///a", NULL, NULL, NULL},
    {"GET", "http://?a", NULL, NULL, NULL},
    {"GET", "http://user@other/", NULL, NULL, NULL},
    {"GET", "http://a\"b/", NULL, NULL, NULL},
    {"GET", "ftp://other/", NULL, NULL, NULL},
    {"GET", "http://other:0080", "/", NULL, "other:0080"},
    {"GET", "http://other:", "/", NULL, "other:"},
    {"GET", "http://other:65536", NULL, NULL, NULL},
    {"GET", "http://other:8x/", NULL, NULL, NULL},
    {"GET", "http://other:80:80/", NULL, NULL, NULL},
    {"GET", "http://:80/", NULL, NULL, NULL},
    {"GET", "http://a,b/", NULL, NULL, NULL},
    {"GET", "http://a%41/", NULL, NULL, NULL},
    {"GET", "http://[::1/", NULL, NULL, NULL},
    {"GET", "http://[::g]/", NULL, NULL, NULL},
};

/* Whether a path may be taken as it is, judged byte by byte. */
static bool looks_plain(const char *path)
{
    for (const char *p = path; *p; p++)
        if (*p == '%' || *p == '\\' || (*p == '.' && p > path && p[-1] == '/'))
            return false;
    return *path == '/';
}

/* The head as the parser leaves it: what is behind the target, and the bytes that scanning may read. */
static struct http_head make_head(const struct target_case *c)
{
    static const char version[] = " HTTP/1.1\r\n\r\n";
    size_t method = strlen(c->method), target = strlen(c->target);
    struct http_head head = {.base = calloc(1, method + target + 4 + sizeof version + SCAN_SLACK),
                             .method_len = (uint16_t)method};
    assert_non_null(head.base);
    memcpy(head.base, c->method, method);
    memcpy(head.base + method, "host", 4);
    memcpy(head.base + method + 4, c->target, target);
    memcpy(head.base + method + 4 + target, version, sizeof version);
    head.host = (uint16_t)method;
    head.host_len = 4;
    head.target = (uint16_t)(method + 4);
    head.target_len = (uint16_t)target;
    return head;
}

static void table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct target_case *c = &cases[i];
        struct http_head head = make_head(c);
        struct target t;
        const char *reason = NULL;
        int result = target_split(&head, &t, &reason);
        if (result != (c->path ? 0 : 400))
            print_error("%s %s: %d\n", c->method, c->target, result);
        assert_int_equal(result, c->path ? 0 : 400);
        if (result == 0) {
            assert_true(slice_equal(t.path, slice_from(c->path)));
            assert_int_equal(t.query.data != NULL, c->query != NULL);
            assert_true(slice_equal(t.query, slice_from(c->query)));
            assert_true(!t.plain || looks_plain(c->path));
            assert_true(t.plain || c->target[0] != '/' || !looks_plain(c->path));
            assert_true(slice_equal(t.authority, slice_from(c->authority ? c->authority : "host")));
        } else {
            assert_non_null(reason);
        }
        free(head.base);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
