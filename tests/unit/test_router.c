/*
 * Looking up routes: what wins, what is answered when nothing serves a method, and that hostile paths cost little.
 *
 * SPDX-License-Identifier: MIT
 */
#include "router_fixture.h"
#include "web/route/method.h"

#include <time.h>

/* The patterns of a table, in both orders, have to give the same answers. */
static void check_both_orders(const char *const *patterns, const char *const (*expected)[2])
{
    size_t count = 0;
    while (patterns[count])
        count++;
    for (int backwards = 0; backwards < 2; backwards++) {
        struct test t;
        open_test(&t);
        for (size_t i = 0; i < count; i++)
            add(&t, "GET", patterns[backwards ? count - 1 - i : i]);
        for (size_t i = 0; expected[i][0]; i++) {
            const char *got = look(&t, expected[i][0]);
            if (strcmp(got, expected[i][1]) != 0)
                fail_msg("\"%s\" gave \"%s\" and not \"%s\"", expected[i][0], got, expected[i][1]);
        }
        close_test(&t);
    }
}

static void test_text(void **state)
{
    static const char *const patterns[] = {"/",
                                           "/a",
                                           "/a/",
                                           "/a/b",
                                           "//",
                                           "/a//b",
                                           "/a b",
                                           "/gr%C3%B6%C3%9Fe",
                                           "/x%2Fy",
                                           "/x/y",
                                           "/%7Bz%7D",
                                           "/abcdefghijklmnopqrstuvwxyz",
                                           "/one/long/path/of/text",
                                           NULL};
    static const char *const expected[][2] = {
        {"/", "/"},
        {"", "/"},
        {"/a", "/a"},
        {"/a/", "/a/"},
        {"/a/b", "/a/b"},
        {"/a/b/", "404"},
        {"/A", "404"},
        {"/ab", "404"},
        {"//", "//"},
        {"///", "404"},
        {"/a//b", "/a//b"},
        {"/a%20b", "/a b"},
        {"/gr\xc3\xb6\xc3\x9f"
         "e",
         "/gr%C3%B6%C3%9Fe"},
        {"/gr%c3%b6%c3%9fe", "/gr%C3%B6%C3%9Fe"},
        {"/x%2fy", "/x%2Fy"},
        {"/x/y", "/x/y"},
        {"/%7bz}", "/%7Bz%7D"},
        {"/%61/./%62", "/a/b"},
        {"/a/b/..", "/a/"},
        {"/a/../..", "/"},
        {"/abcdefghijklmnopqrstuvwxyz", "/abcdefghijklmnopqrstuvwxyz"},
        {"/abcdefghijklmnopqrstuvwxyZ", "404"},
        {"/one/long/path/of/text", "/one/long/path/of/text"},
        {"/one/long/path/of/texT", "404"},
        {"/one/long/path/of", "404"},
        {"/one%2Flong/path/of/text", "404"},
        {"/%2541", "404"},
        {"/%", "400 path"},
        {NULL, NULL},
    };
    (void)state;
    check_both_orders(patterns, expected);
}

static void test_specificity(void **state)
{
    static const char *const patterns[] = {"/u/me",
                                           "/u/{id:[0-9]+}",
                                           "/u/{name}",
                                           "/u/{rest:.+}",
                                           "/u/{id:[0-9]+}/posts/{post}",
                                           "/u/{n}/posts",
                                           "/u/{n}/{what:[a-z]{2}}/x",
                                           "/u/{n}/{what}/x",
                                           NULL};
    static const char *const expected[][2] = {
        {"/u/me", "/u/me"},
        {"/u/12", "/u/{id:[0-9]+} id=12"},
        {"/u/12a", "/u/{name} name=12a"},
        {"/u/12/x", "/u/{rest:.+} rest=12/x"},
        {"/u/", "404"},
        {"/u", "404"},
        {"/u/12/posts/7", "/u/{id:[0-9]+}/posts/{post} id=12 post=7"},
        {"/u/12/posts", "/u/{n}/posts n=12"},
        {"/u/12/posts/", "/u/{rest:.+} rest=12/posts/"},
        {"/u/q/posts/7", "/u/{rest:.+} rest=q/posts/7"},
        {"/u/q/ab/x", "/u/{n}/{what:[a-z]{2}}/x n=q what=ab"},
        {"/u/q/abc/x", "/u/{n}/{what}/x n=q what=abc"},
        {"/u/me/ab/x", "/u/{n}/{what:[a-z]{2}}/x n=me what=ab"},
        {"/u/q//x", "/u/{rest:.+} rest=q//x"},
        {NULL, NULL},
    };
    (void)state;
    check_both_orders(patterns, expected);
}

