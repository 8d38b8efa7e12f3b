/*
 * Frames of HTTP/2 (RFC 9113 sections 4 and 6): their heads read and written, what each type's payload says, and the
 * rules that a frame alone can break. What depends on the state of a stream or of the connection is for their owners.
 *
 * A frame is judged in two steps: h2_frame_check() by its head, before the payload has come, then the type's own
 * function by the payload. Nothing here does I/O or keeps state.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_HTTP_H2_FRAME_H
#define WEIR_HTTP_H2_FRAME_H

#include "base/slice.h"

#include <stdint.h>

/* What a client sends before its first frame (RFC 9113 section 3.4). */
#define H2_PREFACE     "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define H2_PREFACE_LEN (sizeof H2_PREFACE - 1)

#define H2_FRAME_HEAD        9
#define H2_FRAME_MAX_DEFAULT 16384      /* the initial SETTINGS_MAX_FRAME_SIZE, and the least it can be */
#define H2_FRAME_MAX_LIMIT   16777215   /* the most that it can be */
#define H2_STREAM_MAX        0x7fffffff /* the largest identifier of a stream */
#define H2_WINDOW_DEFAULT    65535
#define H2_WINDOW_MAX        0x7fffffff

enum h2_frame_type {
    H2_DATA = 0x0,
    H2_HEADERS = 0x1,
    H2_PRIORITY = 0x2,
    H2_RST_STREAM = 0x3,
    H2_SETTINGS = 0x4,
    H2_PUSH_PROMISE = 0x5,
    H2_PING = 0x6,
    H2_GOAWAY = 0x7,
    H2_WINDOW_UPDATE = 0x8,
    H2_CONTINUATION = 0x9,
    H2_PRIORITY_UPDATE = 0x10, /* RFC 9218 section 7.1 */
};

enum h2_frame_flags {
    H2_END_STREAM = 0x1, /* DATA, HEADERS */
    H2_ACK = 0x1,        /* SETTINGS, PING */
    H2_END_HEADERS = 0x4,
    H2_PADDED = 0x8,
    H2_FLAG_PRIORITY = 0x20, /* HEADERS begins with a priority */
};

/* RFC 9113 section 7. */
enum h2_error {
    H2_NO_ERROR = 0x0,
    H2_PROTOCOL_ERROR = 0x1,
    H2_INTERNAL_ERROR = 0x2,
    H2_FLOW_CONTROL_ERROR = 0x3,
    H2_SETTINGS_TIMEOUT = 0x4,
    H2_STREAM_CLOSED = 0x5,
    H2_FRAME_SIZE_ERROR = 0x6,
    H2_REFUSED_STREAM = 0x7,
    H2_CANCEL = 0x8,
    H2_COMPRESSION_ERROR = 0x9,
    H2_CONNECT_ERROR = 0xa,
    H2_ENHANCE_YOUR_CALM = 0xb,
    H2_INADEQUATE_SECURITY = 0xc,
    H2_HTTP_1_1_REQUIRED = 0xd,
};

/* RFC 9113 section 6.5.2, RFC 8441 section 3, RFC 9218 section 2.1. */
enum h2_setting_id {
    H2_SETTINGS_HEADER_TABLE_SIZE = 0x1,
    H2_SETTINGS_ENABLE_PUSH = 0x2,
    H2_SETTINGS_MAX_CONCURRENT_STREAMS = 0x3,
    H2_SETTINGS_INITIAL_WINDOW_SIZE = 0x4,
    H2_SETTINGS_MAX_FRAME_SIZE = 0x5,
    H2_SETTINGS_MAX_HEADER_LIST_SIZE = 0x6,
    H2_SETTINGS_ENABLE_CONNECT_PROTOCOL = 0x8,
    H2_SETTINGS_NO_RFC7540_PRIORITIES = 0x9,
};

/* What is wrong with a frame, and whose error that is. */
struct h2_fault {
    const char *reason; /* static; NULL: nothing is wrong */
    uint8_t error;      /* enum h2_error */
    bool stream;        /* an error of the frame's stream alone, not of the connection */
};

#define H2_GOOD ((struct h2_fault){0})

static inline bool h2_is_good(struct h2_fault fault)
{
    return fault.reason == NULL;
}

struct h2_frame {
    uint32_t length; /* of the payload; 24 bits */
    uint32_t stream; /* the reserved bit is ignored */
    uint8_t type;    /* enum h2_frame_type, or one that nobody knows: ignored (RFC 9113 section 5.5) */
    uint8_t flags;
};

/* ---- Words on the wire ---- */

static inline uint32_t h2_read_16(const uint8_t *at)
{
    return (uint32_t)at[0] << 8 | at[1];
}

static inline uint32_t h2_read_32(const uint8_t *at)
{
    uint32_t word;
    memcpy(&word, at, sizeof word);
    return __builtin_bswap32(word); /* the processors that weir runs on are little-endian */
}

static inline uint8_t *h2_write_16(uint8_t *to, uint32_t value)
{
    to[0] = (uint8_t)(value >> 8);
    to[1] = (uint8_t)value;
    return to + 2;
}

