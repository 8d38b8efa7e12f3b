/*
 * A server that says what it has understood of each request and counts how many it has executed, for the tests of what
 * HTTP/1.1 demands. Most of its handlers are naive on purpose: they look at no error and reply 200 whatever happened,
 * so that what a client gets to know is the library's doing. Its arguments are sizes by name: `conform max_body=1000`;
 * with `hook=1` an error hook makes the pages, `unsteady=1` or another seed has bytes cross its connections by the
 * transport of that name, and `tls=1` or `tls=lean` adds a listener of https.
 *
 * SPDX-License-Identifier: MIT
 */
#include "serving.h"
#include "unsteady.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KEPT 200 /* bytes of a body that are told */

/* Requests executed on the connection from each port, since they were last asked for: another connection may come from
 * the same port. */
static atomic_int executed[65536];

static void count(weir_ctx *c)
{
    const char *colon = strrchr(weir_peer(c), ':');
    if (colon)
        atomic_fetch_add(&executed[strtoul(colon + 1, NULL, 10) & 0xffff], 1);
}

static void show_executed(weir_ctx *c)
{
    unsigned long port = strtoul(weir_param(c, "port"), NULL, 10) & 0xffff;
    weir_reply_printf(c, "text/plain", "%d", atomic_exchange(&executed[port], 0));
}

/* Method, target, Host, body and trailer fields: what an execution is told by. */
static void tell(weir_ctx *c)
{
    char body[KEPT + 1], buf[512];
    size_t len = 0;
    ssize_t n;
    count(c);
    while ((n = weir_read(c, buf, sizeof buf)) > 0) {
        size_t take = (size_t)n < KEPT - len ? (size_t)n : KEPT - len;
        memcpy(body + len, buf, take);
        len += take;
    }
    body[len] = '\0';
    weir_printf(c, "%s %s host=%s body=%s", weir_method(c), weir_target(c), weir_host(c), body);
    const char *name, *value;
    for (size_t i = 0; weir_trailer_item(c, i, &name, &value); i++)
        weir_printf(c, " %s=%s", name, value);
}

/* Host as a header, and as weir_host() gives it. */
static void host(weir_ctx *c)
{
    const char *name, *value, *item = "";
    for (size_t i = 0; weir_header_item(c, i, &name, &value); i++)
        if (strcmp(name, "Host") == 0)
            item = value;
    const char *header = weir_header(c, "host");
    weir_reply_printf(c, "text/plain", "%s %s %s %s", weir_host(c), header ? header : "none", item, weir_target(c));
}

static void unread(weir_ctx *c)
{
    count(c);
    weir_reply_text(c, "unread");
}

/* Reads when it has replied: result, which is told in the next reply. */
static atomic_int late_result;

static void late(weir_ctx *c)
{
    char buf[16];
    weir_reply_text(c, "late");
    atomic_store(&late_result, (int)weir_read(c, buf, sizeof buf));
}

static void show_late(weir_ctx *c)
{
    weir_reply_printf(c, "text/plain", "%d", atomic_load(&late_result));
}

/* Replies, without a byte in the output, then reads all of the body. */
static void late_static(weir_ctx *c)
{
    char buf[512];
    weir_reply_static(c, "text/plain", "static", 6);
    while (weir_read(c, buf, sizeof buf) > 0)
        ;
}

/* Replies with so many bytes, copied, then reads all of the body. */
static void late_copy(weir_ctx *c)
{
    size_t size = strtoul(weir_param(c, "size"), NULL, 10);
    char *text = weir_alloc(c, size), buf[512];
    if (!text)
        weir_fail(c, 503, "no memory");
    memset(text, 'y', size);
    weir_reply(c, "text/plain", text, size);
    while (weir_read(c, buf, sizeof buf) > 0)
        ;
}

