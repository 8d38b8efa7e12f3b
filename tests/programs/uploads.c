/*
 * A server for the wire tests of files that are written: bodies that are saved with the options that the query asks
 * for, and files made by hand. `uploads ROOT [tls] [NAME=NUMBER...]` serves with one worker; the numbers are settings.
 *
 * SPDX-License-Identifier: MIT
 */
#include "serving.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A number of the query; 0: there is none. */
static int64_t asked(weir_ctx *c, const char *name)
{
    int64_t number = 0;
    if (weir_query_int(c, name, INT64_MIN, INT64_MAX, &number) != 0)
        weir_fail(c, 400, "%s is no number", name);
    return number;
}

static weir_save_options options_of(weir_ctx *c)
{
    return (weir_save_options){
        .exclusive = (int)asked(c, "exclusive"),
        .folders = (int)asked(c, "folders"),
        .sync = (int)asked(c, "sync"),
        .mode = (int)asked(c, "mode"),
        .limit = asked(c, "limit"),
        .require_digest = (int)asked(c, "digest"),
    };
}

/* The body saved; what the library makes of an error is the reply, unless the query says `tell`. */
static void save(weir_ctx *c)
{
    const char *root = weir_server_data(c);
    weir_saved saved;
    weir_save_options options = options_of(c);
    options.saved = &saved;
    const char *body;
    if (asked(c, "whole") && weir_body(c, 0, &body, NULL) != 0)
        weir_fail(c, 400, "the body is too long");
    if (asked(c, "peek")) {
        char first;
        if (weir_read(c, &first, 1) != 1)
            weir_fail(c, 400, "no byte to peek at");
    }
    int error = weir_save_body(c, root, weir_param(c, "path"), &options);
    if (error && asked(c, "tell"))
        weir_reply_printf(c, "text/plain", "%d", error);
    if (error)
        return;
    weir_set_status(c, saved.replaced ? 200 : 201);
    weir_reply_printf(c, "text/plain", "%" PRId64 " %d %d", saved.bytes, saved.replaced, saved.verified);
}

/* A file by hand. Each step is `+N` (write N bytes of the alphabet), `@N` (seek), `c` (commit), `d` (drop), `sN`
 * (sleep) or `f` (fail the handler); the results of all are the reply. */
static void by_hand(weir_ctx *c)
{
    char text[4096], reply[512] = "";
    size_t len = 0;
    weir_new_file *file;
    weir_save_options options = options_of(c);
    const char *steps = weir_query(c, "steps");
    int result = weir_file_create(c, weir_server_data(c), weir_param(c, "path"), &options, &file);
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (char)('a' + i % 26);
    for (;;) {
        len += (size_t)snprintf(reply + len, sizeof(reply) - len, "%s%d", len ? " " : "", result);
        if (!steps || !*steps || len >= sizeof(reply))
            break;
        char step = *steps++, *end = (char *)steps;
        long number = strchr("+@s", step) ? strtol(steps, &end, 10) : 0;
        steps = end;
        bool replaced = false;
        result = 0;
        if (step == '+')
            for (long left = number; left > 0 && !result; left -= (long)sizeof(text))
                result = weir_file_write(c, file, text, left < (long)sizeof(text) ? (size_t)left : sizeof(text));
        else if (step == '@')
            result = weir_file_seek(c, file, number);
        else if (step == 'c')
            result = weir_file_commit(c, file, &replaced);
        else if (step == 'd')
            weir_file_drop(c, file);
        else if (step == 's')
            (void)weir_sleep(c, (int)number);
        else
            weir_fail(c, 500, "as asked for");
        result = result == 0 && replaced ? 1 : result;
    }
    weir_reply_text(c, reply);
}

/* A write of the whole of request memory in one call, from the handler's own buffer. */
static void large_write(weir_ctx *c)
{
    size_t len = (size_t)asked(c, "bytes");
    char *data = malloc(len);
    weir_new_file *file;
    if (!data || weir_defer(c, free, data) != 0)
        return;
    for (size_t i = 0; i < len; i++)
        data[i] = (char)(i * 7 % 251);
    int error = weir_file_create(c, weir_server_data(c), weir_param(c, "path"), NULL, &file);
    if (!error)
        error = weir_file_write(c, file, data, len);
    if (!error)
        error = weir_file_commit(c, file, NULL);
    weir_reply_printf(c, "text/plain", "%d", error);
}

/* The number of the worker's thread. */
static void thread(weir_ctx *c)
{
    weir_reply_printf(c, "text/plain", "%d", (int)gettid());
}

static void hello(weir_ctx *c)
{
    weir_reply_text(c, "hello");
}

static const struct {
    const char *name;
    size_t offset;
} settings[] = {
    {"handler_timeout_ms", offsetof(weir_config, handler_timeout_ms)},
    {"body_timeout_ms", offsetof(weir_config, body_timeout_ms)},
    {"stop_timeout_ms", offsetof(weir_config, stop_timeout_ms)},
    {"offload_threads", offsetof(weir_config, offload_threads)},
};

static bool set(weir_config *config, const char *argument)
{
    const char *equals = strchr(argument, '=');
    for (size_t i = 0; equals && i < sizeof(settings) / sizeof(settings[0]); i++) {
        if (strncmp(argument, settings[i].name, (size_t)(equals - argument)) == 0) {
            *(int *)(void *)((char *)config + settings[i].offset) = (int)strtol(equals + 1, NULL, 10);
            return true;
        }
    }
    return false;
}

int main(int argc, char **argv)
{
    weir_config config = {.port = WEIR_ANY, .workers = 1, .server_data = argc > 1 ? argv[1] : NULL};
    bool tls = false;
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "tls") == 0) {
            tls = true;
        } else if (!set(&config, argv[i])) {
            fprintf(stderr, "uploads: %s is unknown\n", argv[i]);
            return 2;
        }
    }
    weir_server *s = weir_server_new(&config);
    weir_put(s, "/save/{path:^.*$}", save);
    weir_get(s, "/hand/{path:^.*$}", by_hand);
    weir_get(s, "/large/{path:^.*$}", large_write);
    weir_get(s, "/", hello);
    weir_get(s, "/thread", thread);
    weir_get(s, "/ledger", weir_ledger_json);
    if (tls)
        weir_server_listen(s, &(weir_listen_config){.port = WEIR_ANY,
                                                    .tls = &(weir_tls_config){.self_signed = "localhost 127.0.0.1"}});
    return serve(s);
}
