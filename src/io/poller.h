/*
 * The seam to the kernel's readiness interface. epoll was measured against io_uring with the smallest possible server
 * and was as fast, so there is one backend; a kqueue port is this header and one file.
 *
 * What is watched carries a 64-bit mark that comes back with its events. Edge-triggered watches report a change once:
 * the owner remembers readiness and works until the kernel says EAGAIN or gives less than was asked for. Note that with
 * TCP_NOTSENT_LOWAT set, a socket is writable again only when less than half of that is unsent.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_IO_POLLER_H
#define WEIR_IO_POLLER_H

#include "base/debug.h"
#include "base/system.h"

#include <errno.h>
#include <stdint.h>
#include <sys/epoll.h>

enum {
    POLLER_READ = EPOLLIN,
    POLLER_WRITE = EPOLLOUT,
    POLLER_HALF_CLOSED = EPOLLRDHUP,
    POLLER_HANGUP = EPOLLHUP | EPOLLERR, /* always reported */
};
#define POLLER_EDGE      EPOLLET
#define POLLER_ONCE      EPOLLONESHOT
#define POLLER_EXCLUSIVE EPOLLEXCLUSIVE /* wakes few of the threads that watch the same socket */

struct poller {
    int fd;
};

/* Makes a poller. Returns 0 or a negative error. */
int poller_init(struct poller *p) MUST_CHECK;
void poller_done(struct poller *p);

/* Begins to watch fd. Returns 0 or a negative error. A descriptor that is closed is forgotten by itself. */
int poller_add(struct poller *p, int fd, uint32_t events, uint64_t mark) MUST_CHECK;
int poller_modify(struct poller *p, int fd, uint32_t events, uint64_t mark) MUST_CHECK;
void poller_remove(struct poller *p, int fd);

/* The events, of those given and POLLER_HANGUP, that hold for fd now, be it watched or not. */
uint32_t poller_look(int fd, uint32_t events);

/* Waits up to timeout_ms (-1: for ever) and fills events; returns how many. */
static inline int poller_wait(struct poller *p, struct epoll_event *events, int count, int timeout_ms)
{
    int n = system_epoll_wait(p->fd, events, count, timeout_ms);
    weir_assert(n >= 0 || errno == EINTR);
    return n < 0 ? 0 : n;
}

#endif
