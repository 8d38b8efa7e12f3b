/*
 * PROXY prefaces, lists of networks, and endpoints.
 *
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "net/listener.h"
#include "net/networks.h"
#include "net/proxy/crc32c.h"
#include "net/proxy/preface.h"

/* What a preface's first len bytes are, in memory of exactly that size. */
static enum preface_state parsed(const char *data, size_t len, struct preface *p)
{
    char *exact = malloc(len ? len : 1);
    assert_non_null(exact);
    memcpy(exact, data, len);
    enum preface_state state = preface_parse(exact, len, p);
    free(exact);
    return state;
}

/* A preface with bytes behind it: what is part of it is a part, and what follows is not looked at. */
static void check_whole(const char *data, size_t len, const char *client, uint16_t port)
{
    struct preface p;
    char text[ENDPOINT_TEXT_MAX], longer[PREFACE_MAX + 64];
    for (size_t i = 0; i < len; i++)
        assert_int_equal(parsed(data, i, &p), PREFACE_PART);
    memcpy(longer, data, len);
    memset(longer + len, 'x', 20);
    for (size_t i = len; i < len + 20; i++) {
        assert_int_equal(parsed(longer, i, &p), PREFACE_WHOLE);
        assert_int_equal(p.len, len);
        assert_string_equal(endpoint_format(&p.client, text, sizeof text), client);
        assert_int_equal(p.client.port, port);
    }
}

static void check_line(const char *line, const char *client, uint16_t port)
{
    check_whole(line, strlen(line), client, port);
}

static void test_lines(void **state)
{
    (void)state;
    check_line("PROXY TCP4 203.0.113.7 127.0.0.1 4711 80\r\n", "203.0.113.7", 4711);
    check_line("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", "255.255.255.255", 65535);
    check_line("PROXY TCP6 2001:db8::7 ::1 0 443\r\n", "2001:db8::7", 0);
    check_line("PROXY TCP6 ::ffff:203.0.113.7 ::1 1 2\r\n", "203.0.113.7", 1);
    check_line("PROXY UNKNOWN\r\n", "unknown", 0);
    check_line("PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n", "unknown", 0);
}

/* What no version 1 is, and that nothing can follow that would make it one. */
static void test_wrong_lines(void **state)
{
    static const char *const cases[] = {
        "GET / HTTP/1.1\r\n",
        "proxy TCP4 203.0.113.7 127.0.0.1 4711 80\r\n",
        "PROXY\r\n",
        "PROXY \r\n",
        "PROXY TCP4\r\n",
        "PROXY TCP5 203.0.113.7 127.0.0.1 4711 80\r\n",
        "PROXY TCP4 203.0.113.7 127.0.0.1 4711\r\n",
        "PROXY TCP4 203.0.113.7 127.0.0.1 4711 80 \r\n",
        "PROXY TCP4 203.0.113.7 127.0.0.1 4711 80 90\r\n",
        "PROXY TCP4  203.0.113.7 127.0.0.1 4711 80\r\n",
        "PROXY  TCP4 203.0.113.7 127.0.0.1 4711 80\r\n",
        "PROXY TCP4\t203.0.113.7 127.0.0.1 4711 80\r\n",
        "PROXY TCP4 203.0.113.7 127.0.0.1 4711 65536\r\n",
        "PROXY TCP4 203.0.113.7 127.0.0.1 04711 80\r\n",
        "PROXY TCP4 203.0.113.7 127.0.0.1 -1 80\r\n",
        "PROXY TCP4 203.0.113.7 127.0.0.1 +1 80\r\n",
        "PROXY TCP4 203.0.113 127.0.0.1 4711 80\r\n",
        "PROXY TCP4 203.0.113.007 127.0.0.1 4711 80\r\n",
        "PROXY TCP4 203.0.113.256 127.0.0.1 4711 80\r\n",
        "PROXY TCP4 ::1 ::1 4711 80\r\n",
        "PROXY TCP6 203.0.113.7 127.0.0.1 4711 80\r\n",
        "PROXY TCP6 fe80::1%lo ::1 4711 80\r\n",
        "PROXY TCP6 [::1] ::1 4711 80\r\n",
        "PROXY UNKNOWNS\r\n",
        "PROXY UNKNOWN\rx",
        "PROXY TCP4 203.0.113.7 127.0.0.1 4711 80\r\r\n",
        "PROXY TCP4 203.0.113.7 127.0.0.1 4711 80\n\r\n",
    };
    struct preface p;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(parsed(cases[i], strlen(cases[i]), &p), PREFACE_WRONG);
    assert_int_equal(parsed("PROXY TCP4 203.0.113.7\0 127.0.0.1 1 2\r\n", 40, &p), PREFACE_WRONG);
}