/* Sends its head and so many bytes, and leaves the body alone. */
static void stream_unread(weir_ctx *c)
{
    for (size_t left = strtoul(weir_param(c, "size"), NULL, 10); left > 0; left--)
        weir_write(c, "z", 1);
    weir_flush(c);
}

/* Answers a body that cannot be read in its own way. */
static void fail_after_error(weir_ctx *c)
{
    char buf[512];
    ssize_t n;
    while ((n = weir_read(c, buf, sizeof buf)) > 0)
        ;
    if (n < 0)
        weir_fail(c, 422, "my own words");
}

/* Looks at no error of its reads, and goes on reading. */
static void read_for_ever(weir_ctx *c)
{
    char buf[512];
    while (weir_read(c, buf, sizeof buf) != 0)
        ;
}

/* Response middleware that reads the body which the handler has left. */
static void tell_body(weir_ctx *c)
{
    const char *body;
    size_t len;
    char text[32];
    int error = weir_body(c, 0, &body, &len);
    snprintf(text, sizeof text, "%d %zu", error, error ? 0 : len);
    weir_set_header(c, "X-Body", text);
}

/* Fails to print, as it may for want of memory, and has written nothing; then reads. */
static void print_nothing(weir_ctx *c)
{
    char buf[512];
    (void)weir_printf(c, "%*s", 1 << 20, "");
    while (weir_read(c, buf, sizeof buf) > 0)
        ;
}

/* Sends its head, then reads. */
static void head_first(weir_ctx *c)
{
    char buf[16];
    weir_write(c, "head ", 5);
    weir_flush(c);
    ssize_t n = weir_read(c, buf, sizeof buf);
    if (n > 0)
        weir_write(c, buf, (size_t)n);
}

/* Trailer fields before and after the end of the body. */
static void trailer(weir_ctx *c)
{
    const char *early = weir_trailer(c, "X-Sum");
    const char *body;
    size_t len;
    int error = weir_body(c, 0, &body, &len);
    const char *sum = weir_trailer(c, "x-sum"), *none = weir_trailer(c, "Host");
    weir_reply_printf(c, "text/plain", "%s %d %zu %s %s", early ? early : "none", error, error ? 0 : len,
                      sum ? sum : "none", none ? none : "none");
}

static char announced_text[400000]; /* of "x"; filled before there are workers, and then only read */

/* Announces a length, writes another, in one of several ways. */
static void announce(weir_ctx *c)
{
    size_t written = strtoul(weir_param(c, "written"), NULL, 10);
    const char *how = weir_param(c, "how");
    weir_set_length(c, strtol(weir_param(c, "announced"), NULL, 10));
    if (written > sizeof announced_text)
        written = sizeof announced_text;
    if (strcmp(how, "whole") == 0) {
        weir_write(c, announced_text, written);
    } else if (strcmp(how, "bytes") == 0) {
        for (size_t i = 0; i < written; i++)
            weir_write(c, announced_text, 1);
    } else if (strcmp(how, "flushed") == 0) {
        weir_write(c, announced_text, written / 2);
        weir_flush(c);
        weir_write(c, announced_text, written - written / 2);
    } else if (strcmp(how, "print") == 0) {
        for (size_t i = 0; i < written; i++)
            weir_printf(c, "%c", 'x');
    } else if (strcmp(how, "static") == 0) {
        weir_reply_static(c, "text/plain", announced_text, written);
    } else {
        weir_reply(c, "text/plain", announced_text, written);
    }
}

/* Holds its worker up, as no handler should. */
static void block(weir_ctx *c)
{
    usleep((useconds_t)strtoul(weir_param(c, "ms"), NULL, 10) * 1000);
    weir_reply_text(c, "blocked");
}

/* Fails as soon as a piece of the body has come. */
static void read_and_fail(weir_ctx *c)
{
    char buf[16];
    count(c);
    if (weir_read(c, buf, sizeof buf) > 0)
        weir_fail(c, 400, "asked for");
    weir_reply_text(c, "gone");
}

