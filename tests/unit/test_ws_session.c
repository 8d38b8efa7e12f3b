/*
 * A WebSocket's session: what RFC 6455 asks of a server that receives, sentence by sentence; whole, a byte at a time
 * and cut anywhere, in buffers of different sizes, all of which has to tell the same.
 *
 * SPDX-License-Identifier: MIT
 */
#include "ws_fixture.h"

static const struct ws_limits no_limits = {.max_message = UINT64_MAX, .max_frame = UINT64_MAX};
static const struct ws_deflate no_deflate = {0};
static struct ws_client client;
static struct ws_told told;

/* ---- The sentences ---- */

struct frame {
    uint8_t first;
    const char *payload;
    size_t len;
};

#define FRAME(first, payload)                                                                                          \
    {                                                                                                                  \
        first, payload, sizeof payload - 1                                                                             \
    }
#define TEXT(payload)   FRAME(0x81, payload)
#define BINARY(payload) FRAME(0x82, payload)
#define FIRST(payload)  FRAME(0x01, payload)
#define MIDDLE(payload) FRAME(0x00, payload)
#define LAST(payload)   FRAME(0x80, payload)
#define CLOSE(payload)  FRAME(0x88, payload)
#define PING(payload)   FRAME(0x89, payload)
#define PONG(payload)   FRAME(0x8a, payload)
#define TEN             "0123456789"
#define HUNDRED         TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN

