/*
 * TLS of connections to other services: contexts, which are made from files on an offload thread and kept for a minute,
 * so that a certificate that is renewed is seen; and steps of TLS with the waits between them.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_OUTGOING_SECURE_H
#define WEIR_WEB_OUTGOING_SECURE_H

#include "web/outgoing/dialled.h"

#define SECURE_CONTEXTS 16 /* as many as a server keeps */
#define SECURE_KEPT_S   60

struct tls_client_context;

/* The context for those options; the caller's, until secure_context_free(). 0 or an error, which has been said.
 * Suspends. */
int secure_context(struct dialling *d, const weir_dial_options *o, struct tls_client_context **x);
void secure_context_free(struct tls_client_context *x);

/* Has d's connection, which is plain, speak TLS with whoever has a certificate for name. 0 or an error, which has been
 * said. Suspends. */
int secure_begin(struct dialling *d, struct tls_client_context *x, const char *name);
/* Before the connection is closed: says goodbye where that can be said at once. */
void secure_end(struct weir_conn *n);

/* Reads or writes some. How many; 0: the other side has ended; or an error. Suspends. */
ssize_t secure_read(weir_ctx *c, struct weir_conn *n, char *to, size_t len, struct until u);
ssize_t secure_write(weir_ctx *c, struct weir_conn *n, const char *data, size_t len, struct until u);
int secure_shutdown(weir_ctx *c, struct weir_conn *n, struct until u);
bool secure_is_idle(struct weir_conn *n);

/* After the workers have ended. */
void secure_forget_all(struct outgoing *o);

#endif
