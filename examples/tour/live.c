/*
 * The tour's clients that stay: WebSockets that echo, a tick each second, and topics of any name, which come as events
 * and by WebSocket. None of them holds a fiber while it waits.
 *
 * SPDX-License-Identifier: MIT
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tour.h"

#define TICKS "tour/ticks"

enum {
    ECHO_MESSAGE_MAX = 16 << 20,
    TOPIC_MESSAGE_MAX = 64 << 10,
};

/* ---- Echo */

static void echo(weir_ctx *c, void *data, const weir_ws_message *m)
{
    (void)data;
    weir_ws_send(c, m->text ? WEIR_WS_TEXT : WEIR_WS_BINARY, m->data, m->len);
}

/* ---- Ticks */

void tick(weir_server *s, unsigned seconds)
{
    char text[32];
    if (weir_topic_subscribers(s, TICKS) == 0)
        return;
    snprintf(text, sizeof(text), "%u", seconds);
    weir_topic_publish_to(s, TICKS, &(weir_message){.event = "tick", .text = text});
}

static void events(weir_ctx *c)
{
    int error = weir_sse_subscribe(c, TICKS, NULL);
    if (error)
        weir_reply_error(c, 503, weir_strerror(error));
    else
        weir_sse_send(c, &(weir_event){.event = "hello", .data = "a tick follows each second", .retry_ms = 1000});
}

/* ---- Topics */

/* What went wrong with a topic, to the client. */
static void topic_refuse(weir_ctx *c, int error)
{
    int status = error == WEIR_EACCES ? 404 : error == WEIR_ENOMEM || error == WEIR_ETOOBIG ? 503 : 400;
    weir_reply_error(c, status, weir_strerror(error));
}

/* The topic that a visitor names; NULL, and a reply: it is none, or one of the tour's own. */
static const char *topic_name(weir_ctx *c)
{
    const char *name = weir_param(c, "name");
    if (weir_topic_is_name(name) && !strpbrk(name, "/$"))
        return name;
    topic_refuse(c, WEIR_EACCES);
    return NULL;
}

static void topic_events(weir_ctx *c)
{
    const char *name = topic_name(c);
    int error = name ? weir_sse_subscribe(c, name, NULL) : 0;
    if (error)
        topic_refuse(c, error);
}

static void topic_post(weir_ctx *c)
{
    const char *name = topic_name(c), *data;
    size_t len;
    if (!name)
        return;
    int error = weir_body(c, TOPIC_MESSAGE_MAX, &data, &len);
    if (error)
        weir_fail(c, error == WEIR_ETOOBIG ? 413 : error == WEIR_ENOMEM ? 503 : 400, "%s", weir_strerror(error));
    error = weir_topic_publish_to(weir_ctx_server(c), name,
                                  &(weir_message){.data = data, .len = len, .event = weir_query(c, "event")});
    if (error)
        topic_refuse(c, error);
    else
        weir_set_status(c, 204);
}

static bool topic_accept(weir_ctx *c, void **data)
{
    const char *name = topic_name(c);
    *data = name ? strdup(name) : NULL;
    if (name && !*data)
        topic_refuse(c, WEIR_ENOMEM);
    return *data != NULL;
}

static void topic_open(weir_ctx *c, void *name)
{
    int error = weir_ws_subscribe(c, name, NULL);
    if (error)
        weir_ws_close(c, 1008, weir_strerror(error));
}

static void topic_message(weir_ctx *c, void *name, const weir_ws_message *m)
{
    weir_topic_publish_to(weir_ctx_server(c), name,
                          &(weir_message){.data = m->data, .len = m->len, .binary = !m->text});
}

static void topic_close(weir_ctx *c, void *name, int code, const char *reason)
{
    (void)c, (void)code, (void)reason;
    free(name);
}

/* ---- Routes */

void add_live_routes(weir_server *s)
{
    weir_ws_handlers echoes = {.message = echo, .config = {.max_message = ECHO_MESSAGE_MAX}};
    weir_websocket(s, "/ws", &echoes);
    echoes.config = (weir_ws_config){.deflate = WEIR_ON};
    weir_websocket(s, "/ws/deflate", &echoes);

    weir_topic_new(s, TICKS, NULL);
    weir_get(s, "/events", events);

    weir_topic_allow(s, "+", &(weir_topic_bounds){.history = 100, .max_message = TOPIC_MESSAGE_MAX});
    weir_get(s, "/topic/{name}", topic_events);
    weir_group *bodies = weir_group_new(s, NULL, "", NULL);
    weir_group_set(bodies, &(weir_group_settings){.body_memory = TOPIC_MESSAGE_MAX});
    weir_group_route(bodies, "POST", "/topic/{name}", topic_post, NULL);
    weir_websocket(s, "/ws/topic/{name}",
                   &(weir_ws_handlers){
                       .accept = topic_accept,
                       .open = topic_open,
                       .message = topic_message,
                       .close = topic_close,
                       .config = {.max_message = TOPIC_MESSAGE_MAX},
                   });
}
