/*
 * Uploads on the disk: making, opening, completing and removing one. Names are an id and a suffix beneath the folder's
 * descriptor, and no link is followed.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/upload/tus_store.h"
#include "base/error.h"
#include "web/file/beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MAGIC "weir-tus 1 " /* the length follows */

_Static_assert(TUS_METADATA_ROOM > TUS_METADATA_MAX + sizeof MAGIC + 22, "a record has room");

bool tus_id_is_good(const char *id)
{
    return strspn(id, "0123456789abcdef") == TUS_ID_LEN && id[TUS_ID_LEN] == '\0';
}

void tus_name(char name[static TUS_NAME_SIZE], const char *id, const char *suffix)
{
    snprintf(name, TUS_NAME_SIZE, "%.*s%s", TUS_ID_LEN, id, suffix);
}

bool tus_is_expired(const struct tus_store *s, int64_t modified, int64_t now)
{
    return s->expire_s > 0 && now - modified > s->expire_s;
}

static int64_t now_seconds(void)
{
    return (int64_t)time(NULL);
}

static int remove_name(const struct weir_tus_upload *u, const char *suffix)
{
    char name[TUS_NAME_SIZE];
    tus_name(name, u->id, suffix);
    return unlinkat(u->folder, name, 0) == 0 || errno == ENOENT ? 0 : error_from_errno(errno);
}

/* Opens the folder. 0 or an error. */
static int open_folder(struct weir_tus_upload *u)
{
    int root = beneath_root(u->store->root);
    if (root < 0)
        return root;
    u->folder = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int error = u->folder < 0 ? error_from_errno(errno) : 0;
    close(root);
    return error;
}

/* ---- The record ---- */

