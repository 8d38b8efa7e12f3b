/*
 * permessage-deflate: what a client sends compressed, cut anywhere, is inflated as zlib does it at once, within its
 * bound; and what is compressed here is what zlib inflates.
 *
 * The first byte of the input says what is done and how, the second how it is cut; the rest is the payload, or the
 * message.
 *
 * SPDX-License-Identifier: MIT
 */
#include "fuzz.h"
#include "web/websocket/session.h"

#include <zlib.h>

#define MESSAGE_MAX 20000

static struct {
    struct memory memory;
    struct ws_contexts contexts;
    bool open;
} world;

/* What has come of a message: its text, or the code that it has failed by. */
struct result {
    size_t len;
    unsigned code;
    char text[MESSAGE_MAX + 1];
};

/* ---- What zlib says ---- */

static bool is_text(const char *text, size_t len, bool whole)
{
    struct utf8 u = {0};
    return utf8_add(&u, text, len) && (!whole || utf8_is_whole(&u));
}

/* Inflates bytes behind those before. False: they cannot be. */
static bool reference_add(z_stream *z, const void *data, size_t len)
{
    z->next_in = (unsigned char *)(uintptr_t)data;
    z->avail_in = (unsigned)len;
    for (;;) {
        int result = inflate(z, Z_SYNC_FLUSH);
        if (result == Z_STREAM_END)
            result = inflateReset(z);
        if (result != Z_OK && result != Z_BUF_ERROR)
            return false;
        if (z->avail_in == 0 || z->avail_out == 0)
            return true;
    }
}

static void reference(struct result *r, const uint8_t *data, size_t size, size_t most, bool text)
{
    z_stream z = {.next_out = (unsigned char *)r->text, .avail_out = (unsigned)most + 1};
    FUZZ_CHECK(inflateInit2(&z, -15) == Z_OK);
    bool good = reference_add(&z, data, size), ended = good && size > 0 && z.total_in == 0;
    if (good && !ended && z.avail_out > 0)
        good = reference_add(&z, WS_DEFLATE_TAIL, WS_DEFLATE_TAIL_LEN);
    if (good && !ended && z.avail_out > 0)
        good = (z.data_type & 128) && (z.data_type & 7) == 0;
    r->len = most + 1 - z.avail_out;
    bool too_big = r->len > most;
    inflateEnd(&z);
    if (text && !is_text(r->text, too_big ? most : r->len, good && !too_big))
        r->code = 1007;
    else
        r->code = too_big ? 1009 : good ? 0 : 1007;
}

/* ---- What the session says ---- */

static void note(struct result *r, enum ws_event_kind kind, const struct ws_event *e, bool *last)
{
    FUZZ_CHECK(kind == WS_EVENT_MESSAGE || kind == WS_EVENT_FAILED);
    FUZZ_CHECK(!*last);
    if (kind == WS_EVENT_FAILED) {
        r->code = e->code;
        *last = true;
        return;
    }
    FUZZ_CHECK(e->first == (r->len == 0) || e->len == 0);
    FUZZ_CHECK(r->len + e->len <= MESSAGE_MAX);
    FUZZ_CHECK(!e->text || is_text(e->data, e->len, true));
    memcpy(r->text + r->len, e->data, e->len);
    r->len += e->len;
    *last = e->last;
}

/* Feeds the frames of a message to a session with buffers of some size. */
static void run(struct result *r, const char *frames, size_t size, size_t most, uint32_t seed)
{
    const struct ws_limits limits = {.max_message = most, .max_frame = UINT64_MAX};
    const struct ws_deflate agreed = {.flags = WS_DEFLATE_ON, .server_bits = 15, .client_bits = 15};
    size_t buf_size = seed % 3 ? WS_BUFFER_MIN : 4096, out_size = seed % 2 ? 300 : 30000;
    char *buf = malloc(buf_size), *out = malloc(out_size);
    struct ws_session s;
    struct ws_session_rest rest;
    struct ws_event e;
    enum ws_event_kind kind;
    bool last = false, whole = seed < 2;
    FUZZ_CHECK(buf && out);
    ws_session_open(&rest, &agreed, 0);
    ws_session_begin(&s, &rest, &limits, &world.contexts, buf, buf_size);
    ws_session_output(&s, out, out_size);
    for (;;) {
        size_t room, piece;
        while ((kind = ws_session_next(&s, &e)) != WS_EVENT_MORE && kind != WS_EVENT_OVER)
            note(r, kind, &e, &last);
        if (kind == WS_EVENT_OVER || size == 0)
            break;
        char *to = ws_session_room(&s, &room);
        piece = size < room ? size : room;
        piece = whole ? piece : fuzz_cut(&seed, piece);
        memcpy(to, frames, piece);
        ws_session_received(&s, piece);
        frames += piece;
        size -= piece;
    }
    FUZZ_CHECK(last && ws_session_is_idle(&s));
    FUZZ_CHECK(counter_read(&world.contexts.account.in_use) == 0);
    free(buf);
    free(out);
}

