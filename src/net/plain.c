/*
 * The plain transport: the socket itself.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/error.h"
#include "net/connection.h"

#include <errno.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

static ssize_t plain_result(ssize_t n)
{
    if (n >= 0)
        return n;
    if (errno == EAGAIN || errno == EINTR)
        return TRANSPORT_AGAIN;
    return error_from_errno(errno);
}

static ssize_t plain_read(struct connection *c, void *buf, size_t len)
{
    return plain_result(recv(c->fd, buf, len, MSG_DONTWAIT));
}

/* Writes of at least this close the kernel's packet buffer, so that the next one begins with a look at TCP_NOTSENT_LOWAT. */
#define EOR_MIN 4096

static ssize_t plain_write(struct connection *c, const struct iovec *parts, int count, bool more)
{
    int flags = MSG_DONTWAIT | MSG_NOSIGNAL | (more ? MSG_MORE : 0);
    size_t len = 0;
    for (int i = 0; i < count; i++)
        len += parts[i].iov_len;
    if (len >= EOR_MIN && !more)
        flags |= MSG_EOR;
    if (count == 1) /* cheaper: no vector to import */
        return plain_result(send(c->fd, parts[0].iov_base, parts[0].iov_len, flags));
    struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)parts, .msg_iovlen = (size_t)count};
    return plain_result(sendmsg(c->fd, &message, flags));
}

static ssize_t plain_send_file(struct connection *c, int fd, int64_t *offset, size_t len)
{
    off_t at = (off_t)*offset;
    ssize_t n = sendfile(c->fd, fd, &at, len);
    *offset = at;
    return plain_result(n);
}

static size_t plain_pending(const struct connection *c)
{
    (void)c;
    return 0;
}

static void plain_shutdown(struct connection *c)
{
    shutdown(c->fd, SHUT_WR);
}

const struct transport transport_plain = {
    .capabilities = TRANSPORT_SENDFILE | TRANSPORT_SPLICE,
    .connection_size = sizeof(struct connection),
    .read = plain_read,
    .write = plain_write,
    .send_file = plain_send_file,
    .pending = plain_pending,
    .shutdown = plain_shutdown,
};
