/*
 * From OpenSSL's handshake to lean records: what has to be so for that, the keys, and where the sequence numbers are.
 * Whoever has seen the records go by has counted them (tls.h, struct tls_follow); the count is checked by opening the
 * last record that OpenSSL has sealed. Whatever does not fit leaves the connection with OpenSSL, with a reason.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_NET_TLS_LEAN_HANDOVER_H
#define WEIR_NET_TLS_LEAN_HANDOVER_H

#include "net/tls/lean_post.h"
#include "net/tls/openssl.h"

/* The record layer of a connection: all that is secret of it. Wiped by its owner. */
struct lean_session {
    struct lean_side in, out;
    struct lean_post post;
    uint16_t plain_most; /* of a record, in either direction: max_fragment_length (RFC 6066 section 4) */
    struct lean_suite suite;
    uint8_t flags; /* free for the owner */
};

/* Why a connection was not taken over. */
enum lean_reason {
    LEAN_TAKEN,
    LEAN_OTHER_SUITE,  /* version or suite is not known here, or something is used beside it */
    LEAN_HAS_PENDING,  /* OpenSSL holds bytes that were received, or the handshake is not at its end */
    LEAN_IN_RECORD,    /* a record is under way */
    LEAN_NO_SECRETS,   /* the key log has not told them, or not of the suite's length */
    LEAN_MISCOUNTED,   /* the records that went by are not those of a handshake */
    LEAN_UNSEEN,       /* the last record that was sealed is not at hand */
    LEAN_CHECK_FAILED, /* and cannot be opened with key and sequence number that it should have */
    LEAN_REFUSED,      /* OpenSSL has refused to derive keys */
    LEAN_NO_MEMORY,    /* for the connection's record layer */
    LEAN_REASONS,
};

/* Records that have gone by, as tls.h counts them. */
struct lean_crossed {
    bool between;                 /* no record is under way, in neither direction */
    uint32_t in, out;             /* since the last ChangeCipherSpec of that direction */
    bool in_changed, out_changed; /* there was one */
    uint32_t out_since;           /* records written since a record of input last began */
    const uint8_t *last;          /* the last one written, whole; NULL: it is not at hand */
    size_t last_len;
};

/* Makes s of what the handshake of ssl, which is done, has agreed on; its last output may be unsent. secrets are the
 * key log's. scratch: room for a copy of the last record, scratch_size bytes; what was copied is opened, and wiped.
 * Where another reason than LEAN_TAKEN is returned, s is zero. */
enum lean_reason lean_hand_over(struct lean_records *r, const SSL *ssl, const struct lean_secrets *secrets,
                                const struct lean_crossed *crossed, uint8_t *scratch, size_t scratch_size,
                                struct lean_session *s) MUST_CHECK;

/* What a context needs for it: no read ahead, no renegotiation, no compression, no early data. The key log's callback
 * is the caller's, and so are the suites: a connection of one that is not known is not taken over. False: OpenSSL has
 * refused. */
bool lean_prepare_context(SSL_CTX *context) MUST_CHECK;

/* A reason in a word or two, for the ledger. */
const char *lean_reason_name(enum lean_reason reason);

#endif
