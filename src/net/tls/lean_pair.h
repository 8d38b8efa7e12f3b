/*
 * A client and a server of OpenSSL's that shake hands in memory, with a certificate made for that, and the records
 * between them counted as a transport counts them: what lean records are tried on, when a server starts and in tests.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_NET_TLS_LEAN_PAIR_H
#define WEIR_NET_TLS_LEAN_PAIR_H

#include "net/tls/lean_handover.h"

/* The contexts of both ends. */
struct lean_pair_contexts {
    SSL_CTX *server, *client;
};

struct lean_pair {
    SSL *server, *client;
    BIO *up, *down; /* bytes on their way to the server, and to the client */
    struct lean_secrets secrets;
    struct lean_crossed crossed; /* from the server's side */
    uint8_t *last;               /* the last record that the server wrote */
};

/* False: OpenSSL has refused something; nothing is left then. */
bool lean_pair_prepare(struct lean_pair_contexts *c) MUST_CHECK;
void lean_pair_forget(struct lean_pair_contexts *c);

/* Makes both ends, with that suite alone. session: of an earlier pair's client, to be resumed; NULL: none. False as
 * above. */
bool lean_pair_open(struct lean_pair *p, const struct lean_pair_contexts *c, struct lean_suite suite,
                    SSL_SESSION *session) MUST_CHECK;
/* Frees both ends, and wipes. What was sent stays unread. */
void lean_pair_close(struct lean_pair *p);

/* Shakes hands. True: both are done. The server's last output, tickets perhaps, is still in `down`. */
bool lean_pair_handshake(struct lean_pair *p) MUST_CHECK;

/* Takes a whole record from the client: at most LEAN_RECORD_MAX bytes into record. Its length; 0: there is none. */
size_t lean_pair_take(struct lean_pair *p, uint8_t *record) MUST_CHECK;
/* Gives the client bytes. */
bool lean_pair_give(struct lean_pair *p, const uint8_t *data, size_t len) MUST_CHECK;

#endif
