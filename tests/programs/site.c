/*
 * A server for the wire tests of what programs register and call: the request, the reply, routes, middleware and
 * hooks. Handlers tell what the interface gave them; the tests know what it has to be. `site ROOT [not-found]`
 * serves with one worker.
 *
 * SPDX-License-Identifier: MIT
 */
#include "serving.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LARGE 100000

/* A server's own data. The journal is written by its one worker only. */
struct site {
    const char *name;
    const char *root;
    weir_server *server;
    char journal[2048];
};

struct trace {
    char text[240];
};
struct user {
    int64_t id;
    char name[24];
};
WEIR_ATTRIBUTE(struct trace, trace)
WEIR_ATTRIBUTE(struct user, current_user)

static void note(struct site *site, const char *text)
{
    size_t len = strlen(site->journal);
    snprintf(site->journal + len, sizeof(site->journal) - len, "%s%s", len ? " " : "", text);
}

/* What was noted since the last time. */
static void show_journal(weir_ctx *c)
{
    struct site *site = weir_server_data(c);
    weir_reply_text(c, site->journal);
    site->journal[0] = '\0';
}

static int number(weir_ctx *c, const char *name)
{
    return (int)strtol(weir_param(c, name), NULL, 10);
}

/* ---- The request */

typedef bool (*item_fn)(weir_ctx *c, size_t i, const char **name, const char **value);

static void tell_items(weir_ctx *c, const char *what, item_fn item)
{
    const char *name, *value;
    weir_printf(c, ",\"%s\":[", what);
    for (size_t i = 0; item(c, i, &name, &value); i++)
        weir_printf(c, "%s[%s,%s]", i ? "," : "", weir_json_string(c, name), weir_json_string(c, value));
    weir_printf(c, "]");
}

static void tell_text(weir_ctx *c, const char *what, const char *value)
{
    weir_printf(c, ",\"%s\":%s", what, weir_json_string(c, value));
}

/* Everything about the request but its body. */
static void tell(weir_ctx *c)
{
    weir_set_header(c, "Content-Type", "application/json");
    weir_printf(c, "{\"version\":%d,\"length\":%" PRId64, weir_http_version(c), weir_body_length(c));
    tell_text(c, "method", weir_method(c));
    tell_text(c, "target", weir_target(c));
    tell_text(c, "path", weir_path(c));
    tell_text(c, "query_string", weir_query_string(c));
    tell_text(c, "host", weir_host(c));
    tell_text(c, "peer", weir_peer(c));
    tell_text(c, "local", weir_local(c));
    tell_text(c, "pattern", weir_route_pattern(c));
    tell_text(c, "data", weir_route_data(c));
    tell_items(c, "params", weir_param_item);
    tell_items(c, "query", weir_query_item);
    tell_items(c, "headers", weir_header_item);
    tell_items(c, "cookies", weir_cookie_item);
    weir_printf(c, "}");
}

/* By name: the path parameter, query values, header lines and cookie that are called so. */
static void look_up(weir_ctx *c)
{
    const char *name = weir_param(c, "name"), *value;
    weir_printf(c, "{\"count\":%zu,\"all\":%zu", weir_header_count(c, name), weir_header_count(c, NULL));
    tell_text(c, "missing_param", weir_param(c, "missing"));
    tell_text(c, "query", weir_query(c, name));
    tell_text(c, "header", weir_header(c, name));
    tell_text(c, "cookie", weir_cookie(c, name));
    weir_printf(c, ",\"queries\":[");
    for (size_t i = 0; (value = weir_query_nth(c, name, i)) != NULL; i++)
        weir_printf(c, "%s%s", i ? "," : "", weir_json_string(c, value));
    weir_printf(c, "],\"lines\":[");
    for (size_t i = 0; (value = weir_header_nth(c, name, i)) != NULL; i++)
        weir_printf(c, "%s%s", i ? "," : "", weir_json_string(c, value));
    weir_printf(c, "]}");
}

