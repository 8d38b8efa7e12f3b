/*
 * Files that are opened, and read by hand, without ever blocking the worker.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/error.h"
#include "web/file/file_reply.h"
#include "web/line.h"

#include <errno.h>
#include <linux/magic.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#define FILE_BUFFER_SIZE 4096 /* of weir_file_line() */

struct weir_file {
    int fd;
    int64_t size, offset;
    bool wait_free; /* reading never waits for a disk: the file system is memory */
    bool wait_known;
    char *buf;         /* of weir_file_line(); NULL until its first use */
    struct slice rest; /* what is in it and in no line yet */
};

static int open_offloaded(void *arg)
{
    return beneath_open(arg);
}

int file_find(weir_ctx *c, struct beneath *b)
{
    b->cached_only = true;
    int error = beneath_open(b);
    if (error == WEIR_EBUSY) {
        b->cached_only = false;
        error = weir_offload(c, open_offloaded, b);
    }
    return error;
}

int file_open(weir_ctx *c, const char *root, const char *path, struct beneath *b)
{
    *b = (struct beneath){.root = root, .path = path, .fd = -1};
    return root && path ? file_find(c, b) : context_null_error(c);
}

/* ---- Read by hand ---- */

static void file_close_deferred(void *arg)
{
    struct weir_file *f = arg;
    if (f->fd >= 0)
        close(f->fd);
    f->fd = -1;
}

int weir_file_open(weir_ctx *c, const char *root, const char *path, weir_file **file)
{
    CONTEXT_CHECK(c);
    struct beneath b;
    if (!file)
        return WEIR_EINVAL;
    *file = NULL;
    if (!root || !path)
        return context_null_error(c);
    struct weir_file *f = arena_alloc(&c->x->arena, sizeof *f);
    if (!f)
        return WEIR_ENOMEM;
    int error = file_open(c, root, path, &b);
    if (error)
        return error;
    *f = (struct weir_file){.fd = b.fd, .size = b.status.st_size};
    error = weir_defer(c, file_close_deferred, f);
    *file = error ? NULL : f;
    return error;
}

int64_t weir_file_size(const weir_file *file)
{
    return file ? file->size : 0;
}

void weir_file_close(weir_ctx *c, weir_file *file)
{
    CONTEXT_CHECK(c);
    if (file)
        file_close_deferred(file);
}

struct read_job {
    int fd;
    void *buf;
    size_t len;
    int64_t offset;
    ssize_t result;
};

static int read_offloaded(void *arg)
{
    struct read_job *job = arg;
    job->result = pread(job->fd, job->buf, job->len, job->offset);
    return job->result < 0 ? WEIR_EIO : 0;
}

/* Whether the file lies in memory, where the kernel knows no reading without waiting but there is nothing to wait for
 * either. */
static bool file_wait_free(struct weir_file *f)
{
    if (!f->wait_known) {
        struct statfs system;
        f->wait_known = true;
        f->wait_free = fstatfs(f->fd, &system) == 0 && (system.f_type == TMPFS_MAGIC || system.f_type == RAMFS_MAGIC);
    }
    return f->wait_free;
}

ssize_t weir_file_read(weir_ctx *c, weir_file *f, void *buf, size_t len)
{
    CONTEXT_CHECK(c);
    if (!f || f->fd < 0 || (!buf && len > 0))
        return WEIR_EINVAL;
    struct iovec part = {.iov_base = buf, .iov_len = len};
    ssize_t n = preadv2(f->fd, &part, 1, f->offset, RWF_NOWAIT);
    if (n < 0 && errno == EOPNOTSUPP && file_wait_free(f))
        n = pread(f->fd, buf, len, f->offset);
    if (n < 0 && (errno == EAGAIN || errno == EOPNOTSUPP || errno == ENOSYS)) {
        struct read_job job = {.fd = f->fd, .buf = buf, .len = len, .offset = f->offset};
        int error = weir_offload(c, read_offloaded, &job);
        if (error)
            return error;
        n = job.result;
    }
    if (n < 0)
        return WEIR_EIO;
    f->offset += n;
    exchange_charge(c->x, (size_t)n);
    return n;
}

/* ---- Lines ---- */

/* Who reads a file by lines. */
struct file_lines {
    weir_ctx *context;
    struct weir_file *file;
};

/* Fills the buffer of lines, of which nothing is left. */
static ssize_t file_fill(void *owner, struct slice *rest)
{
    weir_ctx *c = ((struct file_lines *)owner)->context;
    struct weir_file *f = ((struct file_lines *)owner)->file;
    if (!f->buf && !(f->buf = arena_alloc(&c->x->arena, FILE_BUFFER_SIZE)))
        return WEIR_ENOMEM;
    ssize_t n = weir_file_read(c, f, f->buf, FILE_BUFFER_SIZE);
    if (n > 0)
        *rest = slice_of(f->buf, (size_t)n);
    return n;
}

// NOLINTNEXTLINE(readability-non-const-parameter): the line that points to buf writes to it
ssize_t weir_file_line(weir_ctx *c, weir_file *f, char *buf, size_t size)
{
    CONTEXT_CHECK(c);
    if (!f || !buf || size == 0)
        return WEIR_EINVAL;
    struct file_lines lines = {.context = c, .file = f};
    struct line line = {.buf = buf, .size = size};
    int64_t start = f->offset - (int64_t)f->rest.len;
    ssize_t n = line_read(&(struct line_source){.rest = &f->rest, .more = file_fill, .owner = &lines}, &line, NULL);
    if (n < 0) { /* nothing is consumed: the next reader begins at this line again */
        f->offset = start;
        f->rest.len = 0;
    }
    return n;
}
