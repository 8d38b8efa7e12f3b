/*
 * WebSockets whose messages come as events: between them a socket is a live stream, without a fiber and without a
 * buffer; while events run it has a context, and a line (websocket/line.h) that is fed from the duplex.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/live/socket.h"
#include "web/live/event.h"
#include "web/websocket/line.h"

#define STARVED_MS  50u    /* until an event is tried again that there was no memory for */
#define LOOK_MS     30000u /* where there are no Pings */
#define ENDED_TRIES 20     /* such tries for the last event of a socket that is lost */

/* A route of such sockets, which lives as long as the server. */
struct live_route {
    struct live_kind kind; /* first */
    struct live_route *next;
    struct ws_route_settings settings;
    weir_ws_handlers handlers;
};

size_t live_line_size(void)
{
    return sizeof(struct ws_line);
}

static const struct live_route *route_of(const struct live_stream *s)
{
    return container_of(s->duplex.user, struct live_route, kind.user);
}

static struct live_stream *socket_in(const weir_ctx *c)
{
    return live_of(live_event_duplex(c));
}

static void flag(struct live_stream *s, enum live_flags set, unsigned clear)
{
    s->rest.driver = (uint16_t)((s->rest.driver & ~clear) | (unsigned)set);
}

static bool has_flag(const struct live_stream *s, enum live_flags f)
{
    return s->rest.driver & f;
}

/* How long until the next look, in ms: at a client that owes its Close, or its Pong, or has to be asked for one. */
static uint32_t patience(const struct live_stream *s)
{
    const struct ws_route_settings *settings = &route_of(s)->settings;
    if (has_flag(s, LIVE_CLOSE_TIMED))
        return settings->close_timeout_ms;
    if (has_flag(s, LIVE_PINGED) && settings->pong_timeout_ms > 0)
        return settings->pong_timeout_ms;
    return settings->ping_ms > 0 ? settings->ping_ms : LOOK_MS;
}

/* ---- What the calls on a socket do ---- */

static int socket_put(struct ws_line *l, struct slice head, struct slice payload)
{
    struct live_stream *s = socket_in(l->c);
    flag(s, l->socket.sending ? LIVE_IN_PARTS : LIVE_NONE, LIVE_IN_PARTS); /* the last part goes before what lags */
    int error = live_send(l->c->x->http, s, head, payload);
    if (error)
        (void)line_gone(l);
    return error;
}

static int socket_subscribe(weir_ctx *c, struct slice name, const weir_topic_start *start)
{
    struct live_stream *s = socket_in(c);
    return live_is_subscribed(s, name) ? WEIR_EEXIST : live_subscribe(c->x->http, s, name, start);
}

static int socket_unsubscribe(weir_ctx *c, struct slice name)
{
    return live_unsubscribe(c->x->http, socket_in(c), name);
}

static const struct ws_socket_ops socket_ops = {
    .send = line_send,
    .close = line_close,
    .subscribe = socket_subscribe,
    .unsubscribe = socket_unsubscribe,
};

/* ---- The line of an event ---- */

/* Gives c the line that the last event has left, or a new one. False: no memory. */
static bool line_enter(weir_ctx *c, struct live_stream *s)
{
    struct live_work *w = live_work_there(s); /* which an event has */
    struct ws_line *l = w->own;
    if (!l && !(l = pool_take(&c->web->live.lines)))
        return false;
    if (!w->own) {
        line_init(l, c, &socket_ops, &s->rest);
        l->put = socket_put;
        l->settings = route_of(s)->settings;
    }
    l->c = c;
    c->socket = &l->socket;
    return true;
}

static void line_free(weir_ctx *c, struct live_stream *s)
{
    struct ws_line *l = line_of(c);
    live_work_there(s)->own = NULL;
    line_release(l);
    ws_socket_end(c, &l->socket);
    pool_give(&c->web->live.lines, l);
    c->socket = NULL;
}

