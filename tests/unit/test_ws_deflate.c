/*
 * permessage-deflate below the wire: the examples of RFC 7692 section 7.2.3, messages of zlib's and for zlib, whole, in
 * fragments and cut anywhere, bounds, bombs, and contexts that come back.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web_fixture.h"
#include "ws_fixture.h"

#include "web/compress/library.h"

#include <zlib.h>

#define MESSAGE ((size_t)100000)

static struct ws_client client;
static struct ws_told told;
static const struct ws_limits no_limits = {.max_message = UINT64_MAX, .max_frame = UINT64_MAX};

struct world {
    struct fixture f;
    struct account parent;
    struct ws_contexts contexts;
};

static void world_open(struct world *w, uint64_t bound, unsigned server_bits, unsigned client_bits)
{
    memset(w, 0, sizeof *w);
    fixture_open(&w->f);
    account_open_shared(&w->parent, &w->f.memory, "websocket", NULL, bound);
    assert_null(ws_deflate_ready());
    ws_contexts_open(&w->contexts, &w->f.memory, &w->parent, server_bits, client_bits);
}

static void world_close(struct world *w)
{
    assert_int_equal(counter_read(&w->contexts.account.in_use), 0);
    ws_contexts_close(&w->contexts);
    account_close(&w->parent);
    fixture_close(&w->f);
}

static void rest_open(struct ws_session_rest *rest, bool takeover)
{
    const struct ws_deflate agreed = {
        .flags = (uint8_t)(WS_DEFLATE_ON | (takeover ? WS_CLIENT_TAKEOVER : 0)), .server_bits = 15, .client_bits = 15};
    ws_session_open(rest, &agreed, 0);
}

static void clear(void)
{
    memset(&client, 0, offsetof(struct ws_client, bytes));
    told.len = told.whole = told.pieces = 0;
    told.open = false;
    told.text[0] = '\0';
}

/* Feeds a session that has buffers of some sizes; it is idle behind what has come whole, and has no context. */
static void run(struct world *w, const struct ws_limits *limits, size_t size, size_t out_size, unsigned seed)
{
    struct ws_session s;
    struct ws_session_rest rest;
    char *buf = malloc(size), *out = malloc(out_size);
    assert_true(buf && out);
    told.len = told.whole = told.pieces = 0;
    told.open = false;
    told.text[0] = '\0';
    rest_open(&rest, false);
    ws_session_begin(&s, &rest, limits, &w->contexts, buf, size);
    ws_session_output(&s, out, out_size);
    ws_feed(&s, client.bytes, client.len, seed, &told);
    assert_true(ws_session_is_idle(&s));
    assert_int_equal(counter_read(&w->contexts.account.in_use), 0);
    free(buf);
    free(out);
}

static const size_t sizes[] = {WS_BUFFER_MIN, 300, 1024, 65536};

/* ---- The examples of RFC 7692, and what is wrong ---- */

struct frame {
    uint8_t first;
    const char *payload;
    size_t len;
};

#define F(first, payload)                                                                                              \
    {                                                                                                                  \
        first, payload, sizeof payload - 1                                                                             \
    }
#define HELLO "\xf2\x48\xcd\xc9\xc9\x07\x00"

