/*
 * What may come on a connection once the handshake is done, beside data: alerts, KeyUpdate (TLS 1.3), and hellos of a
 * client that would like to negotiate again (TLS 1.2), which are answered and forgotten. Each is bounded in size and in
 * number; everything else ends the connection. No I/O.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_NET_TLS_LEAN_POST_H
#define WEIR_NET_TLS_LEAN_POST_H

#include "net/tls/lean_record.h"

#define LEAN_EMPTY_MOST    32    /* empty records of data in a row */
#define LEAN_WARNINGS_MOST 4     /* warnings in all */
#define LEAN_UPDATES_MOST  32    /* KeyUpdates in a row, without data between them, that we have not asked for */
#define LEAN_HELLOS_MOST   3     /* hellos that are answered by a warning */
#define LEAN_HELLO_MAX     65536 /* bytes of one */
#define LEAN_MESSAGE       4     /* bytes of a handshake message's header */

/* What a connection remembers of it. Zero at first. */
struct lean_post {
    uint8_t message[LEAN_MESSAGE]; /* header of a handshake message that has not come whole */
    uint32_t have : 3;             /* bytes of that */
    uint32_t left : 17;            /* bytes of the message's body that are still to come */
    uint32_t warnings : 3;
    uint32_t hellos : 2;
    bool asked : 1; /* we have asked the peer for a KeyUpdate, which has not come */
    uint8_t empty;
    uint8_t updates;
};
_Static_assert(sizeof(struct lean_post) == 12, "every connection has one");

/* What a record means. Several may be so at once. */
enum lean_meaning {
    LEAN_NOTHING = 0,
    LEAN_IS_DATA = 1,       /* the record is the application's */
    LEAN_NEW_KEY = 2,       /* the peer's next record is under its next key */
    LEAN_WANTS_UPDATE = 4,  /* and it asks for one of ours, before the next data */
    LEAN_IS_CLOSED = 8,     /* close_notify: nothing more will come */
    LEAN_IS_GONE = 16,      /* the peer has given the connection up */
    LEAN_REFUSE_HELLO = 32, /* a warning is to be sent: no_renegotiation */
};

/* Takes an opened record. Returns what it means, or a negative alert. */
int lean_post_take(struct lean_post *p, struct lean_suite suite, int type, const struct lean_plain *plain) MUST_CHECK;

/* Whether a handshake message has not come whole: where the stream ends now, it is cut off. */
static inline bool lean_post_between(const struct lean_post *p)
{
    return p->have == 0 && p->left == 0;
}

/* Puts a KeyUpdate message into `to`; returns its length. ask: the peer is to update its key, too. */
#define LEAN_KEY_UPDATE_LEN 5
size_t lean_put_key_update(uint8_t to[LEAN_KEY_UPDATE_LEN], bool ask);

/* Puts an alert into `to`; returns its length. Its level is `fatal` but for close_notify and no_renegotiation. */
#define LEAN_ALERT_LEN 2
size_t lean_put_alert(uint8_t to[LEAN_ALERT_LEN], enum lean_alert alert);

#endif
