/*
 * Frames of WebSocket: the examples of RFC 6455 section 5.7, heads that are good, cut and wrong, and what a server
 * writes; masks of every length at every place.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/websocket/frame.h"
#include "web/websocket/mask.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* ---- Heads that are read ---- */

enum { PLAIN, DEFLATE };

static const struct {
    const char *what; /* with the section of RFC 6455 */
    const char *bytes;
    size_t len;
    bool deflate;
    enum ws_frame_result result;
    size_t shows; /* bytes that show what is wrong */
    struct ws_frame frame;
} heads[] = {
#define GOOD(what, bytes, ...)                                                                                         \
    {                                                                                                                  \
        what, bytes, sizeof bytes - 1, PLAIN, WS_FRAME_READ, 0,                                                        \
        {                                                                                                              \
            .head_len = sizeof bytes - 1, __VA_ARGS__                                                                  \
        }                                                                                                              \
    }
#define WRONG(what, bytes, shows)                                                                                      \
    {                                                                                                                  \
        what, bytes, sizeof bytes - 1, PLAIN, WS_FRAME_MALFORMED, shows,                                               \
        {                                                                                                              \
            0                                                                                                          \
        }                                                                                                              \
    }
#define MASK "\x37\xfa\x21\x3d"
    GOOD("5.7 masked text", "\x81\x85" MASK, .len = 5, .opcode = WS_TEXT, .last = true),
    GOOD("5.4 a first fragment", "\x01\x83" MASK, .len = 3, .opcode = WS_TEXT),
    GOOD("5.4 a last fragment", "\x80\x82" MASK, .len = 2, .opcode = WS_CONTINUATION, .last = true),
    GOOD("5.7 masked Pong", "\x8a\x85" MASK, .len = 5, .opcode = WS_PONG, .last = true),
    GOOD("5.5.1 empty Close", "\x88\x80" MASK, .len = 0, .opcode = WS_CLOSE, .last = true),
    GOOD("5.5 the longest Ping", "\x89\xfd" MASK, .len = 125, .opcode = WS_PING, .last = true),
    GOOD("5.2 125 bytes", "\x82\xfd" MASK, .len = 125, .opcode = WS_BINARY, .last = true),
    GOOD("5.2 126 bytes", "\x82\xfe\x00\x7e" MASK, .len = 126, .opcode = WS_BINARY, .last = true),
    GOOD("5.7 256 bytes", "\x82\xfe\x01\x00" MASK, .len = 256, .opcode = WS_BINARY, .last = true),
    GOOD("5.2 65,535 bytes", "\x82\xfe\xff\xff" MASK, .len = 65535, .opcode = WS_BINARY, .last = true),
    GOOD("5.7 64 KiB", "\x82\xff\0\0\0\0\0\1\0\0" MASK, .len = 65536, .opcode = WS_BINARY, .last = true),
    GOOD("5.2 the longest", "\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff" MASK, .len = INT64_MAX, .opcode = WS_BINARY,
         .last = true),
    WRONG("5.1 no mask", "\x81\x05Hello", 2),
    WRONG("5.1 no mask, longer", "\x82\x7e\x01\x00", 2),
    WRONG("5.2 RSV1", "\xc1\x85" MASK, 1),
    WRONG("5.2 RSV2", "\xa1\x85" MASK, 1),
    WRONG("5.2 RSV3", "\x91\x85" MASK, 1),
    WRONG("5.2 RSV1 of a Ping", "\xc9\x80" MASK, 1),
    WRONG("5.2 opcode 3", "\x83\x80" MASK, 1),
    WRONG("5.2 opcode 7", "\x87\x80" MASK, 1),
    WRONG("5.2 opcode 11", "\x8b\x80" MASK, 1),
    WRONG("5.2 opcode 15", "\x8f\x80" MASK, 1),
    WRONG("5.2 125 bytes, not minimal", "\x82\xfe\x00\x7d" MASK, 4),
    WRONG("5.2 no bytes, not minimal", "\x82\xfe\x00\x00" MASK, 4),
    WRONG("5.2 65,535 bytes, not minimal", "\x82\xff\0\0\0\0\0\0\xff\xff" MASK, 10),
    WRONG("5.2 2^63 bytes", "\x82\xff\x80\0\0\0\0\0\0\0" MASK, 3),
    WRONG("5.5 a Ping of 126 bytes", "\x89\xfe\x00\x7e" MASK, 2),
    WRONG("5.5 a Close of 2^16 bytes", "\x88\xff\0\0\0\0\0\1\0\0" MASK, 2),
    WRONG("5.5 a fragmented Ping", "\x09\x80" MASK, 1),
    WRONG("5.5 a fragmented Close", "\x08\x80" MASK, 1),
    WRONG("the beginning of HTTP", "GET / HTTP/1.1\r\n", 1),
    /* RFC 7692 section 6.1 */
    {"RSV1 of text",
     "\xc1\x87" MASK,
     6,
     DEFLATE,
     WS_FRAME_READ,
     0,
     {.len = 7, .head_len = 6, .opcode = WS_TEXT, .last = true, .compressed = true}},
    {"RSV1 of the first fragment",
     "\x42\x87" MASK,
     6,
     DEFLATE,
     WS_FRAME_READ,
     0,
     {.len = 7, .head_len = 6, .opcode = WS_BINARY, .compressed = true}},
    {"no RSV1",
     "\x82\x87" MASK,
     6,
     DEFLATE,
     WS_FRAME_READ,
     0,
     {.len = 7, .head_len = 6, .opcode = WS_BINARY, .last = true}},
    {"RSV1 of a further fragment", "\xc0\x87" MASK, 6, DEFLATE, WS_FRAME_MALFORMED, 1, {0}},
    {"RSV1 of a Ping", "\xc9\x80" MASK, 6, DEFLATE, WS_FRAME_MALFORMED, 1, {0}},
    {"RSV1 of a Close", "\xc8\x80" MASK, 6, DEFLATE, WS_FRAME_MALFORMED, 1, {0}},
    {"RSV2", "\xe1\x87" MASK, 6, DEFLATE, WS_FRAME_MALFORMED, 1, {0}},
};

