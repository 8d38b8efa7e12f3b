/*
 * Handshakes, as the transport and the worker's owner see them.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_NET_TLS_HANDSHAKE_H
#define WEIR_NET_TLS_HANDSHAKE_H

#include "net/tls/tls.h"

/* t is closed while its handshake waits or is under way: frees what there is of that. */
void tls_handshake_end(struct tls_connection *t);
/* t, of OpenSSL's records, is closed: gives back what was granted for it. */
void tls_session_end(struct tls_connection *t);
/* Gives t another transport that uses the same record: nothing is freed or cleared. */
void tls_set_transport(struct tls_connection *t, const struct transport *transport);

#endif
