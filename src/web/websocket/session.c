/*
 * Reading what a client sends.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/websocket/session.h"

#include "base/debug.h"
#include "web/websocket/mask.h"

_Static_assert(sizeof(struct ws_session_rest) == 8, "what an idle socket keeps");

void ws_session_open(struct ws_session_rest *rest, const struct ws_deflate *agreed, uint8_t protocol)
{
    *rest = (struct ws_session_rest){.state = WS_OPEN, .deflate = *agreed, .protocol = protocol};
}

void ws_session_begin(struct ws_session *s, struct ws_session_rest *rest, const struct ws_limits *limits,
                      struct ws_contexts *contexts, char *buf, size_t size)
{
    weir_assert(size >= WS_BUFFER_MIN && size <= INT32_MAX);
    *s = (struct ws_session){.rest = rest, .limits = limits, .contexts = contexts, .size = (uint32_t)size};
    s->buf = buf;
}

static void give_inflater(struct ws_session *s)
{
    if (s->inflater)
        ws_inflater_give(s->inflater);
    s->inflater = NULL;
}

void ws_session_end(struct ws_session *s)
{
    give_inflater(s);
}

/* Moves len bytes within the buffer, or from another one. */
static void move(char *to, const char *from, size_t len)
{
    if (len > 0 && to != from)
        memmove(to, from, len);
}

/* Puts all that is kept at the beginning of a buffer, so that the rest of it is room. */
static void settle(struct ws_session *s, char *buf)
{
    uint32_t kept = s->held - s->start, unread = s->end - s->at;
    move(buf, s->buf + s->start, kept);
    move(buf + kept, s->buf + s->at, unread);
    s->buf = buf;
    s->start = 0;
    s->held = s->at = kept;
    s->end = kept + unread;
}

void ws_session_move(struct ws_session *s, char *buf, size_t size)
{
    weir_assert(size >= WS_BUFFER_MIN && size <= INT32_MAX && size >= ws_session_used(s));
    settle(s, buf);
    s->size = (uint32_t)size;
}

void ws_session_output(struct ws_session *s, char *out, size_t size)
{
    uint32_t kept = s->out_len - s->out_told;
    weir_assert(out ? size >= WS_BUFFER_MIN && size <= INT32_MAX : kept == 0);
    if (kept > 0)
        move(out, s->out + s->out_told, kept);
    s->out = out;
    s->out_size = out ? (uint32_t)size : 0;
    s->out_told = 0;
    s->out_len = kept;
}

char *ws_session_room(const struct ws_session *s, size_t *room)
{
    *room = s->size - s->end;
    return s->buf + s->end;
}

void ws_session_received(struct ws_session *s, size_t len)
{
    weir_assert(len <= s->size - s->end);
    s->end += (uint32_t)len;
}

/* ---- Events ---- */

static bool is_over(const struct ws_session *s)
{
    return s->rest->state > WS_CLOSE_SENT;
}

/* Nothing more is read. */
static void drop(struct ws_session *s)
{
    s->start = s->held = s->at = s->end = 0;
    s->out_told = s->out_len = 0;
    s->place = WS_AT_HEAD;
    s->message = 0;
    s->inflating = WS_INFLATE_NOT;
    give_inflater(s);
}

/* Behind a Close of ours there is no second one, so that the socket is closed then. */
static COLD enum ws_event_kind fail(struct ws_session *s, struct ws_event *e, enum ws_close_code code, const char *why)
{
    drop(s);
    s->rest->state = s->rest->state == WS_CLOSE_SENT ? WS_CLOSED : WS_FAILED;
    s->rest->close_code = (uint16_t)code;
    *e = (struct ws_event){.data = why, .len = strlen(why), .code = (uint16_t)code};
    return WS_EVENT_FAILED;
}

/* Tells a piece, but for a character at its end that has only begun, and returns how many bytes that are told. */
static uint32_t tell_piece(struct ws_session *s, struct ws_event *e, const char *data, uint32_t len, bool last)
{
    uint32_t begun = s->message == WS_TEXT ? s->utf8.begun : 0;
    debug_assert(s->message != 0 && begun <= len && (!last || begun == 0));
    *e = (struct ws_event){
        .data = data, .len = len - begun, .text = s->message == WS_TEXT, .first = s->first, .last = last};
    s->first = false;
    if (last)
        s->message = 0;
    return len - begun;
}