static const struct {
    const char *sentence;
    struct frame frames[6];
    const char *told;
} sentences[] = {
    {"7.2.3.1 one compressed DEFLATE block", {F(0xc1, HELLO)}, "text:Hello;"},
    {"7.2.3.1 in two frames", {F(0x41, "\xf2\x48\xcd"), F(0x80, "\xc9\xc9\x07\x00")}, "text:Hello;"},
    {"7.2.3.1 and a control frame between",
     {F(0x41, "\xf2\x48\xcd"), F(0x89, "a"), F(0x00, ""), F(0x80, "\xc9\xc9\x07\x00")},
     "ping:a;text:Hello;"},
    {"7.2.3.3 a block without compression", {F(0xc1, "\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00")}, "text:Hello;"},
    {"7.2.3.4 a block with BFINAL", {F(0xc1, "\xf3\x48\xcd\xc9\xc9\x07\x00\x00")}, "text:Hello;"},
    {"7.2.3.4 without the octet behind it", {F(0xc1, "\xf3\x48\xcd\xc9\xc9\x07\x00")}, "text:Hello;"},
    {"7.2.3.5 two blocks in one message",
     {F(0xc1, "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00")},
     "text:Hello;"},
    {"7.2.3.6 an empty message", {F(0xc1, "\x00")}, "text:;"},
    {"6 messages that are not compressed", {F(0x81, "a"), F(0xc1, HELLO), F(0x82, "b")}, "text:a;text:Hello;binary:b;"},
    {"6 in fragments, not compressed", {F(0x01, "a"), F(0x80, "b"), F(0xc2, HELLO)}, "text:ab;binary:Hello;"},
    {"6.1 RSV1 of a further fragment", {F(0x41, "\xf2\x48\xcd"), F(0xc0, "\xc9\xc9\x07\x00")}, "failed 1002:;"},
    {"6.1 RSV1 of a control frame", {F(0xc9, "")}, "failed 1002:;"},
    {"7.2.2 nothing", {F(0xc1, "")}, "failed 1007:;"},
    {"7.2.2 what no compressor makes", {F(0xc1, "\xff\xff\xff")}, "failed 1007:;"},
    {"7.2.2 a message that is cut", {F(0xc1, "\xf2\x48\xcd\xc9")}, "failed 1007:;"},
    {"7.2.2 in a block without compression", {F(0xc1, "\x00\x05\x00\xfa\xff\x48\x65")}, "failed 1007:;"},
    {"7.2.2 with its tail", {F(0xc1, HELLO "\x00\xff\xff")}, "failed 1007:;"},
    {"7.1.1 what refers to a message before, without takeover",
     {F(0xc1, HELLO), F(0xc1, "\xf2\x00\x11\x00\x00")},
     "text:Hello;failed 1007:;"},
    {"8.1 text that is not UTF-8",
     {F(0xc1, "\x00\x02\x00\xfd\xff"
              "a\xff\x00")},
     "failed 1007:;"},
    {"8.1 text that ends early",
     {F(0xc1, "\x00\x02\x00\xfd\xff"
              "a\xc3\x00")},
     "failed 1007:;"},
    {"8.1 and binary",
     {F(0xc2, "\x00\x02\x00\xfd\xff"
              "a\xff\x00")},
     "binary:a\xff;"},
    {"a character in two blocks",
     {F(0xc1, "\x00\x02\x00\xfd\xff"
              "a\xc3\x00\x01\x00\xfe\xff\xa4\x00")},
     "text:a\xc3\xa4;"},
};

static void test_sentences(void **state)
{
    struct world w;
    (void)state;
    world_open(&w, 0, 15, 15);
    for (size_t i = 0; i < sizeof sentences / sizeof *sentences; i++) {
        clear();
        for (size_t j = 0; j < 6 && sentences[i].frames[j].payload; j++) {
            const struct frame *f = &sentences[i].frames[j];
            ws_client_add(&client, f->first, f->payload, f->len);
        }
        for (unsigned j = 0; j < 4 * 10; j++) {
            run(&w, &no_limits, sizes[j % 4], sizes[j / 4 % 4], j / 4);
            if (strcmp(told.text, sentences[i].told) != 0)
                fail_msg("%s: \"%s\" and not \"%s\"", sentences[i].sentence, told.text, sentences[i].told);
        }
    }
    world_close(&w);
}

/* Section 7.2.3.2: a message that refers to the one before, with takeover. */
static void test_takeover(void **state)
{
    struct world w;
    struct ws_session s;
    struct ws_session_rest rest;
    char buf[WS_BUFFER_MIN], out[WS_BUFFER_MIN];
    (void)state;
    world_open(&w, 0, 15, 15);
    clear();
    ws_client_add(&client, 0xc1, HELLO, sizeof HELLO - 1);
    ws_client_add(&client, 0xc1, "\xf2\x00\x11\x00\x00", 5);
    for (int again = 0; again < 2; again++) {
        told.len = told.whole = 0;
        rest_open(&rest, true);
        ws_session_begin(&s, &rest, &no_limits, &w.contexts, buf, sizeof buf);
        ws_session_output(&s, out, sizeof out);
        ws_feed(&s, client.bytes, client.len, 0, &told);
        assert_string_equal(told.text, "text:Hello;text:Hello;");
        assert_true(ws_session_is_between(&s) && !ws_session_is_idle(&s));
        assert_int_equal(counter_read(&w.contexts.account.objects), 1);
        ws_session_output(&s, NULL, 0);
        ws_session_end(&s);
        assert_true(ws_session_is_idle(&s));
    }
    world_close(&w);
}

