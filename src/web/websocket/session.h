/*
 * One WebSocket on the side of the server (RFC 6455 sections 5 to 7): bytes in, events out, no connection in sight.
 * Whoever drives it owns the buffer, receives into it, and asks for one event after the other. What is to be sent in
 * return is the driver's as well; frame.h has the frames.
 *
 *     ws_session_begin(&s, &rest, &limits, contexts, buf, sizeof buf);
 *     for (;;) {
 *         while ((kind = ws_session_next(&s, &event)) != WS_EVENT_MORE)
 *             ... until WS_EVENT_CLOSE or WS_EVENT_FAILED
 *         received = recv(fd, ws_session_room(&s, &room), room, 0);
 *         ws_session_received(&s, received);
 *     }
 *
 * Payloads are unmasked where they lie. A message that has come as one frame is told from there, and nothing is copied;
 * of one in fragments those behind the first move up to it. One that is larger than the buffer is told in pieces, each
 * as large as the buffer. Control frames are told when they come, also between the fragments of a message.
 *
 * A compressed message is gathered in the buffer, and inflated into another one, the output, when it is complete or the
 * buffer is full; so it takes a context no longer than that. Its pieces are as large as the output.
 *
 * Between messages a socket needs a struct ws_session_rest, 8 bytes. A session, and the buffer, are needed until
 * ws_session_is_idle() says that they are not.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_WEBSOCKET_SESSION_H
#define WEIR_WEB_WEBSOCKET_SESSION_H

#include "web/websocket/deflate.h"
#include "web/websocket/utf8.h"

/* How far the closing handshake has come (RFC 6455 section 7.1). */
enum ws_state {
    WS_OPEN,
    WS_CLOSE_SENT,     /* the client's Close is waited for; what it has sent before is still told */
    WS_CLOSE_RECEIVED, /* ours has to be sent; nothing more is read */
    WS_FAILED, /* the client has broken the protocol, or a limit: a Close has to be sent, nothing more is read */
    WS_CLOSED, /* both are out, or one of them and the rest is hopeless: the connection is to be ended */
};

/* What a socket keeps between messages. */
struct ws_session_rest {
    uint8_t state; /* enum ws_state */
    struct ws_deflate deflate;
    uint8_t protocol;    /* the subprotocol that was agreed on, as ws_protocol_number() has it */
    uint16_t close_code; /* the client's, from WS_CLOSE_RECEIVED on; of WS_FAILED the one to be sent; 0: none yet */
    uint16_t driver;     /* the driver's own */
};

/* What a route takes. */
enum ws_kinds { WS_ANY_KIND, WS_TEXT_ALONE, WS_BINARY_ALONE };

struct ws_limits {
    uint64_t max_message; /* bytes of a message as the program sees it; UINT64_MAX: there is no limit */
    uint64_t max_frame;   /* bytes of a data frame's payload, as it is on the wire; likewise */
    enum ws_kinds kinds;
};

enum ws_event_kind {
    WS_EVENT_NONE,    /* within the session: a step has nothing to tell, and another one follows */
    WS_EVENT_MORE,    /* all has been told: there is room for more to be received */
    WS_EVENT_MESSAGE, /* a piece of a message; text ends with a whole character in each of them */
    WS_EVENT_PING,    /* the payload is what the Pong has to have */
    WS_EVENT_PONG,
    WS_EVENT_CLOSE,  /* the client closes: code, or WS_CLOSE_NO_CODE, and the reason in data */
    WS_EVENT_FAILED, /* code and data are what a Close has to say */
    WS_EVENT_OVER,   /* nothing more is read: what has come is dropped */
    /* Nothing has been read, and the next call tries again: */
    WS_EVENT_OUTPUT,  /* what is compressed wants an output, see ws_session_output() */
    WS_EVENT_STARVED, /* and there is no memory for a context: later there may be, or the client is told to come again
                       * by WS_CLOSE_TRY_LATER */
};

/* What has been told. data is valid until the next call for the session. */
struct ws_event {
    const char *data; /* never NULL */
    size_t len;
    uint16_t code;    /* of WS_EVENT_CLOSE and WS_EVENT_FAILED */
    bool text;        /* else binary */
    bool first, last; /* piece of its message: both of one that is told whole */
};

