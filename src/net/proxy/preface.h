/*
 * The preface of the PROXY protocol, versions 1 and 2, in which a proxy tells the two ends of its client's connection
 * before it passes on what that sends. A parser without I/O and without memory of its own: it is given all that has
 * come, from the first byte, each time.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_NET_PROXY_PREFACE_H
#define WEIR_NET_PROXY_PREFACE_H

#include "net/endpoint.h"

#define PREFACE_V1_MAX 107  /* bytes of a line of version 1, CRLF included */
#define PREFACE_MAX    4096 /* bytes that are taken of either version */

enum preface_state {
    PREFACE_PART,  /* what has come may be the beginning of one */
    PREFACE_WHOLE, /* there is one */
    PREFACE_WRONG, /* no bytes that may follow would make it one */
};

struct preface {
    size_t len;             /* bytes of it, which what it is about follows */
    struct endpoint client; /* the source's; ENDPOINT_NONE: the connection is the proxy's own, or it does not know */
};

/* Reads len bytes, as far as needed. *p is all set for PREFACE_WHOLE alone. */
enum preface_state preface_parse(const char *data, size_t len, struct preface *p);

#endif
