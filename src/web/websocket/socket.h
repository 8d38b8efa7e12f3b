/*
 * A WebSocket as the calls on a context see it (weir_ws_send() and its kin): a record that hangs from the context while
 * a handler, or an event, has the socket. How bytes get to the client is its kind's, by a table: a line (line.c) has an
 * exchange and a fiber for as long as it lives, a live socket a duplex and a fiber for each event.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_WEBSOCKET_SOCKET_H
#define WEIR_WEB_WEBSOCKET_SOCKET_H

#include "web/websocket/handshake.h"
#include "web/websocket/session.h"
#include "weir.h"

/* What a route, or a handler, wants of its sockets: a weir_ws_config, checked and completed. */
struct ws_route_settings {
    struct ws_policy policy;
    struct ws_limits limits;
    uint32_t ping_ms, pong_timeout_ms; /* 0: no Pings; they need no answer */
    uint32_t close_timeout_ms;
    bool whole; /* messages come in one piece */
};

/* What a kind of socket does; c->socket is its record. The caller looks at the session's state: a message or a Ping is
 * sent while ws_may_send(), and a Close once. */
struct ws_socket_ops {
    /* Sends a frame: its first byte, by enum ws_opcode and ws_frame_flags, and its payload, which is the caller's again
     * afterwards. 0 or an error. May suspend. */
    int (*send)(weir_ctx *c, unsigned first, struct slice payload);
    /* Sends a Close, and says so to the session. code may be WS_CLOSE_NO_CODE. 0 or an error. May suspend. */
    int (*close)(weir_ctx *c, unsigned code, struct slice reason);
    /* As weir_ws_subscribe() and weir_ws_unsubscribe(). start may be NULL. */
    int (*subscribe)(weir_ctx *c, struct slice name, const weir_topic_start *start);
    int (*unsubscribe)(weir_ctx *c, struct slice name);
    /* As weir_ws_receive(). NULL: messages come as events. */
    int (*receive)(weir_ctx *c, weir_ws_message *m, int timeout_ms);
    /* The handler has ended: failed, by weir_fail() or because it could not go on. False: nothing orderly can be said
     * to the client any more. May suspend. NULL: nothing is to be done. */
    bool (*left)(weir_ctx *c, bool failed);
};

struct ws_socket {
    const struct ws_socket_ops *ops;
    const struct ws_route_settings *settings;
    struct ws_session_rest *rest;
    struct ws_deflater *deflater; /* of the message that is being sent, or kept for takeover; NULL: none */
    char *compressed;             /* a buffer of the worker's, while a compressed message is being sent; else NULL */
    const char *protocol_text;    /* agreed on, in the request's memory once it was asked for; else NULL */
    const char *close_reason;     /* in the request's memory; NULL: none */
    struct utf8 utf8;             /* where the text stands that is being sent in parts */
    uint8_t sending;              /* WS_TEXT or WS_BINARY while a message is being sent in parts; 0: none is */
};

/* Gives back what a socket has of the worker's. At the latest when its request ends, its event or itself. */
void ws_socket_end(weir_ctx *c, struct ws_socket *s);

/* Makes permessage-deflate work where the settings want it, or turns it off there. May suspend. */
void ws_deflate_prepare(weir_ctx *c, struct ws_deflate_settings *wanted);

/* Checks and completes the settings. config may be NULL; size: bytes of the structure that its caller knows. *wrong is
 * the name of a member that is. 0 or WEIR_EINVAL. */
int ws_settings_read(const weir_ws_config *config, size_t size, struct ws_route_settings *s, const char **wrong);

/* Judges the request of a handshake: 0, and answer says what is agreed on; or the error of a refusal, whose page is
 * made if the handler then returns. As weir_ws_accept(). */
int ws_check(weir_ctx *c, const struct ws_route_settings *settings, struct ws_answer *answer);

/* Replies what was agreed on, by an upgrade. As weir_ws_accept(). Suspends. */
int ws_accept(weir_ctx *c, const struct ws_answer *answer);

#endif