/* Tells what is held of the message. */
static enum ws_event_kind tell_held(struct ws_session *s, struct ws_event *e, bool last)
{
    s->start += tell_piece(s, e, s->buf + s->start, s->held - s->start, last);
    return WS_EVENT_MESSAGE;
}

/* Tells what the output holds. */
static enum ws_event_kind tell_output(struct ws_session *s, struct ws_event *e, bool last)
{
    s->out_told = tell_piece(s, e, s->out, s->out_len, last);
    return WS_EVENT_MESSAGE;
}

/* More has to be received; if the buffer is full, a piece of the message makes room. */
static enum ws_event_kind need_more(struct ws_session *s, struct ws_event *e)
{
    settle(s, s->buf);
    if (s->end < s->size)
        return WS_EVENT_MORE;
    if (!s->compressed)
        return tell_held(s, e, false);
    s->inflating = WS_INFLATE_PART;
    return WS_EVENT_NONE;
}

/* ---- Heads ---- */

static enum ws_event_kind begin_message(struct ws_session *s, struct ws_event *e)
{
    const struct ws_frame *f = &s->frame;
    if (s->message != 0)
        return fail(s, e, WS_CLOSE_PROTOCOL, "message within a message");
    enum ws_kinds kinds = s->limits->kinds;
    if ((f->opcode == WS_TEXT && kinds == WS_BINARY_ALONE) || (f->opcode == WS_BINARY && kinds == WS_TEXT_ALONE))
        return fail(s, e, WS_CLOSE_UNACCEPTABLE, f->opcode == WS_TEXT ? "text is not taken" : "binary is not taken");
    s->message = f->opcode;
    s->message_len = 0;
    s->first = true;
    s->compressed = f->compressed;
    s->inflated = 0;
    s->tail_at = 0;
    s->utf8 = (struct utf8){0};
    return WS_EVENT_NONE;
}

/* The most that a message may have on the wire. What is compressed is rarely longer than it was, but can be, by what
 * stands between its blocks; and blocks of nothing are not to go on for ever. */
static uint64_t wire_most(const struct ws_session *s)
{
    uint64_t most = s->limits->max_message, more;
    if (!s->compressed)
        return most;
    return __builtin_add_overflow(most, most / 8 + 64, &more) ? UINT64_MAX : more;
}

static enum ws_event_kind begin_data(struct ws_session *s, struct ws_event *e)
{
    const struct ws_frame *f = &s->frame;
    if (f->opcode == WS_CONTINUATION && s->message == 0)
        return fail(s, e, WS_CLOSE_PROTOCOL, "continuation of no message");
    if (f->opcode != WS_CONTINUATION && begin_message(s, e) != WS_EVENT_NONE)
        return WS_EVENT_FAILED;
    if (f->len > s->limits->max_frame)
        return fail(s, e, WS_CLOSE_TOO_BIG, "frame too big");
    if (f->len > wire_most(s) - s->message_len)
        return fail(s, e, WS_CLOSE_TOO_BIG, "message too big");
    s->message_len += f->len;
    s->place = WS_IN_DATA;
    return WS_EVENT_NONE;
}

static enum ws_event_kind read_head(struct ws_session *s, struct ws_event *e)
{
    const char *why;
    const uint8_t *data = (const uint8_t *)s->buf + s->at;
    switch (ws_frame_read(&s->frame, data, s->end - s->at, s->rest->deflate.flags & WS_DEFLATE_ON, &why)) {
    case WS_FRAME_PART:
        return need_more(s, e);
    case WS_FRAME_MALFORMED:
        return fail(s, e, WS_CLOSE_PROTOCOL, why);
    case WS_FRAME_READ:
        break;
    }
    s->at += s->frame.head_len;
    s->left = s->frame.len;
    if (!ws_opcode_is_control(s->frame.opcode))
        return begin_data(s, e);
    s->place = WS_IN_CONTROL;
    return WS_EVENT_NONE;
}

/* ---- Payloads ---- */

/* Takes the mask off len bytes that have not been read. */
static char *unmask(struct ws_session *s, size_t len)
{
    char *data = s->buf + s->at;
    ws_mask((uint8_t *)data, len, s->frame.mask, s->frame.len - s->left);
    return data;
}

