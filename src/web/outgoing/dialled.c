/*
 * Connections to other services: reading, writing, the end.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/outgoing/dialled.h"
#include "base/system.h"
#include "web/outgoing/secure.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

int dialled_new(struct outgoing *o, struct weir_fd *f, struct weir_conn **made)
{
    struct weir_conn *n = memory_alloc(&o->account, sizeof *n);
    if (!n)
        return WEIR_ENOMEM;
    *n = (struct weir_conn){.home = o, .f = f};
    outgoing_lock_acquire(&o->lock);
    list_push_back(&o->dialled, &n->link);
    outgoing_lock_release(&o->lock);
    *made = n;
    return 0;
}

void dialled_close(struct weir_conn *n)
{
    if (!n)
        return;
    struct outgoing *o = n->home;
    dialled_untie(n);
    outgoing_lock_acquire(&o->lock);
    list_remove(&n->link);
    outgoing_lock_release(&o->lock);
    int fd = weir_fd_number(n->f);
    if (n->tls)
        secure_end(n);
    watch_close(n->f);
    close(fd);
    memory_free(&o->account, n, sizeof *n);
}

void dialled_close_all(struct outgoing *o)
{
    for (;;) {
        outgoing_lock_acquire(&o->lock);
        struct list *first = o->dialled.next == &o->dialled ? NULL : o->dialled.next;
        outgoing_lock_release(&o->lock);
        if (!first)
            return;
        dialled_close(container_of(first, struct weir_conn, link));
    }
}

static void dialled_request_ends(void *arg)
{
    struct weir_conn *n = arg;
    n->tied = NULL; /* the list has let go of it already */
    dialled_close(n);
}

void dialled_tie(struct weir_conn *n, weir_ctx *c)
{
    n->tied = c;
    n->deferred = (struct deferred){.next = c->deferred, .fn = dialled_request_ends, .arg = n};
    c->deferred = &n->deferred;
}

void dialled_untie(struct weir_conn *n)
{
    if (n->tied)
        context_undefer(n->tied, &n->deferred);
    n->tied = NULL;
}

/* What an errno of the socket means. */
static int broken(int number)
{
    return number == ENOMEM || number == ENOBUFS ? WEIR_ENOMEM : WEIR_EREACH;
}

/* What has been read, after others had a turn if that is due: a peer that always has more must not keep the worker. */
static ssize_t charged(weir_ctx *c, ssize_t got)
{
    if (got > 0)
        exchange_charge(c->x, (size_t)got);
    return got;
}

ssize_t weir_conn_read(weir_ctx *c, weir_conn *conn, void *buffer, size_t len, int timeout_ms)
{
    CONTEXT_CHECK(c);
    if (!conn || !buffer || len == 0 || timeout_ms < 0)
        return WEIR_EINVAL;
    struct until u = until_of(c, timeout_ms);
    if (conn->tls)
        return charged(c, secure_read(c, conn, buffer, len, u));
    for (;;) {
        ssize_t got = system_recv(conn->f->fd, buffer, len, MSG_DONTWAIT);
        if (got >= 0)
            return charged(c, got);
        if (errno != EAGAIN && errno != EINTR)
            return broken(errno);
        int error = errno == EINTR ? 0 : outgoing_wait_for(c, conn->f, WEIR_READABLE, u);
        if (error)
            return error;
    }
}

/* Sends some of it: how many bytes, or an error. */
static ssize_t plain_write(weir_ctx *c, struct weir_conn *n, const char *data, size_t len, struct until u)
{
    for (;;) {
        ssize_t put = send(n->f->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (put >= 0)
            return put;
        if (errno != EAGAIN && errno != EINTR)
            return broken(errno);
        int error = errno == EINTR ? 0 : outgoing_wait_for(c, n->f, WEIR_WRITABLE, u);
        if (error)
            return error;
    }
}

int weir_conn_write(weir_ctx *c, weir_conn *conn, const void *data, size_t len, int timeout_ms)
{
    CONTEXT_CHECK(c);
    if (!conn || (!data && len > 0) || timeout_ms < 0)
        return WEIR_EINVAL;
    struct until u = until_of(c, timeout_ms);
    for (const char *at = data; len > 0;) {
        ssize_t put = conn->tls ? secure_write(c, conn, at, len, u) : plain_write(c, conn, at, len, u);
        if (put < 0)
            return (int)put;
        at += put;
        len -= (size_t)put;
        if (len > 0)
            exchange_charge(c->x, (size_t)put); /* a peer that takes all at once must not keep the worker */
    }
    return 0;
}

int weir_conn_shutdown(weir_ctx *c, weir_conn *conn, int timeout_ms)
{
    CONTEXT_CHECK(c);
    if (!conn || timeout_ms < 0)
        return WEIR_EINVAL;
    if (conn->tls)
        return secure_shutdown(c, conn, until_of(c, timeout_ms));
    return shutdown(conn->f->fd, SHUT_WR) == 0 ? 0 : broken(errno);
}

void weir_conn_close(weir_ctx *c, weir_conn *conn)
{
    if (c)
        CONTEXT_CHECK(c);
    dialled_close(conn);
}

int weir_conn_fd(const weir_conn *conn)
{
    return conn ? conn->f->fd : -1;
}

bool weir_conn_is_idle(weir_conn *conn)
{
    char byte;
    if (!conn)
        return false;
    if (conn->tls)
        return secure_is_idle(conn);
    return system_recv(conn->f->fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) < 0 && errno == EAGAIN;
}
