/*
 * A library to preload (LD_PRELOAD) that makes writing to regular files slow: each write, and each splice into a file,
 * takes a few milliseconds more, as where the kernel makes who writes wait for the disk. The environment's
 * SLOW_DISK_LOG names a file that gets a line for each, with the number of the thread.
 *
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#define EXPORT  __attribute__((visibility("default")))
#define SLOW_NS 4000000

static void tell(void)
{
    static int log = -1;
    const char *path = getenv("SLOW_DISK_LOG");
    if (log < 0 && path)
        log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (log >= 0)
        dprintf(log, "%d\n", (int)gettid());
}

static void be_slow(int fd)
{
    struct stat status;
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))
        return;
    tell();
    nanosleep(&(struct timespec){.tv_nsec = SLOW_NS}, NULL);
}

EXPORT ssize_t pwrite(int fd, const void *data, size_t len, off_t offset)
{
    static ssize_t (*next)(int, const void *, size_t, off_t);
    if (!next)
        *(void **)&next = dlsym(RTLD_NEXT, "pwrite");
    be_slow(fd);
    return next(fd, data, len, offset);
}

EXPORT ssize_t splice(int from, off64_t *from_offset, int to, off64_t *to_offset, size_t len, unsigned flags)
{
    static ssize_t (*next)(int, off64_t *, int, off64_t *, size_t, unsigned);
    if (!next)
        *(void **)&next = dlsym(RTLD_NEXT, "splice");
    be_slow(to);
    return next(from, from_offset, to, to_offset, len, flags);
}