static const struct {
    const char *sentence; /* of RFC 6455 */
    struct frame frames[8];
    const char *told;
    enum ws_state state;
} sentences[] = {
    {"5.7 a single-frame masked text message", {TEXT("Hello")}, "text:Hello;", WS_OPEN},
    {"5.7 a fragmented message", {FIRST("Hel"), LAST("lo")}, "text:Hello;", WS_OPEN},
    {"5.7 a masked Pong to a Ping", {PONG("Hello")}, "pong:Hello;", WS_OPEN},
    {"5.4 an unfragmented message consists of a single frame with the FIN bit set and an opcode other than 0",
     {BINARY("a"), TEXT(""), TEXT("b")},
     "binary:a;text:;text:b;",
     WS_OPEN},
    {"5.4 a fragmented message: zero or more frames with the FIN bit clear and the opcode set to 0",
     {FIRST("a"), MIDDLE("b"), MIDDLE(""), MIDDLE("c"), LAST("")},
     "text:abc;",
     WS_OPEN},
    {"5.4 control frames MAY be injected in the middle of a fragmented message",
     {FIRST("a"), PING("1"), MIDDLE("b"), PONG("2"), PING(""), LAST("c")},
     "ping:1;pong:2;ping:;text:abc;",
     WS_OPEN},
    {"5.4 control frames themselves MUST NOT be fragmented", {{0x09, "a", 1}, LAST("b")}, "failed 1002:;", WS_FAILED},
    {"5.4 the fragments of one message MUST NOT be interleaved with the fragments of another",
     {FIRST("a"), TEXT("b")},
     "failed 1002:;",
     WS_FAILED},
    {"5.4 likewise", {FIRST("a"), FIRST("b")}, "failed 1002:;", WS_FAILED},
    {"5.4 likewise", {FIRST("a"), {0x02, "b", 1}}, "failed 1002:;", WS_FAILED},
    {"5.4 a continuation has to continue something", {LAST("a")}, "failed 1002:;", WS_FAILED},
    {"5.4 likewise", {MIDDLE("a")}, "failed 1002:;", WS_FAILED},
    {"5.4 likewise, behind a message", {FIRST("a"), LAST("b"), LAST("c")}, "text:ab;failed 1002:;", WS_FAILED},
    {"5.4 all fragments of a message are of the same type, as set by the first",
     {{0x02, "\xff", 1}, LAST("\xff")},
     "binary:\xff\xff;",
     WS_OPEN},
    {"5.2 RSV MUST be 0 unless an extension is negotiated", {{0xc1, "a", 1}}, "failed 1002:;", WS_FAILED},
    {"5.2 likewise", {TEXT("a"), {0xa1, "a", 1}}, "text:a;failed 1002:;", WS_FAILED},
    {"5.2 likewise", {{0x91, "a", 1}}, "failed 1002:;", WS_FAILED},
    {"5.2 if an unknown opcode is received, fail", {{0x83, "a", 1}}, "failed 1002:;", WS_FAILED},
    {"5.2 likewise", {PING("a"), {0x8b, "a", 1}}, "ping:a;failed 1002:;", WS_FAILED},
    {"5.5 control frames MUST have a payload length of 125 bytes or less",
     {PING(HUNDRED TEN TEN "12345")},
     "ping:" HUNDRED TEN TEN "12345;",
     WS_OPEN},
    {"5.5 likewise", {PING(HUNDRED TEN TEN "123456")}, "failed 1002:;", WS_FAILED},
    {"5.5 likewise", {CLOSE("\x03\xe8" HUNDRED TEN TEN "1234")}, "failed 1002:;", WS_FAILED},
    {"5.5.1 the Close frame MAY contain a body", {CLOSE("")}, "close 1005:;", WS_CLOSE_RECEIVED},
    {"5.5.1 the first two bytes MUST be a status code", {CLOSE("\x03\xe8")}, "close 1000:;", WS_CLOSE_RECEIVED},
    {"5.5.1 likewise", {CLOSE("\x03")}, "failed 1002:;", WS_FAILED},
    {"5.5.1 following it, the body MAY contain UTF-8",
     {CLOSE("\x03\xe9"
            "bye \xe6\xb0\xb4")},
     "close 1001:bye \xe6\xb0\xb4;",
     WS_CLOSE_RECEIVED},
    {"5.5.1 the longest",
     {CLOSE("\x03\xe8" HUNDRED TEN TEN "123")},
     "close 1000:" HUNDRED TEN TEN "123;",
     WS_CLOSE_RECEIVED},
    {"8.1 a reason that is not UTF-8", {CLOSE("\x03\xe8\xff")}, "failed 1007:;", WS_FAILED},
    {"8.1 likewise",
     {CLOSE("\x03\xe8"
            "a\xe6\xb0")},
     "failed 1007:;",
     WS_FAILED},
    {"5.5.1 after a Close, a peer discards any further data",
     {CLOSE("\x03\xe8"), TEXT("a"), {0xff, "a", 1}},
     "close 1000:;",
     WS_CLOSE_RECEIVED},
    {"5.5.1 a Close may come within a message", {FIRST("a"), CLOSE("\x03\xe8")}, "close 1000:;", WS_CLOSE_RECEIVED},
    {"5.5.2 a Ping MAY include application data", {PING(""), PING("\xff\xfe")}, "ping:;ping:\xff\xfe;", WS_OPEN},
    {"5.5.3 a Pong MAY be sent unsolicited", {PONG("")}, "pong:;", WS_OPEN},
    {"5.6 text is UTF-8",
     {TEXT("\xce\xba\xe1\xbd\xb9\xf0\x9f\x8c\x8a")},
     "text:\xce\xba\xe1\xbd\xb9\xf0\x9f\x8c\x8a;",
     WS_OPEN},
    {"5.6 a text frame might include a partial UTF-8 sequence; the whole message MUST be valid",
     {FIRST("\xf0"), MIDDLE("\x9f\x8c"), PING(""), LAST("\x8a")},
     "ping:;text:\xf0\x9f\x8c\x8a;",
     WS_OPEN},
    {"8.1 a text that is not UTF-8: fail", {TEXT("a\xff")}, "failed 1007:;", WS_FAILED},
    {"8.1 likewise, a surrogate", {TEXT("\xed\xa0\x80")}, "failed 1007:;", WS_FAILED},
    {"8.1 likewise, it ends early", {TEXT("\xf0\x9f\x8c")}, "failed 1007:;", WS_FAILED},
    {"8.1 likewise, in fragments", {FIRST("\xf0\x9f"), LAST("\x8c")}, "failed 1007:;", WS_FAILED},
    {"8.1 likewise, by a further fragment", {FIRST("\xf0\x9f"), MIDDLE("a"), LAST("")}, "failed 1007:;", WS_FAILED},
    {"8.1 a text begins anew", {FIRST("\xc3"), LAST("\xa4"), TEXT("\xa4")}, "text:\xc3\xa4;failed 1007:;", WS_FAILED},
    {"5.6 binary is arbitrary", {BINARY("\xff\0\x80")}, NULL, WS_OPEN},
    {"7.4.2 codes of libraries and of programs", {CLOSE("\x0b\xb8")}, "close 3000:;", WS_CLOSE_RECEIVED},
    {"7.4.2 likewise", {CLOSE("\x13\x87")}, "close 4999:;", WS_CLOSE_RECEIVED},
    {"7.4.2 0-999 are not used", {CLOSE("\x03\xe7")}, "failed 1002:;", WS_FAILED},
    {"7.4.2 5000 and more are nobody's", {CLOSE("\x13\x88")}, "failed 1002:;", WS_FAILED},
    {"7.4.1 1004 is reserved", {CLOSE("\x03\xec")}, "failed 1002:;", WS_FAILED},
    {"7.4.1 1005 MUST NOT be set in a Close frame", {CLOSE("\x03\xed")}, "failed 1002:;", WS_FAILED},
    {"7.4.1 nor 1006", {CLOSE("\x03\xee")}, "failed 1002:;", WS_FAILED},
    {"7.4.1 nor 1015", {CLOSE("\x03\xf7")}, "failed 1002:;", WS_FAILED},
    {"7.1.7 nothing is read once it has failed",
     {{0x83, "a", 1}, TEXT("a"), CLOSE("\x03\xe8")},
     "failed 1002:;",
     WS_FAILED},
};

