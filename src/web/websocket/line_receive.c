/*
 * What a line receives: from the exchange to the session, and from that to the handler.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/websocket/line.h"

#include "http/upgrade.h"

/* ---- Memory ---- */

static void give(struct ws_line *l, char **buf)
{
    if (*buf)
        pool_give(l->c->web->messages, *buf);
    *buf = NULL;
}

static void free_whole(struct ws_line *l)
{
    if (l->whole)
        mapping_free(l->c->web->message_account, l->whole);
    l->whole = NULL;
    l->whole_len = 0;
    l->flags &= (uint8_t)~LINE_GATHERED;
}

/* Gives back what is not needed between messages. */
static void rest(struct ws_line *l)
{
    if (!l->buf || l->unread.len > 0 || !ws_session_is_between(&l->session))
        return;
    give(l, &l->buf);
    if (l->out)
        ws_session_output(&l->session, NULL, 0);
    give(l, &l->out);
}

void line_release(struct ws_line *l)
{
    if (l->flags & LINE_BEGUN)
        ws_session_end(&l->session);
    l->unread.len = 0;
    free_whole(l);
    give(l, &l->buf);
    give(l, &l->out);
}

/* There is no memory for what the client sends: it may come again later. */
static COLD int starve(struct ws_line *l)
{
    if (ws_may_send(l->rest))
        (void)line_close(l->c, WS_CLOSE_TRY_LATER, SLICE("no memory"));
    (void)line_gone(l);
    l->rest->close_code = WS_CLOSE_TRY_LATER;
    return WEIR_ECLOSED;
}

static bool take_buf(struct ws_line *l)
{
    struct web *web = l->c->web;
    l->buf = pool_take(web->messages);
    if (!l->buf)
        return false;
    if (l->flags & LINE_BEGUN)
        ws_session_move(&l->session, l->buf, web->message_size);
    else
        ws_session_begin(&l->session, l->rest, &l->settings.limits, &web->deflate, l->buf, web->message_size);
    l->flags |= LINE_BEGUN;
    return true;
}

static bool take_output(struct ws_line *l)
{
    l->out = pool_take(l->c->web->messages);
    if (l->out)
        ws_session_output(&l->session, l->out, l->c->web->message_size);
    return l->out != NULL;
}

/* ---- Messages ---- */

/* Room for len more bytes of the message that is gathered. False: there is no memory for that. */
static bool gather_room(struct ws_line *l, size_t len)
{
    size_t need = l->whole_len + len, size = l->whole ? l->whole->size * 2 : MAPPING_FIRST;
    if (l->whole && need <= mapping_room(l->whole))
        return true;
    if (size < mapping_size(need))
        size = mapping_size(need);
    uint64_t most = l->settings.limits.max_message;
    if (most < size && mapping_size((size_t)most) < size)
        size = mapping_size((size_t)most);
    struct mapping *m = mapping_resize(l->c->x->http, l->c->web->message_account, l->whole, size);
    if (m)
        l->whole = m;
    return m != NULL;
}

static void show(weir_ws_message *m, const struct ws_event *e, const char *data, size_t len, bool first)
{
    *m = (weir_ws_message){.data = data, .len = len, .text = e->text, .first = first, .last = e->last};
}

/* Takes a piece of a message: 1: there is one for the handler; 0, or an error. */
static int take_piece(struct ws_line *l, const struct ws_event *e, weir_ws_message *m)
{
    if (l->flags & LINE_LEFT)
        return 0;
    if (!l->settings.whole || (e->first && e->last)) {
        show(m, e, e->data, e->len, e->first);
        return 1;
    }
    if (!gather_room(l, e->len))
        return starve(l);
    memcpy(mapping_data(l->whole) + l->whole_len, e->data, e->len);
    l->whole_len += e->len;
    if (!e->last)
        return 0;
    l->flags |= LINE_GATHERED;
    show(m, e, mapping_data(l->whole), l->whole_len, true);
    return 1;
}

/* The client closes, or has broken the protocol: the Close that is due is sent. */
static COLD int take_end(struct ws_line *l, const struct ws_event *e)
{
    bool failed = l->rest->state == WS_FAILED;
    l->socket.close_reason = arena_copy(&l->c->x->arena, slice_of(e->data, e->len));
    if (ws_must_close(l->rest))
        (void)line_close(l->c, l->rest->close_code, failed ? slice_of(e->data, e->len) : slice_of(NULL, 0));
    return WEIR_ECLOSED;
}

/* Moves what has come to where the session reads. */
static void feed(struct ws_line *l)
{
    size_t room;
    char *to = ws_session_room(&l->session, &room);
    size_t len = room < l->unread.len ? room : l->unread.len;
    memcpy(to, l->unread.data, len);
    l->unread.data += len;
    l->unread.len -= len;
    ws_session_received(&l->session, len);
}

