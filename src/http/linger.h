/*
 * The end of a connection that gets no further reply: this side is shut, and what the client still sends is dropped for
 * a while, so that closing does not reset the last reply away. A refusal that belongs to no request is told to it
 * before.
 *
 * Lingering is a protocol, to which a connection is switched by whichever version of HTTP served it; nothing hangs from
 * its record then.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_HTTP_LINGER_H
#define WEIR_HTTP_LINGER_H

#include "http/http.h"

extern const struct protocol http_protocol_linger;

/* Lets a connection linger from which nothing hangs. */
void http_linger(struct net *n, struct connection *c);
/* Likewise, and tells it why it ends, in HTTP/1, for which no memory is needed. */
COLD void http_linger_refused(struct net *n, struct connection *c, enum refusal cause);

#endif
