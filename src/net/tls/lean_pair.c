/*
 * Handshakes in memory.
 *
 * SPDX-License-Identifier: MIT
 */
#include "net/tls/lean_pair.h"
#include "net/tls/openssl.h"

#include <string.h>

#define STEPS_MOST 10 /* of a handshake: two round trips, and tickets */

/* ---- Contexts ---- */

/* Signs a certificate for a day, of that key and for nobody. NULL: OpenSSL has refused. */
static X509 *certificate_new(EVP_PKEY *key)
{
    X509 *certificate = X509_new();
    X509_NAME *name = certificate ? X509_get_subject_name(certificate) : NULL;
    const unsigned char *common = (const unsigned char *)"weir self-test";
    bool made = name && X509_set_version(certificate, X509_VERSION_3) &&
                ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1) &&
                X509_gmtime_adj(X509_getm_notBefore(certificate), -3600) &&
                X509_gmtime_adj(X509_getm_notAfter(certificate), 86400) && X509_set_pubkey(certificate, key) &&
                X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, common, -1, -1, 0) &&
                X509_set_issuer_name(certificate, name) && X509_sign(certificate, key, EVP_sha256()) > 0;
    if (made)
        return certificate;
    X509_free(certificate);
    return NULL;
}

static void note_secret(const SSL *ssl, const char *line)
{
    struct lean_pair *p = SSL_get_app_data(ssl);
    lean_secrets_note(&p->secrets, line);
}

static bool server_prepare(SSL_CTX *server)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = key ? certificate_new(key) : NULL;
    static const unsigned char name[] = "weir";
    bool good = certificate && SSL_CTX_use_certificate(server, certificate) > 0 &&
                SSL_CTX_use_PrivateKey(server, key) > 0 && lean_prepare_context(server) &&
                SSL_CTX_set_session_id_context(server, name, sizeof name - 1) > 0 &&
                SSL_CTX_set_min_proto_version(server, TLS1_2_VERSION) > 0;
    X509_free(certificate);
    EVP_PKEY_free(key);
    SSL_CTX_set_keylog_callback(server, note_secret);
    return good;
}

bool lean_pair_prepare(struct lean_pair_contexts *c)
{
    c->server = SSL_CTX_new(TLS_server_method());
    c->client = SSL_CTX_new(TLS_client_method());
    if (c->server && c->client && server_prepare(c->server))
        return true;
    lean_pair_forget(c);
    return false;
}

void lean_pair_forget(struct lean_pair_contexts *c)
{
    SSL_CTX_free(c->server);
    SSL_CTX_free(c->client);
    *c = (struct lean_pair_contexts){0};
    ERR_clear_error();
}

/* ---- Ends ---- */

static bool suite_only(SSL *ssl, struct lean_suite suite)
{
    static const char *const names_13[LEAN_CIPHERS] = {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384",
                                                       "TLS_CHACHA20_POLY1305_SHA256"};
    static const char *const names_12[LEAN_CIPHERS] = {"ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384",
                                                       "ECDHE-ECDSA-CHACHA20-POLY1305"};
    int version = suite.tls13 ? TLS1_3_VERSION : TLS1_2_VERSION;
    return SSL_set_min_proto_version(ssl, version) > 0 && SSL_set_max_proto_version(ssl, version) > 0 &&
           (suite.tls13 ? SSL_set_ciphersuites(ssl, names_13[suite.cipher])
                        : SSL_set_cipher_list(ssl, names_12[suite.cipher])) > 0;
}

bool lean_pair_open(struct lean_pair *p, const struct lean_pair_contexts *c, struct lean_suite suite,
                    SSL_SESSION *session)
{
    *p = (struct lean_pair){0};
    p->server = SSL_new(c->server);
    p->client = SSL_new(c->client);
    p->up = BIO_new(BIO_s_mem());
    p->down = BIO_new(BIO_s_mem());
    p->last = OPENSSL_malloc(LEAN_RECORD_MAX);
    bool good = p->server && p->client && p->up && p->down && p->last && SSL_set_app_data(p->server, p) > 0 &&
                suite_only(p->client, suite) && (!session || SSL_set_session(p->client, session) > 0);
    if (!good) {
        lean_pair_close(p);
        return false;
    }
    /* Each of the four places owns its BIO; two references are for the pair itself. */
    BIO_up_ref(p->up);
    BIO_up_ref(p->up);
    BIO_up_ref(p->down);
    BIO_up_ref(p->down);
    SSL_set_bio(p->server, p->up, p->down);
    SSL_set_bio(p->client, p->down, p->up);
    SSL_set_accept_state(p->server);
    SSL_set_connect_state(p->client);
    return true;
}

