/*
 * A connection on which a client waits for what it asked: plain or over TLS.
 *
 * SPDX-License-Identifier: MIT
 */
#pragma once

#include <netinet/in.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>

struct channel {
    int fd;
    SSL *ssl; /* NULL: plain */
};

/* Connects, and shakes hands if context is not NULL, with `session` if that is not NULL. False if that fails. */
bool channel_open(struct channel *channel, const struct sockaddr_in *server, SSL_CTX *context, SSL_SESSION *session);

/* Sends all. False when the server takes no more. */
bool channel_send(struct channel *channel, const void *data, size_t len);

/* Receives at least a byte. 0 when no more comes. */
size_t channel_receive(struct channel *channel, void *data, size_t room);

/* Says goodbye, and closes. */
void channel_close(struct channel *channel);
