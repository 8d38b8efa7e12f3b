/*
 * Lean records as a mode of TLS listeners (tls.h): OpenSSL shakes hands, then its keys are taken over and its object is
 * freed, and what is left of a connection is some 320 bytes.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_NET_TLS_LEAN_MODE_H
#define WEIR_NET_TLS_LEAN_MODE_H

#include "net/tls/lean_worker.h"

extern const struct tls_mode tls_mode_lean;

/* The transport of connections that were taken over. */
extern const struct transport transport_lean;

#endif
