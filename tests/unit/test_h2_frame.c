/*
 * Frames of HTTP/2: heads, the rules of each type by a table, payloads, whole frames; and priorities.
 *
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "http/h2/frame.h"
#include "http/h2/priority.h"

/* ---- Heads ---- */

static void heads(void **state)
{
    (void)state;
    static const uint8_t head[] = {0x01, 0x02, 0x03, 0x04, 0x05, 0x86, 0x07, 0x08, 0x09};
    struct h2_frame f = h2_frame_read(head);
    assert_int_equal(f.length, 0x010203);
    assert_int_equal(f.type, 4);
    assert_int_equal(f.flags, 5);
    assert_int_equal(f.stream, 0x06070809); /* without the reserved bit */
    uint8_t out[H2_FRAME_HEAD];
    assert_ptr_equal(h2_frame_write(out, 0xfffffe, H2_CONTINUATION, H2_END_HEADERS, 0x7ffffffe), out + sizeof out);
    static const uint8_t expected[] = {0xff, 0xff, 0xfe, 0x09, 0x04, 0x7f, 0xff, 0xff, 0xfe};
    assert_memory_equal(out, expected, sizeof out);
}

enum verdict { GOOD, STREAM, CONNECTION };

struct frame_case {
    struct h2_frame frame;
    enum verdict verdict;
    enum h2_error error;
};

#define FRAME(type_, flags_, length_, stream_)                                                                         \
    {                                                                                                                  \
        .type = (type_), .flags = (flags_), .length = (length_), .stream = (stream_)                                   \
    }