static void test_backtracking_and_rests(void **state)
{
    static const char *const patterns[] = {
        "/a/b/c/d",      "/a/{x}/c/e",        "/{r:.*}",      "/a/{r:.*}",    "/a/b/{r:[a-z/]+}",
        "/a/b/{r:^.*$}", "/file/{file:^.*$}", "/file/{name}", "/t/{id:\\d+}", NULL};
    static const char *const expected[][2] = {
        {"/a/b/c/d", "/a/b/c/d"},
        {"/a/b/c/e", "/a/b/{r:[a-z/]+} r=c/e"},
        {"/a/q/c/e", "/a/{x}/c/e x=q"},
        {"/a/b/c/1", "/a/b/{r:^.*$} r=c/1"},
        {"/a/q/c/d", "/a/{r:.*} r=q/c/d"},
        {"/a/b", "/a/{r:.*} r=b"},
        {"/a/", "/a/{r:.*} r="},
        {"/a", "/{r:.*} r=a"},
        {"/", "/{r:.*} r="},
        {"/x/y/z", "/{r:.*} r=x/y/z"},
        {"/file/", "/file/{file:^.*$} file="},
        {"/file", "/{r:.*} r=file"},
        {"/file/x", "/file/{name} name=x"},
        {"/file/x/y.txt", "/file/{file:^.*$} file=x/y.txt"},
        {"/file/x%2Fy", "/file/{name} name=x/y"},
        {"/file/a/x%2Fy", "/file/{file:^.*$} file=a/x/y"},
        {"/file/../t/1", "/t/{id:\\d+} id=1"},
        {"/file/a/../../b", "/{r:.*} r=b"},
        {"/file/%0A/x", "/file/{file:^.*$} file=\n/x"},
        {"/t/12/", "/{r:.*} r=t/12/"},
        {"/t/1%0A", "/{r:.*} r=t/1\n"},
        {NULL, NULL},
    };
    (void)state;
    check_both_orders(patterns, expected);
}

static void test_expressions(void **state)
{
    static const char *const patterns[] = {"/b/{y:[0-9]{4}}-", NULL};
    static const char *const good[] = {"/d/{y:[0-9]{4}}/{m:[0-9]{2}}",
                                       "/v/{v:v[0-9]+(?:\\.[0-9]+){0,2}}/x",
                                       "/c/{c:a:b}",
                                       "/s/{s:[^/]+/[^/]+}",
                                       "/k/{k:\\{[a-z]+\\}}",
                                       "/l/{l:[}{]+}",
                                       "/m/{m:[]}]}",
                                       "/n/{n:[[:digit:]}]+}",
                                       "/q/{q:\\Q}{\\E}",
                                       "/alt/{a:one|two}",
                                       "/i/{i:(?i)abc}",
                                       "/w/{w:(a)\\1}",
                                       NULL};
    static const char *const expected[][2] = {
        {"/d/2024/05", "/d/{y:[0-9]{4}}/{m:[0-9]{2}} y=2024 m=05"},
        {"/d/2024/5", "404"},
        {"/d/20244/05", "404"},
        {"/d/2024/05/", "404"},
        {"/v/v1/x", "/v/{v:v[0-9]+(?:\\.[0-9]+){0,2}}/x v=v1"},
        {"/v/v1.2.3/x", "/v/{v:v[0-9]+(?:\\.[0-9]+){0,2}}/x v=v1.2.3"},
        {"/v/v1.2.3.4/x", "404"},
        {"/c/a:b", "/c/{c:a:b} c=a:b"},
        {"/s/x/y", "/s/{s:[^/]+/[^/]+} s=x/y"},
        {"/s/x/y/z", "404"},
        {"/s/x", "404"},
        {"/k/%7babc%7d", "/k/{k:\\{[a-z]+\\}} k={abc}"},
        {"/l/}{", "/l/{l:[}{]+} l=}{"},
        {"/m/]", "/m/{m:[]}]} m=]"},
        {"/n/1}2", "/n/{n:[[:digit:]}]+} n=1}2"},
        {"/q/}{", "/q/{q:\\Q}{\\E} q=}{"},
        {"/alt/one", "/alt/{a:one|two} a=one"},
        {"/alt/two", "/alt/{a:one|two} a=two"},
        {"/alt/onetwo", "404"},
        {"/alt/ones", "404"},
        {"/alt/xtwo", "404"},
        {"/i/aBC", "/i/{i:(?i)abc} i=aBC"},
        {"/w/aa", "/w/{w:(a)\\1} w=aa"},
        {NULL, NULL},
    };
    struct test t;
    (void)state;
    check_both_orders(good, expected);
    open_test(&t);
    assert_int_equal(add_to(&t, "GET", NULL, patterns[0]), WEIR_EINVAL);
    close_test(&t);
}

