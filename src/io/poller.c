/*
 * The poller on epoll.
 *
 * SPDX-License-Identifier: MIT
 */
#include "io/poller.h"
#include "base/error.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

int poller_init(struct poller *p)
{
    p->fd = epoll_create1(EPOLL_CLOEXEC);
    return p->fd < 0 ? error_from_errno(errno) : 0;
}

void poller_done(struct poller *p)
{
    if (p->fd >= 0)
        close(p->fd);
    p->fd = -1;
}

static int poller_control(struct poller *p, int operation, int fd, uint32_t events, uint64_t mark)
{
    struct epoll_event event = {.events = events, .data.u64 = mark};
    return epoll_ctl(p->fd, operation, fd, &event) == 0 ? 0 : error_from_errno(errno);
}

int poller_add(struct poller *p, int fd, uint32_t events, uint64_t mark)
{
    return poller_control(p, EPOLL_CTL_ADD, fd, events, mark);
}

int poller_modify(struct poller *p, int fd, uint32_t events, uint64_t mark)
{
    return poller_control(p, EPOLL_CTL_MOD, fd, events, mark);
}

void poller_remove(struct poller *p, int fd)
{
    (void)poller_control(p, EPOLL_CTL_DEL, fd, 0, 0);
}

uint32_t poller_look(int fd, uint32_t events)
{
    struct pollfd look = {.fd = fd, .events = (short)events};
    return poll(&look, 1, 0) > 0 ? (uint32_t)(unsigned short)look.revents : 0;
}
