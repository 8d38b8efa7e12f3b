/*
 * Names of certificates, and the first bytes of a connection.
 *
 * SPDX-License-Identifier: MIT
 */
#include "net/tls/hello.h"
#include "net/tls/names.h"
#include "net/tls/plain_http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
    struct memory memory;
    struct account account;
    struct tls_names names;
};

static int set_up(void **state)
{
    static struct fixture f;
    memory_init(&f.memory, 0);
    account_open(&f.account, &f.memory, "test");
    f.names = (struct tls_names){.account = &f.account};
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    tls_names_done(&f->names);
    assert_int_equal(counter_read(&f->account.in_use), 0);
    account_close(&f->account);
    memory_done(&f->memory);
    return 0;
}

static void add(struct fixture *f, const char *name, uint32_t owner)
{
    assert_int_equal(tls_names_add(&f->names, name, strlen(name), owner), 0);
}

static void test_exact_and_wildcard(void **state)
{
    struct fixture *f = *state;
    add(f, "example.org", 1);
    add(f, "*.Example.org", 2);
    add(f, "www.example.org.", 3);
    add(f, "*.b.example.org", 4);
    add(f, "localhost", 5);
    tls_names_seal(&f->names);
    const struct {
        const char *host;
        int owner;
    } expected[] = {
        {"example.org", 1},
        {"EXAMPLE.ORG", 1},
        {"example.org.", 1},
        {"a.example.org", 2},
        {"www.example.org", 3},
        {"b.example.org", 2},
        {"c.b.example.org", 4},
        {"d.c.b.example.org", -1},
        {"example.com", -1},
        {"org", -1},
        {"", -1},
        {".", -1},
        {".example.org", -1},
        {"*.example.org", -1},
        {"localhost", 5},
        {"xlocalhost", -1},
        {"a..example.org", -1},
        {"a b.example.org", -1},
        {"-_1.example.org", 2},
    };
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++)
        if (tls_names_find(&f->names, expected[i].host) != expected[i].owner)
            fail_msg("%s: %d", expected[i].host, tls_names_find(&f->names, expected[i].host));
}

static void test_names_that_nobody_asks_for(void **state)
{
    struct fixture *f = *state;
    char longest[300];
    memset(longest, 'a', sizeof longest);
    longest[254] = '\0';
    const char *none[] = {"", ".", "*", "*.", "a*.example.org", "*.*.example.org", "a b", "a/b", longest};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        add(f, none[i], 1);
    assert_int_equal(tls_names_add(&f->names, "a\0b", 3, 1), 0);
    assert_int_equal(f->names.count, 0);
    longest[253] = '\0';
    add(f, longest, 7);
    tls_names_seal(&f->names);
    assert_int_equal(tls_names_find(&f->names, longest), 7);
    longest[253] = 'a';
    assert_int_equal(tls_names_find(&f->names, longest), -1);
}

static void test_first_of_the_same_name(void **state)
{
    struct fixture *f = *state;
    char name[16];
    for (uint32_t i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "n%u.test", i % 50);
        add(f, name, i);
    }
    tls_names_seal(&f->names);
    for (uint32_t i = 0; i < 50; i++) {
        snprintf(name, sizeof name, "n%u.test", i);
        assert_int_equal(tls_names_find(&f->names, name), i);
    }
}

static void test_no_memory(void **state)
{
    struct fixture *f = *state;
    f->memory.limit = 1;
    assert_int_equal(tls_names_add(&f->names, "a", 1, 0), WEIR_ENOMEM);
    f->memory.limit = 0;
}

static enum hello look(const char *data, size_t len)
{
    return tls_hello_look(data, len);
}

static void test_hello(void **state)
{
    (void)state;
    static const char whole[] = "\x16\x03\x01\x00\x05hello and more";
    for (size_t len = 1; len < sizeof whole; len++)
        assert_int_equal(look(whole, len), len < 10 ? HELLO_PART : HELLO_WHOLE);
    assert_int_equal(look("\x16\x03\x01\x40\x00", 5), HELLO_PART);  /* 2^14, the most */
    assert_int_equal(look("\x16\x03\x01\x40\x01", 5), HELLO_OTHER); /* one more */
    assert_int_equal(look("\x16\x03\x01\x00\x00", 5), HELLO_OTHER);
    assert_int_equal(look("\x16\x02", 2), HELLO_OTHER);
    assert_int_equal(look("\x16\x03\x05", 3), HELLO_OTHER);
    assert_int_equal(look("\x15\x03\x01", 3), HELLO_OTHER);
    assert_int_equal(look("\x80\x2e\x01", 3), HELLO_OTHER); /* SSL 2 */
    assert_int_equal(look("\0", 1), HELLO_OTHER);
    static const char request[] = "GET / HTTP/1.1\r\n";
    for (size_t len = 1; len < sizeof request; len++)
        assert_int_equal(look(request, len), HELLO_HTTP);
    assert_int_equal(look("PROPPATCH", 9), HELLO_HTTP);
    assert_int_equal(look("SSH-2.0", 7), HELLO_OTHER);
    assert_int_equal(look("get /", 5), HELLO_OTHER);
}

static const char *answer(const char *head, bool redirect)
{
    static char text[PLAIN_ANSWER_MAX + 1];
    text[plain_http_write(text, head, strlen(head), redirect)] = '\0';
    return text;
}

static void test_redirections(void **state)
{
    (void)state;
    assert_non_null(strstr(answer("GET /a?b HTTP/1.1\r\nHost: x.test:81\r\n\r\n", true),
                           "308 Permanent Redirect\r\nLocation: https://x.test:81/a?b\r\n"));
    assert_non_null(strstr(answer("GET / HTTP/1.1\nA: b\nhOsT:\t [::1] \n\n", true), " 400 ")); /* a space behind it */
    assert_non_null(strstr(answer("GET / HTTP/1.1\nA: b\nhOsT:\t[::1]\n\n", true), "Location: https://[::1]/\r\n"));
    const char *none[] = {"GET / HTTP/1.1\r\n\r\n",
                          "GET / HTTP/1.1\r\nHost: \r\n\r\n",
                          "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n",
                          "GET / HTTP/1.1\r\nHost: a/../b\r\n\r\n",
                          "GET / HTTP/1.1\r\nHost: a",
                          "GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
                          "GET * HTTP/1.1\r\nHost: a\r\n\r\n",
                          "GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n",
                          "GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n",
                          "GET /",
                          "GET",
                          ""};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        assert_memory_equal(answer(none[i], true), "HTTP/1.1 400 ", 13);
    assert_memory_equal(answer("GET / HTTP/1.1\r\nHost: a\r\n\r\n", false), "HTTP/1.1 400 ", 13);
    static char longest[PLAIN_ANSWER_MAX + 100];
    int len = snprintf(longest, sizeof longest, "GET /%*s HTTP/1.1\r\nHost: a\r\n\r\n", (int)PLAIN_ANSWER_MAX, "");
    for (int i = 5; i < 5 + (int)PLAIN_ANSWER_MAX; i++)
        longest[i] = 'a';
    assert_true(len > (int)PLAIN_ANSWER_MAX);
    assert_memory_equal(answer(longest, true), "HTTP/1.1 400 ", 13);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_exact_and_wildcard, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_names_that_nobody_asks_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_first_of_the_same_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_memory, set_up, tear_down),
        cmocka_unit_test(test_hello),
        cmocka_unit_test(test_redirections),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
