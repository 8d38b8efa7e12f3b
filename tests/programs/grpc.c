/*
 * A gRPC service by hand, for the wire tests (gRPC over HTTP/2: requests and replies are messages, each behind a byte
 * and its length; how a call ended is told by trailers). `grpc [CERTIFICATE KEY]` serves without TLS, or with it.
 * Messages are plain bytes, so that a generic client needs no description of them.
 *
 * SPDX-License-Identifier: MIT
 */
#include "serving.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX       5
#define MESSAGE_MOST ((size_t)8 << 20)

/* The codes of gRPC that are used here. */
enum code {
    GRPC_OK = 0,
    GRPC_INVALID_ARGUMENT = 3,
    GRPC_DEADLINE_EXCEEDED = 4,
    GRPC_RESOURCE_EXHAUSTED = 8,
    GRPC_INTERNAL = 13
};

/* A call: the last message that was read, in memory that grows with it. */
struct call {
    weir_ctx *c;
    char *message;
    size_t len, room;
    enum code failed;
};

static void call_free(void *arg)
{
    struct call *call = arg;
    free(call->message);
}

/* Deferred calls run when the handler's own variables are gone: the call lies in the request's memory. */
static struct call *call_begin(weir_ctx *c)
{
    struct call *call = weir_alloc(c, sizeof *call);
    if (!call)
        weir_fail(c, 503, "no memory");
    *call = (struct call){.c = c};
    weir_defer(c, call_free, call);
    weir_set_header(c, "Content-Type", "application/grpc");
    return call;
}

static void call_end(weir_ctx *c, enum code code, const char *text)
{
    char number[12];
    snprintf(number, sizeof number, "%d", (int)code);
    weir_add_trailer(c, "grpc-status", number);
    if (text)
        weir_add_trailer(c, "grpc-message", text);
}

/* Reads all of len bytes. 1; 0 at the end of the body before the first of them; -1: it ends within, or is cut. */
static int read_all(weir_ctx *c, char *to, size_t len)
{
    for (size_t got = 0; got < len;) {
        ssize_t n = weir_read(c, to + got, len - got);
        if (n <= 0)
            return n == 0 && got == 0 ? 0 : -1;
        got += (size_t)n;
    }
    return 1;
}

/* Reads the next message. False: there is none, or the call has failed. */
static bool message_read(struct call *call)
{
    unsigned char prefix[PREFIX];
    int result = read_all(call->c, (char *)prefix, PREFIX);
    call->len = (size_t)prefix[1] << 24 | (size_t)prefix[2] << 16 | (size_t)prefix[3] << 8 | prefix[4];
    if (result == 1 && prefix[0] == 0 && call->len > MESSAGE_MOST) {
        call->failed = GRPC_RESOURCE_EXHAUSTED;
        return false;
    }
    if (result == 1 && call->len >= call->room) {
        free(call->message);
        call->room = call->len + 1;
        call->message = malloc(call->room);
    }
    bool good = result == 1 && prefix[0] == 0 && call->message &&
                (call->len == 0 || read_all(call->c, call->message, call->len) == 1);
    if (good)
        call->message[call->len] = '\0';
    else if (result != 0)
        call->failed = GRPC_INTERNAL;
    return good;
}

static bool message_write(weir_ctx *c, const char *data, size_t len)
{
    const char prefix[PREFIX] = {0, (char)(len >> 24 & 0xff), (char)(len >> 16 & 0xff), (char)(len >> 8 & 0xff),
                                 (char)(len & 0xff)};
    return weir_write(c, prefix, PREFIX) == 0 && weir_write(c, data, len) == 0;
}

/* Milliseconds until the client gives the call up; -1: it waits. */
static int64_t time_given(weir_ctx *c)
{
    static const struct {
        char unit;
        int64_t microseconds;
    } units[] = {{'H', 3600000000}, {'M', 60000000}, {'S', 1000000}, {'m', 1000}, {'u', 1}};
    const char *text = weir_header(c, "grpc-timeout");
    char *unit = NULL;
    long long count = text ? strtoll(text, &unit, 10) : -1;
    if (count < 0)
        return -1;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (*unit == units[i].unit)
            return (int64_t)count * units[i].microseconds / 1000;
    return 0;
}

/* ---- Methods */

