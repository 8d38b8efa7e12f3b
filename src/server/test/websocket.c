/*
 * WebSockets, as a client has them: its frames are masked, the server's are not.
 *
 * SPDX-License-Identifier: MIT
 */
#include "server/test/peer.h"
#include "web/websocket/frame.h"
#include "web/websocket/mask.h"

#include <endian.h>

#define MASK_LEN 4

#define HANDSHAKE                                                                                                      \
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"                                       \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

/* A server's frame. */
struct frame {
    unsigned opcode;
    bool last;
    size_t head_len, len;
};

weir_test_peer *weir_test_ws_open_sized(weir_server *s, const weir_test *given, size_t size)
{
    int error;
    weir_test test = test_given(given, size);
    struct test *t = test_of(s, &error);
    weir_test_peer *p = t ? test_peer_open(t, &test, &error) : NULL;
    if (p && test_peer_ask(p, &test, HANDSHAKE) != 0) {
        weir_test_reset(p);
        return NULL;
    }
    if (p)
        test_settle(t);
    return p;
}

/* Sends a whole frame. */
static int frame_send(weir_test_peer *p, unsigned opcode, const char *data, size_t len)
{
    static const uint8_t mask[MASK_LEN] = {0x37, 0xfa, 0x21, 0x3d};
    int error;
    if (!test_of(p->test->server, &error))
        return error;
    uint8_t head[WS_WRITE_HEAD_MAX + MASK_LEN];
    size_t head_len = ws_head_write(head, WS_FIN | opcode, len);
    head[1] |= 0x80;
    memcpy(head + head_len, mask, sizeof mask);
    head_len += sizeof mask;
    struct test_bytes frame = {0};
    bool good = test_bytes_add(&frame, (const char *)head, head_len) && test_bytes_add(&frame, data, len);
    if (good)
        ws_mask((uint8_t *)frame.data + head_len, len, mask, 0);
    error = good ? test_peer_say(p, frame.data, frame.len) : WEIR_ENOMEM;
    test_bytes_free(&frame);
    if (!error)
        test_settle(p->test);
    return error;
}

int weir_test_ws_send(weir_test_peer *p, int kind, const void *data, size_t len)
{
    if (!p || !data || (kind != WEIR_WS_TEXT && kind != WEIR_WS_BINARY))
        return WEIR_EINVAL;
    int status = test_peer_await_head(p);
    if (status != 101)
        return status < 0 ? status : WEIR_EUPGRADE;
    return frame_send(p, kind == WEIR_WS_TEXT ? WS_TEXT : WS_BINARY, data, len > 0 ? len : strlen(data));
}

int weir_test_ws_close(weir_test_peer *p, int code, const char *reason)
{
    uint8_t frame[WS_CONTROL_ROOM];
    if (!p || (code != 0 && !ws_close_code_is_valid((unsigned)code)))
        return WEIR_EINVAL;
    struct slice why = slice_of(reason ? reason : "", reason ? strlen(reason) : 0);
    size_t len = ws_close_write(frame, code ? (unsigned)code : WS_CLOSE_NO_CODE, why);
    return frame_send(p, WS_CLOSE, (const char *)frame + 2, len - 2);
}

int weir_test_ws_code(const weir_test_peer *p)
{
    return p ? p->ws_code : 0;
}

/* The frame that has come. False: it is not whole. */
static bool frame_next(const weir_test_peer *p, struct frame *f)
{
    struct slice there = test_bytes_left(&p->raw);
    const uint8_t *data = (const uint8_t *)there.data;
    uint16_t short_len;
    uint64_t len;
    if (there.len < 2)
        return false;
    len = data[1] & 0x7f;
    f->head_len = len == 126 ? 4 : len == 127 ? 10 : 2;
    if (there.len < f->head_len)
        return false;
    if (f->head_len == 4) {
        memcpy(&short_len, data + 2, sizeof short_len);
        len = be16toh(short_len);
    } else if (f->head_len == 10) {
        memcpy(&len, data + 2, sizeof len);
        len = be64toh(len);
    }
    f->opcode = data[0] & 0x0f;
    f->last = data[0] & WS_FIN;
    f->len = (size_t)len;
    return there.len - f->head_len >= len;
}

static bool has_frame(void *peer)
{
    struct frame f;
    return frame_next(peer, &f);
}

/* The connection has ended without a Close. */
static int socket_lost(weir_test_peer *p)
{
    if (p->ws_code == 0)
        p->ws_code = WS_CLOSE_ABNORMAL;
    return WEIR_ECLOSED;
}

/* A control frame, whose payload is answered. WEIR_ECLOSED: that was a Close. */
static int control_read(weir_test_peer *p, const struct frame *f)
{
    char payload[WS_CONTROL_MAX];
    if (f->len > sizeof payload)
        return WEIR_EPROTO;
    if (f->len > 0)
        memcpy(payload, test_bytes_left(&p->raw).data + f->head_len, f->len);
    test_bytes_drop(&p->raw, f->head_len + f->len);
    if (f->opcode == WS_PING)
        return frame_send(p, WS_PONG, payload, f->len);
    if (f->opcode != WS_CLOSE)
        return 0;
    const uint8_t *code = (const uint8_t *)payload;
    p->ws_code = f->len >= 2 ? code[0] << 8 | code[1] : WS_CLOSE_NO_CODE;
    (void)frame_send(p, WS_CLOSE, payload, f->len); /* may be the second, which nobody reads any more */
    return WEIR_ECLOSED;
}

/* A piece of a message. 1: the last one; 0; or an error. */
static int data_read(weir_test_peer *p, const struct frame *f)
{
    if (f->opcode != WS_CONTINUATION)
        p->ws_text = f->opcode == WS_TEXT;
    bool good = test_bytes_add(&p->text, test_bytes_left(&p->raw).data + f->head_len, f->len);
    test_bytes_drop(&p->raw, f->head_len + f->len);
    return good ? f->last : WEIR_ENOMEM;
}

int weir_test_ws_receive(weir_test_peer *p, weir_ws_message *m)
{
    int status = p && m ? test_peer_await_head(p) : WEIR_EINVAL;
    if (status != 101)
        return status < 0 ? status : WEIR_EUPGRADE;
    if (p->ws_code != 0)
        return WEIR_ECLOSED;
    p->text.at = p->text.len = 0;
    for (int got = 0; got == 0;) {
        struct frame f;
        int error = has_frame(p) ? 0 : test_peer_await(p, has_frame);
        if (error)
            return error;
        if (!frame_next(p, &f))
            return socket_lost(p);
        got = ws_opcode_is_control(f.opcode) ? control_read(p, &f) : data_read(p, &f);
        if (got < 0)
            return got;
    }
    *m = (weir_ws_message){.data = p->text.data, .len = p->text.len, .text = p->ws_text, .first = true, .last = true};
    return 0;
}
