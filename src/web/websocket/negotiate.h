/*
 * permessage-deflate (RFC 7692 section 7.1): what is agreed on with a client, by what it offers and what the route
 * wants.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_WEBSOCKET_NEGOTIATE_H
#define WEIR_WEB_WEBSOCKET_NEGOTIATE_H

#include "base/slice.h"

#include <stdint.h>

#define WS_BITS_MIN 9 /* zlib has no smaller window than 512 bytes */
#define WS_BITS_MAX 15

/* What a route wants. Takeover: a context stays with the socket, so that a message can refer to those before it. */
struct ws_deflate_settings {
    bool on;
    bool server_takeover, client_takeover; /* both off, unless a program wants more of less memory */
    uint8_t server_bits;                   /* of our window, WS_BITS_MIN to WS_BITS_MAX */
    uint8_t client_bits; /* of the largest window that clients may use: below WS_BITS_MAX only clients that can have
                          * it bounded are agreed with */
    uint8_t level;       /* 1 to 9 */
    uint32_t len_min;    /* messages below so many bytes are sent as they are */
};

/* What is usual: a context that compresses takes 38 KB, and makes messages of 10 KB no longer than one of 262 KB does;
 * one that inflates takes 40 KB, since browsers use the largest window. */
#define WS_DEFLATE_USUAL                                                                                               \
    {                                                                                                                  \
        .on = true, .server_bits = 12, .client_bits = WS_BITS_MAX, .level = 5, .len_min = 256                          \
    }

enum ws_deflate_flags {
    WS_DEFLATE_ON = 1 << 0, /* agreed on; without it the rest means nothing */
    WS_SERVER_TAKEOVER = 1 << 1,
    WS_CLIENT_TAKEOVER = 1 << 2,
};

/* What was agreed on. All zero: nothing. */
struct ws_deflate {
    uint8_t flags;           /* enum ws_deflate_flags */
    uint8_t server_bits : 4; /* the most that what we send may refer back, as a power of two */
    uint8_t client_bits : 4; /* likewise of what the client sends */
};

/* Bytes of the answer, at most. */
#define WS_EXTENSIONS_MAX                                                                                              \
    (sizeof "permessage-deflate; server_no_context_takeover; client_no_context_takeover; "                             \
            "server_max_window_bits=15; client_max_window_bits=15" -                                                   \
     1)

/* The fields of one name, in the order of their lines. */
struct ws_lines {
    const struct slice *values;
    size_t count;
};

/* The answer: what is agreed on, and the value of the field that says so (empty: none is sent). */
struct ws_extensions {
    struct ws_deflate deflate;
    uint8_t len;
    char text[WS_EXTENSIONS_MAX];
};

/* Chooses the first of the client's offers that can be met, of the lines of Sec-WebSocket-Extensions. False: a line is
 * malformed. */
bool ws_negotiate(struct ws_lines lines, const struct ws_deflate_settings *wanted, struct ws_extensions *answer);

#endif
