/*
 * A server for the wire tests of replies that cannot be made as their handler means: a Content-Type from two sides,
 * error pages with fields of their own, strings that are NULL, streams that break off, handlers that are refused while
 * they run. `replies ROOT [NAME=NUMBER ...]` serves with settings by name and logs to standard error.
 *
 * SPDX-License-Identifier: MIT
 */
#include "serving.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RING   3
#define ROUNDS 64

/* The server's data. */
struct site {
    const char *root;
    weir_cache *cache;
    weir_cache *ring[RING];
    atomic_int begun[ROUNDS]; /* computations, by round */
};

static const char *param(weir_ctx *c, const char *name)
{
    const char *value = weir_param(c, name);
    return value ? value : "";
}

static bool is(const char *text, const char *name)
{
    return strcmp(text, name) == 0;
}

static int number(weir_ctx *c, const char *name)
{
    return (int)strtol(param(c, name), NULL, 10);
}

/* ---- A Content-Type from two sides */

static int fill(weir_ctx *c, weir_cache_slot *slot, void *arg)
{
    (void)c;
    (void)arg;
    return weir_cache_put(slot, "value", 5);
}

static void reply_value(weir_ctx *c, const char *type)
{
    const struct site *site = weir_server_data(c);
    const weir_value *value;
    if (weir_cache_get(c, site->cache, "key", fill, NULL, &value, NULL) == 0)
        weir_reply_value(c, type, value);
}

static void make_reply(weir_ctx *c)
{
    const struct site *site = weir_server_data(c);
    const char *how = param(c, "how");
    if (is(how, "text"))
        weir_reply_text(c, "text");
    else if (is(how, "json"))
        weir_reply_json(c, "{}");
    else if (is(how, "reply"))
        weir_reply(c, "text/copied", "reply", 5);
    else if (is(how, "printf"))
        weir_reply_printf(c, "text/copied", "printf");
    else if (is(how, "static"))
        weir_reply_static(c, "text/static", "static", 6);
    else if (is(how, "value"))
        reply_value(c, "text/copied");
    else if (is(how, "file"))
        weir_send_file(c, site->root, "small.txt");
    else if (is(how, "large"))
        weir_send_file(c, site->root, "large.bin");
    else if (is(how, "missing"))
        weir_send_file(c, site->root, "missing");
    else if (is(how, "error"))
        weir_reply_error(c, 409, "error");
    else if (is(how, "fail"))
        weir_fail(c, 409, "fail");
    else if (is(how, "stream"))
        weir_printf(c, "stream");
}

/* Response middleware: does with Content-Type what the header X-Type asks for. */
static void change_type(weir_ctx *c)
{
    const char *how = weir_header(c, "X-Type");
    if (!how)
        return;
    int error = is(how, "set")      ? weir_set_header(c, "content-type", "text/middleware")
                : is(how, "add")    ? weir_add_header(c, "Content-Type", "text/middleware")
                : is(how, "remove") ? weir_remove_header(c, "CONTENT-TYPE")
                                    : weir_set_header(c, "Content-Type", "not\na type");
    const char *now = weir_response_header(c, "Content-Type"), *text = weir_sprintf(c, "%d", error);
    weir_set_header(c, "X-Now", now ? now : "none");
    weir_set_header(c, "X-Result", text ? text : "no memory");
}

/* ---- Error pages */

static const char *const error_fields[][2] = {
    {"WWW-Authenticate", "Basic realm=\"a\""},
    {"Proxy-Authenticate", "Basic"},
    {"Allow", "GET"},
    {"Retry-After", "120"},
    {"Content-Range", "bytes */10"},
    {"Location", "/elsewhere"},
    {"Upgrade", "h2c"},
    {"Accept", "text/plain"},
    {"ETag", "\"1\""},
    {"Content-Encoding", "gzip"},
    {"X-Other", "1"},
};

static void set_error_fields(weir_ctx *c)
{
    for (size_t i = 0; i < sizeof error_fields / sizeof *error_fields; i++)
        weir_set_header(c, error_fields[i][0], error_fields[i][1]);
    weir_add_header(c, "WWW-Authenticate", "Bearer");
}

/* With fields of all kinds; the query says what the message is. */
static void fail(weir_ctx *c)
{
    const char *message = weir_query(c, "message");
    set_error_fields(c);
    weir_write(c, "not sent", 8);
    weir_fail(c, number(c, "status"), "%s", message ? message : "");
}

static void reply_error(weir_ctx *c)
{
    set_error_fields(c);
    weir_reply_error(c, number(c, "status"), weir_query(c, "message"));
}

/* ---- Strings that are NULL */

static const char *volatile none; /* so that no compiler sees that it is NULL */

/* With used=1 it is NULL because the request's memory has run out. */
static const char *make_none(weir_ctx *c)
{
    if (!weir_query(c, "used"))
        return none;
    while (weir_alloc(c, 16))
        ;
    return weir_sprintf(c, "%d", 1000000);
}

static int print(weir_ctx *c, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int error = weir_vprintf(c, fmt, args);
    va_end(args);
    return error;
}

