/*
 * A server of WebSockets in a straight line, for the wire tests: `websocket SETTING=VALUE ...`. Settings are members of
 * weir_config by name; certificate and key add a TLS listener. One worker. A path's query sets members of
 * weir_ws_config by name.
 *
 *   /echo    sends back each message, or each piece of one as a part
 *   /pieces  says of each piece whether it is the first and the last, and its length
 *   /parts   sends back each message in three parts, with a Ping behind the first
 *   /close   closes at once with the query's code and reason, and reads on
 *   /leave   ends behind its first message, /fail by weir_fail(), /within within a message that is sent in parts
 *   /timed   as /echo; says "tick" when nothing has come for 50 ms
 *   /look    says what weir_ws_receive() with WEIR_OFF says, 0.1 s after a message
 *   /stop    as /echo; when the server stops it says "stopping" and goes on
 *   /topic   as /echo; sends the messages of the query's topic, with the query's last of its history; "part" begins a
 *            message in parts, "end" ends it, "off" unsubscribes
 *   /version says by which version of HTTP it was opened, then as /echo
 *   /own     answers a refusal by a page of its own
 *   /calls   says what calls say that are wrong
 *   /deny    a request middleware refuses
 *
 *   /last     what ended the last of these sockets, and its code, reason and protocol
 *   /publish  publishes the query's text to its topic, `count` times
 *   /ledger   the ledger
 *
 * SPDX-License-Identifier: MIT
 */
#include "named.h"
#include "serving.h"

#include <stdlib.h>
#include <string.h>

static char last[512] = "none\n"; /* there is one worker */

static int number(weir_ctx *c, const char *name)
{
    const char *text = weir_query(c, name);
    return text ? (int)strtol(text, NULL, 10) : 0;
}

static int accept_socket(weir_ctx *c)
{
    return weir_ws_accept(c, &(weir_ws_config){
                                 .protocols = weir_query(c, "protocols"),
                                 .origins = weir_query(c, "origins"),
                                 .kinds = number(c, "kinds"),
                                 .max_message = number(c, "max_message"),
                                 .max_frame = number(c, "max_frame"),
                                 .whole = number(c, "whole"),
                                 .ping_ms = number(c, "ping_ms"),
                                 .pong_timeout_ms = number(c, "pong_timeout_ms"),
                                 .close_timeout_ms = number(c, "close_timeout_ms"),
                                 .deflate = number(c, "deflate"),
                                 .deflate_server_takeover = number(c, "deflate_server_takeover"),
                                 .deflate_client_takeover = number(c, "deflate_client_takeover"),
                                 .deflate_server_bits = number(c, "deflate_server_bits"),
                                 .deflate_client_bits = number(c, "deflate_client_bits"),
                                 .deflate_level = number(c, "deflate_level"),
                                 .deflate_min_size = number(c, "deflate_min_size"),
                             });
}

static void note(weir_ctx *c, int result)
{
    snprintf(last, sizeof last, "%d %d \"%s\" \"%s\"\n", result, weir_ws_close_code(c), weir_ws_close_reason(c),
             weir_ws_protocol(c));
}

static int kind_of(const weir_ws_message *m)
{
    return m->text ? WEIR_WS_TEXT : WEIR_WS_BINARY;
}

/* Sends back what comes, and returns what ended that. */
static int send_back(weir_ctx *c, int timeout_ms)
{
    weir_ws_message m;
    int result;
    while ((result = weir_ws_receive(c, &m, timeout_ms)) == 0) {
        if (m.first && m.last)
            result = weir_ws_send(c, kind_of(&m), m.data, m.len);
        else
            result = weir_ws_send_part(c, kind_of(&m), m.data, m.len, m.last);
        if (result != 0 && result != WEIR_ECLOSED)
            break;
    }
    note(c, result);
    return result;
}

static void echo(weir_ctx *c)
{
    if (accept_socket(c) == 0)
        send_back(c, 0);
}

