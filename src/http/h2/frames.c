/*
 * What frames do that are about the connection, or about a stream's flow: settings, windows, pings, resets, priorities.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/h2/h2.h"
#include "http/h2/hpack_table.h"
#include "http/h2/priority.h"

#define SETTINGS_MOST 32 /* settings in one frame */
#define WINDOW_MOST   ((int64_t)H2_WINDOW_MAX)

/* ---- What this side says first ---- */

static void settings_send(struct h2 *h, const struct h2_setting *settings, size_t count)
{
    uint8_t frame[H2_SETTINGS_LEN(8)];
    uint8_t *end = h2_write_settings(frame, settings, count);
    h2_control(h, frame, (size_t)(end - frame));
    h->kept.settings_unacked++;
}

void h2_begin(struct h2 *h)
{
    const struct http_settings *settings = h->http->settings;
    struct h2_setting first[] = {
        {H2_SETTINGS_MAX_CONCURRENT_STREAMS, settings->h2_max_streams},
        {H2_SETTINGS_INITIAL_WINDOW_SIZE, h2_window_first(h->http)},
        {H2_SETTINGS_MAX_HEADER_LIST_SIZE, settings->max_header_block},
        {H2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
        {H2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1}, /* the last, where it is announced */
    };
    h->kept.settings_sent = true;
    settings_send(h, first, sizeof first / sizeof first[0] - !settings->h2_connect);
    uint32_t window = settings->h2_connection_window;
    if (window <= H2_WINDOW_DEFAULT)
        return;
    uint8_t frame[H2_WINDOW_UPDATE_LEN];
    h2_write_window_update(frame, 0, window - H2_WINDOW_DEFAULT);
    h->kept.receive_window += (int32_t)(window - H2_WINDOW_DEFAULT);
    h2_control(h, frame, sizeof frame);
}

void h2_announce_table(struct h2 *h, uint32_t size)
{
    struct h2_setting setting = {H2_SETTINGS_HEADER_TABLE_SIZE, size};
    h->kept.table = size ? H2_TABLE_OFFERING : H2_TABLE_PARKING;
    settings_send(h, &setting, 1);
}

/* ---- SETTINGS ---- */

static void protocol_error(struct h2 *h, uint32_t error, const char *why)
{
    h2_fail(h, error, REFUSAL_H2_PROTOCOL, why);
}

/* The client has taken note of our settings; the order of those that are on their way tells which. False: the
 * connection has failed. */
static bool settings_acknowledged(struct h2 *h)
{
    struct h2_kept *k = &h->kept;
    if (k->settings_unacked == 0) /* of nothing: no error by the RFC, and no use */
        return h2_fault(h, 1, REFUSAL_H2_CONTROL);
    k->settings_known = true;
    h->conn->flags &= (uint8_t)~H2_SETTINGS_LOOKED;
    if (--k->settings_unacked > 0)
        return true;
    if (k->table == H2_TABLE_PARKING) {
        hpack_decoder_limit(&k->hpack, &h->http->h2_tables, 0);
        k->table = H2_TABLE_PARKED;
    } else if (k->table == H2_TABLE_OFFERING) {
        hpack_decoder_limit(&k->hpack, &h->http->h2_tables, HPACK_TABLE_MAX);
        k->table = H2_TABLE_OFFERED;
    }
    return true;
}

/* What the client may be sent on the stream where it may be sent most. */
static int32_t widest_window(struct h2 *h)
{
    int32_t most = 0;
    for (size_t i = 0; i < H2_BUCKETS; i++)
        for (const struct h2_stream *s = h->buckets[i]; s; s = s->next)
            most = s->send_window > most ? s->send_window : most;
    for (struct h2_waiting *w = NULL; (w = h2_next_waiting(h, w));)
        most = *h2_waiting_window(w) > most ? *h2_waiting_window(w) : most;
    return most;
}

static void windows_change(struct h2 *h, int32_t by)
{
    for (size_t i = 0; i < H2_BUCKETS; i++) {
        for (struct h2_stream *s = h->buckets[i]; s; s = s->next) {
            s->send_window += by;
            h2_stream_ready(s);
        }
    }
    for (struct h2_waiting *w = NULL; (w = h2_next_waiting(h, w));)
        *h2_waiting_window(w) += by;
}

/* The windows of streams are to begin with `window` from here on, and those that are open to have grown as much. */
static bool window_setting(struct h2 *h, uint32_t window)
{
    int32_t change = (int32_t)((int64_t)window - h->kept.peer_window);
    if ((int64_t)widest_window(h) + change > WINDOW_MOST) {
        protocol_error(h, H2_FLOW_CONTROL_ERROR, "a window beyond 2^31-1 by SETTINGS");
        return false;
    }
    h->kept.peer_window = window;
    windows_change(h, change);
    return true;
}

static bool settings_frame(struct h2 *h, const struct h2_frame *f, const uint8_t *payload)
{
    if (f->flags & H2_ACK)
        return settings_acknowledged(h);
    h->kept.settings_read = true;
    size_t count = f->length / H2_SETTING_LEN;
    if (count > SETTINGS_MOST) {
        h2_fail(h, H2_ENHANCE_YOUR_CALM, REFUSAL_H2_CONTROL, NULL);
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        struct h2_setting setting;
        struct h2_fault fault = h2_setting_read(payload + i * H2_SETTING_LEN, &setting);
        if (!h2_is_good(fault)) {
            protocol_error(h, fault.error, fault.reason);
            return false;
        }
        if (setting.id == H2_SETTINGS_NO_RFC7540_PRIORITIES)
            h->kept.priorities |= setting.value == 1;
        if (setting.id == H2_SETTINGS_INITIAL_WINDOW_SIZE && !window_setting(h, setting.value))
            return false;
    }
    uint8_t ack[H2_SETTINGS_LEN(0)];
    h2_write_settings_ack(ack);
    h2_control(h, ack, sizeof ack);
    return h->ending < H2_FAILED && h2_fault(h, 1, REFUSAL_H2_CONTROL);
}

/* ---- Windows ---- */

/* A frame about a stream that is not in the table: it may have been closed, but not be idle. */
static bool is_closed(struct h2 *h, uint32_t id)
{
    if ((id <= h->kept.last_stream || h->ending >= H2_GOING) && (id & 1))
        return true; /* or behind the last one that is taken: the client may not know yet */
    protocol_error(h, H2_PROTOCOL_ERROR, "a frame on a stream that is idle");
    return false;
}

static bool window_update(struct h2 *h, const struct h2_frame *f, const uint8_t *payload)
{
    uint32_t increment;
    struct h2_fault fault = h2_window_update_read(f, payload, &increment);
    struct h2_stream *s = f->stream ? h2_find(h, f->stream) : NULL;
    struct h2_waiting *w = f->stream && !s ? h2_find_waiting(h, f->stream) : NULL;
    if (!h2_is_good(fault) && !fault.stream) {
        protocol_error(h, fault.error, fault.reason);
        return false;
    }
    if (f->stream && !s && !w) { /* closed, or it is an error; what could be right nowhere is told all the same */
        if (!is_closed(h, f->stream))
            return false;
        if (h2_was_reset(h, f->stream) || (h2_is_good(fault) && increment <= H2_WINDOW_MAX - h->kept.peer_window))
            return true;
        h2_reset_unknown(h, f->stream, h2_is_good(fault) ? H2_FLOW_CONTROL_ERROR : fault.error);
        return h2_fault(h, 1, REFUSAL_H2_RESETS);
    }
    int32_t *window = s ? &s->send_window : w ? h2_waiting_window(w) : &h->kept.send_window;
    bool over = (int64_t)*window + increment > WINDOW_MOST;
    if (h2_is_good(fault) && !over) {
        *window += (int32_t)increment;
        if (s)
            h2_stream_ready(s);
        return true;
    }
    uint32_t error = over ? H2_FLOW_CONTROL_ERROR : fault.error;
    if (!f->stream) {
        protocol_error(h, error, "the connection's window beyond 2^31-1");
        return false;
    }
    if (s)
        h2_stream_reset(s, error);
    else
        h2_unwait(h, w);
    if (!s)
        h2_reset_unknown(h, f->stream, error);
    return h2_fault(h, 1, REFUSAL_H2_RESETS);
}

/* ---- The rest ---- */

static bool reset_frame(struct h2 *h, const struct h2_frame *f)
{
    struct h2_stream *s = h2_find(h, f->stream);
    struct h2_waiting *w = s ? NULL : h2_find_waiting(h, f->stream);
    if (s)
        h2_stream_lost(s, WEIR_ECLOSED);
    else if (w)
        h2_unwait(h, w);
    else if (!is_closed(h, f->stream))
        return false;
    h2_leftover_end(h, f->stream);
    return h2_fault(h, 1, REFUSAL_H2_RESETS);
}

static bool ping_frame(struct h2 *h, const struct h2_frame *f, const uint8_t *payload)
{
    if (f->flags & H2_ACK)
        return h2_fault(h, 1, REFUSAL_H2_CONTROL);
    uint8_t pong[H2_PING_LEN];
    h2_write_ping(pong, payload, true);
    h2_control(h, pong, sizeof pong);
    return h->ending < H2_FAILED && h2_fault(h, 1, REFUSAL_H2_CONTROL);
}

/* Dependencies between streams are of RFC 7540, and read no more. */
static bool priority_frame(struct h2 *h, const struct h2_frame *f, const uint8_t *payload)
{
    struct h2_dependency dependency;
    struct h2_fault fault = h2_priority_read(f, payload, &dependency);
    if (!h2_is_good(fault)) {
        struct h2_stream *s = h2_find(h, f->stream);
        if (!fault.stream) {
            protocol_error(h, fault.error, fault.reason);
            return false;
        }
        if (s)
            h2_stream_reset(s, fault.error);
        else
            h2_reset_unknown(h, f->stream, fault.error);
    }
    return h2_fault(h, 1, REFUSAL_H2_EMPTY);
}

static bool priority_update(struct h2 *h, const struct h2_frame *f, const uint8_t *payload)
{
    struct h2_priority priority;
    uint32_t id;
    struct h2_fault fault = h2_priority_update_read(f, payload, &id, &priority);
    if (!h2_is_good(fault)) {
        protocol_error(h, fault.error, fault.reason);
        return false;
    }
    struct h2_stream *s = h2_find(h, id);
    h->kept.priorities = true;
    if (s)
        h2_stream_set_priority(s, priority);
    return h2_fault(h, 1, REFUSAL_H2_EMPTY);
}

bool h2_control_frame(struct h2 *h, const struct h2_frame *f, const uint8_t *payload)
{
    switch ((enum h2_frame_type)f->type) {
    case H2_SETTINGS:
        return settings_frame(h, f, payload);
    case H2_WINDOW_UPDATE:
        return window_update(h, f, payload);
    case H2_RST_STREAM:
        return reset_frame(h, f);
    case H2_PING:
        return ping_frame(h, f, payload);
    case H2_PRIORITY:
        return priority_frame(h, f, payload);
    case H2_PRIORITY_UPDATE:
        return priority_update(h, f, payload);
    case H2_GOAWAY: /* the client opens no more streams, which it need not say */
        return h2_fault(h, 1, REFUSAL_H2_CONTROL);
    default: /* nobody knows it (section 5.5) */
        return h2_fault(h, 1, REFUSAL_H2_EMPTY);
    }
}
