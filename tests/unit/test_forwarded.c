/*
 * What proxies tell of their clients: lists from their end, elements, nodes, and the walk over trusted hops.
 *
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "web/client/forwarded.h"

#include <stdio.h>

#define FIELDS 8

/* A head of these lines, "Name: value" each, up to NULL. */
struct lines {
    char text[8192];
    struct http_field fields[FIELDS];
    struct http_head head;
};

static void lines_set(struct lines *l, const char *const *lines)
{
    size_t at = 0, count = 0;
    for (; count < FIELDS && lines[count]; count++) {
        const char *colon = strchr(lines[count], ':');
        size_t len = strlen(lines[count]);
        assert_true(at + len < sizeof l->text);
        memcpy(l->text + at, lines[count], len);
        l->fields[count] = (struct http_field){.name = (uint16_t)at,
                                               .name_len = (uint16_t)(colon - lines[count]),
                                               .value = (uint16_t)(at + (size_t)(colon - lines[count]) + 2),
                                               .value_len = (uint16_t)strlen(colon + 2)};
        at += len;
    }
    l->head = (struct http_head){.base = l->text, .fields = l->fields, .field_count = (uint16_t)count};
}

/* "CLIENT SCHEME HOST" of a walk from 127.0.0.1, where 127.0.0.0/8, 10.0.0.0/8, ::1 and Unix sockets are trusted. */
static const char *walked(enum forwarded_form form, const char *const *lines, char *out, size_t size)
{
    static const char *const schemes[] = {"-", "http", "https"};
    struct memory memory;
    struct account account;
    struct slice wrong;
    struct lines l;
    struct forwarded_hop hop;
    struct endpoint nearest;
    char text[ENDPOINT_TEXT_MAX];
    memory_init(&memory, 0);
    account_open(&account, &memory, "test");
    struct networks *trusted = networks_parse(&account, "127.0.0.0/8 10.0.0.0/8 ::1 unix:", &wrong);
    assert_non_null(trusted);
    lines_set(&l, lines);
    assert_true(endpoint_parse(&nearest, SLICE("127.0.0.1")));
    forwarded_walk(&l.head, form, trusted, &nearest, &hop);
    snprintf(out, size, "%s %s %s", hop.name[0] ? hop.name : endpoint_format(&hop.client, text, sizeof text),
             schemes[hop.scheme], hop.host[0] ? hop.host : "-");
    networks_free(&account, trusted);
    account_close(&account);
    memory_done(&memory);
    return out;
}

static void check_walk(enum forwarded_form form, const char *const *lines, const char *expected)
{
    char out[512];
    assert_string_equal(walked(form, lines, out, sizeof out), expected);
}

/* Of one line of Forwarded. */
static void check_one(const char *value, const char *expected)
{
    char line[4096];
    snprintf(line, sizeof line, "forwarded: %s", value);
    check_walk(FORWARDED_STANDARD, (const char *const[]){line, NULL}, expected);
}