/* A client's frames around a payload, with a mask of zeros. */
static size_t frames_make(char *to, const uint8_t *data, size_t size, bool text, size_t most)
{
    char *from = to;
    unsigned first = WS_COMPRESSED | (text ? WS_TEXT : WS_BINARY);
    do {
        size_t len = size < most ? size : most;
        uint8_t *head = (uint8_t *)to;
        to += ws_head_write(head, first | (len == size ? WS_FIN : 0), len);
        head[1] |= 0x80;
        memset(to, 0, 4);
        memcpy(to + 4, data, len);
        to += 4 + len;
        data += len;
        size -= len;
        first = WS_CONTINUATION;
    } while (size > 0);
    return (size_t)(to - from);
}

static void check_inflate(const uint8_t *data, size_t size, unsigned how, uint32_t seed)
{
    static struct result right, told;
    size_t most = how & 1 ? 500 : MESSAGE_MAX, fragment = how & 2 ? 50 : size + 1;
    bool text = how & 4;
    reference(&right, data, size, most, text);
    if (size > most + most / 8 + 64)
        right.code = 1009;
    char *frames = malloc(size + (size / fragment + 1) * WS_READ_HEAD_MAX);
    FUZZ_CHECK(frames);
    size_t len = frames_make(frames, data, size, text, fragment);
    for (int i = 0; i < 3; i++, seed = seed * 5 + 2) {
        told.len = told.code = 0;
        run(&told, frames, len, most, seed);
        if (right.code == 1009 && size > most + most / 8 + 64)
            FUZZ_CHECK(told.code == 1009 || told.code == 1007); /* by its length, or by what came before that */
        else
            FUZZ_CHECK(told.code == right.code);
        if (right.code == 0)
            FUZZ_CHECK(told.len == right.len && memcmp(told.text, right.text, right.len) == 0);
    }
    free(frames);
}

/* ---- Compressing ---- */

static void check_message(const char *payload, size_t len, const uint8_t *data, size_t size)
{
    static struct result back;
    FUZZ_CHECK(size <= MESSAGE_MAX);
    reference(&back, (const uint8_t *)payload, len, MESSAGE_MAX, false);
    FUZZ_CHECK(back.code == 0 && back.len == size && memcmp(back.text, data, size) == 0);
}

static void check_deflate(const uint8_t *data, size_t size, unsigned how, uint32_t seed)
{
    unsigned bits = WS_BITS_MIN + how % 7;
    size_t room = size + size / 8 + 4096, rooms = how & 1 ? WS_DEFLATE_ROOM_MIN : 1000, len = 0, at = 0;
    struct ws_deflater *d = ws_deflater_take(&world.contexts, bits, how % 9 + 1);
    char *to = malloc(room);
    struct ws_deflating m;
    FUZZ_CHECK(d && to);
    ws_deflating_begin(&m, d);
    for (bool last = false; !last;) {
        size_t piece = at < size ? fuzz_cut(&seed, size - at) * (how & 4 ? 100 : 1) : 0;
        piece = piece < size - at ? piece : size - at;
        last = at + piece == size;
        struct compress_io io = {.in = (const char *)data + at, .in_len = piece};
        for (int more = 1; more;) {
            io.out = to + len;
            io.room = rooms;
            FUZZ_CHECK(room - len >= rooms);
            more = ws_deflating_run(&m, last, &io);
            FUZZ_CHECK(more >= 0);
            len = (size_t)(io.out - to);
        }
        at += piece;
    }
    check_message(to, len, data, size);
    ws_deflater_give(d);
    d = ws_deflater_take(&world.contexts, bits, how % 9 + 1);
    FUZZ_CHECK(d);
    char *exact = malloc(WS_WRITE_HEAD_MAX + size);
    FUZZ_CHECK(exact);
    struct slice message = slice_of((const char *)data, size);
    struct slice frame = ws_deflate_frame(&world.contexts, d, WS_BINARY, message, exact, WS_WRITE_HEAD_MAX + size);
    if (frame.len > 0) {
        size_t head = (uint8_t)frame.data[1] < 126 ? 2 : (uint8_t)frame.data[1] == 126 ? 4 : 10;
        FUZZ_CHECK(frame.len - head < size && ws_head_len(frame.len - head) == head);
        check_message(frame.data + head, frame.len - head, data, size);
    }
    ws_deflater_give(d);
    free(exact);
    free(to);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!world.open) {
        memory_init(&world.memory, 0);
        FUZZ_CHECK(!ws_deflate_ready());
        ws_contexts_open(&world.contexts, &world.memory, NULL, 15, 15);
        world.open = true;
    }
    if (size < 3 || size > MESSAGE_MAX)
        return 0;
    if (data[0] & 1)
        check_deflate(data + 2, size - 2, data[0] >> 1, data[1]);
    else
        check_inflate(data + 2, size - 2, data[0] >> 1, data[1]);
    return 0;
}
