/*
 * A client's side of WebSocket for tests: frames with masks, and what a session tells of them as a text, "text:Hello;
 * ping:; close 1000:bye; failed 1002;", in which a message stands once, when it is complete.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_TESTS_WS_FIXTURE_H
#define WEIR_TESTS_WS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "web/websocket/mask.h"
#include "web/websocket/session.h"

#define WS_INPUT ((size_t)1 << 20)

/* Bytes that a client sends. */
struct ws_client {
    size_t len;
    unsigned frames;
    uint8_t bytes[WS_INPUT];
};

/* Adds a frame. Each has another mask; the first one's is zero, so that its payload stands as it is. */
static inline void ws_client_add(struct ws_client *c, unsigned first, const void *payload, size_t len)
{
    static const uint8_t masks[][4] = {{0, 0, 0, 0}, {0x37, 0xfa, 0x21, 0x3d}, {0xff, 0x80, 0x01, 0x00}};
    const uint8_t *mask = masks[c->frames++ % 3];
    uint8_t head[WS_WRITE_HEAD_MAX];
    size_t head_len = ws_head_write(head, first, len);
    head[1] |= 0x80;
    assert_true(c->len + head_len + 4 + len <= sizeof c->bytes);
    memcpy(c->bytes + c->len, head, head_len);
    memcpy(c->bytes + c->len + head_len, mask, 4);
    c->len += head_len + 4;
    if (len > 0)
        memcpy(c->bytes + c->len, payload, len);
    ws_mask(c->bytes + c->len, len, mask, 0);
    c->len += len;
}

/* What has been told. */
struct ws_told {
    char text[WS_INPUT];
    size_t len;
    size_t whole; /* length without the message that is open */
    bool open;
    unsigned pieces;
};

static inline void ws_told_add(struct ws_told *t, const char *text, size_t len)
{
    assert_true(t->len + len < sizeof t->text);
    if (len > 0)
        memcpy(t->text + t->len, text, len);
    t->len += len;
    t->text[t->len] = '\0';
}

static inline void ws_told_note(struct ws_told *t, const char *text)
{
    ws_told_add(t, text, strlen(text));
}

/* A control frame between the fragments of a message stands before it. */
static inline void ws_told_control(struct ws_told *t, const char *what, const struct ws_event *e)
{
    static char open[WS_INPUT];
    size_t open_len = t->len - t->whole;
    memcpy(open, t->text + t->whole, open_len);
    t->len = t->whole;
    ws_told_note(t, what);
    ws_told_add(t, e->data, e->len);
    ws_told_note(t, ";");
    t->whole = t->len;
    ws_told_add(t, open, open_len);
}

/* Notes an event; the order of pieces is looked at, and that text is cut at characters. */
static inline void ws_told_event(struct ws_told *t, enum ws_event_kind kind, const struct ws_event *e)
{
    char what[32];
    assert_non_null(e->data);
    switch (kind) {
    case WS_EVENT_MESSAGE:
        assert_int_equal(e->first, !t->open);
        t->open = !e->last;
        t->pieces++;
        if (e->first)
            ws_told_note(t, e->text ? "text:" : "binary:");
        if (e->text) {
            struct utf8 u = {0};
            assert_true(utf8_add(&u, e->data, e->len) && utf8_is_whole(&u));
        }
        ws_told_add(t, e->data, e->len);
        if (e->last) {
            ws_told_note(t, ";");
            t->whole = t->len;
        }
        break;
    case WS_EVENT_PING:
        ws_told_control(t, "ping:", e);
        break;
    case WS_EVENT_PONG:
        ws_told_control(t, "pong:", e);
        break;
    case WS_EVENT_CLOSE:
    case WS_EVENT_FAILED:
        t->len = t->whole; /* what has come of an open message does not count */
        snprintf(what, sizeof what, kind == WS_EVENT_CLOSE ? "close %u:" : "failed %u:", e->code);
        ws_told_note(t, what);
        if (kind == WS_EVENT_CLOSE)
            ws_told_add(t, e->data, e->len);
        else
            assert_true(e->len > 0 && e->len <= WS_REASON_MAX);
        ws_told_note(t, ";");
        t->whole = t->len;
        break;
    default:
        fail_msg("event %d", (int)kind);
    }
}

/* How many bytes come at once. */
static inline size_t ws_cut(unsigned *seed, size_t most)
{
    if (*seed == 0)
        return most;
    *seed = (unsigned)((uint64_t)*seed * 48271 % 2147483647);
    size_t len = *seed % ((*seed >> 16) % 4 == 0 ? 700 : 7) + 1;
    return len < most ? len : most;
}

/* Feeds a session until all has been read, or nothing more is. seed: 0: all that there is room for comes at once; else
 * how it is cut. */
static inline void ws_feed(struct ws_session *s, const uint8_t *bytes, size_t len, unsigned seed, struct ws_told *t)
{
    struct ws_event e;
    enum ws_event_kind kind;
    for (;;) {
        while ((kind = ws_session_next(s, &e)) != WS_EVENT_MORE && kind != WS_EVENT_OVER)
            ws_told_event(t, kind, &e);
        size_t room, piece;
        char *to = ws_session_room(s, &room);
        if (kind == WS_EVENT_OVER || len == 0)
            return;
        assert_true(room > 0);
        piece = ws_cut(&seed, len < room ? len : room);
        memcpy(to, bytes, piece);
        ws_session_received(s, piece);
        bytes += piece;
        len -= piece;
    }
}

#endif
