/*
 * The transport within the process.
 *
 * SPDX-License-Identifier: MIT
 */
#include "net/within.h"
#include "base/error.h"
#include "weir.h"

#include <errno.h>
#include <unistd.h>

#define PIECE ((size_t)16 * 1024 + 256) /* bytes of a write, as over a socket */

/* What lies behind the record. */
struct within {
    struct within_peer *peer;
};

static struct within_peer *within_of(const struct connection *c)
{
    return ((const struct within *)(const void *)(c + 1))->peer;
}

static size_t within_said(const struct within_peer *p)
{
    return p->said[0].len + p->said[1].len;
}

static ssize_t within_read(struct connection *c, void *buf, size_t len)
{
    struct within_peer *p = within_of(c);
    size_t got = 0;
    if (p->peer == WITHIN_RESET)
        return WEIR_ECLOSED;
    for (int i = 0; i < 2 && got < len; i++) {
        struct slice *said = &p->said[i];
        size_t take = said->len < len - got ? said->len : len - got;
        if (take == 0)
            continue;
        memcpy((char *)buf + got, said->data, take);
        *said = slice_of(said->data + take, said->len - take);
        got += take;
    }
    p->read += got;
    if (got > 0 && within_said(p) == 0 && p->peer == WITHIN_OPEN)
        connection_drained(c);
    if (got > 0)
        return (ssize_t)got;
    return p->peer == WITHIN_OPEN ? TRANSPORT_WANT_READ : 0;
}

/* Bytes that the peer has room for; 0: none, of which it will tell; or an error. */
static ssize_t within_room(struct within_peer *p)
{
    if (p->peer >= WITHIN_GONE)
        return WEIR_ECLOSED;
    return (ssize_t)(WITHIN_WINDOW - p->sent_len);
}

static void within_put(struct within_peer *p, size_t n)
{
    p->sent_len += n;
    p->written += n;
}

static ssize_t within_write(struct connection *c, struct flow *f, const struct iovec *parts, int count, bool more)
{
    (void)more;
    struct within_peer *p = within_of(c);
    ssize_t room = within_room(p);
    if (room < 0)
        return room;
    size_t taken = 0;
    f->held = false;
    for (int i = 0; i < count; i++) {
        size_t left = (size_t)room - taken, take = parts[i].iov_len < left ? parts[i].iov_len : left;
        if (take > 0)
            memcpy(p->sent + p->sent_len, parts[i].iov_base, take);
        within_put(p, take);
        taken += take;
        p->blocked |= take < parts[i].iov_len;
    }
    return taken > 0 ? (ssize_t)taken : TRANSPORT_WANT_WRITE;
}

static ssize_t within_send_file(struct connection *c, struct flow *f, int fd, int64_t *offset, size_t len)
{
    struct within_peer *p = within_of(c);
    ssize_t room = within_room(p);
    f->held = false;
    if (room < 0)
        return room;
    if (room == 0) {
        p->blocked = true;
        return TRANSPORT_WANT_WRITE;
    }
    ssize_t got = pread(fd, p->sent + p->sent_len, len < (size_t)room ? len : (size_t)room, (off_t)*offset);
    if (got < 0)
        return error_from_errno(errno);
    within_put(p, (size_t)got);
    *offset += got;
    return got;
}

static int within_flush(struct connection *c, struct flow *f)
{
    (void)c;
    f->held = false;
    return 0;
}

static size_t within_unacknowledged(const struct connection *c)
{
    return within_of(c)->sent_len;
}

static int within_shutdown(struct connection *c)
{
    struct within_peer *p = within_of(c);
    if (p->server == WITHIN_OPEN)
        p->server = WITHIN_ENDED;
    return 0;
}

static void within_close(struct connection *c, bool orderly)
{
    struct within_peer *p = within_of(c);
    p->server = orderly ? WITHIN_GONE : WITHIN_RESET;
    p->connection = NULL;
    p->news = p->blocked = false;
}

static uint32_t within_look(const struct connection *c)
{
    const struct within_peer *p = within_of(c);
    uint32_t events = within_said(p) > 0 ? POLLER_READ : 0;
    if (p->peer >= WITHIN_ENDED)
        events |= POLLER_READ | POLLER_HALF_CLOSED;
    if (p->peer >= WITHIN_GONE)
        events |= POLLER_HANGUP;
    return events;
}

/* Registers with the poller, which then tells what is so already. */
static void within_watch(struct connection *c)
{
    struct within_peer *p = within_of(c);
    p->news |= within_look(c) != 0;
}

static void within_address(const struct connection *c, bool own, struct address *a)
{
    const struct within_peer *p = within_of(c);
    *a = own ? p->own : p->other;
}

/* Whether the server waits for room, and there is some. */
static bool within_has_room(const struct within_peer *p)
{
    return p->blocked && (p->sent_len < WITHIN_WINDOW / 2 || p->peer >= WITHIN_GONE);
}

bool within_has_events(const struct within_peer *p)
{
    return p->connection && (p->news || within_has_room(p));
}

bool within_is_idle(const struct net *n, const struct within_peer *p)
{
    const struct connection *c = p->connection;
    if (!c)
        return true;
    const struct protocol *protocol = connection_protocol(n, c);
    return !(c->ready & READY_QUEUED) && protocol->idle && protocol->idle(c);
}

bool within_events(struct within_peer *p, struct epoll_event *event)
{
    struct connection *c = p->connection;
    bool room = within_has_room(p);
    if (!within_has_events(p))
        return false;
    *event = (struct epoll_event){.events = within_look(c) | (room ? POLLER_WRITE : 0), .data.u64 = connection_mark(c)};
    p->news = false;
    p->blocked &= !room;
    return event->events != 0;
}

void within_took(struct within_peer *p, size_t n)
{
    p->sent_len -= n;
    memmove(p->sent, p->sent + n, p->sent_len);
}

static void within_begin(struct connection *c, void *arg)
{
    struct within_peer *p = arg;
    ((struct within *)(void *)(c + 1))->peer = p;
    p->connection = c;
}

int within_connect(struct net *n, uint8_t listener, struct within_peer *p)
{
    return net_adopt_none(n, listener, within_begin, p);
}

#define WITHIN_TRANSPORT(secure)                                                                                       \
    {                                                                                                                  \
        .capabilities = TRANSPORT_SENDFILE | TRANSPORT_EXACT | (secure),                                               \
        .connection_size = sizeof(struct connection) + sizeof(struct within), .piece = PIECE, .read = within_read,     \
        .write = within_write, .send_file = within_send_file, .flush = within_flush,                                   \
        .unacknowledged = within_unacknowledged, .look = within_look, .watch = within_watch,                           \
        .address = within_address, .shutdown = within_shutdown, .close = within_close,                                 \
    }

const struct transport transport_within = WITHIN_TRANSPORT(0);
const struct transport transport_within_secure = WITHIN_TRANSPORT(TRANSPORT_SECURE);
