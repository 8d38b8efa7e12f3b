/*
 * A server for the wire tests of compression: replies of all kinds in groups that compress them, and what the request
 * asks for besides. `compressed ROOT [NAME=NUMBER ...]` serves with settings by name.
 *
 *   X-Set      "Name: value", a field of the reply; several
 *   X-Status   its status
 *   X-Pieces   how POST /on/pieces writes the request's body back: "100 f 7 s" are 100 bytes, a flush, 7 bytes, a wait
 *
 * SPDX-License-Identifier: MIT
 */
#include "serving.h"

#include <stdlib.h>
#include <string.h>

#define LARGE (1 << 20)

struct made {
    const char *root;
    weir_cache *cache;
    char large[LARGE]; /* lines that compress as a log does */
};

static struct made made;

static void prepare(weir_ctx *c)
{
    const char *status = weir_header(c, "X-Status"), *set;
    if (status)
        weir_set_status(c, (int)strtol(status, NULL, 10));
    for (size_t i = 0; (set = weir_header_nth(c, "X-Set", i)) != NULL; i++) {
        const char *colon = strchr(set, ':');
        weir_add_header(c, weir_sprintf(c, "%.*s", (int)(colon - set), set), colon + 2);
    }
}

static size_t size_of(weir_ctx *c)
{
    int64_t n = 3000;
    weir_query_int(c, "n", 0, LARGE, &n);
    return (size_t)n;
}

static int fill(weir_ctx *c, weir_cache_slot *slot, void *arg)
{
    (void)c;
    return weir_cache_put(slot, made.large, *(const size_t *)arg);
}

static void value(weir_ctx *c, size_t n)
{
    const weir_value *v;
    if (weir_cache_get(c, made.cache, weir_sprintf(c, "%zu", n), fill, &n, &v, NULL) == 0)
        weir_reply_value(c, "text/plain", v);
}

static void reply(weir_ctx *c)
{
    const char *how = weir_param(c, "how");
    size_t n = size_of(c);
    prepare(c);
    if (strcmp(how, "reply") == 0)
        weir_reply(c, weir_response_header(c, "Content-Type") ? NULL : "text/plain", made.large, n);
    else if (strcmp(how, "untyped") == 0)
        weir_reply(c, NULL, made.large, n);
    else if (strcmp(how, "static") == 0)
        weir_reply_static(c, "application/json", made.large, n);
    else if (strcmp(how, "printf") == 0)
        weir_reply_printf(c, "text/plain", "%.*s", (int)n, made.large);
    else if (strcmp(how, "value") == 0)
        value(c, n);
    else if (strcmp(how, "error") == 0)
        weir_reply_error(c, 409, "a conflict");
    else if (strcmp(how, "file") == 0)
        weir_send_file(c, made.root, weir_query(c, "name"));
}

static void endless(weir_ctx *c)
{
    weir_set_header(c, "Content-Type", "text/plain");
    while (weir_write(c, made.large, LARGE) == 0)
        ;
}

/* Puts a body where the group's files are, if the request's conditions are met. */
static void save(weir_ctx *c)
{
    if (weir_save_body(c, made.root, weir_param(c, "name"), NULL) == 0)
        weir_set_status(c, 204);
}

/* Something, and then nothing for long. */
static void hang(weir_ctx *c)
{
    weir_set_header(c, "Content-Type", "text/plain");
    weir_printf(c, "before");
    weir_flush(c);
    while (weir_sleep(c, 60000) == 0)
        ;
}

static void fail(weir_ctx *c)
{
    weir_set_header(c, "Content-Type", "text/plain");
    weir_write(c, made.large, size_of(c));
    weir_fail(c, 409, "failed");
}

static void pieces(weir_ctx *c)
{
    const char *data, *at = weir_header(c, "X-Pieces");
    size_t len;
    if (weir_body(c, 0, &data, &len) != 0)
        weir_fail(c, 413, "too long");
    prepare(c);
    weir_set_header(c, "Content-Type", "text/plain");
    while (at && *at) {
        char *end;
        size_t piece = strtoul(at, &end, 10);
        if (*at == 'f')
            weir_flush(c);
        else if (*at == 's')
            weir_sleep(c, 1);
        if (end != at) {
            piece = piece < len ? piece : len;
            weir_write(c, data, piece);
            data += piece;
            len -= piece;
        }
        at = end != at ? end : at + 1;
        at += strspn(at, " ");
    }
    weir_write(c, data, len);
}

