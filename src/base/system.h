/*
 * System calls of the hot path. The C library's functions for them are points at which a thread can be cancelled, and
 * in a program with threads each call pays two atomic operations for that. Nobody cancels weir's threads, so the calls
 * are made as they are. Sanitizers watch the functions, and are left theirs.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_BASE_SYSTEM_H
#define WEIR_BASE_SYSTEM_H

#include "base/debug.h"

#include <stddef.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#if defined(WEIR_ASAN) || defined(WEIR_TSAN)

static inline ssize_t system_recv(int fd, void *buf, size_t len, int flags)
{
    return recv(fd, buf, len, flags);
}

static inline ssize_t system_send(int fd, const void *buf, size_t len, int flags)
{
    return send(fd, buf, len, flags);
}

static inline ssize_t system_sendmsg(int fd, const struct msghdr *message, int flags)
{
    return sendmsg(fd, message, flags);
}

static inline int system_epoll_wait(int fd, struct epoll_event *events, int count, int timeout_ms)
{
    return epoll_wait(fd, events, count, timeout_ms);
}

#else

/* recv(), send(), sendmsg() and epoll_wait() without the C library's cancellation points; errno as theirs. */
static inline ssize_t system_recv(int fd, void *buf, size_t len, int flags)
{
    return syscall(SYS_recvfrom, fd, buf, len, flags, NULL, NULL);
}

static inline ssize_t system_send(int fd, const void *buf, size_t len, int flags)
{
    return syscall(SYS_sendto, fd, buf, len, flags, NULL, 0);
}

static inline ssize_t system_sendmsg(int fd, const struct msghdr *message, int flags)
{
    return syscall(SYS_sendmsg, fd, message, flags);
}

static inline int system_epoll_wait(int fd, struct epoll_event *events, int count, int timeout_ms)
{
    return (int)syscall(SYS_epoll_pwait, fd, events, count, timeout_ms, NULL, 0);
}

#endif

#endif
