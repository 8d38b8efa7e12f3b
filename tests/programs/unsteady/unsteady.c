/*
 * The unsteady transport. The server's end alone is unsteady: what goes over the wire are the bytes as they are.
 *
 * SPDX-License-Identifier: MIT
 */
#include "unsteady.h"
#include "base/error.h"
#include "server/server.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define RECORD_MAX 48 /* bytes that it holds in each direction */

/* A connection of this transport. */
struct unsteady {
    struct connection c;      /* first: the record that all others see */
    uint32_t drawn;           /* state of what is drawn; 0: nothing has been */
    uint8_t steps;            /* of the handshake that are done */
    uint8_t in_pos, in_len;   /* of `in`, the bytes that have been read and not given */
    uint8_t out_pos, out_len; /* of `out`, the bytes that have been taken and not sent */
    char in[RECORD_MAX], out[RECORD_MAX];
};

static _Atomic uint32_t seeds;

static struct unsteady *unsteady_of(struct connection *c)
{
    return (struct unsteady *)(void *)c;
}

/* A number below `most` (xorshift). */
static WRAPS uint32_t draw(struct unsteady *u, uint32_t most)
{
    if (u->drawn == 0)
        u->drawn = atomic_fetch_add(&seeds, 2654435761u) | 1;
    u->drawn ^= u->drawn << 13;
    u->drawn ^= u->drawn >> 17;
    u->drawn ^= u->drawn << 5;
    return (u->drawn >> 8) % most;
}

static int32_t failed(int want)
{
    return errno == EAGAIN || errno == EINTR ? want : error_from_errno(errno);
}

static bool has_input(const struct connection *c)
{
    int bytes = 0;
    return ioctl(c->fd, FIONREAD, &bytes) == 0 && bytes > 0;
}

/* Wants the socket in a direction in which it is ready, or will be. */
static int want_any(struct unsteady *u)
{
    return draw(u, 2) && has_input(&u->c) ? TRANSPORT_WANT_READ : TRANSPORT_WANT_WRITE;
}

/* Three steps, for which the client has to do nothing. */
static int unsteady_handshake(struct connection *c)
{
    struct unsteady *u = unsteady_of(c);
    return u->steps++ < 3 ? want_any(u) : 0;
}

static ssize_t unsteady_read(struct connection *c, void *buf, size_t len)
{
    struct unsteady *u = unsteady_of(c);
    if (u->in_pos == u->in_len) {
        if (draw(u, 4) == 0)
            return want_any(u);
        ssize_t n = recv(c->fd, u->in, 1 + draw(u, sizeof u->in), MSG_DONTWAIT);
        if (n <= 0)
            return n == 0 ? 0 : failed(TRANSPORT_WANT_READ);
        u->in_pos = 0;
        u->in_len = (uint8_t)n;
    }
    size_t have = (size_t)(u->in_len - u->in_pos), take = draw(u, 2) ? 1 : 1 + draw(u, (uint32_t)have);
    take = take < len ? take : len;
    memcpy(buf, u->in + u->in_pos, take);
    u->in_pos = (uint8_t)(u->in_pos + take);
    return (ssize_t)take;
}

static size_t unsteady_pending(const struct connection *c)
{
    const struct unsteady *u = (const struct unsteady *)(const void *)c;
    return (size_t)(u->in_len - u->in_pos);
}

/* Sends of what it holds, all or a part. 0: nothing is held any more; or what is wanted, or an error. */
static int send_held(struct unsteady *u)
{
    while (u->out_pos < u->out_len) {
        if (draw(u, 4) == 0)
            return want_any(u);
        size_t left = (size_t)(u->out_len - u->out_pos);
        ssize_t n = send(u->c.fd, u->out + u->out_pos, 1 + draw(u, (uint32_t)left), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n <= 0)
            return failed(TRANSPORT_WANT_WRITE);
        u->out_pos = (uint8_t)(u->out_pos + n);
    }
    u->out_pos = u->out_len = 0;
    return 0;
}

static ssize_t unsteady_write(struct connection *c, struct flow *f, const struct iovec *parts, int count, bool more)
{
    (void)more;
    struct unsteady *u = unsteady_of(c);
    int result = send_held(u);
    if (result != 0)
        return result;
    if (draw(u, 8) == 0)
        return want_any(u);
    size_t most = 1 + draw(u, sizeof u->out), taken = 0;
    for (int i = 0; i < count && taken < most; i++) {
        size_t take = parts[i].iov_len < most - taken ? parts[i].iov_len : most - taken;
        memcpy(u->out + taken, parts[i].iov_base, take);
        taken += take;
    }
    u->out_len = (uint8_t)taken;
    f->held = taken > 0;
    return (ssize_t)taken;
}

static int unsteady_flush(struct connection *c, struct flow *f)
{
    int result = send_held(unsteady_of(c));
    if (result == 0)
        f->held = false;
    return result;
}

static size_t unsteady_unacknowledged(const struct connection *c)
{
    const struct unsteady *u = (const struct unsteady *)(const void *)c;
    return (size_t)(u->out_len - u->out_pos) + transport_plain.unacknowledged(c);
}

static int unsteady_shutdown(struct connection *c)
{
    int result = send_held(unsteady_of(c));
    if (result == TRANSPORT_WANT_READ || result == TRANSPORT_WANT_WRITE)
        return result;
    return transport_plain.shutdown(c);
}

static const struct transport transport_unsteady = {
    .capabilities = TRANSPORT_SECURE, /* though anybody can read it: for what depends on that */
    .connection_size = sizeof(struct unsteady),
    .piece = RECORD_MAX,
    .handshake = unsteady_handshake,
    .read = unsteady_read,
    .write = unsteady_write,
    .flush = unsteady_flush,
    .pending = unsteady_pending,
    .unacknowledged = unsteady_unacknowledged,
    .shutdown = unsteady_shutdown,
};

void unsteady_install(weir_server *s, unsigned seed)
{
    atomic_store(&seeds, seed);
    for (size_t i = 0; i < s->settings.listener_count; i++)
        s->settings.listeners[i].transport = &transport_unsteady;
}
