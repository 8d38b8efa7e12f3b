/*
 * Sec-WebSocket-Extensions (RFC 6455 section 9.1): a list of extensions, each with parameters, in the order in which
 * the client would have them.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_WEBSOCKET_EXTENSION_H
#define WEIR_WEB_WEBSOCKET_EXTENSION_H

#include "base/slice.h"

struct ws_parameter {
    struct slice name;
    struct slice value; /* a token, without quotes; data is NULL where the parameter has none */
};

enum ws_extension_result { WS_EXTENSION_FOUND, WS_EXTENSION_END, WS_EXTENSION_MALFORMED };

/* Takes the next extension off the front of *list, the value of a field; *parameters is what stands behind its name. */
enum ws_extension_result ws_extension_next(struct slice *list, struct slice *name, struct slice *parameters);

/* Takes the next parameter. A value that is quoted has to be a token within its quotes, without a backslash. */
enum ws_extension_result ws_parameter_next(struct slice *parameters, struct ws_parameter *p);

#endif
