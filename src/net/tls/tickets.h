/*
 * Keys of session tickets (RFC 5077, RFC 8446 section 4.6.1). A session lives in the ticket that the client keeps, so
 * that the server keeps nothing. Keys change by themselves: one seals for TICKET_PERIOD_S, and opens for as long again.
 *
 * Without a file, keys are random, and gone when they are replaced. With a file, a key is derived from the file's bytes
 * and the number of the period, so that all processes that read the same file have the same keys at the same time, and
 * none has to write; whoever has the file can open what was sealed by it. Its bytes can be replaced: the old ones' key
 * opens until the period is over.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_NET_TLS_TICKETS_H
#define WEIR_NET_TLS_TICKETS_H

#include "base/lock.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TICKET_PERIOD_S   (6 * 3600)
#define TICKET_LIFETIME_S (6 * 3600) /* of a session: less than what its key lives */
#define TICKET_SECRET_MIN 32         /* bytes of a file */
#define TICKET_SECRET_MAX 4096
#define TICKET_KEYS       4 /* sealing, those before it, and, of a file, the next one */

LOCK_ROLE(tls_ticket_lock)

struct ticket_key {
    unsigned char name[16], cipher[32], mac[32];
};

struct tickets {
    struct lock lock;
    /* AES-256-CBC, fetched once: OpenSSL looks it up for longer than it seals. NULL: there is none. */
    struct evp_cipher_st *cipher;
    struct ticket_key keys[TICKET_KEYS] GUARDED_BY(tls_ticket_lock); /* the first seals */
    int count GUARDED_BY(tls_ticket_lock);
    int64_t period GUARDED_BY(tls_ticket_lock);              /* of the first */
    unsigned char secret[2][32] GUARDED_BY(tls_ticket_lock); /* of the file's bytes, and of those before */
    int secrets GUARDED_BY(tls_ticket_lock);                 /* how many of them there are; 0: keys are random */
};

void tickets_init(struct tickets *t);
void tickets_done(struct tickets *t);
/* The bytes of the file that keys are derived from. Nothing if they are those that there are. False: OpenSSL has
 * refused. Any thread. */
bool tickets_share(struct tickets *t, const void *secret, size_t len, int64_t now_s);
/* Brings the keys up to date. False: there is no randomness for a new one, and the old one goes on. Any thread. */
bool tickets_turn(struct tickets *t, int64_t now_s);
/* The key that seals now. False: there is none. Any thread. */
bool tickets_seal_key(struct tickets *t, struct ticket_key *key);
/* The key of that name. 0: it is not known any more; 1: it is the one that seals; 2: it is another. Any thread. */
int tickets_open_key(struct tickets *t, const unsigned char name[16], struct ticket_key *key);

#endif
