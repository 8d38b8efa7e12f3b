/*
 * System calls of the hot path. The C library's functions for them are points at which a thread can be cancelled, and
 * in a program with threads each call pays two atomic operations for that. Nobody cancels weir's threads, so the calls
 * are made as they are, in place. Sanitizers and the static analyzer know the functions, and are left theirs.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_BASE_SYSTEM_H
#define WEIR_BASE_SYSTEM_H

#include "base/debug.h"

#include <errno.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#if defined(WEIR_ASAN) || defined(WEIR_TSAN) || defined(__clang_analyzer__)

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

/* A system call by its number, without a call of the C library. As there: -1 and errno where it fails. */
static inline long system_call(long number, long a, long b, long c, long d, long e, long f)
{
    long result;
#if defined(__x86_64__)
    register long in_d __asm__("r10") = d;
    register long in_e __asm__("r8") = e;
    register long in_f __asm__("r9") = f;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(in_d), "r"(in_e), "r"(in_f)
                     : "rcx", "r11", "memory");
#elif defined(__aarch64__)
    register long in_number __asm__("x8") = number;
    register long in_a __asm__("x0") = a;
    register long in_b __asm__("x1") = b;
    register long in_c __asm__("x2") = c;
    register long in_d __asm__("x3") = d;
    register long in_e __asm__("x4") = e;
    register long in_f __asm__("x5") = f;
    __asm__ volatile("svc #0"
                     : "+r"(in_a)
                     : "r"(in_number), "r"(in_b), "r"(in_c), "r"(in_d), "r"(in_e), "r"(in_f)
                     : "memory");
    result = in_a;
#else
#error "weir supports x86-64 and aarch64"
#endif
    if (likely(result >= 0))
        return result;
    errno = (int)-result;
    return -1;
}

/* recv(), send(), sendmsg() and epoll_wait() without the C library's cancellation points; errno as theirs. */
static inline ssize_t system_recv(int fd, void *buf, size_t len, int flags)
{
    return system_call(SYS_recvfrom, fd, (long)buf, (long)len, flags, 0, 0);
}

static inline ssize_t system_send(int fd, const void *buf, size_t len, int flags)
{
    return system_call(SYS_sendto, fd, (long)buf, (long)len, flags, 0, 0);
}

static inline ssize_t system_sendmsg(int fd, const struct msghdr *message, int flags)
{
    return system_call(SYS_sendmsg, fd, (long)message, flags, 0, 0, 0);
}

static inline int system_epoll_wait(int fd, struct epoll_event *events, int count, int timeout_ms)
{
    return (int)system_call(SYS_epoll_pwait, fd, (long)events, count, timeout_ms, 0, 0);
}

#endif

#endif
