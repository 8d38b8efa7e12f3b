/*
 * TLS as a client, over a socket that does not block: connections to other services. Knows no fiber: each step says
 * what the socket has to be ready for before the next.
 *
 * OpenSSL is loaded before any of this is called (net/tls/openssl.h).
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_NET_TLS_CLIENT_H
#define WEIR_NET_TLS_CLIENT_H

#include "net/transport.h"

#include <stdbool.h>
#include <stddef.h>

struct tls_client_context;
struct tls_client;

/* What OpenSSL takes for a connection: measured; for who makes one to be granted before. */
#define TLS_CLIENT_BYTES ((size_t)48 << 10)

#define TLS_CLIENT_ALPN_MAX 128 /* bytes of what is offered */

struct tls_client_settings {
    const char *ca_file;           /* NULL: the system's */
    const char *alpn;              /* names between commas; NULL: none */
    const char *certificate, *key; /* NULL: none */
    bool verify;
};

/* What OpenSSL will take for a context, about: most of it is the certificates that are trusted. Blocks. */
size_t tls_client_context_bytes(const struct tls_client_settings *s);

/* The calling thread, which may end at any time, has made its contexts: lets go of what OpenSSL keeps for a thread. */
void tls_client_thread_done(void);

/* A context, from files: blocks. NULL: *why says what is wrong, in at most size bytes. Any thread. */
struct tls_client_context *tls_client_context_new(const struct tls_client_settings *s, char *why, size_t size);
void tls_client_context_free(struct tls_client_context *x);
/* One more that has to be freed. */
void tls_client_context_keep(struct tls_client_context *x);

/* A connection on fd, which stays the caller's, to the service whose certificate has to be for name, a DNS name or an
 * address. NULL: no memory. */
struct tls_client *tls_client_new(struct tls_client_context *x, int fd, const char *name);
/* Says goodbye where that can be said at once. NULL is allowed. */
void tls_client_free(struct tls_client *t);

enum tls_step {
    TLS_STEP_DONE,
    TLS_STEP_READABLE, /* again, when the socket is readable */
    TLS_STEP_WRITABLE,
    TLS_STEP_ENDED,    /* the other side has said goodbye */
    TLS_STEP_BROKEN,   /* the socket is */
    TLS_STEP_DISTRUST, /* the certificate is not trusted */
    TLS_STEP_WRONG,    /* TLS was not kept to */
};

enum tls_step tls_client_handshake(struct tls_client *t);
/* Reads at most len bytes, > 0, how many is in *got; writes likewise. */
enum tls_step tls_client_read(struct tls_client *t, char *to, size_t len, size_t *got);
enum tls_step tls_client_write(struct tls_client *t, const char *data, size_t len, size_t *put);
enum tls_step tls_client_goodbye(struct tls_client *t);

/* Whether nothing has come that is to be read, nor an end. What TLS itself has sent is taken in: a server sends tickets
 * when it likes. */
bool tls_client_is_idle(struct tls_client *t);

/* Why the last step was TLS_STEP_BROKEN, _DISTRUST or _WRONG, for people; in at most size bytes. */
void tls_client_why(const struct tls_client *t, char *why, size_t size);

/* What was agreed on; strings live as long as t. alpn: NULL where nothing was. */
void tls_client_info(const struct tls_client *t, const char **version, const char **cipher, const char **alpn);

#endif
