/*
 * Requests of tus 1.0. Each opens the upload on the disk, does one thing and closes it: nothing is remembered between
 * two of them.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/upload/tus.h"
#include "http/date.h"
#include "web/context.h"
#include "web/upload/tus_metadata.h"
#include "web/upload/writer.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define VERSION    "1.0.0"
#define EXTENSIONS "creation,creation-with-upload,termination,expiration"
#define TYPE       "application/offset+octet-stream"

/* ---- The request's upload ---- */

/* An upload that a request has opened; in the request's memory. */
struct tus_request {
    struct weir_tus_upload upload;
    weir_ctx *context;
    const struct tus_mount *mount;
};

/* The request ends: so does its lock. */
static void request_forget(void *arg)
{
    struct tus_request *r = arg;
    struct web *web = r->context->web;
    if (r->upload.folder < 0)
        return;
    if (!exchange_can_wait(r->context->x) || offload_run(web->offload, web->loop, tus_close, &r->upload) != 0)
        (void)tus_close(&r->upload);
}

/* Closes the upload before the reply is out, so that the client's next request finds no lock. */
static void request_close(weir_ctx *c, struct tus_request *r)
{
    if (r->upload.folder >= 0 && weir_offload(c, tus_close, &r->upload) != 0)
        (void)tus_close(&r->upload);
}

static struct tus_request *request_new(weir_ctx *c)
{
    struct tus_request *r = arena_alloc(&c->x->arena, sizeof *r);
    if (!r)
        return NULL;
    const struct tus_mount *m = c->route_data;
    *r = (struct tus_request){
        .upload = {.store = &m->store, .folder = -1, .fd = -1, .record = -1}, .context = c, .mount = m};
    return weir_defer(c, request_forget, r) == 0 ? r : NULL;
}

/* ---- Replies ---- */

/* Replies with the page of a status, unless the request's refusal has one, or nothing can be replied any more. */
static void answer(weir_ctx *c, int status, const char *message)
{
    if (c->x->refusal == REFUSAL_NONE && exchange_may(c->x, REPLY_MAKE) == 0)
        (void)weir_reply_error(c, status, message);
}

static void answer_error(weir_ctx *c, int error)
{
    switch (error) {
    case WEIR_ENOENT:
        answer(c, 404, "there is no such upload");
        break;
    case WEIR_EBUSY:
        answer(c, 423, "another request writes to this upload");
        break;
    case WEIR_ETOOBIG:
        answer(c, 413, "the body is longer than what the upload lacks");
        break;
    default:
        if (c->x->refusal == REFUSAL_NONE && exchange_may(c->x, REPLY_MAKE) == 0)
            c->reply_error = error;
    }
}

static void set_number(weir_ctx *c, const char *name, int64_t number)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, number);
    (void)weir_set_header(c, name, text);
}

static void set_expires(weir_ctx *c, const struct tus_request *r)
{
    char date[DATE_LEN + 1] = "";
    if (r->mount->store.expire_s == 0)
        return;
    date_format(date, r->upload.modified + r->mount->store.expire_s);
    (void)weir_set_header(c, "Upload-Expires", date);
}

void tus_mark_reply(weir_ctx *c)
{
    if (!reply_has_field(&c->x->reply, SLICE("Tus-Resumable")))
        (void)weir_set_header(c, "Tus-Resumable", VERSION);
    if (strcmp(weir_method(c), "HEAD") == 0)
        (void)weir_set_header(c, "Cache-Control", "no-store");
}

/* Whether the request speaks our version; the reply is made if not. */
static bool version_is_ours(weir_ctx *c)
{
    const char *version = weir_header(c, "Tus-Resumable");
    (void)weir_set_header(c, "Tus-Resumable", VERSION);
    if (version && strcmp(version, VERSION) == 0)
        return true;
    (void)weir_set_header(c, "Tus-Version", VERSION);
    answer(c, 412, "Tus-Resumable is to be " VERSION);
    return false;
}

/* What the server can do. */
static void tell(weir_ctx *c)
{
    const struct tus_mount *m = c->route_data;
    (void)weir_set_header(c, "Tus-Resumable", VERSION);
    (void)weir_set_header(c, "Tus-Version", VERSION);
    (void)weir_set_header(c, "Tus-Extension", EXTENSIONS);
    if (m->max_size != INT64_MAX)
        set_number(c, "Tus-Max-Size", m->max_size);
    (void)weir_set_status(c, 204);
}