static void unary(weir_ctx *c)
{
    struct call *call = call_begin(c);
    if (message_read(call) && message_write(c, call->message, call->len))
        call_end(c, GRPC_OK, NULL);
    else
        call_end(c, call->failed ? call->failed : GRPC_INVALID_ARGUMENT, "no message");
}

/* Each message back as it comes. */
static void both_stream(weir_ctx *c)
{
    struct call *call = call_begin(c);
    while (message_read(call))
        if (!message_write(c, call->message, call->len) || weir_flush(c) != 0)
            return;
    call_end(c, call->failed, NULL);
}

/* As many messages as the first one says. */
static void server_streams(weir_ctx *c)
{
    struct call *call = call_begin(c);
    char text[32];
    long count = message_read(call) ? strtol(call->message, NULL, 10) : 0;
    for (long i = 0; i < count; i++)
        if (!message_write(c, text, (size_t)snprintf(text, sizeof text, "message %ld", i)))
            return;
    call_end(c, call->failed, NULL);
}

/* The number of messages and of their bytes. */
static void client_streams(weir_ctx *c)
{
    struct call *call = call_begin(c);
    char text[64];
    size_t count = 0, bytes = 0;
    for (; message_read(call); count++)
        bytes += call->len;
    if (!call->failed)
        message_write(c, text, (size_t)snprintf(text, sizeof text, "%zu %zu", count, bytes));
    call_end(c, call->failed, NULL);
}

/* Ends with the code that the message gives; behind messages, if there is a "+". */
static void fail(weir_ctx *c)
{
    struct call *call = call_begin(c);
    if (!message_read(call))
        weir_fail(c, 400, "no message");
    char *plus = strchr(call->message, '+');
    if (plus && !message_write(c, "part", 4))
        return;
    call_end(c, (enum code)strtol(call->message, NULL, 10), "as was asked for: 100%25");
}

/* Sleeps for as many milliseconds, but no longer than the client waits. */
static void sleep_for(weir_ctx *c)
{
    struct call *call = call_begin(c);
    long wanted = message_read(call) ? strtol(call->message, NULL, 10) : 0;
    int64_t given = time_given(c);
    bool late = given >= 0 && given < wanted;
    if (weir_sleep(c, (int)(late ? given : wanted)) != 0)
        return;
    if (!late)
        message_write(c, "slept", 5);
    call_end(c, late ? GRPC_DEADLINE_EXCEEDED : GRPC_OK, NULL);
}

/* The time that the client gives, in ms, and a field of its own. */
static void tell(weir_ctx *c)
{
    struct call *call = call_begin(c);
    char text[256];
    const char *field = message_read(call) ? weir_header(c, "x-field") : NULL;
    int len = snprintf(text, sizeof text, "%lld %s", (long long)time_given(c), field ? field : "none");
    weir_set_header(c, "x-leading", "l");
    message_write(c, text, (size_t)len);
    weir_add_trailer(c, "x-trailing", "t");
    call_end(c, GRPC_OK, NULL);
}

static void ledger(weir_ctx *c)
{
    weir_ledger_json(c);
}

static void add_routes(weir_server *s)
{
    weir_post(s, "/test.Echo/Unary", unary);
    weir_post(s, "/test.Echo/Both", both_stream);
    weir_post(s, "/test.Echo/Server", server_streams);
    weir_post(s, "/test.Echo/Client", client_streams);
    weir_post(s, "/test.Echo/Fail", fail);
    weir_post(s, "/test.Echo/Sleep", sleep_for);
    weir_post(s, "/test.Echo/Tell", tell);
    weir_get(s, "/ledger", ledger);
}

int main(int argc, char **argv)
{
    weir_server *s = weir_server_new(&(weir_config){.port = WEIR_ANY, .workers = 2, .http2_max_streams = 200});
    if (argc == 3) {
        weir_tls_config tls = {.certificate = argv[1], .key = argv[2]};
        weir_server_listen(s, &(weir_listen_config){.host = "127.0.0.1", .port = WEIR_ANY, .tls = &tls});
    }
    add_routes(s);
    bool good = serving_start(s);
    if (good && argc == 3) {
        sigset_t end = serving_end();
        int number;
        printf("listening on https://127.0.0.1:%d\n", weir_server_tls_port(s));
        fflush(stdout);
        sigwait(&end, &number);
        weir_server_stop(s);
        good = weir_server_wait(s) == 0;
    } else if (good) {
        good = serving_run(s);
    }
    weir_server_free(s);
    return good ? 0 : 1;
}
