/*
 * The transport of connections that begin with a PROXY preface. Nothing but a handshake is in it: when the preface is
 * read, the connection gets its listener's own transport, whose handshake goes on where that has one.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_NET_PROXY_TRANSPORT_H
#define WEIR_NET_PROXY_TRANSPORT_H

#include "net/transport.h"

extern const struct transport transport_proxy;

#endif
