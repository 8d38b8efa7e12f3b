/*
 * Registering routes, groups and middleware.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/site.h"
#include "web/folder/mount.h"
#include "web/live/socket.h"
#include "web/upload/tus.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define PATTERN_SIZE_MAX 4096

void site_error(struct site *s, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    size_t room = sizeof s->errors - s->errors_len;
    int n = vsnprintf(s->errors + s->errors_len, room, fmt, args);
    va_end(args);
    if (n < 0 || (size_t)n + 2 > room) {
        s->errors[s->errors_len] = '\0'; /* no room for a whole line: it is left out */
        return;
    }
    s->errors_len += (size_t)n;
    s->errors[s->errors_len++] = '\n';
    s->errors[s->errors_len] = '\0';
}

void site_error_number(struct site *s, const char *what, int64_t value, int64_t least, int64_t most,
                       const char *otherwise)
{
    bool on_or_off = otherwise && least == WEIR_ON && most == WEIR_ON;
    if (on_or_off)
        site_error(s, "%s: %lld is neither WEIR_ON nor %s", what, (long long)value, otherwise);
    else
        site_error(s, "%s: %lld is not within %lld and %lld%s%s", what, (long long)value, (long long)least,
                   (long long)most, otherwise ? ", nor " : "", otherwise ? otherwise : "");
}

static char *site_copy(struct site *s, const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = memory_alloc(&s->account, size);
    if (copy)
        memcpy(copy, text, size);
    return copy;
}

static void site_free_text(struct site *s, const char *text)
{
    if (text)
        memory_free(&s->account, (char *)(uintptr_t)text, strlen(text) + 1);
}

int site_init(struct site *s, struct memory *m, const struct log *log)
{
    *s = (struct site){.log = log};
    account_open(&s->account, m, "routes");
    list_init(&s->groups);
    list_init(&s->routes);
    list_init(&s->raw_handlers);
    s->root = (weir_group){.site = s, .prefix = ""};
    list_init(&s->root.link);
    s->router = router_new(&s->account);
    return s->router ? 0 : WEIR_ENOMEM;
}

static void handler_list_free(struct site *s, struct handler_list *l)
{
    memory_free(&s->account, l->items, l->count * sizeof *l->items);
    *l = (struct handler_list){0};
}

static void group_done(struct site *s, weir_group *g)
{
    handler_list_free(s, &g->request);
    handler_list_free(s, &g->around);
    handler_list_free(s, &g->response);
    handler_list_free(s, &g->chain.request);
    handler_list_free(s, &g->chain.around);
    handler_list_free(s, &g->chain.response);
    compress_settings_free(&s->account, g->own_compress);
}

void site_done(struct site *s)
{
    if (!s->account.memory)
        return;
    router_free(s->covers);
    router_free(s->router);
    list_for_each_safe (l, &s->routes)
        memory_free(&s->account, container_of(l, struct route, link), sizeof(struct route));
    list_for_each_safe (l, &s->raw_handlers)
        memory_free(&s->account, container_of(l, struct raw_handler, link), sizeof(struct raw_handler));
    list_for_each_safe (l, &s->groups) {
        weir_group *g = container_of(l, weir_group, link);
        group_done(s, g);
        site_free_text(s, g->prefix);
        site_free_text(s, g->host);
        memory_free(&s->account, g, sizeof *g);
    }
    group_done(s, &s->root);
    folders_free(s);
    tus_free(s);
    live_routes_free(s);
    clients_free(s);
    account_close(&s->account);
}

/* ---- Groups ---- */

#define COVER_REST "-.-" /* the rest of the path below a group's prefix, as a parameter */

/* Registers what a group covers: its prefix, and all below it. A group that covers the same already stays. */
static int cover_add(struct site *s, weir_group *g, char *message, size_t size)
{
    char below[PATTERN_SIZE_MAX + sizeof "/{" COVER_REST ":^.*$}"];
    snprintf(below, sizeof below, "%s/{" COVER_REST ":^.*$}", g->prefix);
    int error = g->prefix[0] ? router_add(s->covers, NULL, g->host, g->prefix, g, message, size) : 0;
    if (!error)
        error = router_add(s->covers, NULL, g->host, below, g, message, size);
    s->covers_tied |= error == WEIR_EEXIST;
    return error == WEIR_EEXIST ? 0 : error;
}

static int covers_open(struct site *s)
{
    if (!s->covers)
        s->covers = router_new_beside(s->router);
    return s->covers ? 0 : WEIR_ENOMEM;
}

