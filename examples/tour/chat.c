/*
 * The tour's chat: rooms with what was said last and who is there. A visitor is a WebSocket by events, a room is a
 * topic with a history and members, and both go when nobody needs them.
 *
 * SPDX-License-Identifier: MIT
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tour.h"

enum {
    NAME_MAX_BYTES = 32, /* of a room and of a visitor */
    SAID_MAX = 1000,     /* bytes of what is said at once: as JSON they fit an event's memory, whatever they are */
    HISTORY = 50,
    VISITORS_MAX = 100, /* names in a room */
};

/* The bytes of chat.html, which are linked in. */
extern const unsigned char chat_html[];
extern const size_t chat_html_size;

struct visitor {
    weir_member *member;
    char room[sizeof("chat/") + NAME_MAX_BYTES];
    char who[NAME_MAX_BYTES + 1];
};

static void page(weir_ctx *c)
{
    weir_set_header(c, "Cache-Control", "no-cache");
    weir_reply_static(c, "text/html; charset=utf-8", chat_html, chat_html_size);
}

/* Whether a text is a name that can be shown, and a segment of a topic's. */
static bool is_name(const char *text)
{
    return weir_topic_is_name(text) && strlen(text) <= NAME_MAX_BYTES && !strchr(text, '/');
}

static bool enter(weir_ctx *c, void **data)
{
    const char *room = weir_param(c, "room"), *who = weir_query(c, "name");
    if (!is_name(room) || !is_name(who)) {
        weir_reply_error(c, 400, "a room and a name have from 1 to 32 bytes, and none of / + #");
        return false;
    }
    struct visitor *v = calloc(1, sizeof(*v));
    if (!v) {
        weir_reply_error(c, 503, "no memory");
        return false;
    }
    snprintf(v->room, sizeof(v->room), "chat/%s", room);
    snprintf(v->who, sizeof(v->who), "%s", who);
    int error = weir_topic_join(weir_ctx_server(c), v->room, v->who, &v->member);
    if (error) {
        free(v);
        weir_reply_error(c, 503, weir_strerror(error));
        return false;
    }
    *data = v;
    return true;
}

struct names {
    size_t count;
    char of[VISITORS_MAX][NAME_MAX_BYTES + 1];
};

static void note_name(void *arg, const char *who)
{
    struct names *names = arg;
    if (names->count < VISITORS_MAX)
        snprintf(names->of[names->count++], sizeof(names->of[0]), "%s", who);
}

/* Tells a visitor who is there. */
static int send_names(weir_ctx *c, const struct visitor *v)
{
    struct names *names = weir_alloc(c, sizeof(*names));
    const char *text = "{\"event\":\"here\",\"who\":[";
    if (!names)
        return WEIR_ENOMEM;
    names->count = 0;
    weir_topic_members(weir_ctx_server(c), v->room, note_name, names);
    int error = weir_ws_send_part(c, WEIR_WS_TEXT, text, strlen(text), false);
    for (size_t i = 0; i < names->count && !error; i++) {
        text = weir_json_string(c, names->of[i]);
        if (!text)
            return WEIR_ENOMEM;
        if (i > 0)
            error = weir_ws_send_part(c, WEIR_WS_TEXT, ",", 1, false);
        if (!error)
            error = weir_ws_send_part(c, WEIR_WS_TEXT, text, strlen(text), false);
    }
    return error ? error : weir_ws_send_part(c, WEIR_WS_TEXT, "]}", 2, true);
}

/* Who comes and goes is subscribed to before the list is made, so that nobody is missed. */
static void opened(weir_ctx *c, void *data)
{
    const struct visitor *v = data;
    const char *presence = weir_sprintf(c, "$presence/%s", v->room);
    int error = presence ? weir_ws_subscribe(c, presence, NULL) : WEIR_ENOMEM;
    if (!error)
        error = send_names(c, v);
    if (!error)
        error = weir_ws_subscribe(c, v->room, &(weir_topic_start){.last = HISTORY});
    if (error)
        weir_ws_close(c, 1013, weir_strerror(error));
}

static void said(weir_ctx *c, void *data, const weir_ws_message *m)
{
    const struct visitor *v = data;
    struct timespec now;
    const char *text = weir_sprintf(c, "%.*s", (int)m->len, m->data);
    const char *quoted = text ? weir_json_string(c, text) : NULL, *who = weir_json_string(c, v->who);
    clock_gettime(CLOCK_REALTIME, &now);
    if (quoted && who)
        text = weir_sprintf(c, "{\"event\":\"say\",\"who\":%s,\"text\":%s,\"time\":%lld}", who, quoted,
                            (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000);
    if (!quoted || !who || !text || weir_topic_publish_to(weir_ctx_server(c), v->room, &(weir_message){.text = text}))
        weir_ws_close(c, 1013, "no memory");
}

static void left(weir_ctx *c, void *data, int code, const char *reason)
{
    struct visitor *v = data;
    (void)c, (void)code, (void)reason;
    weir_topic_leave(v->member);
    free(v);
}

void add_chat_routes(weir_server *s)
{
    weir_topic_allow(s, "chat/+",
                     &(weir_topic_bounds){.history = HISTORY, .presence = WEIR_ON, .max_members = VISITORS_MAX});
    weir_get(s, "/chat", page);
    weir_websocket(s, "/chat/{room}",
                   &(weir_ws_handlers){
                       .accept = enter,
                       .open = opened,
                       .message = said,
                       .close = left,
                       .config = {.kinds = WEIR_WS_TEXT, .max_message = SAID_MAX},
                   });
}
