/*
 * Routes of WebSockets whose messages come as events.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_LIVE_SOCKET_H
#define WEIR_WEB_LIVE_SOCKET_H

struct site;

/* Frees what weir_websocket() has made for a site. */
void live_routes_free(struct site *site);

#endif
