/*
 * Lean records of a worker: ciphers, the connections' keys, and input that is held between two calls.
 *
 * Keys lie in slabs of their own, which are left out of core dumps, and are wiped when their connection ends. What a
 * connection holds of its input is the begin of a record, as much of it as has come, or the end of one whose reader had
 * no room: a block of the smallest of three sizes that it fits, for as long as there is something in it.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_NET_TLS_LEAN_WORKER_H
#define WEIR_NET_TLS_LEAN_WORKER_H

#include "net/tls/lean_handover.h"
#include "net/tls/tls.h"

#define LEAN_HELD_SIZES 3

/* Input that is held: first plaintext that was opened, then ciphertext that was not. */
struct lean_held {
    uint16_t at, plain; /* plaintext begins at `at`, and is so long */
    uint16_t cipher;    /* and what is behind it */
    uint16_t size;      /* which of the sizes the block has */
    uint8_t data[];
};

/* The flags of struct lean_session: what has happened, and what the handshake has told, as far as bits can say it. */
enum lean_flags {
    LEAN_CLOSED = 1,  /* the peer has said close_notify */
    LEAN_OWES = 2,    /* a KeyUpdate goes before the next data */
    LEAN_RESUMED = 4, /* struct transport_security, from here on */
    LEAN_VERIFIED = 8,
    LEAN_CHOSE = 16 | 32,    /* two bits: the number of what ALPN chose, in listen_spec.offers, from 1; 0: nothing */
    LEAN_SIGNED_BY_RSA = 64, /* TLS 1.2: the suite's name says so */
};
#define LEAN_CHOSE_UNIT 16u

/* Texts that the handshake has told, for whoever asks: the host, and behind its NUL the subject of the client's
 * certificate. */
#define LEAN_TOLD_SIZES 2
#define LEAN_TOLD_SHORT 48 /* bytes of the smaller one */
struct lean_told {
    uint16_t size; /* which of the sizes the block has */
    char text[];
};

/* What the mode keeps for a connection. */
struct lean_connection {
    struct lean_session session;
    struct lean_held *held; /* NULL: nothing */
    struct lean_told *told; /* NULL: neither text is there */
};
/* With the record of a TLS connection and the slabs of both, 329 bytes for one that is idle, and 48 more where the
 * client has named a host. */
_Static_assert(sizeof(struct lean_connection) + sizeof(struct tls_connection) <= 328, "an idle connection is small");

/* Of a worker. */
struct lean_worker {
    struct lean_records records;
    struct account account;
    struct pool connections, held[LEAN_HELD_SIZES], told[LEAN_TOLD_SIZES];
};

static inline struct lean_worker *lean_worker_of(const struct tls_worker *w)
{
    return w->mode;
}

/* Makes w->mode. 0 or WEIR_ENOMEM: then there is none. */
int lean_worker_open(struct tls_worker *w) MUST_CHECK;
/* When all connections have been closed. Does nothing where there is none. */
void lean_worker_close(struct tls_worker *w);
/* As pool_trim(). */
void lean_worker_trim(struct tls_worker *w, bool all);

/* ---- lean_told.c ---- */

extern const size_t lean_told_sizes[LEAN_TOLD_SIZES]; /* bytes of a block, its head included */

/* Keeps what the handshake of a connection, whose listener offers that by ALPN, has told. False: there is no memory. */
bool lean_tell(struct lean_worker *w, struct lean_connection *l, const struct alpn_offer *offers,
               const struct transport_security *s) MUST_CHECK;
/* Tells it again. */
void lean_told(const struct lean_connection *l, const struct alpn_offer *offers, struct transport_security *s);
/* Lets go of it. */
void lean_drop_told(struct lean_worker *w, struct lean_connection *l);

/* ---- lean_held.c ---- */

extern const size_t lean_held_sizes[LEAN_HELD_SIZES]; /* bytes of a block, its head included */

/* Holds plaintext and the ciphertext behind it, LEAN_RECORD_MAX bytes at most, in place of what was held, where neither
 * of them lies. Both lengths 0: nothing is held any more. False: there is no memory. */
bool lean_hold(struct lean_worker *w, struct lean_connection *l, const uint8_t *plain, size_t plain_len,
               const uint8_t *cipher, size_t cipher_len) MUST_CHECK;
/* Takes up to len bytes of plaintext from what is held. How many. */
size_t lean_take_plain(struct lean_worker *w, struct lean_connection *l, uint8_t *to, size_t len);
/* Lets go of what is held. */
void lean_drop_held(struct lean_worker *w, struct lean_connection *l);

#endif