static const struct frame_case frames[] = {
    {FRAME(H2_DATA, 0, 0, 1), GOOD, 0},
    {FRAME(H2_DATA, 0xff, 16384, 0x7fffffff), GOOD, 0},
    {FRAME(H2_DATA, 0, 16385, 1), CONNECTION, H2_FRAME_SIZE_ERROR},
    {FRAME(H2_DATA, 0, 1, 0), CONNECTION, H2_PROTOCOL_ERROR},
    {FRAME(H2_DATA, 0, 1, 2), CONNECTION, H2_PROTOCOL_ERROR},
    {FRAME(H2_HEADERS, 0, 16384, 3), GOOD, 0},
    {FRAME(H2_HEADERS, 0, 1, 0), CONNECTION, H2_PROTOCOL_ERROR},
    {FRAME(H2_HEADERS, 0, 1, 4), CONNECTION, H2_PROTOCOL_ERROR},
    {FRAME(H2_HEADERS, 0, 16385, 3), CONNECTION, H2_FRAME_SIZE_ERROR},
    {FRAME(H2_PRIORITY, 0, 5, 1), GOOD, 0},
    {FRAME(H2_PRIORITY, 0, 5, 2), GOOD, 0},
    {FRAME(H2_PRIORITY, 0, 5, 0), CONNECTION, H2_PROTOCOL_ERROR},
    {FRAME(H2_PRIORITY, 0, 4, 1), STREAM, H2_FRAME_SIZE_ERROR},
    {FRAME(H2_PRIORITY, 0, 6, 1), STREAM, H2_FRAME_SIZE_ERROR},
    {FRAME(H2_RST_STREAM, 0, 4, 1), GOOD, 0},
    {FRAME(H2_RST_STREAM, 0, 4, 0), CONNECTION, H2_PROTOCOL_ERROR},
    {FRAME(H2_RST_STREAM, 0, 3, 1), CONNECTION, H2_FRAME_SIZE_ERROR},
    {FRAME(H2_RST_STREAM, 0, 5, 1), CONNECTION, H2_FRAME_SIZE_ERROR},
    {FRAME(H2_SETTINGS, 0, 0, 0), GOOD, 0},
    {FRAME(H2_SETTINGS, 0, 12, 0), GOOD, 0},
    {FRAME(H2_SETTINGS, H2_ACK, 0, 0), GOOD, 0},
    {FRAME(H2_SETTINGS, H2_ACK, 6, 0), CONNECTION, H2_FRAME_SIZE_ERROR},
    {FRAME(H2_SETTINGS, 0, 5, 0), CONNECTION, H2_FRAME_SIZE_ERROR},
    {FRAME(H2_SETTINGS, 0, 6, 1), CONNECTION, H2_PROTOCOL_ERROR},
    {FRAME(H2_PUSH_PROMISE, 0, 4, 1), CONNECTION, H2_PROTOCOL_ERROR},
    {FRAME(H2_PING, 0, 8, 0), GOOD, 0},
    {FRAME(H2_PING, H2_ACK, 8, 0), GOOD, 0},
    {FRAME(H2_PING, 0, 7, 0), CONNECTION, H2_FRAME_SIZE_ERROR},
    {FRAME(H2_PING, 0, 9, 0), CONNECTION, H2_FRAME_SIZE_ERROR},
    {FRAME(H2_PING, 0, 8, 1), CONNECTION, H2_PROTOCOL_ERROR},
    {FRAME(H2_GOAWAY, 0, 8, 0), GOOD, 0},
    {FRAME(H2_GOAWAY, 0, 100, 0), GOOD, 0},
    {FRAME(H2_GOAWAY, 0, 7, 0), CONNECTION, H2_FRAME_SIZE_ERROR},
    {FRAME(H2_GOAWAY, 0, 8, 1), CONNECTION, H2_PROTOCOL_ERROR},
    {FRAME(H2_WINDOW_UPDATE, 0, 4, 0), GOOD, 0},
    {FRAME(H2_WINDOW_UPDATE, 0, 4, 1), GOOD, 0},
    {FRAME(H2_WINDOW_UPDATE, 0, 4, 2), CONNECTION, H2_PROTOCOL_ERROR},
    {FRAME(H2_WINDOW_UPDATE, 0, 3, 0), CONNECTION, H2_FRAME_SIZE_ERROR},
    {FRAME(H2_WINDOW_UPDATE, 0, 5, 1), CONNECTION, H2_FRAME_SIZE_ERROR},
    {FRAME(H2_CONTINUATION, 0, 0, 1), GOOD, 0},
    {FRAME(H2_CONTINUATION, 0, 0, 0), CONNECTION, H2_PROTOCOL_ERROR},
    {FRAME(H2_PRIORITY_UPDATE, 0, 4, 0), GOOD, 0},
    {FRAME(H2_PRIORITY_UPDATE, 0, 3, 0), CONNECTION, H2_FRAME_SIZE_ERROR},
    {FRAME(H2_PRIORITY_UPDATE, 0, 4, 1), CONNECTION, H2_PROTOCOL_ERROR},
    {FRAME(0x0a, 0xff, 3, 1), GOOD, 0},
    {FRAME(0x11, 0xff, 0, 0), GOOD, 0},
    {FRAME(0xff, 0xff, 16384, 2), GOOD, 0},
    {FRAME(0xff, 0, 16385, 2), CONNECTION, H2_FRAME_SIZE_ERROR},
};

static void expect(struct h2_fault fault, enum verdict verdict, enum h2_error error)
{
    assert_int_equal(h2_is_good(fault), verdict == GOOD);
    assert_int_equal(fault.error, error);
    assert_int_equal(fault.stream, verdict == STREAM);
    assert_int_equal(fault.reason == NULL, verdict == GOOD);
}

static void rules(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof frames / sizeof frames[0]; i++)
        expect(h2_frame_check(&frames[i].frame, H2_FRAME_MAX_DEFAULT), frames[i].verdict, frames[i].error);
}

/* ---- Payloads ---- */

