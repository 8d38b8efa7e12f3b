/*
 * Rules of frames, type by type.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/h2/frame.h"
#include "base/debug.h"

#define PRIORITY_LEN 5

static COLD struct h2_fault connection_fault(enum h2_error error, const char *reason)
{
    return (struct h2_fault){.reason = reason, .error = (uint8_t)error};
}

static COLD struct h2_fault stream_fault(enum h2_error error, const char *reason)
{
    return (struct h2_fault){.reason = reason, .error = (uint8_t)error, .stream = true};
}

/* ---- Heads ---- */

enum stream_rule {
    STREAM_NONE,   /* 0 */
    STREAM_CLIENT, /* an odd one, since we open none */
    STREAM_ANY,    /* not 0 */
    STREAM_BOTH,   /* 0, or an odd one */
};

/* What each type says of its frame's length and stream. */
struct frame_rule {
    uint32_t least, most; /* of the payload */
    enum stream_rule stream;
};

#define MANY UINT32_MAX

static const struct frame_rule rules[] = {
    [H2_DATA] = {0, MANY, STREAM_CLIENT},
    [H2_HEADERS] = {0, MANY, STREAM_CLIENT},
    [H2_PRIORITY] = {PRIORITY_LEN, PRIORITY_LEN, STREAM_ANY},
    [H2_RST_STREAM] = {4, 4, STREAM_CLIENT},
    [H2_SETTINGS] = {0, MANY, STREAM_NONE},
    [H2_PUSH_PROMISE] = {0, MANY, STREAM_ANY},
    [H2_PING] = {8, 8, STREAM_NONE},
    [H2_GOAWAY] = {8, MANY, STREAM_NONE},
    [H2_WINDOW_UPDATE] = {4, 4, STREAM_BOTH},
    [H2_CONTINUATION] = {0, MANY, STREAM_CLIENT},
};

static const struct frame_rule priority_update_rule = {4, MANY, STREAM_NONE};

static bool stream_is_right(enum stream_rule rule, uint32_t stream)
{
    switch (rule) {
    case STREAM_NONE:
        return stream == 0;
    case STREAM_CLIENT:
        return stream & 1;
    case STREAM_ANY:
        return stream != 0;
    default:
        return stream == 0 || (stream & 1);
    }
}

/* A length that is not what the type has. Of PRIORITY only the stream's error (RFC 9113 section 6.3). */
static COLD struct h2_fault length_fault(enum h2_frame_type type)
{
    if (type == H2_PRIORITY)
        return stream_fault(H2_FRAME_SIZE_ERROR, "a frame of another length than its type has");
    return connection_fault(H2_FRAME_SIZE_ERROR, "a frame of another length than its type has");
}

struct h2_fault h2_frame_check(const struct h2_frame *f, uint32_t frame_max)
{
    if (unlikely(f->length > frame_max))
        return connection_fault(H2_FRAME_SIZE_ERROR, "a frame longer than SETTINGS_MAX_FRAME_SIZE");
    const struct frame_rule *rule = &priority_update_rule;
    if (f->type < sizeof rules / sizeof rules[0])
        rule = &rules[f->type];
    else if (f->type != H2_PRIORITY_UPDATE)
        return H2_GOOD;
    if (unlikely(!stream_is_right(rule->stream, f->stream)))
        return connection_fault(H2_PROTOCOL_ERROR, "a frame on a stream that its type cannot be on");
    if (unlikely(f->length < rule->least || f->length > rule->most))
        return length_fault((enum h2_frame_type)f->type);
    if (f->type == H2_SETTINGS && (f->length % H2_SETTING_LEN != 0 || ((f->flags & H2_ACK) && f->length > 0)))
        return length_fault(H2_SETTINGS);
    if (unlikely(f->type == H2_PUSH_PROMISE))
        return connection_fault(H2_PROTOCOL_ERROR, "PUSH_PROMISE from a client");
    return H2_GOOD;
}

/* ---- Payloads ---- */

struct h2_fault h2_padding_read(const struct h2_frame *f, uint8_t first, uint32_t *padding)
{
    *padding = 0;
    if (likely(!(f->flags & H2_PADDED)))
        return H2_GOOD;
    uint32_t before = 1;
    if (f->type == H2_HEADERS && (f->flags & H2_FLAG_PRIORITY))
        before += PRIORITY_LEN;
    if (f->length < before)
        return connection_fault(H2_FRAME_SIZE_ERROR, "a frame too short for its flags");
    if (first > f->length - before)
        return connection_fault(H2_PROTOCOL_ERROR, "padding longer than its frame");
    *padding = first;
    return H2_GOOD;
}

struct h2_fault h2_priority_read(const struct h2_frame *f, const uint8_t *payload, struct h2_dependency *d)
{
    uint32_t word = h2_read_32(payload);
    *d = (struct h2_dependency){
        .stream = word & H2_STREAM_MAX, .weight = (uint16_t)(payload[4] + 1), .exclusive = word >> 31};
    if (d->stream == f->stream)
        return stream_fault(H2_PROTOCOL_ERROR, "a stream that depends on itself");
    return H2_GOOD;
}

struct h2_fault h2_headers_read(const struct h2_frame *f, const uint8_t *payload, struct slice *block)
{
    uint32_t padding;
    *block = slice_of((const char *)payload, 0);
    struct h2_fault fault = h2_padding_read(f, f->length > 0 ? payload[0] : 0, &padding);
    if (unlikely(!h2_is_good(fault)))
        return fault;
    uint32_t left = f->length - padding;
    if (f->flags & H2_PADDED) {
        payload++;
        left--;
    }
    if (f->flags & H2_FLAG_PRIORITY) {
        struct h2_dependency d;
        if (left < PRIORITY_LEN)
            return connection_fault(H2_FRAME_SIZE_ERROR, "a frame too short for its flags");
        fault = h2_priority_read(f, payload, &d);
        payload += PRIORITY_LEN;
        left -= PRIORITY_LEN;
    }
    *block = slice_of((const char *)payload, left);
    return fault;
}

