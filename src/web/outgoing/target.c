/*
 * Reading what is to be connected to.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/outgoing/target.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <string.h>

static bool port_parse(struct slice text, uint16_t *port)
{
    uint32_t value = 0;
    if (text.len == 0 || text.len > 5)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        value = value * 10 + (uint32_t)(text.data[i] - '0');
    }
    *port = (uint16_t)value;
    return value >= 1 && value <= UINT16_MAX;
}

/* A name, or a number: what is odd beyond that is for who looks it up. */
static bool host_is_good(struct slice host)
{
    if (host.len == 0 || host.len > NAME_MAX_LEN)
        return false;
    for (size_t i = 0; i < host.len; i++)
        if (host.data[i] <= ' ' || host.data[i] > '~' || strchr("/?#@[]\\", host.data[i]))
            return false;
    return true;
}

/* "HOST:PORT", where an IPv6 address is in brackets. */
static bool authority_parse(struct dial_target *t, struct slice text)
{
    struct slice host;
    size_t after;
    if (text.len > 0 && text.data[0] == '[') {
        const char *end = memchr(text.data, ']', text.len);
        if (!end || !memchr(text.data, ':', (size_t)(end - text.data)))
            return false;
        host = slice_of(text.data + 1, (size_t)(end - text.data) - 1);
        after = host.len + 2;
    } else {
        const char *colon = memchr(text.data, ':', text.len);
        if (!colon)
            return false;
        host = slice_of(text.data, (size_t)(colon - text.data));
        after = host.len;
    }
    if (!host_is_good(host) || after >= text.len || text.data[after] != ':' ||
        !port_parse(slice_of(text.data + after + 1, text.len - after - 1), &t->port))
        return false;
    memcpy(t->host, host.data, host.len);
    t->host[host.len] = '\0';
    return true;
}

static bool local_parse(struct dial_target *t, const char *path)
{
    size_t len = strlen(path);
    if (len < 2 || len >= sizeof t->local.sun_path || (path[0] != '/' && path[0] != '@'))
        return false;
    t->local.sun_family = AF_UNIX;
    memcpy(t->local.sun_path, path, len);
    if (path[0] == '@')
        t->local.sun_path[0] = '\0';
    size_t size = offsetof(struct sockaddr_un, sun_path) + len + (path[0] == '/');
    t->local_len = (socklen_t)size;
    return true;
}

bool target_parse(struct dial_target *t, const char *text)
{
    *t = (struct dial_target){.kind = TARGET_UNIX};
    if (strncmp(text, "unix:", 5) == 0)
        return local_parse(t, text + 5);
    t->kind = strncmp(text, "tls://", 6) == 0 ? TARGET_TLS : TARGET_TCP;
    if (t->kind == TARGET_TCP && strncmp(text, "tcp://", 6) != 0)
        return false;
    return authority_parse(t, slice_of(text + 6, strlen(text + 6)));
}

bool target_is_nameserver(struct slice text)
{
    char host[INET6_ADDRSTRLEN];
    unsigned char number[sizeof(struct in6_addr)];
    struct dial_target t;
    if (authority_parse(&t, text))
        return inet_pton(strchr(t.host, ':') ? AF_INET6 : AF_INET, t.host, number) == 1;
    if (text.len == 0 || text.len >= sizeof host)
        return false;
    memcpy(host, text.data, text.len);
    host[text.len] = '\0';
    return inet_pton(AF_INET, host, number) == 1 || inet_pton(AF_INET6, host, number) == 1;
}
