/*
 * What a program wants of its sockets, checked and completed.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/token.h"
#include "web/site.h"
#include "web/websocket/socket.h"
#include "web/websocket/words.h"
#include "weir.h"

#define MAX_MESSAGE_USUAL ((int64_t)1 << 20)

/* A member that is a number: 0 stands for usual, and WEIR_OFF, where it may be that, for off. */
struct member {
    const char *name;
    int64_t value, least, most, usual;
    bool may_be_off;
};

/* Completes a member's value. False: it is wrong. */
static bool complete(const struct member *m, int64_t *value)
{
    *value = m->value == 0 ? m->usual : m->value;
    return (*value >= m->least && *value <= m->most) || (*value == WEIR_OFF && m->may_be_off);
}

/* Subprotocols have to be tokens (RFC 6455 section 4.1), and as many as a socket can have the number of. */
static bool protocols_are_good(const char *list)
{
    struct slice word;
    int count = 0;
    while (words_next(&list, &word))
        if (!is_token(word) || ++count > WS_PROTOCOLS_MAX)
            return false;
    return true;
}

enum {
    KINDS,
    MAX_MESSAGE,
    MAX_FRAME,
    WHOLE,
    PING,
    PONG,
    CLOSE,
    DEFLATE,
    SERVER_TAKEOVER,
    CLIENT_TAKEOVER,
    SERVER_BITS,
    CLIENT_BITS,
    LEVEL,
    LEN_MIN,
    MEMBERS
};

static uint32_t time_of(int64_t ms)
{
    return ms < 0 ? 0 : (uint32_t)ms;
}

static uint64_t limit_of(int64_t bytes)
{
    return bytes < 0 ? UINT64_MAX : (uint64_t)bytes;
}

int ws_settings_read(const weir_ws_config *config, size_t size, struct ws_route_settings *s, const char **wrong)
{
    weir_ws_config g = {0};
    if (config)
        memcpy(&g, config, size < sizeof g ? size : sizeof g);
    int64_t max = g.max_message ? g.max_message : MAX_MESSAGE_USUAL, v[MEMBERS] = {0};
    const struct member members[MEMBERS] = {
        [KINDS] = {"kinds", g.kinds, 0, WEIR_WS_BINARY, 0, false},
        [MAX_MESSAGE] = {"max_message", g.max_message, 1, INT64_MAX, MAX_MESSAGE_USUAL, true},
        [MAX_FRAME] = {"max_frame", g.max_frame, 1, INT64_MAX, max, true},
        [WHOLE] = {"whole", g.whole, 1, 1, WEIR_ON, true},
        [PING] = {"ping_ms", g.ping_ms, 1, TIMEOUT_MAX_MS, 30000, true},
        [PONG] = {"pong_timeout_ms", g.pong_timeout_ms, 1, TIMEOUT_MAX_MS, 20000, true},
        [CLOSE] = {"close_timeout_ms", g.close_timeout_ms, 1, TIMEOUT_MAX_MS, 2000, false},
        [DEFLATE] = {"deflate", g.deflate, 1, 1, WEIR_OFF, true},
        [SERVER_TAKEOVER] = {"deflate_server_takeover", g.deflate_server_takeover, 1, 1, WEIR_OFF, true},
        [CLIENT_TAKEOVER] = {"deflate_client_takeover", g.deflate_client_takeover, 1, 1, WEIR_OFF, true},
        [SERVER_BITS] = {"deflate_server_bits", g.deflate_server_bits, WS_BITS_MIN, WS_BITS_MAX, 12, false},
        [CLIENT_BITS] = {"deflate_client_bits", g.deflate_client_bits, WS_BITS_MIN, WS_BITS_MAX, WS_BITS_MAX, false},
        [LEVEL] = {"deflate_level", g.deflate_level, 1, 9, 5, false},
        [LEN_MIN] = {"deflate_min_size", g.deflate_min_size, 1, INT32_MAX, 128, false},
    };
    for (size_t i = 0; i < MEMBERS; i++) {
        if (complete(&members[i], &v[i]))
            continue;
        *wrong = members[i].name;
        return WEIR_EINVAL;
    }
    if (!protocols_are_good(g.protocols)) {
        *wrong = "protocols";
        return WEIR_EINVAL;
    }
    *s = (struct ws_route_settings){
        .policy = {.protocols = g.protocols,
                   .origins = g.origins,
                   .deflate = {.on = v[DEFLATE] == WEIR_ON,
                               .server_takeover = v[SERVER_TAKEOVER] == WEIR_ON,
                               .client_takeover = v[CLIENT_TAKEOVER] == WEIR_ON,
                               .server_bits = (uint8_t)v[SERVER_BITS],
                               .client_bits = (uint8_t)v[CLIENT_BITS],
                               .level = (uint8_t)v[LEVEL],
                               .len_min = (uint32_t)v[LEN_MIN]}},
        .limits = {.max_message = limit_of(v[MAX_MESSAGE]),
                   .max_frame = limit_of(v[MAX_FRAME]),
                   .kinds = v[KINDS] == WEIR_WS_TEXT     ? WS_TEXT_ALONE
                            : v[KINDS] == WEIR_WS_BINARY ? WS_BINARY_ALONE
                                                         : WS_ANY_KIND},
        .ping_ms = time_of(v[PING]),
        .pong_timeout_ms = time_of(v[PONG]),
        .close_timeout_ms = (uint32_t)v[CLOSE],
        .whole = v[WHOLE] == WEIR_ON,
    };
    return 0;
}
