/*
 * Files written by hand. What looks up, makes, names or removes a file is done on another thread; bytes are written on
 * the worker's own as long as the disk keeps up, see pace.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/upload/writer.h"
#include "base/clock.h"
#include "base/error.h"
#include "web/context.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define PIECE           ((size_t)64 * 1024)  /* bytes that are written on the worker at once */
#define PIECE_OFFLOADED ((size_t)256 * 1024) /* bytes that are another thread's at once */

/* ---- What other threads do ---- */

static int open_offloaded(void *arg)
{
    return place_open(arg);
}

static int publish_offloaded(void *arg)
{
    return place_publish(arg);
}

static int close_offloaded(void *arg)
{
    place_close(arg);
    return 0;
}

struct write_job {
    int fd;
    const char *data;
    size_t len;
    int64_t offset;
    uint64_t took_ns;
    int number; /* out: errno value */
};

/* Writes all of a job. 0 or an error. */
static int write_all(void *arg)
{
    struct write_job *job = arg;
    uint64_t begin = clock_monotonic_ns();
    size_t done = 0;
    while (done < job->len && !job->number) {
        ssize_t n = pwrite(job->fd, job->data + done, job->len - done, job->offset + (int64_t)done);
        if (n >= 0)
            done += (size_t)n;
        else if (errno != EINTR)
            job->number = errno;
    }
    job->took_ns = clock_monotonic_ns() - begin;
    return error_from_errno(job->number);
}

struct splice_job {
    int pipe, fd;
    size_t len;
    int64_t offset;
    uint64_t took_ns;
};

/* Copies what is in the pipe, where the file system knows no other way. 0 or an errno value. */
static COLD int copy_pipe(struct splice_job *job)
{
    char buf[4096];
    while (job->len > 0) {
        ssize_t n = read(job->pipe, buf, job->len < sizeof buf ? job->len : sizeof buf);
        if (n <= 0)
            return n == 0 ? EIO : errno;
        struct write_job part = {.fd = job->fd, .data = buf, .len = (size_t)n, .offset = job->offset};
        if (write_all(&part) != 0)
            return part.number;
        job->offset += n;
        job->len -= (size_t)n;
    }
    return 0;
}

/* Moves all of a job's bytes from the pipe into the file. 0 or an error. */
static int splice_all(void *arg)
{
    struct splice_job *job = arg;
    uint64_t begin = clock_monotonic_ns();
    int number = 0;
    while (job->len > 0 && !number) {
        off_t at = (off_t)job->offset;
        ssize_t n = splice(job->pipe, NULL, job->fd, &at, job->len, SPLICE_F_MOVE);
        job->offset = at;
        if (n > 0)
            job->len -= (size_t)n;
        else if (n == 0 || errno == EINVAL)
            number = copy_pipe(job);
        else if (errno != EINTR)
            number = errno;
    }
    job->took_ns = clock_monotonic_ns() - begin;
    return error_from_errno(number);
}

/* ---- The request's file ---- */

/* The request ends: what was not committed goes. */
static void file_forget(void *arg)
{
    weir_new_file *f = arg;
    struct web *web = f->context->web;
    if (f->state == NEW_FILE_OVER)
        return;
    f->state = NEW_FILE_OVER;
    if (!exchange_can_wait(f->context->x) || offload_run(web->offload, web->loop, close_offloaded, &f->place) != 0)
        place_close(&f->place);
}

static int file_create(weir_ctx *c, const char *root, const char *path, const weir_save_options *o,
                       weir_new_file **file)
{
    struct arena *arena = &c->x->arena;
    if (o->limit < 0 || o->mode < 0 || o->mode > 0777)
        return WEIR_EINVAL;
    const char *name = place_name(path);
    if (!name)
        return path[0] == '\0' ? WEIR_ENOENT : WEIR_EINVAL;
    weir_new_file *f = arena_alloc(arena, sizeof *f);
    if (!f || !(name = arena_copy(arena, slice_from(name))))
        return WEIR_ENOMEM;
    if (o->folders == WEIR_ON && (!(root = arena_copy(arena, slice_from(root))) ||
                                  !(path = arena_copy(arena, slice_from(path))))) /* read by deferred calls */
        return WEIR_ENOMEM;
    *f = (weir_new_file){
        .place = {.root = root,
                  .path = path,
                  .name = name,
                  .mode = (mode_t)(o->mode ? o->mode : 0666),
                  .make_folders = o->folders == WEIR_ON,
                  .exclusive = o->exclusive == WEIR_ON,
                  .sync = o->sync == WEIR_ON,
                  .folder = -1,
                  .fd = -1},
        .context = c,
        .limit = o->limit > 0 ? o->limit : INT64_MAX,
        .state = NEW_FILE_OVER,
    };
    int error = weir_defer(c, file_forget, f);
    if (!error)
        error = weir_offload(c, open_offloaded, &f->place);
    if (error)
        return error;
    f->state = NEW_FILE_OPEN;
    *file = f;
    return 0;
}

