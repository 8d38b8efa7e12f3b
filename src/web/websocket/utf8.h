/*
 * UTF-8 (RFC 3629) as it arrives: texts are checked piece by piece, and what is wrong is told with the first byte that
 * no text can have there. Code points that are surrogates, beyond U+10FFFF, or longer than they need be are wrong.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_WEBSOCKET_UTF8_H
#define WEIR_WEB_WEBSOCKET_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where a text stands between two pieces. All zero: at its beginning. */
struct utf8 {
    uint8_t begun;     /* bytes of a character that is not complete */
    uint8_t left;      /* bytes that it still has to have; 0: a character ends here */
    uint8_t low, high; /* what the next of them may be */
};

/* Goes on with the text. False: it is not UTF-8; nothing more can be asked then. */
bool utf8_add(struct utf8 *u, const void *data, size_t len);

/* Whether the text may end here. */
static inline bool utf8_is_whole(const struct utf8 *u)
{
    return u->left == 0;
}

/* Whether all of a text is UTF-8. data may be NULL where len is 0. */
static inline bool utf8_is_valid(const void *data, size_t len)
{
    struct utf8 u = {0};
    return len == 0 || (utf8_add(&u, data, len) && utf8_is_whole(&u));
}

#endif
