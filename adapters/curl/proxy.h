/*
 * What the proxy of requests and that of WebSockets share: which fields are passed on, and where to.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_ADAPTER_CURL_PROXY_H
#define WEIR_ADAPTER_CURL_PROXY_H

#include "client.h"

/* A request that is passed on. */
struct passage {
    weir_ctx *c;
    weir_curl *client;
    const char *upstream;
    const weir_proxy_options *options;
    char *target; /* of the upstream's request; malloc()'s */
};

/* ---- proxy_target.c ---- */

/* The request target for the upstream: its own path and the client's. 0; WEIR_EINVAL: the client's has dot segments,
 * or not the prefix; WEIR_ENOMEM. The caller frees *target. */
int proxy_target(weir_ctx *c, const char *upstream, const char *strip_prefix, char **target);

/* ---- proxy_fields.c ---- */

/* Whether a field is of one connection alone (RFC 9110 section 7.6.1), or its meaning is the framing's. */
bool proxy_is_hop_field(const char *name);
/* Whether a comma-separated list has a member, case ignored. */
bool proxy_list_has(const char *list, const char *member);
/* Adds the fields of the client's request, and the proxy's own, to lines. False: no memory. */
bool proxy_add_fields(const struct passage *p, struct curl_slist **lines);
/* Adds a field of the upstream's reply to the client's, unless it is one that is not passed on; connection: the reply's
 * Connection, or NULL. 0 or WEIR_ENOMEM. */
int proxy_pass_field(weir_ctx *c, const char *connection, const char *name, const char *value);

/* ---- proxy_socket.c ---- */

/* Whether the client asks for a WebSocket. */
bool proxy_is_websocket(weir_ctx *c);
/* Passes that on, and then bytes in both directions, until one side ends. As weir_proxy(). */
int proxy_websocket(struct passage *p);

#endif
