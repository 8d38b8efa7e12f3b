/*
 * A request's body saved to a file: by a pipe from socket to file where the transport can, else by what weir_read()
 * reads into.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/context.h"
#include "web/file/condition.h"
#include "web/file/content.h"
#include "web/file/file_reply.h"
#include "web/upload/digest.h"
#include "web/upload/writer.h"

#include <errno.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

/* The conditions that a file's being replaced can have (RFC 9110 section 13.1). */
#define SAVING_CONDITIONS (CONDITION_MATCH | CONDITION_NONE_MATCH | CONDITION_UNMODIFIED_SINCE)

/* How often another one who is replacing the same file is waited for: each holds the lock for two or three calls. */
#define LOCK_TRIES    500
#define LOCK_PAUSE_NS 2000000

/* A body on its way to a file. */
struct saving {
    weir_new_file *file;
    int64_t bytes;
    struct digest digest;
    struct sha2 hash; /* where a digest is expected */
};

/* Reads the digest that the client has sent. */
static int digest_begin(weir_ctx *c, struct saving *s, const weir_save_options *o)
{
    const char *line;
    for (size_t i = 0; (line = weir_header_nth(c, "Content-Digest", i)) != NULL; i++)
        if (digest_take(&s->digest, slice_from(line)) != 0)
            return WEIR_EPROTO;
    if (s->digest.expected)
        sha2_begin(&s->hash, s->digest.kind);
    return o->require_digest == WEIR_ON && !s->digest.expected ? WEIR_EPROTO : 0;
}

/* Whether the bytes were those that the client has told. */
static bool digest_is_met(struct saving *s)
{
    uint8_t value[SHA2_LEN_MAX];
    return !s->digest.expected || memcmp(s->digest.value, value, sha2_end(&s->hash, value)) == 0;
}

/* What has to be so before anything is read: 0, or an error. */
static int saving_begin(weir_ctx *c, struct saving *s, const weir_save_options *o)
{
    struct exchange *x = c->x;
    if (weir_header(c, "Content-Range")) /* a part would take the place of the whole (RFC 9110 section 14.5) */
        return WEIR_EPROTO;
    bool too_long = x->body_length > o->limit || (c->body && c->body_len > (uint64_t)o->limit);
    if (o->limit > 0 && too_long) {
        exchange_refuse(x, REFUSAL_BODY, NULL);
        return WEIR_ETOOBIG;
    }
    if (digest_begin(c, s, o) != 0) {
        http_refused(x->http, REFUSAL_DIGEST, NULL);
        return WEIR_EPROTO;
    }
    if (o->limit > 0 && o->limit < x->body_limit)
        x->body_limit = o->limit;
    return 0;
}

/* Saves what comes by a pipe. Bytes, 0 at the end, EXCHANGE_SPLICE_... or an error. */
static ssize_t save_spliced(weir_ctx *c, struct saving *s)
{
    struct exchange *x = c->x;
    if (!x->ops->splice || x->rest.len > 0)
        return EXCHANGE_SPLICE_READ;
    bool elsewhere = new_file_is_elsewhere(c);
    if (elsewhere) /* before anything is in a pipe, since response middleware may end the handler */
        (void)x->ops->push(x);
    const struct splice_pipe *pipe = pipes_top(&c->web->pipes);
    if (!pipe)
        return EXCHANGE_SPLICE_READ;
    ssize_t n = x->ops->splice(x, pipe->write, PIPE_SIZE);
    if (n <= 0)
        return n;
    int error = new_file_splice(c, s->file, (size_t)n, elsewhere);
    exchange_charge(x, (size_t)n);
    return error ? error : n;
}

/* Saves what is read. Bytes, 0 at the end, or an error. */
static ssize_t save_read(weir_ctx *c, struct saving *s)
{
    const void *data;
    ssize_t n = weir_read_slice(c, &data);
    if (n <= 0)
        return n;
    if (s->digest.expected)
        sha2_add(&s->hash, data, (size_t)n);
    int error = weir_file_write(c, s->file, data, (size_t)n);
    return error ? error : n;
}

/* Saves what weir_body() has read before. 0 or an error. */
static int save_body_read(weir_ctx *c, struct saving *s)
{
    if (s->digest.expected)
        sha2_add(&s->hash, c->body, c->body_len);
    s->bytes = (int64_t)c->body_len;
    return c->body_len > 0 ? weir_file_write(c, s->file, c->body, c->body_len) : 0;
}

static int save_all(weir_ctx *c, struct saving *s)
{
    if (c->body)
        return save_body_read(c, s);
    for (;;) {
        ssize_t n = s->digest.expected ? EXCHANGE_SPLICE_READ : save_spliced(c, s);
        if (n == EXCHANGE_SPLICE_LATER) {
            n = c->x->ops->await(c->x);
            if (n == 0)
                continue;
        }
        if (n == EXCHANGE_SPLICE_READ)
            n = save_read(c, s);
        if (n <= 0)
            return (int)n;
        s->bytes += n;
    }
}

int new_file_fill(weir_ctx *c, weir_new_file *f)
{
    struct saving s = {.file = f};
    return save_all(c, &s);
}

/* The file that conditions are about. */
struct conditioned {
    bool exists;
    bool by_content;             /* the tag is that of the content */
    struct file_version version; /* where it exists */
};

/* Whether a request's conditions are met by a file with those marks, or by there being none (NULL): 0 or
 * WEIR_ECONDITION. now: seconds. */
static int conditions_met(const struct http_head *head, unsigned conditions, const struct file_marks *marks,
                          int64_t now)
{
    struct validators v = {0};
    if (marks)
        v = (struct validators){.exists = true,
                                .has_date = true,
                                .date_strong = marks->settled,
                                .modified = marks->modified,
                                .etag = file_marks_tag(marks)};
    return condition_check(head, conditions, &v, false, now) == CONDITION_MET ? 0 : WEIR_ECONDITION;
}

