/*
 * A request for what lies in a mounted folder: the path is checked as a text, the file is opened beneath the root by
 * the kernel, and what cannot be opened is looked at once more: a folder, a page for all that is not there, or nothing.
 *
 * A folder's page lies behind a slash, for the links of an index to be relative to it; without the slash it is a
 * redirect. Where that leads is written relative to the request, so that nothing in the path can be another host, and
 * proxies that cut a prefix off are no obstacle.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/folder/folder.h"
#include "web/compress/negotiate.h"
#include "web/file/file_reply.h"
#include "web/folder/escape.h"
#include "web/folder/glob.h"
#include "web/folder/listing.h"

#include <limits.h>
#include <unistd.h>

/* ---- Paths ---- */

/* Whether a path is one that a file here can have: no segment is empty but the last, none is longer than a name, and
 * none is hidden unless hidden ones are asked for. "." and ".." have been resolved, and are refused where they have not
 * been. */
static bool path_is_good(const struct folder_mount *m, const char *path)
{
    for (;;) {
        size_t len = strcspn(path, "/");
        bool dots = path[0] == '.' && (len == 1 || (len == 2 && path[1] == '.'));
        if (len > NAME_MAX || dots || (path[0] == '.' && !m->hidden))
            return false;
        if (path[len] == '\0')
            return true;
        if (len == 0)
            return false;
        path += len + 1;
    }
}

static const char *last_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* ---- Opening ---- */

int folder_open_here(const struct folder_mount *m, const char *path, bool folders, struct beneath *b)
{
    *b = (struct beneath){.root = m->root, .path = path, .folders = folders, .no_links = !m->links, .fd = -1};
    return beneath_open(b);
}

int folder_open(weir_ctx *c, const struct folder_mount *m, const char *path, bool folders, struct beneath *b)
{
    *b = (struct beneath){.root = m->root, .path = path, .folders = folders, .no_links = !m->links, .fd = -1};
    int error = file_find(c, b);
    return error == WEIR_EACCES && !m->links ? WEIR_ENOENT : error;
}

/* ---- Sending ---- */

/* What the headers of a mount have changed: the reply's fields before, and behind them in the array those after. */
struct applied {
    struct reply_field **fields; /* in the request's memory; NULL: nothing */
    size_t before, after;
};

static bool any_matches(const struct folder_mount *m, const char *path)
{
    for (const weir_files_header *h = m->headers; h < m->headers + m->header_count; h++)
        if (glob_matches(h->pattern, path))
            return true;
    return false;
}

static size_t list_fields(const struct reply *r, struct reply_field **to)
{
    size_t count = 0;
    for (struct reply_field *f = r->fields; f; f = f->next, count++)
        if (to)
            to[count] = f;
    return count;
}

static bool is_among(const struct reply_field *f, struct reply_field *const *fields, size_t count)
{
    while (count > 0 && fields[count - 1] != f)
        count--;
    return count > 0;
}

/* Sets the headers of a mount whose patterns match. */
static int headers_apply(weir_ctx *c, const struct folder_mount *m, const char *path, struct applied *a)
{
    const struct reply *r = &c->x->reply;
    *a = (struct applied){0};
    if (!any_matches(m, path))
        return 0;
    size_t most = 2 * list_fields(r, NULL) + m->header_count;
    a->fields = arena_alloc(context_arena(c), most * sizeof *a->fields);
    if (!a->fields)
        return WEIR_ENOMEM;
    a->before = list_fields(r, a->fields);
    int error = 0;
    for (const weir_files_header *h = m->headers; h < m->headers + m->header_count && !error; h++)
        if (glob_matches(h->pattern, path))
            error = weir_set_header(c, h->name, h->value);
    a->after = list_fields(r, a->fields + a->before);
    return error;
}

/* Takes a field of the mount away, and puts back what it has taken the place of, unless there is another by now. */
static void field_undo(weir_ctx *c, const struct applied *a, const struct reply_field *field)
{
    struct reply *r = &c->x->reply;
    struct slice name = reply_field_name(field);
    reply_remove_field(r, field);
    if (reply_has_field(r, name) || (slice_equal_nocase(name, SLICE("Content-Type")) && reply_has_type(c)))
        return;
    for (size_t i = 0; i < a->before; i++) {
        struct reply_field *old = a->fields[i];
        if (slice_equal_nocase(reply_field_name(old), name) && !is_among(old, a->fields + a->before, a->after))
            reply_put_field(r, old);
    }
}

