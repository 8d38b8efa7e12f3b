/*
 * Authorities, byte by byte.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/authority.h"
#include "http/scan.h"

#include <arpa/inet.h>

/* The length of "[", an IPv6 address, "]" at the beginning of text; 0 if that is not there. Neither zones nor later
 * versions are known. */
static size_t literal_length(struct slice text)
{
    const char *end = memchr(text.data, ']', text.len);
    size_t len = end ? (size_t)(end - text.data) - 1 : 0;
    char address[INET6_ADDRSTRLEN];
    struct in6_addr binary;
    if (len == 0 || len >= sizeof address || memchr(text.data, '\0', len))
        return 0;
    memcpy(address, text.data + 1, len);
    address[len] = '\0';
    return inet_pton(AF_INET6, address, &binary) == 1 ? len + 2 : 0;
}

static size_t name_length(struct slice text)
{
    size_t len = 0;
    while (len < text.len && scan_is(text.data[len], SCAN_HOST))
        len++;
    return len;
}

bool authority_is_valid(struct slice text)
{
    size_t host = text.len > 0 && text.data[0] == '[' ? literal_length(text) : name_length(text);
    if (host == 0)
        return false;
    if (host == text.len)
        return true;
    size_t len = text.len - host - 1;
    char port[8] = {0};
    if (text.data[host] != ':' || len > sizeof port)
        return false;
    memcpy(port, text.data + host + 1, len);
    return authority_port_is_valid(port, len);
}