static enum ws_event_kind read_data(struct ws_session *s, struct ws_event *e)
{
    uint32_t unread = s->end - s->at, len = s->left < unread ? (uint32_t)s->left : unread;
    char *data = unmask(s, len);
    if (s->held == s->start)
        s->start = s->held = s->at; /* nothing is held: the message is told from where it lies */
    move(s->buf + s->held, data, len);
    if (s->message == WS_TEXT && !s->compressed && !utf8_add(&s->utf8, s->buf + s->held, len))
        return fail(s, e, WS_CLOSE_INVALID, "text is not UTF-8");
    s->held += len;
    s->at += len;
    s->left -= len;
    if (s->left > 0)
        return need_more(s, e);
    s->place = WS_AT_HEAD;
    if (!s->frame.last)
        return WS_EVENT_NONE;
    if (s->compressed) {
        s->inflating = WS_INFLATE_LAST;
        return WS_EVENT_NONE;
    }
    if (s->message == WS_TEXT && !utf8_is_whole(&s->utf8))
        return fail(s, e, WS_CLOSE_INVALID, "text ends within a character");
    return tell_held(s, e, true);
}

static enum ws_event_kind read_close(struct ws_session *s, struct ws_event *e, struct slice payload)
{
    struct utf8 utf8 = {0};
    uint16_t code = WS_CLOSE_NO_CODE;
    if (payload.len == 1)
        return fail(s, e, WS_CLOSE_PROTOCOL, "half a close code");
    if (payload.len >= 2) {
        code = (uint16_t)((uint8_t)payload.data[0] << 8 | (uint8_t)payload.data[1]);
        if (!ws_close_code_is_valid(code))
            return fail(s, e, WS_CLOSE_PROTOCOL, "close code that is never sent");
        payload = slice_of(payload.data + 2, payload.len - 2);
        if (!utf8_add(&utf8, payload.data, payload.len) || !utf8_is_whole(&utf8))
            return fail(s, e, WS_CLOSE_INVALID, "reason is not UTF-8");
    }
    drop(s);
    s->rest->state = s->rest->state == WS_CLOSE_SENT ? WS_CLOSED : WS_CLOSE_RECEIVED;
    s->rest->close_code = code;
    *e = (struct ws_event){.data = payload.data, .len = payload.len, .code = code};
    return WS_EVENT_CLOSE;
}

static enum ws_event_kind read_control(struct ws_session *s, struct ws_event *e)
{
    uint32_t len = (uint32_t)s->frame.len;
    if (s->end - s->at < len)
        return need_more(s, e);
    struct slice payload = slice_of(unmask(s, len), len);
    s->at += len;
    s->place = WS_AT_HEAD;
    if (s->frame.opcode == WS_CLOSE)
        return read_close(s, e, payload);
    *e = (struct ws_event){.data = payload.data, .len = payload.len};
    return s->frame.opcode == WS_PING ? WS_EVENT_PING : WS_EVENT_PONG;
}

/* ---- Compressed messages ---- */

/* Makes sure that there are a context and an output, with nothing in it that has been told. */
static enum ws_event_kind inflate_prepare(struct ws_session *s, struct ws_event *e)
{
    *e = (struct ws_event){.data = ""};
    if (!s->out)
        return WS_EVENT_OUTPUT;
    if (!s->inflater && s->contexts)
        s->inflater = ws_inflater_take(s->contexts);
    if (!s->inflater)
        return WS_EVENT_STARVED;
    s->out_len -= s->out_told;
    move(s->out, s->out + s->out_told, s->out_len);
    s->out_told = 0;
    return WS_EVENT_NONE;
}

/* The message is complete. */
static enum ws_event_kind inflate_end(struct ws_session *s, struct ws_event *e)
{
    if (s->message == WS_TEXT && !utf8_is_whole(&s->utf8))
        return fail(s, e, WS_CLOSE_INVALID, "text ends within a character");
    s->inflating = WS_INFLATE_NOT;
    if (!(s->rest->deflate.flags & WS_CLIENT_TAKEOVER))
        give_inflater(s);
    counter_add(&s->contexts->messages_in, 1);
    counter_add(&s->contexts->plain_in, s->inflated);
    counter_add(&s->contexts->compressed_in, s->message_len);
    return tell_output(s, e, true);
}

