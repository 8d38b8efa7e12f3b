/*
 * Uploads that have expired are removed by those who come after them: each creation looks through the folder, whose
 * entries max_uploads bounds, and removes a few. An upload is as old as the youngest of its files. Where none expires,
 * records of what is over and lies elsewhere would be all that is left one day: they go after a day, and none is
 * counted.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/error.h"
#include "web/upload/tus_store.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define REMOVED_MOST 32    /* uploads by one creation: removing a large file takes time */
#define KNOWN_S      86400 /* how long what is over stays known where nothing expires */

/* What the kernel writes (getdents64(2)). */
struct entry {
    uint64_t inode;
    int64_t next;
    uint16_t size; /* of this one */
    uint8_t type;
    char name[];
};

/* Which of an upload's files a name is: its suffix; NULL: none. */
static const char *suffix_of(const char *name)
{
    const char *suffix = name + TUS_ID_LEN;
    if (strspn(name, "0123456789abcdef") != TUS_ID_LEN)
        return NULL;
    return suffix[0] == '\0' || strcmp(suffix, TUS_INFO) == 0 || strcmp(suffix, TUS_DONE) == 0 ? suffix : NULL;
}

/* Whether a file of an upload is there and has not expired. */
static bool is_young(const struct tus_store *s, int folder, const char *id, const char *suffix, int64_t now)
{
    struct stat is;
    char name[TUS_NAME_SIZE];
    tus_name(name, id, suffix);
    return fstatat(folder, name, &is, AT_SYMLINK_NOFOLLOW) == 0 && !tus_is_expired(s, is.st_mtim.tv_sec, now);
}

static bool any_is_young(const struct tus_store *s, int folder, const char *id, int64_t now)
{
    return is_young(s, folder, id, "", now) || is_young(s, folder, id, TUS_INFO, now) ||
           is_young(s, folder, id, TUS_DONE, now);
}

/* Removes an upload, if nobody writes to it. */
static bool remove_old(const struct tus_store *s, int folder, const char *id, int64_t now)
{
    struct weir_tus_upload u = {.store = s, .folder = folder, .record = -1};
    char name[TUS_NAME_SIZE];
    tus_name(name, id, "");
    memcpy(u.id, name, TUS_ID_LEN);
    u.fd = openat(folder, name, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    bool mine = u.fd >= 0 && flock(u.fd, LOCK_EX | LOCK_NB) == 0;
    if (u.fd < 0 && errno == ENOENT) { /* the program has taken it, and may be about to say so */
        int error = tus_lock_record(&u);
        mine = error == 0 || error == WEIR_ENOENT;
    }
    bool removed = mine && !any_is_young(s, folder, id, now) && tus_remove(&u) == 0;
    if (u.fd >= 0)
        close(u.fd);
    if (u.record >= 0)
        close(u.record);
    return removed;
}

/* Removes the record of an upload that is over, if it is all that is left of it, and old. */
static bool forget_done(int folder, const char *id, int64_t now)
{
    struct stat is;
    char name[TUS_NAME_SIZE];
    tus_name(name, id, "");
    if (fstatat(folder, name, &is, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT)
        return false;
    tus_name(name, id, TUS_DONE);
    return fstatat(folder, name, &is, AT_SYMLINK_NOFOLLOW) == 0 && now - is.st_mtim.tv_sec > KNOWN_S &&
           unlinkat(folder, name, 0) == 0;
}

/* A look through the folder. */
struct sweep {
    const struct tus_store *store;
    int folder;
    int64_t now;
    int count, removed; /* uploads */
};

/* Looks at a name of the folder. */
static void sweep_name(struct sweep *w, const char *name)
{
    const char *suffix = suffix_of(name);
    if (!suffix)
        return;
    if (w->store->expire_s == 0) {
        w->count += strcmp(suffix, TUS_INFO) == 0;
        if (strcmp(suffix, TUS_DONE) == 0 && w->removed < REMOVED_MOST)
            w->removed += forget_done(w->folder, name, w->now);
        return;
    }
    bool old = w->removed < REMOVED_MOST && !is_young(w->store, w->folder, name, suffix, w->now) &&
               !any_is_young(w->store, w->folder, name, w->now);
    struct stat is;
    if (old && fstatat(w->folder, name, &is, AT_SYMLINK_NOFOLLOW) != 0)
        return; /* gone with another file of its upload, which was counted */
    bool gone = old && remove_old(w->store, w->folder, name, w->now);
    w->removed += gone;
    w->count += !gone && suffix[0] != '\0'; /* by its record, of which it has one */
}

/* Looks at all names. 0 or an error. */
static int sweep_all(struct sweep *w, int fd)
{
    char names[8192] __attribute__((aligned(8)));
    for (;;) {
        long len = syscall(SYS_getdents64, fd, names, sizeof names);
        if (len <= 0)
            return len == 0 ? 0 : error_from_errno(errno);
        for (long at = 0; at < len;) {
            uint16_t size;
            memcpy(&size, names + at + offsetof(struct entry, size), sizeof size);
            sweep_name(w, names + at + offsetof(struct entry, name));
            at += size;
        }
    }
}

int tus_sweep(const struct tus_store *s, int folder)
{
    struct sweep w = {.store = s, .folder = folder, .now = (int64_t)time(NULL)};
    int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return error_from_errno(errno);
    int error = sweep_all(&w, fd);
    close(fd);
    return error ? error : w.count;
}
