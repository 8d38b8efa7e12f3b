/*
 * The authority of a request, as in the Host field or an absolute target: a host and perhaps a port (RFC 3986 section
 * 3.2, RFC 9110 section 7.2).
 *
 * The grammar allows more in a name than any name has: percent-encoding, "," and other delimiters. weir takes letters,
 * digits, "-", ".", "_" and "~"; what is more has been read differently by two servers in a row. User information is no
 * part of a request's authority (RFC 9110 section 4.2.4).
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_HTTP_AUTHORITY_H
#define WEIR_HTTP_AUTHORITY_H

#include "base/debug.h"
#include "base/slice.h"

#include <stdint.h>

/* Whether the first len bytes of four are digits. What is beyond them is shifted out, and a byte whose sum carries is
 * none. */
static inline WRAPS bool authority_digits(const char *text, size_t len)
{
    uint32_t digits;
    memcpy(&digits, text, sizeof digits);
    digits = (digits ^ 0x30303030u) << (32 - 8 * len); /* the processors that weir runs on are little-endian */
    return (((digits + 0x76767676u) | digits) & 0x80808080u) == 0; /* no byte is beyond 9 */
}

/* How many digits text begins with, up to 8; 8 bytes of it can be read. A sum's carry spoils only what is behind the
 * first byte that is none. */
static inline WRAPS size_t authority_digits_count(const char *text)
{
    uint64_t digits;
    memcpy(&digits, text, sizeof digits);
    digits ^= 0x3030303030303030u;
    uint64_t others = ((digits + 0x7676767676767676u) | digits) & 0x8080808080808080u;
    return others ? (size_t)__builtin_ctzll(others) / 8 : 8;
}

/* Whether len bytes, of which 8 can be read whatever len is, are a port: no digits, or up to five that are no more than
 * 65535. */
static inline bool authority_port_is_valid(const char *port, size_t len)
{
    if (len >= 1 && len <= 4)
        return authority_digits(port, len);
    if (len != 5)
        return len == 0;
    return authority_digits(port, 4) && authority_digits(port + 4, 1) && memcmp(port, "65535", 5) <= 0;
}

/* Whether all of text is a host and perhaps a port. */
bool authority_is_valid(struct slice text);

#endif
