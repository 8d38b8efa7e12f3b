/*
 * A server for the wire tests of clients that stay: event streams of topics and by hand, and WebSockets by events.
 * `live [WORKERS [PORT TLS_PORT]]` serves with two workers unless told otherwise, and at ports of its own choice.
 *
 * SPDX-License-Identifier: MIT
 */
#include "serving.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* The events of a topic, or of all that a pattern matches; a second one by ?also=. With ?retry= the client is told how
 * soon to come back. */
static void events(weir_ctx *c)
{
    const char *last = weir_query(c, "last"), *also = weir_query(c, "also"), *retry = weir_query(c, "retry");
    const weir_topic_start start = {.last = last ? (int)strtol(last, NULL, 10) : 0};
    int error = weir_sse_subscribe(c, weir_param(c, "topic"), last ? &start : NULL);
    if (!error && also)
        error = weir_sse_subscribe(c, also, NULL);
    if (error)
        weir_reply_error(c, 400, weir_strerror(error));
    else if (retry)
        weir_sse_send(c, &(weir_event){.retry_ms = (int)strtol(retry, NULL, 10)});
    else
        weir_write(c, ": subscribed\n\n", 14);
}

/* Events by hand. */
static void counted(weir_ctx *c)
{
    const char *seen = weir_sse_last_id(c);
    weir_sse_open(c);
    weir_sse_send(c, &(weir_event){.event = "seen", .data = seen ? seen : "nothing", .retry_ms = 50});
    for (int i = 0; i < 3; i++) {
        char id[16];
        snprintf(id, sizeof id, "%d", i);
        weir_sse_send(c, &(weir_event){.data = "one\ntwo\r\nthree\r", .id = id});
    }
    if (weir_sse_send(c, &(weir_event){.id = "a\nb"}) != WEIR_EINVAL)
        weir_fail(c, 500, "an id of two lines");
}

/* ---- WebSockets by events ---- */

static _Atomic int accepted, opened, closed;
static char last_close[128];
static pthread_mutex_t last_mutex = PTHREAD_MUTEX_INITIALIZER;

static bool socket_accept(weir_ctx *c, void **data)
{
    const char *name = weir_query(c, "name");
    accepted++;
    if (name && strcmp(name, "nobody") == 0) {
        weir_reply_error(c, 403, "not you");
        return false;
    }
    if (name && strcmp(name, "version") == 0)
        return asprintf((char **)data, "HTTP %d", weir_http_version(c)) >= 0;
    *data = strdup(name ? name : "somebody");
    return *data != NULL;
}

static void socket_open(weir_ctx *c, void *data)
{
    opened++;
    if (strcmp(data, "greeted") == 0)
        weir_ws_send_text(c, "hello");
    if (strncmp(data, "HTTP", 4) == 0)
        weir_ws_send_text(c, data);
}

/* Sends back what comes; some texts are commands. */
static void socket_message(weir_ctx *c, void *data, const weir_ws_message *m)
{
    char *text = weir_alloc(c, m->len + 1);
    (void)data;
    if (text && m->len < 64) {
        memcpy(text, m->data, m->len);
        text[m->len] = '\0';
        if (strncmp(text, "subscribe ", 10) == 0) {
            weir_ws_printf(c, "%d", weir_ws_subscribe(c, text + 10, NULL));
            return;
        }
        if (strcmp(text, "fail") == 0)
            weir_fail(c, 500, "as told");
        if (strcmp(text, "close") == 0) {
            weir_ws_close(c, 3001, "as told");
            return;
        }
        if (strcmp(text, "protocol") == 0) {
            weir_ws_send_text(c, weir_ws_protocol(c));
            return;
        }
        if (strcmp(text, "sleep") == 0)
            weir_sleep(c, 100);
        if (strcmp(text, "sleep long") == 0)
            weir_sleep(c, 3600 * 1000);
    }
    weir_ws_send(c, m->text ? WEIR_WS_TEXT : WEIR_WS_BINARY, m->data, m->len);
}

