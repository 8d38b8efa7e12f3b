/*
 * A server for the wire tests of weir-curl: handlers that make requests as their query says, and a proxy for the
 * upstream that the field X-Upstream names. `curl [WORKERS] [CA_FILE] [MAX_CONNECTIONS]`.
 *
 * SPDX-License-Identifier: MIT
 */
#include "serving.h"

#include <stdlib.h>
#include <string.h>
#include <weir-curl.h>

static const char *text(weir_ctx *c, const char *name)
{
    const char *value = weir_query(c, name);
    return value && *value ? value : NULL;
}

static int number(weir_ctx *c, const char *name)
{
    const char *value = text(c, name);
    return value ? (int)strtol(value, NULL, 10) : 0;
}

static weir_curl *client_of(weir_ctx *c)
{
    return weir_server_data(c) ? *(weir_curl **)weir_server_data(c) : NULL;
}

static void say(weir_ctx *c, int error, const weir_curl_reply *reply, size_t len, const char *why)
{
    weir_printf(c, "%d|%d|%zu|%s|", error, reply->status, len, why);
    if (weir_curl_header(reply, "x-answer"))
        weir_printf(c, "%s", weir_curl_header(reply, "x-answer"));
}

/* "ERROR|STATUS|LENGTH|WHY|X-ANSWER|BODY" of a request whose reply is taken whole. */
static void call(weir_ctx *c)
{
    char why[256] = "";
    const char *body = NULL;
    size_t len = 0;
    weir_curl_reply reply;
    const char *lines[] = {text(c, "line"), NULL};
    if (weir_body_length(c) != 0 && weir_body(c, 0, &body, &len) != 0)
        weir_fail(c, 400, "no body");
    weir_curl_request request = {
        .url = text(c, "url"),
        .method = text(c, "method"),
        .headers = lines,
        .type = body ? "text/x-test" : NULL,
        .body = body,
        .body_len = len,
        .timeout_ms = number(c, "timeout"),
        .idle_timeout_ms = number(c, "idle"),
        .max_body = (size_t)number(c, "max"),
        .redirects = number(c, "redirects"),
        .why = why,
        .why_size = sizeof why,
    };
    if (number(c, "deadline"))
        weir_set_deadline(c, number(c, "deadline"));
    int error = weir_curl_call(c, client_of(c), &request, &reply);
    say(c, error, &reply, reply.len, why);
    weir_write(c, "|", 1);
    weir_write(c, reply.body, reply.len < 4096 ? reply.len : 4096);
    weir_curl_done(c, &reply);
}

/* The same request `count` times at once, and one after the other `times` times. */
static int piece(weir_ctx *c, void *arg)
{
    weir_curl_reply reply;
    int error = weir_curl_get(c, client_of(c), arg, &reply);
    return error ? error : reply.status == 200 ? 0 : WEIR_EPROTO;
}

static void many(weir_ctx *c)
{
    static const int most = 64;
    weir_work works[64] = {0};
    int count = number(c, "count") < most ? number(c, "count") : most, times = number(c, "times");
    char *url = weir_sprintf(c, "%s", text(c, "url"));
    for (int i = 0; i < count; i++)
        works[i] = (weir_work){piece, url, 0};
    int error = count ? weir_group_run(c, works, (size_t)count, NULL) : 0;
    for (int i = 0; i < times && !error; i++) {
        weir_curl_reply reply;
        error = weir_curl_get(c, client_of(c), url, &reply);
        weir_curl_done(c, &reply);
    }
    weir_reply_printf(c, "text/plain", "%d", error);
}

/* Reads a reply as a stream, with a pause before each piece. */
static void stream(weir_ctx *c)
{
    char why[256] = "", buffer[8192];
    weir_curl_stream *s;
    weir_curl_reply reply = {0};
    weir_curl_request request = {.url = text(c, "url"), .why = why, .why_size = sizeof why};
    size_t total = 0;
    ssize_t len = 0;
    int error = weir_curl_open(c, client_of(c), &request, &s);
    if (!error)
        error = weir_curl_head(c, s, &reply);
    while (!error && (len = weir_curl_read(c, s, buffer, sizeof buffer)) > 0) {
        total += (size_t)len;
        if (number(c, "pause"))
            error = weir_sleep(c, number(c, "pause"));
        if (number(c, "stop_at") && total >= (size_t)number(c, "stop_at"))
            break;
    }
    say(c, error ? error : len < 0 ? (int)len : 0, &reply, total, why);
    weir_curl_close(c, s);
}

/* Writes a body of `bytes` bytes, whose length is told if `told`. */
static void upload(weir_ctx *c)
{
    char why[256] = "", buffer[8192];
    weir_curl_stream *s;
    weir_curl_reply reply = {0};
    int left = number(c, "bytes");
    weir_curl_request request = {.url = text(c, "url"),
                                 .method = text(c, "method"),
                                 .write_length = number(c, "told") ? left : WEIR_OFF,
                                 .why = why,
                                 .why_size = sizeof why};
    memset(buffer, 'u', sizeof buffer);
    int error = weir_curl_open(c, client_of(c), &request, &s);
    while (!error && left > 0) {
        int len = left < (int)sizeof buffer ? left : (int)sizeof buffer;
        error = weir_curl_write(c, s, buffer, (size_t)len);
        left -= len;
    }
    if (!error || error == WEIR_EDONE)
        error = weir_curl_head(c, s, &reply);
    say(c, error, &reply, (size_t)left, why);
    weir_curl_close(c, s);
}

static void pass(weir_ctx *c)
{
    const char *upstream = weir_header(c, "X-Upstream");
    const char *data = weir_route_data(c);
    (void)weir_proxy(c, client_of(c), upstream ? upstream : "http://127.0.0.1:1",
                     &(weir_proxy_options){
                         .strip_prefix = data,
                         .keep_host = data ? 0 : WEIR_ON,
                         .timeout_ms = weir_header(c, "X-Timeout") ? 500 : 0,
                         .idle_timeout_ms = weir_header(c, "X-Idle") ? 500 : 0,
                     });
}

int main(int argc, char **argv)
{
    static weir_curl *client;
    weir_server *s = weir_server_new(&(weir_config){
        .port = WEIR_ANY, .workers = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 1, .server_data = &client});
    client = weir_curl_new(s, &(weir_curl_config){.ca_file = argc > 2 && *argv[2] ? argv[2] : NULL,
                                                  .max_connections = argc > 3 ? (int)strtol(argv[3], NULL, 10) : 0});
    if (!client)
        return 1;
    weir_any(s, "/call", call);
    weir_get(s, "/many", many);
    weir_get(s, "/stream", stream);
    weir_get(s, "/upload", upload);
    weir_any(s, "/stripped/{rest:.*}", pass, "/stripped");
    weir_route(s, WEIR_UPGRADE, "/sockets/{rest:.*}", pass, "/sockets");
    weir_any(s, "/whole/{rest:.*}", pass);
    bool good = serving_start(s) && serving_run(s);
    weir_curl_free(client);
    weir_server_free(s);
    return good ? 0 : 1;
}