/* Registers the covers anew: of groups that cover the same, the first with middleware before its handlers wins. */
static int covers_order(struct site *s)
{
    if (!s->covers_tied)
        return 0;
    router_free(s->covers);
    s->covers = NULL;
    int error = covers_open(s);
    for (int guarded = 1; guarded >= 0; guarded--) {
        list_for_each (l, &s->groups) {
            weir_group *g = container_of(l, weir_group, link);
            if (!error && g->covers && (g->request.count + g->around.count > 0) == guarded)
                error = cover_add(s, g, NULL, 0);
        }
    }
    return error;
}

/* The whole segments at a path's beginning, as many as expressions can take: no prefix is longer. */
static struct path path_beginning(const struct path *path)
{
    size_t len = path->route.len;
    if (len > REGEX_SUBJECT_MAX) {
        len = REGEX_SUBJECT_MAX;
        while (len > 1 && path->route.data[len] != '/')
            len--;
    }
    return (struct path){.route = slice_of(path->route.data, len), .decoded = slice_of(path->decoded.data, len)};
}

const weir_group *site_cover(const struct site *s, struct regex_context *regex, struct arena *arena, struct slice host,
                             const struct path *path, struct router_match *match)
{
    struct router_match found;
    if (!s->covers)
        return &s->root;
    struct path beginning = path_beginning(path);
    if (router_match(s->covers, regex, arena, SLICE("GET"), host, &beginning, &found) != ROUTER_FOUND)
        return found.value ? found.value : &s->root; /* found, and there is no memory for its parameters */
    match->params = found.params;
    match->param_count = found.param_count;
    if (found.param_count > 0 && strcmp(found.params[found.param_count - 1].name, COVER_REST) == 0)
        match->param_count--;
    return found.value;
}

static bool prefix_is_good(const char *prefix)
{
    size_t len = prefix ? strlen(prefix) : 0;
    return prefix && (len == 0 || (prefix[0] == '/' && prefix[len - 1] != '/'));
}

/* Fills in the strings of a group, which is in the list by which they are freed. */
static int group_fill(weir_group *g, const char *prefix, const char *host, char *message, size_t size)
{
    struct site *s = g->site;
    const weir_group *parent = g->parent;
    char joined[PATTERN_SIZE_MAX];
    if ((size_t)snprintf(joined, sizeof joined, "%s%s", parent->prefix, prefix) >= sizeof joined) {
        snprintf(message, size, "the prefix is too long");
        return WEIR_EINVAL;
    }
    const char *used = host ? host : parent->host;
    g->covers = prefix[0] || host;
    g->prefix = site_copy(s, joined);
    g->host = used ? site_copy(s, used) : NULL;
    int error = !g->prefix || (used && !g->host) ? WEIR_ENOMEM : 0;
    if (!error && g->covers)
        error = covers_open(s);
    if (error) {
        snprintf(message, size, "no memory");
        return error;
    }
    return g->covers ? cover_add(s, g, message, size) : 0;
}

weir_group *site_add_group(struct site *s, weir_group *parent, const char *prefix, const char *host)
{
    char message[512];
    if (!parent)
        parent = &s->root;
    if (s->sealed || parent->site != s || !prefix_is_good(prefix)) {
        site_error(s, "group \"%.60s\": %s", prefix ? prefix : "(null)",
                   s->sealed ? "the server has started"
                             : "a prefix is empty, or begins with a slash and does not end with one");
        return NULL;
    }
    weir_group *g = memory_alloc(&s->account, sizeof *g);
    if (!g) {
        site_error(s, "group \"%.60s\": no memory", prefix);
        return NULL;
    }
    *g = (weir_group){.site = s, .parent = parent};
    list_push_back(&s->groups, &g->link);
    if (group_fill(g, prefix, host, message, sizeof message) == 0)
        return g;
    site_error(s, "group \"%.60s\": %s", prefix, message);
    return NULL;
}

static int handler_list_add(struct site *s, struct handler_list *l, weir_handler handler)
{
    weir_handler *items = memory_alloc(&s->account, (l->count + 1) * sizeof *items);
    if (!items)
        return WEIR_ENOMEM;
    if (l->count)
        memcpy(items, l->items, l->count * sizeof *items);
    items[l->count] = handler;
    memory_free(&s->account, l->items, l->count * sizeof *items);
    l->items = items;
    l->count++;
    return 0;
}

