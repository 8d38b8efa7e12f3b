/*
 * The calls on a WebSocket that are the same for every kind of it.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/websocket/socket.h"

#include "base/log.h"
#include "web/context.h"

#include <stdio.h>

/* ---- Messages ---- */

/* The opcode of a public kind; 0: it is none. */
static unsigned opcode_of(int kind)
{
    return kind == WEIR_WS_TEXT ? WS_TEXT : kind == WEIR_WS_BINARY ? WS_BINARY : 0;
}

/* Whether something may be sent: 0, WEIR_EINVAL or WEIR_ECLOSED. May suspend where it may not. */
static int may_send(const weir_ctx *c)
{
    const struct ws_socket *s = c->socket;
    return !s ? WEIR_EINVAL : ws_may_send(s->rest) ? 0 : exchange_dead_end(c->x, WEIR_ECLOSED);
}

static bool is_text(const void *data, size_t len)
{
    struct utf8 utf8 = {0};
    return utf8_add(&utf8, data, len) && utf8_is_whole(&utf8);
}

/* Gives a message's context back, if it is not kept. */
static void give_deflater(struct ws_socket *s)
{
    if (s->deflater)
        ws_deflater_give(s->deflater);
    s->deflater = NULL;
}

static void give_compressed(weir_ctx *c, struct ws_socket *s)
{
    if (s->compressed)
        pool_give(c->web->messages, s->compressed);
    s->compressed = NULL;
}

void ws_socket_end(weir_ctx *c, struct ws_socket *s)
{
    give_deflater(s);
    give_compressed(c, s);
}

/* Takes what a message is compressed with. False: there is none, and it is sent as it is. */
static bool take_deflater(weir_ctx *c, struct ws_socket *s)
{
    if (c->web->message_size < WS_DEFLATE_ROOM_MIN || !(s->compressed = pool_take(c->web->messages)))
        return false;
    if (!s->deflater)
        s->deflater =
            ws_deflater_take(&c->web->deflate, s->rest->deflate.server_bits, s->settings->policy.deflate.level);
    if (!s->deflater)
        give_compressed(c, s);
    return s->deflater != NULL;
}

/* Compresses a message, and sends it in frames as large as the buffer, mostly one. The context goes back before the
 * last of them is sent, which may take its time. */
static int send_compressed(weir_ctx *c, struct ws_socket *s, unsigned opcode, struct slice message)
{
    struct ws_deflating m;
    struct compress_io io = {.in = message.data, .in_len = message.len};
    unsigned first = opcode | WS_COMPRESSED;
    int more = 1, error = 0;
    ws_deflating_begin(&m, s->deflater);
    while (more > 0 && !error) {
        io.out = s->compressed;
        io.room = c->web->message_size;
        more = ws_deflating_run(&m, true, &io);
        if (more < 0)
            break;
        if (more == 0 && !(s->rest->deflate.flags & WS_SERVER_TAKEOVER))
            give_deflater(s);
        struct slice frame = slice_of(s->compressed, (size_t)(io.out - s->compressed));
        s->sending = more ? (uint8_t)opcode : 0; /* nothing else goes between the frames */
        error = s->ops->send(c, more ? first : first | WS_FIN, frame);
        first = WS_CONTINUATION;
    }
    if (more == 0 && !error)
        ws_contexts_count_out(&c->web->deflate, &m);
    else
        give_deflater(s);
    give_compressed(c, s);
    return more < 0 ? WEIR_ENOMEM : error;
}

/* A message has been handed over as a whole, or not. */
static int note_sent(weir_ctx *c, int error)
{
    if (!error)
        counter_add(&c->web->live.figures.sent, 1);
    return error;
}

int weir_ws_send(weir_ctx *c, int kind, const void *data, size_t len)
{
    CONTEXT_CHECK(c);
    struct ws_socket *s = c->socket;
    unsigned opcode = opcode_of(kind);
    int error = may_send(c);
    if (error)
        return error;
    if (!opcode || (kind == WEIR_WS_TEXT && data && !is_text(data, len)))
        return WEIR_EINVAL;
    if (!data && len > 0)
        return context_null_error(c);
    if (s->sending)
        return WEIR_EBUSY;
    struct slice message = slice_of(data ? data : "", len);
    bool compress = (s->rest->deflate.flags & WS_DEFLATE_ON) && len >= s->settings->policy.deflate.len_min;
    if (compress && take_deflater(c, s))
        return note_sent(c, send_compressed(c, s, opcode, message));
    return note_sent(c, s->ops->send(c, WS_FIN | opcode, message));
}

int weir_ws_send_text(weir_ctx *c, const char *text)
{
    CONTEXT_CHECK(c);
    return text ? weir_ws_send(c, WEIR_WS_TEXT, text, strlen(text)) : context_null_error(c);
}

int weir_ws_printf(weir_ctx *c, const char *fmt, ...)
{
    CONTEXT_CHECK(c);
    char small[256], *text = small;
    va_list args;
    int error = may_send(c);
    if (error || !fmt)
        return error ? error : WEIR_EINVAL;
    va_start(args, fmt);
    int len = vsnprintf(small, sizeof small, fmt, args);
    va_end(args);
    if (len < 0)
        return WEIR_EINVAL;
    size_t size = (size_t)len + 1;
    if (size > sizeof small) {
        if (!(text = arena_alloc(&c->x->arena, size)))
            return WEIR_ENOMEM;
        va_start(args, fmt);
        vsnprintf(text, size, fmt, args);
        va_end(args);
    }
    error = weir_ws_send(c, WEIR_WS_TEXT, text, (size_t)len);
    if (text != small)
        arena_shrink(&c->x->arena, text, size, 0);
    return error;
}

