/*
 * Endpoints: from sockets' addresses and texts, and back.
 *
 * SPDX-License-Identifier: MIT
 */
#include "net/endpoint.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

struct endpoint endpoint_of(enum endpoint_family family, const void *bytes, uint16_t port)
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    struct endpoint e = {.family = (uint8_t)family, .port = port};
    const uint8_t *from = bytes;
    size_t len = family == ENDPOINT_V4 ? 4 : sizeof e.bytes;
    if (family == ENDPOINT_V6 && memcmp(from, mapped, sizeof mapped) == 0) {
        e.family = ENDPOINT_V4;
        from += sizeof mapped;
        len = 4;
    }
    memcpy(e.bytes, from, len);
    return e;
}

struct endpoint endpoint_of_address(const struct address *a)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)&a->storage;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&a->storage;
    if (a->base.sa_family == AF_INET)
        return endpoint_of(ENDPOINT_V4, &v4->sin_addr, ntohs(v4->sin_port));
    if (a->base.sa_family == AF_INET6)
        return endpoint_of(ENDPOINT_V6, &v6->sin6_addr, ntohs(v6->sin6_port));
    return (struct endpoint){.family = a->base.sa_family == AF_UNIX ? ENDPOINT_LOCAL : ENDPOINT_NONE};
}

void endpoint_address(const struct endpoint *e, struct address *a)
{
    memset(a, 0, sizeof *a);
    struct sockaddr_in *v4 = (struct sockaddr_in *)&a->storage;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&a->storage;
    switch ((enum endpoint_family)e->family) {
    case ENDPOINT_V4:
        v4->sin_family = AF_INET;
        v4->sin_port = htons(e->port);
        memcpy(&v4->sin_addr, e->bytes, sizeof v4->sin_addr);
        a->len = (socklen_t)sizeof *v4;
        break;
    case ENDPOINT_V6:
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(e->port);
        memcpy(&v6->sin6_addr, e->bytes, sizeof v6->sin6_addr);
        a->len = (socklen_t)sizeof *v6;
        break;
    case ENDPOINT_LOCAL:
        a->base.sa_family = AF_UNIX;
        a->len = (socklen_t)offsetof(struct sockaddr_un, sun_path);
        break;
    case ENDPOINT_NONE:
        break;
    }
}

bool endpoint_parse(struct endpoint *e, struct slice text)
{
    char literal[INET6_ADDRSTRLEN];
    uint8_t bytes[sizeof e->bytes];
    if (text.len == 0 || text.len >= sizeof literal || memchr(text.data, '\0', text.len))
        return false;
    memcpy(literal, text.data, text.len);
    literal[text.len] = '\0';
    if (inet_pton(AF_INET, literal, bytes) == 1)
        *e = endpoint_of(ENDPOINT_V4, bytes, 0);
    else if (inet_pton(AF_INET6, literal, bytes) == 1)
        *e = endpoint_of(ENDPOINT_V6, bytes, 0);
    else
        return false;
    return true;
}

const char *endpoint_format(const struct endpoint *e, char *buf, size_t size)
{
    if (e->family == ENDPOINT_V4 || e->family == ENDPOINT_V6)
        inet_ntop(e->family == ENDPOINT_V4 ? AF_INET : AF_INET6, e->bytes, buf, (socklen_t)size);
    else
        snprintf(buf, size, "%s", e->family == ENDPOINT_LOCAL ? "unix:" : "unknown");
    return buf;
}