static void test_heads(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        for (size_t len = 0; len <= heads[i].len; len++) {
            uint8_t *data = malloc(len ? len : 1);
            assert_non_null(data);
            memcpy(data, heads[i].bytes, len);
            struct ws_frame f;
            const char *why = NULL;
            enum ws_frame_result result = ws_frame_read(&f, data, len, heads[i].deflate, &why);
            bool shown = heads[i].result == WS_FRAME_MALFORMED ? len >= heads[i].shows : len == heads[i].len;
            if (result != (shown ? heads[i].result : WS_FRAME_PART))
                fail_msg("%s: %d after %zu bytes", heads[i].what, (int)result, len);
            assert_true((result == WS_FRAME_MALFORMED) == (why != NULL));
            free(data);
            if (result != WS_FRAME_READ)
                continue;
            const struct ws_frame *right = &heads[i].frame;
            if (f.len != right->len || f.opcode != right->opcode || f.last != right->last ||
                f.compressed != right->compressed || f.head_len != right->head_len)
                fail_msg("%s: another head", heads[i].what);
            assert_memory_equal(f.mask, MASK, 4);
        }
    }
}

/* Every first byte: the opcodes that there are, and nothing reserved. */
static void test_first_bytes(void **state)
{
    (void)state;
    for (unsigned first = 0; first < 256; first++) {
        uint8_t head[] = {(uint8_t)first, 0x80, 1, 2, 3, 4};
        unsigned opcode = first & 15, reserved = first & 0x70;
        bool data = opcode <= 2, control = opcode >= 8 && opcode <= 10, last = first & 0x80;
        for (unsigned deflate = 0; deflate < 2; deflate++) {
            struct ws_frame f;
            const char *why;
            bool good = (data || (control && last)) &&
                        (reserved == 0 || (deflate && reserved == 0x40 && (opcode == 1 || opcode == 2)));
            assert_int_equal(ws_frame_read(&f, head, sizeof head, deflate, &why),
                             good ? WS_FRAME_READ : WS_FRAME_MALFORMED);
        }
    }
}

/* ---- Heads that are written ---- */

static void check_head(uint64_t len, const char *bytes, size_t count)
{
    uint8_t room[WS_WRITE_HEAD_MAX + 1];
    memset(room, '#', sizeof room);
    assert_int_equal(ws_head_len(len), count);
    assert_int_equal(ws_head_write(room, WS_FIN | WS_BINARY, len), count);
    assert_memory_equal(room, bytes, count);
    assert_int_equal(room[count], '#');
    uint8_t *payload = room + WS_WRITE_HEAD_MAX;
    assert_ptr_equal(ws_head_put_before(payload, WS_FIN | WS_BINARY, len), payload - count);
    assert_memory_equal(payload - count, bytes, count);
}

static void test_writes_heads(void **state)
{
    (void)state;
    check_head(0, "\x82\0", 2);
    check_head(125, "\x82\x7d", 2);
    check_head(126, "\x82\x7e\0\x7e", 4);
    check_head(256, "\x82\x7e\1\0", 4); /* section 5.7 */
    check_head(65535, "\x82\x7e\xff\xff", 4);
    check_head(65536, "\x82\x7f\0\0\0\0\0\1\0\0", 10); /* section 5.7 */
    check_head(UINT64_C(1) << 40, "\x82\x7f\0\0\1\0\0\0\0\0", 10);
    uint8_t hello[7] = "..Hello";
    assert_ptr_equal(ws_head_put_before(hello + 2, WS_FIN | WS_TEXT, 5), hello);
    assert_memory_equal(hello, "\x81\x05Hello", 7); /* section 5.7 */
    assert_int_equal(ws_head_write(hello, WS_TEXT, 3), 2);
    assert_memory_equal(hello, "\x01\x03", 2);
}

