/*
 * The opening handshake of WebSocket (RFC 6455 section 4.2, over HTTP/2 RFC 8441 section 5): what a request asks for,
 * by the values of its fields, and what is answered. Nothing is read or written.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_WEBSOCKET_HANDSHAKE_H
#define WEIR_WEB_WEBSOCKET_HANDSHAKE_H

#include "base/base64.h"
#include "base/sha1.h"
#include "web/websocket/negotiate.h"

#define WS_VERSION "13"

/* A request, by the fields that matter. */
struct ws_request {
    uint8_t http;           /* enum weir_http. From 20 on the first three of the fields below have no meaning */
    struct slice method;    /* of HTTP/1 */
    struct slice authority; /* where the request was sent to: Host, or what stands for it */
    struct ws_lines upgrade, connection;
    struct ws_lines key, version, protocols, extensions; /* Sec-WebSocket-... */
    struct ws_lines origin;
};

/* What a route wants. */
struct ws_policy {
    const char *protocols; /* subprotocols that the program speaks, with blanks between; NULL: none */
    const char *origins;   /* see ws_origin_is_allowed() */
    struct ws_deflate_settings deflate;
};

enum ws_verdict {
    WS_ACCEPTED,
    WS_NOT_ASKED,     /* no WebSocket is asked for: 426, with "Upgrade: websocket" */
    WS_OTHER_VERSION, /* 426, with "Sec-WebSocket-Version: 13" (RFC 6455 section 4.4), and as above */
    WS_MALFORMED,     /* 400 */
    WS_FOREIGN,       /* a page of an origin that may not: 403 */
};

#define WS_ACCEPT_LEN BASE64_LEN(SHA1_LEN)

/* What is answered where the verdict is WS_ACCEPTED. */
struct ws_answer {
    char accept[WS_ACCEPT_LEN]; /* Sec-WebSocket-Accept, of HTTP/1 */
    struct slice protocol;      /* Sec-WebSocket-Protocol; empty: none. Of the policy's string */
    struct ws_extensions extensions;
};

/* Decides on a request. *why is a static text where it is not accepted. */
enum ws_verdict ws_handshake(const struct ws_request *r, const struct ws_policy *p, struct ws_answer *answer,
                             const char **why);

/* The status of a verdict: 101 for WS_ACCEPTED, which over HTTP/2 is 200. */
unsigned ws_verdict_status(enum ws_verdict verdict);

/* ---- Its parts ---- */

/* Whether a list, over all of its lines, has a member, whatever its case. */
bool ws_list_has(struct ws_lines lines, struct slice member);

/* Whether a key is the Base64 of 16 bytes. What its last letter holds beyond them is not looked at: in the example of
 * RFC 6455 section 4.1 that is not zero. */
bool ws_key_is_valid(struct slice key);

/* Writes Sec-WebSocket-Accept for a valid key (RFC 6455 section 4.2.2). */
void ws_accept_write(struct slice key, char to[static WS_ACCEPT_LEN]);

/* Chooses the first of the client's subprotocols that stands in offered, words with blanks between. *chosen is empty
 * where there is none. False: a line is malformed. */
bool ws_protocol_choose(struct ws_lines lines, const char *offered, struct slice *chosen);

#define WS_PROTOCOLS_MAX 255 /* words of such a list */

/* Which word of offered was chosen, from 1 on; 0: none. */
uint8_t ws_protocol_number(const char *offered, struct slice chosen);
/* The word of a number from 1 on. */
struct slice ws_protocol_at(const char *offered, uint8_t number);

#endif
