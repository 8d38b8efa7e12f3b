/*
 * Records of TLS 1.2 and 1.3, sealed and opened in place by OpenSSL's AEAD ciphers. No I/O, and no state of a
 * connection but its keys and sequence numbers (lean_keys.h): bytes in, bytes out.
 *
 * A worker has one cipher context for each cipher and direction. A context remembers whose key it holds, and is given
 * another only when another connection's turn comes: the key's schedule costs more than a short record does.
 *
 * Plaintext is the caller's only when its tag has been verified. A nonce is never used twice: the sequence number moves
 * on before anything is sealed, also where sealing then fails; builds that assert remember what was used.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_NET_TLS_LEAN_RECORD_H
#define WEIR_NET_TLS_LEAN_RECORD_H

#include "net/tls/lean_keys.h"

#define LEAN_HEADER    5
#define LEAN_PLAIN_MAX 16384 /* of a record */
/* The most that a record can be longer than its plaintext, and the longest that is received: RFC 8446 section 5.2 lets
 * padding and tag have 256 bytes. */
#define LEAN_OVERHEAD_MAX (LEAN_HEADER + LEAN_GCM_PER_MSG + 1 + LEAN_TAG)
#define LEAN_RECORD_MAX   (LEAN_HEADER + LEAN_PLAIN_MAX + 256)

enum lean_type { LEAN_CHANGE_CIPHER = 20, LEAN_ALERT = 21, LEAN_HANDSHAKE = 22, LEAN_DATA = 23 };

/* Alert descriptions (RFC 8446 section 6). What refuses returns one, negative. */
enum lean_alert {
    LEAN_CLOSE_NOTIFY = 0,
    LEAN_UNEXPECTED_MESSAGE = 10,
    LEAN_BAD_RECORD_MAC = 20,
    LEAN_RECORD_OVERFLOW = 22,
    LEAN_ILLEGAL_PARAMETER = 47,
    LEAN_DECODE_ERROR = 50,
    LEAN_PROTOCOL_VERSION = 70,
    LEAN_INTERNAL_ERROR = 80,
    LEAN_USER_CANCELED = 90,
    LEAN_NO_RENEGOTIATION = 100,
};

/* A cipher context. */
struct lean_aead {
    EVP_CIPHER_CTX *ctx;
    const struct lean_side *owner; /* whose key it holds; NULL: nobody's */
    uint8_t key[LEAN_KEY_MAX];     /* a copy: the owner's is to be this one still, or the context is keyed anew */
};

#ifdef WEIR_DEBUG
#define LEAN_NONCES 4096 /* pairs of key and nonce that are remembered */
#endif

/* A worker's ciphers. */
struct lean_records {
    struct lean_aead seal[LEAN_CIPHERS], open[LEAN_CIPHERS];
    uint64_t keyed; /* how often a context was given another key */
#ifdef WEIR_DEBUG
    uint64_t (*nonces)[2]; /* hashes of key and nonce, at a place that follows from them */
#endif
};

/* Makes the contexts. False: OpenSSL has no such cipher, or no memory; nothing is left then. */
bool lean_records_open(struct lean_records *r) MUST_CHECK;
/* Wipes and frees them. Does nothing for what is zero. */
void lean_records_close(struct lean_records *r);
/* A side's key is replaced, or at its end: no context holds it afterwards. */
void lean_records_forget(struct lean_records *r, const struct lean_side *s, struct lean_suite suite);

/* Bytes before the plaintext of a record, and behind it. */
static inline size_t lean_front(struct lean_suite suite)
{
    return LEAN_HEADER + (lean_carries_nonce(suite) ? LEAN_GCM_PER_MSG : 0);
}
static inline size_t lean_behind(struct lean_suite suite)
{
    return (suite.tls13 ? 1 : 0) + (size_t)LEAN_TAG;
}

/* Whether so many records have been sealed or opened under this key that it should be replaced, or that it may not be
 * used any more. */
static inline bool lean_side_is_worn(const struct lean_side *s, struct lean_suite suite)
{
    return s->sequence >= lean_cipher_of(suite)->records_most;
}
static inline bool lean_side_is_spent(const struct lean_side *s, struct lean_suite suite)
{
    return s->sequence >= (uint64_t)lean_cipher_of(suite)->records_most * 2;
}

/* Seals len bytes (0 to LEAN_PLAIN_MAX), which lie lean_front() bytes behind `record`; there are lean_behind() bytes of
 * room behind them. Returns the record's length; 0: OpenSSL has failed or the key is spent; nothing may be sent any
 * more then. */
size_t lean_seal(struct lean_records *r, struct lean_side *s, struct lean_suite suite, enum lean_type type,
                 uint8_t *record, size_t len) MUST_CHECK;

/* The length of a record that begins with these LEAN_HEADER bytes, its header included; or a negative alert: there is
 * none such after a handshake. */
int lean_record_length(struct lean_suite suite, const uint8_t *header) MUST_CHECK;

/* What a record held. */
struct lean_plain {
    uint8_t *data; /* within the record */
    size_t len;
};

/* Opens a whole record, of whose header lean_record_length() has given len. plain_most: the most plaintext that the
 * peer may put into one. Its type, or a negative alert; *plain is set only where a type is returned. */
int lean_open(struct lean_records *r, struct lean_side *s, struct lean_suite suite, uint8_t *record, size_t len,
              size_t plain_most, struct lean_plain *plain) MUST_CHECK;

#endif