/* The events are over for now: the line stays while a message is incomplete, in either direction. */
static void line_leave(weir_ctx *c, struct live_stream *s)
{
    struct ws_line *l = line_of(c);
    live_work_there(s)->keeps = l->buf || l->whole || l->unread.len > 0 || l->socket.sending;
    if (!live_work_there(s)->keeps) {
        line_free(c, s);
        return;
    }
    live_work_there(s)->own = l;
    l->c = NULL;
    l->socket.close_reason = l->socket.protocol_text = NULL; /* which lay in the event's memory */
    c->socket = NULL;
}

/* ---- Events ---- */

/* The events are over for now: the client's Close is waited for from here on, or a look is due that was not had, or the
 * client has answered a Ping, and the time until the next one begins. */
static void time_next(struct http *http, struct live_stream *s)
{
    bool closing = s->rest.state == WS_CLOSE_SENT, closes = closing && !has_flag(s, LIVE_CLOSE_TIMED);
    bool starved = has_flag(s, LIVE_STARVED);
    bool answered = !closing && has_flag(s, LIVE_PINGED) && has_flag(s, LIVE_HEARD);
    flag(s, closes ? LIVE_CLOSE_TIMED : LIVE_NONE, answered ? LIVE_STARVED | LIVE_PINGED | LIVE_HEARD : LIVE_STARVED);
    if (closes || starved || answered)
        duplex_time(http, &s->duplex, patience(s));
}

/* Whether an event has failed, and the client's Close is waited for: what it sends before that is dropped. */
static bool has_failed(const struct live_stream *s)
{
    return s->rest.state == WS_CLOSE_SENT && s->rest.close_code == WS_CLOSE_INTERNAL;
}

/* Says 1011, unless a Close is out. Whether the client's Close is waited for then. */
static bool say_failed(struct http *http, struct live_stream *s)
{
    uint8_t frame[WS_CONTROL_ROOM];
    if (!duplex_is_there(&s->duplex) || has_flag(s, LIVE_TOLD))
        return false;
    if (ws_may_send(&s->rest)) {
        size_t len = ws_close_write(frame, WS_CLOSE_INTERNAL, slice_of(NULL, 0));
        ws_close_sent(&s->rest);
        s->rest.close_code = WS_CLOSE_INTERNAL;
        if (!live_say(http, s, (const char *)frame, len))
            return false;
    }
    return s->rest.state == WS_CLOSE_SENT && duplex_is_there(&s->duplex);
}

static void event_failed(weir_ctx *c, struct duplex *d)
{
    struct live_stream *s = live_of(d);
    struct http *http = c->x->http;
    bool waits = say_failed(http, s);
    flag(s, LIVE_NONE, LIVE_RUNS);
    if (c->socket && waits) {
        line_leave(c, s);
    } else if (c->socket) {
        live_work_there(s)->keeps = false;
        line_free(c, s);
    }
    live_event_end(c);
    if (waits && duplex_is_there(d)) /* deferred calls may have waited */
        time_next(http, s);
    duplex_fail(http, d, waits);
    if (has_flag(s, LIVE_ENDED))
        live_free(http, s);
}

/* The last event. */
static void tell_closed(weir_ctx *c, struct live_stream *s)
{
    const struct live_route *route = route_of(s);
    int code = s->rest.close_code ? s->rest.close_code : WS_CLOSE_ABNORMAL;
    if (has_flag(s, LIVE_TOLD))
        return;
    flag(s, LIVE_TOLD, 0);
    live_event_is_last(c);
    if (route->handlers.close)
        route->handlers.close(c, live_data(s), code, weir_ws_close_reason(c));
}

/* What has been asked for from elsewhere: the server stops, or a topic disconnects. */
static void close_if_asked(weir_ctx *c, struct live_stream *s)
{
    if (!has_flag(s, LIVE_CLOSING) || !ws_may_send(&s->rest))
        return;
    if (has_flag(s, LIVE_OVERRUN))
        (void)line_close(c, WS_CLOSE_POLICY, SLICE("too slow"));
    else
        (void)line_close(c, WS_CLOSE_GOING_AWAY, slice_of(NULL, 0));
}

