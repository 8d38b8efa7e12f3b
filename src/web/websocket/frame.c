/*
 * Heads, byte by byte.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/websocket/frame.h"

#include "base/debug.h"

#include <endian.h>

#define MASKED    0x80
#define LENGTH_16 126
#define LENGTH_64 127

/* What is wrong with a frame's first byte; NULL: nothing. */
static const char *first_fault(uint8_t first, bool deflate)
{
    unsigned opcode = first & 0x0f, reserved = first & 0x70;
    if ((opcode > WS_BINARY && opcode < WS_CLOSE) || opcode > WS_PONG)
        return "unknown opcode";
    /* RFC 7692 section 6.1: of a message only the first frame says that it is compressed, and a control frame never */
    bool may_compress = deflate && (opcode == WS_TEXT || opcode == WS_BINARY);
    if (reserved & ~(may_compress ? (unsigned)WS_COMPRESSED : 0))
        return "reserved bit set";
    if (ws_opcode_is_control(opcode) && !(first & WS_FIN))
        return "fragmented control frame";
    return NULL;
}

/* What is wrong with the second. */
static const char *second_fault(unsigned opcode, uint8_t second)
{
    if (!(second & MASKED))
        return "frame without a mask";
    if (ws_opcode_is_control(opcode) && (second & ~MASKED) > WS_CONTROL_MAX)
        return "control frame too long";
    return NULL;
}

/* Reads the length, whose extended bytes are there. What is wrong with it; NULL: nothing. */
static const char *length_read(const uint8_t *data, size_t extended, uint64_t *len)
{
    uint16_t short_len;
    *len = data[1] & ~MASKED;
    if (extended == sizeof short_len) {
        memcpy(&short_len, data + 2, sizeof short_len);
        *len = be16toh(short_len);
    } else if (extended == sizeof *len) {
        memcpy(len, data + 2, sizeof *len);
        *len = be64toh(*len);
    }
    if ((extended == sizeof short_len && *len < LENGTH_16) || (extended == sizeof *len && *len <= UINT16_MAX))
        return "length not minimal";
    return NULL;
}

enum ws_frame_result ws_frame_read(struct ws_frame *f, const uint8_t *data, size_t len, bool deflate, const char **why)
{
    if (len == 0)
        return WS_FRAME_PART;
    if ((*why = first_fault(data[0], deflate)) != NULL)
        return WS_FRAME_MALFORMED;
    if (len < 2)
        return WS_FRAME_PART;
    f->opcode = data[0] & 0x0f;
    if ((*why = second_fault(f->opcode, data[1])) != NULL)
        return WS_FRAME_MALFORMED;
    unsigned length = data[1] & ~MASKED;
    size_t extended = length == LENGTH_16 ? 2 : length == LENGTH_64 ? 8 : 0;
    if (extended == 8 && len > 2 && data[2] & 0x80) {
        *why = "length too large";
        return WS_FRAME_MALFORMED;
    }
    if (len < 2 + extended)
        return WS_FRAME_PART;
    if ((*why = length_read(data, extended, &f->len)) != NULL)
        return WS_FRAME_MALFORMED;
    f->head_len = (uint8_t)(2 + extended + sizeof f->mask);
    if (len < f->head_len)
        return WS_FRAME_PART;
    memcpy(f->mask, data + 2 + extended, sizeof f->mask);
    f->last = data[0] & WS_FIN;
    f->compressed = data[0] & WS_COMPRESSED;
    return WS_FRAME_READ;
}

size_t ws_head_write(uint8_t *to, unsigned first, uint64_t len)
{
    to[0] = (uint8_t)first;
    if (len < LENGTH_16) {
        to[1] = (uint8_t)len;
        return 2;
    }
    if (len <= UINT16_MAX) {
        uint16_t length = htobe16((uint16_t)len);
        to[1] = LENGTH_16;
        memcpy(to + 2, &length, sizeof length);
        return 4;
    }
    uint64_t length = htobe64(len);
    to[1] = LENGTH_64;
    memcpy(to + 2, &length, sizeof length);
    return 10;
}

uint8_t *ws_head_put_before(uint8_t *payload, unsigned first, uint64_t len)
{
    uint8_t *head = payload - ws_head_len(len);
    ws_head_write(head, first, len);
    return head;
}

size_t ws_control_write(uint8_t *to, enum ws_opcode opcode, struct slice payload)
{
    weir_assert(payload.len <= WS_CONTROL_MAX);
    size_t head = ws_head_write(to, WS_FIN | (unsigned)opcode, payload.len);
    if (payload.len > 0)
        memcpy(to + head, payload.data, payload.len);
    return head + payload.len;
}

size_t ws_close_write(uint8_t *to, unsigned code, struct slice reason)
{
    if (code == WS_CLOSE_NO_CODE)
        return ws_control_write(to, WS_CLOSE, SLICE(""));
    uint8_t payload[WS_CONTROL_MAX] = {(uint8_t)(code >> 8), (uint8_t)code};
    size_t len = reason.len;
    if (len > WS_REASON_MAX) {
        len = WS_REASON_MAX;
        while (len > 0 && ((uint8_t)reason.data[len] & 0xc0) == 0x80) /* the character there has begun before */
            len--;
    }
    if (len > 0)
        memcpy(payload + 2, reason.data, len);
    return ws_control_write(to, WS_CLOSE, slice_of((const char *)payload, 2 + len));
}