int weir_ws_send_part(weir_ctx *c, int kind, const void *data, size_t len, bool last)
{
    CONTEXT_CHECK(c);
    struct ws_socket *s = c->socket;
    unsigned opcode = opcode_of(kind);
    int error = may_send(c);
    if (error)
        return error;
    if (!opcode || (s->sending && s->sending != opcode))
        return WEIR_EINVAL;
    if (!data && len > 0)
        return context_null_error(c);
    struct utf8 utf8 = s->sending ? s->utf8 : (struct utf8){0};
    if (opcode == WS_TEXT && ((len > 0 && !utf8_add(&utf8, data, len)) || (last && !utf8_is_whole(&utf8))))
        return WEIR_EINVAL;
    unsigned first = (s->sending ? WS_CONTINUATION : opcode) | (last ? WS_FIN : 0u);
    s->utf8 = utf8;
    s->sending = last ? 0 : (uint8_t)opcode;
    error = s->ops->send(c, first, slice_of(data ? data : "", len));
    return last ? note_sent(c, error) : error;
}

int weir_ws_ping(weir_ctx *c, const void *data, size_t len)
{
    CONTEXT_CHECK(c);
    int error = may_send(c);
    if (error)
        return error;
    if (len > WS_CONTROL_MAX)
        return WEIR_EINVAL;
    if (!data && len > 0)
        return context_null_error(c);
    return c->socket->ops->send(c, WS_FIN | WS_PING, slice_of(data ? data : "", len));
}

int weir_ws_receive(weir_ctx *c, weir_ws_message *m, int timeout_ms)
{
    CONTEXT_CHECK(c);
    struct ws_socket *s = c->socket;
    if (!m)
        return WEIR_EINVAL;
    *m = (weir_ws_message){.data = ""};
    if (!s || !s->ops->receive || timeout_ms < WEIR_OFF)
        return WEIR_EINVAL;
    return s->ops->receive(c, m, timeout_ms);
}

/* ---- Closing ---- */

int weir_ws_close(weir_ctx *c, int code, const char *reason)
{
    CONTEXT_CHECK(c);
    int error = may_send(c);
    if (error)
        return error;
    struct slice text = slice_from(reason ? reason : "");
    if (code != 0 ? !ws_close_code_is_valid((unsigned)code) : text.len > 0)
        return WEIR_EINVAL;
    if (!is_text(text.data, text.len))
        return WEIR_EINVAL;
    return c->socket->ops->close(c, code ? (unsigned)code : WS_CLOSE_NO_CODE, text);
}

int weir_ws_close_code(weir_ctx *c)
{
    CONTEXT_CHECK(c);
    return c->socket ? c->socket->rest->close_code : 0;
}

const char *weir_ws_close_reason(weir_ctx *c)
{
    CONTEXT_CHECK(c);
    return c->socket && c->socket->close_reason ? c->socket->close_reason : "";
}

/* ---- What was agreed on ---- */

const char *weir_ws_protocol(weir_ctx *c)
{
    CONTEXT_CHECK(c);
    struct ws_socket *s = c->socket;
    if (!s || s->rest->protocol == 0)
        return "";
    if (!s->protocol_text)
        s->protocol_text = arena_copy(&c->x->arena, ws_protocol_at(s->settings->policy.protocols, s->rest->protocol));
    return s->protocol_text ? s->protocol_text : "";
}

static int find_zlib(void *arg)
{
    *(const char **)arg = ws_deflate_ready();
    return 0;
}

/* What another thread has found, perhaps for two handlers at once. */
static void deflate_found(struct web *web, const char *missing, unsigned server_bits)
{
    if (web->deflate_state != WS_DEFLATE_UNKNOWN)
        return;
    web->deflate_state = missing ? WS_DEFLATE_MISSING : WS_DEFLATE_READY;
    if (missing)
        log_warn(web->loop->log, "WebSockets are not compressed: zlib %s", missing);
    else
        ws_contexts_open(&web->deflate, web->deflate_parent->memory, web->deflate_parent, server_bits, WS_BITS_MAX);
}

void ws_deflate_prepare(weir_ctx *c, struct ws_deflate_settings *wanted)
{
    struct web *web = c->web;
    const char *missing;
    if (wanted->on && web->deflate_state == WS_DEFLATE_UNKNOWN && weir_offload(c, find_zlib, &missing) == 0)
        deflate_found(web, missing, wanted->server_bits);
    wanted->on = wanted->on && web->deflate_state == WS_DEFLATE_READY;
}

/* ---- Topics ---- */

int weir_ws_subscribe(weir_ctx *c, const char *name, const weir_topic_start *start)
{
    CONTEXT_CHECK(c);
    int error = may_send(c);
    if (error)
        return error;
    if (!name)
        return context_null_error(c);
    return start && start->last < 0 ? WEIR_EINVAL : c->socket->ops->subscribe(c, slice_from(name), start);
}

int weir_ws_unsubscribe(weir_ctx *c, const char *name)
{
    CONTEXT_CHECK(c);
    if (!c->socket)
        return WEIR_EINVAL;
    return name ? c->socket->ops->unsubscribe(c, slice_from(name)) : context_null_error(c);
}
