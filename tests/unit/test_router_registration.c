/*
 * Registering routes: what is refused and with which message, conflicts, limits, ownership, and every allocation
 * failing in turn.
 *
 * SPDX-License-Identifier: MIT
 */
#include "router_fixture.h"

struct bad_case {
    const char *pattern;
    int error;
    const char *message; /* a part of it */
};

static const struct bad_case bad_cases[] = {
    {NULL, WEIR_EINVAL, "empty"},
    {"", WEIR_EINVAL, "empty"},
    {"a", WEIR_EINVAL, "pattern \"a\": byte 0: "},
    {"{a}", WEIR_EINVAL, "byte 0: a pattern begins with '/'"},
    {"/{}", WEIR_EINVAL, "pattern \"/{}\": byte 2: the parameter has no name"},
    {"/{:x}", WEIR_EINVAL, "byte 2: the parameter has no name"},
    {"/{a", WEIR_EINVAL, "byte 1: this brace is not closed"},
    {"/x/{a:b{}", WEIR_EINVAL, "byte 3: this brace is not closed"},
    {"/x/{a:[}", WEIR_EINVAL, "byte 3: this brace is not closed"},
    {"/{a:\\}", WEIR_EINVAL, "not closed"},
    {"/{a:\\", WEIR_EINVAL, "not closed"},
    {"/{a:\\Q}", WEIR_EINVAL, "not closed"},
    {"/a}", WEIR_EINVAL, "byte 2: a brace within text"},
    {"/a{b}", WEIR_EINVAL, "byte 2: a brace within text"},
    {"/{a}b", WEIR_EINVAL, "byte 4: "},
    {"/{a}{b}", WEIR_EINVAL, "byte 4: "},
    {"/{a:x}}", WEIR_EINVAL, "byte 6: "},
    {"/{a b}", WEIR_EINVAL, "byte 3: a parameter's name"},
    {"/{a/b}", WEIR_EINVAL, "byte 3: a parameter's name"},
    {"/{a:}", WEIR_EINVAL, "byte 4: the expression is empty"},
    {"/{a}/{a}", WEIR_EINVAL, "byte 6: the parameter \"a\" occurs twice"},
    {"/{a}/{b}/{a:x}", WEIR_EINVAL, "byte 10: the parameter \"a\" occurs twice"},
    {"/%4", WEIR_EINVAL, "byte 1: '%' is not followed by two hexadecimal digits"},
    {"/a%zz", WEIR_EINVAL, "byte 2: '%'"},
    {"/a%00", WEIR_EINVAL, "byte 2: no path can hold a NUL"},
    {"/a/../b", WEIR_EINVAL, "byte 3: dot segments"},
    {"/.", WEIR_EINVAL, "byte 1: dot segments"},
    {"/%2e%2E", WEIR_EINVAL, "byte 1: dot segments"},
    {"/{a:(}", WEIR_EINVAL, "byte 5: bad expression: missing closing parenthesis"},
    {"/x/{id:[0-9]++*}", WEIR_EINVAL, "byte 14: bad expression: quantifier does not follow a repeatable item"},
    /* what looks like a brace within a class is none, and the class ends where PCRE2 ends it */
    {"/{a:[[:digit:]}]+}/{a}", WEIR_EINVAL, "byte 20: the parameter \"a\" occurs twice"},
    {"/{a:[[:^digit:]}]+}}", WEIR_EINVAL, "byte 19: "},
    {"/{a:[[.}.]]}", WEIR_EINVAL, "bad expression: POSIX collating elements are not supported"},
    {"/{a:[[=}=]]}", WEIR_EINVAL, "bad expression: POSIX collating elements are not supported"},
    {"/{a:[[x}]}}", WEIR_EINVAL, "byte 10: "},
    {"/{a:[[:}]}}", WEIR_EINVAL, "byte 10: "},
    {"/{a:[[:}:x]}}", WEIR_EINVAL, "byte 12: "},
    {"/{a:[\\]}]}}", WEIR_EINVAL, "byte 10: a parameter takes a whole segment"},
    {"/{a:[\\", WEIR_EINVAL, "byte 1: this brace is not closed"},
    {"/{a:(*UTF)x}", WEIR_EINVAL, "bad expression"},
    {"/{a:x{2,1}}", WEIR_EINVAL, "bad expression: numbers out of order"},
    /* what is a parameter elsewhere, and what no path holds */
    {"/:id", WEIR_EINVAL, "byte 1: a parameter is written {id}, and the text \":id\" %3Aid"},
    {"/a/:user_id/b", WEIR_EINVAL, "byte 3: a parameter is written {user_id}"},
    {"/:id(\\d+)", WEIR_EINVAL, "byte 1: a parameter is written {id}"},
    {"/*", WEIR_EINVAL, "byte 1: the rest of the path is written {rest:^.*$}, one segment {rest}"},
    {"/a/*/b", WEIR_EINVAL, "byte 3: the rest of the path is written {rest:^.*$}"},
    {"/a/**", WEIR_EINVAL, "byte 3: the rest of the path is written {rest:^.*$}"},
    {"/a/*path", WEIR_EINVAL, "byte 3: the rest of the path is written {path:^.*$}, one segment {path}"},
    {"/q?x=1", WEIR_EINVAL, "byte 2: the query is no part of a pattern: see weir_query()"},
    {"/?", WEIR_EINVAL, "byte 1: the query is no part of a pattern"},
    {"/a/{b}/c#d", WEIR_EINVAL, "byte 8: no request has a fragment"},
};