/* The examples of RFC 7239 and what its grammar allows beside them. */
static void test_elements(void **state)
{
    (void)state;
    check_one("for=192.0.2.43", "192.0.2.43 - -");
    check_one("For=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17 - -");
    check_one("for=\"[2001:db8:cafe::17]\"", "2001:db8:cafe::17 - -");
    check_one("for=192.0.2.60;proto=http;by=203.0.113.43", "192.0.2.60 http -");
    check_one("for=192.0.2.43, for=198.51.100.17", "198.51.100.17 - -");
    check_one("for=192.0.2.43, for=10.0.0.1", "192.0.2.43 - -");
    check_one("for=\"192.0.2.43:47011\"", "192.0.2.43 - -");
    check_one("for=\"192.0.2.43:_port\"", "192.0.2.43 - -");
    check_one("for=192.0.2.43:47011", "192.0.2.43 - -");
    check_one("for=_gazonk", "_gazonk - -");
    check_one("for=\"_gazonk:_-.x\"", "_gazonk - -");
    check_one("for=_SEVKISEK, for=10.0.0.1", "_SEVKISEK - -");
    check_one("for=unknown;proto=https;host=example.org", "unknown https example.org");
    check_one("for=\"Unknown:80\"", "unknown - -");
    check_one("for=192.0.2.43;host=\"example.org:8080\";proto=HTTPS", "192.0.2.43 https example.org:8080");
    check_one("for=192.0.2.43;host=example.org:8080", "192.0.2.43 - example.org:8080");
    check_one("for=\"\\1\\92.0.2.43\"", "192.0.2.43 - -");
    check_one("secret=\"a,b;for=1.1.1.1,\\\"\";for=192.0.2.43", "192.0.2.43 - -");
    check_one(";for=192.0.2.43;;proto=wss;", "192.0.2.43 https -");
    check_one("for=192.0.2.43; proto=ws", "192.0.2.43 http -");
    check_one("for=192.0.2.43;proto=gopher;host=\"a b\"", "192.0.2.43 - -");
    check_one("for=192.0.2.43;host=\"user@example.org\"", "192.0.2.43 - -");
    check_one(" , for=192.0.2.43 ,, ", "192.0.2.43 - -");
    check_one("proto=https", "127.0.0.1 https -");
    check_one("for=192.0.2.43, proto=https", "127.0.0.1 https -");
    check_one("", "127.0.0.1 - -");
    check_one(",", "127.0.0.1 - -");
    check_one("for=\"[::ffff:192.0.2.43]\"", "192.0.2.43 - -");
}

/* What is malformed is believed in no part, and nothing before it is. */
static void test_malformed_elements(void **state)
{
    static const char *const cases[] = {
        "for",
        "for=",
        "=192.0.2.43",
        "for=\"\"",
        "for=\"192.0.2.43",
        "for=192.0.2.43\"",
        "for=\"192.0.2.43\"x",
        "for=192.0.2.43 proto=https",
        "for =192.0.2.43",
        "for= 192.0.2.43",
        "for=192.0.2.43;for=192.0.2.44",
        "for=192.0.2.43;proto=https;proto=http",
        "for=192.0.2.043",
        "for=192.0.2",
        "for=192.0.2.43:65536",
        "for=192.0.2.43:",
        "for=192.0.2.43:4711:1",
        "for=192.0.2.43:x",
        "for=2001:db8::1",
        "for=[192.0.2.43]",
        "for=[2001:db8::1",
        "for=[2001:db8::1]x",
        "for=[]",
        "for=[fe80::1%lo]",
        "for=_",
        "for=_a/b",
        "for=hidden",
        "for=\"_a\x01\"",
        "for=\"\\",
        "for=192.0.2.43;proto=\"https",
        "for=192.0.2.43;a b=c",
        "for=192.0.2.43;proto",
        "for=192.0.2.43:80/tcp",
    };
    char line[300];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        check_one(cases[i], "127.0.0.1 - -");
        snprintf(line, sizeof line, "for=192.0.2.1;proto=https, %s", cases[i]);
        check_one(line, "127.0.0.1 - -");
        snprintf(line, sizeof line, "%s, for=10.0.0.1;proto=https;host=inner", cases[i]);
        check_one(line, "10.0.0.1 https inner");
    }
}

/* Whatever a client sends before a proxy's own word, an open quote above all, leaves that word as it is. */
static void test_poison(void **state)
{
    (void)state;
    check_one("for=\"1.1.1.1, for=192.0.2.43", "192.0.2.43 - -");
    check_one("for=\", for=192.0.2.43;secret=\"x\"", "192.0.2.43 - -");
    check_one("for=\"\\, for=192.0.2.43;secret=\"\\\\\"", "192.0.2.43 - -");
    check_one("\"\"\"\"\", for=\"[2001:db8::1]:1\"", "2001:db8::1 - -");
    check_one("\\, for=\"192.0.2.43\"", "192.0.2.43 - -");
    check_one("for=10.0.0.9;proto=https, for=192.0.2.43;proto=http", "192.0.2.43 http -");
}