/* Two expressions at one place: the longer text, then byte order. */
static void test_order_of_expressions(void **state)
{
    static const char *const patterns[] = {"/{a:[a-z]+}/x", "/{a:[a-c]+}/x",    "/{a:[a-zA-Z]+}/x",
                                           "/{a:.*}/x",     "/e/{a:[a-z]+}",    "/e/{a:[a-c]+}",
                                           "/e/{a:.*}",     "/e/{a:.*b/c/.*x}", NULL};
    static const char *const expected[][2] = {
        {"/abc/x", "/{a:[a-zA-Z]+}/x a=abc"},
        {"/1/x", "/{a:.*}/x a=1"},
        {"//x", "/{a:.*}/x a="},
        {"/e/abc", "/e/{a:[a-c]+} a=abc"},
        {"/e/xyz", "/e/{a:[a-z]+} a=xyz"},
        {"/e/1", "/e/{a:.*} a=1"},
        {"/e/abb/c/dx", "/e/{a:.*b/c/.*x} a=abb/c/dx"},
        {"/e/abb/c/dy", "/e/{a:.*} a=abb/c/dy"},
        {NULL, NULL},
    };
    (void)state;
    check_both_orders(patterns, expected);
}

/* A route for upgrades is GET's and CONNECT's, which is in no route for any method. */
static void test_upgrades(void **state)
{
    struct test t;
    (void)state;
    open_test(&t);
    add(&t, "GET", "/page");
    add(&t, NULL, "/any");
    assert_false(router_serves(t.router, METHOD_CONNECT));
    add(&t, WEIR_UPGRADE, "/live");
    add(&t, "POST", "/live");
    add(&t, NULL, "/live");
    assert_true(router_serves(t.router, METHOD_CONNECT));
    assert_int_equal(add_to(&t, "GET", NULL, "/live"), WEIR_EEXIST);
    assert_int_equal(add_to(&t, "CONNECT", NULL, "/live"), WEIR_EEXIST);
    assert_int_equal(add_to(&t, WEIR_UPGRADE, NULL, "/live"), WEIR_EEXIST);
    assert_int_equal(add_to(&t, WEIR_UPGRADE, NULL, "/page"), WEIR_EEXIST);
    assert_string_equal(method_look(&t, "GET", "/live"), "/live");
    assert_string_equal(method_look(&t, "CONNECT", "/live"), "/live");
    assert_string_equal(method_look(&t, "CONNECT", "/page"), "405 GET, HEAD, OPTIONS");
    assert_string_equal(method_look(&t, "CONNECT", "/any"), "405 GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS, TRACE");
    close_test(&t);
}