/* weir_body() with a limit, twice: the second has to give the same. */
static void whole_body(weir_ctx *c)
{
    const char *data = NULL, *again = NULL;
    size_t len = 0, len_again = 0;
    int error = weir_body(c, (size_t)number(c, "limit"), &data, &len);
    int error_again = weir_body(c, (size_t)number(c, "limit"), &again, &len_again);
    if (error)
        weir_reply_printf(c, NULL, "error %d %d", error, error_again);
    else if (error_again || again != data || len_again != len || data[len] != '\0')
        weir_reply_text(c, "the second call differs");
    else
        weir_reply(c, "application/octet-stream", data, len);
}

/* A body that is too long gets the natural page. */
static void upload(weir_ctx *c)
{
    const char *data;
    int error = weir_body(c, (size_t)number(c, "limit"), &data, NULL);
    if (error == WEIR_ETOOBIG)
        weir_reply_error(c, 413, "too long");
    else
        weir_reply_text(c, error ? weir_strerror(error) : data);
}

/* Reads by copy and by slice in turns and sends back what it read. */
static void mixed_body(weir_ctx *c)
{
    for (unsigned turn = 0;; turn++) {
        char copy[7];
        const void *data = copy;
        ssize_t n = turn % 2 ? weir_read_slice(c, &data) : weir_read(c, copy, sizeof(copy));
        if (n <= 0) {
            note(weir_server_data(c), n == 0 ? "end" : weir_strerror((int)n));
            return;
        }
        weir_write(c, data, (size_t)n);
    }
}

static void json_body(weir_ctx *c)
{
    const char *data = NULL;
    if (weir_body(c, 0, &data, NULL) == 0)
        weir_reply_json(c, weir_json_string(c, data));
}

/* Attributes by type, and the data of server and worker. */
static void data_of(weir_ctx *c)
{
    const struct site *site = weir_server_data(c);
    const int *worker = weir_worker_data(c);
    bool none = current_user_find(c) == NULL;
    struct user *user = current_user(c);
    bool zeroed = user->id == 0 && user->name[0] == '\0';
    user->id = INT64_C(7000000000);
    snprintf(user->name, sizeof(user->name), "Ada");
    snprintf(trace(c)->text, sizeof(trace(c)->text), "apart");
    weir_reply_printf(c, NULL, "%s %d %d %d %" PRId64 " %s %s %d", site->name, *worker == weir_worker_index(c) + 100,
                      none, zeroed, current_user_find(c)->id, current_user_find(c)->name, trace_find(c)->text,
                      weir_ctx_server(c) == site->server);
}

/* ---- The reply */

static void set_headers(weir_ctx *c)
{
    weir_add_header(c, "X-Replaced", "first");
    weir_add_header(c, "X-Replaced", "second");
    weir_set_header(c, "x-replaced", "third");
    weir_add_header(c, "X-Added", "1");
    weir_add_header(c, "X-Added", "2");
    weir_set_header(c, "X-Removed", "there");
    weir_add_header(c, "X-Removed", "twice");
    int removed = weir_remove_header(c, "X-REMOVED"), none = weir_remove_header(c, "X-Never");
    weir_set_status(c, 202);
    const char *added = weir_response_header(c, "x-added"), *gone = weir_response_header(c, "X-Removed");
    weir_reply_printf(c, "text/plain", "%d %d %s %s %d", removed, none, added, gone ? gone : "none", weir_status(c));
}

static void set_cookies(weir_ctx *c)
{
    int results[4];
    results[0] = weir_set_cookie(c, &(weir_set_cookie_options){.name = "all",
                                                               .value = "1",
                                                               .path = "/p",
                                                               .domain = "example.org",
                                                               .max_age = 60,
                                                               .expires = 784111777,
                                                               .secure = true,
                                                               .http_only = true,
                                                               .partitioned = true,
                                                               .same_site = WEIR_SAME_SITE_NONE});
    results[1] = weir_set_cookie(c, &(weir_set_cookie_options){.name = "bare", .value = ""});
    results[2] = weir_set_cookie(
        c, &(weir_set_cookie_options){.name = "gone", .max_age = WEIR_OFF, .same_site = WEIR_SAME_SITE_STRICT});
    results[3] = weir_set_cookie(c, &(weir_set_cookie_options){.name = "bad name", .value = "a;b"});
    weir_reply_printf(c, NULL, "%d %d %d %d", results[0], results[1], results[2], results[3]);
}

