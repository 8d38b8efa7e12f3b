/*
 * Who may open a WebSocket (RFC 6455 section 10.2). A page of any site can open one to any server, and the browser
 * sends the user's cookies along; what tells the server is the Origin. Nothing but the server itself looks at it: no
 * CORS protects a WebSocket.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_WEBSOCKET_ORIGIN_H
#define WEIR_WEB_WEBSOCKET_ORIGIN_H

#include "base/slice.h"

/*
 * Whether pages of an origin may open a WebSocket, by the value of its field. An http or https origin whose host and
 * port are those of authority, where the request was sent to, may always; the ports that a scheme has without saying so
 * are known. Others may if allowed names them, a list with blanks between: "https://a.example https://b.example", or
 * "*" for all of them; NULL names none. "null", which browsers send for pages without an origin, is named like others.
 */
bool ws_origin_is_allowed(struct slice origin, struct slice authority, const char *allowed);

#endif