static int64_t seconds_now(void)
{
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_REALTIME, &now); /* which every system has */
    return now.tv_sec;
}

/* Whether the request's conditions are met by what the name stands for now, which *seen tells. 0, WEIR_ECONDITION or
 * another error. May suspend. */
static int conditions_check(weir_ctx *c, const char *root, const char *path, unsigned conditions,
                            struct conditioned *seen)
{
    struct beneath b;
    struct file_marks marks;
    if (conditions == 0)
        return 0;
    int64_t now = seconds_now();
    int error = file_open(c, root, path, &b);
    if (error && error != WEIR_ENOENT)
        return error;
    *seen = (struct conditioned){.exists = !error, .by_content = content_is_asked(c, 0)};
    if (!error) {
        seen->version = file_version_of(&b.status);
        file_marks_make(&marks, &b.status, now);
        if (seen->by_content)
            content_read(c, b.fd, &seen->version, &marks);
        close(b.fd);
    }
    return conditions_met(&c->x->head, conditions, error ? NULL : &marks, now);
}

/* What is asked when the file is about to get its name. */
struct replacing {
    const struct http_head *head;
    const char *root, *path;
    unsigned conditions;
    struct conditioned seen; /* when they were met */
};

/* Opens what has the name, and locks it: of all who replace it on a condition one at a time compares and renames,
 * also of those in other processes. *fd: -1: there is no such file. 0; WEIR_EBUSY: somebody else has the lock, or has
 * replaced the file meanwhile; or another error. */
static int replaced_lock(const struct replacing *r, int *fd, struct stat *status)
{
    struct beneath first = {.root = r->root, .path = r->path, .fd = -1}, again = first;
    *fd = -1;
    int error = beneath_open(&first);
    if (error)
        return error == WEIR_ENOENT ? 0 : error;
    bool busy = flock(first.fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK; /* or no lock can be had there */
    if (!busy) {
        error = beneath_open(&again);
        busy = error || again.status.st_ino != first.status.st_ino || again.status.st_dev != first.status.st_dev;
        if (!error)
            close(again.fd);
    }
    if (busy) {
        close(first.fd);
        return WEIR_EBUSY;
    }
    *fd = first.fd;
    *status = again.status;
    return 0;
}

/* Whether the conditions are met by what is replaced now; status NULL: there is nothing. A content that was not read is
 * another one. */
static int replacing_met(const struct replacing *r, const struct stat *status)
{
    if (!status)
        return conditions_met(r->head, r->conditions, NULL, seconds_now());
    const struct file_version version = file_version_of(status);
    if (r->seen.exists && file_version_equal(&version, &r->seen.version))
        return 0;
    if (r->seen.by_content)
        return WEIR_ECONDITION;
    struct file_marks marks;
    int64_t now = seconds_now();
    file_marks_make(&marks, status, now);
    return conditions_met(r->head, r->conditions, &marks, now);
}

/* Whether the conditions are met still, on another thread; a lock is held until the file has its name. */
static int replacing_check(void *arg, int *held)
{
    const struct replacing *r = arg;
    struct stat status;
    int error = replaced_lock(r, held, &status);
    for (int i = 0; error == WEIR_EBUSY && i < LOCK_TRIES; i++) {
        (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){.tv_nsec = LOCK_PAUSE_NS}, NULL);
        error = replaced_lock(r, held, &status);
    }
    return error ? error : replacing_met(r, *held >= 0 ? &status : NULL);
}

static int body_save(weir_ctx *c, const char *root, const char *path, const weir_save_options *options)
{
    struct saving s = {0};
    weir_save_options o = *options;
    unsigned conditions = condition_fields(&c->x->head) & SAVING_CONDITIONS;
    struct conditioned seen = {0};
    int error = saving_begin(c, &s, &o);
    if (!error)
        error = conditions_check(c, root, path, conditions, &seen);
    bool only_new = (conditions & CONDITION_NONE_MATCH) && !seen.exists && o.exclusive != WEIR_ON;
    if (only_new) /* who makes it meanwhile has changed what the condition was about */
        o.exclusive = WEIR_ON;
    if (!error)
        error = weir_file_create(c, root, path, &o, &s.file);
    if (error)
        return error;
    bool replaced = false;
    error = save_all(c, &s);
    if (!error && !digest_is_met(&s)) {
        http_refused(c->x->http, REFUSAL_DIGEST, NULL);
        error = WEIR_EPROTO;
    }
    struct replacing again = {.head = &c->x->head, .root = root, .path = path, .conditions = conditions, .seen = seen};
    if (conditions != 0 && !only_new) {
        s.file->place.check = replacing_check;
        s.file->place.check_arg = &again;
    }
    if (error)
        weir_file_drop(c, s.file);
    else
        error = weir_file_commit(c, s.file, &replaced);
    if (error == WEIR_EEXIST && only_new)
        error = WEIR_ECONDITION;
    if (!error && o.saved)
        *o.saved = (weir_saved){.bytes = s.bytes, .replaced = replaced, .verified = s.digest.expected};
    return error;
}

int weir_save_body(weir_ctx *c, const char *root, const char *path, const weir_save_options *options)
{
    CONTEXT_CHECK(c);
    static const weir_save_options defaults;
    const weir_save_options *o = options ? options : &defaults;
    if (o->saved)
        *o->saved = (weir_saved){0};
    int error = root && path ? body_save(c, root, path, o) : context_null_error(c);
    if (error && c->x->refusal == REFUSAL_NONE && exchange_may(c->x, REPLY_MAKE) == 0)
        c->reply_error = error; /* else there is a page for the refusal */
    return error;
}
