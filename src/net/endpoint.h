/*
 * An IP address with its port, in 20 bytes: what is kept and compared where a socket's own form would be too large. An
 * IPv4 address that is mapped into IPv6 is the IPv4 address.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_NET_ENDPOINT_H
#define WEIR_NET_ENDPOINT_H

#include "base/slice.h"
#include "net/address.h"

#include <stdint.h>

enum endpoint_family {
    ENDPOINT_NONE, /* nothing is known */
    ENDPOINT_V4,   /* the first 4 bytes */
    ENDPOINT_V6,
    ENDPOINT_LOCAL, /* a Unix socket, whose path is not kept */
};

struct endpoint {
    uint8_t family; /* enum endpoint_family */
    bool tls;       /* a preface has said that the client's connection is by TLS */
    uint16_t port;
    uint8_t bytes[16]; /* in network order; zero behind what the family uses */
};

#define ENDPOINT_TEXT_MAX 48

/* The endpoint of a family with bytes, 4 or 16 of them, in network order. */
struct endpoint endpoint_of(enum endpoint_family family, const void *bytes, uint16_t port);

/* The endpoint that a socket's address is; ENDPOINT_NONE for a family that has none. */
struct endpoint endpoint_of_address(const struct address *a);

/* The socket's address that an endpoint is. */
void endpoint_address(const struct endpoint *e, struct address *a);

/* Reads an IPv4 or IPv6 literal that is all of text, without brackets, port and zone. False: text is none. */
bool endpoint_parse(struct endpoint *e, struct slice text);

/* "203.0.113.7", "2001:db8::7", "unix:" or "unknown": without the port. buf has at least ENDPOINT_TEXT_MAX bytes.
 * Returns buf. */
const char *endpoint_format(const struct endpoint *e, char *buf, size_t size);

#endif