static void socket_close(weir_ctx *c, void *data, int code, const char *reason)
{
    pthread_mutex_lock(&last_mutex);
    snprintf(last_close, sizeof last_close, "%s %d %s", (char *)data, code, reason);
    pthread_mutex_unlock(&last_mutex);
    bool sleeper = strcmp(data, "sleeper") == 0;
    free(data);
    closed++;
    if (sleeper)
        weir_sleep(c, 3600 * 1000);
}

static void tell_accepted(weir_ctx *c)
{
    weir_reply_printf(c, NULL, "%d", accepted);
}

static void sockets(weir_ctx *c)
{
    char last[sizeof last_close];
    pthread_mutex_lock(&last_mutex);
    memcpy(last, last_close, sizeof last);
    pthread_mutex_unlock(&last_mutex);
    weir_reply_printf(c, NULL, "%d %d %s", opened, closed, last);
}

static void publish(weir_ctx *c)
{
    const char *times = weir_query(c, "times");
    const char *text = weir_query(c, "text");
    long count = times ? strtol(times, NULL, 10) : 1;
    int error = 0;
    for (long i = 0; i < count && !error; i++) {
        char numbered[64];
        snprintf(numbered, sizeof numbered, "%ld", i);
        error = weir_topic_publish_to(weir_ctx_server(c), weir_param(c, "topic"),
                                      &(weir_message){.text = text ? text : numbered, .event = weir_query(c, "event")});
    }
    weir_reply_printf(c, NULL, "%d", error);
}

static void subscribers(weir_ctx *c)
{
    weir_reply_printf(c, NULL, "%zu", weir_topic_subscribers(weir_ctx_server(c), weir_param(c, "topic")));
}

int main(int argc, char **argv)
{
    int workers = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 2;
    int port = argc > 3 ? (int)strtol(argv[2], NULL, 10) : WEIR_ANY;
    int tls_port = argc > 3 ? (int)strtol(argv[3], NULL, 10) : WEIR_ANY;
    weir_server *s = weir_server_new(&(weir_config){.port = port, .workers = workers, .stop_timeout_ms = 5000});
    weir_server_listen(s, &(weir_listen_config){.port = WEIR_ANY});
    weir_server_listen(
        s, &(weir_listen_config){.port = tls_port, .tls = &(weir_tls_config){.self_signed = "localhost 127.0.0.1"}});
    weir_get(s, "/events/{topic:^.*$}", events);
    weir_get(s, "/counted", counted);
    weir_get(s, "/publish/{topic:^.*$}", publish);
    weir_get(s, "/subscribers/{topic:^.*$}", subscribers);
    weir_get(s, "/ledger", weir_ledger_json);
    weir_get(s, "/sockets", sockets);
    weir_get(s, "/accepted", tell_accepted);
    const weir_ws_handlers handlers = {
        .accept = socket_accept, .open = socket_open, .message = socket_message, .close = socket_close};
    weir_ws_handlers quick = handlers, deflated = handlers, pinged = handlers, protocols = handlers;
    quick.config = (weir_ws_config){.ping_ms = 100, .pong_timeout_ms = 300, .close_timeout_ms = 300};
    deflated.config = (weir_ws_config){.deflate = WEIR_ON};
    pinged.config = (weir_ws_config){.ping_ms = 50, .pong_timeout_ms = 3600 * 1000};
    protocols.config = (weir_ws_config){.protocols = "one two"};
    weir_websocket(s, "/socket", &handlers);
    weir_websocket(s, "/socket/quick", &quick);
    weir_websocket(s, "/socket/deflated", &deflated);
    weir_websocket(s, "/socket/pinged", &pinged);
    weir_websocket(s, "/socket/protocols", &protocols);
    weir_topic_new(s, "hall", &(weir_topic_bounds){.history = 10});
    weir_topic_new(s, "small", &(weir_topic_bounds){.max_messages = 8});
    weir_topic_new(s, "strict", &(weir_topic_bounds){.max_messages = 8, .overrun = WEIR_OVERRUN_DISCONNECT});
    weir_topic_allow(s, "room/#", NULL);
    return serve(s);
}
