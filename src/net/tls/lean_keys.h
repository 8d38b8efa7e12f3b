/*
 * Traffic keys of lean records: what OpenSSL's handshake has agreed on, made into a key and a nonce for each direction.
 * TLS 1.3 begins from the two secrets of the key log and can go on to the next generation (RFC 8446 sections 7.1 to
 * 7.3); TLS 1.2 from the master secret and both randoms (RFC 5246 section 6.3). All cryptography is OpenSSL's, and what
 * is secret is wiped on every path.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_NET_TLS_LEAN_KEYS_H
#define WEIR_NET_TLS_LEAN_KEYS_H

#include "base/debug.h"
#include "net/tls/openssl.h"

#include <stdbool.h>
#include <stdint.h>

#define LEAN_KEY_MAX     32
#define LEAN_IV          12
#define LEAN_SECRET_MAX  48
#define LEAN_TAG         16
#define LEAN_RANDOM      32
#define LEAN_MASTER      48
#define LEAN_GCM_SALT    4 /* of a GCM nonce in TLS 1.2: the part that no record carries (RFC 5288 section 3) */
#define LEAN_GCM_PER_MSG 8 /* the part that each does */

/* Suites that are known, named by what seals records. Hash and length of keys follow from that in both versions. */
enum lean_cipher { LEAN_AES_128_GCM, LEAN_AES_256_GCM, LEAN_CHACHA20_POLY1305, LEAN_CIPHERS };

/* What the records of a connection are sealed by. */
struct lean_suite {
    uint8_t cipher : 2; /* enum lean_cipher */
    bool tls13 : 1;     /* else it is TLS 1.2 */
};

/*
 * One direction of a connection. `key` and `iv` are the present generation's; `secret` is what the next one is made
 * from. In TLS 1.2 the nonce of GCM is the first LEAN_GCM_SALT bytes of iv and eight that each record carries: `carry`
 * is what the next sealed record carries, and is one more each time.
 */
struct lean_side {
    uint64_t sequence; /* of the next record */
    union {
        uint8_t secret[LEAN_SECRET_MAX]; /* TLS 1.3 */
        uint64_t carry;                  /* TLS 1.2, GCM, the side that seals */
    };
    uint8_t key[LEAN_KEY_MAX];
    uint8_t iv[LEAN_IV];
};

/* What a cipher is in OpenSSL's words. */
struct lean_cipher_kind {
    const char *name; /* of EVP */
    const char *hash; /* of its key schedule */
    uint8_t key_len, secret_len;
    uint32_t records_most; /* records under one key before it has to be another */
};

extern const struct lean_cipher_kind lean_ciphers[LEAN_CIPHERS];

static inline const struct lean_cipher_kind *lean_cipher_of(struct lean_suite suite)
{
    return &lean_ciphers[suite.cipher];
}

/* Whether the nonce of each record is partly in it: GCM of TLS 1.2. */
static inline bool lean_carries_nonce(struct lean_suite suite)
{
    return !suite.tls13 && suite.cipher != LEAN_CHACHA20_POLY1305;
}

/* The suite of an SSL_CIPHER's protocol number (two bytes). False: lean records do not know it. */
bool lean_suite_known(unsigned number, bool tls13, struct lean_suite *suite) MUST_CHECK;

/* HKDF-Expand-Label (RFC 8446 section 7.1) with an empty context. False: OpenSSL has refused; out is wiped. */
bool lean_expand_label(const char *hash, const uint8_t *secret, size_t secret_len, const char *label, uint8_t *out,
                       size_t len) MUST_CHECK;

/* Key and iv of s->secret; the sequence is the caller's. False: OpenSSL has refused, and s is wiped. */
bool lean_side_derive(struct lean_side *s, struct lean_suite suite) MUST_CHECK;

/* The next generation of a TLS 1.3 side, after a KeyUpdate: secret, key and iv are replaced, the sequence begins anew.
 * False as above. */
bool lean_side_update(struct lean_side *s, struct lean_suite suite) MUST_CHECK;

/* Keys of TLS 1.2: those of the client's records and of the server's. Sequences and `carry` are the caller's. False as
 * above. */
bool lean_sides_derive_12(struct lean_side *client, struct lean_side *server, struct lean_suite suite,
                          const uint8_t master[LEAN_MASTER], const uint8_t client_random[LEAN_RANDOM],
                          const uint8_t server_random[LEAN_RANDOM]) MUST_CHECK;

/* What the key log tells of a TLS 1.3 handshake. Zero at first; wiped by its owner. */
struct lean_secrets {
    uint8_t client[LEAN_SECRET_MAX], server[LEAN_SECRET_MAX];
    uint8_t client_len, server_len; /* 0: not told yet */
};

/* Takes a line of OpenSSL's key log, if that tells of one of the secrets; others are passed over. A secret of a length
 * that no known suite has is not taken. */
void lean_secrets_note(struct lean_secrets *s, const char *line);

#endif
