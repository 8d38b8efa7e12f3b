/*
 * What OpenSSL calls during a handshake: which certificate, which protocol, which key of tickets, which OCSP response.
 *
 * SPDX-License-Identifier: MIT
 */
#include "net/tls/context.h"
#include "net/tls/openssl.h"
#include "net/tls/tls.h"

#include <string.h>

static struct tls_handshake *handshake_of(const SSL *ssl)
{
    const struct tls_connection *t = SSL_get_app_data(ssl);
    return t->handshake;
}

static int choose_certificate(SSL *ssl, int *alert, void *arg)
{
    (void)arg;
    struct tls_handshake *h = handshake_of(ssl);
    struct tls_contexts *contexts = h->contexts;
    const char *host = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    int found = host ? tls_names_find(&contexts->names, host) : -1;
    if (found >= 0) {
        SSL_CTX *chosen = contexts->certificates[found].context;
        if (chosen != SSL_get_SSL_CTX(ssl) && !SSL_set_SSL_CTX(ssl, chosen)) {
            *alert = SSL_AD_INTERNAL_ERROR;
            return SSL_TLSEXT_ERR_ALERT_FATAL;
        }
        return SSL_TLSEXT_ERR_OK;
    }
    if (contexts->listener->settings.strict) {
        h->failure = HANDSHAKE_NAME;
        *alert = SSL_AD_UNRECOGNIZED_NAME;
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    return SSL_TLSEXT_ERR_NOACK;
}

/* Where a client's list (RFC 7301), of which OpenSSL has seen that it is well-formed, has that name: at the byte of its
 * length. NULL: it is not there. */
static const unsigned char *find_name(const unsigned char *list, unsigned list_len, const char *name)
{
    size_t len = strlen(name);
    for (unsigned at = 0; at < list_len; at += 1u + list[at])
        if (list[at] == len && memcmp(list + at + 1, name, len) == 0)
            return list + at;
    return NULL;
}

/* Chooses in the server's order. One that offers nothing does as if it did not know ALPN. */
static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in,
                           unsigned in_len, void *arg)
{
    (void)arg;
    struct tls_handshake *h = handshake_of(ssl);
    const struct tls_worker *w = h->t->worker;
    const struct listen_spec *spec = &w->net->listeners[h->t->c.timer.owner_bits];
    if (!spec->offers)
        return SSL_TLSEXT_ERR_NOACK;
    for (const struct alpn_offer *offer = spec->offers; offer->name; offer++) {
        const unsigned char *found = find_name(in, in_len, offer->name);
        if (found) {
            *out = found + 1;
            *out_len = found[0];
            return SSL_TLSEXT_ERR_OK;
        }
    }
    h->failure = HANDSHAKE_NO_PROTOCOL;
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* Sets up cipher and MAC of a ticket by its key. */
static bool ticket_begin(const struct tickets *t, const struct ticket_key *key, const unsigned char *iv,
                         EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int seal)
{
    char digest[] = "SHA256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, (void *)(uintptr_t)key->mac, sizeof key->mac),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    return EVP_CipherInit_ex(cipher, t->cipher, NULL, key->cipher, iv, seal) > 0 &&
           EVP_MAC_CTX_set_params(mac, params) > 0;
}

static int ticket_key(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac,
                      int seal)
{
    struct tickets *tickets = &handshake_of(ssl)->contexts->listener->tickets;
    struct ticket_key key;
    int result;
    if (seal) {
        result = tickets->cipher && tickets_seal_key(tickets, &key) &&
                 RAND_bytes(iv, EVP_CIPHER_get_iv_length(tickets->cipher)) > 0;
        if (result)
            memcpy(name, key.name, sizeof key.name);
    } else {
        result = tickets->cipher ? tickets_open_key(tickets, name, &key) : 0;
    }
    if (result > 0 && !ticket_begin(tickets, &key, iv, cipher, mac, seal))
        result = -1;
    OPENSSL_cleanse(&key, sizeof key);
    return result;
}

static int staple(SSL *ssl, void *arg)
{
    const struct tls_certificate *certificate = arg;
    unsigned char *copy = certificate->staple ? OPENSSL_memdup(certificate->staple, certificate->staple_len) : NULL;
    if (!copy)
        return SSL_TLSEXT_ERR_NOACK;
    SSL_set_tlsext_status_ocsp_resp(ssl, copy, (long)certificate->staple_len); /* which is the ssl's from here on */
    return SSL_TLSEXT_ERR_OK;
}

bool tls_calls_set(SSL_CTX *context, struct tls_certificate *certificate, const struct tls_listener *l)
{
    bool good = SSL_CTX_set_tlsext_servername_callback(context, choose_certificate) > 0;
    SSL_CTX_set_alpn_select_cb(context, choose_protocol, NULL);
    if (l->settings.tickets)
        good = good && SSL_CTX_set_tlsext_ticket_key_evp_cb(context, ticket_key) > 0;
    if (certificate->staple)
        good = good && SSL_CTX_set_tlsext_status_cb(context, staple) > 0 &&
               SSL_CTX_set_tlsext_status_arg(context, certificate) > 0;
    return good;
}