/* ---- What zlib makes, and what is made for it ---- */

static unsigned next(unsigned *random)
{
    return *random = (unsigned)((uint64_t)*random * 48271 % 2147483647);
}

static void fill(char *data, size_t len, int kind)
{
    unsigned random = 7;
    for (size_t i = 0; i < len; i++) {
        unsigned n = next(&random) >> 7;
        data[i] = kind == 0   ? (char)n
                  : kind == 1 ? 'a'
                  : kind == 2 ? "abcdefgh"[n % 8]
                              : "{\"id\":1234,\"name\":\"somebody\",\"on\":true},"[(i + (n % 50 == 0)) % 40];
    }
}

/* What a client's zlib makes of a message, without the tail; flushed now and then. */
static size_t deflated(z_stream *z, const char *data, size_t len, char *to, size_t room)
{
    unsigned random = (unsigned)len + 1;
    z->next_in = (unsigned char *)(uintptr_t)data;
    z->next_out = (unsigned char *)to;
    z->avail_out = (unsigned)room;
    for (size_t at = 0; at < len;) {
        size_t piece = next(&random) % 9000 + 1;
        piece = piece < len - at ? piece : len - at;
        z->avail_in = (unsigned)piece;
        at += piece;
        assert_int_equal(deflate(z, at == len || random % 3 == 0 ? Z_SYNC_FLUSH : Z_NO_FLUSH), Z_OK);
        assert_int_equal(z->avail_in, 0);
    }
    size_t made = room - z->avail_out;
    assert_true(made >= 4 && memcmp(to + made - 4, WS_DEFLATE_TAIL, 4) == 0);
    return made - 4;
}

/* What is read of clients' messages, of every window, level and kind. */
static void test_inflates(void **state)
{
    static const size_t lens[] = {1, 5, 100, 255, 256, 257, 300, 1024, 5000, 65536, MESSAGE};
    struct world w;
    static char data[MESSAGE], room[MESSAGE * 2], right[WS_INPUT];
    (void)state;
    world_open(&w, 0, 9, 15);
    for (unsigned round = 0; round < 4 * 6; round++) {
        z_stream z = {0};
        size_t right_len = 0;
        clear();
        assert_int_equal(deflateInit2(&z, (int)(round % 9) + 1, Z_DEFLATED, -(int)(9 + round % 7), 8, 0), Z_OK);
        for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
            fill(data, lens[i], (int)(round % 4));
            size_t len = deflated(&z, data, lens[i], room, sizeof room), cut = round % 3 ? len / 3 : len;
            ws_client_add(&client, cut < len ? 0x42 : 0xc2, room, cut);
            if (cut < len)
                ws_client_add(&client, 0x80, room + cut, len - cut);
            deflateReset(&z);
            right_len += (size_t)snprintf(right + right_len, sizeof right - right_len, "binary:");
            memcpy(right + right_len, data, lens[i]);
            right_len += lens[i];
            right[right_len++] = ';';
        }
        deflateEnd(&z);
        run(&w, &no_limits, sizes[round % 4], sizes[round / 4 % 4], round / 2);
        assert_int_equal(told.len, right_len);
        assert_memory_equal(told.text, right, right_len);
        /* one that fits the output exactly is told whole */
        if (sizes[round / 4 % 4] == 65536 && sizes[round % 4] == 65536)
            assert_int_equal(told.pieces, 12);
    }
    assert_true(counter_read(&w.contexts.messages_in) == 24 * 11 && counter_read(&w.contexts.missing) == 0);
    assert_true(counter_read(&w.contexts.plain_in) > counter_read(&w.contexts.compressed_in));
    world_close(&w);
}