static void test_writes_control(void **state)
{
    (void)state;
    uint8_t room[WS_CONTROL_ROOM + 1];
    memset(room, '#', sizeof room);
    assert_int_equal(ws_control_write(room, WS_PING, SLICE("Hello")), 7);
    assert_memory_equal(room, "\x89\x05Hello", 7); /* section 5.7 */
    assert_int_equal(ws_control_write(room, WS_PONG, slice_of(NULL, 0)), 2);
    assert_memory_equal(room, "\x8a\0", 2);
    char long_text[200];
    memset(long_text, 'a', sizeof long_text);
    assert_int_equal(ws_control_write(room, WS_PONG, slice_of(long_text, WS_CONTROL_MAX)), WS_CONTROL_ROOM);
    assert_int_equal(room[WS_CONTROL_ROOM], '#');
    assert_int_equal(ws_close_write(room, WS_CLOSE_NO_CODE, SLICE("is not said")), 2);
    assert_memory_equal(room, "\x88\0", 2);
    assert_int_equal(ws_close_write(room, WS_CLOSE_NORMAL, slice_of(NULL, 0)), 4);
    assert_memory_equal(room, "\x88\2\x03\xe8", 4);
    assert_int_equal(ws_close_write(room, WS_CLOSE_PROTOCOL, SLICE("why")), 7);
    assert_memory_equal(room, "\x88\5\x03\xeawhy", 7);
    assert_int_equal(ws_close_write(room, WS_CLOSE_NORMAL, slice_of(long_text, sizeof long_text)), WS_CONTROL_ROOM);
    /* characters are left out whole */
    memcpy(long_text + WS_REASON_MAX - 3, "\xf0\x9f\x8c\x8a", 4);
    assert_int_equal(ws_close_write(room, WS_CLOSE_NORMAL, slice_of(long_text, sizeof long_text)), WS_CONTROL_ROOM - 3);
    assert_int_equal(room[WS_CONTROL_ROOM], '#');
}

/* RFC 6455 sections 7.4.1 and 7.4.2, and what is registered since: 1012 to 1014. */
static void test_close_codes(void **state)
{
    (void)state;
    for (unsigned code = 0; code < 65536; code++) {
        bool good = (code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006) ||
                    (code >= 3000 && code < 5000);
        assert_int_equal(ws_close_code_is_valid(code), good);
    }
}

/* ---- Masks ---- */

static void test_masks(void **state)
{
    (void)state;
    const uint8_t mask[4] = {0x37, 0xfa, 0x21, 0x3d};
    uint8_t hello[] = "\x7f\x9f\x4d\x51\x58";
    ws_mask(hello, 5, mask, 0);
    assert_memory_equal(hello, "Hello", 5); /* section 5.7 */
    for (size_t len = 0; len < 300; len++) {
        for (size_t offset = 0; offset < 5; offset++) {
            uint8_t *data = malloc(len ? len : 1);
            assert_non_null(data);
            for (size_t i = 0; i < len; i++)
                data[i] = (uint8_t)(i * 7);
            ws_mask(data, len, mask, UINT64_C(0x7ffffffffffffff0) + offset);
            for (size_t i = 0; i < len; i++)
                assert_int_equal(data[i], (uint8_t)(i * 7) ^ mask[(offset + i) % 4]);
            free(data);
        }
    }
}

/* At every address, in pieces. */
static void test_masks_pieces(void **state)
{
    (void)state;
    const uint8_t mask[4] = {1, 2, 4, 8};
    uint8_t data[256];
    for (size_t from = 0; from < 16; from++) {
        for (size_t cut = 0; cut < 200; cut++) {
            memset(data, 0x50, sizeof data);
            ws_mask(data + from, cut, mask, 0);
            ws_mask(data + from + cut, 200 - cut, mask, cut);
            for (size_t i = 0; i < sizeof data; i++)
                assert_int_equal(data[i], i < from || i >= from + 200 ? 0x50 : 0x50 ^ mask[(i - from) % 4]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_heads),          cmocka_unit_test(test_first_bytes), cmocka_unit_test(test_writes_heads),
        cmocka_unit_test(test_writes_control), cmocka_unit_test(test_close_codes), cmocka_unit_test(test_masks),
        cmocka_unit_test(test_masks_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