static int take_event(struct ws_line *l, enum ws_event_kind kind, const struct ws_event *e, weir_ws_message *m)
{
    switch (kind) {
    case WS_EVENT_MESSAGE:
        return take_piece(l, e, m);
    case WS_EVENT_PING:
        if (ws_may_send(l->rest))
            (void)line_send(l->c, WS_FIN | WS_PONG, slice_of(e->data, e->len));
        return 0;
    case WS_EVENT_CLOSE:
    case WS_EVENT_FAILED:
        return take_end(l, e);
    case WS_EVENT_OVER:
        return WEIR_ECLOSED;
    case WS_EVENT_OUTPUT:
        return take_output(l) ? 0 : starve(l);
    case WS_EVENT_STARVED:
        return starve(l);
    case WS_EVENT_NONE:
    case WS_EVENT_MORE:
    case WS_EVENT_PONG:
        break;
    }
    return 0;
}

/* The next message of what has come: 1; 0: there is none; or an error. */
static int take_next(struct ws_line *l, weir_ws_message *m)
{
    int result = 0;
    if (!l->buf && l->unread.len > 0 && !take_buf(l))
        return starve(l);
    while (l->buf && result == 0) {
        struct ws_event e;
        if (l->rest->state > WS_CLOSE_SENT)
            return WEIR_ECLOSED;
        enum ws_event_kind kind = ws_session_next(&l->session, &e);
        if (kind != WS_EVENT_MORE)
            result = take_event(l, kind, &e, m);
        else if (l->unread.len > 0)
            feed(l);
        else
            break;
    }
    return result;
}

/* ---- Waiting ---- */

/* How long a call waits: until a tick, for any time, or not at all. */
struct patience {
    int timeout_ms; /* as weir_ws_receive() was given it */
    uint32_t end;   /* tick, of one that is above 0 */
};

/* Makes *ms no longer than until a tick; at least what has come is looked at. */
static void until(int *ms, uint32_t now, uint32_t tick)
{
    int32_t left = ticks_between(now, tick);
    if (left < 1)
        left = 1;
    if (*ms < 0 || left < *ms)
        *ms = left;
}

/* The tick of the next Ping, or until which the client has to say something. False: there is none. */
static bool ping_due(const struct ws_line *l, uint32_t *tick)
{
    bool pinged = l->flags & LINE_PINGED;
    uint32_t ms = pinged ? l->settings.pong_timeout_ms : l->settings.ping_ms;
    *tick = tick_after(pinged ? l->pinged : l->heard, ms);
    return ms > 0 && l->settings.ping_ms > 0 && ws_may_send(l->rest);
}

static int wait_ms(const struct ws_line *l, const struct patience *p)
{
    int ms = -1;
    uint32_t now = line_now(l), tick;
    if (p->timeout_ms > 0)
        until(&ms, now, p->end);
    if (ping_due(l, &tick))
        until(&ms, now, tick);
    if (l->rest->state == WS_CLOSE_SENT)
        until(&ms, now, l->close_due);
    return ms;
}

/* The time for something has come. 0: goes on waiting. */
static int timed_out(struct ws_line *l, const struct patience *p)
{
    uint32_t now = line_now(l), tick;
    if (l->rest->state == WS_CLOSE_SENT && ticks_between(l->close_due, now) >= 0)
        return line_gone(l);
    if (ping_due(l, &tick) && ticks_between(tick, now) >= 0) {
        if (l->flags & LINE_PINGED)
            return line_gone(l);
        l->flags |= LINE_PINGED;
        l->pinged = now;
        (void)line_send(l->c, WS_FIN | WS_PING, slice_of(NULL, 0));
    }
    return p->timeout_ms > 0 && ticks_between(p->end, now) >= 0 ? WEIR_ETIMEDOUT : 0;
}

/* Waits until there is something to be read, or to be done: 0 or an error. */
static int wait(struct ws_line *l, const struct patience *p)
{
    struct exchange *x = l->c->x;
    bool more = line_deliver(l);
    if (l->flags & LINE_CUT)
        return line_gone(l);
    if (more || p->timeout_ms == WEIR_OFF)
        exchange_nudge(x);
    ssize_t n = exchange_read_within(x, wait_ms(l, p), &l->unread.data);
    if (n > 0) {
        l->unread.len = (size_t)n;
        l->heard = line_now(l);
        l->flags &= (uint8_t)~LINE_PINGED;
        return 0;
    }
    if (n == EXCHANGE_NUDGED)
        return p->timeout_ms == WEIR_OFF && !more ? WEIR_ETIMEDOUT : 0;
    if (n == WEIR_ETIMEDOUT)
        return timed_out(l, p);
    return n == WEIR_ECANCELED ? WEIR_ECANCELED : line_gone(l);
}

int line_receive(weir_ctx *c, weir_ws_message *m, int timeout_ms)
{
    struct ws_line *l = line_of(c);
    struct patience p = {.timeout_ms = timeout_ms};
    int result = 0;
    if (timeout_ms > 0)
        p.end = tick_after(line_now(l), loop_delay((uint32_t)timeout_ms));
    if (l->flags & LINE_GATHERED)
        free_whole(l);
    if (l->rest->state > WS_CLOSE_SENT)
        return exchange_dead_end(c->x, WEIR_ECLOSED);
    while (result == 0) {
        result = take_next(l, m);
        if (result == 0) {
            rest(l);
            result = wait(l, &p);
        }
    }
    if (result < 0)
        rest(l);
    return result > 0 ? 0 : result;
}