/* A line has 107 bytes at most. */
static void test_long_lines(void **state)
{
    struct preface p;
    char line[200];
    (void)state;
    memset(line, 'x', sizeof line);
    memcpy(line, "PROXY UNKNOWN ", 14);
    assert_int_equal(parsed(line, PREFACE_V1_MAX - 1, &p), PREFACE_PART);
    assert_int_equal(parsed(line, PREFACE_V1_MAX, &p), PREFACE_WRONG);
    assert_int_equal(parsed(line, sizeof line, &p), PREFACE_WRONG);
    memcpy(line + PREFACE_V1_MAX - 1, "\r\n", 2);
    assert_int_equal(parsed(line, PREFACE_V1_MAX + 1, &p), PREFACE_WRONG);
    memcpy(line + PREFACE_V1_MAX - 2, "\r\n", 2);
    assert_int_equal(parsed(line, PREFACE_V1_MAX + 1, &p), PREFACE_WHOLE);
}

/* ---- Version 2 ---- */

struct binary {
    char data[PREFACE_MAX + 100];
    size_t len;
};

static void put(struct binary *b, const void *data, size_t len)
{
    memcpy(b->data + b->len, data, len);
    b->len += len;
    size_t rest = b->len - 16;
    b->data[14] = (char)(rest >> 8);
    b->data[15] = (char)rest;
}

static struct binary begin(int command, int transport)
{
    struct binary b = {.len = 16};
    memcpy(b.data, "\r\n\r\n\0\r\nQUIT\n", 12);
    b.data[12] = (char)command;
    b.data[13] = (char)transport;
    return b;
}

static struct binary begin_v4(void)
{
    struct binary b = begin(0x21, 0x11);
    put(&b, "\xcb\x00\x71\x07\x7f\x00\x00\x01\x12\x67\x00\x50", 12);
    return b;
}

static void put_value(struct binary *b, int type, const void *data, size_t len)
{
    char header[3] = {(char)type, (char)(len >> 8), (char)len};
    put(b, header, sizeof header);
    put(b, data, len);
}

static void check_binary(const struct binary *b, const char *client, uint16_t port)
{
    check_whole(b->data, b->len, client, port);
}

static void check_wrong(const struct binary *b)
{
    struct preface p;
    assert_int_equal(parsed(b->data, b->len, &p), PREFACE_WRONG);
}

static void test_binary(void **state)
{
    static const char v6[36] = {0x20, 0x01, 0x0d, (char)0xb8, [15] = 7, [31] = 1, [32] = 0x12, 0x67, 0, 80};
    static const char paths[216] = "/run/a";
    (void)state;
    struct binary b = begin_v4();
    check_binary(&b, "203.0.113.7", 4711);
    b = begin(0x21, 0x21);
    put(&b, v6, sizeof v6);
    check_binary(&b, "2001:db8::7", 4711);
    b = begin(0x21, 0x31);
    put(&b, paths, sizeof paths);
    check_binary(&b, "unix:", 0);
    b = begin(0x21, 0x00);
    check_binary(&b, "unknown", 0);
    put(&b, "whatever", 8);
    check_binary(&b, "unknown", 0);
    b = begin(0x20, 0x00); /* a health check of the proxy's own */
    check_binary(&b, "unknown", 0);
    b = begin(0x20, 0x11);
    put(&b, "\x01\x02", 2);
    check_binary(&b, "unknown", 0);
}

