/*
 * Deciding on handshakes.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/websocket/handshake.h"

#include "http/field.h"
#include "http/token.h"
#include "web/websocket/origin.h"
#include "web/websocket/words.h"
#include "weir.h"

#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" /* RFC 6455 section 1.3 */

#define KEY_LEN     24 /* letters of a key, with the two of its padding */
#define KEY_LETTERS 22
#define KEY_BYTES   16

bool ws_list_has(struct ws_lines lines, struct slice member)
{
    struct slice found;
    for (size_t i = 0; i < lines.count; i++) {
        struct slice line = lines.values[i];
        while (field_list_next(&line, &found))
            if (slice_equal_nocase(found, member))
                return true;
    }
    return false;
}

bool ws_key_is_valid(struct slice key)
{
    return key.len == KEY_LEN && memcmp(key.data + KEY_LETTERS, "==", 2) == 0 &&
           base64_decode(slice_of(key.data, KEY_LETTERS), NULL, KEY_BYTES) == KEY_BYTES;
}

void ws_accept_write(struct slice key, char to[static WS_ACCEPT_LEN])
{
    char text[KEY_LEN + sizeof GUID];
    uint8_t digest[SHA1_LEN];
    weir_assert(key.len == KEY_LEN);
    memcpy(text, key.data, KEY_LEN);
    memcpy(text + KEY_LEN, GUID, sizeof GUID);
    sha1(text, sizeof text - 1, digest);
    base64_encode(digest, sizeof digest, to);
}

/* The word of a list that is the same as name; empty: there is none. */
static struct slice find_word(const char *list, struct slice name)
{
    struct slice word;
    while (words_next(&list, &word))
        if (slice_equal(word, name))
            return word;
    return slice_of(NULL, 0);
}

bool ws_protocol_choose(struct ws_lines lines, const char *offered, struct slice *chosen)
{
    struct slice name;
    *chosen = slice_of(NULL, 0);
    for (size_t i = 0; i < lines.count; i++) {
        struct slice line = lines.values[i];
        while (field_list_next(&line, &name)) {
            if (!is_token(name))
                return false;
            if (chosen->len == 0)
                *chosen = find_word(offered, name);
        }
    }
    return true;
}

uint8_t ws_protocol_number(const char *offered, struct slice chosen)
{
    uint8_t number = 1;
    struct slice word;
    if (chosen.len == 0)
        return 0;
    while (words_next(&offered, &word) && word.data != chosen.data)
        number++;
    return number;
}

struct slice ws_protocol_at(const char *offered, uint8_t number)
{
    struct slice word = slice_of(NULL, 0);
    for (; number > 0; number--)
        (void)words_next(&offered, &word);
    return word;
}

static enum ws_verdict refuse(enum ws_verdict verdict, const char *text, const char **why)
{
    *why = text;
    return verdict;
}

/* What HTTP/1 alone has: that the connection is to become another one, and a key, which shows that no cache answers. */
static enum ws_verdict check_upgrade(const struct ws_request *r, const char **why)
{
    if (r->http < WEIR_HTTP_1_1)
        return refuse(WS_NOT_ASKED, "a WebSocket needs HTTP/1.1", why);
    if (!ws_list_has(r->upgrade, SLICE("websocket")))
        return refuse(WS_NOT_ASKED, "no Upgrade to websocket", why);
    if (!ws_list_has(r->connection, SLICE("upgrade")))
        return refuse(WS_NOT_ASKED, "Connection does not name Upgrade", why);
    if (!slice_equal(r->method, SLICE("GET")))
        return refuse(WS_MALFORMED, "the method is not GET", why);
    if (r->key.count != 1 || !ws_key_is_valid(r->key.values[0]))
        return refuse(WS_MALFORMED, "Sec-WebSocket-Key is not one of 16 bytes", why);
    return WS_ACCEPTED;
}

static enum ws_verdict check_version(const struct ws_request *r, const char **why)
{
    if (r->version.count > 1)
        return refuse(WS_MALFORMED, "more than one Sec-WebSocket-Version", why);
    if (r->version.count == 0 || !slice_equal(r->version.values[0], SLICE(WS_VERSION)))
        return refuse(WS_OTHER_VERSION, "Sec-WebSocket-Version is not " WS_VERSION, why);
    return WS_ACCEPTED;
}

static enum ws_verdict check_origin(const struct ws_request *r, const struct ws_policy *p, const char **why)
{
    if (r->origin.count > 1)
        return refuse(WS_MALFORMED, "more than one Origin", why);
    if (r->origin.count == 1 && !ws_origin_is_allowed(r->origin.values[0], r->authority, p->origins))
        return refuse(WS_FOREIGN, "pages of this Origin may not open a WebSocket here", why);
    return WS_ACCEPTED;
}

enum ws_verdict ws_handshake(const struct ws_request *r, const struct ws_policy *p, struct ws_answer *answer,
                             const char **why)
{
    bool upgrade = r->http < WEIR_HTTP_2;
    enum ws_verdict verdict = upgrade ? check_upgrade(r, why) : WS_ACCEPTED;
    if (verdict == WS_ACCEPTED)
        verdict = check_version(r, why);
    if (verdict == WS_ACCEPTED)
        verdict = check_origin(r, p, why);
    if (verdict != WS_ACCEPTED)
        return verdict;
    if (!ws_protocol_choose(r->protocols, p->protocols, &answer->protocol))
        return refuse(WS_MALFORMED, "Sec-WebSocket-Protocol is malformed", why);
    if (!ws_negotiate(r->extensions, &p->deflate, &answer->extensions))
        return refuse(WS_MALFORMED, "Sec-WebSocket-Extensions is malformed", why);
    if (upgrade)
        ws_accept_write(r->key.values[0], answer->accept);
    return WS_ACCEPTED;
}

unsigned ws_verdict_status(enum ws_verdict verdict)
{
    switch (verdict) {
    case WS_ACCEPTED:
        return 101;
    case WS_NOT_ASKED:
    case WS_OTHER_VERSION:
        return 426;
    case WS_FOREIGN:
        return 403;
    case WS_MALFORMED:
        break;
    }
    return 400;
}