static void test_lines_of_forwarded(void **state)
{
    (void)state;
    check_walk(
        FORWARDED_STANDARD,
        (const char *const[]){"Forwarded: for=192.0.2.43", "A: b", "FORWARDED: for=10.0.0.1, for=10.0.0.2", NULL},
        "192.0.2.43 - -");
    check_walk(FORWARDED_STANDARD,
               (const char *const[]){"Forwarded: for=192.0.2.43", "Forwarded: for=\"", "Forwarded: for=10.0.0.1", NULL},
               "10.0.0.1 - -");
    check_walk(FORWARDED_STANDARD, (const char *const[]){"X-Forwarded-For: 192.0.2.43", NULL}, "127.0.0.1 - -");
    check_walk(FORWARDED_X, (const char *const[]){"Forwarded: for=192.0.2.43;proto=https", NULL}, "127.0.0.1 - -");
}

/* The outermost of many trusted hops, and no hop beyond the bound. */
static void test_many(void **state)
{
    char value[2048] = "for=10.0.1.0";
    (void)state;
    for (int i = 1; i < 30; i++)
        snprintf(value + strlen(value), sizeof value - strlen(value), ", for=10.0.1.%d", i);
    check_one(value, "10.0.1.0 - -");
    for (int i = 30; i < 60; i++)
        snprintf(value + strlen(value), sizeof value - strlen(value), ", for=10.0.1.%d", i);
    check_one(value, "10.0.1.29 - -");
    memset(value, ',', 200);
    memcpy(value, "for=1.2.3.4", 11);
    value[200] = '\0';
    check_one(value, "127.0.0.1 - -");
}

static void check_x(const char *chain, const char *proto, const char *host, const char *expected)
{
    char lines[3][512];
    snprintf(lines[0], sizeof lines[0], "X-Forwarded-For: %s", chain);
    snprintf(lines[1], sizeof lines[1], "X-Forwarded-Proto: %s", proto);
    snprintf(lines[2], sizeof lines[2], "x-forwarded-host: %s", host);
    check_walk(FORWARDED_X, (const char *const[]){lines[0], lines[1], lines[2], NULL}, expected);
}

static void test_x(void **state)
{
    (void)state;
    check_x("192.0.2.43", "https", "example.org", "192.0.2.43 https example.org");
    check_x("1.1.1.1, 192.0.2.43", "http", "", "192.0.2.43 http -");
    check_x("192.0.2.43, 10.0.0.1", "https", "a", "192.0.2.43 https a");
    check_x("192.0.2.43, 10.0.0.1", "https, http", "a, b", "192.0.2.43 https a");
    check_x("192.0.2.43,10.0.0.1,10.0.0.2", "ftp, https, http, http", "e, a, b, c", "192.0.2.43 https a");
    check_x("2001:db8::1", "", "", "2001:db8::1 - -");
    check_x("[2001:db8::1]:4711", "", "", "2001:db8::1 - -");
    check_x("192.0.2.43:4711", "", "", "192.0.2.43 - -");
    check_x("unknown, 10.0.0.1", "", "", "unknown - -");
    check_x("192.0.2.43, secret", "https", "", "127.0.0.1 https -");
    check_x("192.0.2.43, \"10.0.0.1\"", "", "", "127.0.0.1 - -");
    check_x("", "https", "example.org", "127.0.0.1 https example.org");
    check_x(", ,192.0.2.43, ", "", "", "192.0.2.43 - -");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_elements), cmocka_unit_test(test_malformed_elements),
        cmocka_unit_test(test_poison),   cmocka_unit_test(test_lines_of_forwarded),
        cmocka_unit_test(test_many),     cmocka_unit_test(test_x),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
