/*
 * What a handshake has agreed on, as OpenSSL's object knows it.
 *
 * SPDX-License-Identifier: MIT
 */
#include "net/tls/openssl.h"
#include "net/tls/tls.h"

#include <stdio.h>

static void put(char *to, size_t size, const char *text)
{
    snprintf(to, size, "%s", text ? text : "");
}

/* The subject of a certificate as RFC 2253 writes it; what is too long for `to` is left out. */
static void put_subject(char *to, size_t size, const X509 *certificate)
{
    BIO *text = BIO_new(BIO_s_mem());
    char *data;
    long len = 0;
    if (text && X509_NAME_print_ex(text, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253) >= 0)
        len = BIO_get_mem_data(text, &data);
    if (len > 0 && (size_t)len < size) {
        memcpy(to, data, (size_t)len);
        to[len] = '\0';
    }
    BIO_free(text);
}

void tls_read_security(const SSL *ssl, struct transport_security *s)
{
    const unsigned char *protocol;
    unsigned len;
    *s = (struct transport_security){.resumed = SSL_session_reused(ssl) == 1};
    put(s->version, sizeof s->version, SSL_get_version(ssl));
    put(s->cipher, sizeof s->cipher, SSL_CIPHER_standard_name(SSL_get_current_cipher(ssl)));
    put(s->name, sizeof s->name, SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name));
    SSL_get0_alpn_selected(ssl, &protocol, &len);
    snprintf(s->protocol, sizeof s->protocol, "%.*s", (int)len, protocol ? (const char *)protocol : "");
    X509 *certificate = SSL_get0_peer_certificate(ssl);
    s->verified = certificate && SSL_get_verify_result(ssl) == X509_V_OK;
    if (s->verified)
        put_subject(s->subject, sizeof s->subject, certificate);
}
