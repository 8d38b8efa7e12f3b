/*
 * The TLS side of a worker, as its owner sees it.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_NET_TLS_WORKER_H
#define WEIR_NET_TLS_WORKER_H

#include "net/connection.h"

struct tls_mode;

struct tls_bounds {
    uint32_t slots;         /* handshakes that may be under way at once */
    uint64_t sessions_most; /* bytes that OpenSSL's objects may have after the handshake; 0: any number */
};

/* Makes n->tls: buffers, pools, accounts. home: a shared account, which outlives n. mode: that of the
 * listeners that have one; NULL: none has. 0, or WEIR_ENOMEM: tls_worker_close() frees what there is. */
int tls_worker_open(struct net *n, struct account *home, struct tls_bounds bounds,
                    const struct tls_mode *mode) MUST_CHECK;
/* After n's connections have been closed: frees all but the figures, which others may be reading. Does nothing if there
 * is no n->tls. */
void tls_worker_close(struct net *n);
/* When nobody reads them any more. */
void tls_worker_free(struct net *n);

/* Bytes of what tls_worker_open() makes. */
size_t tls_worker_size(void);

/* At the end of a turn in which n->handshakes_due was set: lets handshakes go on. */
void tls_turn(struct net *n);
/* Once a second. */
void tls_maintain(struct net *n);

/* What is counted, added up over workers. */
struct tls_figures {
    uint64_t now; /* handshakes under way */
    uint64_t handshakes, resumptions, version_12, version_13;
    uint64_t sessions, mode_sessions; /* open now: by OpenSSL's records, and by the mode's */
    uint64_t bytes_in, bytes_out, mode_bytes_in, mode_bytes_out;
    uint64_t waited, plain_answers, truncated, fallbacks;
    uint64_t kept[12]; /* fallbacks by why: tls_kept_name(), NULL behind the last */
};
const char *tls_kept_name(size_t i);
/* Any thread. */
void tls_figures_add(struct tls_figures *sum, const struct net *n);

#endif
