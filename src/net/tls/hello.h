/*
 * The first bytes of a connection: a whole first record of TLS, a part of one, plain HTTP, or neither. No more is
 * looked at than the record's header; what is in it is for OpenSSL.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_NET_TLS_HELLO_H
#define WEIR_NET_TLS_HELLO_H

#include <stddef.h>

enum hello { HELLO_PART, HELLO_WHOLE, HELLO_HTTP, HELLO_OTHER };

/* What len > 0 bytes are. */
enum hello tls_hello_look(const char *data, size_t len);

#endif