static void padding(void **state)
{
    (void)state;
    uint32_t n;
    struct h2_frame f = FRAME(H2_DATA, 0, 10, 1);
    expect(h2_padding_read(&f, 255, &n), GOOD, 0);
    assert_int_equal(n, 0);
    f.flags = H2_PADDED;
    expect(h2_padding_read(&f, 9, &n), GOOD, 0);
    assert_int_equal(n, 9);
    expect(h2_padding_read(&f, 10, &n), CONNECTION, H2_PROTOCOL_ERROR);
    f.length = 0;
    expect(h2_padding_read(&f, 0, &n), CONNECTION, H2_FRAME_SIZE_ERROR);
    f.length = 1;
    expect(h2_padding_read(&f, 0, &n), GOOD, 0);
    expect(h2_padding_read(&f, 1, &n), CONNECTION, H2_PROTOCOL_ERROR);
}

struct headers_case {
    uint8_t flags;
    struct slice payload, block;
    enum verdict verdict;
    enum h2_error error;
};

#define DEPENDS "\x80\x00\x00\x03\xff" /* on stream 3, exclusively */

static const struct headers_case headers[] = {
    {0, {"block", 5}, {"block", 5}, GOOD, 0},
    {0, {"", 0}, {"", 0}, GOOD, 0},
    {H2_PADDED, {"\3block123", 9}, {"block", 5}, GOOD, 0},
    {H2_PADDED, {"\0", 1}, {"", 0}, GOOD, 0},
    {H2_PADDED, {"\3abc", 4}, {"", 0}, GOOD, 0},
    {H2_PADDED, {"\4abc", 4}, {"", 0}, CONNECTION, H2_PROTOCOL_ERROR},
    {H2_PADDED, {"", 0}, {"", 0}, CONNECTION, H2_FRAME_SIZE_ERROR},
    {H2_FLAG_PRIORITY, {DEPENDS "block", 10}, {"block", 5}, GOOD, 0},
    {H2_FLAG_PRIORITY, {DEPENDS, 5}, {"", 0}, GOOD, 0},
    {H2_FLAG_PRIORITY, {DEPENDS, 4}, {"", 0}, CONNECTION, H2_FRAME_SIZE_ERROR},
    {H2_FLAG_PRIORITY, {"\0\0\0\1\0block", 10}, {"block", 5}, STREAM, H2_PROTOCOL_ERROR},
    {H2_FLAG_PRIORITY | H2_PADDED, {"\2" DEPENDS "block12", 13}, {"block", 5}, GOOD, 0},
    {H2_FLAG_PRIORITY | H2_PADDED, {"\3" DEPENDS "12", 8}, {"", 0}, CONNECTION, H2_PROTOCOL_ERROR},
    {H2_FLAG_PRIORITY | H2_PADDED, {"\2" DEPENDS "12", 8}, {"", 0}, GOOD, 0},
    {H2_FLAG_PRIORITY | H2_PADDED, {"\0" DEPENDS, 5}, {"", 0}, CONNECTION, H2_FRAME_SIZE_ERROR},
};

static void headers_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        const struct headers_case *c = &headers[i];
        struct h2_frame f = FRAME(H2_HEADERS, c->flags, (uint32_t)c->payload.len, 1);
        struct slice block;
        uint8_t *exact = malloc(c->payload.len ? c->payload.len : 1);
        assert_non_null(exact);
        memcpy(exact, c->payload.data, c->payload.len);
        expect(h2_headers_read(&f, exact, &block), c->verdict, c->error);
        if (c->verdict != CONNECTION)
            assert_true(slice_equal(block, c->block));
        free(exact);
    }
}

static void dependencies(void **state)
{
    (void)state;
    struct h2_frame f = FRAME(H2_PRIORITY, 0, 5, 1);
    struct h2_dependency d;
    expect(h2_priority_read(&f, (const uint8_t *)DEPENDS, &d), GOOD, 0);
    assert_true(d.stream == 3 && d.weight == 256 && d.exclusive);
    expect(h2_priority_read(&f, (const uint8_t *)"\0\0\0\0\0", &d), GOOD, 0);
    assert_true(d.stream == 0 && d.weight == 1 && !d.exclusive);
    expect(h2_priority_read(&f, (const uint8_t *)"\x80\0\0\1\0", &d), STREAM, H2_PROTOCOL_ERROR);
}

