/*
 * Checking text: ASCII 16 bytes at a time, characters that lie whole at once, and byte by byte those that a piece's end
 * cuts.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/websocket/utf8.h"

#include "base/debug.h"

#include <string.h>

/* The first byte that is not ASCII, or the end. */
static inline const uint8_t *ascii_end(const uint8_t *p, const uint8_t *end)
{
    uint64_t words[2];
    while ((size_t)(end - p) >= sizeof words) {
        memcpy(words, p, sizeof words);
        if ((words[0] | words[1]) & 0x8080808080808080u)
            break;
        p += sizeof words;
    }
    while (p < end && *p < 0x80)
        p++;
    return p;
}

/* Begins a character with a byte that is not ASCII. False: no character begins so. */
static inline bool begin(struct utf8 *u, uint8_t first)
{
    u->begun = 1;
    u->left = first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
    u->low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    u->high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    return first >= 0xc2 && first <= 0xf4;
}

/* Goes on with one. */
static inline bool go_on(struct utf8 *u, uint8_t next)
{
    if (next < u->low || next > u->high)
        return false;
    u->low = 0x80;
    u->high = 0xbf;
    u->left--;
    u->begun = u->left > 0 ? (uint8_t)(u->begun + 1) : 0;
    return true;
}

static inline bool follows(uint8_t byte)
{
    return (byte & 0xc0) == 0x80;
}

/* The length of the character of two or three bytes that lies whole at p; 0: none does, or one that has to be looked at
 * more closely. Most of the world's letters are told here. */
static inline size_t usual_character(const uint8_t *p, const uint8_t *end)
{
    size_t left = (size_t)(end - p);
    if (left >= 2 && p[0] >= 0xc2 && p[0] < 0xe0 && follows(p[1]))
        return 2;
    if (left >= 3 && p[0] > 0xe0 && p[0] < 0xf0 && p[0] != 0xed && follows(p[1]) && follows(p[2]))
        return 3;
    return 0;
}

bool utf8_add(struct utf8 *u, const void *data, size_t len)
{
    const uint8_t *p = data, *end = p + len;
    if (len == 0)
        return true;
    for (;;) {
        while (u->left > 0) {
            if (p == end)
                return true;
            if (unlikely(!go_on(u, *p++)))
                return false;
        }
        size_t character;
        while ((character = usual_character(p, end)) > 0)
            p += character;
        p = ascii_end(p, end);
        if (p == end)
            return true;
        if ((character = usual_character(p, end)) > 0)
            p += character;
        else if (unlikely(!begin(u, *p++)))
            return false;
    }
}
