/*
 * Handshakes of transports: what follows them, and why connections have ended in theirs. Each reason has a counter, its
 * name in the ledger and its words for the log, in one table.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_NET_HANDSHAKE_H
#define WEIR_NET_HANDSHAKE_H

#include <stddef.h>

struct connection;
struct net;
struct protocol;

/* A name of ALPN (RFC 7301) and the protocol that it stands for. A list of offers is in the server's order, and ends
 * with one that has no name. */
struct alpn_offer {
    const char *name;
    const struct protocol *protocol;
};

/* The offer of that name, which need not end with a NUL; NULL: it is not offered. */
const struct alpn_offer *alpn_find(const struct alpn_offer *offers, const void *name, size_t len);

/* What follows c's handshake is p, which is registered, and not what its listener's connections begin with. */
void handshake_follow(struct net *n, struct connection *c, const struct protocol *p);

/* X(REASON, "name of its counter", "words for the log, behind `handshake failed: `") */
#define HANDSHAKE_TABLE(X)                                                                                             \
    X(TIMEOUT, "timeout", "it was not done in time")                                                                   \
    X(CLOSED, "closed", "the client has gone")                                                                         \
    X(REFUSED, "refused", "what came was none")                                                                        \
    X(MEMORY, "memory", "no memory for it")                                                                            \
    X(PROTOCOL, "protocol", "what came was neither TLS nor HTTP")                                                      \
    X(PLAIN_HTTP, "plain_http", "it was plain HTTP, and was answered so")                                              \
    X(VERSION, "version", "no version in common")                                                                      \
    X(NO_CIPHER, "cipher", "no suite, group or signature in common")                                                   \
    X(NO_PROTOCOL, "alpn", "no protocol in common")                                                                    \
    X(NAME, "name", "no certificate for the host")                                                                     \
    X(CERTIFICATE, "certificate", "the client's certificate is missing or not accepted")                               \
    X(ALERT, "alert", "the client has refused by an alert")                                                            \
    X(PREFACE, "preface", "what came is no PROXY preface")                                                             \
    X(NETWORK, "proxy_network", "who may not send a PROXY preface has connected")                                      \
    X(ADDRESS, "address_connections", "too many connections of the client's address")

enum handshake_failure {
#define X(reason, name, text) HANDSHAKE_##reason,
    HANDSHAKE_TABLE(X)
#undef X
        HANDSHAKE_FAILURES
};

struct handshake_failure_info {
    const char *name, *text;
};

extern const struct handshake_failure_info handshake_failure_infos[HANDSHAKE_FAILURES];

#endif
