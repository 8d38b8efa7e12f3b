/*
 * Names of certificates: which of them serves the host that a client asks for, by SNI (RFC 6066 section 3). A name is
 * exact, or stands for one label by "*." at its beginning (RFC 6125 section 6.4.3); the exact one wins, then the one
 * that was added first.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_NET_TLS_NAMES_H
#define WEIR_NET_TLS_NAMES_H

#include "base/memory.h"

#include <stddef.h>

#define TLS_NAME_MAX 253 /* bytes of a name of the DNS */

struct tls_name {
    char *name; /* lower case, without a dot at its end */
    uint32_t owner;
    uint32_t order; /* in which it was added */
};

/* Zero: without names. */
struct tls_names {
    struct account *account;
    struct tls_name *names; /* sorted once sealed */
    uint32_t count, room;
};

/* Adds a name of len bytes for owner. Names that no client can ask for (empty, too long, other bytes than letters,
 * digits, "-", "_" and ".", a "*" elsewhere) are left out. 0, or WEIR_ENOMEM. */
int tls_names_add(struct tls_names *n, const char *name, size_t len, uint32_t owner) MUST_CHECK;
/* Sorts them; nothing is added afterwards. */
void tls_names_seal(struct tls_names *n);
/* The owner of a host, in any case; -1: nobody is. */
int tls_names_find(const struct tls_names *n, const char *host);
void tls_names_done(struct tls_names *n);

#endif
