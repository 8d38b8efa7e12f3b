/*
 * The opening handshake over a request's fields.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/context.h"
#include "web/websocket/socket.h"

#define LINES_MAX 16 /* of one name; a request with more is malformed */

/* The fields that matter, all lines of each. */
enum wanted { UPGRADE, CONNECTION, KEY, VERSION, PROTOCOLS, EXTENSIONS, ORIGIN, WANTED };

static const struct slice wanted_names[WANTED] = {
    [UPGRADE] = {"Upgrade", 7},
    [CONNECTION] = {"Connection", 10},
    [KEY] = {"Sec-WebSocket-Key", 17},
    [VERSION] = {"Sec-WebSocket-Version", 21},
    [PROTOCOLS] = {"Sec-WebSocket-Protocol", 22},
    [EXTENSIONS] = {"Sec-WebSocket-Extensions", 24},
    [ORIGIN] = {"Origin", 6},
};

struct lines {
    struct ws_lines of[WANTED];
    struct slice values[WANTED][LINES_MAX];
};

/* Takes the lines of all fields that matter. False: there are too many of one. */
static bool take_lines(const struct http_head *head, struct lines *lines)
{
    for (size_t i = 0; i < WANTED; i++) {
        const struct http_field *field;
        size_t count = 0;
        while ((field = head_find(head, wanted_names[i], count))) {
            if (count == LINES_MAX)
                return false;
            lines->values[i][count++] = head_slice(head, field->value, field->value_len);
        }
        lines->of[i] = (struct ws_lines){.values = lines->values[i], .count = count};
    }
    return true;
}

static enum ws_verdict judge(const weir_ctx *c, const struct ws_policy *policy, struct ws_answer *answer,
                             const char **why)
{
    const struct exchange *x = c->x;
    struct lines lines;
    if (!take_lines(&x->head, &lines)) {
        *why = "too many lines of one field";
        return WS_MALFORMED;
    }
    if (x->head.version >= WEIR_HTTP_2 && !context_wants_upgrade(c, SLICE("websocket"))) {
        *why = "no CONNECT whose :protocol is websocket";
        return WS_NOT_ASKED;
    }
    struct ws_request request = {
        .http = x->head.version,
        .method = slice_of(x->head.base, x->head.method_len),
        .authority = x->target.authority,
        .upgrade = lines.of[UPGRADE],
        .connection = lines.of[CONNECTION],
        .key = lines.of[KEY],
        .version = lines.of[VERSION],
        .protocols = lines.of[PROTOCOLS],
        .extensions = lines.of[EXTENSIONS],
        .origin = lines.of[ORIGIN],
    };
    return ws_handshake(&request, policy, answer, why);
}

/* What stands in the head, before it is known whether the upgrade comes about; 0 or an error. */
static int add_fields(weir_ctx *c, const struct ws_answer *answer)
{
    int error = 0;
    if (c->x->head.version < WEIR_HTTP_2)
        error = reply_add_field(c, SLICE("Sec-WebSocket-Accept"), slice_of(answer->accept, WS_ACCEPT_LEN), true);
    if (!error && answer->protocol.len > 0)
        error = reply_add_field(c, SLICE("Sec-WebSocket-Protocol"), answer->protocol, true);
    if (!error && answer->extensions.len > 0)
        error = reply_add_field(c, SLICE("Sec-WebSocket-Extensions"),
                                slice_of(answer->extensions.text, answer->extensions.len), true);
    return error;
}

static void remove_fields(weir_ctx *c)
{
    static const char *const names[] = {"Sec-WebSocket-Accept", "Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions"};
    const struct reply_field *f;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if ((f = reply_find_field(&c->x->reply, slice_from(names[i]))))
            reply_remove_field(&c->x->reply, f);
}

/* Keeps the refusal for when the handler returns. */
static COLD int refuse(weir_ctx *c, enum ws_verdict verdict, const char *why)
{
    int error = verdict == WS_MALFORMED ? WEIR_EPROTO : verdict == WS_FOREIGN ? WEIR_EACCES : WEIR_EUPGRADE;
    if (error == WEIR_EUPGRADE) {
        (void)reply_add_field(c, SLICE("Upgrade"), SLICE("websocket"), true);
        (void)reply_add_field(c, SLICE("Sec-WebSocket-Version"), SLICE(WS_VERSION), true);
    }
    c->reply_error = error;
    c->reply_error_text = why;
    return error;
}

int ws_check(weir_ctx *c, const struct ws_route_settings *settings, struct ws_answer *answer)
{
    const char *why = NULL;
    int error = exchange_may(c->x, REPLY_MAKE);
    if (error)
        return error;
    enum ws_verdict verdict = judge(c, &settings->policy, answer, &why);
    return verdict == WS_ACCEPTED ? 0 : refuse(c, verdict, why);
}

int ws_accept(weir_ctx *c, const struct ws_answer *answer)
{
    int error = exchange_may(c->x, REPLY_MAKE);
    if (!error)
        error = add_fields(c, answer);
    if (!error)
        error = context_upgrade(c, "websocket");
    if (error && !reply_is_committed(&c->x->reply))
        remove_fields(c);
    return error;
}