/* Inflates what io has, into what room the output has; of a message that is too long already, a byte too many. */
static enum ws_event_kind inflate_some(struct ws_session *s, struct ws_event *e, struct compress_io *io)
{
    uint64_t most = s->limits->max_message - s->inflated;
    size_t room = s->out_size - s->out_len;
    io->out = s->out + s->out_len;
    io->room = most < room ? (size_t)most + 1 : room;
    enum zlib_inflated result = ws_inflate(s->inflater, io);
    /* What comes of it does not hang on how it is cut: bytes count in their order, and then what ended them. */
    const char *made = s->out + s->out_len;
    size_t len = (size_t)(io->out - made);
    if (s->message == WS_TEXT && !utf8_add(&s->utf8, made, len > most ? (size_t)most : len))
        return fail(s, e, WS_CLOSE_INVALID, "text is not UTF-8");
    if (len > most)
        return fail(s, e, WS_CLOSE_TOO_BIG, "message too big");
    if (result == ZLIB_MALFORMED)
        return fail(s, e, WS_CLOSE_INVALID, "message cannot be inflated");
    if (result == ZLIB_NO_MEMORY)
        return fail(s, e, WS_CLOSE_INTERNAL, "no memory");
    s->inflated += len;
    s->out_len += (uint32_t)len;
    return WS_EVENT_NONE;
}

/* Inflates what is held. A piece is told when the output is full and there is, or may be, more to come. */
static enum ws_event_kind inflate_held(struct ws_session *s, struct ws_event *e)
{
    struct compress_io io = {.in = s->buf + s->start, .in_len = s->held - s->start};
    enum ws_event_kind told = inflate_some(s, e, &io);
    if (told != WS_EVENT_NONE)
        return told;
    s->start = s->held - (uint32_t)io.in_len;
    bool full = s->out_len == s->out_size;
    if (io.in_len > 0)
        return tell_output(s, e, false);
    if (s->inflating == WS_INFLATE_LAST)
        return WS_EVENT_NONE; /* the tail is next */
    if (full)
        return tell_output(s, e, false);
    s->inflating = WS_INFLATE_NOT;
    return WS_EVENT_NONE;
}

/* Inflates the tail, which is not there where the message's last block said that it was the last. */
static enum ws_event_kind inflate_tail(struct ws_session *s, struct ws_event *e)
{
    if (s->tail_at == 0 && s->message_len > 0 && ws_inflate_is_whole(s->inflater, false))
        return inflate_end(s, e);
    struct compress_io io = {.in = &WS_DEFLATE_TAIL[s->tail_at], .in_len = WS_DEFLATE_TAIL_LEN - s->tail_at};
    enum ws_event_kind told = inflate_some(s, e, &io);
    if (told != WS_EVENT_NONE)
        return told;
    s->tail_at = (uint8_t)(WS_DEFLATE_TAIL_LEN - io.in_len);
    if (io.in_len == 0 && ws_inflate_is_whole(s->inflater, true))
        return inflate_end(s, e);
    if (s->out_len == s->out_size)
        return tell_output(s, e, false);
    return fail(s, e, WS_CLOSE_INVALID, "message cannot be inflated");
}

static enum ws_event_kind inflate(struct ws_session *s, struct ws_event *e)
{
    enum ws_event_kind told = inflate_prepare(s, e);
    if (told != WS_EVENT_NONE)
        return told;
    return s->start < s->held || s->inflating == WS_INFLATE_PART ? inflate_held(s, e) : inflate_tail(s, e);
}

/* ---- */

static enum ws_event_kind read_some(struct ws_session *s, struct ws_event *e)
{
    switch ((enum ws_place)s->place) {
    case WS_AT_HEAD:
        return read_head(s, e);
    case WS_IN_DATA:
        return read_data(s, e);
    case WS_IN_CONTROL:
        break;
    }
    return read_control(s, e);
}

enum ws_event_kind ws_session_next(struct ws_session *s, struct ws_event *e)
{
    enum ws_event_kind told = WS_EVENT_NONE;
    if (unlikely(is_over(s))) {
        drop(s);
        *e = (struct ws_event){.data = ""};
        return WS_EVENT_OVER;
    }
    while (told == WS_EVENT_NONE)
        told = s->inflating == WS_INFLATE_NOT ? read_some(s, e) : inflate(s, e);
    return told;
}

void ws_close_sent(struct ws_session_rest *rest)
{
    weir_assert(rest->state == WS_OPEN || ws_must_close(rest));
    rest->state = rest->state == WS_OPEN ? WS_CLOSE_SENT : WS_CLOSED;
}