/* The method that is meant: that of X-HTTP-Method-Override, if there is one, whatever the request's own is; empty: the
 * field comes twice. */
static struct slice method_of(weir_ctx *c)
{
    const char *override = weir_header(c, "X-HTTP-Method-Override");
    if (override && weir_header_nth(c, "X-HTTP-Method-Override", 1))
        return SLICE("");
    return slice_from(override ? override : weir_method(c));
}

/* ---- The end of an upload ---- */

/* Tells the program that the upload is complete. 0 or an error, after which the program is to be told again. */
static int complete(weir_ctx *c, struct tus_request *r)
{
    struct weir_tus_upload *u = &r->upload;
    if (!u->metadata) {
        u->metadata = arena_alloc(&c->x->arena, TUS_METADATA_ROOM);
        int error = u->metadata ? weir_offload(c, tus_read_metadata, u) : WEIR_ENOMEM;
        if (error)
            return error;
    }
    int error = r->mount->complete(c, u);
    return error ? error : weir_offload(c, tus_finish, u);
}

const char *weir_tus_id(const weir_tus_upload *u)
{
    return u ? u->id : NULL;
}

int64_t weir_tus_length(const weir_tus_upload *u)
{
    return u ? u->length : 0;
}

const char *weir_tus_metadata(weir_ctx *c, const weir_tus_upload *u, const char *key, size_t *len)
{
    CONTEXT_CHECK(c);
    struct slice coded;
    size_t made = 0;
    if (len)
        *len = 0;
    if (!u || !u->metadata)
        return NULL;
    const char *found = u->metadata;
    if (key) {
        if (!tus_metadata_find(u->metadata, slice_from(key), &coded))
            return NULL;
        char *text = arena_alloc(&c->x->arena, tus_base64_room(coded));
        c->memory_refused |= !text;
        found = text && tus_base64_decode(coded, text, &made) ? text : NULL;
    } else {
        made = strlen(found);
    }
    if (len)
        *len = found ? made : 0;
    return found;
}

struct save_job {
    struct place place;
    struct weir_tus_upload *upload;
};

static int save_offloaded(void *arg)
{
    struct save_job *job = arg;
    char name[TUS_NAME_SIZE];
    struct weir_tus_upload *u = job->upload;
    tus_name(name, u->id, "");
    int error = tus_hand_over(u);
    if (!error && job->place.sync)
        error = tus_sync(u);
    return error ? error : place_move(&job->place, u->folder, name);
}

int weir_tus_save(weir_ctx *c, weir_tus_upload *u, const char *root, const char *path, const weir_save_options *options)
{
    CONTEXT_CHECK(c);
    static const weir_save_options defaults;
    const weir_save_options *o = options ? options : &defaults;
    if (o->saved)
        *o->saved = (weir_saved){0};
    if (!root || !path)
        return context_null_error(c);
    if (!u || u->taken)
        return WEIR_EINVAL;
    const char *name = place_name(path);
    if (!name)
        return path[0] == '\0' ? WEIR_ENOENT : WEIR_EINVAL;
    struct save_job job = {.place = {.root = root,
                                     .path = path,
                                     .name = name,
                                     .make_folders = o->folders == WEIR_ON,
                                     .exclusive = o->exclusive == WEIR_ON,
                                     .sync = o->sync == WEIR_ON},
                           .upload = u};
    int error = weir_offload(c, save_offloaded, &job);
    u->taken = !error;
    if (!error && o->saved)
        *o->saved = (weir_saved){.bytes = u->length, .replaced = job.place.replaced};
    return error;
}

/* ---- Bytes ---- */

/* Whether the body may be longer than what is lacking; the reply is made if it is. */
static bool body_fits(weir_ctx *c, int64_t left)
{
    struct exchange *x = c->x;
    if (x->body_length <= left)
        return true;
    http_refused(x->http, REFUSAL_BODY, NULL);
    answer(c, 413, "the body is longer than what the upload lacks");
    return false;
}

