/*
 * What a connection has to show.
 *
 * SPDX-License-Identifier: MIT
 */
#include "net/tls/lean_selftest.h"
#include "net/tls/openssl.h"

#include <stdlib.h>
#include <string.h>

/* A connection of the self-test. */
struct trial {
    struct lean_records records;
    struct lean_pair pair;
    struct lean_session session;
    struct lean_suite suite;
    uint8_t record[LEAN_RECORD_MAX + LEAN_OVERHEAD_MAX];
};

/* Seals text, and has the client read nothing of it yet. */
static bool give(struct trial *t, enum lean_type type, const void *text, size_t len)
{
    memcpy(t->record + lean_front(t->suite), text, len);
    size_t whole = lean_seal(&t->records, &t->session.out, t->suite, type, t->record, len);
    return whole > 0 && lean_pair_give(&t->pair, t->record, whole);
}

/* What the client's next record means; *plain: what it holds. Negative: it cannot be opened, or there is none. */
static int take(struct trial *t, struct lean_plain *plain)
{
    size_t len = lean_pair_take(&t->pair, t->record);
    int whole = len > 0 ? lean_record_length(t->suite, t->record) : -1;
    if (whole < 0 || (size_t)whole != len)
        return -1;
    int type = lean_open(&t->records, &t->session.in, t->suite, t->record, len, t->session.plain_most, plain);
    return type < 0 ? type : lean_post_take(&t->session.post, t->suite, type, plain);
}

static bool client_says(struct trial *t, const char *text)
{
    struct lean_plain plain;
    int len = (int)strlen(text);
    return SSL_write(t->pair.client, text, len) == len && take(t, &plain) == LEAN_IS_DATA && plain.len == (size_t)len &&
           memcmp(plain.data, text, plain.len) == 0;
}

static bool server_says(struct trial *t, const char *text)
{
    char got[64];
    int len = (int)strlen(text);
    return give(t, LEAN_DATA, text, (size_t)len) && SSL_read(t->pair.client, got, sizeof got) == len &&
           memcmp(got, text, (size_t)len) == 0;
}

static bool both_say(struct trial *t, const char *text)
{
    return client_says(t, text) && server_says(t, text) && server_says(t, text) && client_says(t, text);
}

/* The client changes its key and asks for ours to be changed. */
static bool keys_change(struct trial *t)
{
    struct lean_plain plain;
    uint8_t update[LEAN_KEY_UPDATE_LEN];
    lean_records_forget(&t->records, &t->session.in, t->suite);
    if (SSL_key_update(t->pair.client, SSL_KEY_UPDATE_REQUESTED) <= 0 || SSL_do_handshake(t->pair.client) <= 0 ||
        take(t, &plain) != (LEAN_NEW_KEY | LEAN_WANTS_UPDATE))
        return false;
    lean_records_forget(&t->records, &t->session.in, t->suite);
    if (!lean_side_update(&t->session.in, t->suite))
        return false;
    if (!give(t, LEAN_HANDSHAKE, update, lean_put_key_update(update, false)))
        return false;
    lean_records_forget(&t->records, &t->session.out, t->suite);
    return lean_side_update(&t->session.out, t->suite);
}

static bool connection_ends(struct trial *t)
{
    struct lean_plain plain;
    uint8_t alert[LEAN_ALERT_LEN];
    char none;
    if (!give(t, LEAN_ALERT, alert, lean_put_alert(alert, LEAN_CLOSE_NOTIFY)))
        return false;
    int result = SSL_read(t->pair.client, &none, 1);
    return SSL_get_error(t->pair.client, result) == SSL_ERROR_ZERO_RETURN && SSL_shutdown(t->pair.client) >= 0 &&
           take(t, &plain) == LEAN_IS_CLOSED;
}

/* Tries a connection whose ends are made. NULL: all is good; *session: to be resumed. */
static const char *try_pair(struct trial *t, lean_tamper tamper, SSL_SESSION **session)
{
    if (!lean_pair_handshake(&t->pair))
        return "a handshake in memory";
    enum lean_reason reason = lean_hand_over(&t->records, t->pair.server, &t->pair.secrets, &t->pair.crossed, t->record,
                                             sizeof t->record, &t->session);
    if (reason != LEAN_TAKEN)
        return "the hand-over";
    if (tamper)
        tamper(&t->session);
    if (!both_say(t, "before"))
        return "data";
    if (t->suite.tls13 && (!keys_change(t) || !both_say(t, "after")))
        return "a change of keys";
    *session = SSL_get1_session(t->pair.client);
    return connection_ends(t) ? NULL : "close_notify";
}

/* One connection. */
static const char *try_once(struct trial *t, const struct lean_pair_contexts *contexts, lean_tamper tamper,
                            SSL_SESSION *resumed, SSL_SESSION **session)
{
    *session = NULL;
    if (!lean_pair_open(&t->pair, contexts, t->suite, resumed))
        return "OpenSSL's objects";
    const char *wrong = try_pair(t, tamper, session);
    if (!wrong && resumed && !SSL_session_reused(t->pair.client))
        wrong = "resumption";
    lean_records_forget(&t->records, &t->session.in, t->suite);
    lean_records_forget(&t->records, &t->session.out, t->suite);
    OPENSSL_cleanse(&t->session, sizeof t->session);
    lean_pair_close(&t->pair);
    return wrong;
}

/* A suite: in full, and resumed. */
static const char *try_suite(struct trial *t, const struct lean_pair_contexts *contexts, lean_tamper tamper)
{
    SSL_SESSION *first, *second = NULL;
    const char *wrong = try_once(t, contexts, tamper, NULL, &first);
    if (!wrong)
        wrong = try_once(t, contexts, tamper, first, &second);
    SSL_SESSION_free(first);
    SSL_SESSION_free(second);
    return wrong;
}

const char *lean_self_test(lean_tamper tamper)
{
    struct lean_pair_contexts contexts;
    struct trial *t = OPENSSL_zalloc(sizeof *t);
    const char *wrong = NULL;
    if (!t || !lean_records_open(&t->records)) {
        OPENSSL_free(t);
        return "OpenSSL's ciphers";
    }
    if (lean_pair_prepare(&contexts)) {
        for (unsigned i = 0; !wrong && i < 2 * LEAN_CIPHERS; i++) {
            t->suite = (struct lean_suite){.cipher = i / 2 & 3, .tls13 = i % 2};
            wrong = try_suite(t, &contexts, tamper);
        }
        lean_pair_forget(&contexts);
    } else {
        wrong = "OpenSSL's contexts";
    }
    lean_records_close(&t->records);
    OPENSSL_clear_free(t, sizeof *t);
    ERR_clear_error();
    return wrong;
}
