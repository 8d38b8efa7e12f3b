/*
 * Replying with a file. First it is settled what the reply is, by the request's conditions and ranges and the file's
 * marks; then the head is made; then the bytes are found: a few are read behind the head, more are sent by the kernel.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/file/file_reply.h"
#include "web/compress/kept.h"
#include "web/file/condition.h"
#include "web/file/content.h"
#include "web/file/multipart.h"

#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* Bytes: a file of up to this is kept open, as is one of which a compressed form may be kept; and so much of any file
 * is read when it is sent. */
#define SMALL_FILE 4096

/* Beside errors: a file that is kept open has changed since it was looked at. Nothing has been done. */
#define FILE_CHANGED 1

/* A file that is about to be sent. */
struct opened {
    const struct file_marks *marks; /* as replies tell them */
    struct file_version version;
    int64_t size;
    int fd;                               /* -1: has been taken over */
    struct file *kept;                    /* the worker's, by whom it is kept open; NULL: fd is this reply's own, ... */
    const struct beneath *found;          /* ... and was found by this, ... */
    const struct file_marks *state_marks; /* ... and has these in the cache of open files */
};

/* What the reply to it is. */
struct plan {
    enum { SEND_WHOLE, SEND_PART, SEND_PARTS, SEND_NOT_MODIFIED, SEND_FAILED, SEND_NO_RANGE } kind;
    int64_t first, len;      /* the bytes that are sent, unless these are parts */
    struct multipart *parts; /* of SEND_PARTS */
};

static int64_t seconds_now(void)
{
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_REALTIME, &now); /* which every system has */
    return now.tv_sec;
}

/* ---- What the reply is ---- */

static inline bool has_method(const struct exchange *x, struct slice method)
{
    return slice_equal(slice_of(x->head.base, x->head.method_len), method);
}

/* Whether the reply is that of a file that can be asked for by its marks, and in parts: to GET or HEAD, with status
 * 200. Preconditions are nothing to another (RFC 9110 section 13.2.1). */
static inline bool is_selected(const struct exchange *x)
{
    return x->reply.status == 200 && (has_method(x, SLICE("GET")) || has_method(x, SLICE("HEAD")));
}

/* The value of a field that the handler has set; empty: there is none. */
static struct slice own_value(const struct reply *r, struct slice name)
{
    const struct reply_field *f = reply_find_field(r, name);
    return f ? reply_field_value(f) : slice_of(NULL, 0);
}

/* The marks that the client is told: the handler's where it has set its own. */
static struct validators validators_of(const struct exchange *x, const struct file_marks *m, int64_t now)
{
    struct validators v = {.exists = true, .has_date = true, .date_strong = m->settled, .modified = m->modified};
    struct slice date = own_value(&x->reply, SLICE("Last-Modified"));
    v.etag = own_value(&x->reply, SLICE("ETag"));
    if (v.etag.len == 0)
        v.etag = file_marks_tag(m);
    if (date.len > 0)
        v.has_date = date_read(date, now, &v.modified);
    return v;
}

/* The type of the file's bytes. */
static struct slice type_of(const struct reply *r, const struct file_reply_options *how)
{
    struct slice set = own_value(r, SLICE("Content-Type"));
    if (set.len == 0)
        set = r->type;
    return set.len > 0 ? set : how && how->type.len > 0 ? how->type : SLICE("application/octet-stream");
}

static void plan_ranges(weir_ctx *c, const struct opened *o, const struct file_reply_options *how, struct plan *plan)
{
    struct exchange *x = c->x;
    const struct http_field *field = head_find(&x->head, SLICE("Range"), 0);
    struct byte_range ranges[RANGES_MAX];
    size_t count;
    bool refused = slice_equal(own_value(&x->reply, SLICE("Accept-Ranges")), SLICE("none"));
    if (refused || head_find(&x->head, SLICE("Range"), 1))
        return;
    switch (ranges_read(head_slice(&x->head, field->value, field->value_len), o->size, ranges, &count)) {
    case RANGES_IGNORED:
        return;
    case RANGES_UNSATISFIABLE:
        plan->kind = SEND_NO_RANGE;
        return;
    case RANGES_SATISFIED:
        break;
    }
    if (count == 1) {
        *plan = (struct plan){.kind = SEND_PART, .first = ranges[0].first, .len = ranges[0].len};
        return;
    }
    plan->parts = multipart_new(x->http, ranges, count, o->size, type_of(&x->reply, how));
    if (plan->parts) /* else the whole is sent, as if nobody had asked for less */
        plan->kind = SEND_PARTS;
}