static inline uint8_t *h2_write_32(uint8_t *to, uint32_t value)
{
    value = __builtin_bswap32(value);
    memcpy(to, &value, sizeof value);
    return to + 4;
}

/* ---- Heads ---- */

/* Reads the head of a frame, H2_FRAME_HEAD bytes. */
static inline struct h2_frame h2_frame_read(const uint8_t *head)
{
    return (struct h2_frame){.length = (uint32_t)head[0] << 16 | h2_read_16(head + 1),
                             .type = head[3],
                             .flags = head[4],
                             .stream = h2_read_32(head + 5) & H2_STREAM_MAX};
}

/* Writes the head of a frame, H2_FRAME_HEAD bytes; returns behind it. length <= H2_FRAME_MAX_LIMIT. */
static inline uint8_t *h2_frame_write(uint8_t *to, uint32_t length, enum h2_frame_type type, unsigned flags,
                                      uint32_t stream)
{
    h2_write_32(to, length << 8 | (uint32_t)type);
    to[4] = (uint8_t)flags;
    return h2_write_32(to + 5, stream);
}

/*
 * What a frame's head tells: its length against frame_max (our SETTINGS_MAX_FRAME_SIZE) and its type, and whether its
 * stream may and has to be 0 or can be a client's. For a server: PUSH_PROMISE is refused. Types that nobody knows are
 * good, if short enough.
 */
struct h2_fault h2_frame_check(const struct h2_frame *f, uint32_t frame_max);

/* ---- Payloads, of frames that h2_frame_check() found good ---- */

/*
 * How many bytes of padding DATA's or HEADERS' payload ends with, from its first byte, which is there if the frame is
 * PADDED and which belongs to the payload. *padding: 0 if the frame is not PADDED. What counts for flow control is the
 * whole length.
 */
struct h2_fault h2_padding_read(const struct h2_frame *f, uint8_t first, uint32_t *padding);

/* A stream's dependency: read, checked and ignored, as RFC 9113 section 5.3.2 has it. */
struct h2_dependency {
    uint32_t stream;
    uint16_t weight; /* 1 to 256 */
    bool exclusive;
};

/* The payload of PRIORITY, 5 bytes. A stream that depends on itself is the stream's error. */
struct h2_fault h2_priority_read(const struct h2_frame *f, const uint8_t *payload, struct h2_dependency *d);

/* A whole HEADERS' payload: *block is what is left without padding and priority. The fault of a stream that depends on
 * itself leaves *block right: for the decoder's state the block has to be decoded. */
struct h2_fault h2_headers_read(const struct h2_frame *f, const uint8_t *payload, struct slice *block);

#define H2_SETTING_LEN 6

struct h2_setting {
    uint16_t id; /* enum h2_setting_id, or one that nobody knows: ignored */
    uint32_t value;
};

/* One of the payload's f->length / H2_SETTING_LEN settings, and whether its value is one that a client may send. */
struct h2_fault h2_setting_read(const uint8_t *at, struct h2_setting *s);

/* WINDOW_UPDATE's increment, from 4 bytes. 0 is an error of the stream, on stream 0 of the connection. */
struct h2_fault h2_window_update_read(const struct h2_frame *f, const uint8_t *payload, uint32_t *increment);

struct h2_goaway {
    uint32_t last_stream;
    uint32_t error; /* enum h2_error, or one that nobody knows */
    struct slice debug;
};

/* A whole GOAWAY's payload; debug refers to it. */
void h2_goaway_read(const struct h2_frame *f, const uint8_t *payload, struct h2_goaway *g);

/* ---- Whole frames. Each returns behind what it wrote, whose size is given ---- */

#define H2_SETTINGS_LEN(count) (H2_FRAME_HEAD + (count)*H2_SETTING_LEN)
#define H2_PING_LEN            (H2_FRAME_HEAD + 8)
#define H2_RST_STREAM_LEN      (H2_FRAME_HEAD + 4)
#define H2_WINDOW_UPDATE_LEN   (H2_FRAME_HEAD + 4)
#define H2_GOAWAY_LEN(debug)   (H2_FRAME_HEAD + 8 + (debug))

uint8_t *h2_write_settings(uint8_t *to, const struct h2_setting *settings, size_t count);
uint8_t *h2_write_settings_ack(uint8_t *to);
/* opaque: 8 bytes. */
uint8_t *h2_write_ping(uint8_t *to, const uint8_t *opaque, bool ack);
uint8_t *h2_write_rst_stream(uint8_t *to, uint32_t stream, enum h2_error error);
uint8_t *h2_write_window_update(uint8_t *to, uint32_t stream, uint32_t increment);
uint8_t *h2_write_goaway(uint8_t *to, uint32_t last_stream, enum h2_error error, struct slice debug);

/* The name of an error as the RFC writes it, "PROTOCOL_ERROR"; "unknown" for others. Static. */
const char *h2_error_name(uint32_t error);

#endif
