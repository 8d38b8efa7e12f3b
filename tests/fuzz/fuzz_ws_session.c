/*
 * The session of a WebSocket: whatever a client sends, cut anywhere, in buffers of different sizes that change
 * meanwhile, what is told is what a reader tells that has all of it at once and is written from RFC 6455.
 *
 * The first byte of the input says which limits there are, the second how it is cut.
 *
 * SPDX-License-Identifier: MIT
 */
#include "fuzz.h"
#include "web/websocket/session.h"

/* Text that says what was told: complete messages and control frames. */
struct told {
    char *text;
    size_t len;
};

static void put(struct told *t, const void *data, size_t len)
{
    if (len > 0)
        memcpy(t->text + t->len, data, len);
    t->len += len;
}

static void put_end(struct told *t, char kind, unsigned code, const void *data, size_t len)
{
    const char head[3] = {kind, (char)(code >> 8), (char)code};
    put(t, head, sizeof head);
    put(t, data, len);
    put(t, ";", 1);
}

/* ---- The reader ---- */

/* Whether bytes begin a text, or are one: code points as their values say it. */
static bool reference_text(const uint8_t *text, size_t len, bool whole)
{
    for (size_t at = 0; at < len;) {
        uint32_t first = text[at], least = 0, most = 0;
        size_t need = first < 0x80 ? 1 : first < 0xc0 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf8 ? 4 : 0;
        if (need == 0)
            return false;
        least = most = need == 1 ? first : first & (0xffu >> (need + 1));
        for (size_t i = 1; i < need; i++) {
            bool there = at + i < len;
            if (there && (text[at + i] & 0xc0) != 0x80)
                return false;
            least = least << 6 | (there ? text[at + i] & 0x3f : 0);
            most = most << 6 | (there ? text[at + i] & 0x3f : 0x3f);
        }
        static const uint32_t shortest[] = {0, 0, 0x80, 0x800, 0x10000};
        if (most < shortest[need] || least > 0x10ffff || (least >= 0xd800 && most <= 0xdfff))
            return false;
        if (at + need > len)
            return !whole;
        at += need;
    }
    return true;
}

struct reader {
    const uint8_t *data;
    size_t size;
    const struct ws_limits *limits;
    struct told *told;
    uint8_t *message;
    size_t message_len;
    unsigned kind; /* of the open message; 0: none is */
    uint64_t announced;
};

/* A frame's head, as far as it is there. */
struct head {
    unsigned opcode;
    bool fin;
    uint64_t len;
    size_t size; /* 0: it is not complete */
    uint8_t mask[4];
};

/* The code of what is wrong with the head; 0: nothing that is there. */
static unsigned reference_head(const uint8_t *d, size_t left, struct head *h)
{
    *h = (struct head){0};
    if (left < 1)
        return 0;
    h->fin = d[0] >> 7;
    h->opcode = d[0] & 15;
    bool control = h->opcode >= 8;
    if ((d[0] & 0x70) || (h->opcode > 2 && h->opcode < 8) || h->opcode > 10 || (control && !h->fin))
        return 1002;
    if (left < 2)
        return 0;
    unsigned len = d[1] & 127;
    if (!(d[1] >> 7) || (control && len > 125))
        return 1002;
    size_t extended = len == 126 ? 2 : len == 127 ? 8 : 0;
    if (len == 127 && left > 2 && d[2] >= 128)
        return 1002;
    if (left < 2 + extended)
        return 0;
    h->len = extended ? 0 : len;
    for (size_t i = 0; i < extended; i++)
        h->len = h->len << 8 | d[2 + i];
    if ((len == 126 && h->len < 126) || (len == 127 && h->len < 65536))
        return 1002;
    if (left < 6 + extended)
        return 0;
    h->size = 6 + extended;
    memcpy(h->mask, d + 2 + extended, 4);
    return 0;
}