static size_t frames_add(const struct frame *frames)
{
    size_t count = 0;
    memset(&client, 0, offsetof(struct ws_client, bytes));
    for (; count < 8 && frames[count].payload; count++)
        ws_client_add(&client, frames[count].first, frames[count].payload, frames[count].len);
    return count;
}

/* Feeds what the client sends to a session with a buffer of its own. */
static void run(const struct ws_limits *limits, size_t size, unsigned seed, struct ws_session_rest *rest)
{
    struct ws_session s;
    char *buf = malloc(size);
    assert_non_null(buf);
    memset(&told, 0, offsetof(struct ws_told, text) + 1);
    told.len = told.whole = told.pieces = 0;
    told.open = false;
    ws_session_begin(&s, rest, limits, NULL, buf, size);
    ws_feed(&s, client.bytes, client.len, seed, &told);
    assert_true(ws_session_is_idle(&s));
    assert_int_equal(ws_session_used(&s), 0);
    free(buf);
}

static const size_t sizes[] = {WS_BUFFER_MIN, 300, 1024, 65536};
static const unsigned seeds[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};

static void test_sentences(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof sentences / sizeof *sentences; i++) {
        frames_add(sentences[i].frames);
        const char *right = sentences[i].told ? sentences[i].told : "";
        for (size_t j = 0; j < 4 * 10; j++) {
            struct ws_session_rest rest;
            ws_session_open(&rest, &no_deflate, 0);
            run(&no_limits, sizes[j % 4], seeds[j / 4], &rest);
            if (sentences[i].told && strcmp(told.text, right) != 0)
                fail_msg("%s: \"%s\" and not \"%s\" by %zu", sentences[i].sentence, told.text, right, j);
            if (rest.state != sentences[i].state)
                fail_msg("%s: state %u", sentences[i].sentence, rest.state);
            assert_int_equal(ws_may_send(&rest), rest.state == WS_OPEN);
            assert_int_equal(ws_must_close(&rest), rest.state != WS_OPEN);
        }
    }
}

/* What no client may send as a head: told by the first bytes that show it, before the rest has come. */
static void test_early(void **state)
{
    static const struct {
        const char *bytes;
        size_t len, shows;
        const char *right;
    } cases[] = {
        {"\x81\x05Hello", 7, 2, "failed 1002:;"},                            /* 5.1: no mask */
        {"\x81\xfe\0\x7d", 4, 4, "failed 1002:;"},                           /* 5.2: a length that is not minimal */
        {"\x81\xff\x80", 3, 3, "failed 1002:;"},                             /* 5.2: its highest bit */
        {"\x81\x90\0\0\0\0abc\xed\xa0", 11, 11, "failed 1007:;"},            /* 8.1: a surrogate, in the midst */
        {"\x01\x82\0\0\0\0ab\x00\x85\0\0\0\0\xff", 15, 15, "failed 1007:;"}, /* in a fragment */
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (size_t len = 0; len <= cases[i].len; len++) {
            struct ws_session s;
            struct ws_session_rest rest;
            char buf[WS_BUFFER_MIN];
            told.len = told.whole = 0;
            told.open = false;
            told.text[0] = '\0';
            ws_session_open(&rest, &no_deflate, 0);
            ws_session_begin(&s, &rest, &no_limits, NULL, buf, sizeof buf);
            ws_feed(&s, (const uint8_t *)cases[i].bytes, len, 0, &told);
            assert_string_equal(told.text, len < cases[i].shows ? "" : cases[i].right);
        }
    }
}

