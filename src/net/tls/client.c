/*
 * TLS as a client.
 *
 * SPDX-License-Identifier: MIT
 */
#include "net/tls/client.h"
#include "base/system.h"
#include "net/tls/openssl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

struct tls_client {
    SSL *ssl;
    BIO_METHOD *method;
    int fd;
    int broken;           /* errno of the socket's; 0: none */
    unsigned long reason; /* OpenSSL's of the last failure; 0: none */
    bool over;            /* nothing more can be sent: OpenSSL wants no goodbye after a failure */
    char alpn[TLS_CLIENT_ALPN_MAX];
};

/* ---- Contexts ---- */

static SSL_CTX *ssl_of(struct tls_client_context *x)
{
    return (SSL_CTX *)x;
}

/* Names between commas as ALPN has them: each behind its length. 0: they are no such names. */
static size_t alpn_encode(const char *names, unsigned char *to, size_t size)
{
    size_t len = 0;
    for (const char *at = names; at;) {
        const char *end = strchr(at, ',');
        size_t name = end ? (size_t)(end - at) : strlen(at);
        if (name == 0 || name > UINT8_MAX || len + 1 + name > size)
            return 0;
        to[len] = (unsigned char)name;
        memcpy(to + len + 1, at, name);
        len += 1 + name;
        at = end ? end + 1 : NULL;
    }
    return len;
}

static COLD bool context_fail(char *why, size_t size, const char *what, const char *file)
{
    unsigned long code = ERR_peek_last_error();
    const char *reason = code ? ERR_reason_error_string(code) : NULL;
    snprintf(why, size, "%s%s%s: %s", what, file ? " " : "", file ? file : "", reason ? reason : "refused");
    return false;
}