static void test_wrong_binary(void **state)
{
    static const int commands[] = {0x11, 0x31, 0x22, 0x2f, 0x01};
    static const int transports[] = {0x12, 0x22, 0x32, 0x10, 0x01, 0x41, 0xf1, 0x02};
    struct preface p;
    (void)state;
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        struct binary b = begin_v4();
        b.data[12] = (char)commands[i];
        check_wrong(&b);
        assert_int_equal(parsed(b.data, 13, &p), PREFACE_WRONG);
    }
    for (size_t i = 0; i < sizeof transports / sizeof *transports; i++) {
        struct binary b = begin_v4();
        b.data[13] = (char)transports[i];
        check_wrong(&b);
    }
    struct binary b = begin(0x21, 0x11);
    put(&b, "\x01\x02\x03", 3); /* less than two addresses */
    check_wrong(&b);
    b = begin_v4();
    b.data[4] = 'x';
    check_wrong(&b);
    assert_int_equal(parsed(b.data, 5, &p), PREFACE_WRONG);
}

/* What is announced beyond the bound is refused at once, and the most that is not is taken. */
static void test_long_binary(void **state)
{
    static char filler[PREFACE_MAX];
    struct preface p;
    (void)state;
    struct binary b = begin_v4();
    put_value(&b, 0x04, filler, PREFACE_MAX - 28 - 3);
    assert_int_equal(b.len, PREFACE_MAX);
    assert_int_equal(parsed(b.data, b.len - 1, &p), PREFACE_PART);
    assert_int_equal(parsed(b.data, b.len, &p), PREFACE_WHOLE);
    b.data[15]++;
    assert_int_equal(parsed(b.data, 16, &p), PREFACE_WRONG);
    b.data[14] = b.data[15] = (char)0xff;
    assert_int_equal(parsed(b.data, b.len, &p), PREFACE_WRONG);
}

static void test_values(void **state)
{
    struct preface p;
    (void)state;
    struct binary b = begin_v4();
    put_value(&b, 0x01, "h2", 2);
    put_value(&b, 0x04, "", 0);
    put_value(&b, 0xee, "\0\0\0", 3);
    check_binary(&b, "203.0.113.7", 4711);
    put(&b, "\x02", 1); /* a value without a length */
    check_wrong(&b);
    put(&b, "\0", 1);
    check_wrong(&b);
    put(&b, "\x05host", 5); /* and one that is longer than what is there */
    check_wrong(&b);
    put(&b, "s", 1);
    check_binary(&b, "203.0.113.7", 4711);
    b = begin_v4();
    put_value(&b, 0x20, "\x01\0\0\0\0\x21\0\x07TLSv1.3", 15);
    assert_int_equal(parsed(b.data, b.len, &p), PREFACE_WHOLE);
    assert_true(p.client.tls);
    b = begin_v4();
    put_value(&b, 0x20, "\x06\0\0\0\0", 5); /* a certificate, and no TLS */
    assert_int_equal(parsed(b.data, b.len, &p), PREFACE_WHOLE);
    assert_false(p.client.tls);
    b = begin_v4();
    put_value(&b, 0x20, "\x01\0\0\0", 4);
    check_wrong(&b);
    b = begin_v4();
    put_value(&b, 0x20, "\x01\0\0\0\0\x21\0\x08TLSv1.3", 15);
    check_wrong(&b);
}

static void test_checksum(void **state)
{
    (void)state;
    assert_int_equal(crc32c(0, SLICE("123456789")), 0xe3069283u); /* the check value that all name */
    struct binary b = begin_v4();
    put_value(&b, 0x03, "\0\0\0\0", 4);
    put_value(&b, 0x01, "h2", 2);
    check_wrong(&b);
    uint32_t crc = crc32c(0, slice_of(b.data, b.len));
    for (int i = 0; i < 4; i++)
        b.data[28 + 3 + i] = (char)(crc >> (24 - 8 * i));
    check_binary(&b, "203.0.113.7", 4711);
    b.data[20] ^= 1;
    check_wrong(&b);
    b = begin_v4();
    put_value(&b, 0x03, "\0\0\0", 3);
    check_wrong(&b);
}

/* ---- Networks ---- */