static void test_bad_patterns(void **state)
{
    struct test t;
    (void)state;
    open_test(&t);
    for (size_t i = 0; i < sizeof bad_cases / sizeof *bad_cases; i++) {
        char message[512] = "";
        const struct bad_case *c = &bad_cases[i];
        int error = router_add(t.router, "GET", NULL, c->pattern, NULL, message, sizeof message);
        if (error != c->error || !strstr(message, c->message))
            fail_msg("\"%s\" gave %d, \"%s\"", c->pattern, error, message);
        /* a message that does not fit is cut */
        for (size_t size = 0; size < 40; size++) {
            char small[40];
            memset(small, 'x', sizeof small);
            assert_int_equal(router_add(t.router, "GET", NULL, c->pattern, NULL, small, size), c->error);
            assert_true(size == 0 || memchr(small, '\0', size));
        }
    }
    assert_int_equal(router_add(t.router, "G T", NULL, "/", NULL, NULL, 0), WEIR_EINVAL);
    assert_int_equal(router_add(t.router, "", NULL, "/", NULL, NULL, 0), WEIR_EINVAL);
    static const char *const bad_hosts[] = {"",   "*",  "*.",  "*.*.a",    "a:80", "a b",
                                            "a*", ".a", "a/b", "http://a", "[::1", "[]"};
    for (size_t i = 0; i < sizeof bad_hosts / sizeof *bad_hosts; i++)
        assert_int_equal(add_to(&t, "GET", bad_hosts[i], "/"), WEIR_EINVAL);
    /* the longest host, and "*." before it, which is one byte too many */
    char host[259] = "*.";
    memset(host + 2, 'a', 255);
    assert_int_equal(add_to(&t, "GET", host, "/"), WEIR_EINVAL);
    assert_int_equal(add_to(&t, "GET", host + 2, "/long"), 0);
    host[256] = '\0';
    assert_int_equal(add_to(&t, "GET", host, "/long"), 0);
    assert_string_equal(look(&t, "/"), "404");
    add(&t, "GET", "/{a_b-c.D9}");
    assert_string_equal(look(&t, "/x"), "/{a_b-c.D9} a_b-c.D9=x");
    close_test(&t);
}

/* The signs of other routers' parameters are text within a segment, and escaped at its beginning. */
static void test_signs_that_are_text(void **state)
{
    struct test t;
    (void)state;
    open_test(&t);
    const char *const patterns[] = {
        "/a:b", "/a*", "/:", "/::", "/x/b:*", "/%3Aid", "/%2A", "/%3Ai*/%23x", "/q%3Fx", "/{v:^[:*].$}/y", "/:/{b}/c"};
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++)
        add(&t, "GET", patterns[i]);
    assert_string_equal(look(&t, "/a:b"), "/a:b");
    assert_string_equal(look(&t, "/a*"), "/a*");
    assert_string_equal(look(&t, "/:"), "/:");
    assert_string_equal(look(&t, "/:id"), "/%3Aid");
    assert_string_equal(look(&t, "/%3aid"), "/%3Aid");
    assert_string_equal(look(&t, "/*"), "/%2A");
    assert_string_equal(look(&t, "/q%3Fx"), "/q%3Fx");
    assert_string_equal(look(&t, "/:x/y"), "/{v:^[:*].$}/y v=:x");
    close_test(&t);
}