/* ---- Sizes ---- */

static void fill(char *text, size_t len)
{
    static const char some[] = "water \xe6\xb0\xb4 wave \xf0\x9f\x8c\x8a, \xc3\xa4";
    size_t one = sizeof some - 1, at = 0;
    for (; at + one <= len; at += one)
        memcpy(text + at, some, one);
    memset(text + at, '.', len - at);
}

/* Adds a message of some length in fragments of up to most bytes. */
static void add_message(bool text, const char *data, size_t len, size_t most)
{
    unsigned first = text ? WS_TEXT : WS_BINARY;
    do {
        size_t some = len < most ? len : most;
        ws_client_add(&client, first | (some == len ? WS_FIN : 0), data, some);
        first = WS_CONTINUATION;
        data += some;
        len -= some;
    } while (len > 0);
}

/* Messages of every kind of length, of which there are more than one in the buffer, or one in many buffers. */
static void test_sizes(void **state)
{
    static const size_t lens[] = {0, 1, 125, 126, 127, 200, 255, 256, 257, 300, 1000, 65535, 65536, 70000};
    static char data[70000], right[WS_INPUT];
    (void)state;
    for (unsigned round = 0; round < 12; round++) {
        size_t most = (const size_t[]){SIZE_MAX, 1000, 130, 7}[round % 4], right_len = 0;
        bool text = round % 3 != 0;
        memset(&client, 0, offsetof(struct ws_client, bytes));
        for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
            size_t len = most == 7 ? lens[i] / 8 : lens[i];
            fill(data, len);
            add_message(text, data, len, most);
            right_len += (size_t)snprintf(right + right_len, sizeof right - right_len, text ? "text:" : "binary:");
            memcpy(right + right_len, data, len);
            right_len += len;
            right[right_len++] = ';';
        }
        for (size_t j = 0; j < 4 * 3; j++) {
            struct ws_session_rest rest;
            ws_session_open(&rest, &no_deflate, 0);
            run(&no_limits, sizes[j % 4], seeds[j / 4], &rest);
            assert_int_equal(told.len, right_len);
            assert_memory_equal(told.text, right, right_len);
        }
    }
}

/* A message that lies whole in the buffer is told whole, from where it was received; in fragments it is put together;
 * and one that is larger comes in pieces of the buffer's size. */
static void test_pieces(void **state)
{
    (void)state;
    char buf[WS_BUFFER_MIN], data[1000];
    struct ws_session s;
    struct ws_session_rest rest;
    struct ws_event e;
    size_t room;
    memset(data, 'a', sizeof data);
    ws_session_open(&rest, &no_deflate, 0);
    ws_session_begin(&s, &rest, &no_limits, NULL, buf, sizeof buf);
    memset(&client, 0, offsetof(struct ws_client, bytes));
    add_message(true, data, 100, SIZE_MAX);
    add_message(true, data, 50, SIZE_MAX);
    add_message(true, data, 30, 10);
    assert_ptr_equal(ws_session_room(&s, &room), buf);
    assert_true(room == sizeof buf && client.len <= room);
    memcpy(buf, client.bytes, client.len);
    ws_session_received(&s, client.len);
    assert_int_equal(ws_session_next(&s, &e), WS_EVENT_MESSAGE);
    assert_true(e.first && e.last && e.text && e.len == 100 && e.data == buf + 6);
    assert_false(ws_session_is_idle(&s));
    assert_int_equal(ws_session_next(&s, &e), WS_EVENT_MESSAGE);
    assert_true(e.first && e.last && e.text && e.len == 50 && e.data == buf + 6 + 100 + 6);
    assert_int_equal(ws_session_next(&s, &e), WS_EVENT_MESSAGE);
    assert_true(e.first && e.last && e.text && e.len == 30 && e.data == buf + 6 + 100 + 6 + 50 + 6);
    assert_memory_equal(e.data, data, 30);
    assert_int_equal(ws_session_next(&s, &e), WS_EVENT_MORE);
    assert_true(ws_session_is_idle(&s));

    memset(&client, 0, offsetof(struct ws_client, bytes));
    told.pieces = 0;
    told.len = told.whole = 0;
    add_message(false, data, sizeof data, SIZE_MAX);
    ws_feed(&s, client.bytes, client.len, 0, &told);
    assert_int_equal(told.pieces, 4); /* 256 each, at most: the first is moved to the buffer's beginning */
    assert_int_equal(told.len, strlen("binary:;") + sizeof data);
}