/* Adds the body to the upload. What has come stays, whatever breaks off. 0 or an error. */
static int append(weir_ctx *c, struct tus_request *r)
{
    struct weir_tus_upload *u = &r->upload;
    struct exchange *x = c->x;
    int64_t left = u->length - u->offset, begin = u->offset;
    weir_new_file file = {.place = {.folder = -1, .fd = u->fd},
                          .context = c,
                          .offset = begin,
                          .limit = u->length,
                          .state = NEW_FILE_OPEN};
    if (left > 0 && x->body_limit > left) /* where nothing is lacking, the file's limit counts */
        x->body_limit = left;
    int error = new_file_fill(c, &file);
    u->offset = file.offset;
    if (u->offset > begin)
        u->modified = (int64_t)time(NULL);
    if (u->store->sync && u->offset > begin) {
        int unsynced = weir_offload(c, tus_sync, u);
        error = error ? error : unsynced;
    }
    return error;
}

/* What follows behind the bytes: the program is told, and the client. status: if all is well. */
static void conclude(weir_ctx *c, struct tus_request *r, int status)
{
    struct weir_tus_upload *u = &r->upload;
    set_number(c, "Upload-Offset", u->offset);
    (void)weir_set_status(c, status);
    int error = 0;
    if (u->offset == u->length && !u->done)
        error = complete(c, r);
    else if (u->offset < u->length)
        set_expires(c, r);
    request_close(c, r);
    if (error && exchange_may(c->x, REPLY_MAKE) == 0) {
        (void)weir_remove_header(c, "Upload-Offset");
        c->reply_error = error;
    }
}

static bool type_is_ours(weir_ctx *c)
{
    const char *type = weir_header(c, "Content-Type");
    return type && slice_equal_nocase(slice_from(type), SLICE(TYPE));
}

static void patch(weir_ctx *c, struct tus_request *r)
{
    struct weir_tus_upload *u = &r->upload;
    int64_t offset = -1;
    if (!type_is_ours(c)) {
        answer(c, 415, "Content-Type is to be " TYPE);
        return;
    }
    if (weir_header_count(c, "Upload-Offset") != 1 || weir_header_int(c, "Upload-Offset", 0, INT64_MAX, &offset) != 0) {
        answer(c, 400, "Upload-Offset is no offset");
        return;
    }
    u->access = TUS_WRITE;
    int error = weir_offload(c, tus_open, u);
    if (error) {
        answer_error(c, error);
        return;
    }
    if (offset != u->offset) {
        int64_t is = u->offset;
        request_close(c, r);
        set_number(c, "Upload-Offset", is);
        answer(c, 409, "the upload's offset is another one");
        return;
    }
    if (!body_fits(c, u->length - u->offset))
        return;
    error = u->fd >= 0 ? append(c, r) : weir_body_length(c) == 0 ? 0 : WEIR_ETOOBIG;
    if (error) {
        request_close(c, r);
        answer_error(c, error);
        return;
    }
    conclude(c, r, 204);
}

/* ---- Making ---- */

/* What is wrong with a creation, with its status; NULL: nothing. */
static const char *creation_fault(weir_ctx *c, struct weir_tus_upload *u, int *status)
{
    const struct tus_mount *m = c->route_data;
    const char *metadata = weir_header(c, "Upload-Metadata");
    *status = 400;
    if (weir_header(c, "Upload-Defer-Length") || weir_header(c, "Upload-Concat"))
        return "Upload-Defer-Length and Upload-Concat are not known here";
    int error = weir_header_count(c, "Upload-Length") == 1 ? 0 : WEIR_EINVAL;
    if (!error)
        error = weir_header_int(c, "Upload-Length", 0, m->max_size, &u->length);
    if (error == WEIR_EINVAL || weir_header(c, "Upload-Length")[0] == '-')
        return "Upload-Length is no length";
    if (error) {
        *status = 413;
        http_refused(c->x->http, REFUSAL_BODY, NULL);
        return "the upload is too long";
    }
    if (c->x->body_length != 0 && !type_is_ours(c)) {
        *status = 415;
        return "a body's Content-Type is to be " TYPE;
    }
    if (metadata && strlen(metadata) > TUS_METADATA_MAX) {
        *status = 431;
        return "Upload-Metadata is too long";
    }
    u->metadata = arena_copy(&c->x->arena, slice_from(metadata ? metadata : ""));
    if (!u->metadata) {
        *status = 503;
        return "no memory within the bound";
    }
    return weir_header_count(c, "Upload-Metadata") > 1 ? "Upload-Metadata comes twice"
                                                       : tus_metadata_fault(u->metadata);
}

