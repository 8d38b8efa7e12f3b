/*
 * Lists of networks, from settings' text: who is believed. A list is made once, before the start, and only read
 * afterwards.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_NET_NETWORKS_H
#define WEIR_NET_NETWORKS_H

#include "base/memory.h"
#include "net/endpoint.h"

#define NETWORKS_MAX 256 /* of a list, each of which is looked at */

struct network {
    uint8_t family; /* ENDPOINT_V4, ENDPOINT_V6; ENDPOINT_LOCAL: all Unix sockets */
    uint8_t bits;   /* of the bytes that count */
    uint8_t bytes[16];
};

struct networks {
    size_t count;
    struct network items[];
};

/*
 * Reads networks with spaces between them: "10.0.0.0/8", "2001:db8::/32", addresses of one host each, and "unix:". The
 * caller's, until networks_free() with the same account; NULL: wrong or not at all there, with a word of text that is
 * why in *wrong, of which data is NULL where there was no memory. Bits beyond a network's length have to be zero.
 */
struct networks *networks_parse(struct account *a, const char *text, struct slice *wrong);
/* NULL is allowed. */
void networks_free(struct account *a, struct networks *n);

/* Whether an address is in one of them; n NULL: there are none. */
bool networks_hold(const struct networks *n, const struct endpoint *e);

#endif
