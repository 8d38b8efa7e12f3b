/*
 * Opening sockets and accepting connections.
 *
 * SPDX-License-Identifier: MIT
 */
#include "net/listener.h"
#include "base/error.h"
#include "net/networks.h"
#include "net/socket_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <unistd.h>

#define ACCEPT_PAUSE_MS 100
#define LAST_LOOK_MS    50 /* between the two looks of a listener that ends */

static int set_option(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof value);
}

static int listen_socket(const struct listen_spec *spec)
{
    return socket(spec->address.base.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

/* Keeps the system's error, in whose words it is told. */
static int listen_failure(struct listen_spec *spec)
{
    spec->number = errno;
    return error_from_errno(errno);
}

int listen_probe(struct listen_spec *spec)
{
    if (spec->inherited_fd > 0 || spec->address.base.sa_family == AF_UNIX || address_port(&spec->address) == 0)
        return 0;
    int fd = listen_socket(spec);
    if (fd < 0)
        return listen_failure(spec);
    int error = 0;
    set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (spec->address.base.sa_family == AF_INET6)
        set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    if (bind(fd, &spec->address.base, spec->address.len) != 0)
        error = listen_failure(spec);
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

/* A socket file that nobody listens on is left from an earlier run. Who has no room for another client, or does not
 * let us in, listens. */
static int unix_replace(struct listen_spec *spec)
{
    const struct address *a = &spec->address;
    struct stat status;
    if (lstat(a->local.sun_path, &status) != 0)
        return 0;
    if (!S_ISSOCK(status.st_mode))
        return WEIR_EEXIST;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return listen_failure(spec);
    bool stale = connect(fd, &a->base, a->len) != 0 && errno == ECONNREFUSED;
    close(fd);
    if (!stale)
        return WEIR_EBUSY;
    return unlink(a->local.sun_path) == 0 ? 0 : listen_failure(spec);
}

/* The inode's number is not given to another file as long as the socket is open. */
static void unix_remember(struct listen_spec *spec)
{
    struct stat status;
    if (lstat(spec->address.local.sun_path, &status) != 0)
        return;
    spec->device = status.st_dev;
    spec->inode = status.st_ino;
}

void listen_unlink(struct listen_spec *spec)
{
    struct stat status;
    const char *path = spec->address.local.sun_path;
    if (spec->inode != 0 && lstat(path, &status) == 0 && status.st_dev == spec->device && status.st_ino == spec->inode)
        unlink(path);
    spec->inode = 0;
}

/*
 * A TCP socket that is closed resets whoever is in its queue, or in a handshake. So new handshakes are not answered
 * from here on, those under way go on, and their clients are accepted before the close; who was not answered asks
 * again after a second, and is refused or reaches who listens then.
 */
static void tcp_refuse(int fd)
{
    struct sock_filter drop_first_packets[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 13), /* flags of the TCP header */
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, TH_SYN | TH_ACK),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, TH_SYN, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0),
        BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
    };
    struct sock_fprog program = {.len = sizeof drop_first_packets / sizeof drop_first_packets[0],
                                 .filter = drop_first_packets};
    /* A socket without the filter resets who connects between the last look and the close. */
    (void)setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}

void listen_refuse(struct listen_spec *spec, int fd)
{
    if (spec->inherited_fd > 0)
        return;
    if (spec->address.base.sa_family != AF_UNIX) {
        tcp_refuse(fd);
        return;
    }
    listen_unlink(spec); /* before it is shut: who finds a file that nobody listens on replaces it */
    shutdown(fd, SHUT_RD);
}

static int listen_bind(int fd, struct listen_spec *spec)
{
    bool local = spec->address.base.sa_family == AF_UNIX;
    int error = local ? unix_replace(spec) : 0;
    if (error)
        return error;
    if (!local) {
        set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
        if (!spec->shared && set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1) != 0)
            return listen_failure(spec);
        if (spec->address.base.sa_family == AF_INET6)
            set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    }
    if (bind(fd, &spec->address.base, spec->address.len) != 0)
        return listen_failure(spec);
    if (!local)
        return 0;
    unix_remember(spec);
    return chmod(spec->address.local.sun_path, (mode_t)spec->unix_mode) == 0 ? 0 : listen_failure(spec);
}