void lean_pair_close(struct lean_pair *p)
{
    if (p->client) /* or its session could not be resumed */
        SSL_set_shutdown(p->client, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    if (p->server)
        SSL_set_shutdown(p->server, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(p->server);
    SSL_free(p->client);
    BIO_free(p->up);
    BIO_free(p->down);
    OPENSSL_free(p->last);
    OPENSSL_cleanse(p, sizeof *p);
    ERR_clear_error();
}

/* ---- Handshake ---- */

/* Counts whole records; *last: where the last of them lies. False: they are not whole. */
static bool count_records(const uint8_t *data, size_t len, uint32_t *records, bool *changed, uint32_t *since,
                          const uint8_t **last)
{
    while (len >= LEAN_HEADER) {
        size_t whole = LEAN_HEADER + ((size_t)data[3] << 8 | data[4]);
        if (whole > len || whole > LEAN_RECORD_MAX)
            return false;
        *last = data;
        ++*since;
        ++*records;
        if (data[0] == LEAN_CHANGE_CIPHER) {
            *changed = true;
            *records = 0;
        }
        data += whole;
        len -= whole;
    }
    return len == 0;
}

/* Lets the server go on, and counts what it was given and has written. Whether it is done; *good: nothing failed. */
static bool server_step(struct lean_pair *p, bool *good)
{
    struct lean_crossed *x = &p->crossed;
    const uint8_t *last = NULL;
    char *data;
    uint32_t ignored = 0;
    long in = BIO_get_mem_data(p->up, &data), before = BIO_get_mem_data(p->down, &data);
    (void)BIO_get_mem_data(p->up, &data);
    *good = in >= 0 && before >= 0 &&
            count_records((const uint8_t *)data, (size_t)in, &x->in, &x->in_changed, &ignored, &last);
    int result = SSL_do_handshake(p->server);
    long after = BIO_get_mem_data(p->down, &data);
    x->out_since = 0;
    last = NULL;
    *good = *good && after >= before &&
            count_records((const uint8_t *)data + before, (size_t)(after - before), &x->out, &x->out_changed,
                          &x->out_since, &last);
    if (*good && last) {
        x->last_len = LEAN_HEADER + ((size_t)last[3] << 8 | last[4]);
        memcpy(p->last, last, x->last_len);
        x->last = p->last;
    }
    if (result != 1 && SSL_get_error(p->server, result) != SSL_ERROR_WANT_READ)
        *good = false;
    return result == 1;
}

bool lean_pair_handshake(struct lean_pair *p)
{
    bool good = true, served = false, asked = false;
    for (int i = 0; good && i < STEPS_MOST && !(served && asked); i++) {
        if (!asked) {
            int result = SSL_do_handshake(p->client);
            asked = result == 1;
            good = asked || SSL_get_error(p->client, result) == SSL_ERROR_WANT_READ;
        }
        if (good && !served)
            served = server_step(p, &good);
    }
    p->crossed.between = true;
    return good && served && asked;
}

size_t lean_pair_take(struct lean_pair *p, uint8_t *record)
{
    char *data;
    long len = BIO_get_mem_data(p->up, &data);
    if (len < LEAN_HEADER)
        return 0;
    size_t whole = LEAN_HEADER + ((size_t)(uint8_t)data[3] << 8 | (uint8_t)data[4]);
    if (whole > (size_t)len || whole > LEAN_RECORD_MAX)
        return 0;
    return BIO_read(p->up, record, (int)whole) == (int)whole ? whole : 0;
}

bool lean_pair_give(struct lean_pair *p, const uint8_t *data, size_t len)
{
    return BIO_write(p->down, data, (int)len) == (int)len;
}
