/*
 * The client's side of TLS.
 *
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE
#include "tls.h"

#include <openssl/err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t offer_h2[] = "\x02h2", offer_http1[] = "\x08http/1.1";

static void fail(const char *what)
{
    fprintf(stderr, "%s: ", what);
    ERR_print_errors_fp(stderr);
    fputc('\n', stderr);
    exit(1);
}

SSL_CTX *tls_new_context(bool h2)
{
    signal(SIGPIPE,
           SIG_IGN); /* OpenSSL writes to sockets as to files: a server that has gone is an error like others */
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    const uint8_t *offer = h2 ? offer_h2 : offer_http1;
    if (!context || SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_ciphersuites(context, "TLS_AES_256_GCM_SHA384") != 1 ||
        SSL_CTX_set1_groups_list(context, "X25519") != 1 ||
        SSL_CTX_set_alpn_protos(context, offer, (unsigned)strlen((const char *)offer)) != 0)
        fail("TLS");
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY);
    return context;
}

SSL *tls_new_client(SSL_CTX *context, int fd)
{
    SSL *ssl = SSL_new(context);
    if (!ssl || SSL_set_fd(ssl, fd) != 1 || SSL_set_tlsext_host_name(ssl, "localhost") != 1)
        fail("TLS");
    SSL_set_connect_state(ssl);
    return ssl;
}

bool tls_agreed(const SSL *ssl, bool h2)
{
    const uint8_t *found, *offer = h2 ? offer_h2 : offer_http1;
    unsigned len;
    SSL_get0_alpn_selected(ssl, &found, &len);
    return len == 0 ? !h2 : len == offer[0] && memcmp(found, offer + 1, len) == 0;
}

size_t tls_write_hello(SSL_CTX *context, uint8_t *buf, size_t room)
{
    SSL *ssl = SSL_new(context);
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    if (!ssl || !in || !out || SSL_set_tlsext_host_name(ssl, "localhost") != 1)
        fail("TLS");
    BIO_set_mem_eof_return(in, -1);
    SSL_set_bio(ssl, in, out);
    SSL_set_connect_state(ssl);
    SSL_do_handshake(ssl);
    int len = BIO_read(out, buf, (int)room);
    if (len <= 0)
        fail("a ClientHello");
    SSL_free(ssl);
    ERR_clear_error();
    return (size_t)len;
}