int listen_open(struct listen_spec *spec)
{
    int fd = spec->inherited_fd;
    if (fd > 0) {
        address_local(fd, &spec->address);
        if (spec->address.base.sa_family == AF_UNSPEC) {
            (void)listen_failure(spec);
            return WEIR_EINVAL;
        }
        int flags = fcntl(fd, F_GETFL);
        fcntl(fd, F_SETFL, flags | O_NONBLOCK);
        fcntl(fd, F_SETFD, FD_CLOEXEC);
    } else {
        fd = listen_socket(spec);
        if (fd < 0)
            return listen_failure(spec);
    }
    listen_set_options(fd, spec);
    int error = spec->inherited_fd > 0 ? 0 : listen_bind(fd, spec);
    if (!error && listen(fd, spec->backlog) != 0)
        error = listen_failure(spec);
    if (error) {
        listen_unlink(spec);
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

/* Counts a connection of peer, unless nobody counts its address. False: it has too many. */
static inline bool listener_enter(struct net *n, const struct address *peer, uint32_t *slot)
{
    if (unlikely(n->uncounted)) {
        struct endpoint e = endpoint_of_address(peer);
        if (networks_hold(n->uncounted, &e))
            return true;
    }
    return address_table_enter(n->addresses, &peer->base, slot);
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
        if (!net_ready_for(n, ls->number)) {
            if (i > 0)
                return false; /* the poller tells whether anybody else waits; who does need not be turned away */
            listener_wait(ls, "no memory for a connection");
            ls->hooks->no_memory(n->owner); /* what it closes lets this go on */
            return true;
        }
        struct address peer = {.len = sizeof peer.storage};
        bool counted = n->addresses != NULL && !ls->spec->proxied; /* a preface tells whose the connection is */
        int fd = accept4(ls->fd, counted ? &peer.base : NULL, counted ? &peer.len : NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            int number = errno;
            if (number == EAGAIN)
                accept_guess_drained(&ls->guess, i);
            if (number == EAGAIN || number == EBADF)
                return true;
            const char *reason = pause_reason(number);
            if (!reason)
                continue; /* a connection that has failed already: on to the next one */
            listener_wait(ls, reason);
            return true;
        }
        uint32_t slot = 0;
        if (counted && !listener_enter(n, &peer, &slot)) {
            ls->hooks->refuse(n->owner, fd, ls->number);
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

/* Accepts all that waits: no more than the queue holds, since an inherited socket may go on being connected to. */
static void listener_drain(struct listener *ls)
{
    for (int left = ls->spec->backlog; left >= 0; left -= ACCEPT_BATCH)
        if (listener_accept(ls, ACCEPT_BATCH))
            return;
}

static void listener_end(struct listener *ls)
{
    timer_cancel(&ls->net->loop->wheel, &ls->timer); /* the last look may have paused it */
    if (!ls->spec->shared || atomic_fetch_sub(&ls->spec->users, 1) == 1)
        close(ls->fd);
    ls->fd = -1;
}

static void listener_timer(void *owner, struct timer *t)
{
    (void)owner;
    struct listener *ls = container_of(t, struct listener, timer);
    if (!ls->ending) {
        listener_resume(ls);
        return;
    }
    listener_drain(ls);
    listener_end(ls);
}

void listener_init(struct listener *ls, struct net *n, int fd, uint8_t number, struct listen_spec *spec,
                   const struct listener_hooks *hooks)
{
    *ls = (struct listener){.net = n, .fd = fd, .number = number, .spec = spec, .hooks = hooks};
    ls->timer.kind = TIMER_LISTENER;
    accept_guess_init(&ls->guess);
    n->loop->sources[SOURCE_LISTENER] = listener_ready;
    n->loop->wheel.handlers[TIMER_LISTENER] = listener_timer;
}

int listener_start(struct listener *ls)
{
    uint32_t events = POLLER_READ | (ls->spec->shared ? POLLER_EXCLUSIVE : 0);
    return poller_add(&ls->net->loop->poller, ls->fd, events, source_mark(SOURCE_LISTENER, ls, 0));
}

void listener_resume(struct listener *ls)
{
    if (!ls->paused || ls->ending || ls->fd < 0)
        return;
    timer_cancel(&ls->net->loop->wheel, &ls->timer);
    ls->paused = false;
    if (listener_start(ls) != 0)
        listener_pause(ls, ACCEPT_PAUSE_MS);
}

void listeners_resume(struct listener *first, size_t count)
{
    for (struct listener *ls = first; ls < first + count; ls++)
        if (ls->paused)
            listener_resume(ls);
}

void listener_stop(struct listener *ls)
{
    listener_drain(ls);
    if (!ls->paused) /* one that is shut is ready for ever */
        poller_remove(&ls->net->loop->poller, ls->fd);
    ls->paused = ls->ending = true;
    timer_arm(&ls->net->loop->wheel, &ls->timer, loop_delay(LAST_LOOK_MS));
}