/* What a session has goes over into another buffer, at any place of its input. */
static void test_moves(void **state)
{
    (void)state;
    static char data[400], large[2048], small[WS_BUFFER_MIN];
    char right[1000];
    memset(&client, 0, offsetof(struct ws_client, bytes));
    fill(data, 180);
    add_message(true, data, 180, 100);
    int len = snprintf(right, sizeof right, "text:%.180s;ping:ping;", data);
    ws_client_add(&client, 0x89, "ping", 4);
    fill(data, 200);
    add_message(true, data, 200, SIZE_MAX);
    snprintf(right + len, sizeof right - (size_t)len, "text:%.200s;", data);
    for (size_t cut = 0; cut <= client.len; cut++) {
        struct ws_session s;
        struct ws_session_rest rest;
        told.len = told.whole = 0;
        told.open = false;
        ws_session_open(&rest, &no_deflate, 0);
        ws_session_begin(&s, &rest, &no_limits, NULL, small, sizeof small);
        ws_feed(&s, client.bytes, cut, 0, &told);
        assert_true(ws_session_used(&s) < sizeof small);
        ws_session_move(&s, large, sizeof large);
        memset(small, '#', sizeof small);
        ws_feed(&s, client.bytes + cut, client.len - cut, 0, &told);
        assert_true(ws_session_is_idle(&s));
        assert_string_equal(told.text, right);
    }
}

/* ---- Limits ---- */

