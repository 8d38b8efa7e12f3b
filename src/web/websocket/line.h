/*
 * A WebSocket whose handler goes on with it in a straight line: the session is fed from the exchange, on the handler's
 * fiber, and topics' messages are sent while the handler waits for the client's. The record lies in the request's
 * memory. A live socket (live/socket.c) has such a line while an event runs, or a message is incomplete.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_WEBSOCKET_LINE_H
#define WEIR_WEB_WEBSOCKET_LINE_H

#include "web/context.h"
#include "web/mapping.h"
#include "web/topic/subscription.h"
#include "web/websocket/socket.h"

enum line_flags {
    LINE_BEGUN = 1 << 0,    /* the session has */
    LINE_GATHERED = 1 << 1, /* `whole` is what the handler was given last */
    LINE_PINGED = 1 << 2,   /* a Ping is out, and nothing has come since `pinged` */
    LINE_CUT = 1 << 3,      /* a frame is out by half: nothing can follow it */
    LINE_OVERRUN = 1 << 4,  /* a topic has disconnected the socket, and it has not been told */
    LINE_LEFT = 1 << 5,     /* the handler has ended: messages are dropped */
};

struct ws_line {
    struct ws_socket socket;
    struct ws_session_rest *rest; /* `kept`, or that of a live socket */
    struct ws_session_rest kept;
    /* Sends a frame of two parts, the second of which may be empty: 0 or an error. NULL: by the exchange. */
    int (*put)(struct ws_line *l, struct slice head, struct slice payload);
    struct ws_route_settings settings;
    struct ws_session session;
    weir_ctx *c;
    struct slice unread; /* what the session has had no room for, of the last piece that was read of the exchange */
    char *buf, *out;     /* buffers of the worker's: what is received, and inflated; NULL: none */
    /* A message that is larger than those, and how much of it there is; NULL: none. */
    struct mapping *whole;
    size_t whole_len;
    struct list topics, ended;  /* struct line_topic: the subscriptions, and records of earlier ones */
    struct message *delivering; /* with a reference; NULL: none */
    uint32_t heard, pinged;     /* ticks: when something came last, and when a Ping was sent for that */
    uint32_t close_due;         /* tick until which the client's Close is waited for */
    uint8_t flags;              /* enum line_flags */
};

static inline struct ws_line *line_of(const weir_ctx *c)
{
    return container_of(c->socket, struct ws_line, socket);
}

static inline uint32_t line_now(const struct ws_line *l)
{
    return loop_now_ms(l->c->web->loop);
}

/* Begins a line without its settings. rest: what lasts of its session. */
void line_init(struct ws_line *l, weir_ctx *c, const struct ws_socket_ops *ops, struct ws_session_rest *rest);

/* The connection has gone, or is given up, without a Close of the client's. Returns WEIR_ECLOSED. */
int line_gone(struct ws_line *l);

/* Sends a frame of two parts, the second of which may be empty. 0 or an error. May suspend. */
int line_put(struct ws_line *l, struct slice head, struct slice payload);
int line_send(weir_ctx *c, unsigned first, struct slice payload);
int line_close(weir_ctx *c, unsigned code, struct slice reason);

/* weir_ws_receive() for a line. */
int line_receive(weir_ctx *c, weir_ws_message *m, int timeout_ms);
/* Gives back all buffers. */
void line_release(struct ws_line *l);

int line_subscribe(weir_ctx *c, struct slice name, const weir_topic_start *start);
int line_unsubscribe(weir_ctx *c, struct slice name);
void line_unsubscribe_all(struct ws_line *l);
/* Sends messages of topics that have come, some of each. True: there may be more. May suspend. */
bool line_deliver(struct ws_line *l);

#endif