static int reply_none(weir_ctx *c, const char *how, const char *null)
{
    const struct site *site = weir_server_data(c);
    return is(how, "reply")      ? weir_reply(c, "text/plain", null, 5)
           : is(how, "text")     ? weir_reply_text(c, null)
           : is(how, "json")     ? weir_reply_json(c, null)
           : is(how, "static")   ? weir_reply_static(c, "text/plain", null, 5)
           : is(how, "printf")   ? weir_reply_printf(c, NULL, null, 1)
           : is(how, "value")    ? weir_reply_value(c, NULL, (const weir_value *)(const void *)null)
           : is(how, "redirect") ? weir_redirect(c, 303, null)
           : is(how, "file")     ? weir_send_file(c, site->root, null)
           : is(how, "root")     ? weir_send_file(c, null, "small.txt")
           : is(how, "write")    ? weir_write(c, null, 5)
           : is(how, "print")    ? print(c, null)
           : is(how, "status")   ? weir_reply_error(c, 200, null)
                                 : 99;
}

/* With keep=1 the handler replies when it has seen the error. */
static void null_reply(weir_ctx *c)
{
    const char *how = param(c, "how"), *null = make_none(c);
    if (reply_none(c, how, null) < 0 && weir_query(c, "keep"))
        weir_reply_static(c, "text/plain", "kept", 4);
}

static void null_fail(weir_ctx *c)
{
    weir_fail(c, 418, none, 1);
}

static void null_message(weir_ctx *c)
{
    weir_reply_error(c, 418, none);
}

/* An error's page that cannot be made any more: the client has gone. /gone tells what the call has returned; 1: not
 * yet; 2: the handler has not begun. */
static atomic_int told_gone = 2;

static void gone(weir_ctx *c)
{
    atomic_store(&told_gone, 1);
    while (weir_closed(c) != WEIR_GONE && weir_sleep(c, 5) != WEIR_ETIMEDOUT)
        ;
    atomic_store(&told_gone, weir_reply_error(c, 500, "nobody reads this"));
}

static void tell_gone(weir_ctx *c)
{
    weir_reply_printf(c, "text/plain", "%d", atomic_load(&told_gone));
}

/* What is no reply: the results, in this order. */
static void null_calls(weir_ctx *c)
{
    const struct site *site = weir_server_data(c);
    const weir_value *value;
    weir_file *file;
    char byte;
    const char *null = make_none(c);
    const int results[] = {weir_set_header(c, null, "1"),
                           weir_set_header(c, "X-Null", null),
                           weir_add_header(c, null, "1"),
                           weir_add_header(c, "X-Null", null),
                           weir_remove_header(c, null),
                           weir_set_cookie(c, &(weir_set_cookie_options){.name = none, .value = "1"}),
                           weir_set_cookie(c, NULL),
                           weir_response_header(c, null) != NULL,
                           weir_cache_get(c, site->cache, null, fill, NULL, &value, NULL),
                           weir_cache_get(c, site->cache, "other", NULL, NULL, &value, NULL),
                           weir_cache_put(NULL, null, 1),
                           (int)weir_file_read(c, NULL, &byte, 1),
                           (int)weir_file_line(c, NULL, &byte, 1),
                           (int)weir_file_size(NULL),
                           weir_value_size(NULL) != 0,
                           weir_value_data(NULL) != NULL,
                           weir_sprintf(c, none, 1) != NULL};
    weir_cache_remove(site->cache, null);
    weir_file_close(c, NULL);
    for (size_t i = 0; i < sizeof results / sizeof *results; i++)
        weir_printf(c, "%d ", results[i]);
    if (weir_file_open(c, none, none, &file) == 0 || file)
        weir_printf(c, "opened ");
    weir_printf(c, "%s", weir_json_string(c, none));
}

/* ---- Streams that break off */

static int break_stream(weir_ctx *c, const char *how)
{
    return is(how, "long")   ? weir_printf(c, "%100000d", 1) /* more than the request's memory */
           : is(how, "used") ? weir_printf(c, "%9000d", 1)
           : is(how, "null") ? weir_write(c, none, 5)
                             : print(c, none);
}

/* As handlers are written: whoever sees an error returns. With on=1 this one writes on. */
static void broken(weir_ctx *c)
{
    const char *when = param(c, "when"), *how = param(c, "how");
    bool on = weir_query(c, "on") != NULL;
    if (is(how, "used"))
        (void)make_none(c);
    if (is(when, "announced"))
        weir_set_length(c, 200000);
    if (!is(when, "first"))
        weir_printf(c, "before ");
    if (is(when, "flushed"))
        weir_flush(c);
    if (is(when, "yielded"))
        weir_yield(c);
    if (break_stream(c, how) != 0 && !on)
        return;
    weir_printf(c, "behind ");
    weir_flush(c);
    weir_write(c, "the end", 7);
}

/* ---- Handlers that are refused while they run */