static void test_limits(void **state)
{
    static const struct {
        struct ws_limits limits;
        struct frame frames[8];
        const char *right;
    } cases[] = {
        {{10, 10, WS_ANY_KIND}, {TEXT(TEN)}, "text:" TEN ";"},
        {{10, 10, WS_ANY_KIND}, {TEXT(TEN "a")}, "failed 1009:;"},
        {{10, 5, WS_ANY_KIND}, {TEXT("123456")}, "failed 1009:;"},
        {{10, 5, WS_ANY_KIND}, {FIRST("12345"), LAST("67890"), TEXT("1")}, "text:1234567890;text:1;"},
        {{10, 5, WS_ANY_KIND}, {FIRST("12345"), MIDDLE("67890"), LAST("1")}, "failed 1009:;"},
        {{10, 5, WS_ANY_KIND}, {FIRST("12345"), MIDDLE("67890"), LAST("")}, "text:1234567890;"},
        {{0, 5, WS_ANY_KIND}, {TEXT(""), TEXT("a")}, "text:;failed 1009:;"},
        {{10, 1, WS_ANY_KIND}, {PING("123456"), TEXT("a")}, "ping:123456;text:a;"},
        {{10, 10, WS_TEXT_ALONE}, {TEXT("a"), BINARY("a")}, "text:a;failed 1003:;"},
        {{10, 10, WS_BINARY_ALONE}, {BINARY("a"), PING(""), TEXT("a")}, "binary:a;ping:;failed 1003:;"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        frames_add(cases[i].frames);
        for (size_t j = 0; j < 4 * 10; j++) {
            struct ws_session_rest rest;
            ws_session_open(&rest, &no_deflate, 0);
            run(&cases[i].limits, sizes[j % 4], seeds[j / 4], &rest);
            assert_string_equal(told.text, cases[i].right);
        }
    }
}

/* A length that is announced is refused at once, and no sum of lengths wraps. */
static void test_announced(void **state)
{
    static const char head[] = "\x82\xff\0\0\0\x01\0\0\0\0\0\0\0\0";
    static const char huge[] = "\x02\x81\0\0\0\0a\x00\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0";
    const struct ws_limits limits = {.max_message = 1 << 20, .max_frame = UINT64_MAX};
    char buf[WS_BUFFER_MIN];
    struct ws_session s;
    struct ws_session_rest rest;
    (void)state;
    for (int i = 0; i < 2; i++) {
        told.len = told.whole = 0;
        told.open = false;
        ws_session_open(&rest, &no_deflate, 0);
        ws_session_begin(&s, &rest, &limits, NULL, buf, sizeof buf);
        ws_feed(&s, (const uint8_t *)(i ? huge : head), i ? sizeof huge - 1 : sizeof head - 1, 0, &told);
        assert_string_equal(told.text, "failed 1009:;");
    }
    ws_session_open(&rest, &no_deflate, 0);
    ws_session_begin(&s, &rest, &no_limits, NULL, buf, sizeof buf);
    told.len = told.whole = 0;
    told.text[0] = '\0';
    ws_feed(&s, (const uint8_t *)huge, sizeof huge - 1, 0, &told);
    assert_string_equal(told.text, ""); /* without limits it may come */
    /* as many as can be counted */
    for (int i = 0; i < 3; i++) {
        ws_session_begin(&s, &rest, &no_limits, NULL, buf, sizeof buf);
        s.message = WS_BINARY;
        s.message_len = UINT64_MAX - 5 + (unsigned)i * 2;
        struct ws_event e;
        memcpy(ws_session_room(&s, &(size_t){0}), "\x80\x83\0\0\0\0abc", 9);
        ws_session_received(&s, 9);
        assert_int_equal(ws_session_next(&s, &e), i < 2 ? WS_EVENT_MESSAGE : WS_EVENT_FAILED);
    }
}

/* ---- Closing ---- */

static void check_close(const char *sent_first, unsigned seed, enum ws_state state, const char *right)
{
    struct ws_session_rest rest;
    ws_session_open(&rest, &no_deflate, 0);
    if (sent_first)
        ws_close_sent(&rest);
    run(&no_limits, 1024, seed, &rest);
    assert_string_equal(told.text, right);
    assert_int_equal(rest.state, state);
}

static void test_closing(void **state)
{
    struct ws_session_rest rest;
    (void)state;
    /* the client begins, and the server answers */
    frames_add((const struct frame[8]){CLOSE("\x03\xe8"
                                             "bye")});
    ws_session_open(&rest, &no_deflate, 0);
    run(&no_limits, 1024, 0, &rest);
    assert_true(rest.state == WS_CLOSE_RECEIVED && rest.close_code == 1000 && ws_must_close(&rest));
    ws_close_sent(&rest);
    assert_true(rest.state == WS_CLOSED && !ws_must_close(&rest) && !ws_may_send(&rest));
    /* the server begins: what is under way is still told */
    frames_add((const struct frame[8]){TEXT("late"), CLOSE("\x03\xe8"), TEXT("later")});
    check_close("", 0, WS_CLOSED, "text:late;close 1000:;");
    check_close("", 3, WS_CLOSED, "text:late;close 1000:;");
    frames_add((const struct frame[8]){TEXT("late"), PING("")});
    check_close("", 0, WS_CLOSE_SENT, "text:late;ping:;");
    /* and no second Close goes out for what is wrong then */
    frames_add((const struct frame[8]){TEXT("\xff")});
    check_close("", 0, WS_CLOSED, "failed 1007:;");
    /* the protocol fails */
    ws_session_open(&rest, &no_deflate, 0);
    run(&no_limits, 1024, 0, &rest);
    assert_true(rest.state == WS_FAILED && rest.close_code == 1007 && ws_must_close(&rest));
    ws_close_sent(&rest);
    assert_int_equal(rest.state, WS_CLOSED);
}

/* An idle socket is its rest, 8 bytes: a session begins anew whenever something comes. */
static void test_rests(void **state)
{
    (void)state;
    struct ws_session_rest rest;
    ws_session_open(&rest, &no_deflate, 0);
    for (unsigned i = 0; i < 5; i++) {
        frames_add((const struct frame[8]){TEXT("a"), FIRST("b"), LAST("c")});
        run(&no_limits, sizes[i % 4], i, &rest);
        assert_string_equal(told.text, "text:a;text:bc;");
    }
    /* not idle: a message is open, a head is cut, a payload is */
    for (size_t cut = 1; cut < client.len; cut++) {
        char buf[WS_BUFFER_MIN];
        struct ws_session s;
        told.len = told.whole = 0;
        told.open = false;
        ws_session_begin(&s, &rest, &no_limits, NULL, buf, sizeof buf);
        ws_feed(&s, client.bytes, cut, 0, &told);
        assert_int_equal(ws_session_is_idle(&s), cut == 7);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sentences), cmocka_unit_test(test_early),   cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_pieces),    cmocka_unit_test(test_moves),   cmocka_unit_test(test_limits),
        cmocka_unit_test(test_announced), cmocka_unit_test(test_closing), cmocka_unit_test(test_rests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