static void redirect(weir_ctx *c)
{
    int error = weir_redirect(c, number(c, "status"), "/elsewhere?a=b");
    if (error)
        weir_reply_printf(c, NULL, "%d", error);
}

static void fill(char *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        data[i] = (char)('a' + (i + i / 1000) % 26);
}

/* The buffer is the caller's again: what is written into it afterwards must not be sent. */
static void reply_from(weir_ctx *c, char *data, size_t len)
{
    fill(data, len);
    int first = weir_reply(c, "text/plain", data, len);
    memset(data, '!', len);
    int second = weir_reply(c, "text/plain", "second", 6), late = weir_write(c, "late", 4);
    if (first || second != WEIR_EDONE || late != WEIR_EDONE)
        note(weir_server_data(c), "not done");
}

static void reply_from_stack(weir_ctx *c)
{
    char data[LARGE];
    reply_from(c, data, (size_t)number(c, "size"));
}

static void reply_from_arena(weir_ctx *c)
{
    size_t size = (size_t)number(c, "size");
    reply_from(c, weir_alloc(c, size), size);
}

static void reply_long_printf(weir_ctx *c)
{
    weir_reply_printf(c, "text/plain", "<%0*d>", number(c, "width"), 5);
}

/* With "keep" the handler replies to the error, else it leaves it. */
static void send_file(weir_ctx *c)
{
    const struct site *site = weir_server_data(c);
    int error = weir_send_file(c, site->root, weir_query(c, "path"));
    if (error && weir_query(c, "keep"))
        weir_reply_printf(c, "text/plain", "%d", error);
}

/* ---- Middleware: each step leaves its name in the trace and does what the header X-Do asks of it */

static void step(weir_ctx *c, const char *name)
{
    char *text = trace(c)->text;
    size_t len = strlen(text), name_len = strlen(name);
    snprintf(text + len, sizeof(trace(c)->text) - len, "%s%s", len ? " " : "", name);
    const char *task = weir_header(c, "X-Do");
    if (!task || strncmp(task, name, name_len) != 0 || task[name_len] != '-')
        return;
    task += name_len + 1;
    if (strcmp(task, "reply") == 0)
        weir_reply_printf(c, "text/plain", "by %s", name);
    else if (strcmp(task, "end") == 0)
        weir_end(c);
    else if (strcmp(task, "fail") == 0)
        weir_fail(c, 503, "failed in %s", name);
    else if (strcmp(task, "error") == 0)
        weir_reply_error(c, 409, "refused");
}

/* Where the request was led: nowhere, for what no route serves. */
static void tell_route(weir_ctx *c)
{
    size_t params = 0;
    while (weir_param_item(c, params, NULL, NULL))
        params++;
    const char *text = weir_sprintf(c, "[%s] %zu %d", weir_route_pattern(c), params, weir_route_data(c) != NULL);
    weir_set_header(c, "X-Route", text ? text : "no memory");
}