enum ws_place {
    WS_AT_HEAD,    /* before a frame, or within its head */
    WS_IN_DATA,    /* within the payload of a message's frame */
    WS_IN_CONTROL, /* before the payload of a control frame, which is read when it is whole */
};

enum ws_inflating {
    WS_INFLATE_NOT,
    WS_INFLATE_PART, /* what is held of the message is being inflated, so that there is room for more */
    WS_INFLATE_LAST, /* and the message ends with it */
};

/* A socket that receives. */
struct ws_session {
    struct ws_session_rest *rest;
    const struct ws_limits *limits;
    struct ws_contexts *contexts;
    /* The driver's buffer. What a message has so far and has not been told lies at [start, held), unmasked; what has
     * been received and not been read at [at, end). */
    char *buf;
    uint32_t size, start, held, at, end;
    /* The frame that is being read, whose payload still has `left` bytes. */
    struct ws_frame frame;
    uint64_t left;
    uint64_t message_len; /* bytes that the open message's frames announce together */
    struct utf8 utf8;     /* where its text stands */
    uint8_t place;        /* enum ws_place */
    uint8_t message;      /* WS_TEXT or WS_BINARY while a message is open; 0: none is */
    bool first;           /* no piece of it has been told */
    bool compressed;
    /* Of a compressed message: the context, NULL until one is needed. The output holds out_len bytes, the first
     * out_told of which have been told; inflated is how many the message has so far. */
    struct ws_inflater *inflater;
    char *out;
    uint32_t out_size, out_told, out_len;
    uint64_t inflated;
    uint8_t inflating; /* enum ws_inflating */
    uint8_t tail_at;   /* bytes of the tail that have been inflated */
};

#define WS_BUFFER_MIN 256 /* bytes of a driver's buffer: a control frame fits behind what is kept of a text */

/* Begins a socket that was accepted. */
void ws_session_open(struct ws_session_rest *rest, const struct ws_deflate *agreed, uint8_t protocol);

/* Begins to receive, between messages. All of the arguments live as long as the session is used; contexts may be NULL
 * if nothing was agreed on that needs them. The buffer has from WS_BUFFER_MIN bytes to 2^31 - 1. */
void ws_session_begin(struct ws_session *s, struct ws_session_rest *rest, const struct ws_limits *limits,
                      struct ws_contexts *contexts, char *buf, size_t size);

/* Ends a session at any time, and gives back its context. One that is idle needs no end. */
void ws_session_end(struct ws_session *s);

/* Goes on in another buffer, which holds what is in the present one: one that has more room, or is smaller. */
void ws_session_move(struct ws_session *s, char *buf, size_t size);

/* Gives an output to inflate into, of size bytes as above, in place of an earlier one. NULL takes it back: only when no
 * compressed message is open. */
void ws_session_output(struct ws_session *s, char *out, size_t size);

/* Where to receive, and at most how many bytes: after WS_EVENT_MORE at least one. */
char *ws_session_room(const struct ws_session *s, size_t *room);
/* len bytes have been received there. */
void ws_session_received(struct ws_session *s, size_t len);

/* Tells what comes next. */
enum ws_event_kind ws_session_next(struct ws_session *s, struct ws_event *e);

/* Bytes that have been received, or are kept of a message. */
static inline size_t ws_session_used(const struct ws_session *s)
{
    return (s->held - s->start) + (s->end - s->at);
}

/* Whether nothing is under way, so that no buffer is needed until something is received again: then another one can be
 * given by ws_session_move(). */
static inline bool ws_session_is_between(const struct ws_session *s)
{
    return s->message == 0 && s->place == WS_AT_HEAD && s->at == s->end;
}

/* Whether the session is not needed either. One that keeps its context for takeover is never idle. */
static inline bool ws_session_is_idle(const struct ws_session *s)
{
    return ws_session_is_between(s) && !s->inflater;
}

/* A Close has been sent, or will be before anything else is. */
void ws_close_sent(struct ws_session_rest *rest);

/* Whether messages, and Pings, may be sent: never behind a Close. */
static inline bool ws_may_send(const struct ws_session_rest *rest)
{
    return rest->state == WS_OPEN;
}

/* Whether a Close has to be sent: with close_code, WS_CLOSE_NO_CODE included. */
static inline bool ws_must_close(const struct ws_session_rest *rest)
{
    return rest->state == WS_CLOSE_RECEIVED || rest->state == WS_FAILED;
}

#endif