/* The code of what is wrong with a data frame behind those before it. */
static unsigned reference_begin(struct reader *r, const struct head *h)
{
    if ((h->opcode == 0) != (r->kind != 0))
        return 1002;
    if (h->opcode) {
        if ((r->limits->kinds == WS_TEXT_ALONE && h->opcode == 2) ||
            (r->limits->kinds == WS_BINARY_ALONE && h->opcode == 1))
            return 1003;
        r->kind = h->opcode;
        r->message_len = 0;
        r->announced = 0;
    }
    if (h->len > r->limits->max_frame || h->len > r->limits->max_message - r->announced)
        return 1009;
    r->announced += h->len;
    return 0;
}

/* A control frame that is complete. The code of what is wrong; 1: it was a Close. */
static unsigned reference_control(struct reader *r, const struct head *h, const uint8_t *payload)
{
    if (h->opcode != 8) {
        put_end(r->told, h->opcode == 9 ? 'i' : 'o', 0, payload, h->len);
        return 0;
    }
    unsigned code = h->len > 1 ? payload[0] * 256u + payload[1] : 1005;
    bool known =
        code / 1000 == 3 || code / 1000 == 4 || (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014);
    if (h->len == 1 || (h->len > 1 && !known))
        return 1002;
    size_t reason = h->len > 1 ? h->len - 2 : 0;
    if (!reference_text(payload + 2, reason, true))
        return 1007;
    put_end(r->told, 'c', code, payload + 2, reason);
    return 1;
}

static unsigned reference_frame(struct reader *r, size_t *at, bool *more)
{
    struct head h;
    unsigned wrong = reference_head(r->data + *at, r->size - *at, &h);
    *more = false;
    if (wrong || h.size == 0)
        return wrong;
    const uint8_t *payload = r->data + *at + h.size;
    size_t left = r->size - *at - h.size, len = h.len < left ? (size_t)h.len : left;
    uint8_t *to = r->message + r->message_len, plain[125];
    if (h.opcode >= 8) {
        if (len < h.len)
            return 0;
        for (size_t i = 0; i < len; i++)
            plain[i] = payload[i] ^ h.mask[i % 4];
        wrong = reference_control(r, &h, plain);
    } else {
        wrong = reference_begin(r, &h);
        if (wrong)
            return wrong;
        to = r->message + r->message_len;
        for (size_t i = 0; i < len; i++)
            to[i] = payload[i] ^ h.mask[i % 4];
        r->message_len += len;
        bool whole = len == h.len && h.fin;
        if (r->kind == 1 && !reference_text(r->message, r->message_len, whole))
            return 1007;
        if (whole) {
            put_end(r->told, r->kind == 1 ? 't' : 'b', 0, r->message, r->message_len);
            r->kind = 0;
            r->message_len = 0;
        }
    }
    *at += h.size + len;
    *more = len == h.len && wrong == 0;
    return wrong;
}

/* Tells all; whether the input ends between messages. */
static bool reference(struct reader *r)
{
    size_t at = 0;
    bool more = true;
    unsigned wrong = 0;
    while (more && at < r->size)
        wrong = reference_frame(r, &at, &more);
    if (wrong > 1)
        put_end(r->told, 'f', wrong, "", 0);
    return wrong > 0 || (at == r->size && more && r->kind == 0);
}

/* ---- The session ---- */

struct run {
    struct told told;
    uint8_t *message;
    size_t message_len;
    bool open;
};

