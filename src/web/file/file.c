/*
 * Files: sent whole by the kernel, or read by hand without ever blocking the worker.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/error.h"
#include "http/date.h"
#include "web/context.h"
#include "web/file/beneath.h"

#include <errno.h>
#include <linux/magic.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#define SMALL_FILE       4096 /* bytes: a file of up to this is read when it is sent, and kept open */
#define FILE_BUFFER_SIZE 4096 /* of weir_file_line() */

struct weir_file {
    int fd;
    int64_t size, offset;
    bool wait_free; /* reading never waits for a disk: the file system is memory */
    bool wait_known;
    char *buf; /* of weir_file_line(); NULL until its first use */
    size_t buf_pos, buf_len;
};

static int open_offloaded(void *arg)
{
    return beneath_open(arg);
}

/* Opens root/path; a name that has to be looked up on a disk is looked up on another thread. */
static int context_open(weir_ctx *c, const char *root, const char *path, struct beneath *b)
{
    *b = (struct beneath){.root = root, .path = path, .cached_only = true, .fd = -1};
    if (!root || !path)
        return context_null_error(c);
    int error = beneath_open(b);
    if (error == WEIR_EBUSY) {
        b->cached_only = false;
        error = weir_offload(c, open_offloaded, b);
    }
    return error;
}

/* ---- Sent whole ---- */

/* Makes the head of a file's reply but for the length. */
static int describe_file(weir_ctx *c, const char date[static DATE_LEN])
{
    int error = reply_add_field(c, SLICE("Last-Modified"), slice_of(date, DATE_LEN), true);
    if (!error && !reply_has_type(c))
        c->x->reply.type = SLICE("application/octet-stream");
    return error;
}

/* Reads a small file that is in memory to where its reply is composed: one call, and another to send both, where
 * sendfile() takes a call to send the head, one to see that the file is in memory, and more time than the copy. */
static bool read_small(struct exchange *x, int fd, size_t size)
{
    char beyond;
    struct iovec parts[] = {{.iov_base = x->ops->place(x, size), .iov_len = size}, {.iov_base = &beyond, .iov_len = 1}};
    if (parts[0].iov_base && preadv2(fd, parts, 2, 0, RWF_NOWAIT) == (ssize_t)size)
        return true; /* all of it is in memory, and it is as long as it was */
    x->ops->discard(x);
    return false;
}

/* Ends a reply: a head for size bytes, which have been placed or are not sent. May suspend. */
static int end_small(struct exchange *x, size_t size, bool placed)
{
    x->reply.length = (int64_t)size;
    reply_set_complete(&x->reply);
    return placed ? x->ops->commit(x, size) : 0;
}

/* Ends a reply of a file with a reference, which is given up when the file has been sent. */
static void send_segment(struct exchange *x, struct file *file, uint64_t size)
{
    x->reply.length = (int64_t)size;
    reply_set_complete(&x->reply);
    x->reply.body = (struct segment){.kind = SEGMENT_FILE, .len = size & SEGMENT_LEN_MASK, .file = file, .offset = 0};
}

/* Replies with a file that is open already. Returns the result; 1: there is none. */
static int send_kept(weir_ctx *c, const char *root, const char *path)
{
    struct exchange *x = c->x;
    const struct kept_file *k = file_cache_find(&c->web->files, root, path, loop_now_ms(c->web->loop));
    if (!k)
        return 1;
    size_t size = (size_t)k->size;
    int error = describe_file(c, k->date);
    if (error)
        return error;
    bool bodyless = reply_is_bodyless(&x->reply);
    if (bodyless || read_small(x, k->file->fd, size))
        return end_small(x, size, !bodyless);
    struct stat is;
    if (fstat(k->file->fd, &is) != 0 || is.st_size != k->size)
        return 1; /* changed since the look at it */
    send_segment(x, file_ref(k->file), size);
    return 0;
}