struct setting_case {
    struct h2_setting setting;
    enum h2_error error;
};

static const struct setting_case settings[] = {
    {{H2_SETTINGS_HEADER_TABLE_SIZE, UINT32_MAX}, 0},
    {{H2_SETTINGS_ENABLE_PUSH, 0}, 0},
    {{H2_SETTINGS_ENABLE_PUSH, 1}, 0},
    {{H2_SETTINGS_ENABLE_PUSH, 2}, H2_PROTOCOL_ERROR},
    {{H2_SETTINGS_MAX_CONCURRENT_STREAMS, 0}, 0},
    {{H2_SETTINGS_INITIAL_WINDOW_SIZE, 0x7fffffff}, 0},
    {{H2_SETTINGS_INITIAL_WINDOW_SIZE, 0x80000000}, H2_FLOW_CONTROL_ERROR},
    {{H2_SETTINGS_MAX_FRAME_SIZE, 16384}, 0},
    {{H2_SETTINGS_MAX_FRAME_SIZE, 16777215}, 0},
    {{H2_SETTINGS_MAX_FRAME_SIZE, 16383}, H2_PROTOCOL_ERROR},
    {{H2_SETTINGS_MAX_FRAME_SIZE, 16777216}, H2_PROTOCOL_ERROR},
    {{H2_SETTINGS_MAX_HEADER_LIST_SIZE, 0}, 0},
    {{H2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1}, 0},
    {{H2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 2}, H2_PROTOCOL_ERROR},
    {{H2_SETTINGS_NO_RFC7540_PRIORITIES, 1}, 0},
    {{H2_SETTINGS_NO_RFC7540_PRIORITIES, 2}, H2_PROTOCOL_ERROR},
    {{0, UINT32_MAX}, 0},
    {{0xffff, 7}, 0},
};

static void setting_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        uint8_t frame[H2_SETTINGS_LEN(1)];
        struct h2_setting s;
        assert_ptr_equal(h2_write_settings(frame, &settings[i].setting, 1), frame + sizeof frame);
        expect(h2_setting_read(frame + H2_FRAME_HEAD, &s), settings[i].error ? CONNECTION : GOOD, settings[i].error);
        assert_int_equal(s.id, settings[i].setting.id);
        assert_int_equal(s.value, settings[i].setting.value);
    }
}

static void window_updates(void **state)
{
    (void)state;
    uint32_t increment;
    struct h2_frame f = FRAME(H2_WINDOW_UPDATE, 0, 4, 1);
    expect(h2_window_update_read(&f, (const uint8_t *)"\xff\xff\xff\xff", &increment), GOOD, 0);
    assert_int_equal(increment, 0x7fffffff);
    expect(h2_window_update_read(&f, (const uint8_t *)"\x80\0\0\0", &increment), STREAM, H2_PROTOCOL_ERROR);
    f.stream = 0;
    expect(h2_window_update_read(&f, (const uint8_t *)"\0\0\0\0", &increment), CONNECTION, H2_PROTOCOL_ERROR);
}

/* ---- Whole frames ---- */

static void same(const uint8_t *frame, const uint8_t *end, const char *expected, size_t len)
{
    assert_int_equal(end - frame, len);
    assert_memory_equal(frame, expected, len);
}

#define SAME(frame, end, expected) same(frame, end, expected, sizeof(expected) - 1)

