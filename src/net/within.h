/*
 * A transport within the process: the peer is a record, what it says is bytes in memory, and what it is sent is put
 * there. Everything above the transport is as it is with a socket. Whoever moves the peer tells what has changed as the
 * poller would, by within_events().
 *
 * All of it is the business of the loop's thread, between its turns.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_NET_WITHIN_H
#define WEIR_NET_WITHIN_H

#include "base/slice.h"
#include "net/address.h"
#include "net/connection.h"

#define WITHIN_WINDOW ((size_t)64 * 1024) /* bytes that a peer has room for */

enum within_side {
    WITHIN_OPEN,
    WITHIN_ENDED, /* nothing more comes from that side */
    WITHIN_GONE,  /* of the peer: nor does it take anything. Of the server: the connection is closed */
    WITHIN_RESET, /* likewise, and what was said before is lost */
};

/* The peer of a connection. It outlives the connection. */
struct within_peer {
    struct connection *connection; /* NULL: there is none, or none any more */
    struct address own, other;     /* of the server's end, and of the peer's */
    struct slice said[2];          /* what the server has not read yet, one behind the other: the peer's memory */
    enum within_side peer, server;
    bool news;              /* the peer has said something, or ended, since the server was told */
    bool blocked;           /* the server waits for room */
    uint64_t read, written; /* bytes ever */
    size_t sent_len;
    char sent[WITHIN_WINDOW]; /* what the peer has not taken yet */
};

/* Connects a peer, whose addresses are set. 0 or a negative error. */
int within_connect(struct net *n, uint8_t listener, struct within_peer *p) MUST_CHECK;
/* What the poller would tell of the connection now; false: nothing. */
bool within_events(struct within_peer *p, struct epoll_event *event);
bool within_has_events(const struct within_peer *p);
/* Whether nothing of a request is alive on the connection, if there still is one. */
bool within_is_idle(const struct net *n, const struct within_peer *p);
/* n bytes of what was sent are taken. */
void within_took(struct within_peer *p, size_t n);

extern const struct transport transport_within, transport_within_secure;

#endif
