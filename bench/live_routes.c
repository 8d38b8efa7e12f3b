/*
 * weir as bench/tables/live.py and script/bench_subscribers measure it: WebSockets that send back what comes,
 * WebSockets of a topic, to which each publishes what it is sent, and event streams of that topic. All work by events,
 * so that between messages none of them holds a fiber.
 *
 *     live_routes PORT [TLS_PORT CERTIFICATE KEY [lean]]
 *
 * SPDX-License-Identifier: MIT
 */
#include <stdio.h>
#include <stdlib.h>

#include <weir.h>

static void hello(weir_ctx *c)
{
    static const char text[] = "Hello, World!";
    weir_reply_static(c, "text/plain", text, sizeof(text) - 1);
}

static void echo(weir_ctx *c, void *data, const weir_ws_message *m)
{
    (void)data;
    weir_ws_send(c, m->text ? WEIR_WS_TEXT : WEIR_WS_BINARY, m->data, m->len);
}

/* The topic is made before the start, and stays, so that a socket can hold on to it. */
static void listen_to_topic(weir_ctx *c, void *data)
{
    (void)data;
    if (weir_ws_subscribe(c, "bench", NULL) != 0)
        weir_ws_close(c, 1013, "no room");
}

static void publish(weir_ctx *c, void *topic, const weir_ws_message *m)
{
    (void)c;
    weir_topic_publish(topic, &(weir_message){.data = m->data, .len = m->len, .binary = !m->text});
}

static void events(weir_ctx *c)
{
    int error = weir_sse_subscribe(c, "bench", NULL);
    if (error)
        weir_reply_error(c, 503, weir_strerror(error));
}

int main(int argc, char **argv)
{
    if (argc != 2 && argc != 5 && argc != 6)
        return fprintf(stderr, "usage: live_routes PORT [TLS_PORT CERTIFICATE KEY [lean]]\n"), 2;
    weir_server *s = weir_server_new(&(weir_config){
        .host = "127.0.0.1", .port = (int)strtol(argv[1], NULL, 10), .http_buffer_size = 8192, /* as the tour's */
    });
    if (argc > 4) {
        weir_tls_config tls = {.certificate = argv[3], .key = argv[4], .lean_records = argc > 5 ? WEIR_ON : WEIR_OFF};
        weir_server_listen(
            s, &(weir_listen_config){.host = "127.0.0.1", .port = (int)strtol(argv[2], NULL, 10), .tls = &tls});
    }
    weir_get(s, "/", hello);
    weir_get(s, "/ledger", weir_ledger_json);
    weir_get(s, "/events/bench", events);
    weir_websocket(s, "/ws", &(weir_ws_handlers){.message = echo});
    weir_websocket(
        s, "/ws/topic/bench",
        &(weir_ws_handlers){.open = listen_to_topic, .message = publish, .data = weir_topic_new(s, "bench", NULL)});
    int error = weir_run(s);
    weir_server_free(s);
    return error ? 1 : 0;
}