/* Settles what a request with conditions, or ranges, gets. */
static __attribute__((noinline)) void plan_conditional(weir_ctx *c, const struct opened *o,
                                                       const struct file_reply_options *how, unsigned fields,
                                                       struct plan *plan)
{
    struct exchange *x = c->x;
    int64_t now = seconds_now();
    struct validators v = validators_of(x, o->marks, now);
    switch (condition_check(&x->head, fields, &v, true, now)) {
    case CONDITION_NOT_MODIFIED:
        plan->kind = SEND_NOT_MODIFIED;
        return;
    case CONDITION_FAILED:
        plan->kind = SEND_FAILED;
        return;
    case CONDITION_MET:
        break;
    }
    if (has_method(x, SLICE("GET")) && condition_allows_range(&x->head, fields, &v, now))
        plan_ranges(c, o, how, plan);
}

/* ---- The head ---- */

/* Adds a field where there is something to be said that the handler has not said itself. */
static int add_unset(weir_ctx *c, struct slice name, struct slice value)
{
    return value.len == 0 || reply_has_field(&c->x->reply, name) ? 0 : reply_add_field(c, name, value, false);
}

/* Fields of replies that carry the file, and of one that says that the client has it. */
static int describe_kept(weir_ctx *c, const struct file_reply_options *how)
{
    int error = add_unset(c, SLICE("Cache-Control"), how->cache_control);
    return error || how->vary.len == 0 ? error : reply_add_field(c, SLICE("Vary"), how->vary, false);
}

static int describe_part(weir_ctx *c, const struct opened *o, const struct plan *plan)
{
    char text[80];
    int len = snprintf(text, sizeof text, "bytes %lld-%lld/%lld", (long long)plan->first,
                       (long long)(plan->first + plan->len - 1), (long long)o->size);
    return add_unset(c, SLICE("Content-Range"), slice_of(text, (size_t)len));
}

static int describe_parts(weir_ctx *c, const struct plan *plan)
{
    char *type = arena_alloc(&c->x->arena, MULTIPART_OWN_TYPE_LEN);
    if (!type)
        return WEIR_ENOMEM;
    multipart_type(plan->parts, type);
    return reply_add_field(c, SLICE("Content-Type"), slice_of(type, MULTIPART_OWN_TYPE_LEN), true);
}

/* Makes the head of a reply that carries the file, or parts of it, but for the length. */
static int describe(weir_ctx *c, const struct opened *o, const struct plan *plan, const struct file_reply_options *how,
                    bool selected)
{
    struct reply *r = &c->x->reply;
    int error = 0;
    /* Ranges are those of the file as it is, which an encoded variant's client cannot join with that. */
    enum marks_told told = how && how->encoding.len > 0 ? MARKS_DATE_TAG : MARKS_DATE_TAG_RANGES;
    if (!file_marks_add(c->x, o->marks, selected ? told : MARKS_DATE))
        return WEIR_ENOMEM;
    if (!reply_has_type(c))
        r->type = how && how->type.len > 0 ? how->type : SLICE("application/octet-stream");
    if (unlikely(how != NULL)) {
        error = add_unset(c, SLICE("Content-Encoding"), how->encoding);
        if (!error)
            error = describe_kept(c, how);
    }
    if (error || likely(plan->kind == SEND_WHOLE))
        return error;
    r->status = 206;
    return plan->kind == SEND_PART ? describe_part(c, o, plan) : describe_parts(c, plan);
}

/* ---- The bytes ---- */

/* Reads a few bytes that are in memory to where the reply is composed: one call, and another to send both, where
 * sendfile() takes a call to send the head, one to see that the file is in memory, and more time than the copy. */
static bool read_small(struct exchange *x, const struct opened *o, const struct plan *plan)
{
    char beyond;
    size_t len = (size_t)plan->len;
    bool to_end = plan->first + plan->len == o->size;
    struct iovec parts[] = {{.iov_base = x->ops->place(x, len), .iov_len = len}, {.iov_base = &beyond, .iov_len = 1}};
    if (parts[0].iov_base && preadv2(o->fd, parts, 1 + to_end, plan->first, RWF_NOWAIT) == (ssize_t)len)
        return true; /* all of it is in memory, and the file is as long as it was */
    x->ops->discard(x);
    return false;
}

/* Has the worker keep the file open; NULL: it does not. */
static struct file *keep_open(weir_ctx *c, const struct opened *o)
{
    return file_cache_keep(&c->web->files, o->found, o->state_marks, loop_now_ms(c->web->loop));
}

