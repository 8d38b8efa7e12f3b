/*
 * Mounting a folder: what the program asks for is checked before the start, and kept in one block.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/folder/mount.h"
#include "http/scan.h"
#include "http/token.h"
#include "web/folder/folder.h"
#include "web/folder/glob.h"
#include "web/mount.h"

#include <string.h>

#define HEADERS_MAX 64
#define REST        "/{path:^.*$}" /* behind the prefix */

/* ---- What the folders of a site share ---- */

static struct folders *folders_of(struct site *s)
{
    if (s->folders)
        return s->folders;
    struct folders *f = memory_alloc(&s->account, sizeof *f);
    if (!f)
        return NULL;
    *f = (struct folders){0};
    account_open_shared(&f->types_account, s->account.memory, "media types", NULL, 0);
    f->types = mime_types_load(&f->types_account);
    s->folders = f;
    return f;
}

void folders_free(struct site *s)
{
    struct folders *f = s->folders;
    if (!f)
        return;
    for (struct folder_mount *m = f->mounts, *next; m; m = next) {
        next = m->next;
        memory_free(&s->account, m, m->size);
    }
    mime_types_free(&f->types_account, f->types);
    account_close(&f->types_account);
    account_close(&f->listings_account);
    memory_free(&s->account, f, sizeof *f);
    s->folders = NULL;
}

uint64_t folders_types_memory(const struct site *s)
{
    return s->folders ? counter_read(&s->folders->types_account.reserved) : 0;
}

uint64_t folders_memory(const struct site *s)
{
    return s->folders && s->folders->listings_account.memory ? LISTINGS_MEMORY : 0;
}

bool folders_content_tags(const struct site *s)
{
    const struct folder_mount *m = s->folders ? s->folders->mounts : NULL;
    while (m && m->content_tags != WEIR_ON)
        m = m->next;
    return m != NULL;
}

const struct mime_types *folders_types(const struct site *s)
{
    return s->folders ? s->folders->types : NULL;
}

/* ---- Checks ---- */

static bool path_is_relative(const char *path)
{
    return path[0] != '\0' && path[0] != '/' && path[strlen(path) - 1] != '/';
}

static bool value_is_good(const char *value)
{
    for (const char *p = value; *p; p++)
        if (!scan_is(*p, SCAN_VALUE))
            return false;
    return true;
}