/* No request has the method "get": a route for it would be one that nobody reaches. */
static void test_methods_are_case_sensitive(void **state)
{
    struct test t;
    char message[512];
    static const char *const names[] = {"get", "Get", "pOST", "delete", "Options", "connect"};
    (void)state;
    open_test(&t);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_int_equal(add_to(&t, names[i], NULL, "/"), WEIR_EINVAL);
    assert_int_equal(router_add(t.router, "get", NULL, "/", NULL, message, sizeof message), WEIR_EINVAL);
    assert_non_null(strstr(message, "the method \"get\" is sent by nobody: methods are case-sensitive, write \"GET\""));
    assert_int_equal(add_to(&t, "purge", NULL, "/"), 0);
    assert_int_equal(add_to(&t, "GETS", NULL, "/"), 0);
    assert_string_equal(method_look(&t, "purge", "/"), "/");
    close_test(&t);
}

static void test_limits_of_patterns(void **state)
{
    struct test t;
    struct path path;
    char pattern[5000];
    char target[5000] = "";
    (void)state;
    open_test(&t);
    for (int count = 31; count <= 33; count++) {
        size_t len = 0;
        for (int i = 0; i < count; i++)
            len += (size_t)snprintf(pattern + len, sizeof pattern - len, "/{p%d}", i);
        assert_int_equal(router_add(t.router, "GET", NULL, pattern, NULL, NULL, 0), count <= 32 ? 0 : WEIR_EINVAL);
    }
    pattern[0] = '\0';
    for (int i = 0; i < 65; i++) {
        size_t len = strlen(pattern);
        memcpy(pattern + len, "/s", 3);
        if (i >= 63)
            assert_int_equal(router_add(t.router, "GET", NULL, pattern, NULL, NULL, 0), i == 63 ? 0 : WEIR_EINVAL);
    }
    memset(pattern, 'a', sizeof pattern - 1);
    pattern[0] = '/';
    pattern[sizeof pattern - 1] = '\0';
    assert_int_equal(add_to(&t, "GET", NULL, pattern), WEIR_EINVAL);
    for (int i = 0; i < 32; i++)
        memcpy(target + strlen(target), "/v", 3);
    t.context = router_context_new(t.router, &t.f.account);
    assert_int_equal(path_normalize(slice_from(target), &t.f.arena, &path), 0);
    assert_int_equal(router_match(t.router, t.context, &t.f.arena, SLICE("GET"), SLICE(""), &path, &t.match), 0);
    assert_int_equal(t.match.param_count, 32);
    assert_string_equal(t.match.params[31].name, "p31");
    assert_string_equal(t.match.params[31].value, "v");
    close_test(&t);
}

static void test_conflicts(void **state)
{
    struct test t;
    char message[512];
    (void)state;
    open_test(&t);
    add(&t, "GET", "/u/{a}");
    assert_int_equal(router_add(t.router, "GET", NULL, "/u/{b}", NULL, message, sizeof message), WEIR_EEXIST);
    assert_non_null(strstr(message, "pattern \"/u/{b}\": byte 4: GET is already registered for \"/u/{a}\""));
    assert_int_equal(add_to(&t, "GET", NULL, "/u/{a}"), WEIR_EEXIST);
    add(&t, "HEAD", "/u/{b}");
    add(&t, "POST", "/u/{b}");
    add(&t, NULL, "/u/{c}");
    assert_int_equal(router_add(t.router, NULL, NULL, "/u/{d}", NULL, message, sizeof message), WEIR_EEXIST);
    assert_non_null(strstr(message, "any method is already registered"));
    add(&t, "GET", "/u/{a}/x");
    add(&t, "GET", "/u/{b}/y");
    assert_int_equal(add_to(&t, "GET", NULL, "/u/{c}/y"), WEIR_EEXIST);
    add(&t, "GET", "/e/{a:[0-9]+}");
    add(&t, "GET", "/e/{b:[0-9]+}/x");
    assert_int_equal(add_to(&t, "GET", NULL, "/e/{c:[0-9]+}"), WEIR_EEXIST);
    assert_int_equal(add_to(&t, "GET", NULL, "/e/{c:[0-9]+}/x"), WEIR_EEXIST);
    add(&t, "GET", "/e/{c:[0-9][0-9]*}/x");
    add(&t, "GET", "/s/%41");
    assert_int_equal(add_to(&t, "GET", NULL, "/s/A"), WEIR_EEXIST);
    assert_int_equal(add_to(&t, "GET", "a.org", "/s/A"), 0);
    assert_int_equal(add_to(&t, "GET", "A.ORG", "/s/A"), WEIR_EEXIST);
    assert_int_equal(add_to(&t, "GET", "*.a.org", "/s/A"), 0);
    add(&t, "MINE", "/s/A");
    assert_int_equal(add_to(&t, "MINE", NULL, "/s/A"), WEIR_EEXIST);
    /* names belong to the route and not to the place */
    assert_string_equal(look(&t, "/u/1/y"), "/u/{b}/y b=1");
    assert_string_equal(look(&t, "/u/1/x"), "/u/{a}/x a=1");
    assert_string_equal(method_look(&t, "PUT", "/u/1"), "/u/{c} c=1");
    close_test(&t);
}

