/*
 * Taking over from OpenSSL.
 *
 * SPDX-License-Identifier: MIT
 */
#include "net/tls/lean_handover.h"
#include "net/tls/openssl.h"

#include <string.h>

#define FIRST_SEQUENCES 16 /* more tickets than a handshake sends */

const char *lean_reason_name(enum lean_reason reason)
{
    static const char *const names[LEAN_REASONS] = {
        [LEAN_TAKEN] = "taken",         [LEAN_OTHER_SUITE] = "other_suite",   [LEAN_HAS_PENDING] = "pending",
        [LEAN_IN_RECORD] = "in_record", [LEAN_NO_SECRETS] = "no_secrets",     [LEAN_MISCOUNTED] = "miscounted",
        [LEAN_UNSEEN] = "unseen",       [LEAN_CHECK_FAILED] = "check_failed", [LEAN_REFUSED] = "refused",
        [LEAN_NO_MEMORY] = "no_memory",
    };
    return names[reason];
}

bool lean_prepare_context(SSL_CTX *context)
{
    SSL_CTX_set_read_ahead(context, 0);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    return SSL_CTX_set_max_early_data(context, 0) > 0;
}

/* Whether the handshake is at its end, and nothing of it or behind it is left with OpenSSL. */
static bool handshake_is_over(const SSL *ssl)
{
    return SSL_is_init_finished(ssl) && !SSL_has_pending(ssl) && SSL_get_shutdown(ssl) == 0;
}

static bool suite_of(const SSL *ssl, struct lean_suite *suite)
{
    const SSL_CIPHER *cipher = SSL_get_current_cipher(ssl);
    int version = SSL_version(ssl);
    if (!cipher || (version != TLS1_2_VERSION && version != TLS1_3_VERSION))
        return false;
    if (SSL_get_current_compression((SSL *)(uintptr_t)ssl) != NULL)
        return false;
    if (SSL_get_early_data_status(ssl) == SSL_EARLY_DATA_ACCEPTED)
        return false;
    return lean_suite_known(SSL_CIPHER_get_protocol_id(cipher), version == TLS1_3_VERSION, suite);
}

/* The most plaintext that the session lets a record have. */
static uint16_t plain_most(const SSL *ssl)
{
    const SSL_SESSION *session = SSL_get_session(ssl);
    uint8_t mode = session ? SSL_SESSION_get_max_fragment_length(session) : TLSEXT_max_fragment_length_DISABLED;
    if (mode < TLSEXT_max_fragment_length_512 || mode > TLSEXT_max_fragment_length_4096)
        return LEAN_PLAIN_MAX;
    return (uint16_t)(256u << mode);
}

/* Keys of TLS 1.3 and where its records are: nothing has come under the client's, and what was written since the
 * client's last record, the tickets, is under ours. */
static enum lean_reason take_13(const struct lean_secrets *secrets, const struct lean_crossed *crossed,
                                struct lean_session *s)
{
    uint8_t len = lean_cipher_of(s->suite)->secret_len;
    if (secrets->client_len != len || secrets->server_len != len)
        return LEAN_NO_SECRETS;
    memcpy(s->in.secret, secrets->client, len);
    memcpy(s->out.secret, secrets->server, len);
    s->out.sequence = crossed->out_since;
    return lean_side_derive(&s->in, s->suite) && lean_side_derive(&s->out, s->suite) ? LEAN_TAKEN : LEAN_REFUSED;
}

/* Of TLS 1.2: both have counted from their ChangeCipherSpec, and each has sent a Finished at least since. */
static enum lean_reason take_12(const SSL *ssl, const struct lean_crossed *crossed, struct lean_session *s)
{
    uint8_t master[LEAN_MASTER], client[LEAN_RANDOM], server[LEAN_RANDOM];
    if (!crossed->in_changed || !crossed->out_changed || crossed->in == 0 || crossed->out == 0)
        return LEAN_MISCOUNTED;
    const SSL_SESSION *session = SSL_get_session(ssl);
    if (!session || SSL_SESSION_get_master_key(session, master, sizeof master) != sizeof master ||
        SSL_get_client_random(ssl, client, sizeof client) != sizeof client ||
        SSL_get_server_random(ssl, server, sizeof server) != sizeof server) {
        OPENSSL_cleanse(master, sizeof master);
        return LEAN_NO_SECRETS;
    }
    bool derived = lean_sides_derive_12(&s->in, &s->out, s->suite, master, client, server);
    OPENSSL_cleanse(master, sizeof master);
    s->in.sequence = crossed->in;
    s->out.sequence = crossed->out;
    return derived ? LEAN_TAKEN : LEAN_REFUSED;
}