static void test_methods(void **state)
{
    struct test t;
    (void)state;
    open_test(&t);
    add(&t, "GET", "/a");
    add(&t, "POST", "/a");
    add(&t, "PURGE", "/a");
    add(&t, "GET", "/b/c");
    add(&t, NULL, "/b/{x}");
    add(&t, "GET", "/h/{x}");
    add(&t, "HEAD", "/h/{x}");
    add(&t, "OPTIONS", "/o");
    add(&t, "DELETE", "/d/{id:[0-9]+}");
    add(&t, "PUT", "/d/{id}");
    add(&t, "GET", "/d/{rest:.*}");
    add(&t, NULL, "/all");
    add(&t, "GET", "/all");
    assert_string_equal(method_look(&t, "GET", "/a"), "/a");
    assert_string_equal(method_look(&t, "HEAD", "/a"), "/a");
    assert_string_equal(method_look(&t, "POST", "/a"), "/a");
    assert_string_equal(method_look(&t, "PURGE", "/a"), "/a");
    assert_string_equal(method_look(&t, "PUT", "/a"), "405 GET, HEAD, POST, OPTIONS, PURGE");
    assert_string_equal(method_look(&t, "get", "/a"), "405 GET, HEAD, POST, OPTIONS, PURGE");
    assert_string_equal(method_look(&t, "PURG", "/a"), "405 GET, HEAD, POST, OPTIONS, PURGE");
    assert_string_equal(method_look(&t, "", "/a"), "405 GET, HEAD, POST, OPTIONS, PURGE");
    assert_string_equal(method_look(&t, "OPTIONS", "/a"), "204 GET, HEAD, POST, OPTIONS, PURGE");
    assert_string_equal(method_look(&t, "PUT", "/nowhere"), "404");
    assert_string_equal(method_look(&t, "OPTIONS", "/nowhere"), "404");
    /* the method is part of the match: a less specific pattern that has it is taken */
    assert_string_equal(method_look(&t, "GET", "/b/c"), "/b/c");
    assert_string_equal(method_look(&t, "POST", "/b/c"), "/b/{x} x=c");
    assert_string_equal(method_look(&t, "BREW", "/b/c"), "/b/{x} x=c");
    assert_string_equal(method_look(&t, "DELETE", "/d/1"), "/d/{id:[0-9]+} id=1");
    assert_string_equal(method_look(&t, "PUT", "/d/1"), "/d/{id} id=1");
    assert_string_equal(method_look(&t, "GET", "/d/1"), "/d/{rest:.*} rest=1");
    assert_string_equal(method_look(&t, "POST", "/d/1"), "405 GET, HEAD, PUT, DELETE, OPTIONS");
    assert_string_equal(method_look(&t, "POST", "/d/x"), "405 GET, HEAD, PUT, OPTIONS");
    assert_string_equal(method_look(&t, "POST", "/d/x/y"), "405 GET, HEAD, OPTIONS");
    assert_string_equal(method_look(&t, "HEAD", "/h/1"), "/h/{x} x=1");
    assert_string_equal(method_look(&t, "OPTIONS", "/o"), "/o");
    assert_string_equal(method_look(&t, "GET", "/o"), "405 OPTIONS");
    assert_string_equal(method_look(&t, "OPTIONS", "/all"), "/all");
    assert_string_equal(router_methods(t.router, &t.f.arena), "GET, HEAD, POST, PUT, DELETE, OPTIONS, PURGE");
    close_test(&t);
}

/* Of HEAD, GET and any method at one place, whichever came first. */
static void test_head_prefers_its_own(void **state)
{
    static const int orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    static const char *const methods[3] = {"GET", "HEAD", NULL};
    static char values[3];
    (void)state;
    for (size_t i = 0; i < 6; i++) {
        struct test t;
        struct path path;
        open_test(&t);
        for (size_t k = 0; k < 3; k++) {
            int which = orders[i][k];
            assert_int_equal(router_add(t.router, methods[which], NULL, "/", &values[which], NULL, 0), 0);
        }
        t.context = router_context_new(t.router, &t.f.account);
        assert_int_equal(path_normalize(SLICE("/"), &t.f.arena, &path), 0);
        for (size_t k = 0; k < 3; k++) {
            struct slice method = k == 2 ? SLICE("LINK") : slice_from(methods[k]);
            assert_int_equal(router_match(t.router, t.context, &t.f.arena, method, SLICE(""), &path, &t.match),
                             ROUTER_FOUND);
            assert_ptr_equal(t.match.value, &values[k]);
        }
        close_test(&t);
    }
}

