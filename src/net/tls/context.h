/*
 * OpenSSL's contexts of a listener: one for each certificate, and which of them serves whom. Read-only once made, with
 * a reference for each handshake and one for the listener.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_NET_TLS_CONTEXT_H
#define WEIR_NET_TLS_CONTEXT_H

#include "net/tls/listener.h"
#include "net/tls/names.h"
#include "net/tls/openssl.h"

struct tls_certificate {
    SSL_CTX *context;
    unsigned char *staple; /* an OCSP response, OpenSSL's memory; NULL: none */
    size_t staple_len;
};

struct tls_contexts {
    _Atomic uint32_t references;
    struct tls_listener *listener;
    struct tls_certificate *certificates;
    size_t count;
    struct tls_names names; /* their owners are indices of certificates */
};

/* Makes all contexts of l's settings. NULL: something is wrong, which has been reported. Blocks. */
struct tls_contexts *tls_contexts_make(struct tls_listener *l, tls_report report, void *arg);

/* The whole of a file of `most` bytes at most into *text, with a NUL behind it: its length, or a negative error.
 * tls_free_file() wipes and frees it, with that result. */
ssize_t tls_read_file(struct account *a, const char *path, size_t most, char **text);
void tls_free_file(struct account *a, char *text, ssize_t len);

/* ---- handshake_calls.c: what OpenSSL calls during a handshake ---- */

/* Sets them up in a context. False: OpenSSL has refused something. */
bool tls_calls_set(SSL_CTX *context, struct tls_certificate *certificate, const struct tls_listener *l);

#endif