static int send_opened(weir_ctx *c, const struct beneath *b)
{
    struct exchange *x = c->x;
    uint64_t size = (uint64_t)b->status.st_size & SEGMENT_LEN_MASK;
    bool bodyless = reply_is_bodyless(&x->reply);
    if (size > 0 && size <= SMALL_FILE && !bodyless && read_small(x, b->fd, size)) {
        if (!file_cache_keep(&c->web->files, b, loop_now_ms(c->web->loop)))
            close(b->fd);
        return end_small(x, size, true);
    }
    struct pool *handles = &c->web->files.handles;
    struct file *file = size > 0 && !bodyless ? http_take(x->http, handles) : NULL;
    if (file) {
        file_init(file, handles, b->fd);
        send_segment(x, file, size);
        return 0;
    }
    close(b->fd);
    return size > 0 && !bodyless ? WEIR_ENOMEM : end_small(x, size, false);
}

static int send_file_now(weir_ctx *c, const char *root, const char *path)
{
    struct exchange *x = c->x;
    int error = exchange_may(x, REPLY_MAKE);
    if (error)
        return error;
    if (!root || !path)
        return context_null_error(c);
    error = send_kept(c, root, path);
    if (error <= 0)
        return error;
    struct beneath b;
    error = context_open(c, root, path, &b);
    if (error)
        return error;
    char date[DATE_LEN];
    date_format(date, b.status.st_mtim.tv_sec > 0 ? b.status.st_mtim.tv_sec : 0);
    error = describe_file(c, date);
    if (error) {
        close(b.fd);
        return error;
    }
    return send_opened(c, &b);
}

int weir_send_file(weir_ctx *c, const char *root, const char *path)
{
    CONTEXT_CHECK(c);
    int error = send_file_now(c, root, path);
    if (error != WEIR_EDONE) /* there is a reply, or one that has failed in another way */
        c->reply_error = error;
    return error;
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
    int error = context_open(c, root, path, &b);
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

/* Fills the buffer behind what is left in it. Bytes added, 0 at the end of the file, or an error. */
static ssize_t file_fill(weir_ctx *c, struct weir_file *f)
{
    if (!f->buf && !(f->buf = arena_alloc(&c->x->arena, FILE_BUFFER_SIZE)))
        return WEIR_ENOMEM;
    if (f->buf_pos > 0) {
        memmove(f->buf, f->buf + f->buf_pos, f->buf_len - f->buf_pos);
        f->buf_len -= f->buf_pos;
        f->buf_pos = 0;
    }
    ssize_t n = weir_file_read(c, f, f->buf + f->buf_len, FILE_BUFFER_SIZE - f->buf_len);
    if (n > 0)
        f->buf_len += (size_t)n;
    return n;
}

ssize_t weir_file_line(weir_ctx *c, weir_file *f, char *buf, size_t size)
{
    CONTEXT_CHECK(c);
    if (!f || !buf || size == 0)
        return WEIR_EINVAL;
    size_t len = 0;
    int64_t start = f->offset - (int64_t)(f->buf_len - f->buf_pos);
    for (;;) {
        if (f->buf_pos == f->buf_len) {
            ssize_t n = file_fill(c, f);
            if (n < 0)
                return n;
            if (n == 0)
                break;
        }
        const char *from = f->buf + f->buf_pos;
        size_t have = f->buf_len - f->buf_pos;
        const char *newline = memchr(from, '\n', have);
        size_t take = newline ? (size_t)(newline - from) + 1 : have;
        if (take >= size - len) {
            f->offset = start; /* nothing is consumed: the next reader begins at this line again */
            f->buf_pos = f->buf_len = 0;
            return WEIR_ETOOBIG;
        }
        memcpy(buf + len, from, take);
        len += take;
        f->buf_pos += take;
        if (newline)
            break;
    }
    buf[len] = '\0';
    return (ssize_t)len;
}
