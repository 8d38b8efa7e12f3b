/*
 * A connection on which a client waits.
 *
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE
#include "channel.h"

#include <netinet/tcp.h>
#include <openssl/err.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tls.h"

bool channel_open(struct channel *channel, const struct sockaddr_in *server, SSL_CTX *context, SSL_SESSION *session)
{
    *channel = (struct channel){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    if (channel->fd < 0)
        return false;
    setsockopt(channel->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    if (connect(channel->fd, (const struct sockaddr *)server, sizeof(*server)) == 0) {
        if (!context)
            return true;
        ERR_clear_error();
        channel->ssl = tls_new_client(context, channel->fd);
        if ((!session || SSL_set_session(channel->ssl, session) == 1) && SSL_do_handshake(channel->ssl) == 1)
            return true;
        SSL_free(channel->ssl);
    }
    close(channel->fd);
    return false;
}

bool channel_send(struct channel *channel, const void *data, size_t len)
{
    const char *at = data;
    while (len > 0) {
        ssize_t sent = channel->ssl ? SSL_write(channel->ssl, at, (int)len) : send(channel->fd, at, len, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        at += sent;
        len -= (size_t)sent;
    }
    return true;
}

size_t channel_receive(struct channel *channel, void *data, size_t room)
{
    ssize_t len = channel->ssl ? SSL_read(channel->ssl, data, (int)room) : recv(channel->fd, data, room, 0);
    return len > 0 ? (size_t)len : 0;
}

void channel_close(struct channel *channel)
{
    if (channel->ssl) {
        SSL_shutdown(channel->ssl);
        SSL_free(channel->ssl);
    }
    close(channel->fd);
}