#define REQUEST_STEP(name)                                                                                             \
    static void name(weir_ctx *c)                                                                                      \
    {                                                                                                                  \
        step(c, #name);                                                                                                \
    }
#define RESPONSE_STEP(name)                                                                                            \
    static void name(weir_ctx *c)                                                                                      \
    {                                                                                                                  \
        step(c, #name);                                                                                                \
        tell_route(c);                                                                                                 \
        weir_set_header(c, "X-Trace", trace(c)->text);                                                                 \
    }
#define AROUND_STEP(name)                                                                                              \
    static void name(weir_ctx *c)                                                                                      \
    {                                                                                                                  \
        step(c, #name);                                                                                                \
        weir_next(c);                                                                                                  \
        weir_next(c);                                                                                                  \
        step(c, "/" #name);                                                                                            \
    }
REQUEST_STEP(r1)
REQUEST_STEP(r2)
REQUEST_STEP(r3)
AROUND_STEP(a1)
AROUND_STEP(a2)
AROUND_STEP(a3)
RESPONSE_STEP(s1)
RESPONSE_STEP(s2)
RESPONSE_STEP(s3)

static void traced(weir_ctx *c)
{
    step(c, "handler");
    if (!weir_header(c, "X-Silent"))
        weir_reply_text(c, "handler");
}

static void traced_stream(weir_ctx *c)
{
    step(c, "handler");
    weir_write(c, "one ", 4);
    weir_flush(c);
    step(c, "more");
    int error = weir_set_header(c, "X-Late", "1");
    weir_printf(c, "two %d", error);
}

/* Answers in its own form, or as X-Hook says. */
static void error_hook(weir_ctx *c, int status, const char *message)
{
    const char *task = weir_header(c, "X-Hook");
    weir_set_header(c, "X-Hooked", "yes");
    tell_route(c);
    if (task && strcmp(task, "fail") == 0)
        weir_fail(c, 502, "failed in the hook");
    if (task && strcmp(task, "silent") == 0)
        return;
    weir_reply_printf(c, "text/plain", "hook %d '%s' '%s' '%s' %s", status, message, weir_method(c), weir_path(c),
                      weir_peer(c));
}

static void not_found(weir_ctx *c)
{
    weir_reply_printf(c, "text/plain", "nothing at %s", weir_path(c));
}

/* ---- The end of a request */

struct deferred {
    struct site *site;
    const char *text;
};

static void run_deferred(void *arg)
{
    struct deferred *deferred = arg;
    note(deferred->site, deferred->text);
}

/* The argument lies in the request's memory, which outlives its deferred calls. */
static void defer(weir_ctx *c, const char *text)
{
    struct deferred *deferred = weir_alloc(c, sizeof(*deferred));
    *deferred = (struct deferred){weir_server_data(c), text};
    weir_defer(c, run_deferred, deferred);
}

/* Leaves as much behind as it can, then ends as asked. */
static void dirty(weir_ctx *c)
{
    const char *end = weir_param(c, "end");
    defer(c, "first");
    defer(c, "second");
    current_user(c)->id = 99;
    weir_set_status(c, 201);
    weir_set_header(c, "X-Dirty", "1");
    weir_set_header(c, "Content-Type", "text/dirty");
    weir_set_cookie(c, &(weir_set_cookie_options){.name = "dirty", .value = "1"});
    if (strcmp(end, "fail") == 0)
        weir_fail(c, 500, "asked for");
    if (strcmp(end, "end") == 0)
        weir_end(c);
    if (strcmp(end, "reply") == 0)
        weir_reply(c, NULL, "dirty", 5);
    if (strcmp(end, "write") == 0)
        weir_write(c, "dirty", 5);
    note(weir_server_data(c), "returned");
}

static void clean(weir_ctx *c)
{
    struct site *site = weir_server_data(c);
    weir_reply_printf(c, NULL, "%d %d %d %d [%s]", weir_status(c), current_user_find(c) != NULL,
                      weir_response_header(c, "X-Dirty") != NULL, weir_query(c, "a") != NULL, site->journal);
    site->journal[0] = '\0';
}

/* ---- Routes */

static void say_data(weir_ctx *c)
{
    const char *data = weir_route_data(c);
    weir_reply_printf(c, "text/plain", "%s %s", data ? data : "none", weir_route_pattern(c));
}

static void list_route(void *arg, const weir_route_info *route)
{
    weir_printf(arg, "%s %s %s\n", route->method, route->pattern, route->host ? route->host : "-");
}

static void list_routes(weir_ctx *c)
{
    weir_routes(weir_ctx_server(c), list_route, c);
}

static void add_context_routes(weir_server *s)
{
    weir_any(s, "/tell/{a}/{b}", tell);
    weir_get(s, "/rest/{a}/{rest:.*}", tell);
    weir_get(s, "/look/{name}", look_up);
    weir_post(s, "/body/{limit:[0-9]+}", whole_body);
    weir_post(s, "/upload/{limit:[0-9]+}", upload);
    weir_post(s, "/mixed", mixed_body);
    weir_post(s, "/json", json_body);
    weir_get(s, "/data", data_of);
    weir_get(s, "/headers", set_headers);
    weir_get(s, "/cookies", set_cookies);
    weir_get(s, "/redirect/{status}", redirect);
    weir_get(s, "/stack/{size}", reply_from_stack);
    weir_get(s, "/arena/{size}", reply_from_arena);
    weir_get(s, "/printf/{width}", reply_long_printf);
    weir_get(s, "/file", send_file);
    weir_get(s, "/dirty/{end}", dirty);
    weir_get(s, "/clean", clean);
    weir_get(s, "/journal", show_journal);
    weir_get(s, "/routes", list_routes);
}

static void add_groups(weir_server *s)
{
    weir_group *api = weir_group_new(s, NULL, "/api", NULL), *v1 = weir_group_new(s, api, "/{version}", NULL);
    weir_group *exact = weir_group_new(s, NULL, "", "exact.test"), *below = weir_group_new(s, exact, "/below", NULL);
    weir_group *wild = weir_group_new(s, NULL, "", "*.wild.test");
    weir_group_route(api, "GET", "/item", say_data, "item");
    weir_group_route(v1, "GET", "/item/{id}", tell, "versioned");
    weir_group_route(v1, "PUT", "/item/{id}", say_data, "put");
    weir_group_route(v1, NULL, "/any", say_data, NULL);
    weir_group_route(exact, "GET", "/where", say_data, "exact");
    weir_group_route(below, "GET", "/where", say_data, "below");
    weir_group_route(wild, "GET", "/where", say_data, "wild");
    weir_get(s, "/where", say_data);

    static char shared[] = "shared";
    weir_get(s, "/with", say_data, "got");
    weir_post(s, "/with", say_data, &shared);
    weir_put(s, "/with", say_data, (char *[]){NULL, shared}[1]);
    weir_patch(s, "/with", say_data, NULL);
    weir_delete(s, "/with", say_data);
    weir_any(s, "/with/any", say_data, "any");
    weir_route(s, "REPORT", "/with", say_data, "report");
    (weir_route)(s, "PURGE", "/with", say_data);
    (weir_get)(s, "/with/function", say_data);

    weir_group *outer = weir_group_new(s, NULL, "/mw", NULL), *inner = weir_group_new(s, outer, "/inner", NULL);
    weir_on_response(inner, s3);
    weir_around(inner, a3);
    weir_on_request(inner, r3);
    weir_on_response(outer, s1);
    weir_on_response(outer, s2);
    weir_around(outer, a1);
    weir_around(outer, a2);
    weir_on_request(outer, r1);
    weir_on_request(outer, r2);
    weir_group_route(outer, "GET", "/x", traced, NULL);
    weir_group_route(inner, "GET", "/x", traced, NULL);
    weir_group_route(inner, "GET", "/stream", traced_stream, NULL);
}

/* ---- Running */

static void *start_worker(void *data, int worker)
{
    (void)data;
    int *own = malloc(sizeof(*own));
    if (own)
        *own = worker + 100;
    return own;
}

static void stop_worker(void *data, int worker, void *own)
{
    (void)data;
    if (*(int *)own != worker + 100)
        abort();
    free(own);
}

static int serve_site(const char *root, bool own_not_found)
{
    struct site site = {.name = "serve", .root = root};
    weir_server *s = site.server = weir_server_new(&(weir_config){.port = WEIR_ANY,
                                                                  .workers = 1,
                                                                  .log_level = WEIR_OFF,
                                                                  .stack_size = 4 * LARGE,
                                                                  .request_memory = 2 * LARGE,
                                                                  .server_data = &site,
                                                                  .worker_start = start_worker,
                                                                  .worker_stop = stop_worker});
    add_context_routes(s);
    add_groups(s);
    weir_on_error(s, error_hook);
    if (own_not_found) {
        weir_not_found(s, not_found);
        weir_on_response(weir_root(s), s1);
    }
    return serve(s);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        return serve_site(argv[1], argc > 2 && strcmp(argv[2], "not-found") == 0);
    fprintf(stderr, "usage: site ROOT [not-found]\n");
    return 2;
}