static int group_add(weir_group *g, struct handler_list *l, weir_handler handler)
{
    if (!g)
        return WEIR_EINVAL;
    int error = !handler || g->site->sealed ? WEIR_EINVAL : handler_list_add(g->site, l, handler);
    if (error)
        site_error(g->site, "middleware of group \"%s\": %s", g->prefix,
                   g->site->sealed ? "the server has started" : weir_strerror(error));
    return error;
}

int weir_on_request(weir_group *g, weir_handler middleware)
{
    return group_add(g, g ? &g->request : NULL, middleware);
}

int weir_on_response(weir_group *g, weir_handler middleware)
{
    return group_add(g, g ? &g->response : NULL, middleware);
}

int weir_around(weir_group *g, weir_handler middleware)
{
    return group_add(g, g ? &g->around : NULL, middleware);
}

/* ---- Routes ---- */

int site_add_route(weir_group *g, const char *method, const char *pattern, weir_handler handler, void *data)
{
    struct site *s = g->site;
    char joined[PATTERN_SIZE_MAX], message[512];
    if (s->sealed || !pattern || !handler || (pattern[0] == '\0' && g->prefix[0] == '\0')) {
        site_error(s, "route \"%s\": %s", pattern ? pattern : "(null)",
                   s->sealed  ? "the server has started"
                   : !handler ? "no handler"
                              : "byte 0: a pattern is not empty");
        return WEIR_EINVAL;
    }
    if ((size_t)snprintf(joined, sizeof joined, "%s%s", g->prefix, pattern) >= sizeof joined) {
        site_error(s, "route \"%.60s...\": the pattern is too long", pattern);
        return WEIR_EINVAL;
    }
    struct route *r = memory_alloc(&s->account, sizeof *r);
    if (!r) {
        site_error(s, "route \"%s\": no memory", pattern);
        return WEIR_ENOMEM;
    }
    *r = (struct route){.handler = handler, .data = data, .group = g, .admission.number = s->route_count};
    int error = router_add(s->router, method, g->host, joined, r, message, sizeof message);
    if (error) {
        site_error(s, "%s", message);
        memory_free(&s->account, r, sizeof *r);
        return error;
    }
    list_push_back(&s->routes, &r->link);
    s->route_count++;
    return 0;
}

int weir_group_route(weir_group *g, const char *method, const char *pattern, weir_handler handler, void *data)
{
    return g ? site_add_route(g, method, pattern, handler, data) : WEIR_EINVAL;
}

struct raw_handler *site_add_raw(struct site *s, weir_handler handler)
{
    struct raw_handler *raw = memory_alloc(&s->account, sizeof *raw);
    if (!raw) {
        site_error(s, "listener: no memory");
        return NULL;
    }
    *raw = (struct raw_handler){.handler = handler};
    list_push_back(&s->raw_handlers, &raw->link);
    return raw;
}

/* ---- Sealing ---- */

static int chain_extend(struct site *s, struct handler_list *to, const struct handler_list *from)
{
    int error = 0;
    for (size_t i = 0; i < from->count && !error; i++)
        error = handler_list_add(s, to, from->items[i]);
    return error;
}

static int chain_build(struct site *s, struct chain *chain, const weir_group *g)
{
    int error = g->parent ? chain_build(s, chain, g->parent) : 0;
    if (!error)
        error = chain_extend(s, &chain->request, &g->request);
    if (!error)
        error = chain_extend(s, &chain->around, &g->around);
    if (!error)
        error = chain_extend(s, &chain->response, &g->response);
    return error;
}

static int group_seal(struct site *s, weir_group *g)
{
    int error = chain_build(s, &g->chain, g);
    group_complete(g); /* parents are sealed first */
    g->plain = g->chain.request.count + g->chain.around.count + g->chain.response.count == 0 &&
               g->settings.request_memory == 0 && g->settings.handler_timeout_ms == 0 && g->settings.deadline_ms == 0 &&
               !g->settings.deadline_header && g->settings.stop_ends_waits == 0 && g->settings.body_memory == 0 &&
               g->settings.content_tags != WEIR_ON && g->hsts[0] == '\0' && !g->compress;
    return error;
}

int site_seal(struct site *s)
{
    int error = group_seal(s, &s->root);
    list_for_each (l, &s->groups)
        if (!error)
            error = group_seal(s, container_of(l, weir_group, link));
    if (!error)
        error = covers_order(s);
    s->sealed = !error;
    return error;
}