/* Opens a copy of the last record that OpenSSL has sealed, as the record number `sequence` of our side. Its type, or a
 * negative alert. */
static int open_last(struct lean_records *r, const struct lean_crossed *crossed, uint8_t *scratch,
                     const struct lean_session *s, uint64_t sequence)
{
    struct lean_side side = s->out;
    struct lean_plain plain;
    side.sequence = sequence;
    memcpy(scratch, crossed->last, crossed->last_len);
    int type = lean_open(r, &side, s->suite, scratch, crossed->last_len, LEAN_PLAIN_MAX, &plain);
    lean_records_forget(r, &side, s->suite);
    OPENSSL_cleanse(&side, sizeof side);
    OPENSSL_cleanse(scratch, crossed->last_len);
    return type;
}

/* Where nothing is said to have been sealed under the key that s goes on with, since no ticket was sent: the last
 * record, of the handshake's own keys, is none of the first under ours. */
static enum lean_reason check_first(struct lean_records *r, const struct lean_crossed *crossed, uint8_t *scratch,
                                    const struct lean_session *s)
{
    for (uint64_t sequence = 0; sequence < FIRST_SEQUENCES; sequence++)
        if (open_last(r, crossed, scratch, s, sequence) >= 0)
            return LEAN_MISCOUNTED;
    return LEAN_TAKEN;
}

/* The last record that OpenSSL has sealed has to be the one before that which s would seal next. */
static enum lean_reason check_last(struct lean_records *r, const struct lean_crossed *crossed, uint8_t *scratch,
                                   size_t scratch_size, struct lean_session *s)
{
    if (!crossed->last || crossed->last_len < LEAN_HEADER || crossed->last_len > scratch_size)
        return LEAN_UNSEEN;
    int len = lean_record_length(s->suite, crossed->last);
    if (len < 0 || (size_t)len != crossed->last_len)
        return LEAN_MISCOUNTED;
    if (s->out.sequence == 0)
        return check_first(r, crossed, scratch, s);
    if (open_last(r, crossed, scratch, s, s->out.sequence - 1) != LEAN_HANDSHAKE)
        return LEAN_CHECK_FAILED;
    if (lean_carries_nonce(s->suite)) {
        uint64_t carried;
        memcpy(&carried, crossed->last + LEAN_HEADER, sizeof carried);
        carried = __builtin_bswap64(carried);
        s->out.carry = carried == UINT64_MAX ? 0 : carried + 1;
    }
    return LEAN_TAKEN;
}

enum lean_reason lean_hand_over(struct lean_records *r, const SSL *ssl, const struct lean_secrets *secrets,
                                const struct lean_crossed *crossed, uint8_t *scratch, size_t scratch_size,
                                struct lean_session *s)
{
    *s = (struct lean_session){0};
    if (!handshake_is_over(ssl))
        return LEAN_HAS_PENDING;
    if (!crossed->between)
        return LEAN_IN_RECORD;
    if (!suite_of(ssl, &s->suite))
        return LEAN_OTHER_SUITE;
    enum lean_reason reason = s->suite.tls13 ? take_13(secrets, crossed, s) : take_12(ssl, crossed, s);
    if (reason == LEAN_TAKEN)
        reason = check_last(r, crossed, scratch, scratch_size, s);
    s->plain_most = plain_most(ssl);
    if (reason != LEAN_TAKEN)
        OPENSSL_cleanse(s, sizeof *s);
    return reason;
}