static void test_hosts(void **state)
{
    struct test t;
    (void)state;
    open_test(&t);
    assert_int_equal(add_to(&t, "GET", NULL, "/a"), 0);
    assert_int_equal(add_to(&t, "GET", "example.org", "/{exact}"), 0);
    assert_int_equal(add_to(&t, "GET", "*.example.org", "/{below}"), 0);
    assert_int_equal(add_to(&t, "GET", "*.b.example.org", "/{deeper}"), 0);
    assert_int_equal(add_to(&t, "POST", "[::1]", "/a"), 0);
    assert_int_equal(add_to(&t, "GET", "[fe80::AB:10.0.0.1]", "/{address}"), 0);
    assert_int_equal(add_to(&t, "GET", "a_b-C9.org", "/{bytes}"), 0);
    assert_int_equal(add_to(&t, "PUT", "10.0.0.1", "/a"), 0);
    assert_int_equal(add_to(&t, "GET", NULL, "/any/{x}"), 0);
    static const char *const expected[][2] = {
        {"", "/a"},
        {"example.org", "/{exact} exact=a"},
        {"EXAMPLE.org", "/{exact} exact=a"},
        {"example.org:8080", "/{exact} exact=a"},
        {"example.org.", "/{exact} exact=a"},
        {"example.org.:80", "/{exact} exact=a"},
        {"x.example.org", "/{below} below=a"},
        {"x.y.Example.org:1", "/{below} below=a"},
        {"b.example.org", "/{below} below=a"},
        {"x.b.example.org", "/{deeper} deeper=a"},
        {".example.org", "/a"},
        {"xexample.org", "/a"},
        {"example.org.evil", "/a"},
        {"other.org", "/a"},
        {"exa mple.org", "/a"},
        {"[::1]", "/a"},
        {"[::1", "/a"},
        {"[]", "/a"},
        {"[::1!]", "/a"},
        {"[::~]", "/a"},
        {"[::_]", "/a"},
        {"[FE80::ab:10.0.0.1]", "/{address} address=a"},
        {"[fe80::ab:10.0.0.1]:80", "/{address} address=a"},
        {"A_b-c9.org", "/{bytes} bytes=a"},
        {"example~.org", "/a"},
        {"example,org", "/a"},
        {"[", "/a"},
        {":80", "/a"},
        {".", "/a"},
        {"..", "/a"},
    };
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        const char *got = look_host(&t, "GET", expected[i][0], "/a");
        if (strcmp(got, expected[i][1]) != 0)
            fail_msg("host \"%s\" gave \"%s\" and not \"%s\"", expected[i][0], got, expected[i][1]);
    }
    /* any host is asked when the host's own tree has nothing, and both count for 405 */
    assert_string_equal(look_host(&t, "GET", "x.b.example.org", "/any/1"), "/any/{x} x=1");
    assert_string_equal(look_host(&t, "POST", "[::1]:80", "/a"), "/a");
    assert_string_equal(look_host(&t, "DELETE", "[::1]:80", "/a"), "405 GET, HEAD, POST, OPTIONS");
    assert_string_equal(look_host(&t, "DELETE", "10.0.0.1", "/a"), "405 GET, HEAD, PUT, OPTIONS");
    assert_string_equal(look_host(&t, "GET", "example.org", "/x/y"), "404");
    char long_host[600];
    memset(long_host, 'a', sizeof long_host - 1);
    long_host[sizeof long_host - 1] = '\0';
    assert_string_equal(look_host(&t, "GET", long_host, "/a"), "/a");
    close_test(&t);
}

