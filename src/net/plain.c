/*
 * The plain transport: the socket itself, and what TCP has to be told so that much is sent in few packets, and little
 * lies in the kernel for a client that takes nothing.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/error.h"
#include "base/system.h"
#include "net/connection.h"
#include "net/listener.h"
#include "net/socket_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

/*
 * How many bytes may go into one of the kernel's packet buffers before it is sealed, and what one call is given. The
 * kernel looks at TCP_NOTSENT_LOWAT only when it begins a new buffer, and fills one up to 64 KiB: a stalled reader
 * would cost nearly twice the setting. Sealing after each small write would cost more than it saves, for every buffer
 * has an overhead of about 1 KiB.
 *
 * Where more is to come, a buffer gathers as much as could leave at once, up to GATHER_MOST: that costs half of what a
 * packet for each write does. Nothing of it stays with the kernel, since the client's window has room for it; when it
 * has not, nothing is gathered.
 */
#define SEAL        ((uint32_t)4 * 1024)
#define PIECE       ((size_t)16 * 1024 + 256) /* 16 KiB and what goes before them leave in one call */
#define GATHER_MOST UINT16_MAX

static ssize_t plain_result(ssize_t n, ssize_t again)
{
    if (n >= 0)
        return n;
    if (errno == EAGAIN || errno == EINTR)
        return again;
    return error_from_errno(errno);
}

/* A short read has drained the socket, unless the end of the stream is queued behind it: no further event would
 * tell. */
static ssize_t plain_read(struct connection *c, void *buf, size_t len)
{
    ssize_t n = system_recv(c->fd, buf, len, MSG_DONTWAIT);
    if (n > 0 && (size_t)n < len && !(c->ready & READY_HALF_CLOSED))
        connection_drained(c);
    return plain_result(n, TRANSPORT_WANT_READ);
}

/* The pipe is empty, so that EAGAIN is the socket's word; why a count is short nobody knows. */
static ssize_t plain_splice(struct connection *c, int pipe, size_t len)
{
    return plain_result(splice(c->fd, NULL, pipe, NULL, len, SPLICE_F_MOVE | SPLICE_F_NONBLOCK), TRANSPORT_WANT_READ);
}

/* How many bytes more could leave at once, by the peer's window and the network's; 0 if unknown. */
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

/* What the kernel's packet buffer is to gather before it is sealed, of which the kernel is asked once for each. */
static COLD size_t plain_gather(const struct connection *c, struct flow *f)
{
    if (f->gather == 0) {
        size_t room = plain_room(c);
        f->gather = (uint16_t)(room > GATHER_MOST ? GATHER_MOST : room > 0 ? room : 1);
    }
    return f->gather;
}

/* The flags of a write of len bytes. */
static inline int plain_flags(const struct connection *c, struct flow *f, size_t len, bool more)
{
    size_t filled = f->unsealed + len;
    if (more)
        return filled < SEAL || filled < plain_gather(c, f) ? MSG_MORE : MSG_EOR;
    return filled < SEAL ? 0 : MSG_EOR;
}

static __attribute__((noinline)) ssize_t plain_write_any(struct connection *c, struct flow *f,
                                                         const struct iovec *parts, int count, bool more)
{
    size_t len = parts[0].iov_len;
    for (int i = 1; i < count; i++)
        len += parts[i].iov_len;
    int flags = plain_flags(c, f, len, more), always = MSG_DONTWAIT | MSG_NOSIGNAL;
    ssize_t sent;
    if (count == 1) { /* cheaper: no vector to import */
        sent = system_send(c->fd, parts[0].iov_base, len, flags | always);
    } else {
        struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)parts, .msg_iovlen = (size_t)count};
        sent = system_sendmsg(c->fd, &message, flags | always);
    }
    if (unlikely(sent <= 0))
        return plain_result(sent, TRANSPORT_WANT_WRITE);
    f->held = flags == MSG_MORE;
    f->unsealed += (uint32_t)sent;
    if (unlikely(flags == MSG_EOR))
        f->unsealed = f->gather = 0;
    return sent;
}

static ssize_t plain_write(struct connection *c, struct flow *f, const struct iovec *parts, int count, bool more)
{
    size_t len = parts[0].iov_len;
    if (unlikely(count != 1 || more || f->unsealed + len >= SEAL))
        return plain_write_any(c, f, parts, count, more);
    ssize_t sent = system_send(c->fd, parts[0].iov_base, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (unlikely(sent <= 0))
        return plain_result(sent, TRANSPORT_WANT_WRITE);
    f->held = false;
    f->unsealed += (uint32_t)sent;
    return sent;
}

static ssize_t plain_send_file(struct connection *c, struct flow *f, int fd, int64_t *offset, size_t len)
{
    off_t at = (off_t)*offset;
    ssize_t sent = plain_result(sendfile(c->fd, fd, &at, len), TRANSPORT_WANT_WRITE);
    *offset = at;
    if (sent > 0)
        f->held = false; /* the file's bytes went out behind what was held */
    return sent;
}

/* By TCP_CORK and not TCP_NODELAY, which does it as well: whether that is on is for the settings to say. */
static int plain_flush(struct connection *c, struct flow *f)
{
    if (f->held)
        (void)setsockopt(c->fd, IPPROTO_TCP, TCP_CORK, &(int){0}, sizeof(int));
    f->held = false;
    return 0;
}

/* Lets the kernel hold as much as this connection's packet buffers allow, once. True: that is more than before. */
static bool plain_widen(struct net *n, struct connection *c)
{
    if (c->ready & READY_LOWAT)
        return false;
    c->ready |= READY_LOWAT;
    int setting = n->listeners[c->timer.owner_bits].notsent_lowat, segment = 0;
    socklen_t len = sizeof segment;
    if (setting <= 0 || getsockopt(c->fd, IPPROTO_TCP, TCP_MAXSEG, &segment, &len) != 0)
        return false; /* not bounded, or no TCP */
    int lowat = socket_lowat_final(setting, segment);
    return lowat > socket_lowat_first(setting) &&
           setsockopt(c->fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &lowat, sizeof lowat) == 0;
}

static size_t plain_unacknowledged(const struct connection *c)
{
    int bytes = 0;
    return ioctl(c->fd, SIOCOUTQ, &bytes) == 0 && bytes > 0 ? (size_t)bytes : 0;
}

static int plain_shutdown(struct connection *c)
{
    shutdown(c->fd, SHUT_WR);
    return 0;
}

const struct transport transport_plain = {
    .capabilities = TRANSPORT_SENDFILE | TRANSPORT_UNREAD | TRANSPORT_SPLICE | TRANSPORT_EXACT,
    .connection_size = sizeof(struct connection),
    .piece = PIECE,
    .read = plain_read,
    .splice = plain_splice,
    .write = plain_write,
    .send_file = plain_send_file,
    .flush = plain_flush,
    .widen = plain_widen,
    .unacknowledged = plain_unacknowledged,
    .shutdown = plain_shutdown,
};
