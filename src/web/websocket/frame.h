/*
 * Frames of WebSocket (RFC 6455 section 5), as a server has them: the heads that clients send are read and judged, and
 * heads and whole control frames of our own are written. Nothing here does I/O or keeps state; what depends on the
 * frames before is for the session (session.h).
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_WEBSOCKET_FRAME_H
#define WEIR_WEB_WEBSOCKET_FRAME_H

#include "base/slice.h"

#include <stdint.h>

enum ws_opcode {
    WS_CONTINUATION = 0x0,
    WS_TEXT = 0x1,
    WS_BINARY = 0x2,
    WS_CLOSE = 0x8, /* from here on: control frames */
    WS_PING = 0x9,
    WS_PONG = 0xa,
};

/* What a frame's first byte holds beside the opcode. */
enum ws_frame_flags {
    WS_FIN = 0x80,        /* the last frame of its message */
    WS_COMPRESSED = 0x40, /* RSV1, on the first frame of a message: its payloads are compressed (RFC 7692 section 6) */
};

#define WS_READ_HEAD_MAX  14  /* bytes of a client's head, which has a mask */
#define WS_WRITE_HEAD_MAX 10  /* bytes of a server's, which has none */
#define WS_CONTROL_MAX    125 /* bytes of a control frame's payload */
#define WS_REASON_MAX     123 /* bytes of a Close frame's reason: its code takes two */

/* A client's frame, by its head. */
struct ws_frame {
    uint64_t len; /* of the payload: less than 2^63 */
    uint8_t mask[4];
    uint8_t head_len; /* bytes of the head, with the mask */
    uint8_t opcode;   /* enum ws_opcode */
    bool last;        /* FIN */
    bool compressed;  /* RSV1 */
};

enum ws_frame_result {
    WS_FRAME_PART,      /* more of the head is needed */
    WS_FRAME_READ,      /* the head is complete, and good by itself */
    WS_FRAME_MALFORMED, /* no head begins like this: 1002 */
};

/*
 * Reads the head that len bytes begin with. deflate: permessage-deflate was agreed on, so that RSV1 means something.
 * What is wrong is told with the first byte that shows it; *why is then a static text.
 */
enum ws_frame_result ws_frame_read(struct ws_frame *f, const uint8_t *data, size_t len, bool deflate, const char **why);

static inline bool ws_opcode_is_control(unsigned opcode)
{
    return opcode >= WS_CLOSE;
}

/* ---- A server's frames. first: an opcode with its flags ---- */

/* The bytes of a head before a payload of len bytes: 2, 4 or 10. */
static inline size_t ws_head_len(uint64_t len)
{
    return len <= WS_CONTROL_MAX ? 2 : len <= UINT16_MAX ? 4 : 10;
}

/* Writes the head of a frame, and returns how many bytes it has. */
size_t ws_head_write(uint8_t *to, unsigned first, uint64_t len);

/* Writes the head right before its payload, where WS_WRITE_HEAD_MAX bytes are free, and returns the frame's first byte:
 * for a message that lies once for many receivers. */
uint8_t *ws_head_put_before(uint8_t *payload, unsigned first, uint64_t len);

#define WS_CONTROL_ROOM (2 + WS_CONTROL_MAX) /* bytes of a control frame, at most */

/* Writes a whole Ping or Pong, of up to WS_CONTROL_MAX bytes of payload, and returns how many bytes it has. */
size_t ws_control_write(uint8_t *to, enum ws_opcode opcode, struct slice payload);

/* ---- Closing (RFC 6455 section 7.4) ---- */

enum ws_close_code {
    WS_CLOSE_NORMAL = 1000,
    WS_CLOSE_GOING_AWAY = 1001, /* the server stops */
    WS_CLOSE_PROTOCOL = 1002,
    WS_CLOSE_UNACCEPTABLE = 1003, /* a kind of data that is not taken */
    WS_CLOSE_NO_CODE = 1005,      /* never on the wire: a Close without one came */
    WS_CLOSE_ABNORMAL = 1006,     /* never on the wire: no Close came */
    WS_CLOSE_INVALID = 1007,      /* text that is not UTF-8, or data that cannot be inflated */
    WS_CLOSE_POLICY = 1008,
    WS_CLOSE_TOO_BIG = 1009,
    WS_CLOSE_EXTENSION = 1010, /* a client's alone */
    WS_CLOSE_INTERNAL = 1011,
    WS_CLOSE_RESTART = 1012,
    WS_CLOSE_TRY_LATER = 1013,
};

/* Whether a code may stand in a Close frame: those that RFC 6455 and its registry define and do not keep for what is
 * never sent, and those of libraries and programs. */
static inline bool ws_close_code_is_valid(unsigned code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

/*
 * Writes a whole Close frame, and returns how many bytes it has. code: a valid one; or WS_CLOSE_NO_CODE, so that the
 * frame is empty. reason is UTF-8; what does not fit WS_REASON_MAX is left out, by whole characters.
 */
size_t ws_close_write(uint8_t *to, unsigned code, struct slice reason);

#endif