static void test_too_many_methods(void **state)
{
    struct test t;
    char name[16];
    (void)state;
    open_test(&t);
    for (int i = 0; i < 60; i++) {
        snprintf(name, sizeof name, "X%d", i);
        assert_int_equal(add_to(&t, name, NULL, "/"), i < 54 ? 0 : WEIR_EINVAL);
    }
    assert_string_equal(method_look(&t, "X53", "/"), "/");
    assert_int_equal(strncmp(method_look(&t, "X54", "/"), "405 OPTIONS, X0, X1,", 20), 0);
    close_test(&t);
}

static void collect(void *arg, const weir_route_info *route)
{
    char *out = arg;
    size_t len = strlen(out);
    snprintf(out + len, 1024 - len, "%s %s%s\n", route->method, route->host ? route->host : "", route->pattern);
}

static void test_listing(void **state)
{
    struct test t;
    char out[1024] = "";
    (void)state;
    open_test(&t);
    router_each(t.router, collect, out);
    assert_string_equal(out, "");
    add(&t, "POST", "/b");
    add(&t, NULL, "/c/{x}");
    add(&t, "GET", "/b");
    assert_int_equal(add_to(&t, "GET", "a.org", "/b"), 0);
    add(&t, "GET", "/");
    add(&t, "GET", "/a/{x:.*}");
    router_each(t.router, collect, out);
    assert_string_equal(out, "GET /\nGET /a/{x:.*}\nGET /b\nPOST /b\nGET a.org/b\n* /c/{x}\n");
    close_test(&t);
}

/* Strings given are copied, and static lookups take nothing from the arena. */
static void test_ownership(void **state)
{
    struct test t;
    struct path path;
    (void)state;
    open_test(&t);
    char method[] = "LOCK";
    char host[] = "h.org";
    char pattern[] = "/a/{name}";
    assert_int_equal(router_add(t.router, method, host, pattern, &t, NULL, 0), 0);
    memset(method, 'x', sizeof method - 1);
    memset(host, 'x', sizeof host - 1);
    memset(pattern, 'x', sizeof pattern - 1);
    t.context = router_context_new(t.router, &t.f.account);
    assert_int_equal(path_normalize(SLICE("/a/v"), &t.f.arena, &path), 0);
    assert_int_equal(router_match(t.router, t.context, &t.f.arena, SLICE("LOCK"), SLICE("h.org"), &path, &t.match),
                     ROUTER_FOUND);
    assert_ptr_equal(t.match.value, &t);
    assert_string_equal(t.match.pattern, "/a/{name}");
    assert_string_equal(t.match.params[0].name, "name");
    assert_string_equal(t.match.params[0].value, "v");

    assert_int_equal(router_add(t.router, "GET", NULL, "/static/file", &t, NULL, 0), 0);
    fixture_clear_arena(&t.f);
    fixture_starve(&t.f);
    assert_int_equal(path_normalize(SLICE("/static/file"), &t.f.arena, &path), 0);
    assert_int_equal(router_match(t.router, t.context, &t.f.arena, SLICE("GET"), SLICE(""), &path, &t.match),
                     ROUTER_FOUND);
    assert_null(t.match.params);
    assert_int_equal(t.match.param_count, 0);
    assert_null(t.match.allow);
    assert_int_equal(router_match(t.router, t.context, &t.f.arena, SLICE("PUT"), SLICE(""), &path, &t.match),
                     ROUTER_NO_MEMORY);
    assert_int_equal(path_normalize(SLICE("/a/v"), &t.f.arena, &path), 0);
    assert_int_equal(router_match(t.router, t.context, &t.f.arena, SLICE("LOCK"), SLICE("h.org"), &path, &t.match),
                     ROUTER_NO_MEMORY);
    close_test(&t);
}

