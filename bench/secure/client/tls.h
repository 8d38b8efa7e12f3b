/*
 * The client's side of TLS, by OpenSSL: every client of the benchmark offers the same, so that what is agreed on is the
 * same with every server. TLS 1.3, TLS_AES_256_GCM_SHA384, X25519.
 *
 * SPDX-License-Identifier: MIT
 */
#pragma once

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A context; the program ends if there is none. h2: what ALPN offers. */
SSL_CTX *tls_new_context(bool h2);

/* A client for a connected socket; the program ends if there is none. */
SSL *tls_new_client(SSL_CTX *context, int fd);

/* Whether what ALPN agreed on is what was offered. A server without ALPN speaks HTTP/1.1. */
bool tls_agreed(const SSL *ssl, bool h2);

/* Writes a ClientHello as it would be sent into buf; returns its length. */
size_t tls_write_hello(SSL_CTX *context, uint8_t *buf, size_t room);
