/*
 * The plain transport: the socket itself.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/error.h"
#include "base/system.h"
#include "net/connection.h"

#include <errno.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/ioctl.h>
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
    return plain_result(system_recv(c->fd, buf, len, MSG_DONTWAIT));
}

static ssize_t plain_write(struct connection *c, const struct iovec *parts, int count, unsigned how)
{
    int flags = MSG_DONTWAIT | MSG_NOSIGNAL;
    if (how & WRITE_MORE)
        flags |= MSG_MORE;
    else if (how & WRITE_SEAL)
        flags |= MSG_EOR;
    if (count == 1) /* cheaper: no vector to import */
        return plain_result(system_send(c->fd, parts[0].iov_base, parts[0].iov_len, flags));
    struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)parts, .msg_iovlen = (size_t)count};
    return plain_result(system_sendmsg(c->fd, &message, flags));
}

static ssize_t plain_send_file(struct connection *c, int fd, int64_t *offset, size_t len)
{
    off_t at = (off_t)*offset;
    ssize_t n = sendfile(c->fd, fd, &at, len);
    *offset = at;
    return plain_result(n);
}

/* Not by TCP_NODELAY, which does it as well: whether that is on is for the settings to say. */
static void plain_push(struct connection *c)
{
    (void)setsockopt(c->fd, IPPROTO_TCP, TCP_CORK, &(int){0}, sizeof(int));
}

static size_t plain_room(const struct connection *c)
{
    struct tcp_info info;
    socklen_t len = sizeof info;
    if (getsockopt(c->fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0 ||
        len < offsetof(struct tcp_info, tcpi_snd_wnd) + sizeof info.tcpi_snd_wnd)
        return 0;
    uint64_t acknowledged = info.tcpi_bytes_acked + info.tcpi_bytes_retrans;
    uint64_t flying = info.tcpi_bytes_sent > acknowledged ? info.tcpi_bytes_sent - acknowledged : 0;
    uint64_t window = info.tcpi_snd_wnd > flying ? info.tcpi_snd_wnd - flying : 0;
    uint64_t packets = info.tcpi_snd_cwnd > info.tcpi_unacked ? info.tcpi_snd_cwnd - info.tcpi_unacked : 0;
    uint64_t network = packets * info.tcpi_snd_mss;
    uint64_t room = window < network ? window : network;
    return room > info.tcpi_notsent_bytes ? room - info.tcpi_notsent_bytes : 0;
}

static size_t plain_pending(const struct connection *c)
{
    (void)c;
    return 0;
}

static size_t plain_unacknowledged(const struct connection *c)
{
    int bytes = 0;
    return ioctl(c->fd, SIOCOUTQ, &bytes) == 0 && bytes > 0 ? (size_t)bytes : 0;
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
    .push = plain_push,
    .room = plain_room,
    .pending = plain_pending,
    .unacknowledged = plain_unacknowledged,
    .shutdown = plain_shutdown,
};