/* Each allocation fails in turn: the error is WEIR_ENOMEM, what was registered before still works, nothing leaks. */
static void test_every_allocation_fails(void **state)
{
    static const char *const patterns[] = {"/a",
                                           "/a/{x:[0-9]+}/b",
                                           "/{y}",
                                           "/f/{file:^.*$}",
                                           "/z/{q:a|b}",
                                           "/1/2/3/4/5",
                                           "/6/7/8/9/10/11/12/13/14",
                                           "/15/16/17/18/19/20/21/22/23/24"};
    enum { COUNT = sizeof patterns / sizeof *patterns };
    (void)state;
    for (long n = 0;; n++) {
        struct fixture f;
        size_t added = 0;
        bool context_made = false;
        fixture_open(&f);
        f.fail_after = n;
        struct router *router = router_new(&f.account);
        for (size_t i = 0; router && i < COUNT; i++) {
            int error =
                router_add(router, i == 2 ? "OWN" : "GET", i == 4 ? "*.a.org" : NULL, patterns[i], NULL, NULL, 0);
            assert_true(error == 0 || error == WEIR_ENOMEM);
            if (error == WEIR_ENOMEM) /* it fails once only */
                assert_int_equal(
                    router_add(router, i == 2 ? "OWN" : "GET", i == 4 ? "*.a.org" : NULL, patterns[i], NULL, NULL, 0),
                    0);
            added++;
        }
        struct regex_context *context = router ? router_context_new(router, &f.account) : NULL;
        if (context) {
            struct path path;
            struct router_match match;
            context_made = true;
            f.arena.end = f.arena.pos + sizeof f.first;
            assert_int_equal(path_normalize(SLICE("/a/12/b"), &f.arena, &path), 0);
            enum router_outcome outcome =
                router_match(router, context, &f.arena, SLICE("GET"), SLICE(""), &path, &match);
            assert_true(outcome == ROUTER_FOUND);
        }
        bool over = f.fail_after >= 0;
        regex_context_free(context);
        router_free(router);
        f.fail_after = -1;
        fixture_close(&f);
        if (over) {
            assert_true(n > 10 && context_made);
            assert_int_equal(added, COUNT);
            break;
        }
    }
}

/* The same for each text and node: what was registered before moves the places at which a block or the nodes are
 * full. */
static void test_every_store_fails(void **state)
{
    static const char pattern[] = "/a-segment-of-some-length/{first}/{second:[0-9]+}/{third}";
    static const char found[] = "/a-segment-of-some-length/{first}/{second:[0-9]+}/{third} first=1 second=2 third=3";
    (void)state;
    for (size_t len = 1; len < 520; len++) {
        bool over = false;
        size_t failures = 0;
        for (long n = 0; !over; n++) {
            struct test t;
            char filler[1024], message[128];
            size_t at = 0;
            for (char c = 'A'; c < (char)('A' + len % 20); c++, at += 2)
                memcpy(filler + at, (char[]){'/', c}, 2);
            filler[at] = '/';
            memset(filler + at + 1, 'f', len);
            filler[at + 1 + len] = '\0';
            open_test(&t);
            add(&t, "GET", filler);
            t.f.fail_after = n;
            int error = router_add(t.router, "OWN", "*.example.org", pattern, (void *)(uintptr_t)pattern, message,
                                   sizeof message);
            over = t.f.fail_after >= 0;
            t.f.fail_after = -1;
            /* without memory for machine code an expression is interpreted */
            assert_true(error == 0 || (error == WEIR_ENOMEM && !over));
            if (error) {
                assert_non_null(strstr(message, "no memory for this route"));
                assert_string_equal(look_host(&t, "OWN", "a.example.org", "/a-segment-of-some-length/1/2/3"), "404");
                regex_context_free(t.context);
                t.context = NULL;
                assert_int_equal(add_to(&t, "OWN", "*.example.org", pattern), 0);
                failures++;
            }
            assert_string_equal(look_host(&t, "OWN", "a.example.org", "/a-segment-of-some-length/1/2/3"), found);
            close_test(&t);
        }
        assert_true(failures > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_patterns),
        cmocka_unit_test(test_signs_that_are_text),
        cmocka_unit_test(test_methods_are_case_sensitive),
        cmocka_unit_test(test_limits_of_patterns),
        cmocka_unit_test(test_conflicts),
        cmocka_unit_test(test_too_many_methods),
        cmocka_unit_test(test_listing),
        cmocka_unit_test(test_ownership),
        cmocka_unit_test(test_every_allocation_fails),
        cmocka_unit_test(test_every_store_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