static void check_inflates(z_stream *z, const char *payload, size_t len, const char *data, size_t data_len)
{
    static char back[MESSAGE + 1];
    z->next_out = (unsigned char *)back;
    z->avail_out = sizeof back;
    z->next_in = (unsigned char *)(uintptr_t)payload;
    z->avail_in = (unsigned)len;
    int result = inflate(z, Z_SYNC_FLUSH);
    assert_true((result == Z_OK || result == Z_BUF_ERROR) && z->avail_in == 0);
    z->next_in = (unsigned char *)(uintptr_t)WS_DEFLATE_TAIL;
    z->avail_in = WS_DEFLATE_TAIL_LEN;
    assert_int_equal(inflate(z, Z_SYNC_FLUSH), Z_OK);
    assert_true(z->avail_in == 0 && (z->data_type & 128));
    assert_int_equal(sizeof back - z->avail_out, data_len);
    assert_memory_equal(back, data, data_len);
}

/* Compresses a message piece by piece, into rooms of some size. */
static size_t deflated_here(struct ws_deflater *d, const char *data, size_t len, char *to, size_t room)
{
    struct ws_deflating m;
    unsigned random = 11;
    char *from = to;
    ws_deflating_begin(&m, d);
    for (size_t at = 0;;) {
        size_t piece = next(&random) % 5000;
        piece = piece < len - at ? piece : len - at;
        bool last = at + piece == len;
        struct compress_io io = {.in = data + at, .in_len = piece};
        int more;
        do {
            char *guard = to + room;
            char before = *guard;
            io.out = to;
            io.room = room;
            more = ws_deflating_run(&m, last, &io);
            assert_true(more >= 0 && io.out + io.room == to + room);
            assert_int_equal(*guard, before);
            to = io.out;
        } while (more);
        assert_int_equal(io.in_len, 0);
        at += piece;
        if (last)
            break;
    }
    assert_int_equal(m.in, len);
    assert_int_equal(m.out, (size_t)(to - from));
    return (size_t)(to - from);
}

static void test_deflates(void **state)
{
    static const size_t lens[] = {1, 0, 5, 100, 0, 300, 5000, 65536, MESSAGE};
    struct world w;
    static char data[MESSAGE], room[MESSAGE * 2];
    (void)state;
    world_open(&w, 0, 15, 15);
    for (unsigned bits = WS_BITS_MIN; bits <= WS_BITS_MAX; bits++) {
        for (unsigned round = 0; round < 8; round++) {
            struct ws_deflater *d = ws_deflater_take(&w.contexts, bits, round % 9 + 1);
            z_stream z = {0};
            assert_non_null(d);
            assert_int_equal(inflateInit2(&z, -(int)bits), Z_OK);
            for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
                fill(data, lens[i], (int)(round % 4));
                size_t len = deflated_here(d, data, lens[i], room, i % 2 ? WS_DEFLATE_ROOM_MIN : 4096);
                check_inflates(&z, room, len, data, lens[i]);
                if (round < 4) { /* without takeover */
                    inflateReset(&z);
                    ws_deflater_give(d);
                    d = ws_deflater_take(&w.contexts, bits, round % 9 + 1);
                    assert_non_null(d);
                }
            }
            assert_null(d->context.beyond);
            inflateEnd(&z);
            ws_deflater_give(d);
        }
    }
    world_close(&w);
}

/* Whole frames, for many sockets. */
static void test_frames(void **state)
{
    struct world w;
    static char data[MESSAGE], room[MESSAGE + WS_WRITE_HEAD_MAX];
    static const size_t lens[] = {1, 63, 64, 70, 120, 130, 1000, 20000, MESSAGE};
    (void)state;
    world_open(&w, 0, 12, 15);
    struct ws_deflater *d = ws_deflater_take(&w.contexts, 15, 5); /* the pool has room for 12 */
    z_stream z = {0};
    assert_non_null(d);
    assert_int_equal(inflateInit2(&z, -12), Z_OK);
    for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
        for (int kind = 0; kind < 4; kind++) {
            fill(data, lens[i], kind);
            struct slice frame =
                ws_deflate_frame(&w.contexts, d, WS_TEXT, slice_of(data, lens[i]), room, WS_WRITE_HEAD_MAX + lens[i]);
            if (kind == 0 || lens[i] < WS_DEFLATE_ROOM_MIN) { /* nothing is to be gained */
                assert_int_equal(frame.len, 0);
                inflateReset(&z);
                continue;
            }
            assert_true(frame.len > 0 && frame.data + frame.len <= room + sizeof room);
            const uint8_t *head = (const uint8_t *)frame.data;
            assert_int_equal(head[0], 0xc1);
            size_t head_len = head[1] < 126 ? 2 : head[1] == 126 ? 4 : 10;
            assert_int_equal(ws_head_len(frame.len - head_len), head_len);
            check_inflates(&z, frame.data + head_len, frame.len - head_len, data, lens[i]);
        }
    }
    assert_int_equal(counter_read(&w.contexts.messages_out), 7 * 3);
    inflateEnd(&z);
    ws_deflater_give(d);
    world_close(&w);
}