/* Takes the headers of a mount away again, and no others. */
static void headers_undo(weir_ctx *c, const struct applied *a)
{
    if (reply_is_committed(&c->x->reply))
        return;
    for (size_t i = a->before; i < a->before + a->after; i++)
        if (!is_among(a->fields[i], a->fields, a->before))
            field_undo(c, a, a->fields[i]);
}

/* The ends of the names of encoded variants, by enum coding, and the server's favourite first: the smaller one. */
static const char *const ends[CODINGS] = {[CODING_GZIP] = ".gz", [CODING_BR] = ".br", [CODING_ZSTD] = ".zst"};
static const uint8_t favourites[] = {CODING_BR, CODING_ZSTD, CODING_GZIP};

static bool is_older(struct timespec a, struct timespec b)
{
    return a.tv_sec != b.tv_sec ? a.tv_sec < b.tv_sec : a.tv_nsec < b.tv_nsec;
}

/* Sends the variant of a file in one coding, unless it is older than the file: then nobody has made it of this one.
 * WEIR_ENOENT: there is none to be sent. */
static int send_variant(weir_ctx *c, const struct folder_mount *m, const char *path, enum coding coding,
                        struct file_reply_options how)
{
    struct beneath file, variant;
    const char *name = weir_sprintf(c, "%s%s", path, ends[coding]);
    if (!name)
        return WEIR_ENOMEM;
    int error = folder_open(c, m, path, false, &file);
    if (error)
        return error;
    close(file.fd); /* nothing is open while the other is waited for */
    error = folder_open(c, m, name, false, &variant);
    if (error)
        return error == WEIR_EACCES ? WEIR_ENOENT : error;
    if (is_older(variant.status.st_mtim, file.status.st_mtim)) {
        close(variant.fd);
        return WEIR_ENOENT;
    }
    how.encoding = coding_name(coding);
    return file_reply(c, &variant, &how);
}

/* Sends a file in the coding that the client likes best of those that there are. WEIR_ENOENT: as it is. Ranges are
 * those of the file as it is. */
static int send_encoded(weir_ctx *c, const struct folder_mount *m, const char *path,
                        const struct file_reply_options *how)
{
    struct accepted accepted;
    uint8_t offered[sizeof favourites];
    size_t count = sizeof favourites;
    enum coding coding;
    const struct http_head *head = &c->x->head;
    if (head_find(head, SLICE("Range"), 0) || accepted_read_head(head, &accepted) == 0)
        return WEIR_ENOENT;
    memcpy(offered, favourites, sizeof offered);
    while ((coding = accepted_choose(&accepted, offered, count)) != CODING_IDENTITY) {
        int error = send_variant(c, m, path, coding, *how);
        if (error != WEIR_ENOENT)
            return error;
        size_t left = 0;
        for (size_t i = 0; i < count; i++)
            if (offered[i] != coding)
                offered[left++] = offered[i];
        count = left;
    }
    return WEIR_ENOENT;
}

static int send_identity(weir_ctx *c, const struct folder_mount *m, const char *path,
                         const struct file_reply_options *how)
{
    if (m->links)
        return file_send(c, m->root, path, how);
    struct beneath b;
    int error = folder_open(c, m, path, false, &b);
    return error ? error : file_reply(c, &b, how);
}

/* Sends the file at a path, if there is one. by_accept: what is sent depends on what the client accepts. */
static int send_file(weir_ctx *c, const struct folder_mount *m, const char *path, bool by_accept)
{
    struct file_reply_options how = {.type = slice_from(mime_type_of(m->folders->types, path)),
                                     .content_tags = m->content_tags};
    if (m->precompressed)
        how.vary = by_accept ? SLICE("Accept, Accept-Encoding") : SLICE("Accept-Encoding");
    else if (by_accept)
        how.vary = SLICE("Accept");
    struct applied applied;
    int error = headers_apply(c, m, path, &applied);
    if (error)
        return error;
    error = m->precompressed ? send_encoded(c, m, path, &how) : WEIR_ENOENT;
    if (error == WEIR_ENOENT)
        error = send_identity(c, m, path, &how);
    if ((error && error != WEIR_EDONE) || weir_status(c) >= 400) /* an error page is not kept as the file is */
        headers_undo(c, &applied);
    return error;
}

/* ---- Folders ---- */