static bool context_fill(SSL_CTX *x, const struct tls_client_settings *s, char *why, size_t size)
{
    unsigned char alpn[TLS_CLIENT_ALPN_MAX];
    size_t alpn_len = s->alpn ? alpn_encode(s->alpn, alpn, sizeof alpn) : 0;
    if (!SSL_CTX_set_min_proto_version(x, TLS1_2_VERSION))
        return context_fail(why, size, "TLS 1.2", NULL);
    SSL_CTX_set_mode(x, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(x, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_verify(x, s->verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
    if (s->verify && !(s->ca_file ? SSL_CTX_load_verify_file(x, s->ca_file) : SSL_CTX_set_default_verify_paths(x)))
        return context_fail(why, size, "certificates that are trusted", s->ca_file);
    if (s->alpn && (alpn_len == 0 || SSL_CTX_set_alpn_protos(x, alpn, (unsigned)alpn_len) != 0))
        return context_fail(why, size, "protocols for ALPN", s->alpn);
    if (!s->certificate)
        return true;
    const char *key = s->key ? s->key : s->certificate;
    if (SSL_CTX_use_certificate_chain_file(x, s->certificate) != 1)
        return context_fail(why, size, "certificate", s->certificate);
    if (SSL_CTX_use_PrivateKey_file(x, key, SSL_FILETYPE_PEM) != 1)
        return context_fail(why, size, "key", key);
    return true;
}

/* Measured: 0.8 MB of a file of 0.2 MB. */
#define CONTEXT_BYTES ((size_t)64 << 10)
#define STORE_TIMES   4
#define STORE_MOST    ((off_t)64 << 20) /* of a file, as far as it is counted */

size_t tls_client_context_bytes(const struct tls_client_settings *s)
{
    struct stat status;
    // NOLINTNEXTLINE(concurrency-mt-unsafe): OpenSSL reads the same variable, and no program changes it while it serves
    const char *file = s->ca_file ? s->ca_file : getenv(X509_get_default_cert_file_env());
    if (!file)
        file = X509_get_default_cert_file();
    if (!s->verify || stat(file, &status) != 0 || status.st_size <= 0)
        return CONTEXT_BYTES;
    return CONTEXT_BYTES + STORE_TIMES * (size_t)(status.st_size < STORE_MOST ? status.st_size : STORE_MOST);
}

struct tls_client_context *tls_client_context_new(const struct tls_client_settings *s, char *why, size_t size)
{
    ERR_clear_error();
    SSL_CTX *x = SSL_CTX_new(TLS_client_method());
    if (!x) {
        context_fail(why, size, "TLS", NULL);
        return NULL;
    }
    if (!context_fill(x, s, why, size)) {
        SSL_CTX_free(x);
        x = NULL;
    }
    ERR_clear_error();
    return (struct tls_client_context *)x;
}

void tls_client_thread_done(void)
{
    OPENSSL_thread_stop();
}

void tls_client_context_free(struct tls_client_context *x)
{
    SSL_CTX_free(ssl_of(x));
}

void tls_client_context_keep(struct tls_client_context *x)
{
    SSL_CTX_up_ref(ssl_of(x));
}

/* ---- The socket ---- */

static int socket_read(BIO *b, char *to, int len)
{
    struct tls_client *t = BIO_get_data(b);
    BIO_clear_retry_flags(b);
    if (len <= 0)
        return 0;
    ssize_t got = system_recv(t->fd, to, (size_t)len, MSG_DONTWAIT);
    if (got >= 0)
        return (int)got;
    if (errno == EAGAIN || errno == EINTR)
        BIO_set_retry_read(b);
    else
        t->broken = errno;
    return -1;
}

static int socket_write(BIO *b, const char *data, int len)
{
    struct tls_client *t = BIO_get_data(b);
    BIO_clear_retry_flags(b);
    if (len <= 0)
        return 0;
    ssize_t put = send(t->fd, data, (size_t)len, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (put >= 0)
        return (int)put;
    if (errno == EAGAIN || errno == EINTR)
        BIO_set_retry_write(b);
    else
        t->broken = errno;
    return -1;
}

static long socket_control(BIO *b, int command, long number, void *pointer)
{
    (void)b;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

static int socket_create(BIO *b)
{
    BIO_set_init(b, 1);
    return 1;
}

static BIO_METHOD *socket_method(void)
{
    BIO_METHOD *m = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "weir client");
    if (m && BIO_meth_set_read(m, socket_read) && BIO_meth_set_write(m, socket_write) &&
        BIO_meth_set_ctrl(m, socket_control) && BIO_meth_set_create(m, socket_create))
        return m;
    BIO_meth_free(m);
    return NULL;
}

/* ---- Connections ---- */

/* Whom the certificate has to be for; SNI names no addresses (RFC 6066 section 3). */
static bool expect(SSL *ssl, const char *name)
{
    unsigned char number[16];
    if (!name[0]) /* OpenSSL takes that for anybody */
        return false;
    if (inet_pton(AF_INET, name, number) == 1 || inet_pton(AF_INET6, name, number) == 1)
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1;
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(ssl, name) == 1 && SSL_set_tlsext_host_name(ssl, name) == 1;
}

struct tls_client *tls_client_new(struct tls_client_context *x, int fd, const char *name)
{
    ERR_clear_error();
    struct tls_client *t = OPENSSL_zalloc(sizeof *t);
    if (!t)
        return NULL;
    t->fd = fd;
    t->method = socket_method();
    t->ssl = SSL_new(ssl_of(x));
    BIO *b = t->method ? BIO_new(t->method) : NULL;
    if (b)
        BIO_set_data(b, t);
    if (t->ssl && b && expect(t->ssl, name)) {
        SSL_set_bio(t->ssl, b, b);
        SSL_set_connect_state(t->ssl);
        return t;
    }
    BIO_free(b);
    t->over = true;
    tls_client_free(t);
    return NULL;
}

void tls_client_free(struct tls_client *t)
{
    if (!t)
        return;
    if (!t->over)
        (void)tls_client_goodbye(t);
    SSL_free(t->ssl);
    BIO_meth_free(t->method);
    ERR_clear_error();
    OPENSSL_free(t);
}

/* What it means that OpenSSL returned `result`, which is no success. */
static enum tls_step step_of(struct tls_client *t, int result)
{
    switch (SSL_get_error(t->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        return TLS_STEP_READABLE;
    case SSL_ERROR_WANT_WRITE:
        return TLS_STEP_WRITABLE;
    case SSL_ERROR_ZERO_RETURN:
        return TLS_STEP_ENDED;
    default:
        t->over = true;
        t->reason = ERR_peek_last_error();
        ERR_clear_error();
        return t->broken ? TLS_STEP_BROKEN : TLS_STEP_WRONG;
    }
}

enum tls_step tls_client_handshake(struct tls_client *t)
{
    ERR_clear_error();
    int result = SSL_do_handshake(t->ssl);
    if (result == 1)
        return TLS_STEP_DONE;
    enum tls_step step = step_of(t, result);
    bool distrusted = step == TLS_STEP_WRONG && SSL_get_verify_result(t->ssl) != X509_V_OK &&
                      ERR_GET_REASON(t->reason) == SSL_R_CERTIFICATE_VERIFY_FAILED;
    return distrusted ? TLS_STEP_DISTRUST : step == TLS_STEP_ENDED ? TLS_STEP_WRONG : step;
}

enum tls_step tls_client_read(struct tls_client *t, char *to, size_t len, size_t *got)
{
    ERR_clear_error();
    int result = SSL_read_ex(t->ssl, to, len, got);
    return result == 1 ? TLS_STEP_DONE : step_of(t, result);
}

enum tls_step tls_client_write(struct tls_client *t, const char *data, size_t len, size_t *put)
{
    ERR_clear_error();
    int result = SSL_write_ex(t->ssl, data, len, put);
    return result == 1 ? TLS_STEP_DONE : step_of(t, result);
}

enum tls_step tls_client_goodbye(struct tls_client *t)
{
    ERR_clear_error();
    if (t->over || !SSL_is_init_finished(t->ssl))
        return TLS_STEP_WRONG;
    int result = SSL_shutdown(t->ssl);
    return result >= 0 ? TLS_STEP_DONE : step_of(t, result);
}

bool tls_client_is_idle(struct tls_client *t)
{
    char byte;
    size_t got;
    ERR_clear_error();
    int result = SSL_peek_ex(t->ssl, &byte, 1, &got);
    return result != 1 && step_of(t, result) == TLS_STEP_READABLE;
}

void tls_client_why(const struct tls_client *t, char *why, size_t size)
{
    char text[128];
    long verdict = SSL_get_verify_result(t->ssl);
    const char *reason = t->reason ? ERR_reason_error_string(t->reason) : NULL;
    if (t->broken)
        snprintf(why, size, "%s", strerror_r(t->broken, text, sizeof text));
    else if (verdict != X509_V_OK)
        snprintf(why, size, "certificate: %s", X509_verify_cert_error_string(verdict));
    else
        snprintf(why, size, "TLS: %s", reason ? reason : "the connection was closed");
}

void tls_client_info(const struct tls_client *t, const char **version, const char **cipher, const char **alpn)
{
    /* The client's own record of it, since OpenSSL's name has no end. */
    const unsigned char *name;
    unsigned len;
    struct tls_client *own = (struct tls_client *)t;
    SSL_get0_alpn_selected(t->ssl, &name, &len);
    *alpn = NULL;
    if (len > 0 && len < sizeof own->alpn) {
        memcpy(own->alpn, name, len);
        own->alpn[len] = '\0';
        *alpn = own->alpn;
    }
    *version = SSL_get_version(t->ssl);
    const SSL_CIPHER *suite = SSL_get_current_cipher(t->ssl);
    *cipher = suite ? SSL_CIPHER_standard_name(suite) : NULL;
}