/* Sends what has come of a body at once, flushed, and goes on with what comes. */
static void relay(weir_ctx *c)
{
    const void *data;
    ssize_t len;
    weir_set_header(c, "Content-Type", "text/plain");
    while ((len = weir_read_slice(c, &data)) > 0) {
        weir_write(c, data, (size_t)len);
        weir_flush(c);
    }
}

static void add_routes(weir_server *s, const char *prefix, const weir_compress_config *config)
{
    weir_group *g = weir_group_new(s, NULL, prefix, NULL);
    weir_group_compress(g, config);
    weir_group_set(g, &(weir_group_settings){.body_memory = 1 << 20});
    weir_group_route(g, "GET", "/{how}", reply, NULL);
    weir_group_route(g, "GET", "/endless", endless, NULL);
    weir_group_route(g, "GET", "/hang", hang, NULL);
    weir_group_route(g, "GET", "/fail", fail, NULL);
    weir_group_route(g, "POST", "/pieces", pieces, NULL);
    weir_group_route(g, "POST", "/relay", relay, NULL);
    weir_group *off = weir_group_new(s, g, "/off", NULL);
    weir_group_compress(off, &(weir_compress_config){.on = WEIR_OFF});
    weir_group_route(off, "GET", "/{how}", reply, NULL);
    weir_group_route(weir_group_new(s, g, "/inner", NULL), "GET", "/{how}", reply, NULL);
}

/* Files whose tags are of their contents: by handlers of a group, and in a folder. */
static void add_tags(weir_server *s)
{
    weir_group *tags = weir_group_new(s, NULL, "/tags", NULL);
    weir_group_compress(tags, NULL);
    weir_group_set(tags, &(weir_group_settings){.content_tags = WEIR_ON});
    weir_group_route(tags, "GET", "/{how}", reply, NULL);
    weir_group_route(tags, "PUT", "/saved/{name}", save, NULL);
    weir_files(tags, "/state", &(weir_files_options){.root = made.root, .content_tags = WEIR_OFF});
    weir_files(weir_root(s), "/site", &(weir_files_options){.root = made.root, .content_tags = WEIR_ON});
}

static void set(weir_config *config, const char *argument)
{
    const char *number = strchr(argument, '=');
    long long n = number ? strtoll(number + 1, NULL, 10) : 0;
    if (strncmp(argument, "memory_limit=", 13) == 0)
        config->memory_limit = (size_t)n;
    else if (strncmp(argument, "max_compression_memory=", 23) == 0)
        config->max_compression_memory = n;
    else if (strncmp(argument, "kept_compressed_memory=", 23) == 0)
        config->kept_compressed_memory = n;
    else if (strncmp(argument, "workers=", 8) == 0)
        config->workers = (int)n;
    else if (strncmp(argument, "http_buffer_size=", 17) == 0)
        config->http_buffer_size = (size_t)n;
    else if (strncmp(argument, "stack_size=", 11) == 0)
        config->stack_size = (size_t)n;
    else if (strncmp(argument, "request_memory=", 15) == 0)
        config->request_memory = (size_t)n;
    else
        abort();
}

int main(int argc, char **argv)
{
    made.root = argc > 1 ? argv[1] : ".";
    for (size_t at = 0, line = 0; at < LARGE; line++) {
        char text[100];
        size_t len = (size_t)snprintf(text, sizeof text, "line %zu: %zx took %zu ms\n", line, line * 2654435761u,
                                      line * line % 977);
        len = len < LARGE - at ? len : LARGE - at;
        memcpy(made.large + at, text, len);
        at += len;
    }
    weir_config config = {.port = WEIR_ANY, .workers = 1};
    for (int i = 2; i < argc; i++)
        set(&config, argv[i]);
    weir_server *s = weir_server_new(&config);
    made.cache = weir_cache_new(s, NULL);
    weir_server_listen(s, &(weir_listen_config){.port = WEIR_ANY});
    weir_server_listen(
        s, &(weir_listen_config){.port = WEIR_ANY, .tls = &(weir_tls_config){.self_signed = "localhost 127.0.0.1"}});
    add_routes(s, "/on", NULL);
    add_routes(s, "/low", &(weir_compress_config){.gzip_level = 1, .br_level = 1, .zstd_level = 1});
    add_routes(s, "/high",
               &(weir_compress_config){.codings = "gzip br zstd", .gzip_level = 9, .br_level = 8, .zstd_level = 9});
    add_routes(s, "/all", &(weir_compress_config){.min_size = 1, .types = "* !image/*", .codings = "gzip"});
    add_tags(s);
    weir_get(s, "/plain/{how}", reply);
    weir_get(s, "/ledger", weir_ledger_json);
    return serve(s);
}
