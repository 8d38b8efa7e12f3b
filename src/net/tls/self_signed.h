/*
 * A certificate that a server makes for itself at its start, for trying things out: nobody trusts it.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_NET_TLS_SELF_SIGNED_H
#define WEIR_NET_TLS_SELF_SIGNED_H

#include "base/memory.h"

/* Makes a key (P-256) and a certificate for names: those of the DNS and IP addresses, with spaces or commas between.
 * *certificate and *key are PEM text of account a's, for tls_text_free(). False: a name is wrong, or OpenSSL has
 * refused; both are NULL then. Blocks for a millisecond. */
bool tls_self_sign(struct account *a, const char *names, char **certificate, char **key);

#endif