/* ---- Bounds ---- */

/* Adds a message of so many bytes, compressed as well as it can be. */
static void add_bomb(size_t len, size_t most)
{
    static char zeros[1 << 20], room[1 << 16];
    z_stream z = {.next_in = (unsigned char *)zeros, .avail_in = (unsigned)len};
    assert_true(len <= sizeof zeros);
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, -15, 8, 0), Z_OK);
    z.next_out = (unsigned char *)room;
    z.avail_out = sizeof room;
    assert_int_equal(deflate(&z, Z_SYNC_FLUSH), Z_OK);
    size_t made = sizeof room - z.avail_out - 4, at = 0;
    deflateEnd(&z);
    do {
        size_t some = made - at < most ? made - at : most;
        unsigned flags = (at == 0 ? WS_COMPRESSED | WS_BINARY : 0) | (at + some == made ? WS_FIN : 0u);
        ws_client_add(&client, flags, room + at, some);
        at += some;
    } while (at < made);
}

/* A bomb goes off within the limit: what it would become is not made. */
static void test_bombs(void **state)
{
    static const struct {
        size_t len;
        uint64_t limit;
        bool good;
    } cases[] = {
        {1000000, 1000000, true},
        {1000000, 999999, false},
        {1000, 1000, true},
        {1001, 1000, false},
        {1000000, UINT64_MAX, true},
        {1000000, 1000, false},
        {300, 256, false},
        {256, 256, true},
        {1, 0, false},
        {512, 512, true},
        {513, 512, false},
    };
    struct world w;
    (void)state;
    world_open(&w, 0, 15, 15);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct ws_limits limits = {.max_message = cases[i].limit, .max_frame = UINT64_MAX};
        for (unsigned j = 0; j < 4 * 3; j++) {
            clear();
            add_bomb(cases[i].len, j % 3 == 0 ? 10 : SIZE_MAX);
            run(&w, &limits, sizes[j % 4], sizes[j / 3], j / 4);
            assert_true(cases[i].good == (strstr(told.text, "failed") == NULL));
            if (!cases[i].good)
                assert_string_equal(told.text, "failed 1009:;");
            else
                assert_int_equal(told.len, strlen("binary:;") + cases[i].len);
        }
    }
    world_close(&w);
}

/* Blocks of nothing, that never become anything, come to an end as well. */
static void test_nothing_for_ever(void **state)
{
    struct world w;
    char nothing[500];
    (void)state;
    world_open(&w, 0, 15, 15);
    clear();
    for (size_t i = 0; i < sizeof nothing; i += 5)
        memcpy(nothing + i, "\0\0\0\xff\xff", 5);
    ws_client_add(&client, 0x42, nothing, sizeof nothing);
    for (int i = 0; i < 10; i++)
        ws_client_add(&client, 0x00, nothing, sizeof nothing);
    run(&w, &(struct ws_limits){.max_message = 1000, .max_frame = UINT64_MAX}, 1024, 256, 0);
    assert_string_equal(told.text, "failed 1009:;");
    world_close(&w);
}