int weir_file_create(weir_ctx *c, const char *root, const char *path, const weir_save_options *options,
                     weir_new_file **file)
{
    CONTEXT_CHECK(c);
    static const weir_save_options defaults;
    if (!file)
        return WEIR_EINVAL;
    *file = NULL;
    if (!root || !path)
        return context_null_error(c);
    return file_create(c, root, path, options ? options : &defaults, file);
}

static bool file_has_room(const weir_new_file *f, uint64_t len)
{
    return len <= (uint64_t)(f->limit - f->offset);
}

bool new_file_is_elsewhere(weir_ctx *c)
{
    return pace_is_elsewhere(&c->web->pace, loop_now_ms(c->web->loop));
}

static int file_write_piece(weir_ctx *c, weir_new_file *f, const char *data, size_t len)
{
    struct web *web = c->web;
    struct write_job job = {.fd = f->place.fd, .data = data, .len = len, .offset = f->offset};
    int error = new_file_is_elsewhere(c) ? weir_offload(c, write_all, &job) : write_all(&job);
    pace_note(&web->pace, job.took_ns, loop_now_ms(web->loop));
    if (error)
        return error;
    f->offset += (int64_t)len;
    return 0;
}

int weir_file_write(weir_ctx *c, weir_new_file *f, const void *data, size_t len)
{
    CONTEXT_CHECK(c);
    if (!f || f->state != NEW_FILE_OPEN || (!data && len > 0))
        return WEIR_EINVAL;
    const char *next = data;
    if (!f->error && !file_has_room(f, len))
        f->error = WEIR_ETOOBIG;
    while (len > 0 && !f->error) {
        size_t most = new_file_is_elsewhere(c) ? PIECE_OFFLOADED : PIECE;
        size_t piece = len < most ? len : most;
        f->error = file_write_piece(c, f, next, piece);
        next += piece;
        len -= piece;
        exchange_charge(c->x, piece);
    }
    return f->error;
}

int new_file_splice(weir_ctx *c, weir_new_file *f, size_t n, bool elsewhere)
{
    struct web *web = c->web;
    struct splice_job job = {.fd = f->place.fd, .len = n, .offset = f->offset};
    struct splice_pipe pipe = pipes_take(&web->pipes);
    job.pipe = pipe.read;
    int error = elsewhere && exchange_can_wait(c->x) ? offload_run(web->offload, web->loop, splice_all, &job) : 1;
    if (job.len == n && (error == 1 || error == WEIR_ENOMEM)) /* or there is no other thread */
        error = splice_all(&job);
    pipes_give(&web->pipes, pipe, job.len == 0);
    pace_note(&web->pace, job.took_ns, loop_now_ms(web->loop));
    f->offset = job.offset;
    f->error = f->error ? f->error : error;
    return f->error;
}

int weir_file_seek(weir_ctx *c, weir_new_file *f, int64_t offset)
{
    CONTEXT_CHECK(c);
    if (!f || f->state != NEW_FILE_OPEN || offset < 0)
        return WEIR_EINVAL;
    if (offset > f->limit)
        return WEIR_ETOOBIG;
    f->offset = offset;
    return 0;
}

int weir_file_commit(weir_ctx *c, weir_new_file *f, bool *replaced)
{
    CONTEXT_CHECK(c);
    if (replaced)
        *replaced = false;
    if (!f || f->state != NEW_FILE_OPEN)
        return WEIR_EINVAL;
    int error = f->error;
    if (!error)
        error = weir_offload(c, publish_offloaded, &f->place);
    if (error)
        weir_file_drop(c, f); /* there is still something open only where it was not published */
    f->state = NEW_FILE_OVER;
    if (!error && replaced)
        *replaced = f->place.replaced;
    return error;
}

void weir_file_drop(weir_ctx *c, weir_new_file *f)
{
    CONTEXT_CHECK(c);
    if (!f || f->state != NEW_FILE_OPEN)
        return;
    if (f->place.fd >= 0 && weir_offload(c, close_offloaded, &f->place) != 0)
        place_close(&f->place);
    f->state = NEW_FILE_OVER;
}
