/*
 * Opening sockets and accepting connections.
 *
 * SPDX-License-Identifier: MIT
 */
#include "net/listener.h"
#include "base/error.h"
#include "net/socket_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <unistd.h>

#define ACCEPT_PAUSE_MS 100

static int set_option(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof value);
}

static int listen_socket(const struct listen_spec *spec)
{
    return socket(spec->address.base.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

int listen_probe(const struct listen_spec *spec)
{
    if (spec->inherited_fd > 0 || spec->address.base.sa_family == AF_UNIX || address_port(&spec->address) == 0)
        return 0;
    int fd = listen_socket(spec);
    if (fd < 0)
        return error_from_errno(errno);
    int error = 0;
    set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (spec->address.base.sa_family == AF_INET6)
        set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    if (bind(fd, &spec->address.base, spec->address.len) != 0)
        error = error_from_errno(errno);
    close(fd);
    return error;
}

/* Options that accepted sockets inherit, so that accepting needs no further call. */
static void listen_set_options(int fd, const struct listen_spec *spec)
{
    int family = spec->address.base.sa_family;
    if (spec->send_buffer > 0)
        set_option(fd, SOL_SOCKET, SO_SNDBUF, spec->send_buffer);
    if (spec->receive_buffer > 0)
        set_option(fd, SOL_SOCKET, SO_RCVBUF, spec->receive_buffer);
    if (spec->linger_seconds >= 0) {
        struct linger linger = {.l_onoff = 1, .l_linger = spec->linger_seconds};
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    }
    if (family == AF_UNIX)
        return;
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, spec->nodelay);
    if (spec->notsent_lowat > 0)
        set_option(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, socket_lowat_first(spec->notsent_lowat));
    if (spec->user_timeout_ms > 0)
        set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, spec->user_timeout_ms);
}

/* A socket file that nobody answers on is left from an earlier run. */
static int unix_replace(const struct address *a)
{
    struct stat status;
    if (lstat(a->local.sun_path, &status) != 0)
        return 0;
    if (!S_ISSOCK(status.st_mode))
        return WEIR_EEXIST;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return error_from_errno(errno);
    int alive = connect(fd, &a->base, a->len) == 0;
    close(fd);
    if (alive)
        return WEIR_EBUSY;
    return unlink(a->local.sun_path) == 0 ? 0 : error_from_errno(errno);
}

static int listen_bind(int fd, struct listen_spec *spec)
{
    bool local = spec->address.base.sa_family == AF_UNIX;
    int error = local ? unix_replace(&spec->address) : 0;
    if (error)
        return error;
    if (!local) {
        set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
        if (!spec->shared && set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1) != 0)
            return error_from_errno(errno);
        if (spec->address.base.sa_family == AF_INET6)
            set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    }
    if (bind(fd, &spec->address.base, spec->address.len) != 0)
        return error_from_errno(errno);
    if (local && chmod(spec->address.local.sun_path, (mode_t)spec->unix_mode) != 0)
        return error_from_errno(errno);
    return 0;
}

int listen_open(struct listen_spec *spec)
{
    int fd = spec->inherited_fd;
    if (fd > 0) {
        address_local(fd, &spec->address);
        if (spec->address.base.sa_family == AF_UNSPEC)
            return WEIR_EINVAL;
        int flags = fcntl(fd, F_GETFL);
        fcntl(fd, F_SETFL, flags | O_NONBLOCK);
        fcntl(fd, F_SETFD, FD_CLOEXEC);
    } else {
        fd = listen_socket(spec);
        if (fd < 0)
            return error_from_errno(errno);
    }
    listen_set_options(fd, spec);
    int error = spec->inherited_fd > 0 ? 0 : listen_bind(fd, spec);
    if (!error && listen(fd, spec->backlog) != 0)
        error = error_from_errno(errno);
    if (error) {
        close(fd);
        return error;
    }
    if (spec->address.base.sa_family != AF_UNIX)
        address_local(fd, &spec->address);
    return fd;
}

/* ---- Accepting ---- */

static void listener_pause(struct listener *ls, uint32_t ms)
{
    if (!ls->paused) {
        ls->paused = true;
        poller_remove(&ls->net->loop->poller, ls->fd);
    }
    timer_arm(&ls->net->loop->wheel, &ls->timer, loop_delay(ms));
}