static void pieces(weir_ctx *c)
{
    weir_ws_message m;
    int result;
    if (accept_socket(c) != 0)
        return;
    while ((result = weir_ws_receive(c, &m, 0)) == 0)
        weir_ws_printf(c, "%d %d %d %zu", m.text, m.first, m.last, m.len);
    note(c, result);
}

static void parts(weir_ctx *c)
{
    weir_ws_message m;
    if (accept_socket(c) != 0)
        return;
    while (weir_ws_receive(c, &m, 0) == 0) {
        size_t third = m.len / 3;
        weir_ws_send_part(c, kind_of(&m), m.data, third, false);
        weir_ws_ping(c, "within", 6);
        weir_ws_send_part(c, kind_of(&m), m.data + third, third, false);
        weir_ws_send_part(c, kind_of(&m), m.data + 2 * third, m.len - 2 * third, true);
    }
}

static void close_now(weir_ctx *c)
{
    weir_ws_message m;
    int result, count = 0;
    if (accept_socket(c) != 0)
        return;
    result = weir_ws_close(c, number(c, "code"), weir_query(c, "reason"));
    if (result != 0) {
        weir_ws_printf(c, "%d", result);
        return;
    }
    while ((result = weir_ws_receive(c, &m, 0)) == 0)
        count++;
    note(c, result);
    snprintf(last + strlen(last) - 1, 20, " %d\n", count);
}

static void leave(weir_ctx *c)
{
    weir_ws_message m;
    if (accept_socket(c) == 0)
        weir_ws_receive(c, &m, 0);
}

static void fail(weir_ctx *c)
{
    leave(c);
    weir_fail(c, 500, "on purpose");
}

static void within(weir_ctx *c)
{
    leave(c);
    weir_ws_send_part(c, WEIR_WS_TEXT, "begun", 5, false);
}

static void timed(weir_ctx *c)
{
    if (accept_socket(c) != 0)
        return;
    while (send_back(c, 50) == WEIR_ETIMEDOUT)
        weir_ws_send_text(c, "tick");
}

static void look(weir_ctx *c)
{
    weir_ws_message m;
    if (accept_socket(c) != 0)
        return;
    while (weir_ws_receive(c, &m, 0) == 0) {
        weir_sleep(c, 100);
        int result = weir_ws_receive(c, &m, WEIR_OFF);
        weir_ws_printf(c, "%d %.*s", result, (int)m.len, m.data);
    }
}

static void stop(weir_ctx *c)
{
    if (accept_socket(c) != 0)
        return;
    if (send_back(c, 0) == WEIR_ECANCELED && weir_stopping(c))
        weir_ws_send_text(c, "stopping");
    if (number(c, "on"))
        send_back(c, 0);
}

static void topic(weir_ctx *c)
{
    weir_ws_message m;
    int result;
    const char *name = weir_query(c, "topic");
    if (accept_socket(c) != 0)
        return;
    result = weir_ws_subscribe(c, name, &(weir_topic_start){.last = number(c, "last")});
    weir_ws_printf(c, "%d %d", result, weir_ws_subscribe(c, name, NULL));
    while ((result = weir_ws_receive(c, &m, 0)) == 0) {
        if (m.len == 4 && memcmp(m.data, "part", 4) == 0)
            weir_ws_send_part(c, WEIR_WS_TEXT, m.data, m.len, false);
        else if (m.len == 3 && memcmp(m.data, "end", 3) == 0)
            weir_ws_send_part(c, WEIR_WS_TEXT, m.data, m.len, true);
        else if (m.len == 3 && memcmp(m.data, "off", 3) == 0)
            result = weir_ws_unsubscribe(c, name), weir_ws_printf(c, "%d %d", result, weir_ws_unsubscribe(c, name));
        else
            weir_ws_send(c, kind_of(&m), m.data, m.len);
    }
    note(c, result);
}

static void version(weir_ctx *c)
{
    if (accept_socket(c) != 0)
        return;
    weir_ws_printf(c, "HTTP %d", weir_http_version(c));
    send_back(c, 0);
}

static void own(weir_ctx *c)
{
    int error = accept_socket(c);
    if (error)
        weir_fail(c, 418, "%s", weir_strerror(error));
}