/* Without an output, and without a context, nothing is read; then it goes on. */
static void test_starves(void **state)
{
    struct world w;
    struct ws_session s;
    struct ws_session_rest rest;
    struct ws_event e;
    char buf[WS_BUFFER_MIN], out[WS_BUFFER_MIN];
    size_t room;
    (void)state;
    world_open(&w, 128 << 10, 9, 15);
    struct ws_inflater *others[8];
    size_t count = 0;
    while (count < 8 && (others[count] = ws_inflater_take(&w.contexts)) != NULL)
        count++;
    assert_true(count > 0 && count < 8);
    assert_null(ws_deflater_take(&w.contexts, 15, 5));
    assert_int_equal(counter_read(&w.contexts.missing), 2);
    clear();
    ws_client_add(&client, 0xc1, HELLO, sizeof HELLO - 1);
    rest_open(&rest, false);
    ws_session_begin(&s, &rest, &no_limits, &w.contexts, buf, sizeof buf);
    memcpy(ws_session_room(&s, &room), client.bytes, client.len);
    ws_session_received(&s, client.len);
    for (int i = 0; i < 2; i++)
        assert_int_equal(ws_session_next(&s, &e), WS_EVENT_OUTPUT);
    ws_session_output(&s, out, sizeof out);
    for (int i = 0; i < 2; i++)
        assert_int_equal(ws_session_next(&s, &e), WS_EVENT_STARVED);
    assert_false(ws_session_is_idle(&s));
    ws_inflater_give(others[--count]);
    assert_int_equal(ws_session_next(&s, &e), WS_EVENT_MESSAGE);
    assert_true(e.first && e.last && e.text && e.len == 5 && memcmp(e.data, "Hello", 5) == 0);
    assert_true(ws_session_is_idle(&s));
    while (count > 0)
        ws_inflater_give(others[--count]);
    /* what rests in one pool makes room for the other */
    struct ws_deflater *d = ws_deflater_take(&w.contexts, 9, 5);
    assert_non_null(d);
    ws_deflater_give(d);
    world_close(&w);
}

static bool no_memory(void *arg, const struct account *account, size_t size)
{
    (void)arg;
    (void)account;
    (void)size;
    return true;
}

/* Contexts that are refused, and those of pools that are not open. */
static void test_no_memory(void **state)
{
    struct world w;
    (void)state;
    world_open(&w, 0, 15, 15);
    w.f.memory.fault = no_memory;
    assert_null(ws_inflater_take(&w.contexts));
    assert_null(ws_deflater_take(&w.contexts, 15, 5));
    w.f.memory.fault = fixture_fault;
    struct ws_inflater *i = ws_inflater_take(&w.contexts);
    assert_non_null(i);
    ws_inflater_give(i);
    struct ws_contexts closed = {0};
    assert_null(ws_inflater_take(&closed));
    assert_null(ws_deflater_take(&closed, 15, 5));
    ws_contexts_close(&closed);
    world_close(&w);
}

/* The blocks suffice for zlib, of every window. */
static void test_sizes(void **state)
{
    (void)state;
    const struct ws_deflate_settings usual = WS_DEFLATE_USUAL;
    assert_in_range(ws_context_size(WS_DEFLATERS, usual.server_bits), 38000, 39500);
    assert_in_range(ws_context_size(WS_INFLATERS, usual.client_bits), 40000, 41500);
    for (unsigned bits = WS_BITS_MIN; bits <= WS_BITS_MAX; bits++) {
        struct world w;
        static char data[MESSAGE];
        world_open(&w, 0, bits, bits);
        struct ws_deflater *d = ws_deflater_take(&w.contexts, bits, 9);
        struct ws_inflater *i = ws_inflater_take(&w.contexts);
        static char room[MESSAGE * 2], back[MESSAGE];
        assert_true(d && i);
        fill(data, sizeof data, 3);
        size_t len = deflated_here(d, data, sizeof data, room, 4096);
        struct compress_io io = {.in = room, .in_len = len, .out = back, .room = sizeof back};
        while (io.in_len > 0) { /* by little room, so that the window is wanted */
            struct compress_io some = {
                .in = io.in, .in_len = io.in_len < 100 ? io.in_len : 100, .out = io.out, .room = 64};
            if (some.room > io.room)
                some.room = io.room;
            size_t in_len = some.in_len, out_room = some.room;
            assert_int_equal(ws_inflate(i, &some), ZLIB_INFLATED);
            io.in_len -= in_len - some.in_len;
            io.in += in_len - some.in_len;
            io.out += out_room - some.room;
            io.room -= out_room - some.room;
        }
        assert_null(d->context.beyond);
        assert_null(i->context.beyond);
        ws_deflater_give(d);
        ws_inflater_give(i);
        world_close(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sentences), cmocka_unit_test(test_takeover),         cmocka_unit_test(test_inflates),
        cmocka_unit_test(test_deflates),  cmocka_unit_test(test_frames),           cmocka_unit_test(test_bombs),
        cmocka_unit_test(test_starves),   cmocka_unit_test(test_nothing_for_ever), cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