/* Says something, waits until it is refused, and says something more or nothing. */
static void refused(weir_ctx *c)
{
    const char *first = param(c, "first"), *then = param(c, "then");
    char buf[64];
    if (is(first, "status") || is(first, "text"))
        weir_set_status(c, 422);
    if (is(first, "text"))
        weir_write(c, "text", 4);
    if (is(first, "final"))
        weir_reply_error(c, 422, "final");
    if (weir_body_length(c) == 0)
        weir_sleep(c, 60000);
    else
        while (weir_read(c, buf, sizeof buf) > 0)
            ;
    if (is(then, "status"))
        weir_set_status(c, 409);
    else if (is(then, "text"))
        weir_printf(c, "more");
    else if (is(then, "error"))
        weir_reply_error(c, 409, "error");
    else if (is(then, "fail"))
        weir_fail(c, 409, "fail");
    else if (is(then, "ok"))
        weir_reply_text(c, "ok");
    else if (is(then, "wait"))
        weir_sleep(c, 1);
}

/* ---- Circles of requests over several caches */

/* Begins, waits until all of the circle have begun, and asks for what the next one computes. */
static int fill_circle(weir_ctx *c, weir_cache_slot *slot, void *arg)
{
    struct site *site = weir_server_data(c);
    int size = number(c, "size"), round = number(c, "round");
    const char *key = arg;
    const weir_value *value;
    atomic_fetch_add(&site->begun[round], 1);
    while (atomic_load(&site->begun[round]) < size)
        if (weir_sleep(c, 1) != 0)
            return WEIR_ECANCELED;
    weir_cache *next = site->ring[(number(c, "place") + 1) % size];
    int error = weir_cache_get(c, next, key, fill, NULL, &value, NULL);
    return error ? error : weir_cache_put(slot, weir_value_data(value), weir_value_size(value));
}

static void circle(weir_ctx *c)
{
    const struct site *site = weir_server_data(c);
    const weir_value *value;
    const char *key = param(c, "round");
    int error =
        weir_cache_get(c, site->ring[number(c, "place")], key, fill_circle, (void *)(uintptr_t)key, &value, NULL);
    weir_reply_printf(c, "text/plain", "%d", error);
}

/* ---- A context where it must not be used, which ends a debug build */

static weir_ctx *_Atomic kept_context;

static int ask_offloaded(void *arg)
{
    return weir_param(arg, "how") != NULL;
}

static void misuse(weir_ctx *c)
{
    if (is(param(c, "how"), "offload"))
        weir_offload(c, ask_offloaded, c);
    else if (is(param(c, "how"), "other") && kept_context)
        weir_set_status(kept_context, 204);
    else
        kept_context = c;
    weir_sleep(c, 60000);
}

/* ---- Running */

static void add_routes(weir_server *s)
{
    weir_group *typed = weir_group_new(s, NULL, "/typed", NULL);
    weir_on_response(typed, change_type);
    weir_group_route(typed, "GET", "/{how}", make_reply, NULL);
    weir_get(s, "/fail/{status}", fail);
    weir_get(s, "/null/{how}", null_reply);
    weir_get(s, "/null-fail", null_fail);
    weir_get(s, "/null-message", null_message);
    weir_get(s, "/null-calls", null_calls);
    weir_get(s, "/going", gone);
    weir_get(s, "/gone", tell_gone);
    weir_get(s, "/circle/{size:[123]}/{round:[0-9]|[1-5][0-9]}/{place:[012]}", circle);
    weir_get(s, "/misuse/{how}", misuse);
    weir_any(s, "/refused/{first}/{then}", refused);
    weir_get(s, "/broken/{when}/{how}", broken);
    weir_get(s, "/error/{status}", reply_error);
}

static void set(weir_config *config, const char *argument)
{
    const char *value = strchr(argument, '=');
    long long n = value ? strtoll(value + 1, NULL, 10) : 0;
    if (strncmp(argument, "handler_timeout_ms=", 19) == 0)
        config->handler_timeout_ms = (int)n;
    else if (strncmp(argument, "max_stacks=", 11) == 0)
        config->max_stacks = (int)n;
    else if (strncmp(argument, "memory_wait_ms=", 15) == 0)
        config->memory_wait_ms = (int)n;
    else if (strncmp(argument, "max_body=", 9) == 0)
        config->max_body = n;
    else if (strncmp(argument, "memory_limit=", 13) == 0)
        config->memory_limit = (size_t)n;
    else if (strncmp(argument, "workers=", 8) == 0)
        config->workers = (int)n;
    else
        abort();
}

int main(int argc, char **argv)
{
    struct site site = {.root = argc > 1 ? argv[1] : "."};
    weir_config config = {.port = WEIR_ANY, .workers = 1, .log_level = WEIR_LOG_INFO, .server_data = &site};
    for (int i = 2; i < argc; i++)
        set(&config, argv[i]);
    weir_server *s = weir_server_new(&config);
    site.cache = weir_cache_new(s, NULL);
    for (int i = 0; i < RING; i++)
        site.ring[i] = weir_cache_new(s, NULL);
    add_routes(s);
    weir_get(s, "/ledger", weir_ledger_json);
    return serve(s);
}