/* The file's descriptor is not needed any more. read: bytes of it were in memory. */
static void let_go(weir_ctx *c, struct opened *o, bool read)
{
    if (o->kept || o->fd < 0)
        return;
    if (!read || o->size > SMALL_FILE || !keep_open(c, o))
        close(o->fd);
    o->fd = -1;
}

/* Tells compression which version of a small file the reply's body is, so that its compressed form is found or kept.
 * The file is then kept open as smaller ones are, if a byte of it is in memory. */
static void tell_version(weir_ctx *c, struct opened *o, const struct plan *plan)
{
    char byte;
    struct iovec part = {.iov_base = &byte, .iov_len = 1};
    if (plan->kind != SEND_WHOLE || plan->len == 0 || plan->len > KEPT_FORM_FILE_MAX || !o->marks->settled ||
        !c->chain || !container_of(c->chain, const weir_group, chain)->compress)
        return;
    struct file_version *version = arena_alloc(&c->x->arena, sizeof *version);
    if (!version)
        return;
    *version = o->version;
    c->body_version = version;
    c->body_is_file = true;
    if (!o->kept && plan->len > SMALL_FILE && preadv2(o->fd, &part, 1, 0, RWF_NOWAIT) == 1)
        o->kept = keep_open(c, o);
}

/* Ends a reply: a head for len bytes, which have been placed or are not sent. May suspend. */
static int end_small(struct exchange *x, int64_t len, bool placed)
{
    x->reply.length = len;
    reply_set_complete(&x->reply);
    return placed ? x->ops->commit(x, (size_t)len) : 0;
}

/* The file with a reference, which is the caller's. NULL with *error. */
static struct file *take_file(weir_ctx *c, struct opened *o, int *error)
{
    struct pool *handles = &c->web->files.handles;
    struct stat is;
    if (o->kept) { /* since just now, or for so long that it may have been cut meanwhile */
        *error = !o->found && (fstat(o->fd, &is) != 0 || is.st_size != o->size) ? FILE_CHANGED : 0;
        return *error ? NULL : file_ref(o->kept);
    }
    struct file *file = http_take(c->x->http, handles);
    *error = file ? 0 : WEIR_ENOMEM;
    if (!file)
        return NULL;
    file_init(file, handles, o->fd);
    o->fd = -1;
    return file;
}

/* Ends a reply whose bytes are sent by the output queue. */
static void end_large(struct exchange *x, struct segment body)
{
    x->reply.body = body;
    x->reply.length = (int64_t)body.len;
    reply_set_complete(&x->reply);
}

/* Replies with the file, or with one part of it. May suspend once o->fd is let go of. */
static int reply_bytes(weir_ctx *c, struct opened *o, const struct plan *plan, const struct file_reply_options *how,
                       bool selected)
{
    struct exchange *x = c->x;
    int error = describe(c, o, plan, how, selected);
    if (error)
        return error;
    if (unlikely(c->web->kept_forms != NULL))
        tell_version(c, o, plan);
    bool sent = plan->len > 0 && !reply_is_bodyless(&x->reply);
    bool read = sent && plan->len <= SMALL_FILE && read_small(x, o, plan);
    if (!sent || read) {
        let_go(c, o, read);
        return end_small(x, plan->len, read);
    }
    struct segment body = {.kind = SEGMENT_FILE, .len = (uint64_t)plan->len & SEGMENT_LEN_MASK};
    body.file = take_file(c, o, &error);
    body.offset = plan->first;
    if (body.file)
        end_large(x, body);
    return error;
}

static int reply_parts(weir_ctx *c, struct opened *o, const struct plan *plan, const struct file_reply_options *how)
{
    int error;
    struct file *file = take_file(c, o, &error);
    if (file)
        error = describe(c, o, plan, how, true);
    if (!error) {
        end_large(c->x, multipart_send(plan->parts, file));
        return 0;
    }
    if (file)
        file_unref(file);
    multipart_free(plan->parts);
    return error;
}

/* 304: the client has the file. */
static int reply_not_modified(weir_ctx *c, const struct opened *o, const struct file_reply_options *how)
{
    struct exchange *x = c->x;
    int error = file_marks_add(x, o->marks, MARKS_DATE_TAG) ? 0 : WEIR_ENOMEM;
    if (!error && how)
        error = describe_kept(c, how);
    if (error)
        return error;
    (void)weir_remove_header(c, "Content-Type"); /* which is the file's */
    x->reply.status = 304;
    return end_small(x, 0, false);
}