static void whole_frames(void **state)
{
    (void)state;
    uint8_t out[64];
    static const struct h2_setting two[] = {{H2_SETTINGS_HEADER_TABLE_SIZE, 0}, {H2_SETTINGS_MAX_FRAME_SIZE, 0x123456}};
    SAME(out, h2_write_settings(out, two, 2), "\0\0\14\4\0\0\0\0\0\0\1\0\0\0\0\0\5\0\x12\x34\x56");
    SAME(out, h2_write_settings(out, NULL, 0), "\0\0\0\4\0\0\0\0\0");
    SAME(out, h2_write_settings_ack(out), "\0\0\0\4\1\0\0\0\0");
    SAME(out, h2_write_ping(out, (const uint8_t *)"12345678", true), "\0\0\10\6\1\0\0\0\0\61\62\63\64\65\66\67\70");
    SAME(out, h2_write_ping(out, (const uint8_t *)"12345678", false), "\0\0\10\6\0\0\0\0\0\61\62\63\64\65\66\67\70");
    SAME(out, h2_write_rst_stream(out, 5, H2_CANCEL), "\0\0\4\3\0\0\0\0\5\0\0\0\10");
    SAME(out, h2_write_window_update(out, 0x7fffffff, 0x10203), "\0\0\4\10\0\x7f\xff\xff\xff\0\1\2\3");
    SAME(out, h2_write_goaway(out, 7, H2_ENHANCE_YOUR_CALM, SLICE("calm")), "\0\0\14\7\0\0\0\0\0\0\0\0\7\0\0\0\13calm");
    struct h2_frame f = h2_frame_read(out);
    struct h2_goaway g;
    h2_goaway_read(&f, out + H2_FRAME_HEAD, &g);
    assert_true(g.last_stream == 7 && g.error == H2_ENHANCE_YOUR_CALM && slice_equal(g.debug, SLICE("calm")));
    assert_int_equal(h2_write_goaway(out, 0, 0, SLICE("")) - out, H2_GOAWAY_LEN(0));
    assert_string_equal(h2_error_name(0), "NO_ERROR");
    assert_string_equal(h2_error_name(H2_HTTP_1_1_REQUIRED), "HTTP_1_1_REQUIRED");
    assert_string_equal(h2_error_name(14), "unknown");
    assert_int_equal(H2_PREFACE_LEN, 24);
}

/* ---- Priorities ---- */

struct priority_case {
    struct slice value;
    int urgency; /* -1: no Dictionary */
    bool incremental;
};

#define IS(text, urgency, incremental)                                                                                 \
    {                                                                                                                  \
        SLICE(text), urgency, incremental                                                                              \
    }
#define NONE(text)                                                                                                     \
    {                                                                                                                  \
        SLICE(text), -1, false                                                                                         \
    }

static const struct priority_case priorities[] = {
    IS("", 3, false),
    IS("   ", 3, false),
    IS("u=0", 0, false),
    IS("u=7,i", 7, true),
    IS("u=1, i", 1, true),
    IS("  u=1 \t,\t i  ", 1, true),
    IS("i, u=6", 6, true),
    IS("i=?1", 3, true),
    IS("i=?0", 3, false),
    IS("i;a;b=1, u=2;c=\"x\"", 2, true),
    IS("u=8", 3, false),
    IS("u=-1", 3, false),
    IS("u=-0", 0, false),
    IS("u=3.0", 3, false),
    IS("u=1.5", 3, false),
    IS("u=999999999999999", 3, false),
    IS("u=00000000000001", 1, false),
    IS("u=a", 3, false),
    IS("u=\"1\"", 3, false),
    IS("u=?1", 3, false),
    IS("u", 3, false),
    IS("i=1", 3, false),
    IS("i=a", 3, false),
    IS("u=1, u=2", 2, false),
    IS("u=1, u=9", 3, false),
    IS("u=1, u=(1 2)", 3, false),
    IS("u=1, i, i=?0", 1, false),
    IS("a, b=c, d=1.125, *e=:YQ==:, f-g_h.i*=\"\\\"\\\\\", j=(), k=(1 \"a\";x  b);y, u=5", 5, false),
    IS("a=tok/en:~!#$%&'*+-.^_`|, u=4", 4, false),
    IS("a=*x, b=Y, u=4", 4, false),
    IS("a=-999999999999.123,u=4", 4, false),
    IS("a=::, u=4", 4, false),
    IS("a;  b, u=4", 4, false),
    NONE(","),
    NONE("u=1,"),
    NONE("u=1, "),
    NONE("u=1,,i"),
    NONE(",u=1"),
    NONE("u=1 i"),
    NONE("u=1;"),
    NONE("u=1; "),
    NONE("u=1 ;a"),
    NONE("\tu=1"),
    NONE("u= 1"),
    NONE("u =1"),
    NONE("u="),
    NONE("U=1"),
    NONE("1"),
    NONE("-"),
    NONE("u=-"),
    NONE("u=--1"),
    NONE("u=+1"),
    NONE("u=1."),
    NONE("u=1.1234"),
    NONE("u=1234567890123.1"),
    NONE("u=1234567890123456"),
    NONE("u=1..2"),
    NONE("i=?"),
    NONE("i=?2"),
    NONE("i=?11"),
    NONE("a=\""),
    NONE("a=\"\\"),
    NONE("a=\"\\a\""),
    NONE("a=\"\x7f\""),
    NONE("a=\"\n\""),
    NONE("a=:"),
    NONE("a=:YQ"),
    NONE("a=:Y Q:"),
    NONE("a=@1"),
    NONE("a=("),
    NONE("a=(1"),
    NONE("a=(1,2)"),
    NONE("a=(1\"a\")"),
    NONE("a=((1))"),
    NONE("a=(1;)"),
    NONE("a=(1);B"),
    NONE("a;b="),
    NONE("a;b=("),
    NONE("a=\x80"),
    NONE("u=1\0"),
    NONE("u=1,i\n"),
};