/* An endless stream out of the handler's own frame, whose bytes change as soon as it has ended. */
static void stack_stream(weir_ctx *c)
{
    char piece[8192];
    memset(piece, 'x', sizeof piece);
    while (weir_write(c, piece, sizeof piece) == 0)
        ;
    memset(piece, '!', sizeof piece);
    __asm__ volatile("" : : "r"(piece) : "memory");
}

static const char *query(weir_ctx *c, const char *name)
{
    const char *value = weir_query(c, name);
    return value ? value : "";
}

/* Puts a client's text where heads of replies are made of; the result of each call is the body. */
static void inject(weir_ctx *c)
{
    const char *name = query(c, "name"), *value = query(c, "value");
    int set = weir_set_header(c, name, value), add = weir_add_header(c, name, value);
    int cookie = weir_set_cookie(c, &(weir_set_cookie_options){.name = name, .value = "v"});
    int cookie_value = weir_set_cookie(c, &(weir_set_cookie_options){.name = "n", .value = value});
    int path = weir_set_cookie(c, &(weir_set_cookie_options){.name = "n", .value = "v", .path = value});
    int domain = weir_set_cookie(c, &(weir_set_cookie_options){.name = "n", .value = "v", .domain = value});
    weir_printf(c, "%d %d %d %d %d %d", set, add, cookie, cookie_value, path, domain);
}

static void inject_type(weir_ctx *c)
{
    weir_reply(c, query(c, "value"), "body", 4);
}

static void inject_location(weir_ctx *c)
{
    weir_redirect(c, 302, query(c, "value"));
}

static void inject_status(weir_ctx *c)
{
    int status = (int)strtol(query(c, "value"), NULL, 10);
    weir_reply_printf(c, "text/plain", "%d", weir_set_status(c, status));
}

static void inject_error(weir_ctx *c)
{
    weir_reply_error(c, 400, query(c, "value"));
}

static void inject_fail(weir_ctx *c)
{
    weir_fail(c, 400, "%s", query(c, "value"));
}

/* Says what it knows of a request that may have no head. */
static void error_hook(weir_ctx *c, int status, const char *message)
{
    const char *name, *value, *first = weir_query_item(c, 0, &name, &value) ? name : "";
    bool any = weir_header_item(c, 0, &name, &value) || weir_param_item(c, 0, &name, &value) || weir_cookie(c, "a");
    weir_printf(c, "%d [%s] [%s] [%s] [%s] [%s] [%s] %d %zu %s", status, weir_method(c), weir_target(c), weir_path(c),
                weir_query_string(c), first, weir_host(c), any, weir_header_count(c, NULL), message);
}

/* ---- Strict-Transport-Security */

/* With what X-Own asks for: a field of its own, an error page. */
static void strict(weir_ctx *c)
{
    const char *own = weir_header(c, "X-Own");
    if (own && strcmp(own, "fail") == 0)
        weir_fail(c, 503, "failed");
    if (own)
        weir_set_header(c, "Strict-Transport-Security", own);
    weir_reply_text(c, weir_is_secure(c) ? "secure" : "plain");
}

static void add_strict(weir_server *s)
{
    weir_group *all = weir_group_new(s, NULL, "/strict", NULL), *below = weir_group_new(s, all, "/below", NULL);
    weir_group *off = weir_group_new(s, all, "/off", NULL);
    weir_group_set(all, &(weir_group_settings){.hsts_seconds = 31536000});
    weir_group_set(below, &(weir_group_settings){.hsts_subdomains = WEIR_ON, .hsts_preload = WEIR_ON});
    weir_group_set(off, &(weir_group_settings){.hsts_seconds = WEIR_OFF});
    weir_group_route(all, "GET", "", strict, NULL);
    weir_group_route(below, "GET", "", strict, NULL);
    weir_group_route(off, "GET", "", strict, NULL);
}