/* Tells events until nothing more has come. Whether the socket is over. */
static bool tell_events(weir_ctx *c, struct live_stream *s)
{
    const struct live_route *route = route_of(s);
    weir_ws_message m;
    int result = 0;
    if (!has_flag(s, LIVE_OPENED)) {
        flag(s, LIVE_OPENED, 0);
        if (route->handlers.open)
            route->handlers.open(c, live_data(s));
        live_event_renew(c);
    }
    while (result == 0 && duplex_is_there(&s->duplex) && !has_flag(s, LIVE_GIVEN_UP)) {
        close_if_asked(c, s);
        result = line_receive(c, &m, WEIR_OFF);
        if (result == 0) {
            if (route->handlers.message && !has_failed(s))
                route->handlers.message(c, live_data(s), &m);
            live_event_renew(c);
            exchange_charge(c->x, 0); /* the call: its bytes were when they were read */
        }
    }
    return result == WEIR_ECLOSED || !duplex_is_there(&s->duplex) || has_flag(s, LIVE_GIVEN_UP);
}

static void socket_run(struct http *http, struct duplex *d)
{
    struct live_stream *s = live_of(d);
    weir_ctx *c = live_event_begin(http, d, event_failed);
    if (!c || !line_enter(c, s)) {
        if (c)
            live_event_end(c);
        flag(s, LIVE_STARVED, 0);
        duplex_time(http, d, STARVED_MS);
        return;
    }
    flag(s, LIVE_RUNS, 0);
    bool over = tell_events(c, s);
    flag(s, LIVE_NONE, LIVE_RUNS);
    if (over) {
        tell_closed(c, s);
        line_free(c, s);
    } else {
        line_leave(c, s);
    }
    live_event_end(c);
    if (!duplex_is_there(d))
        return; /* socket_ended() follows */
    if (!over) {
        time_next(http, s);
    } else {
        bool orderly = s->rest.close_code != WS_CLOSE_ABNORMAL && !has_flag(s, LIVE_GIVEN_UP);
        duplex_close(http, d, orderly);
        live_free(http, s);
    }
}

/* ---- The duplex's other calls ---- */

static void socket_begun(struct http *http, struct duplex *d, const char *data, size_t len)
{
    struct live_stream *s = live_of(d);
    duplex_time(http, d, patience(s));
    if (len > 0) {
        struct live_work *w = live_work(http, s);
        if (!w || !(w->early = spill_take_any(http, len))) {
            flag(s, LIVE_GIVEN_UP, 0);
        } else {
            memcpy(w->early->data, data, len);
            w->early->len = (uint16_t)len;
        }
    }
    duplex_queue(http, d);
}

static void socket_look(struct http *http, struct duplex *d)
{
    struct live_stream *s = live_of(d);
    const struct ws_route_settings *settings = &route_of(s)->settings;
    uint8_t ping[WS_CONTROL_ROOM];
    bool pings = settings->ping_ms > 0 && ws_may_send(&s->rest), heard = has_flag(s, LIVE_HEARD);
    bool answers = pings && settings->pong_timeout_ms > 0 && !has_flag(s, LIVE_RUNS); /* what has come is being told */
    if (has_flag(s, LIVE_STARVED)) {
        duplex_queue(http, d);
    } else if (has_flag(s, LIVE_CLOSE_TIMED) || (answers && !heard && has_flag(s, LIVE_PINGED))) {
        flag(s, LIVE_GIVEN_UP, 0);
        duplex_queue(http, d);
    } else if (pings && !heard) {
        flag(s, LIVE_PINGED, 0);
        (void)live_say(http, s, (const char *)ping, ws_control_write(ping, WS_PING, slice_of(NULL, 0)));
    } else {
        flag(s, LIVE_NONE, LIVE_HEARD | LIVE_PINGED);
    }
    if (!duplex_is_there(d))
        return;
    duplex_time(http, d, patience(s));
    if (live_work_of(s))
        duplex_send(http, d); /* what could not be taken for want of memory */
}

static void socket_resumed(struct http *http, struct duplex *d)
{
    struct live_stream *s = live_of(d);
    if (has_flag(s, LIVE_STARVED))
        duplex_queue(http, d);
    duplex_time(http, d, patience(s));
}

static void socket_half_closed(struct http *http, struct duplex *d)
{
    (void)http;
    live_event_tell(live_of(d), NEWS_HALF_CLOSED);
}