static void note(struct run *r, enum ws_event_kind kind, const struct ws_event *e)
{
    switch (kind) {
    case WS_EVENT_MESSAGE:
        FUZZ_CHECK(e->first == !r->open);
        r->message_len = e->first ? 0 : r->message_len;
        if (e->len > 0)
            memcpy(r->message + r->message_len, e->data, e->len);
        r->message_len += e->len;
        FUZZ_CHECK(!e->text || reference_text((const uint8_t *)e->data, e->len, true));
        if (e->last)
            put_end(&r->told, e->text ? 't' : 'b', 0, r->message, r->message_len);
        r->open = !e->last;
        break;
    case WS_EVENT_PING:
    case WS_EVENT_PONG:
        put_end(&r->told, kind == WS_EVENT_PING ? 'i' : 'o', 0, e->data, e->len);
        break;
    case WS_EVENT_CLOSE:
        put_end(&r->told, 'c', e->code, e->data, e->len);
        break;
    case WS_EVENT_FAILED:
        FUZZ_CHECK(e->len > 0 && e->len <= WS_REASON_MAX && ws_close_code_is_valid(e->code));
        put_end(&r->told, 'f', e->code, "", 0);
        break;
    default:
        FUZZ_CHECK(false);
    }
}

/* Feeds a session whose buffer changes with the seed. Whether it is idle at the end. */
static bool run_session(struct run *r, const struct ws_limits *limits, const uint8_t *data, size_t size, uint32_t seed)
{
    static const size_t sizes[] = {WS_BUFFER_MIN, 4096, 300, 65536};
    struct ws_session s;
    struct ws_session_rest rest;
    struct ws_event e;
    enum ws_event_kind kind;
    uint32_t which = seed % 4;
    bool whole = seed < 4;
    char *buf = malloc(sizes[which]);
    FUZZ_CHECK(buf);
    ws_session_open(&rest, &(struct ws_deflate){0}, 0);
    ws_session_begin(&s, &rest, limits, NULL, buf, sizes[which]);
    for (;;) {
        size_t room, piece;
        while ((kind = ws_session_next(&s, &e)) != WS_EVENT_MORE && kind != WS_EVENT_OVER)
            note(r, kind, &e);
        if (kind == WS_EVENT_OVER || size == 0)
            break;
        uint32_t other = (which + 1) % 4;
        if (!whole && fuzz_cut(&seed, 100) == 3 && ws_session_used(&s) < sizes[other]) {
            char *old = buf;
            buf = malloc(sizes[which = other]);
            FUZZ_CHECK(buf);
            ws_session_move(&s, buf, sizes[which]);
            free(old);
        }
        char *to = ws_session_room(&s, &room);
        FUZZ_CHECK(room > 0 && to + room <= buf + sizes[which]);
        piece = size < room ? size : room;
        piece = whole ? piece : fuzz_cut(&seed, piece);
        memcpy(to, data, piece);
        ws_session_received(&s, piece);
        data += piece;
        size -= piece;
    }
    free(buf);
    FUZZ_CHECK((kind == WS_EVENT_OVER) == ws_must_close(&rest));
    return ws_session_is_idle(&s);
}

static void told_open(struct told *t, uint8_t **message, size_t size)
{
    *t = (struct told){.text = malloc(size * 3 + 64)};
    *message = malloc(size + 1);
    FUZZ_CHECK(t->text && *message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint64_t most[] = {UINT64_MAX, 1000, 10, 70000};
    if (size < 2 || size > 200000)
        return 0;
    const struct ws_limits limits = {
        .max_message = most[data[0] & 3], .max_frame = most[data[0] >> 2 & 3], .kinds = (data[0] >> 4) % 3};
    uint32_t seed = data[1];
    struct told right;
    struct reader reader = {.data = data + 2, .size = size - 2, .limits = &limits, .told = &right};
    told_open(&right, &reader.message, size);
    bool idle = reference(&reader);
    for (int i = 0; i < 3; i++, seed = seed * 7 + 4) {
        struct run r = {0};
        told_open(&r.told, &r.message, size);
        FUZZ_CHECK(run_session(&r, &limits, data + 2, size - 2, seed) == idle);
        FUZZ_CHECK(r.told.len == right.len && memcmp(r.told.text, right.text, right.len) == 0);
        free(r.told.text);
        free(r.message);
    }
    free(right.text);
    free(reader.message);
    return 0;
}