static bool holds(const char *text, const char *address)
{
    struct memory memory;
    struct account account;
    struct slice wrong;
    struct endpoint e = {.family = ENDPOINT_LOCAL};
    memory_init(&memory, 0);
    account_open(&account, &memory, "test");
    struct networks *n = networks_parse(&account, text, &wrong);
    assert_non_null(n);
    assert_true(strcmp(address, "unix:") == 0 || endpoint_parse(&e, slice_from(address)));
    bool result = networks_hold(n, &e);
    networks_free(&account, n);
    account_close(&account);
    memory_done(&memory);
    return result;
}

static void test_networks(void **state)
{
    (void)state;
    assert_true(holds("127.0.0.0/8", "127.255.1.2"));
    assert_false(holds("127.0.0.0/8", "128.0.0.1"));
    assert_true(holds(" 10.0.0.1  ::1 ", "::1"));
    assert_false(holds("10.0.0.1 ::1", "10.0.0.2"));
    assert_true(holds("172.16.0.0/12", "172.31.255.255"));
    assert_false(holds("172.16.0.0/12", "172.32.0.0"));
    assert_true(holds("0.0.0.0/0", "203.0.113.7"));
    assert_false(holds("0.0.0.0/0", "2001:db8::7"));
    assert_true(holds("2001:db8::/33", "2001:db8:7fff::1"));
    assert_false(holds("2001:db8::/33", "2001:db8:8000::1"));
    assert_true(holds("::/0", "::1"));
    assert_true(holds("::ffff:10.0.0.0/104", "10.1.2.3"));
    assert_true(holds("10.0.0.0/8", "::ffff:10.1.2.3"));
    assert_true(holds("unix:", "unix:"));
    assert_false(holds("0.0.0.0/0 ::/0", "unix:"));
    assert_false(holds("unix:", "0.0.0.0"));
}

static void test_wrong_networks(void **state)
{
    static const char *const cases[] = {
        "",           " ",         "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/08",    "10.0.0/8",
        "10.0.0.1/8", "::1/129",   "::1/64",      "[::1]",     "localhost",      "10.0.0.1,::1",
        "unix",       "unix:/tmp", "*",           "1/2/3",     "10.0.0.0/8 x y", "::ffff:0:0/95"};
    struct memory memory;
    struct account account;
    struct slice wrong;
    (void)state;
    memory_init(&memory, 0);
    account_open(&account, &memory, "test");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_null(networks_parse(&account, cases[i], &wrong));
        assert_non_null(wrong.data);
    }
    char many[4 * (NETWORKS_MAX + 1) + 1];
    for (size_t i = 0; i <= NETWORKS_MAX; i++)
        memcpy(many + 4 * i, "::1 ", 4);
    many[sizeof many - 1] = '\0';
    assert_null(networks_parse(&account, many, &wrong));
    assert_non_null(wrong.data);
    struct networks *most = networks_parse(&account, many + 4, &wrong);
    assert_non_null(most);
    assert_int_equal(most->count, NETWORKS_MAX);
    networks_free(&account, most);
    account_close(&account);
    memory_done(&memory);
}

/* A listener without prefaces pays nothing for those that have them. */
static void test_record_sizes(void **state)
{
    (void)state;
    const struct listen_spec specs[] = {{.proxied = false}, {.proxied = true}, {.proxied = true, .record_size = 88}};
    size_t sizes[RECORD_SIZES_MAX];
    assert_int_equal(net_record_sizes(specs, 1, sizes), 1);
    assert_int_equal(sizes[0], 56);
    assert_int_equal(net_record_sizes(specs, 3, sizes), 3);
    assert_int_equal(sizes[1], 88);
    assert_int_equal(sizes[2], 112);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),          cmocka_unit_test(test_wrong_lines),  cmocka_unit_test(test_long_lines),
        cmocka_unit_test(test_binary),         cmocka_unit_test(test_wrong_binary), cmocka_unit_test(test_long_binary),
        cmocka_unit_test(test_values),         cmocka_unit_test(test_checksum),     cmocka_unit_test(test_networks),
        cmocka_unit_test(test_wrong_networks), cmocka_unit_test(test_record_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
