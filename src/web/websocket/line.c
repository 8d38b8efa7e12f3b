/*
 * A line's beginning, what it sends, and its end.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/websocket/line.h"

#include "base/log.h"

/* ---- Sending ---- */

int line_gone(struct ws_line *l)
{
    if (l->rest->close_code == 0)
        l->rest->close_code = WS_CLOSE_ABNORMAL;
    l->rest->state = WS_CLOSED;
    return WEIR_ECLOSED;
}

int line_put(struct ws_line *l, struct slice head, struct slice payload)
{
    struct exchange *x = l->c->x;
    if (l->flags & LINE_CUT)
        return WEIR_ECLOSED;
    if (l->put)
        return l->put(l, head, payload);
    l->flags |= LINE_CUT; /* also if a write ends the handler */
    int error = x->ops->write(x, head.data, head.len);
    if (!error && payload.len > 0)
        error = x->ops->write(x, payload.data, payload.len);
    if (error) {
        (void)line_gone(l);
        return error;
    }
    l->flags &= (uint8_t)~LINE_CUT;
    return 0;
}

int line_send(weir_ctx *c, unsigned first, struct slice payload)
{
    uint8_t head[WS_WRITE_HEAD_MAX];
    size_t len = ws_head_write(head, first, payload.len);
    return line_put(line_of(c), slice_of((const char *)head, len), payload);
}

int line_close(weir_ctx *c, unsigned code, struct slice reason)
{
    struct ws_line *l = line_of(c);
    uint8_t frame[WS_CONTROL_ROOM];
    size_t len = ws_close_write(frame, code, reason);
    ws_close_sent(l->rest);
    l->close_due = tick_after(line_now(l), l->settings.close_timeout_ms);
    return line_put(l, slice_of((const char *)frame, len), slice_of(NULL, 0));
}

/* ---- The end ---- */

/* The handler has ended: what it has not closed is closed, and the client's Close waited for. */
static bool line_left(weir_ctx *c, bool failed)
{
    struct ws_line *l = line_of(c);
    struct exchange *x = c->x;
    weir_ws_message m;
    int result = 0;
    bool again = l->flags & LINE_LEFT; /* waiting has ended this very call before */
    l->flags |= LINE_LEFT;
    if (!again && !x->gone && !(l->flags & LINE_CUT)) {
        if (ws_may_send(l->rest))
            (void)line_close(c,
                             failed             ? WS_CLOSE_INTERNAL
                             : weir_stopping(c) ? WS_CLOSE_GOING_AWAY
                                                : WS_CLOSE_NORMAL,
                             slice_of(NULL, 0));
        while (l->rest->state == WS_CLOSE_SENT && (result == 0 || result == WEIR_ECANCELED))
            result = line_receive(c, &m, 0);
    }
    line_release(l);
    bool orderly = !again && !x->gone && !(l->flags & LINE_CUT);
    if (!orderly && !failed)
        exchange_break(x);
    return orderly;
}

/* The request ends. */
static void line_end(void *arg)
{
    struct ws_line *l = arg;
    if (l->c->socket) /* else the handshake was refused */
        counter_subtract(&l->c->web->live.figures.websockets, 1);
    line_unsubscribe_all(l);
    line_release(l);
    ws_socket_end(l->c, &l->socket);
}

/* ---- The beginning ---- */

void line_init(struct ws_line *l, weir_ctx *c, const struct ws_socket_ops *ops, struct ws_session_rest *rest)
{
    *l = (struct ws_line){.c = c, .rest = rest, .socket = {.ops = ops, .settings = &l->settings, .rest = rest}};
    list_init(&l->topics);
    list_init(&l->ended);
    l->heard = line_now(l);
}

static const struct ws_socket_ops line_ops = {
    .send = line_send,
    .close = line_close,
    .subscribe = line_subscribe,
    .unsubscribe = line_unsubscribe,
    .receive = line_receive,
    .left = line_left,
};

static int wrong_setting(weir_ctx *c, const char *name)
{
    log_error(c->web->loop->log, "%s: weir_ws_accept(): wrong %s", weir_route_pattern(c), name);
    c->reply_error = WEIR_EINVAL;
    return WEIR_EINVAL;
}

int weir_ws_accept_sized(weir_ctx *c, const weir_ws_config *config, size_t config_size)
{
    CONTEXT_CHECK(c);
    struct ws_answer answer;
    const char *wrong;
    if (c->socket)
        return WEIR_EDONE;
    struct ws_line *l = weir_alloc(c, sizeof *l);
    if (!l)
        return WEIR_ENOMEM;
    line_init(l, c, &line_ops, &l->kept);
    int error = ws_settings_read(config, config_size, &l->settings, &wrong);
    if (error)
        return wrong_setting(c, wrong);
    ws_deflate_prepare(c, &l->settings.policy.deflate);
    error = weir_defer(c, line_end, l);
    if (!error)
        error = ws_check(c, &l->settings, &answer);
    if (!error)
        error = ws_accept(c, &answer);
    if (error)
        return error;
    ws_session_open(l->rest, &answer.extensions.deflate,
                    ws_protocol_number(l->settings.policy.protocols, answer.protocol));
    c->socket = &l->socket;
    counter_add(&c->web->live.figures.websockets, 1);
    return 0;
}
