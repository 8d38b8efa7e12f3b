/*
 * The transport of TLS listeners, as who sets up a listener names it.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_NET_TLS_TRANSPORT_H
#define WEIR_NET_TLS_TRANSPORT_H

#include "net/transport.h"

extern const struct transport transport_tls;

#endif
