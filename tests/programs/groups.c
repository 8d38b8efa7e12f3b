/*
 * A server of groups, for tests of what belongs to a group where no route matches, and of settings of its own.
 *
 *     usage: groups [SETTING=VALUE]...
 *
 * Prints "listening on http://127.0.0.1:PORT" and serves until SIGTERM.
 *
 * SPDX-License-Identifier: MIT
 */
#include "serving.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- What is around the handlers ---- */

/* Who does not know the word learns nothing of what is there. */
static void authenticate(weir_ctx *c)
{
    const char *key = weir_header(c, "X-Key");
    if (!key || strcmp(key, "sesame") != 0)
        weir_fail(c, 401, "who are you?");
}

static void wait_and_authenticate(weir_ctx *c)
{
    weir_sleep(c, 1);
    authenticate(c);
}

static void add_mark(weir_ctx *c, const char *mark)
{
    const char *before = weir_response_header(c, "X-Marks");
    char marks[200];
    snprintf(marks, sizeof marks, "%s%s%s", before ? before : "", before ? " " : "", mark);
    weir_set_header(c, "X-Marks", marks);
}

#define MARK(name)                                                                                                     \
    static void mark_##name(weir_ctx *c)                                                                               \
    {                                                                                                                  \
        add_mark(c, #name);                                                                                            \
    }
MARK(root)
MARK(outer)
MARK(inner)
MARK(host)
MARK(below)
MARK(first)
MARK(second)
MARK(bundle)

static void mark_status(weir_ctx *c)
{
    char status[20];
    snprintf(status, sizeof status, "%d", weir_status(c));
    add_mark(c, status);
}

static void surround(weir_ctx *c)
{
    add_mark(c, "around");
    weir_next(c);
}

static void tell_tenant(weir_ctx *c)
{
    const char *name, *tenant = weir_param(c, "tenant");
    add_mark(c, tenant ? tenant : "nobody");
    for (size_t i = 0; weir_param_item(c, i, &name, NULL); i++)
        add_mark(c, name);
}

/* ---- Handlers ---- */

static void hello(weir_ctx *c)
{
    weir_reply_text(c, "hello\n");
}

static void add_marked_groups(weir_server *s)
{
    weir_group *outer = weir_group_new(s, NULL, "/outer", NULL), *inner = weir_group_new(s, outer, "/inner", NULL);
    weir_group *bundle = weir_group_new(s, outer, "", NULL);
    weir_on_response(weir_root(s), mark_root);
    weir_on_response(outer, mark_outer);
    weir_around(inner, surround);
    weir_on_response(inner, mark_inner);
    weir_on_response(inner, mark_status);
    weir_on_response(bundle, mark_bundle);
    weir_group_route(outer, "GET", "/here", hello, NULL);
    weir_group_route(inner, "GET", "/here", hello, NULL);
    weir_group_route(bundle, "GET", "/bundled", hello, NULL);

    weir_group *host = weir_group_new(s, NULL, "", "*.host.test"), *below = weir_group_new(s, host, "/below", NULL);
    weir_on_response(host, mark_host);
    weir_on_response(below, mark_below);
    weir_group_route(below, "GET", "/here", hello, NULL);

    weir_group *tenant = weir_group_new(s, NULL, "/tenant/{tenant:[a-z]+}", NULL);
    weir_on_response(tenant, tell_tenant);
    weir_group_route(tenant, "GET", "/item/{id}", hello, NULL);

    weir_group *first = weir_group_new(s, NULL, "/same", NULL), *second = weir_group_new(s, NULL, "/same", NULL);
    weir_on_response(first, mark_first);
    weir_on_response(second, mark_second);
    weir_on_request(second, authenticate);
    weir_group_route(first, "GET", "/open", hello, NULL);
    weir_group_route(second, "GET", "/closed", hello, NULL);
}

static void add_guarded_groups(weir_server *s)
{
    weir_group *guarded = weir_group_new(s, NULL, "/guarded", NULL);
    weir_on_request(guarded, authenticate);
    weir_group_route(guarded, "GET", "", hello, NULL);
    weir_group_route(guarded, "GET", "/here", hello, NULL);
    weir_group_route(guarded, "POST", "/here/{number:[0-9]+}", hello, NULL);

    weir_group *slow = weir_group_new(s, NULL, "/slow", NULL), *members = weir_group_new(s, NULL, "", NULL);
    weir_on_request(slow, wait_and_authenticate);
    weir_on_request(members, authenticate);
    weir_group_route(members, "GET", "/members", hello, NULL);
}

/* ---- Asking ---- */

/* Numbers of the request, and what was said of them. */
static void numbers(weir_ctx *c)
{
    int64_t a = 77, q = 77, h = 77;
    int param = weir_param_int(c, "a", -100, 100, &a), query = weir_query_int(c, "q", 1, 100, &q);
    int header = weir_header_int(c, "X-Number", 0, INT64_MAX, &h), wrong = weir_query_int(c, "q", 2, 1, &q);
    weir_reply_printf(c, "text/plain", "%d %lld %d %lld %d %lld %d", param, (long long)a, query, (long long)q, header,
                      (long long)h, wrong);
}

/* Asks about NULL: what gives a pointer gives NULL, what gives an error says so. */
static void ask_nothing(weir_ctx *c)
{
    const weir_value *cached;
    weir_file *file;
    const void *const found[] = {
        weir_param(c, NULL),     weir_query(c, NULL),          weir_query_nth(c, NULL, 0), weir_header(c, NULL),
        weir_cookie(c, NULL),    weir_header_nth(c, NULL, 0),  weir_trailer(c, NULL),      weir_sprintf(c, NULL),
        weir_attribute(c, NULL), weir_attribute_find(c, NULL),
    };
    int64_t value;
    const int errors[] = {
        weir_param_int(c, NULL, 0, 1, &value),
        weir_query_int(c, NULL, 0, 1, &value),
        weir_header_int(c, NULL, 0, 1, &value),
        weir_query_int(c, "a", 0, 1, NULL),
        weir_body(c, 0, NULL, NULL),
        (int)weir_read(c, NULL, 5),
        (int)weir_read_slice(c, NULL),
        weir_defer(c, NULL, NULL),
        weir_offload(c, NULL, NULL),
        weir_call_deep(c, NULL, NULL),
        weir_cache_get(c, NULL, "a", NULL, NULL, NULL, NULL),
        weir_cache_get(c, NULL, "a", NULL, NULL, &cached, NULL),
        weir_file_open(c, NULL, "a", &file),
        weir_file_open(c, ".", NULL, &file),
        weir_file_open(c, ".", "a", NULL),
    };
    size_t wrong = 0;
    for (size_t i = 0; i < sizeof found / sizeof found[0]; i++)
        wrong += found[i] != NULL;
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
        wrong += errors[i] != WEIR_EINVAL;
    weir_reply_printf(c, "text/plain", "%zu %s %zu", wrong, weir_json_string(c, NULL), weir_header_count(c, NULL));
}

/* ---- Settings of groups ---- */

static long long number(weir_ctx *c, const char *name)
{
    return strtoll(weir_param(c, name), NULL, 10);
}

static bool take(weir_ctx *c)
{
    size_t size = (size_t)number(c, "size");
    char *memory = weir_alloc(c, size);
    if (memory)
        memset(memory, 1, size);
    return memory != NULL;
}

/* Whether so much memory is to be had, at once. */
static void alloc(weir_ctx *c)
{
    weir_reply_text(c, take(c) ? "given" : "none");
}

/* The same after a wait, and held over another one. */
static void alloc_late(weir_ctx *c)
{
    weir_sleep(c, (int)number(c, "ms"));
    bool given = take(c);
    weir_sleep(c, 100);
    weir_reply_text(c, given ? "given" : "none");
}

static void doze(weir_ctx *c)
{
    weir_sleep(c, (int)number(c, "ms"));
    weir_reply_text(c, "awake");
}

static void add_roomy_groups(weir_server *s)
{
    weir_group *roomy = weir_group_new(s, NULL, "/roomy", NULL), *tight = weir_group_new(s, roomy, "/tight", NULL);
    weir_group_set(roomy, &(weir_group_settings){.request_memory = 256 << 10});
    weir_group_set(tight, &(weir_group_settings){.request_memory = 4 << 10});
    weir_get(s, "/alloc/{size:[0-9]+}", alloc);
    weir_get(s, "/alloc/{size:[0-9]+}/late/{ms:[0-9]+}", alloc_late);
    weir_group_route(roomy, "GET", "/alloc/{size:[0-9]+}", alloc, NULL);
    weir_group_route(roomy, "GET", "/alloc/{size:[0-9]+}/late/{ms:[0-9]+}", alloc_late, NULL);
    weir_group_route(roomy, "GET", "/named/{name}/alloc/{size:[0-9]+}", alloc, NULL);
    weir_group_route(tight, "GET", "/alloc/{size:[0-9]+}", alloc, NULL);
}

/* ---- Bodies ---- */

#define BODY_MEMORY (1 << 20)

struct body {
    const char *data;
    size_t len;
};

static unsigned long long deferred_bytes; /* of bodies that deferred calls found as they had been; one worker */

static void look_again(void *arg)
{
    const struct body *body = arg;
    deferred_bytes += strnlen(body->data, body->len + 1) == body->len ? body->len : 0;
}

/* Takes the body, of up to limit bytes (0: of any), or ends the request as it should be. */
static struct body take_body(weir_ctx *c, size_t limit)
{
    struct body body;
    int error = weir_body(c, limit, &body.data, &body.len);
    if (error) {
        struct body again;
        int second = weir_body(c, limit, &again.data, NULL); /* says the same, unless nothing had been read */
        weir_fail(c,
                  second != error         ? 500
                  : error == WEIR_ETOOBIG ? 413
                  : error == WEIR_ENOMEM  ? 503
                                          : 400,
                  "%s", weir_strerror(error));
    }
    return body;
}

/* Replies with the body, which is text, from where it lies. */
static void echo(weir_ctx *c)
{
    struct body *body = weir_alloc(c, sizeof *body);
    *body = take_body(c, weir_param(c, "limit") ? (size_t)number(c, "limit") : 0);
    weir_defer(c, look_again, body);
    weir_reply(c, "text/plain", body->data, take_body(c, 0).len);
}

static void fail_with_body(weir_ctx *c)
{
    struct body *body = weir_alloc(c, sizeof *body);
    *body = take_body(c, 0);
    weir_defer(c, look_again, body);
    weir_fail(c, 409, "asked for");
}

static void tell_deferred(weir_ctx *c)
{
    weir_reply_printf(c, NULL, "%llu", deferred_bytes);
}

static void add_body_groups(weir_server *s)
{
    weir_group *bodies = weir_group_new(s, NULL, "/bodies", NULL), *small = weir_group_new(s, bodies, "/small", NULL);
    weir_group_set(bodies, &(weir_group_settings){.body_memory = BODY_MEMORY});
    weir_group_set(small, &(weir_group_settings){.body_memory = 1});
    weir_group *hurried = weir_group_new(s, bodies, "/hurried", NULL);
    weir_group_set(hurried, &(weir_group_settings){.handler_timeout_ms = 1});
    weir_group_route(hurried, "POST", "/echo", echo, NULL);
    weir_post(s, "/echo", echo);
    weir_group_route(bodies, "POST", "/echo", echo, NULL);
    weir_group_route(bodies, "POST", "/echo/{limit:[0-9]+}", echo, NULL);
    weir_group_route(bodies, "POST", "/fail", fail_with_body, NULL);
    weir_group_route(small, "POST", "/echo", echo, NULL);
    weir_get(s, "/deferred", tell_deferred);
}

static void add_timed_groups(weir_server *s)
{
    weir_group *hasty = weir_group_new(s, NULL, "/hasty", NULL), *patient = weir_group_new(s, hasty, "/patient", NULL);
    weir_group_set(hasty, &(weir_group_settings){.handler_timeout_ms = 50});
    weir_group_set(patient, &(weir_group_settings){.handler_timeout_ms = WEIR_OFF});
    weir_get(s, "/doze/{ms:[0-9]+}", doze);
    weir_group_route(hasty, "GET", "/here", hello, NULL);
    weir_group_route(hasty, "GET", "/doze/{ms:[0-9]+}", doze, NULL);
    weir_group_route(patient, "GET", "/doze/{ms:[0-9]+}", doze, NULL);
}

/* ---- The ledger ---- */

/* As weir_ledger_json() does, of what the tests look at, and without a wait: also where memory is short. */
static void show_ledger(weir_ctx *c)
{
    weir_ledger ledger;
    weir_ledger_read(weir_ctx_server(c), &ledger);
    weir_printf(c, "{\"memory\":{\"reserved\":%" PRIu64 ",\"limit\":%" PRIu64 ",\"accounts\":[", ledger.reserved,
                ledger.memory_limit);
    for (size_t i = 0; i < ledger.account_count; i++) {
        const weir_ledger_account *a = &ledger.accounts[i];
        weir_printf(c,
                    "%s{\"name\":\"%s\",\"limit\":%" PRIu64 ",\"in_use\":%" PRIu64 ",\"reserved\":%" PRIu64
                    ",\"peak\":%" PRIu64 ",\"refused\":%" PRIu64 ",\"objects\":%" PRIu64 "}",
                    i ? "," : "", a->name, a->limit, a->in_use, a->reserved, a->peak, a->refused, a->objects);
    }
    weir_printf(c, "]},\"refusals\":{");
    for (size_t i = 0; i < ledger.refusal_count; i++)
        weir_printf(c, "%s\"%s\":%" PRIu64, i ? "," : "", ledger.refusals[i].cause, ledger.refusals[i].count);
    weir_printf(c, "}}");
}

/* ---- Running ---- */

static bool set(weir_config *config, const char *argument)
{
    long long value = strchr(argument, '=') ? strtoll(strchr(argument, '=') + 1, NULL, 10) : 0;
    if (strncmp(argument, "workers=", 8) == 0)
        config->workers = (int)value;
    else if (strncmp(argument, "memory_limit=", 13) == 0)
        config->memory_limit = (size_t)value;
    else if (strncmp(argument, "max_body_memory=", 16) == 0)
        config->max_body_memory = value;
    else if (strncmp(argument, "handler_timeout_ms=", 19) == 0)
        config->handler_timeout_ms = (int)value;
    else
        return false;
    return true;
}

int main(int argc, char **argv)
{
    weir_config config = {.port = WEIR_ANY, .workers = 1, .memory_wait_ms = 60000};
    for (int i = 1; i < argc; i++) {
        if (!set(&config, argv[i])) {
            fprintf(stderr, "groups: no setting '%s'\n", argv[i]);
            return 2;
        }
    }
    weir_server *s = weir_server_new(&config);
    add_marked_groups(s);
    add_guarded_groups(s);
    add_roomy_groups(s);
    add_timed_groups(s);
    add_body_groups(s);
    weir_get(s, "/numbers/{a}", numbers);
    weir_any(s, "/nothing", ask_nothing);
    weir_get(s, "/ledger.json", show_ledger);
    return serve(s);
}
