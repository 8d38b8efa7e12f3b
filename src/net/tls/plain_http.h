/*
 * Plain HTTP on a port of TLS: a 400 that says so, or a redirection to https. No object of OpenSSL's is made for it.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_NET_TLS_PLAIN_HTTP_H
#define WEIR_NET_TLS_PLAIN_HTTP_H

#include "net/tls/tls.h"

#define PLAIN_ANSWER_MAX ((size_t)8 * 1024)

/* Answers t, whose state is TLS_PLAIN, as soon as the head of its request has come; as a transport's handshake. */
int plain_http_answer(struct tls_connection *t);

/* Writes the answer to a head of len bytes into `to`, which has room for PLAIN_ANSWER_MAX. Its length. redirect: by 308
 * (RFC 9110 section 15.4.9) where the head names host and target, else by 400. */
size_t plain_http_write(char *to, const char *head, size_t len, bool redirect);

#endif