/* Where the upload is: below the target as it was sent, which a client resolves by itself. False: no memory. */
static bool set_location(weir_ctx *c, const struct weir_tus_upload *u)
{
    const char *target = weir_target(c);
    size_t len = strcspn(target, "?");
    while (len > 0 && target[len - 1] == '/')
        len--;
    const char *location = weir_sprintf(c, "%.*s/%s", (int)len, target, u->id);
    return location && weir_set_header(c, "Location", location) == 0;
}

static void create(weir_ctx *c)
{
    int status;
    struct tus_request *r = request_new(c);
    if (!r) {
        answer_error(c, WEIR_ENOMEM);
        return;
    }
    struct weir_tus_upload *u = &r->upload;
    const char *fault = creation_fault(c, u, &status);
    if (fault) {
        answer(c, status, fault);
        return;
    }
    if (!body_fits(c, u->length))
        return;
    int error = weir_offload(c, tus_create, u);
    if (error == WEIR_EBUSY) {
        http_refused(c->x->http, REFUSAL_UPLOADS, NULL);
        (void)weir_set_header(c, "Retry-After", "60");
        answer(c, 503, "there are too many uploads");
        return;
    }
    if (!error && !set_location(c, u))
        error = WEIR_ENOMEM;
    if (!error && c->x->body_length != 0)
        error = append(c, r);
    if (error) {
        request_close(c, r);
        answer_error(c, error);
        return;
    }
    conclude(c, r, 201);
}

/* ---- Looking and removing ---- */

static void look(weir_ctx *c, struct tus_request *r)
{
    struct weir_tus_upload *u = &r->upload;
    (void)weir_set_header(c, "Cache-Control", "no-store");
    u->access = TUS_LOOK;
    u->metadata = arena_alloc(&c->x->arena, TUS_METADATA_ROOM);
    int error = u->metadata ? weir_offload(c, tus_open, u) : WEIR_ENOMEM;
    if (error) {
        answer_error(c, error);
        return;
    }
    set_number(c, "Upload-Length", u->length);
    set_number(c, "Upload-Offset", u->offset);
    if (u->metadata[0] != '\0')
        (void)weir_set_header(c, "Upload-Metadata", u->metadata);
    if (u->offset < u->length)
        set_expires(c, r);
    if (u->offset == u->length && !u->done)
        error = u->locked ? complete(c, r) : WEIR_EBUSY; /* or another request is telling the program */
    request_close(c, r);
    if (error) /* by anything else clients would be led to send all of it again */
        answer(c, 423, "the upload is complete, and has not been taken yet");
}

static void terminate(weir_ctx *c, struct tus_request *r)
{
    r->upload.access = TUS_WRITE;
    int error = weir_offload(c, tus_open, &r->upload);
    if (!error)
        error = weir_offload(c, tus_remove, &r->upload);
    request_close(c, r);
    if (error)
        answer_error(c, error);
    else
        (void)weir_set_status(c, 204);
}

/* ---- Handlers ---- */

static void not_allowed(weir_ctx *c, const char *allowed)
{
    (void)weir_set_header(c, "Allow", allowed);
    answer(c, 405, "no such method of tus");
}

void tus_handle_creation(weir_ctx *c)
{
    struct slice method = method_of(c);
    if (slice_equal(method, SLICE("OPTIONS")))
        tell(c);
    else if (!version_is_ours(c))
        return;
    else if (slice_equal(method, SLICE("POST")))
        create(c);
    else
        not_allowed(c, "OPTIONS, POST");
}

void tus_handle_upload(weir_ctx *c)
{
    struct slice method = method_of(c);
    const char *id = weir_param(c, "id");
    if (slice_equal(method, SLICE("OPTIONS"))) {
        tell(c);
        return;
    }
    if (!version_is_ours(c))
        return;
    struct tus_request *r = request_new(c);
    if (!r || !id || !tus_id_is_good(id)) {
        answer_error(c, r ? WEIR_ENOENT : WEIR_ENOMEM);
        return;
    }
    memcpy(r->upload.id, id, TUS_ID_LEN);
    if (slice_equal(method, SLICE("HEAD")))
        look(c, r);
    else if (slice_equal(method, SLICE("PATCH")))
        patch(c, r);
    else if (slice_equal(method, SLICE("DELETE")))
        terminate(c, r);
    else
        not_allowed(c, "DELETE, HEAD, OPTIONS, PATCH");
}