/* The page that says that the file is another one than was asked for, or that it has no such range. */
static int reply_refused(weir_ctx *c, const struct opened *o, const struct plan *plan)
{
    char size[40];
    (void)weir_remove_header(c, "Cache-Control"); /* was said of the file */
    if (plan->kind == SEND_FAILED)
        return weir_reply_error(c, 412, "the file is not as the request says it is");
    int len = snprintf(size, sizeof size, "bytes */%lld", (long long)o->size);
    int error = reply_add_field(c, SLICE("Content-Range"), slice_of(size, (size_t)len), true);
    return error ? error : weir_reply_error(c, 416, "the file has none of the ranges");
}

/* Replies with the file, or in its place, by what the request says. After an error, or FILE_CHANGED, the reply's head
 * is what it was. May suspend once o->fd is let go of. */
static int reply_opened(weir_ctx *c, struct opened *o, const struct file_reply_options *how)
{
    struct reply *r = &c->x->reply;
    struct reply_field **last = r->last;
    struct slice type = r->type;
    struct plan plan = {.kind = SEND_WHOLE, .len = o->size};
    bool selected = is_selected(c->x);
    unsigned fields = selected ? condition_fields(&c->x->head) : 0;
    int error;
    if (unlikely(fields))
        plan_conditional(c, o, how, fields, &plan);
    if (plan.kind == SEND_FAILED || plan.kind == SEND_NO_RANGE) {
        let_go(c, o, false);
        return reply_refused(c, o, &plan);
    }
    if (plan.kind == SEND_NOT_MODIFIED)
        error = reply_not_modified(c, o, how);
    else if (plan.kind == SEND_PARTS)
        error = reply_parts(c, o, &plan, how);
    else
        error = reply_bytes(c, o, &plan, how, selected);
    let_go(c, o, false);
    if (unlikely(error) && !reply_is_complete(r)) {
        c->body_is_file = false;
        *last = NULL;
        r->last = last;
        r->type = type;
        r->status = selected ? 200 : r->status;
    }
    return error;
}

int file_reply(weir_ctx *c, const struct beneath *b, const struct file_reply_options *how)
{
    struct file_marks marks, told;
    struct opened o = {.marks = &marks,
                       .version = file_version_of(&b->status),
                       .size = b->status.st_size,
                       .fd = b->fd,
                       .found = b,
                       .state_marks = &marks};
    file_marks_make(&marks, &b->status, seconds_now());
    if (unlikely(content_is_asked(c, how ? how->content_tags : 0))) {
        told = marks;
        content_read(c, b->fd, &o.version, &told);
        o.marks = &told;
    }
    int error = exchange_may(c->x, REPLY_MAKE);
    if (error) {
        close(b->fd);
        return error;
    }
    return reply_opened(c, &o, how);
}

/* Replies with a file that is open already. FILE_CHANGED: there is none, or its content has to be read first. */
static int reply_kept(weir_ctx *c, const char *root, const char *path, const struct file_reply_options *how)
{
    const struct kept_file *k = file_cache_find(&c->web->files, root, path, loop_now_ms(c->web->loop));
    if (!k)
        return FILE_CHANGED;
    struct file_marks told;
    struct opened o = {.marks = &k->marks,
                       .version = k->version,
                       .size = (int64_t)k->version.size,
                       .fd = k->file->fd,
                       .kept = k->file};
    if (unlikely(content_is_asked(c, how ? how->content_tags : 0))) {
        told = k->marks;
        if (!content_find(c, &k->version, &told))
            return FILE_CHANGED;
        o.marks = &told;
    }
    return reply_opened(c, &o, how);
}

int file_send(weir_ctx *c, const char *root, const char *path, const struct file_reply_options *how)
{
    int error = exchange_may(c->x, REPLY_MAKE);
    if (error)
        return error;
    if (!root || !path)
        return context_null_error(c);
    error = reply_kept(c, root, path, how);
    if (error != FILE_CHANGED)
        return error;
    struct beneath b;
    error = file_open(c, root, path, &b);
    return error ? error : file_reply(c, &b, how);
}

int weir_send_file(weir_ctx *c, const char *root, const char *path)
{
    CONTEXT_CHECK(c);
    int error = file_send(c, root, path, NULL);
    if (error != WEIR_EDONE) /* there is a reply, or one that has failed in another way */
        c->reply_error = error;
    return error;
}