/* Why accepting is worth a pause: it will not go better at once. NULL: it was that one connection's failure. */
static const char *pause_reason(int number)
{
    switch (number) {
    case EMFILE:
    case ENFILE:
        return "no descriptors are left";
    case ENOBUFS:
    case ENOMEM:
        return "the system has no memory";
    case EINVAL: /* someone who shares it has shut it down, and may listen on it again */
        return "the socket does not listen any more";
    default:
        return NULL;
    }
}

/* Pauses for a reason that is worth a line in the log, one in a hundred times. */
static void listener_wait(struct listener *ls, const char *reason)
{
    if (ls->refusals++ % 100 == 0)
        log_warn(ls->net->loop->log, "accepting is paused: %s", reason);
    listener_pause(ls, ACCEPT_PAUSE_MS);
}

/* Accepts up to a batch. True when nothing waits any more. */
static bool listener_accept(struct listener *ls, uint32_t batch)
{
    struct net *n = ls->net;
    for (uint32_t i = 0; i < batch; i++) {
        if (!ls->hooks->may_accept(n->owner)) {
            listener_pause(ls, ACCEPT_PAUSE_MS);
            return true;
        }
        if (!pool_ready(&n->connections)) {
            if (i > 0)
                return false; /* the poller tells whether anybody else waits; who does need not be turned away */
            listener_wait(ls, "no memory for a connection");
            ls->hooks->no_memory(n->owner); /* what it closes lets this go on */
            return true;
        }
        struct address peer = {.len = sizeof peer.storage};
        bool counted = n->addresses != NULL;
        int fd = accept4(ls->fd, counted ? &peer.base : NULL, counted ? &peer.len : NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            int number = errno;
            if (number == EAGAIN)
                accept_guess_drained(&ls->guess, i);
            if (number == EAGAIN || number == EBADF)
                return true;
            const char *reason = pause_reason(number);
            if (!reason)
                continue; /* that connection has failed already: the next one */
            listener_wait(ls, reason);
            return true;
        }
        uint32_t slot = 0;
        if (counted && !address_table_enter(n->addresses, &peer.base, &slot)) {
            ls->hooks->refuse(n->owner, fd);
            continue;
        }
        if (ls->hooks->hand_over(n->owner, fd, ls->number, slot))
            continue;
        if (net_adopt(n, fd, ls->number, slot) != 0 || n->unwatched) {
            n->unwatched = false;
            listener_wait(ls, "the system has no memory");
            return true;
        }
    }
    accept_guess_filled(&ls->guess);
    return false;
}

/* What is left in the queue is not forgotten: the poller tells of it in every turn until nothing is. */
static void listener_ready(struct loop *l, void *object, uint16_t generation, uint32_t events)
{
    (void)generation;
    (void)events;
    struct listener *ls = object;
    if (ls->fd >= 0 && !ls->paused)
        listener_accept(ls, accept_guess_ask(&ls->guess, counter_read(&l->turns), l->now_ns));
}

static void listener_timer(void *owner, struct timer *t)
{
    (void)owner;
    listener_resume(container_of(t, struct listener, timer));
}

void listener_init(struct listener *ls, struct net *n, int fd, uint8_t number, bool owned, bool exclusive,
                   const struct listener_hooks *hooks)
{
    *ls =
        (struct listener){.net = n, .fd = fd, .number = number, .owned = owned, .exclusive = exclusive, .hooks = hooks};
    ls->timer.kind = TIMER_LISTENER;
    accept_guess_init(&ls->guess);
    n->loop->sources[SOURCE_LISTENER] = listener_ready;
    n->loop->wheel.handlers[TIMER_LISTENER] = listener_timer;
}

int listener_start(struct listener *ls)
{
    uint32_t events = POLLER_READ | (ls->exclusive ? POLLER_EXCLUSIVE : 0);
    return poller_add(&ls->net->loop->poller, ls->fd, events, source_mark(SOURCE_LISTENER, ls, 0));
}

void listener_resume(struct listener *ls)
{
    if (!ls->paused || ls->fd < 0)
        return;
    timer_cancel(&ls->net->loop->wheel, &ls->timer);
    ls->paused = false;
    if (listener_start(ls) != 0)
        listener_pause(ls, ACCEPT_PAUSE_MS);
}

void listener_stop(struct listener *ls)
{
    if (ls->fd < 0)
        return;
    /* What the kernel has accepted for us would be reset by closing the socket. */
    while (!ls->paused && !listener_accept(ls, ACCEPT_BATCH))
        ;
    timer_cancel(&ls->net->loop->wheel, &ls->timer);
    if (!ls->paused)
        poller_remove(&ls->net->loop->poller, ls->fd);
    if (ls->owned)
        close(ls->fd);
    ls->fd = -1;
}