/* Writes the record of a new upload. 0 or an error. */
static int write_record(const struct weir_tus_upload *u)
{
    char name[TUS_NAME_SIZE], text[TUS_METADATA_ROOM];
    int len = snprintf(text, sizeof text, MAGIC "%" PRId64 "\n%s\n", u->length, u->metadata ? u->metadata : "");
    if (len < 0 || (size_t)len >= sizeof text)
        return WEIR_ETOOBIG;
    tus_name(name, u->id, TUS_INFO);
    int fd = openat(u->folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_from_errno(errno);
    ssize_t n = write(fd, text, (size_t)len);
    int error = n == len ? 0 : n < 0 ? error_from_errno(errno) : WEIR_ENOSPC;
    if (!error && u->store->sync && fsync(fd) != 0)
        error = WEIR_EIO;
    if (close(fd) != 0 && errno != EINTR && !error)
        error = error_from_errno(errno);
    if (error)
        (void)unlinkat(u->folder, name, 0);
    return error;
}

/* Reads the length and, where it is wanted, the metadata from a record's text. 0, or WEIR_EIO: the text is none. */
static int parse_record(struct weir_tus_upload *u, const char *text, size_t len)
{
    char *end;
    size_t magic = sizeof MAGIC - 1;
    if (len <= magic + 2 || memcmp(text, MAGIC, magic) != 0 || text[len - 1] != '\n' || strlen(text) != len)
        return WEIR_EIO;
    errno = 0;
    u->length = strtoll(text + magic, &end, 10);
    if (errno || u->length < 0 || *end != '\n' || end + 1 >= text + len)
        return WEIR_EIO;
    size_t metadata = (size_t)(text + len - 1 - (end + 1));
    if (u->metadata) {
        memcpy(u->metadata, end + 1, metadata);
        u->metadata[metadata] = '\0';
    }
    return 0;
}

/* Reads the record of that suffix; *modified: seconds. 0; WEIR_ENOENT; or another error. */
static int read_record(struct weir_tus_upload *u, const char *suffix, int64_t *modified)
{
    char name[TUS_NAME_SIZE], text[TUS_METADATA_ROOM];
    struct stat is;
    tus_name(name, u->id, suffix);
    int fd = openat(u->folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return error_from_errno(errno);
    ssize_t n = fstat(fd, &is) == 0 && S_ISREG(is.st_mode) ? read(fd, text, sizeof text - 1) : -1;
    close(fd);
    if (n < 0)
        return WEIR_EIO;
    text[n] = '\0';
    *modified = is.st_mtim.tv_sec;
    return parse_record(u, text, (size_t)n);
}

/* Reads whichever record there is. */
static int read_records(struct weir_tus_upload *u, int64_t *modified)
{
    int error = read_record(u, TUS_INFO, modified);
    u->done = error == WEIR_ENOENT;
    return u->done ? read_record(u, TUS_DONE, modified) : error;
}

int tus_read_metadata(void *upload)
{
    struct weir_tus_upload *u = upload;
    int64_t modified;
    return read_records(u, &modified);
}

/* ---- The file ---- */

/* Takes the lock, if nobody has it. 0, WEIR_EBUSY or another error. */
static int take_lock(struct weir_tus_upload *u)
{
    u->locked = flock(u->fd, LOCK_EX | LOCK_NB) == 0;
    return u->locked ? 0 : errno == EWOULDBLOCK ? WEIR_EBUSY : error_from_errno(errno);
}

/* Looks at the file; 0, or WEIR_ENOENT: the name is not the file's any more, or it is none of ours. */
static int look(struct weir_tus_upload *u)
{
    struct stat is, named;
    char name[TUS_NAME_SIZE];
    tus_name(name, u->id, "");
    if (fstat(u->fd, &is) != 0)
        return error_from_errno(errno);
    if (fstatat(u->folder, name, &named, AT_SYMLINK_NOFOLLOW) != 0)
        return error_from_errno(errno);
    if (!S_ISREG(is.st_mode) || is.st_ino != named.st_ino || is.st_dev != named.st_dev)
        return WEIR_ENOENT;
    u->offset = is.st_size;
    u->modified = is.st_mtim.tv_sec;
    return 0;
}

int tus_lock_record(struct weir_tus_upload *u)
{
    struct stat is, named;
    char name[TUS_NAME_SIZE];
    tus_name(name, u->id, TUS_INFO);
    int fd = openat(u->folder, name, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return error_from_errno(errno);
    int number = 0;
    if (flock(fd, LOCK_EX | LOCK_NB) != 0 || fstat(fd, &is) != 0 ||
        fstatat(u->folder, name, &named, AT_SYMLINK_NOFOLLOW) != 0)
        number = errno;
    else if (is.st_ino != named.st_ino || is.st_dev != named.st_dev)
        number = ENOENT;
    if (number)
        close(fd);
    else
        u->record = fd;
    return number == EWOULDBLOCK ? WEIR_EBUSY : error_from_errno(number);
}

int tus_hand_over(struct weir_tus_upload *u)
{
    int error = u->record < 0 ? tus_lock_record(u) : 0;
    if (!error)
        (void)futimens(u->record, NULL); /* else it expires a little sooner */
    return error;
}

/* Opens the file, if there is one, with the lock where the access asks for it. */
static int open_file(struct weir_tus_upload *u)
{
    char name[TUS_NAME_SIZE];
    tus_name(name, u->id, "");
    u->fd = openat(u->folder, name, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (u->fd < 0)
        return errno == ENOENT ? 0 : error_from_errno(errno);
    int error = u->access == TUS_WRITE ? take_lock(u) : 0;
    if (!error)
        error = look(u);
    if (error == WEIR_ENOENT) { /* the record tells what has become of it meanwhile */
        close(u->fd);
        u->fd = -1;
        u->locked = false;
        error = 0;
    }
    return error;
}

/* Whether nobody else writes to the upload, or has the program told of it, from here on. */
static bool lock_any(struct weir_tus_upload *u)
{
    if (u->fd >= 0)
        return u->locked || (take_lock(u) == 0 && look(u) == 0);
    int error = u->record < 0 ? tus_lock_record(u) : 0;
    return error == 0 || error == WEIR_ENOENT; /* one that is over is nobody's */
}

/* Whether the upload is to be gone. Where it is, and nobody writes to it, it goes. */
static bool has_expired(struct weir_tus_upload *u)
{
    if (!tus_is_expired(u->store, u->modified, now_seconds()))
        return false;
    if (!lock_any(u))
        return false;
    return tus_is_expired(u->store, u->modified, now_seconds()) && tus_remove(u) == 0;
}

/* The program has taken the file away: it is being told still, or has not lived to have that noted. Who wants to write
 * has to wait for the former. */
static int open_taken(struct weir_tus_upload *u, int64_t *recorded)
{
    int error = u->access == TUS_WRITE ? tus_lock_record(u) : 0;
    if (error == WEIR_ENOENT) /* the end has been noted meanwhile */
        error = read_records(u, recorded);
    u->done = true;
    return error;
}

static int open_all(struct weir_tus_upload *u)
{
    int64_t recorded = 0;
    int error = open_folder(u);
    if (!error)
        error = open_file(u);
    if (!error)
        error = read_records(u, &recorded);
    if (error)
        return error;
    if (!u->done && u->fd < 0 && (error = open_taken(u, &recorded)) != 0)
        return error;
    if (u->done) {
        u->offset = u->length;
        u->modified = recorded;
    }
    if (u->offset > u->length)
        return WEIR_EIO;
    if (has_expired(u))
        return WEIR_ENOENT;
    if (!u->done && !u->locked && u->offset == u->length && take_lock(u) == 0)
        error = read_records(u, &recorded); /* another may have completed it until now */
    return error;
}

int tus_open(void *upload)
{
    struct weir_tus_upload *u = upload;
    u->folder = u->fd = u->record = -1;
    u->locked = u->done = false;
    int error = open_all(u);
    if (error)
        (void)tus_close(u);
    return error;
}

int tus_close(void *upload)
{
    struct weir_tus_upload *u = upload;
    if (u->fd >= 0)
        close(u->fd);
    if (u->record >= 0)
        close(u->record);
    if (u->folder >= 0)
        close(u->folder);
    u->folder = u->fd = u->record = -1;
    u->locked = false;
    return 0;
}

/* ---- Making ---- */

static bool choose_id(struct weir_tus_upload *u)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char random[TUS_ID_LEN / 2];
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        return false;
    for (int i = 0; i < TUS_ID_LEN; i++)
        u->id[i] = digits[random[i / 2] >> (i % 2 ? 0 : 4) & 15];
    u->id[TUS_ID_LEN] = '\0';
    return true;
}

static int make_file(struct weir_tus_upload *u)
{
    char name[TUS_NAME_SIZE];
    tus_name(name, u->id, "");
    u->fd = openat(u->folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, u->store->mode);
    if (u->fd < 0)
        return error_from_errno(errno);
    int error = take_lock(u);
    if (!error)
        error = look(u);
    if (!error && u->store->sync && fsync(u->folder) != 0)
        error = WEIR_EIO;
    return error;
}

int tus_create(void *upload)
{
    struct weir_tus_upload *u = upload;
    u->folder = u->fd = u->record = -1;
    u->locked = u->done = false;
    int error = open_folder(u);
    int count = error ? 0 : tus_sweep(u->store, u->folder);
    if (!error)
        error = count < 0 ? count : count >= u->store->max_uploads ? WEIR_EBUSY : choose_id(u) ? 0 : WEIR_ESYS;
    if (!error)
        error = write_record(u);
    if (!error) {
        error = make_file(u);
        if (error)
            (void)tus_remove(u);
    }
    if (error)
        (void)tus_close(u);
    return error;
}

/* ---- The end ---- */

int tus_sync(void *upload)
{
    struct weir_tus_upload *u = upload;
    return fsync(u->fd) == 0 ? 0 : WEIR_EIO;
}

int tus_finish(void *upload)
{
    struct weir_tus_upload *u = upload;
    char info[TUS_NAME_SIZE], done[TUS_NAME_SIZE];
    tus_name(info, u->id, TUS_INFO);
    tus_name(done, u->id, TUS_DONE);
    if (renameat(u->folder, info, u->folder, done) != 0)
        return error_from_errno(errno);
    u->done = true;
    (void)utimensat(u->folder, done, NULL, AT_SYMLINK_NOFOLLOW); /* else the record goes a little sooner */
    return u->store->sync && fsync(u->folder) != 0 ? WEIR_EIO : 0;
}

int tus_remove(void *upload)
{
    struct weir_tus_upload *u = upload;
    int error = remove_name(u, TUS_INFO);
    if (!error)
        error = remove_name(u, TUS_DONE);
    return error ? error : remove_name(u, "");
}
