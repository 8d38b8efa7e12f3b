/*
 * Telling a client's hello from what is none, by the header of its record (RFC 8446 section 5.1).
 *
 * SPDX-License-Identifier: MIT
 */
#include "net/tls/hello.h"

#include <stdint.h>

#define HEADER       5
#define HANDSHAKE    22
#define FRAGMENT_MAX 16384
#define METHOD_LOOK  8

/* A method begins: capital letters, as far as there are bytes, up to a space. */
static enum hello look_at_method(const char *data, size_t len)
{
    size_t i = 0;
    while (i < len && i < METHOD_LOOK && data[i] >= 'A' && data[i] <= 'Z')
        i++;
    return i == len || i == METHOD_LOOK || data[i] == ' ' ? HELLO_HTTP : HELLO_OTHER;
}

enum hello tls_hello_look(const char *data, size_t len)
{
    const uint8_t *b = (const uint8_t *)data;
    if (b[0] >= 'A' && b[0] <= 'Z')
        return look_at_method(data, len);
    if (b[0] != HANDSHAKE || (len > 1 && b[1] != 3) || (len > 2 && b[2] > 4))
        return HELLO_OTHER;
    if (len < HEADER)
        return HELLO_PART;
    size_t fragment = (size_t)b[3] << 8 | b[4];
    if (fragment == 0 || fragment > FRAGMENT_MAX)
        return HELLO_OTHER;
    return len >= HEADER + fragment ? HELLO_WHOLE : HELLO_PART;
}