static void socket_drain(struct http *http, struct duplex *d)
{
    live_end_soon(http, live_of(d), LIVE_CLOSING);
    live_event_tell(live_of(d), NEWS_STOP);
}

/* Lets the fiber wait for a moment. */
static void pause_fiber(struct http *http)
{
    struct loop *loop = http->net->loop;
    struct wait_timer wait = {.timer.kind = TIMER_WAIT, .fiber = loop->fibers.current};
    timer_arm(&loop->wheel, &wait.timer, loop_delay_now(loop, STARVED_MS));
    (void)fiber_park(&loop->fibers);
}

static void socket_ended(struct http *http, struct duplex *d)
{
    struct live_stream *s = live_of(d);
    weir_ctx *c = NULL;
    bool begun = duplex_has_begun(d) && !has_flag(s, LIVE_TOLD);
    flag(s, LIVE_ENDED, 0);
    for (int i = 0; begun && i < ENDED_TRIES; i++) {
        c = live_event_begin(http, d, event_failed);
        if (c && line_enter(c, s))
            break;
        if (c)
            live_event_end(c);
        c = NULL;
        pause_fiber(http);
    }
    if (c) {
        tell_closed(c, s);
        line_free(c, s);
        live_event_end(c);
    }
    live_free(http, s);
}

static struct slice socket_encode(struct live_stream *l, struct message *m)
{
    return ws_may_send(&l->rest) ? message_frame(m) : slice_of(NULL, 0);
}

static const struct live_kind socket_kind = {
    .user = {.begun = socket_begun,
             .run = socket_run,
             .look = socket_look,
             .resumed = socket_resumed,
             .half_closed = socket_half_closed,
             .drain = socket_drain,
             .ended = socket_ended,
             LIVE_SENDS},
    .encode = socket_encode,
    .figure = offsetof(struct live_figures, websockets),
    LIVE_SUBSCRIBES,
};

/* ---- From a request ---- */

static void socket_request(weir_ctx *c)
{
    struct live_route *route = weir_route_data(c);
    struct http *http = c->x->http;
    struct ws_route_settings settings = route->settings; /* of this worker, as to compression */
    struct ws_answer answer;
    void *data = route->handlers.data;
    ws_deflate_prepare(c, &settings.policy.deflate);
    if (ws_check(c, &settings, &answer) != 0 || (route->handlers.accept && !route->handlers.accept(c, &data)))
        return;
    struct live_stream *s = live_take(http);
    if (!s)
        c->reply_error = WEIR_ENOMEM;
    if (!s || ws_accept(c, &answer) != 0) {
        if (route->handlers.close)
            route->handlers.close(c, data, WS_CLOSE_ABNORMAL, "");
        if (s)
            live_free(http, s);
        return;
    }
    ws_session_open(&s->rest, &answer.extensions.deflate,
                    ws_protocol_number(settings.policy.protocols, answer.protocol));
    s->has.data = data;
    live_leave(c->x, s, &route->kind);
}

void live_routes_free(struct site *site)
{
    for (struct live_route *r = site->sockets, *next; r; r = next) {
        next = r->next;
        memory_free(&site->account, r, sizeof *r);
    }
    site->sockets = NULL;
}

int weir_group_websocket_sized(weir_group *g, const char *pattern, const weir_ws_handlers *handlers, size_t size)
{
    const char *wrong;
    weir_ws_handlers given = {0};
    if (!g || !pattern || !handlers)
        return WEIR_EINVAL;
    memcpy(&given, handlers, size < sizeof given ? size : sizeof given);
    struct site *site = g->site;
    struct live_route *r = memory_alloc(&site->account, sizeof *r);
    if (!r)
        return WEIR_ENOMEM;
    *r = (struct live_route){.kind = socket_kind, .next = site->sockets, .handlers = given};
    site->sockets = r;
    if (ws_settings_read(&given.config, sizeof given.config, &r->settings, &wrong) != 0) {
        site_error(site, "%s: weir_websocket(): wrong %s", pattern, wrong);
        return WEIR_EINVAL;
    }
    r->settings.policy.deflate.server_takeover = r->settings.policy.deflate.client_takeover = false;
    return weir_group_route(g, WEIR_UPGRADE, pattern, socket_request, r);
}