static void priority_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof priorities / sizeof priorities[0]; i++) {
        const struct priority_case *c = &priorities[i];
        struct h2_priority p = h2_priority_default();
        char *exact = malloc(c->value.len ? c->value.len : 1);
        assert_non_null(exact);
        memcpy(exact, c->value.data, c->value.len);
        assert_int_equal(h2_priority_parse(slice_of(exact, c->value.len), &p), c->urgency >= 0);
        assert_int_equal(p.urgency, c->urgency >= 0 ? c->urgency : H2_URGENCY_DEFAULT);
        assert_int_equal(p.incremental, c->incremental);
        free(exact);
    }
    struct h2_priority p = {.urgency = 5, .incremental = true};
    assert_true(h2_priority_parse(SLICE("x"), &p));
    assert_true(p.urgency == 5 && p.incremental); /* what is not said stays */
    assert_true(h2_priority_parse(SLICE("u=2"), &p));
    assert_true(p.urgency == 2 && p.incremental);
    assert_false(h2_priority_parse(SLICE("u=1, i=?0, ="), &p));
    assert_true(p.urgency == 2 && p.incremental);
}

static void priority_updates(void **state)
{
    (void)state;
    struct h2_frame f = FRAME(H2_PRIORITY_UPDATE, 0, 11, 0);
    struct h2_priority p;
    uint32_t stream;
    expect(h2_priority_update_read(&f, (const uint8_t *)"\x80\0\0\5u=1, ix", &stream, &p), GOOD, 0);
    assert_true(stream == 5 && p.urgency == 1 && !p.incremental);
    f.length = 10;
    expect(h2_priority_update_read(&f, (const uint8_t *)"\0\0\0\5u=1, ix", &stream, &p), GOOD, 0);
    assert_true(stream == 5 && p.urgency == 1 && p.incremental);
    f.length = 4;
    expect(h2_priority_update_read(&f, (const uint8_t *)"\0\0\0\5", &stream, &p), GOOD, 0);
    assert_true(p.urgency == H2_URGENCY_DEFAULT && !p.incremental);
    expect(h2_priority_update_read(&f, (const uint8_t *)"\0\0\0\0", &stream, &p), CONNECTION, H2_PROTOCOL_ERROR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads),          cmocka_unit_test(rules),
        cmocka_unit_test(padding),        cmocka_unit_test(headers_table),
        cmocka_unit_test(dependencies),   cmocka_unit_test(setting_table),
        cmocka_unit_test(window_updates), cmocka_unit_test(whole_frames),
        cmocka_unit_test(priority_table), cmocka_unit_test(priority_updates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