static void set(weir_config *config, bool *hook, unsigned *seed, const char *argument)
{
    long long value = strtoll(strchr(argument, '=') + 1, NULL, 10);
    if (strncmp(argument, "max_body=", 9) == 0)
        config->max_body = value;
    else if (strncmp(argument, "http_buffer_size=", 17) == 0)
        config->http_buffer_size = (size_t)value;
    else if (strncmp(argument, "drain_limit=", 12) == 0)
        config->drain_limit = value;
    else if (strncmp(argument, "workers=", 8) == 0)
        config->workers = (int)value;
    else if (strncmp(argument, "stop_timeout_ms=", 16) == 0)
        config->stop_timeout_ms = (int)value;
    else if (strncmp(argument, "header_timeout_ms=", 18) == 0)
        config->header_timeout_ms = (int)value;
    else if (strncmp(argument, "max_connections_per_address=", 28) == 0)
        config->max_connections_per_address = (int)value;
    else if (strncmp(argument, "body_timeout_ms=", 16) == 0)
        config->body_timeout_ms = (int)value;
    else if (strncmp(argument, "idle_timeout_ms=", 16) == 0)
        config->idle_timeout_ms = (int)value;
    else if (strncmp(argument, "hook=", 5) == 0)
        *hook = value != 0;
    else if (strncmp(argument, "unsteady=", 9) == 0)
        *seed = (unsigned)value;
    else
        abort();
}

int main(int argc, char **argv)
{
    weir_config config = {.host = "127.0.0.1", .port = WEIR_ANY, .log_level = WEIR_OFF};
    weir_tls_config tls = {.self_signed = "localhost", .http2 = WEIR_OFF};
    bool hook = false, secure = false;
    unsigned seed = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "tls=1") == 0 || strcmp(argv[i], "tls=lean") == 0) {
            secure = true;
            tls.lean_records = strcmp(argv[i], "tls=lean") == 0 ? WEIR_ON : WEIR_OFF;
            continue;
        }
        set(&config, &hook, &seed, argv[i]);
    }
    memset(announced_text, 'x', sizeof announced_text);
    weir_server *s = weir_server_new(&config);
    if (seed > 0)
        unsteady_install(s, seed);
    if (secure)
        weir_server_listen(s, &(weir_listen_config){.host = "127.0.0.1", .port = WEIR_ANY, .tls = &tls});
    if (hook)
        weir_on_error(s, error_hook);
    weir_any(s, "/{rest:.*}", tell);
    weir_any(s, "/host", host);
    weir_get(s, "/ledger.json", weir_ledger_json);
    add_strict(s);
    weir_any(s, "/unread", unread);
    weir_any(s, "/late", late);
    weir_get(s, "/late/result", show_late);
    weir_any(s, "/late-static", late_static);
    weir_any(s, "/print-nothing", print_nothing);
    weir_any(s, "/late-copy/{size}", late_copy);
    weir_any(s, "/stream-unread/{size}", stream_unread);
    weir_any(s, "/read-for-ever", read_for_ever);
    weir_any(s, "/fail-after-error", fail_after_error);
    weir_group *told = weir_group_new(s, NULL, "/told", NULL);
    weir_on_response(told, tell_body);
    weir_group_route(told, NULL, "/unread", unread, NULL);
    weir_any(s, "/head-first", head_first);
    weir_any(s, "/trailer", trailer);
    weir_get(s, "/announce/{announced}/{written}/{how}", announce);
    weir_get(s, "/inject", inject);
    weir_get(s, "/inject/type", inject_type);
    weir_get(s, "/inject/location", inject_location);
    weir_get(s, "/inject/status", inject_status);
    weir_get(s, "/inject/error", inject_error);
    weir_get(s, "/inject/fail", inject_fail);
    weir_get(s, "/executed/{port}", show_executed);
    weir_get(s, "/block/{ms}", block);
    weir_post(s, "/read-and-fail", read_and_fail);
    weir_get(s, "/stack-stream", stack_stream);
    return serve(s);
}
