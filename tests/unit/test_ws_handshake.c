/*
 * The opening handshake of WebSocket: the fields of a request one by one, origins, subprotocols, and what is agreed on
 * of permessage-deflate.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/websocket/handshake.h"
#include "web/websocket/origin.h"
#include "weir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define LINES_MAX 4

/* The lines of a field, with "|" between; NULL: there is none. */
struct lines {
    struct slice values[LINES_MAX];
    struct ws_lines lines;
};

static struct ws_lines lines_of(struct lines *l, const char *text)
{
    size_t count = 0;
    while (text) {
        size_t len = strcspn(text, "|");
        assert_true(count < LINES_MAX);
        l->values[count++] = slice_of(text, len);
        text = text[len] ? text + len + 1 : NULL;
    }
    return l->lines = (struct ws_lines){l->values, count};
}

/* ---- Parts ---- */

static void test_lists(void **state)
{
    static const struct {
        const char *lines, *member;
        bool has;
    } cases[] = {
        {"websocket", "websocket", true},
        {"WebSocket", "websocket", true},
        {"h2c, websocket", "websocket", true},
        {"h2c|websocket", "websocket", true},
        {"h2c ,\tWEBSOCKET ,", "websocket", true},
        {"websocket2", "websocket", false},
        {"websocket/13", "websocket", false},
        {"web socket", "websocket", false},
        {"", "websocket", false},
        {NULL, "websocket", false},
        {"keep-alive, Upgrade", "upgrade", true},
        {"keep-alive|Upgrade", "upgrade", true},
        {"keep-alive", "upgrade", false},
        {"upgrade-insecure", "upgrade", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct lines l;
        if (ws_list_has(lines_of(&l, cases[i].lines), slice_from(cases[i].member)) != cases[i].has)
            fail_msg("%s in %s", cases[i].member, cases[i].lines);
    }
}

static void test_keys(void **state)
{
    static const char *const good[] = {
        "dGhlIHNhbXBsZSBub25jZQ==", /* RFC 6455 section 1.3 */
        "AQIDBAUGBwgJCgsMDQ4PEC==", /* section 4.1 */
        "AAAAAAAAAAAAAAAAAAAAAA==",
        "////////////////////+w==",
    };
    static const char *const wrong[] = {
        "",
        "==",
        "dGhlIHNhbXBsZSBub25jZQ",
        "dGhlIHNhbXBsZSBub25jZQ=",
        "dGhlIHNhbXBsZSBub25jZQ===",
        "dGhlIHNhbXBsZSBub25jZQ= ",
        "dGhlIHNhbXBsZSBub25jZ===",
        "dGhlIHNhbXBsZSBub25jZTE=", /* 17 bytes */
        "dGhlIHNhbXBsZSBub25j",     /* 15 */
        "dGhlIHNhbXBsZSBub25jZTEx", /* 18 */
        "dGhlIHNhbXBsZSBub25-ZQ==",
        "dGhlIHNhbXBs SBub25jZQ==",
        "dGhlIHNhbXBsZSBub25jZQ==, dGhlIHNhbXBsZSBub25jZQ==",
    };
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(ws_key_is_valid(slice_from(good[i])));
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (ws_key_is_valid(slice_from(wrong[i])))
            fail_msg("%s", wrong[i]);
    char accept[WS_ACCEPT_LEN + 1] = "";
    accept[WS_ACCEPT_LEN] = '#';
    ws_accept_write(slice_from(good[0]), accept);
    assert_memory_equal(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=#", sizeof accept);
}

static void test_protocols(void **state)
{
    static const struct {
        const char *lines, *offered, *chosen; /* NULL: malformed */
    } cases[] = {
        {"chat, superchat", "superchat chat", "chat"}, /* the client's order */
        {"superchat, chat", "superchat chat", "superchat"},
        {"superchat|chat", "chat", "chat"},
        {"a|b|c", " c  b ", "b"},
        {"chat, chat", "chat", "chat"},
        {"chat", "superchat", ""},
        {"Chat", "chat", ""},
        {"chat", "chatter", ""},
        {"chatter", "chat", ""},
        {"chat", NULL, ""},
        {"chat", "", ""},
        {NULL, "chat", ""},
        {"", "chat", ""},
        {"a b", "a", NULL},
        {"chat, \"x\"", "chat", NULL},
        {"chat|a/b", "chat", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct lines l;
        struct slice chosen;
        bool good = ws_protocol_choose(lines_of(&l, cases[i].lines), cases[i].offered, &chosen);
        if (good != (cases[i].chosen != NULL) || (good && !slice_equal(chosen, slice_from(cases[i].chosen))))
            fail_msg("%s of %s", cases[i].lines, cases[i].offered);
        if (!good)
            continue;
        uint8_t number = ws_protocol_number(cases[i].offered, chosen);
        assert_int_equal(number == 0, chosen.len == 0);
        assert_true(slice_equal(ws_protocol_at(cases[i].offered, number), chosen));
    }
    const char *offered = " c  b a";
    assert_int_equal(ws_protocol_number(offered, slice_of(offered + 4, 1)), 2);
    assert_true(slice_equal(ws_protocol_at(offered, 3), SLICE("a")));
}

static void test_origins(void **state)
{
    static const struct {
        const char *origin, *authority, *allowed;
        bool may;
    } cases[] = {
        {"https://a.example", "a.example", NULL, true},
        {"http://a.example", "a.example", NULL, true},
        {"https://A.Example", "a.eXample", NULL, true},
        {"https://a.example", "a.example:443", NULL, true},
        {"http://a.example", "a.example:80", NULL, true},
        {"https://a.example", "a.example:80", NULL, false},
        {"https://a.example:8443", "a.example:8443", NULL, true},
        {"https://a.example:8443", "a.example", NULL, false},
        {"https://a.example", "a.example:8443", NULL, false},
        {"http://[::1]:8080", "[::1]:8080", NULL, true},
        {"http://[::1]", "[::1]", NULL, true},
        {"http://[::1]", "[::1]:80", NULL, true},
        {"http://[::1]", "[::2]", NULL, false},
        {"https://evil.example", "a.example", NULL, false},
        {"https://a.example.evil.example", "a.example", NULL, false},
        {"https://evila.example", "a.example", NULL, false},
        {"https://a.example/", "a.example", NULL, false}, /* no origin has a path */
        {"https://a.example@evil.example", "a.example", NULL, false},
        {"a.example", "a.example", NULL, false},
        {"//a.example", "a.example", NULL, false},
        {"https://", "", NULL, false},
        {"https://", "a.example", NULL, false},
        {"ftp://a.example", "a.example", NULL, false},
        {"chrome-extension://a.example", "a.example", NULL, false},
        {"null", "null", NULL, false},
        {"", "", NULL, false},
        {"", "a.example", "*", false},
        /* listed */
        {"https://b.example", "a.example", "https://b.example", true},
        {"https://b.example", "a.example", "https://c.example  https://b.example", true},
        {"https://B.example", "a.example", "HTTPS://b.example", true},
        {"https://b.example", "a.example", "https://b.example:443", true},
        {"https://b.example:443", "a.example", "https://b.example", true},
        {"http://b.example", "a.example", "https://b.example", false},
        {"http://b.example:443", "a.example", "https://b.example", false},
        {"https://b.example:8443", "a.example", "https://b.example", false},
        {"https://sub.b.example", "a.example", "https://b.example", false},
        {"https://b.example", "a.example", "b.example", false},
        {"https://b.example", "a.example", "", false},
        {"https://b.example", "a.example", "*", true},
        {"null", "a.example", "*", true},
        {"null", "a.example", "null", true},
        {"null", "a.example", "https://b.example", false},
        {"chrome-extension://abc", "a.example", "chrome-extension://abc", true},
        {"https://a.example", "a.example", "https://b.example", true}, /* its own stays allowed */
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (ws_origin_is_allowed(slice_from(cases[i].origin), slice_from(cases[i].authority), cases[i].allowed) !=
            cases[i].may)
            fail_msg("%s at %s by %s", cases[i].origin, cases[i].authority, cases[i].allowed);
}

/* ---- permessage-deflate ---- */

static void test_negotiation(void **state)
{
    enum { BOTH = WS_SERVER_TAKEOVER | WS_CLIENT_TAKEOVER };
    static const struct ws_deflate_settings usual = {.on = true, .server_bits = 15, .client_bits = 15};
    static const struct ws_deflate_settings takeover = {
        .on = true, .server_takeover = true, .client_takeover = true, .server_bits = 15, .client_bits = 15};
    static const struct ws_deflate_settings small = {.on = true, .server_bits = 10, .client_bits = 12};
    static const struct ws_deflate_settings off = {.server_bits = 15, .client_bits = 15};
#define NO_TAKEOVER "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
    static const struct {
        const char *offers;
        const struct ws_deflate_settings *wanted;
        const char *answer; /* NULL: malformed */
        unsigned flags, server_bits, client_bits;
    } cases[] = {
        {NULL, &usual, "", 0, 0, 0},
        {"permessage-deflate", &usual, NO_TAKEOVER, 1, 15, 15},
        {"Permessage-Deflate", &usual, NO_TAKEOVER, 1, 15, 15},
        {"permessage-deflate", &off, "", 0, 0, 0},
        {"permessage-deflate", &takeover, "permessage-deflate", 1 | BOTH, 15, 15},
        {"permessage-deflate; client_max_window_bits", &usual, NO_TAKEOVER, 1, 15, 15},
        {"permessage-deflate; client_max_window_bits", &takeover, "permessage-deflate", 1 | BOTH, 15, 15},
        {"permessage-deflate; server_no_context_takeover", &takeover, "permessage-deflate; server_no_context_takeover",
         1 | WS_CLIENT_TAKEOVER, 15, 15},
        {"permessage-deflate; client_no_context_takeover", &takeover, "permessage-deflate; client_no_context_takeover",
         1 | WS_SERVER_TAKEOVER, 15, 15},
        {"permessage-deflate; server_max_window_bits=12", &usual, NO_TAKEOVER "; server_max_window_bits=12", 1, 12, 15},
        {"permessage-deflate; server_max_window_bits=12", &small, "", 0, 0, 0}, /* client's window cannot be bounded */
        {"permessage-deflate; server_max_window_bits=12; client_max_window_bits", &small,
         NO_TAKEOVER "; server_max_window_bits=10; client_max_window_bits=12", 1, 10, 12},
        {"permessage-deflate; client_max_window_bits=9", &small, NO_TAKEOVER "; client_max_window_bits=9", 1, 10, 9},
        {"permessage-deflate; client_max_window_bits=8", &usual, NO_TAKEOVER "; client_max_window_bits=8", 1, 15, 8},
        {"permessage-deflate; server_max_window_bits=9", &usual, NO_TAKEOVER "; server_max_window_bits=9", 1, 9, 15},
        {"permessage-deflate; server_max_window_bits=8", &usual, "", 0, 0, 0}, /* zlib has none so small */
        {"permessage-deflate; server_max_window_bits=8, permessage-deflate", &usual, NO_TAKEOVER, 1, 15, 15},
        {"permessage-deflate; server_max_window_bits=\"10\"", &usual, NO_TAKEOVER "; server_max_window_bits=10", 1, 10,
         15},
        {"permessage-deflate;server_max_window_bits = 10 ; client_no_context_takeover ", &usual,
         NO_TAKEOVER "; server_max_window_bits=10", 1, 10, 15},
        /* RFC 7692 section 7.1: an offer is declined for a parameter that is unknown, invalid or twice there */
        {"permessage-deflate; foo", &usual, "", 0, 0, 0},
        {"permessage-deflate; server_no_context_takeover=1", &usual, "", 0, 0, 0},
        {"permessage-deflate; server_no_context_takeover; server_no_context_takeover", &usual, "", 0, 0, 0},
        {"permessage-deflate; server_max_window_bits", &usual, "", 0, 0, 0},
        {"permessage-deflate; server_max_window_bits=7", &usual, "", 0, 0, 0},
        {"permessage-deflate; server_max_window_bits=16", &usual, "", 0, 0, 0},
        {"permessage-deflate; server_max_window_bits=010", &usual, "", 0, 0, 0},
        {"permessage-deflate; client_max_window_bits=0", &usual, "", 0, 0, 0},
        {"permessage-deflate; client_max_window_bits=99", &usual, "", 0, 0, 0},
        {"permessage-deflate; client_max_window_bits; client_max_window_bits=10", &usual, "", 0, 0, 0},
        /* section 7.1.3: what the client would have first, then less */
        {"permessage-deflate; foo, permessage-deflate; client_max_window_bits", &usual, NO_TAKEOVER, 1, 15, 15},
        {"permessage-deflate; server_max_window_bits=10|permessage-deflate", &usual,
         NO_TAKEOVER "; server_max_window_bits=10", 1, 10, 15},
        {"x-webkit-deflate-frame, permessage-deflate", &usual, NO_TAKEOVER, 1, 15, 15},
        {"foo; bar=\"baz\"; quux", &usual, "", 0, 0, 0},
        /* RFC 6455 section 9.1: what the grammar does not have */
        {"permessage-deflate;", &usual, NULL, 0, 0, 0},
        {"permessage-deflate; =1", &usual, NULL, 0, 0, 0},
        {"permessage-deflate; a=", &usual, NULL, 0, 0, 0},
        {"permessage-deflate; a=\"", &usual, NULL, 0, 0, 0},
        {"permessage-deflate; a=\"\"", &usual, NULL, 0, 0, 0},
        {"permessage-deflate; server_max_window_bits=\"1\\0\"", &usual, NULL, 0, 0, 0}, /* an escape */
        {"permessage-deflate; a=\"b c\"", &usual, NULL, 0, 0, 0},
        {"permessage-deflate; a=\"b,c\"", &usual, NULL, 0, 0, 0},
        {"permessage-deflate; a=\"b \"", &usual, NULL, 0, 0, 0},
        {"permessage-deflate; a=\" b\"", &usual, NULL, 0, 0, 0},
        {"permessage-deflate; a b", &usual, NULL, 0, 0, 0},
        {"permessage-deflate a", &usual, NULL, 0, 0, 0},
        {"; a", &usual, NULL, 0, 0, 0},
        {"permessage-deflate|a;", &usual, NULL, 0, 0, 0},
        {"(comment)", &usual, NULL, 0, 0, 0},
        {", ,", &usual, "", 0, 0, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct lines l;
        struct ws_extensions a;
        bool good = ws_negotiate(lines_of(&l, cases[i].offers), cases[i].wanted, &a);
        if (good != (cases[i].answer != NULL))
            fail_msg("%s: %d", cases[i].offers, good);
        if (!good)
            continue;
        if (!slice_equal(slice_of(a.text, a.len), slice_from(cases[i].answer)) || a.deflate.flags != cases[i].flags ||
            a.deflate.server_bits != cases[i].server_bits || a.deflate.client_bits != cases[i].client_bits)
            fail_msg("%s: %.*s, %u %u %u", cases[i].offers, (int)a.len, a.text, a.deflate.flags, a.deflate.server_bits,
                     a.deflate.client_bits);
    }
}

static void test_longest_answer(void **state)
{
    (void)state;
    const struct ws_deflate_settings wanted = {.on = true, .server_bits = 15, .client_bits = 14};
    struct lines l;
    struct ws_extensions a;
    const char *offer = "permessage-deflate; server_max_window_bits=15; client_max_window_bits=15";
    assert_true(ws_negotiate(lines_of(&l, offer), &wanted, &a));
    assert_int_equal(a.len, WS_EXTENSIONS_MAX);
}

/* ---- The whole ---- */

static void test_handshakes(void **state)
{
    static const struct {
        const char *what; /* with the section of RFC 6455 */
        int http;
        const char *method, *upgrade, *connection, *key, *version, *protocols, *extensions, *origin;
        enum ws_verdict verdict;
    } cases[] = {
#define KEY "dGhlIHNhbXBsZSBub25jZQ=="
        {"1.2", 11, "GET", "websocket", "Upgrade", KEY, "13", "chat, superchat", NULL, "http://a.example", WS_ACCEPTED},
        {"4.2.1 no Origin, no browser", 11, "GET", "websocket", "Upgrade", KEY, "13", NULL, NULL, NULL, WS_ACCEPTED},
        {"4.1 case", 11, "GET", "WEBSOCKET", "keep-alive, UPGRADE", KEY, "13", NULL, NULL, NULL, WS_ACCEPTED},
        {"4.2.1 1 HTTP/1.0", 10, "GET", "websocket", "Upgrade", KEY, "13", NULL, NULL, NULL, WS_NOT_ASKED},
        {"4.2.1 1 POST", 11, "POST", "websocket", "Upgrade", KEY, "13", NULL, NULL, NULL, WS_MALFORMED},
        {"4.2.1 3 no Upgrade", 11, "GET", NULL, "Upgrade", KEY, "13", NULL, NULL, NULL, WS_NOT_ASKED},
        {"4.2.1 3 another", 11, "GET", "h2c", "Upgrade", KEY, "13", NULL, NULL, NULL, WS_NOT_ASKED},
        {"4.2.1 4 no Connection", 11, "GET", "websocket", NULL, KEY, "13", NULL, NULL, NULL, WS_NOT_ASKED},
        {"4.2.1 4 another", 11, "GET", "websocket", "keep-alive", KEY, "13", NULL, NULL, NULL, WS_NOT_ASKED},
        {"4.2.1 5 no key", 11, "GET", "websocket", "Upgrade", NULL, "13", NULL, NULL, NULL, WS_MALFORMED},
        {"4.2.1 5 two", 11, "GET", "websocket", "Upgrade", KEY "|" KEY, "13", NULL, NULL, NULL, WS_MALFORMED},
        {"4.2.1 5 a short one", 11, "GET", "websocket", "Upgrade", "Zm9v", "13", NULL, NULL, NULL, WS_MALFORMED},
        {"4.2.1 6 no version", 11, "GET", "websocket", "Upgrade", KEY, NULL, NULL, NULL, NULL, WS_OTHER_VERSION},
        {"4.4 another", 11, "GET", "websocket", "Upgrade", KEY, "8", NULL, NULL, NULL, WS_OTHER_VERSION},
        {"4.4 another", 11, "GET", "websocket", "Upgrade", KEY, "14", NULL, NULL, NULL, WS_OTHER_VERSION},
        {"4.4 a list", 11, "GET", "websocket", "Upgrade", KEY, "13, 8", NULL, NULL, NULL, WS_OTHER_VERSION},
        {"4.3 NZDIGIT", 11, "GET", "websocket", "Upgrade", KEY, "013", NULL, NULL, NULL, WS_OTHER_VERSION},
        {"11.3.5 two", 11, "GET", "websocket", "Upgrade", KEY, "13|13", NULL, NULL, NULL, WS_MALFORMED},
        {"10.2 an Origin", 11, "GET", "websocket", "Upgrade", KEY, "13", NULL, NULL, "http://b.example", WS_FOREIGN},
        {"10.2 listed", 11, "GET", "websocket", "Upgrade", KEY, "13", NULL, NULL, "https://c.example", WS_ACCEPTED},
        {"10.2 null", 11, "GET", "websocket", "Upgrade", KEY, "13", NULL, NULL, "null", WS_FOREIGN},
        {"10.2 two", 11, "GET", "websocket", "Upgrade", KEY, "13", NULL, NULL, "http://a.example|http://a.example",
         WS_MALFORMED},
        {"11.3.4", 11, "GET", "websocket", "Upgrade", KEY, "13", "a b", NULL, NULL, WS_MALFORMED},
        {"9.1", 11, "GET", "websocket", "Upgrade", KEY, "13", NULL, "a; =", NULL, WS_MALFORMED},
        {"9.1 none that is known", 11, "GET", "websocket", "Upgrade", KEY, "13", NULL, "a; b=c", NULL, WS_ACCEPTED},
        /* RFC 8441 section 5 */
        {"HTTP/2", 20, "CONNECT", NULL, NULL, NULL, "13", "superchat", NULL, "https://a.example", WS_ACCEPTED},
        {"HTTP/2 without a version", 20, "CONNECT", NULL, NULL, NULL, NULL, NULL, NULL, NULL, WS_OTHER_VERSION},
        {"HTTP/2 by others", 20, "CONNECT", NULL, NULL, NULL, "13", NULL, NULL, "https://b.example", WS_FOREIGN},
    };
    static const unsigned statuses[] = {
        [WS_ACCEPTED] = 101, [WS_NOT_ASKED] = 426, [WS_OTHER_VERSION] = 426, [WS_MALFORMED] = 400, [WS_FOREIGN] = 403};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct lines l[7];
        const struct ws_policy policy = {.protocols = "chat superchat", .origins = "https://c.example"};
        const struct ws_request r = {.http = (uint8_t)cases[i].http,
                                     .method = slice_from(cases[i].method),
                                     .authority = SLICE("a.example"),
                                     .upgrade = lines_of(&l[0], cases[i].upgrade),
                                     .connection = lines_of(&l[1], cases[i].connection),
                                     .key = lines_of(&l[2], cases[i].key),
                                     .version = lines_of(&l[3], cases[i].version),
                                     .protocols = lines_of(&l[4], cases[i].protocols),
                                     .extensions = lines_of(&l[5], cases[i].extensions),
                                     .origin = lines_of(&l[6], cases[i].origin)};
        struct ws_answer a;
        const char *why = NULL;
        enum ws_verdict verdict = ws_handshake(&r, &policy, &a, &why);
        if (verdict != cases[i].verdict)
            fail_msg("%s: %d, %s", cases[i].what, (int)verdict, why ? why : "");
        assert_true((verdict == WS_ACCEPTED) == (why == NULL));
        assert_int_equal(ws_verdict_status(verdict), statuses[verdict]);
        if (verdict != WS_ACCEPTED)
            continue;
        if (cases[i].http < WEIR_HTTP_2)
            assert_memory_equal(a.accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", WS_ACCEPT_LEN);
        assert_int_equal(a.extensions.len, 0);
        assert_int_equal(a.protocol.len > 0, cases[i].protocols != NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lists),      cmocka_unit_test(test_keys),        cmocka_unit_test(test_protocols),
        cmocka_unit_test(test_origins),    cmocka_unit_test(test_negotiation), cmocka_unit_test(test_longest_answer),
        cmocka_unit_test(test_handshakes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
