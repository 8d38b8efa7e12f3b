/*
 * The worker's buffers and the socket: what is received is used up in the same call, and what was sealed and not taken
 * by the kernel is kept in a block of the connection's own, which exists only as long as something is in it.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/error.h"
#include "base/system.h"
#include "net/tls/tls.h"

#include <errno.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

/*
 * How large records are. A record can be opened only when it is whole: at a stream's beginning one of a packet's size
 * shows its content after the first packet, where one of 16 KiB waits for the twelfth, and perhaps for a further round
 * trip. Later on large ones cost less.
 */
#define RECORD_PACKET 1396 /* with 29 bytes around it, within a segment over IPv6 with timestamps: 1428 */
#define RECORD_MEDIUM 4096
#define GROWN_MEDIUM  14 /* KiB: the first congestion window of ten packets */
#define GROWN_LARGE   64
#define IDLE_MS       1000

/* Most that may be unsent: a piece, and what OpenSSL has to say besides while it waits. */
#define UNSENT_MAX (TLS_OUT_SIZE + (size_t)40 * 1024)

static struct tls_unsent *unsent_new(struct tls_worker *w, size_t size)
{
    struct tls_unsent *u = memory_alloc(&w->unsent_account, sizeof *u + size);
    if (u)
        *u = (struct tls_unsent){.size = (uint32_t)size};
    return u;
}

static void unsent_free(struct tls_worker *w, struct tls_unsent *u)
{
    if (u)
        memory_free(&w->unsent_account, u, sizeof *u + u->size);
}

void tls_drop_unsent(struct tls_connection *t)
{
    struct tls_unsent **at = tls_unsent_of(t);
    unsent_free(t->worker, *at);
    *at = NULL;
}

/* Keeps len bytes behind what is unsent. False: there is no memory, or there are too many. */
static bool unsent_keep(struct tls_connection *t, const char *data, size_t len)
{
    struct tls_unsent **at = tls_unsent_of(t), *u = *at;
    size_t waits = u ? u->len - u->pos : 0;
    if (u && u->size - u->len >= len) {
        memcpy(u->data + u->len, data, len);
        u->len += (uint32_t)len;
        return true;
    }
    if (len > UNSENT_MAX - waits)
        return false;
    struct tls_unsent *larger = unsent_new(t->worker, waits + len);
    if (!larger)
        return false;
    if (u)
        memcpy(larger->data, u->data + u->pos, waits);
    memcpy(larger->data + waits, data, len);
    larger->len = (uint32_t)(waits + len);
    unsent_free(t->worker, u);
    *at = larger;
    return true;
}

/* Bytes that the kernel has taken, 0 if it takes none now, or an error. */
static ssize_t wire_send(const struct tls_connection *t, const char *data, size_t len, int flags)
{
    ssize_t sent = system_send(t->c.fd, data, len, flags | MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent >= 0)
        return sent;
    return errno == EAGAIN || errno == EINTR ? 0 : error_from_errno(errno);
}

int tls_send_unsent(struct tls_connection *t)
{
    struct tls_unsent *u = *tls_unsent_of(t);
    if (!u)
        return 0;
    ssize_t sent = wire_send(t, u->data + u->pos, u->len - u->pos, 0);
    if (sent < 0)
        return (int)sent;
    u->pos += (uint32_t)sent;
    if (u->pos < u->len)
        return TRANSPORT_WANT_WRITE;
    tls_drop_unsent(t);
    return 0;
}

int tls_send(struct tls_connection *t, bool more)
{
    struct tls_worker *w = t->worker;
    size_t len = w->out_len;
    int result = tls_send_unsent(t);
    w->out_len = 0;
    if (len == 0 || (result < 0 && !transport_wants(result)))
        return result;
    ssize_t sent = result == 0 ? wire_send(t, w->out, len, more ? MSG_MORE : 0) : 0;
    if (sent < 0)
        return (int)sent;
    if ((size_t)sent == len)
        return 0;
    return unsent_keep(t, w->out + sent, len - (size_t)sent) ? TRANSPORT_WANT_WRITE : WEIR_ENOMEM;
}

/* A short read has drained the socket, unless the end of the stream is queued behind it: no further event would
 * tell. */
ssize_t tls_receive(struct tls_connection *t, size_t most)
{
    struct tls_worker *w = t->worker;
    debug_assert(w->in_pos == w->in_len && most > 0);
    most = most < TLS_IN_SIZE ? most : TLS_IN_SIZE;
    ssize_t got = system_recv(t->c.fd, w->in, most, MSG_DONTWAIT);
    w->in_pos = 0;
    w->in_len = got > 0 ? (size_t)got : 0;
    if (got > 0 && (size_t)got < most && !(t->c.ready & READY_HALF_CLOSED))
        connection_drained(&t->c);
    else if (got > 0)
        connection_received(&t->c); /* there may be more, of which no event would tell */
    if (got >= 0)
        return got;
    if (errno != EAGAIN && errno != EINTR)
        return error_from_errno(errno);
    connection_drained(&t->c);
    return TRANSPORT_WANT_READ;
}

int tls_end_socket(struct tls_connection *t)
{
    int result = tls_send_unsent(t);
    if (transport_wants(result))
        return result;
    shutdown(t->c.fd, SHUT_WR);
    return 0;
}

/* ---- Sizes of records ---- */

size_t tls_record_size(struct tls_connection *t)
{
    uint32_t now = loop_now_ms(t->worker->net->loop);
    if (t->grown > 0 && (uint32_t)ticks_between(t->written, now) > IDLE_MS)
        t->grown = 0;
    return t->grown < GROWN_MEDIUM ? RECORD_PACKET : t->grown < GROWN_LARGE ? RECORD_MEDIUM : TLS_PLAIN_MAX;
}

void tls_grow(struct tls_connection *t, size_t len)
{
    size_t grown = t->grown + len / 1024;
    t->grown = (uint16_t)(grown < UINT16_MAX ? grown : UINT16_MAX);
    t->written = loop_now_ms(t->worker->net->loop);
}

/* ---- Files ---- */

/* A client that stops reading costs what the kernel has unsent and what it does not take, which is kept here: together
 * twice the setting for the first, since the kernel fills a packet beyond that. */
size_t tls_batch(const struct tls_connection *t)
{
    int setting = t->worker->net->listeners[t->c.timer.owner_bits].notsent_lowat, unsent = 0;
    if (t->grown < GROWN_LARGE || ioctl(t->c.fd, SIOCOUTQNSD, &unsent) != 0)
        return 1;
    if (setting <= 0)
        return TLS_BATCH;
    int64_t records = ((int64_t)setting * 2 - unsent) / TLS_RECORD_MAX;
    return records < 1 ? 1 : records < TLS_BATCH ? (size_t)records : TLS_BATCH;
}

/* Half a page from where it comes from, as far as addresses within a page tell. Because some processors copy to what is
 * a few bytes further than that at a third of their speed (`rep movsb`, of AMD's). */
WRAPS char *tls_apart(char *room, int64_t offset)
{
    return room + ((uint64_t)offset + TLS_PAGE / 2 - (uintptr_t)room) % TLS_PAGE;
}
