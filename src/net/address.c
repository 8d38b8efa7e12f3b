/*
 * Socket addresses.
 *
 * SPDX-License-Identifier: MIT
 */
#include "net/address.h"
#include "weir.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

int address_parse(struct address *a, const char *host, int port)
{
    memset(a, 0, sizeof *a);
    if (strncmp(host, "unix:", 5) == 0) {
        size_t len = strlen(host + 5);
        if (len == 0 || len >= sizeof a->local.sun_path)
            return WEIR_EINVAL;
        a->local.sun_family = AF_UNIX;
        memcpy(a->local.sun_path, host + 5, len + 1);
        a->len = (socklen_t)sizeof a->local;
        return 0;
    }
    if (port < 0 || port > 65535)
        return WEIR_EINVAL;
    if (strcmp(host, "localhost") == 0)
        host = "127.0.0.1";
    struct sockaddr_in *v4 = (struct sockaddr_in *)&a->storage;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&a->storage;
    if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)port);
        a->len = (socklen_t)sizeof *v4;
        return 0;
    }
    memset(a, 0, sizeof *a);
    char literal[INET6_ADDRSTRLEN];
    size_t len = strlen(host);
    if (len >= 2 && host[0] == '[' && host[len - 1] == ']' && len - 2 < sizeof literal) {
        memcpy(literal, host + 1, len - 2);
        literal[len - 2] = '\0';
        host = literal;
    }
    if (inet_pton(AF_INET6, host, &v6->sin6_addr) != 1)
        return WEIR_EINVAL;
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons((uint16_t)port);
    a->len = (socklen_t)sizeof *v6;
    return 0;
}

void address_set_port(struct address *a, int port)
{
    if (a->base.sa_family == AF_INET)
        ((struct sockaddr_in *)&a->storage)->sin_port = htons((uint16_t)port);
    else if (a->base.sa_family == AF_INET6)
        ((struct sockaddr_in6 *)&a->storage)->sin6_port = htons((uint16_t)port);
}

int address_port(const struct address *a)
{
    if (a->base.sa_family == AF_INET)
        return ntohs(((const struct sockaddr_in *)&a->storage)->sin_port);
    if (a->base.sa_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *)&a->storage)->sin6_port);
    return 0;
}

const char *address_format(const struct address *a, char *buf, size_t size)
{
    char host[INET6_ADDRSTRLEN] = "";
    if (a->base.sa_family == AF_INET) {
        inet_ntop(AF_INET, &((const struct sockaddr_in *)&a->storage)->sin_addr, host, sizeof host);
        snprintf(buf, size, "%s:%d", host, address_port(a));
    } else if (a->base.sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)&a->storage)->sin6_addr, host, sizeof host);
        snprintf(buf, size, "[%s]:%d", host, address_port(a));
    } else if (a->base.sa_family == AF_UNIX) {
        snprintf(buf, size, "unix:%.107s", a->len > offsetof(struct sockaddr_un, sun_path) ? a->local.sun_path : "");
    } else {
        snprintf(buf, size, "unknown");
    }
    return buf;
}

typedef int (*name_fn)(int fd, struct sockaddr *address, socklen_t *len);

static void address_ask(name_fn ask, int fd, struct address *a)
{
    memset(a, 0, sizeof *a);
    a->len = (socklen_t)sizeof a->storage;
    if (ask(fd, &a->base, &a->len) != 0) {
        a->base.sa_family = AF_UNSPEC;
        a->len = 0;
    }
}

void address_local(int fd, struct address *a)
{
    address_ask(getsockname, fd, a);
}

void address_peer(int fd, struct address *a)
{
    address_ask(getpeername, fd, a);
}