struct h2_fault h2_setting_read(const uint8_t *at, struct h2_setting *s)
{
    s->id = (uint16_t)h2_read_16(at);
    s->value = h2_read_32(at + 2);
    switch (s->id) {
    case H2_SETTINGS_ENABLE_PUSH:
        if (s->value > 1)
            return connection_fault(H2_PROTOCOL_ERROR, "SETTINGS_ENABLE_PUSH is neither 0 nor 1");
        return H2_GOOD;
    case H2_SETTINGS_INITIAL_WINDOW_SIZE:
        if (s->value > H2_WINDOW_MAX)
            return connection_fault(H2_FLOW_CONTROL_ERROR, "SETTINGS_INITIAL_WINDOW_SIZE beyond 2^31-1");
        return H2_GOOD;
    case H2_SETTINGS_MAX_FRAME_SIZE:
        if (s->value < H2_FRAME_MAX_DEFAULT || s->value > H2_FRAME_MAX_LIMIT)
            return connection_fault(H2_PROTOCOL_ERROR, "SETTINGS_MAX_FRAME_SIZE out of range");
        return H2_GOOD;
    case H2_SETTINGS_ENABLE_CONNECT_PROTOCOL:
        if (s->value > 1)
            return connection_fault(H2_PROTOCOL_ERROR, "SETTINGS_ENABLE_CONNECT_PROTOCOL is neither 0 nor 1");
        return H2_GOOD;
    case H2_SETTINGS_NO_RFC7540_PRIORITIES:
        if (s->value > 1)
            return connection_fault(H2_PROTOCOL_ERROR, "SETTINGS_NO_RFC7540_PRIORITIES is neither 0 nor 1");
        return H2_GOOD;
    default:
        return H2_GOOD;
    }
}

struct h2_fault h2_window_update_read(const struct h2_frame *f, const uint8_t *payload, uint32_t *increment)
{
    *increment = h2_read_32(payload) & H2_WINDOW_MAX;
    if (likely(*increment > 0))
        return H2_GOOD;
    if (f->stream == 0)
        return connection_fault(H2_PROTOCOL_ERROR, "WINDOW_UPDATE by 0");
    return stream_fault(H2_PROTOCOL_ERROR, "WINDOW_UPDATE by 0");
}

void h2_goaway_read(const struct h2_frame *f, const uint8_t *payload, struct h2_goaway *g)
{
    *g = (struct h2_goaway){.last_stream = h2_read_32(payload) & H2_STREAM_MAX,
                            .error = h2_read_32(payload + 4),
                            .debug = slice_of((const char *)payload + 8, f->length - 8)};
}

/* ---- Whole frames ---- */

uint8_t *h2_write_settings(uint8_t *to, const struct h2_setting *settings, size_t count)
{
    to = h2_frame_write(to, (uint32_t)(count * H2_SETTING_LEN), H2_SETTINGS, 0, 0);
    for (size_t i = 0; i < count; i++) {
        to = h2_write_16(to, settings[i].id);
        to = h2_write_32(to, settings[i].value);
    }
    return to;
}

uint8_t *h2_write_settings_ack(uint8_t *to)
{
    return h2_frame_write(to, 0, H2_SETTINGS, H2_ACK, 0);
}

uint8_t *h2_write_ping(uint8_t *to, const uint8_t *opaque, bool ack)
{
    to = h2_frame_write(to, 8, H2_PING, ack ? H2_ACK : 0, 0);
    memcpy(to, opaque, 8);
    return to + 8;
}

uint8_t *h2_write_rst_stream(uint8_t *to, uint32_t stream, enum h2_error error)
{
    return h2_write_32(h2_frame_write(to, 4, H2_RST_STREAM, 0, stream), error);
}

uint8_t *h2_write_window_update(uint8_t *to, uint32_t stream, uint32_t increment)
{
    return h2_write_32(h2_frame_write(to, 4, H2_WINDOW_UPDATE, 0, stream), increment);
}

uint8_t *h2_write_goaway(uint8_t *to, uint32_t last_stream, enum h2_error error, struct slice debug)
{
    to = h2_frame_write(to, (uint32_t)(8 + debug.len), H2_GOAWAY, 0, 0);
    to = h2_write_32(to, last_stream);
    to = h2_write_32(to, error);
    if (debug.len > 0)
        memcpy(to, debug.data, debug.len);
    return to + debug.len;
}

const char *h2_error_name(uint32_t error)
{
    static const char *const names[] = {"NO_ERROR",
                                        "PROTOCOL_ERROR",
                                        "INTERNAL_ERROR",
                                        "FLOW_CONTROL_ERROR",
                                        "SETTINGS_TIMEOUT",
                                        "STREAM_CLOSED",
                                        "FRAME_SIZE_ERROR",
                                        "REFUSED_STREAM",
                                        "CANCEL",
                                        "COMPRESSION_ERROR",
                                        "CONNECT_ERROR",
                                        "ENHANCE_YOUR_CALM",
                                        "INADEQUATE_SECURITY",
                                        "HTTP_1_1_REQUIRED"};
    return error < sizeof names / sizeof names[0] ? names[error] : "unknown";
}
