/*
 * Opening beneath a folder is openat2()'s in the kernel, where nobody can rename in between. Where that call is missing
 * or forbidden (old container filters), the path is walked one name at a time, and links are not followed at all.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/file/beneath.h"
#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef RESOLVE_CACHED
#define RESOLVE_CACHED 0x20 /* Linux 5.12 */
#endif

#define OPEN_FLAGS   (O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
#define FOLDER_FLAGS (O_PATH | O_DIRECTORY | O_CLOEXEC)
#define OPEN_TRIES   8 /* a rename elsewhere makes openat2() give up with EAGAIN */

static int open_resolved(int folder, const char *path, int flags, unsigned long long resolve)
{
    struct open_how how = {.flags = (unsigned)flags, .resolve = resolve};
    return (int)syscall(SYS_openat2, folder, path, &how, sizeof how);
}

/* Opens a path one name at a time; ".." and links are refused. Returns a descriptor or -1 with errno. */
static int open_walk(int root, const char *path, int flags)
{
    char name[NAME_MAX + 1];
    int folder = root, fd = -1;
    if (path[0] == '/') {
        errno = EXDEV;
        return -1;
    }
    for (;;) {
        size_t len = strcspn(path, "/");
        bool last = path[len] == '\0';
        if (len > NAME_MAX || (len == 2 && memcmp(path, "..", 2) == 0)) {
            errno = len > NAME_MAX ? ENAMETOOLONG : EXDEV;
            fd = -1;
        } else {
            memcpy(name, len ? path : ".", len ? len : 1);
            name[len ? len : 1] = '\0';
            fd = openat(folder, name, (last ? flags : FOLDER_FLAGS) | O_NOFOLLOW);
        }
        int number = errno;
        if (folder != root)
            close(folder);
        errno = number;
        if (fd < 0 || last)
            return fd;
        folder = fd;
        path += len + 1;
    }
}

/* Opens the folder, whose own way may lead to a disk, or to a server that does not answer, as that beneath it may. */
static int open_root(const struct beneath *b)
{
    int root = b->cached_only ? open_resolved(AT_FDCWD, b->root, FOLDER_FLAGS, RESOLVE_CACHED) : -1;
    if (root >= 0 || (b->cached_only && errno == EAGAIN))
        return root;
    return open(b->root, FOLDER_FLAGS); /* or an older kernel, or a filter: see open_in() */
}

static int open_in(int root, const char *path, int flags, bool cached_only, unsigned long long links)
{
    unsigned long long resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | links;
    int fd = -1;
    for (int i = 0; i < OPEN_TRIES; i++) {
        fd = open_resolved(root, path, flags, resolve | (cached_only ? RESOLVE_CACHED : 0));
        if (fd < 0 && errno == EINVAL && cached_only)
            fd = open_resolved(root, path, flags, resolve); /* an older kernel */
        if (fd >= 0 || errno != EAGAIN || cached_only)
            break;
    }
    if (fd < 0 && (errno == ENOSYS || errno == EPERM || errno == E2BIG))
        fd = open_walk(root, path, flags);
    return fd;
}

static int beneath_error(int number)
{
    switch (number) {
    case EAGAIN:
        return WEIR_EBUSY;
    case ENAMETOOLONG:
    case ENXIO: /* a socket, or a device without a driver */
    case ENODEV:
        return WEIR_ENOENT;
    default:
        return error_from_errno(number);
    }
}

int beneath_open(struct beneath *b)
{
    b->fd = -1;
    const char *path = b->path;
    if (path[0] == '\0')
        return WEIR_ENOENT;
    int root = open_root(b);
    if (root < 0)
        return beneath_error(errno);
    int fd = open_in(root, b->path, OPEN_FLAGS, b->cached_only, b->no_links ? RESOLVE_NO_SYMLINKS : 0);
    int number = errno;
    close(root);
    if (fd < 0)
        return beneath_error(number);
    if (fstat(fd, &b->status) != 0 || !(S_ISREG(b->status.st_mode) || (b->folders && S_ISDIR(b->status.st_mode)))) {
        close(fd);
        return WEIR_ENOENT;
    }
    b->fd = fd;
    return 0;
}

int beneath_root(const char *root)
{
    int fd = open(root, FOLDER_FLAGS);
    return fd >= 0 ? fd : beneath_error(errno);
}

int beneath_folder(int root, const char *path)
{
    int fd = open_in(root, path, FOLDER_FLAGS, false, 0);
    return fd >= 0 ? fd : beneath_error(errno);
}
