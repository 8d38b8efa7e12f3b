/*
 * Connections that speak no HTTP: what a listener's service (listen_spec.service) is where its protocol is
 * http_protocol_raw. Each is an exchange that is upgraded from its begin (http/upgrade.h), and has no request.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_HTTP_RAW_H
#define WEIR_HTTP_RAW_H

#include <stdbool.h>

struct exchange;

/* The beginning of the web floor's record; outlives the server's workers. */
struct raw_service {
    bool server_first; /* a handler runs at once, and not only when the client has said something */
};

#endif
