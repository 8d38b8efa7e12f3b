/*
 * Socket addresses: from settings' text, and to text for people.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_NET_ADDRESS_H
#define WEIR_NET_ADDRESS_H

#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

struct address {
    socklen_t len;
    union {
        struct sockaddr base;
        struct sockaddr_storage storage;
        struct sockaddr_un local;
    };
};

#define ADDRESS_TEXT_MAX 128

/* host is an IPv4 or IPv6 literal, "localhost", or "unix:PATH". 0, or WEIR_EINVAL for anything else: names are not
 * looked up. */
int address_parse(struct address *a, const char *host, int port);

/* "127.0.0.1:80", "[::1]:80" or "unix:PATH". buf has at least ADDRESS_TEXT_MAX bytes. Returns buf. */
const char *address_format(const struct address *a, char *buf, size_t size);

/* Changes the port; nothing for a Unix socket. */
void address_set_port(struct address *a, int port);

/* The port, or 0 for a Unix socket. */
int address_port(const struct address *a);

/* The address of this end, or of the other, of a socket; family AF_UNSPEC if it has none. */
void address_local(int fd, struct address *a);
void address_peer(int fd, struct address *a);

#endif