/* Without a host that begins with "*.", what lies below a host is another one. */
static void test_exact_hosts(void **state)
{
    struct test t;
    (void)state;
    open_test(&t);
    assert_int_equal(add_to(&t, "GET", "example.org", "/{exact}"), 0);
    assert_int_equal(add_to(&t, "GET", NULL, "/{any}/x"), 0);
    assert_string_equal(look_host(&t, "GET", "example.org", "/a"), "/{exact} exact=a");
    assert_string_equal(look_host(&t, "GET", "x.example.org", "/a"), "404");
    assert_string_equal(look_host(&t, "GET", "x.example.org", "/a/x"), "/{any}/x any=a");
    close_test(&t);
}

/* A value that an expression gives up on ends the search, whatever else would take it. */
static void test_refusal_is_final(void **state)
{
    static const char hard[] = "{v:(a+)+[bc]}";
    static const char *const others[] = {"/{e:[a-z]+}/{w}", "/{e:[a-z]+}/{w:.*}", "/{p}/{w}", "/{f:^.*$}", "/{f:.+}"};
    char pattern[64], target[80] = "/t/";
    (void)state;
    memset(target + 3, 'a', sizeof target - 4);
    for (size_t i = 0; i <= sizeof others / sizeof *others; i++) {
        struct test t;
        open_test(&t);
        for (size_t other = 0; other < sizeof others / sizeof *others; other++)
            if (i == other || i == sizeof others / sizeof *others)
                assert_int_equal(add_to(&t, "GET", NULL, others[other]), 0);
        assert_string_not_equal(look(&t, target), "404");
        assert_string_not_equal(look(&t, target), "400");
        /* a router context is of the routes that there were */
        regex_context_free(t.context);
        t.context = NULL;
        snprintf(pattern, sizeof pattern, "/t/%s", hard);
        assert_int_equal(add_to(&t, "GET", NULL, pattern), 0);
        assert_string_equal(look(&t, target), "400");
        close_test(&t);

        /* and the same for a host, before the routes for any */
        open_test(&t);
        assert_int_equal(add_to(&t, "GET", "*.org", pattern), 0);
        assert_int_equal(add_to(&t, "GET", NULL, "/t/{v}"), 0);
        assert_string_equal(look_host(&t, "GET", "a.b.org", target), "400");
        assert_string_equal(look_host(&t, "GET", "a.net", "/t/x"), "/t/{v} v=x");
        close_test(&t);
    }
}

/* Expressions that explode, and values that are too long. */
static void test_hostile_values(void **state)
{
    struct test t;
    char target[6000];
    (void)state;
    open_test(&t);
    add(&t, "GET", "/x/{v:(a+)+[bc]}");
    add(&t, "GET", "/y/{v:(?:[a-z]|[a-z])*[0-9]}/z");
    add(&t, "GET", "/f/{file:^.*$}");
    add(&t, "GET", "/plain/{v}");
    memset(target, 'a', sizeof target);
    memcpy(target, "/x/", 3);
    target[3 + 63] = '\0';
    assert_string_equal(look(&t, target), "400");
    assert_int_equal(regex_context_refused(t.context), 1);
    memcpy(target, "/y/", 3);
    memcpy(target + 60, "/z", 3);
    assert_string_equal(look(&t, target), "400");
    assert_int_equal(regex_context_refused(t.context), 2);
    /* and the next request is none the worse */
    assert_string_equal(look(&t, "/x/aab"), "/x/{v:(a+)+[bc]} v=aab");
    for (size_t len = 4095; len <= 4098; len++) {
        memset(target, 'a', sizeof target);
        memcpy(target, "/f/", 3);
        target[3 + len] = '\0';
        const char *got = look(&t, target);
        assert_true((strcmp(got, "414") == 0) == (len > 4096));
    }
    assert_int_equal(regex_context_refused(t.context), 4);
    memset(target, 'a', sizeof target);
    memcpy(target, "/plain/", 7);
    target[7 + 4097] = '\0';
    assert_string_equal(look(&t, target), "414");
    assert_null(t.match.pattern);
    target[7 + 4096] = '\0';
    assert_int_equal(strncmp(look(&t, target), "/plain/{v} v=a", 14), 0);
    assert_int_equal(strlen(t.match.params[0].value), 4096);
    memset(target, 'a', sizeof target); /* no parameter takes it */
    target[0] = '/';
    target[5999] = '\0';
    assert_string_equal(look(&t, target), "404");
    close_test(&t);
}