static void calls(weir_ctx *c)
{
    weir_ws_message m;
    int before[] = {weir_ws_send(c, WEIR_WS_TEXT, "a", 1), weir_ws_receive(c, &m, 0), weir_ws_close(c, 1000, NULL),
                    weir_ws_subscribe(c, "room", NULL)};
    if (accept_socket(c) != 0)
        return;
    int errors[] = {
        weir_ws_send(c, 3, "a", 1),     weir_ws_send(c, WEIR_WS_TEXT, "\xff", 1),
        weir_ws_receive(c, NULL, 0),    weir_ws_receive(c, &m, -2),
        weir_ws_close(c, 1005, NULL),   weir_ws_close(c, 0, "reason"),
        weir_ws_close(c, 1000, "\xff"), weir_ws_subscribe(c, "a//b", NULL),
        weir_ws_unsubscribe(c, "room"), weir_ws_accept(c, NULL),
    };
    for (size_t i = 0; i < sizeof before / sizeof *before; i++)
        weir_ws_printf(c, "%d", before[i]);
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        weir_ws_printf(c, "%d", errors[i]);
    weir_ws_send_part(c, WEIR_WS_TEXT, "\xc3", 1, false); /* half a character */
    int within_one[] = {weir_ws_send(c, WEIR_WS_TEXT, "a", 1), weir_ws_send_part(c, WEIR_WS_BINARY, "a", 1, true),
                        weir_ws_send_part(c, WEIR_WS_TEXT, "a", 1, true)};
    weir_ws_send_part(c, WEIR_WS_TEXT, "\xa9", 1, true);
    for (size_t i = 0; i < sizeof within_one / sizeof *within_one; i++)
        weir_ws_printf(c, "%d", within_one[i]);
}

static void told(weir_ctx *c)
{
    weir_reply_text(c, last);
}

static void publish(weir_ctx *c)
{
    int count = number(c, "count"), error = 0;
    char text[64];
    for (int i = 0; i < (count ? count : 1) && !error; i++) {
        snprintf(text, sizeof text, count ? "%s %d" : "%s", weir_query(c, "text"), i);
        error = weir_topic_publish_to(weir_ctx_server(c), weir_query(c, "topic"), &(weir_message){.text = text});
    }
    weir_printf(c, "%d", error);
}

static void deny(weir_ctx *c)
{
    weir_reply_error(c, 401, "who are you?");
}

static void mark(weir_ctx *c)
{
    weir_set_header(c, "X-Middleware", "yes");
}

static void routes(weir_server *s)
{
    static const struct {
        const char *path;
        weir_handler handler;
    } sockets[] = {{"/echo", echo},   {"/pieces", pieces}, {"/parts", parts},   {"/close", close_now},
                   {"/leave", leave}, {"/fail", fail},     {"/within", within}, {"/timed", timed},
                   {"/look", look},   {"/stop", stop},     {"/topic", topic},   {"/version", version},
                   {"/own", own},     {"/calls", calls}};
    weir_on_response(weir_root(s), mark);
    for (size_t i = 0; i < sizeof sockets / sizeof *sockets; i++)
        weir_route(s, WEIR_UPGRADE, sockets[i].path, sockets[i].handler);
    weir_group *denied = weir_group_new(s, NULL, "/deny", NULL);
    weir_on_request(denied, deny);
    weir_group_route(denied, WEIR_UPGRADE, "", echo, NULL);
    weir_get(s, "/last", told);
    weir_get(s, "/publish", publish);
    weir_get(s, "/ledger", weir_ledger_json);
    weir_topic_new(s, "room", &(weir_topic_bounds){.history = 10});
    weir_topic_new(s, "strict", &(weir_topic_bounds){.max_messages = 8, .overrun = WEIR_OVERRUN_DISCONNECT});
}

int main(int argc, char **argv)
{
    const weir_config config = {.host = "127.0.0.1", .port = WEIR_ANY, .log_level = WEIR_OFF, .workers = 1};
    weir_server *s = named_server(config, argc, argv);
    routes(s);
    return serve(s);
}