/* Whether a field is one that the framework sees to by itself. */
static bool name_is_reserved(struct slice name)
{
    static const char *const names[] = {"Connection", "Content-Length", "Transfer-Encoding",
                                        "Date",       "Content-Range",  "Content-Encoding",
                                        "ETag",       "Last-Modified"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (slice_equal_nocase(name, slice_from(names[i])))
            return true;
    return false;
}

/* What is wrong with a header; NULL: nothing. */
static const char *header_fault(const weir_files_header *h)
{
    if (!h->pattern || h->pattern[0] == '\0' || strlen(h->pattern) > GLOB_LEN_MAX)
        return "a pattern has 1 to 63 bytes";
    if (!h->name || !is_token(slice_from(h->name)) || name_is_reserved(slice_from(h->name)))
        return "the header's name is no token, or is one that weir sets by itself";
    if (!h->value || !value_is_good(h->value))
        return "the header's value is none";
    return NULL;
}

/* What is wrong with the options; NULL: nothing. */
static const char *options_fault(const weir_files_options *o)
{
    const int switches[] = {o->listing, o->hidden, o->links, o->precompressed, o->content_tags};
    for (size_t i = 0; i < sizeof switches / sizeof *switches; i++)
        if (switches[i] != 0 && switches[i] != WEIR_ON && switches[i] != WEIR_OFF)
            return "listing, hidden, links, precompressed and content_tags are WEIR_ON or WEIR_OFF";
    if (o->fallback && !path_is_relative(o->fallback))
        return "fallback is the path of a file beneath the root";
    if (o->index && strchr(o->index, '/'))
        return "index holds names of files, with spaces between them";
    if (o->header_count > HEADERS_MAX || (o->header_count > 0 && !o->headers))
        return "headers are at most 64";
    const char *fault = NULL;
    for (size_t i = 0; i < o->header_count && !fault; i++)
        fault = header_fault(&o->headers[i]);
    return fault;
}

/* ---- The block ---- */

/* Adds a text to those behind a mount; to NULL: counts it. */
static const char *put(char **to, size_t *size, const char *text)
{
    size_t len = strlen(text) + 1;
    char *at = *to;
    *size += len;
    if (!at)
        return NULL;
    memcpy(at, text, len);
    *to = at + len;
    return at;
}

/* Puts all of a mount's texts; counts them where there is no block. */
static size_t put_texts(struct folder_mount *m, weir_files_header *headers, char *to, const weir_files_options *o,
                        const char *root)
{
    size_t size = 0;
    struct folder_mount texts = {0};
    texts.root = put(&to, &size, root);
    if (o->fallback)
        texts.fallback = put(&to, &size, o->fallback);
    for (size_t i = 0; i < o->header_count; i++) {
        weir_files_header h = {.pattern = put(&to, &size, o->headers[i].pattern),
                               .name = put(&to, &size, o->headers[i].name),
                               .value = put(&to, &size, o->headers[i].value)};
        if (headers)
            headers[i] = h;
    }
    texts.indexes = put(&to, &size, o->index ? o->index : "index.html");
    size++; /* the empty name behind the last */
    if (m) {
        m->root = texts.root;
        m->fallback = texts.fallback;
        m->indexes = texts.indexes;
    }
    return size;
}

/* Cuts names at spaces, in place: each NUL-terminated, and an empty one behind the last. names has room for that. */
static void cut_names(char *names)
{
    char *to = names;
    for (const char *p = names + strspn(names, " "); *p; p += strspn(p, " ")) {
        size_t len = strcspn(p, " ");
        bool last = p[len] == '\0';
        memmove(to, p, len);
        to[len] = '\0';
        to += len + 1;
        p += last ? len : len + 1;
    }
    *to = '\0';
}

static struct folder_mount *mount_new(struct site *s, const weir_files_options *o, const char *root)
{
    size_t headers_size = o->header_count * sizeof(weir_files_header);
    size_t size = sizeof(struct folder_mount) + headers_size + put_texts(NULL, NULL, NULL, o, root);
    struct folders *f = folders_of(s);
    struct folder_mount *m = f ? memory_alloc(&s->account, size) : NULL;
    if (!m)
        return NULL;
    weir_files_header *headers = (weir_files_header *)(m + 1);
    *m = (struct folder_mount){.next = f->mounts,
                               .size = size,
                               .folders = f,
                               .listing = o->listing == WEIR_ON,
                               .hidden = o->hidden == WEIR_ON,
                               .links = o->links != WEIR_OFF,
                               .precompressed = o->precompressed == WEIR_ON,
                               .content_tags = o->content_tags,
                               .headers = headers,
                               .header_count = o->header_count};
    (void)put_texts(m, headers, (char *)m + sizeof *m + headers_size, o, root);
    weir_assert(m->indexes != NULL);
    cut_names((char *)(uintptr_t)m->indexes);
    if (m->listing && !f->listings_account.memory)
        account_open_shared(&f->listings_account, s->account.memory, "listings", NULL, LISTINGS_MEMORY);
    f->mounts = m;
    return m;
}

/* ---- Mounting ---- */

int weir_files_sized(weir_group *g, const char *prefix, const weir_files_options *options, size_t size)
{
    static const char what[] = "files";
    weir_files_options o = {0};
    char path[MOUNT_PREFIX_MAX + sizeof REST], root[PATH_MAX];
    if (!g)
        return WEIR_EINVAL;
    if (!options)
        return mount_refuse(g, what, prefix, WEIR_EINVAL, "there are no options");
    memcpy(&o, options, size < sizeof o ? size : sizeof o);
    int error = mount_read_prefix(g, what, prefix, path);
    const char *fault = error ? NULL : options_fault(&o);
    if (fault)
        return mount_refuse(g, what, prefix, WEIR_EINVAL, fault);
    if (!error)
        error = mount_read_root(g, what, prefix, o.root, root);
    if (error)
        return error;
    struct folder_mount *m = mount_new(g->site, &o, root);
    if (!m)
        return mount_refuse(g, what, prefix, WEIR_ENOMEM, weir_strerror(WEIR_ENOMEM));
    error = path[0] || g->prefix[0] ? site_add_route(g, "GET", path, folder_handle_bare, m) : 0;
    memcpy(path + strlen(path), REST, sizeof REST);
    return error ? error : site_add_route(g, "GET", path, folder_handle, m);
}