/* Without machine code the interpreter does the same, within the same limits. */
static void test_interpreted(void **state)
{
    struct test t;
    char target[4200];
    (void)state;
    open_test(&t);
    add(&t, "GET", "/x/{v:(*NO_JIT)(a+)+[bc]}");
    add(&t, "GET", "/y/{v:(*NO_JIT)(?:(a)|(b)|c)*}");
    memset(target, 'a', sizeof target);
    memcpy(target, "/x/", 3);
    target[3 + 63] = '\0';
    assert_string_equal(look(&t, target), "400");
    assert_int_equal(regex_context_refused(t.context), 1);
    assert_string_equal(look(&t, "/x/aab"), "/x/{v:(*NO_JIT)(a+)+[bc]} v=aab");
    assert_string_equal(look(&t, "/x/aa"), "404");
    assert_string_equal(look(&t, "/y/abc"), "/y/{v:(*NO_JIT)(?:(a)|(b)|c)*} v=abc");
    memset(target, 'c', sizeof target);
    memcpy(target, "/y/", 3);
    target[3 + 4000] = '\0';
    look(&t, target); /* whatever it answers, its memory is bounded */
    assert_true(counter_read(&t.f.account.peak) < 1024 * 1024);
    close_test(&t);
}

/* Deep trees of parameters, in which a failing path could be tried in exponentially many ways if nodes were shared. */
static void test_hostile_tree(void **state)
{
    struct test t;
    char pattern[512];
    char target[256] = "";
    (void)state;
    open_test(&t);
    for (unsigned mask = 0; mask < 1024; mask++) {
        size_t len = 0;
        for (unsigned i = 0; i < 10; i++)
            len += (size_t)snprintf(pattern + len, sizeof pattern - len, mask >> i & 1 ? "/a" : "/{p%u}", i);
        snprintf(pattern + len, sizeof pattern - len, "/end");
        assert_int_equal(router_add(t.router, "GET", NULL, pattern, NULL, NULL, 0), 0);
    }
    for (int i = 0; i < 10; i++)
        memcpy(target + strlen(target), "/a", 3);
    memcpy(target + strlen(target), "/no", 4);
    clock_t start = clock();
    for (int i = 0; i < 100; i++)
        assert_string_equal(look(&t, target), "404");
    assert_true(clock() - start < 2 * CLOCKS_PER_SEC);
    close_test(&t);
}

/* A path that other methods have: the most specific route for any of them, with its parameters. */
static void test_route_of_another_method(void **state)
{
    struct test t;
    (void)state;
    open_test(&t);
    add(&t, "PUT", "/a/{x}/{y:[0-9]+}");
    add(&t, "POST", "/a/{x}/{y}");
    add(&t, "GET", "/{rest:.*}");
    assert_int_equal(add_to(&t, "PATCH", "h.test", "/a/{z}/7"), 0);
    assert_string_equal(method_look(&t, "DELETE", "/a/b/7"), "405 GET, HEAD, POST, PUT, OPTIONS");
    assert_string_equal(t.match.value, "/a/{x}/{y:[0-9]+}");
    assert_null(t.match.pattern);
    assert_int_equal(t.match.param_count, 2);
    assert_string_equal(t.match.params[1].name, "y");
    assert_string_equal(t.match.params[1].value, "7");
    assert_string_equal(method_look(&t, "OPTIONS", "/a/b/c"), "204 GET, HEAD, POST, OPTIONS");
    assert_string_equal(t.match.value, "/a/{x}/{y}");
    assert_string_equal(t.match.params[0].value, "b");
    assert_string_equal(look_host(&t, "DELETE", "h.test", "/a/b/7"), "405 GET, HEAD, POST, PUT, PATCH, OPTIONS");
    assert_string_equal(t.match.value, "/a/{z}/7");
    assert_int_equal(t.match.param_count, 1);
    assert_string_equal(method_look(&t, "DELETE", "/"), "405 GET, HEAD, OPTIONS");
    assert_string_equal(t.match.params[0].name, "rest");
    /* room for the list of methods, and none for the parameters */
    struct path path;
    assert_int_equal(path_normalize(SLICE("/a/b/7"), &t.f.arena, &path), 0);
    fixture_starve(&t.f);
    arena_init(&t.f.arena, &t.f.nothing, t.f.first, sizeof t.f.first);
    assert_int_equal(router_match(t.router, t.context, &t.f.arena, SLICE("DELETE"), SLICE(""), &path, &t.match),
                     ROUTER_NO_MEMORY);
    close_test(&t);
}

