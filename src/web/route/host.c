/*
 * Host names for the router.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/route/host.h"

static bool is_host_byte(char c)
{
    return (c >= '0' && c <= '9') || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z') || c == '-' || c == '.' ||
           c == '_';
}

static bool is_address_byte(char c)
{
    return (c >= '0' && c <= '9') || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z') || c == ':' || c == '.';
}

/* The length of host without its port; 0 if it is not a host. */
static size_t name_length(struct slice host)
{
    size_t len = 0;
    if (host.len > 0 && host.data[0] == '[') {
        len = 1;
        while (len < host.len && is_address_byte(host.data[len]))
            len++;
        return len > 1 && len < host.len && host.data[len] == ']' ? len + 1 : 0;
    }
    while (len < host.len && is_host_byte(host.data[len]))
        len++;
    return len;
}

struct slice host_normalize(struct slice host, char buf[HOST_LEN_MAX])
{
    size_t len = name_length(host);
    if (len < host.len && host.data[len] != ':')
        return SLICE("");
    if (len > 0 && host.data[len - 1] == '.')
        len--;
    if (len == 0 || len > HOST_LEN_MAX || host.data[0] == '.')
        return SLICE("");
    for (size_t i = 0; i < len; i++)
        buf[i] = ascii_lower(host.data[i]);
    return slice_of(buf, len);
}

struct slice host_pattern_key(const char *pattern, char buf[HOST_LEN_MAX])
{
    bool below = pattern[0] == '*' && pattern[1] == '.';
    struct slice host = slice_from(below ? pattern + 2 : pattern);
    if (name_length(host) != host.len)
        return SLICE("");
    struct slice key = host_normalize(host, buf);
    if (!below || key.len == 0)
        return key;
    if (key.len == HOST_LEN_MAX)
        return SLICE("");
    memmove(buf + 1, buf, key.len);
    buf[0] = '.';
    return slice_of(buf, key.len + 1);
}