/* Sends the client to the path that it has asked for, with a slash behind it. */
static int send_slash(weir_ctx *c)
{
    struct slice route = c->path.route, path = c->path.decoded; /* of the same length */
    const char *slash = memrchr(route.data, '/', route.len);    /* one that separates */
    size_t at = (size_t)(slash - route.data) + 1;
    struct slice name = slice_of(path.data + at, path.len - at);
    char *escaped = weir_alloc(c, name.len * ESCAPE_URL_MOST + 1);
    if (!escaped)
        return WEIR_ENOMEM;
    escaped[escape_url(escaped, name)] = '\0';
    bool asks = c->x->target.query.data != NULL;
    return weir_redirect(c, 301,
                         weir_sprintf(c, "%s/%s%s", escaped, asks ? "?" : "", asks ? weir_query_string(c) : ""));
}

/* Sends the first index that a folder has; path ends with a slash, or is empty. */
static int send_index(weir_ctx *c, const struct folder_mount *m, const char *path)
{
    for (const char *name = m->indexes; *name; name += strlen(name) + 1) {
        const char *index = weir_sprintf(c, "%s%s", path, name);
        int error = index ? send_file(c, m, index, false) : WEIR_ENOMEM;
        if (error != WEIR_ENOENT)
            return error;
    }
    return WEIR_ENOENT;
}

static int send_folder(weir_ctx *c, const struct folder_mount *m, const char *path)
{
    struct beneath b;
    int error = send_index(c, m, path);
    if (error != WEIR_ENOENT || !m->listing)
        return error;
    error = folder_open(c, m, path[0] ? path : ".", true, &b);
    return error ? error : listing_reply(c, m, path, b.fd);
}

/* Sees whether what is no file is a folder. */
static int look_for_folder(weir_ctx *c, const struct folder_mount *m, const char *path)
{
    struct beneath b;
    int error = folder_open(c, m, path, true, &b);
    if (error)
        return error;
    close(b.fd);
    return S_ISDIR(b.status.st_mode) ? send_slash(c) : WEIR_ENOENT;
}

/* ---- What is not there ---- */

static bool accepts_html(const weir_ctx *c)
{
    const struct http_head *head = &c->x->head;
    const struct http_field *field;
    for (size_t i = 0; (field = head_find(head, SLICE("Accept"), i)) != NULL; i++) {
        struct slice line = head_slice(head, field->value, field->value_len);
        for (size_t at = 0; at + 9 <= line.len; at++)
            if (slice_equal_nocase(slice_of(line.data + at, 9), SLICE("text/html")))
                return true;
    }
    return false;
}

/* Sends the page for what is not there. What looks like a file, by a dot in its name, gets that page only where a page
 * is asked for: a script or an image that is missing is missing. */
static int send_fallback(weir_ctx *c, const struct folder_mount *m, const char *path)
{
    bool by_accept = strchr(last_name(path), '.') != NULL;
    if (!m->fallback)
        return WEIR_ENOENT;
    if (!by_accept || accepts_html(c))
        return send_file(c, m, m->fallback, by_accept);
    int error = reply_add_field(c, SLICE("Vary"), SLICE("Accept"), false); /* the error's page, too, is one of two */
    return error ? error : WEIR_ENOENT;
}

/* ---- Handlers ---- */

static int serve(weir_ctx *c, const struct folder_mount *m, const char *path)
{
    int error;
    /* An encoded slash is part of a name, and no name has one. */
    if (memchr(c->path.route.data, '\0', c->path.route.len) || !path_is_good(m, path))
        return WEIR_ENOENT;
    if (last_name(path)[0] == '\0') {
        error = send_folder(c, m, path);
    } else {
        error = send_file(c, m, path, false);
        if (error == WEIR_ENOENT)
            error = look_for_folder(c, m, path);
    }
    return error == WEIR_ENOENT ? send_fallback(c, m, path) : error;
}

static void answer(weir_ctx *c, int error)
{
    if (error != WEIR_EDONE) /* there is a reply, or one that has failed in another way */
        c->reply_error = error;
}

void folder_handle(weir_ctx *c)
{
    CONTEXT_CHECK(c);
    const struct folder_mount *m = weir_route_data(c);
    int error = reply_add_field(c, SLICE("X-Content-Type-Options"), SLICE("nosniff"), true);
    if (!error)
        error = serve(c, m, c->match.params[c->match.param_count - 1].value);
    answer(c, error);
}

void folder_handle_bare(weir_ctx *c)
{
    CONTEXT_CHECK(c);
    answer(c, send_slash(c));
}
