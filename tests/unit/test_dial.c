/*
 * What weir_dial() is told to connect to, addresses that are known without asking, and the order in which addresses are
 * tried.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/outgoing/dialled.h"

#include <arpa/inet.h>
#include <stddef.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void targets(void **state)
{
    (void)state;
    struct dial_target t;
    assert_true(target_parse(&t, "tcp://db.example:5432"));
    assert_int_equal(t.kind, TARGET_TCP);
    assert_string_equal(t.host, "db.example");
    assert_int_equal(t.port, 5432);
    assert_true(target_parse(&t, "tls://[fd00::1]:443"));
    assert_int_equal(t.kind, TARGET_TLS);
    assert_string_equal(t.host, "fd00::1");
    assert_int_equal(t.port, 443);
    assert_true(target_parse(&t, "tcp://[fe80::1%eth0]:1"));
    assert_string_equal(t.host, "fe80::1%eth0");
    assert_true(target_parse(&t, "unix:/run/db.sock"));
    assert_int_equal(t.kind, TARGET_UNIX);
    assert_string_equal(t.local.sun_path, "/run/db.sock");
    assert_int_equal(t.local_len, offsetof(struct sockaddr_un, sun_path) + 13);
    assert_true(target_parse(&t, "unix:@name"));
    assert_int_equal(t.local_len, offsetof(struct sockaddr_un, sun_path) + 5);
    assert_memory_equal(t.local.sun_path, "\0name", 5);
    static const char *const wrong[] = {"",
                                        "db:5432",
                                        "udp://a:1",
                                        "tcp://a",
                                        "tcp://a:",
                                        "tcp://a:0",
                                        "tcp://a:65536",
                                        "tcp://a:999999",
                                        "tcp://a:+1",
                                        "tcp://a:1 ",
                                        "tcp://a b:1",
                                        "tcp://:1",
                                        "tcp://[]:1",
                                        "tcp://[::1]",
                                        "tcp://[::1]1",
                                        "tcp://[::1:1",
                                        "tcp://::1:1",
                                        "tcp://user@a:1",
                                        "tcp://a:1/",
                                        "unix:",
                                        "unix:/",
                                        "unix:name"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_false(target_parse(&t, wrong[i]));
    char path[200] = "unix:/";
    memset(path + 6, 'a', 107); /* with its NUL a byte more than there is room for */
    assert_false(target_parse(&t, path));
    path[5 + 107] = '\0';
    assert_true(target_parse(&t, path));
    char name[300] = "tcp://";
    memset(name + 6, 'a', 253);
    memcpy(name + 6 + 253, ":1", 3);
    assert_true(target_parse(&t, name));
    memcpy(name + 6 + 253, "a:1", 4);
    assert_false(target_parse(&t, name));
}

static bool is_nameserver(const char *text)
{
    return target_is_nameserver(slice_of(text, strlen(text)));
}

static void nameservers(void **state)
{
    (void)state;
    assert_true(is_nameserver("10.0.0.1"));
    assert_true(is_nameserver("10.0.0.1:53"));
    assert_true(is_nameserver("fd00::1"));
    assert_true(is_nameserver("[fd00::1]:53"));
    assert_false(is_nameserver(""));
    assert_false(is_nameserver("dns.example"));
    assert_false(is_nameserver("dns.example:53"));
    assert_false(is_nameserver("10.0.0.1:0"));
    assert_false(is_nameserver(" 10.0.0.1"));
}

static void literals(void **state)
{
    (void)state;
    struct name_addresses found;
    assert_true(names_literal("127.0.0.1", &found));
    assert_int_equal(found.count, 1);
    assert_int_equal(found.list[0].family, AF_INET);
    assert_int_equal(ntohl(found.list[0].v4.s_addr), INADDR_LOOPBACK);
    assert_true(names_literal("::1", &found));
    assert_int_equal(found.list[0].family, AF_INET6);
    assert_true(names_literal("fe80::1%lo", &found));
    assert_int_equal(found.list[0].scope, 1);
    assert_true(names_literal("LocalHost", &found));
    assert_int_equal(found.count, 2);
    assert_true(names_literal("db.localhost", &found));
    assert_false(names_literal("notlocalhost", &found));
    assert_false(names_literal("127.0.0.1.example", &found));
    assert_false(names_literal("1.2.3", &found));
}

static struct name_addresses addresses_of(const char *families)
{
    struct name_addresses a = {0};
    for (; *families; families++) {
        struct name_address *one = &a.list[a.count];
        one->family = *families == '6' ? AF_INET6 : AF_INET;
        one->scope = (uint32_t)a.count++; /* to tell them apart */
    }
    return a;
}

static void assert_order(const char *families, const char *order)
{
    struct name_addresses a = addresses_of(families);
    race_interleave(&a);
    assert_int_equal(a.count, strlen(order));
    for (size_t i = 0; i < a.count; i++)
        assert_int_equal(a.list[i].scope, order[i] - '0');
}

static void order(void **state)
{
    (void)state;
    assert_order("", "");
    assert_order("4", "0");
    assert_order("444", "012");
    assert_order("666", "012");
    assert_order("6644", "0213");
    assert_order("4466", "0213");
    assert_order("66664", "04123");
    assert_order("64646", "01234");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(targets), cmocka_unit_test(nameservers),
                                       cmocka_unit_test(literals), cmocka_unit_test(order)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