/* Two routers with their expressions in one list: a context serves both. */
static void test_routers_beside(void **state)
{
    struct test t;
    struct router_match match;
    struct path path;
    (void)state;
    open_test(&t);
    add(&t, "GET", "/{a:[0-9]+}");
    struct router *other = router_new_beside(t.router);
    assert_non_null(other);
    assert_int_equal(router_add(other, NULL, NULL, "/{b:[a-z]+}", t.router, NULL, 0), 0);
    assert_int_equal(router_add(other, NULL, NULL, "/{a:[0-9]+}", other, NULL, 0), 0);
    assert_string_equal(look(&t, "/7"), "/{a:[0-9]+} a=7");
    assert_string_equal(look(&t, "/x"), "404");
    assert_int_equal(path_normalize(SLICE("/x"), &t.f.arena, &path), 0);
    assert_int_equal(router_match(other, t.context, &t.f.arena, SLICE("GET"), SLICE(""), &path, &match), ROUTER_FOUND);
    assert_ptr_equal(match.value, t.router);
    router_free(other);
    assert_string_equal(look(&t, "/7"), "/{a:[0-9]+} a=7");
    close_test(&t);
}

static void test_many_routes(void **state)
{
    enum { COUNT = 10000 };
    struct test t;
    char text[64];
    (void)state;
    open_test(&t);
    for (int i = 0; i < COUNT; i++) {
        snprintf(text, sizeof text, i % 3 == 0 ? "/r%d" : i % 3 == 1 ? "/r%d/{id}" : "/shared/r%d/x", i);
        assert_int_equal(router_add(t.router, "GET", NULL, text, (void *)(uintptr_t)(i + 1), NULL, 0), 0);
    }
    t.context = router_context_new(t.router, &t.f.account);
    for (int i = 0; i < COUNT; i++) {
        struct path path;
        snprintf(text, sizeof text, i % 3 == 0 ? "/r%d" : i % 3 == 1 ? "/r%d/7" : "/shared/r%d/x", i);
        assert_int_equal(path_normalize(slice_from(text), &t.f.arena, &path), 0);
        assert_int_equal(router_match(t.router, t.context, &t.f.arena, SLICE("GET"), SLICE(""), &path, &t.match), 0);
        assert_int_equal((uintptr_t)t.match.value, i + 1);
        fixture_clear_arena(&t.f);
        snprintf(text, sizeof text, "/r%d/7/x", i);
        assert_int_equal(path_normalize(slice_from(text), &t.f.arena, &path), 0);
        assert_int_equal(router_match(t.router, t.context, &t.f.arena, SLICE("GET"), SLICE(""), &path, &t.match),
                         ROUTER_NOT_FOUND);
    }
    close_test(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_specificity),
        cmocka_unit_test(test_backtracking_and_rests),
        cmocka_unit_test(test_expressions),
        cmocka_unit_test(test_order_of_expressions),
        cmocka_unit_test(test_methods),
        cmocka_unit_test(test_upgrades),
        cmocka_unit_test(test_head_prefers_its_own),
        cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_exact_hosts),
        cmocka_unit_test(test_refusal_is_final),
        cmocka_unit_test(test_hostile_values),
        cmocka_unit_test(test_interpreted),
        cmocka_unit_test(test_hostile_tree),
        cmocka_unit_test(test_route_of_another_method),
        cmocka_unit_test(test_routers_beside),
        cmocka_unit_test(test_many_routes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
