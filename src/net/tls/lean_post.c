/*
 * Alerts and messages after the handshake.
 *
 * SPDX-License-Identifier: MIT
 */
#include "net/tls/lean_post.h"

enum { LEVEL_WARNING = 1, LEVEL_FATAL = 2 };
enum { MESSAGE_CLIENT_HELLO = 1, MESSAGE_KEY_UPDATE = 24 };

static int take_alert(struct lean_post *p, struct lean_suite suite, const struct lean_plain *plain)
{
    if (plain->len == 0)
        return -LEAN_UNEXPECTED_MESSAGE;
    if (plain->len != 2)
        return -LEAN_DECODE_ERROR;
    unsigned level = plain->data[0], alert = plain->data[1];
    if (level != LEVEL_WARNING && level != LEVEL_FATAL)
        return -LEAN_ILLEGAL_PARAMETER;
    if (alert == LEAN_CLOSE_NOTIFY && level == LEVEL_WARNING)
        return LEAN_IS_CLOSED;
    if (alert == LEAN_CLOSE_NOTIFY) /* a fatal one ends the connection as well, which is all that it says */
        return suite.tls13 ? LEAN_IS_CLOSED : LEAN_IS_GONE;
    /* TLS 1.3 knows levels no more: all but these two are fatal (RFC 8446 section 6). */
    bool warning = level == LEVEL_WARNING && (!suite.tls13 || alert == LEAN_USER_CANCELED);
    if (!warning)
        return LEAN_IS_GONE;
    if (p->warnings == LEAN_WARNINGS_MOST)
        return -LEAN_UNEXPECTED_MESSAGE;
    p->warnings++;
    return LEAN_NOTHING;
}

/* The body of a KeyUpdate is a byte, and the record ends with it, since the next one is under another key. */
static int take_key_update(struct lean_post *p, const uint8_t *body, size_t len)
{
    if (len != 1)
        return -LEAN_UNEXPECTED_MESSAGE;
    if (body[0] > 1)
        return -LEAN_ILLEGAL_PARAMETER;
    p->have = 0;
    p->left = 0;
    if (p->asked)
        p->asked = false;
    else if (p->updates == LEAN_UPDATES_MOST)
        return -LEAN_UNEXPECTED_MESSAGE;
    else
        p->updates++;
    return LEAN_NEW_KEY | (body[0] == 1 ? LEAN_WANTS_UPDATE : 0);
}

/* A message's header is whole: what may follow it. 0 or a negative alert. */
static int begin_message(struct lean_post *p, struct lean_suite suite)
{
    uint32_t len = (uint32_t)p->message[1] << 16 | (uint32_t)p->message[2] << 8 | p->message[3];
    if (suite.tls13) {
        if (p->message[0] != MESSAGE_KEY_UPDATE)
            return -LEAN_UNEXPECTED_MESSAGE;
        if (len != 1)
            return -LEAN_DECODE_ERROR;
    } else {
        if (p->message[0] != MESSAGE_CLIENT_HELLO)
            return -LEAN_UNEXPECTED_MESSAGE;
        if (len > LEAN_HELLO_MAX)
            return -LEAN_ILLEGAL_PARAMETER;
    }
    p->left = len & 0x1FFFF;
    return 0;
}

/* The next bytes of the hello's body have gone by. */
static int pass_hello(struct lean_post *p)
{
    if (p->left > 0)
        return LEAN_NOTHING;
    p->have = 0;
    if (p->hellos == LEAN_HELLOS_MOST)
        return -LEAN_UNEXPECTED_MESSAGE;
    p->hellos++;
    return LEAN_REFUSE_HELLO;
}

static int take_handshake(struct lean_post *p, struct lean_suite suite, const struct lean_plain *plain)
{
    const uint8_t *at = plain->data, *end = at + plain->len;
    int meaning = LEAN_NOTHING;
    if (plain->len == 0)
        return -LEAN_UNEXPECTED_MESSAGE;
    while (at < end) {
        int result = LEAN_NOTHING;
        if (p->have < LEAN_MESSAGE) {
            p->message[p->have] = *at++;
            p->have = (p->have + 1u) & 7;
            if (p->have == LEAN_MESSAGE && (result = begin_message(p, suite)) < 0)
                return result;
        } else if (suite.tls13) {
            return take_key_update(p, at, (size_t)(end - at));
        } else {
            size_t some = (size_t)(end - at) < p->left ? (size_t)(end - at) : p->left;
            p->left = (p->left - some) & 0x1FFFF;
            at += some;
        }
        if (!suite.tls13 && p->have == LEAN_MESSAGE && p->left == 0)
            result = pass_hello(p);
        if (result < 0)
            return result;
        meaning |= result;
    }
    return meaning;
}

int lean_post_take(struct lean_post *p, struct lean_suite suite, int type, const struct lean_plain *plain)
{
    if (type != LEAN_HANDSHAKE && !lean_post_between(p))
        return -LEAN_UNEXPECTED_MESSAGE; /* between the parts of a message */
    if (type == LEAN_DATA) {
        if (plain->len > 0) {
            p->empty = p->updates = 0;
            return LEAN_IS_DATA;
        }
        if (p->empty == LEAN_EMPTY_MOST)
            return -LEAN_UNEXPECTED_MESSAGE;
        p->empty++;
        return LEAN_NOTHING;
    }
    if (type == LEAN_ALERT)
        return take_alert(p, suite, plain);
    if (type == LEAN_HANDSHAKE)
        return take_handshake(p, suite, plain);
    return -LEAN_UNEXPECTED_MESSAGE; /* ChangeCipherSpec, or what no version knows */
}

size_t lean_put_key_update(uint8_t to[LEAN_KEY_UPDATE_LEN], bool ask)
{
    to[0] = MESSAGE_KEY_UPDATE;
    to[1] = to[2] = 0;
    to[3] = 1;
    to[4] = ask;
    return LEAN_KEY_UPDATE_LEN;
}

size_t lean_put_alert(uint8_t to[LEAN_ALERT_LEN], enum lean_alert alert)
{
    to[0] = alert == LEAN_CLOSE_NOTIFY || alert == LEAN_NO_RENEGOTIATION ? LEVEL_WARNING : LEVEL_FATAL;
    to[1] = (uint8_t)alert;
    return LEAN_ALERT_LEN;
}
