/*
 * Making contexts: files read whole, pairs checked, names taken from the certificates.
 *
 * SPDX-License-Identifier: MIT
 */
#include "net/tls/context.h"
#include "base/error.h"
#include "net/tls/openssl.h"
#include "net/tls/tls.h"
#include "weir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PEM_FILE_MAX  ((size_t)1 << 20)
#define OCSP_FILE_MAX ((size_t)64 << 10)
#define CHAIN_MAX     16 /* certificates behind the first one */
#define REPORT_MAX    512

/* Mozilla's intermediate recommendation, version 5.7, without DHE: suites of TLS 1.2 with forward secrecy by elliptic
 * curves and authenticated encryption. Those of TLS 1.3 are OpenSSL's three. */
#define CIPHERS_DEFAULT                                                                                                \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"                         \
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
#define SUITES_DEFAULT "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
/* The first is for OpenSSL 3.5 and later, which knows it. */
#define GROUPS_DEFAULT     "X25519MLKEM768:X25519:prime256v1:secp384r1"
#define GROUPS_DEFAULT_OLD "X25519:prime256v1:secp384r1"

/* What a making knows. */
struct making {
    struct tls_listener *l;
    tls_report report;
    void *arg;
    struct tls_contexts *contexts;
    bool failed;
};

static COLD void making_say(struct making *m, bool error, const char *fmt, ...) WEIR_PRINTF(3, 4);
static COLD void making_say(struct making *m, bool error, const char *fmt, ...)
{
    char text[REPORT_MAX];
    va_list args;
    va_start(args, fmt);
    // NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): the line before has begun it
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    m->failed |= error;
    m->report(m->arg, error, text);
}

/* What OpenSSL says of its last failure; static, or valid until its next one. */
static COLD const char *openssl_reason(void)
{
    unsigned long code = ERR_peek_last_error();
    const char *reason = code ? ERR_reason_error_string(code) : NULL;
    return reason ? reason : "OpenSSL does not say why";
}

/* The size of a file that may be read; or a negative error. */
static ssize_t file_size(int fd, size_t most)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return error_from_errno(errno);
    if (!S_ISREG(status.st_mode))
        return WEIR_EINVAL;
    return status.st_size > (off_t)most ? WEIR_ETOOBIG : (ssize_t)status.st_size;
}

/* Reads len bytes. 0; WEIR_EIO: there are fewer, since the file is being written; or another error. */
static int read_exactly(int fd, char *to, size_t len)
{
    for (size_t have = 0; have < len;) {
        ssize_t got = read(fd, to + have, len - have);
        if (got > 0)
            have += (size_t)got;
        else if (got == 0 || errno != EINTR)
            return got == 0 ? WEIR_EIO : error_from_errno(errno);
    }
    return 0;
}

ssize_t tls_read_file(struct account *a, const char *path, size_t most, char **text)
{
    *text = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return error_from_errno(errno);
    ssize_t len = file_size(fd, most);
    if (len >= 0 && !(*text = memory_alloc(a, (size_t)len + 1)))
        len = WEIR_ENOMEM;
    int error = len >= 0 ? read_exactly(fd, *text, (size_t)len) : 0;
    close(fd);
    if (len >= 0)
        (*text)[len] = '\0';
    if (error) {
        tls_free_file(a, *text, len);
        *text = NULL;
        return error;
    }
    return len;
}

void tls_free_file(struct account *a, char *text, ssize_t len)
{
    if (!text)
        return;
    OPENSSL_cleanse(text, (size_t)len);
    memory_free(a, text, (size_t)len + 1);
}

static COLD const char *file_reason(ssize_t error)
{
    return error == WEIR_EINVAL ? "it is not a file" : weir_strerror((int)error);
}

/* PEM text: as it was given, or that of a file, which is *owned then, of *len bytes. NULL: reported. */
static const char *pem_text(struct making *m, const char *what, const char *path, const char *given, char **owned,
                            ssize_t *len)
{
    *owned = NULL;
    *len = 0;
    if (given)
        return given;
    if (!path) {
        making_say(m, true, "%s: none is given", what);
        return NULL;
    }
    *len = tls_read_file(m->l->account, path, PEM_FILE_MAX, owned);
    if (*len >= 0)
        return *owned;
    making_say(m, true, "%s \"%.200s\": %s", what, path, file_reason(*len));
    return NULL;
}

/* A key that is locked by a passphrase is not asked for. */
static int no_passphrase(char *buf, int size, int writing, void *arg)
{
    (void)writing;
    if (size > 0)
        buf[0] = '\0';
    *(bool *)arg = true;
    return -1;
}

/* ---- Names ---- */

static bool add_name(struct making *m, const ASN1_STRING *name, uint32_t owner)
{
    const unsigned char *data = ASN1_STRING_get0_data(name);
    int len = ASN1_STRING_length(name);
    if (len <= 0 || tls_names_add(&m->contexts->names, (const char *)data, (size_t)len, owner) == 0)
        return true;
    making_say(m, true, "no memory for the names of a certificate");
    return false;
}

/* The DNS names of its subjectAltName; of a certificate without one, its common name. */
static bool add_names(struct making *m, X509 *certificate, uint32_t owner)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    bool good = true;
    for (int i = 0; good && i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type == GEN_DNS)
            good = add_name(m, name->d.dNSName, owner);
    }
    if (!names) {
        const X509_NAME *subject = X509_get_subject_name(certificate);
        int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
        if (at >= 0)
            good = add_name(m, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)), owner);
    }
    GENERAL_NAMES_free(names);
    return good;
}

/* ---- A pair ---- */

static void check_dates(struct making *m, const char *name, const X509 *certificate)
{
    if (X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0)
        making_say(m, false, "certificate %s has expired", name);
    else if (X509_cmp_current_time(X509_get0_notBefore(certificate)) > 0)
        making_say(m, false, "certificate %s is not valid yet", name);
}

/* The leaf and its chain from text. The leaf is the caller's; NULL: reported. */
static X509 *use_chain(struct making *m, SSL_CTX *context, const char *name, const char *text)
{
    BIO *source = BIO_new_mem_buf(text, -1);
    X509 *leaf = source ? PEM_read_bio_X509_AUX(source, NULL, NULL, NULL) : NULL;
    if (!leaf) {
        making_say(m, true, "certificate %s: no certificate in PEM form is in it", name);
        BIO_free(source);
        return NULL;
    }
    bool good = SSL_CTX_use_certificate(context, leaf) > 0;
    int count = 0;
    for (X509 *next; good && (next = PEM_read_bio_X509(source, NULL, NULL, NULL));) {
        good = ++count <= CHAIN_MAX && SSL_CTX_add0_chain_cert(context, next) > 0;
        if (!good)
            X509_free(next);
    }
    unsigned long last = ERR_peek_last_error();
    if (good && (ERR_GET_LIB(last) != ERR_LIB_PEM || ERR_GET_REASON(last) != PEM_R_NO_START_LINE)) {
        making_say(m, true, "certificate %s: what follows the certificate is broken: %s", name, openssl_reason());
    } else if (!good) {
        making_say(m, true, "certificate %s: %s", name, count > CHAIN_MAX ? "its chain is too long" : openssl_reason());
    }
    ERR_clear_error();
    BIO_free(source);
    return leaf;
}

static void use_key(struct making *m, SSL_CTX *context, const char *name, const char *text)
{
    bool locked = false;
    BIO *source = BIO_new_mem_buf(text, -1);
    EVP_PKEY *key = source ? PEM_read_bio_PrivateKey(source, NULL, no_passphrase, &locked) : NULL;
    BIO_free(source);
    if (!key)
        making_say(m, true, "key %s: %s", name,
                   locked ? "it is locked by a passphrase" : "no private key in PEM form is in it");
    else if (SSL_CTX_use_PrivateKey(context, key) <= 0 || SSL_CTX_check_private_key(context) <= 0)
        making_say(m, true, "key %s: it does not belong to the certificate, or cannot be used: %s", name,
                   openssl_reason());
    ERR_clear_error();
    EVP_PKEY_free(key);
}

static void use_staple(struct making *m, struct tls_certificate *certificate, const char *path)
{
    char *text = NULL;
    ssize_t len = tls_read_file(m->l->account, path, OCSP_FILE_MAX, &text);
    const unsigned char *at = (const unsigned char *)text;
    OCSP_RESPONSE *response = len > 0 ? d2i_OCSP_RESPONSE(NULL, &at, len) : NULL;
    if (len < 0)
        making_say(m, true, "OCSP response \"%.200s\": %s", path, file_reason(len));
    else if (!response || OCSP_response_status(response) != OCSP_RESPONSE_STATUS_SUCCESSFUL)
        making_say(m, true, "OCSP response \"%.200s\": it is none in DER form, or one without success", path);
    else if (!(certificate->staple = OPENSSL_memdup(text, (size_t)len)))
        making_say(m, true, "no memory for an OCSP response");
    else
        certificate->staple_len = (size_t)len;
    ERR_clear_error();
    OCSP_RESPONSE_free(response);
    tls_free_file(m->l->account, text, len);
}

/* The certificate, the key and the names of one source. */
static void use_pair(struct making *m, size_t number)
{
    const struct tls_source *source = &m->l->settings.sources[number];
    struct tls_certificate *certificate = &m->contexts->certificates[number];
    char name[256], *owned;
    ssize_t len;
    if (source->certificate)
        snprintf(name, sizeof name, "\"%.200s\"", source->certificate);
    else
        snprintf(name, sizeof name, "%zu, given as text", number + 1);
    const char *text = pem_text(m, "certificate", source->certificate, source->certificate_pem, &owned, &len);
    X509 *leaf = text ? use_chain(m, certificate->context, name, text) : NULL;
    tls_free_file(m->l->account, owned, len);
    if (leaf) {
        check_dates(m, name, leaf);
        (void)add_names(m, leaf, (uint32_t)number);
    }
    if (source->key && !source->key_pem)
        snprintf(name, sizeof name, "\"%.200s\"", source->key);
    text = pem_text(m, "key", source->key, source->key_pem, &owned, &len);
    if (text && leaf)
        use_key(m, certificate->context, name, text);
    tls_free_file(m->l->account, owned, len);
    X509_free(leaf);
    if (source->ocsp)
        use_staple(m, certificate, source->ocsp);
}

/* ---- A context ---- */

static void use_clients(struct making *m, SSL_CTX *context)
{
    const struct tls_settings *s = &m->l->settings;
    if (s->clients == TLS_CLIENT_NONE)
        return;
    STACK_OF(X509_NAME) *names = s->client_ca ? SSL_load_client_CA_file(s->client_ca) : NULL;
    if (!names || SSL_CTX_load_verify_file(context, s->client_ca) <= 0)
        making_say(m, true, "client_ca \"%.200s\": no certificate in PEM form can be read from it",
                   s->client_ca ? s->client_ca : "");
    SSL_CTX_set_client_CA_list(context, names); /* whose they are from here on */
    SSL_CTX_set_verify(
        context, SSL_VERIFY_PEER | (s->clients == TLS_CLIENT_REQUIRED ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), NULL);
    ERR_clear_error();
}

static bool use_groups(SSL_CTX *context, const char *given)
{
    if (given)
        return SSL_CTX_set1_groups_list(context, given) > 0;
    return SSL_CTX_set1_groups_list(context, GROUPS_DEFAULT) > 0 ||
           SSL_CTX_set1_groups_list(context, GROUPS_DEFAULT_OLD) > 0;
}

/* Sets what the listener's settings say. With another mode than OpenSSL's the suites are what that allows. */
static void use_settings(struct making *m, SSL_CTX *context)
{
    const struct tls_settings *s = &m->l->settings;
    const struct tls_mode *mode = m->l->mode;
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_SINGLE_ECDH_USE |
                                     (s->tickets ? 0 : SSL_OP_NO_TICKET));
    SSL_CTX_set_mode(context,
                     SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_timeout(context, TICKET_LIFETIME_S);
    SSL_CTX_set_read_ahead(context, 0);
    bool good = SSL_CTX_set_min_proto_version(context, s->minimum_13 ? TLS1_3_VERSION : TLS1_2_VERSION) > 0 &&
                SSL_CTX_set_max_early_data(context, 0) > 0 && SSL_CTX_set_recv_max_early_data(context, 0) > 0;
    if (!s->tickets)
        good = good && SSL_CTX_set_num_tickets(context, 0) > 0;
    static const unsigned char id[] = "weir";
    good = good && SSL_CTX_set_session_id_context(context, id, sizeof id - 1) > 0;
    if (!good)
        making_say(m, true, "OpenSSL refuses its settings: %s", openssl_reason());
    if (SSL_CTX_set_cipher_list(context, s->ciphers ? s->ciphers : CIPHERS_DEFAULT) <= 0)
        making_say(m, true, "ciphers \"%.200s\": OpenSSL knows none of them", s->ciphers ? s->ciphers : "(default)");
    if (SSL_CTX_set_ciphersuites(context, s->suites ? s->suites : SUITES_DEFAULT) <= 0)
        making_say(m, true, "ciphersuites \"%.200s\": OpenSSL does not know them", s->suites ? s->suites : "(default)");
    if (!use_groups(context, s->groups))
        making_say(m, true, "groups \"%.200s\": OpenSSL does not know them", s->groups ? s->groups : "(default)");
    ERR_clear_error();
    if (mode && !mode->prepare(context))
        making_say(m, true, "%s: OpenSSL refuses its settings: %s", mode->name, openssl_reason());
}

static void report_nothing(void *arg, bool error, const char *text)
{
    (void)arg;
    (void)error;
    (void)text;
}

static void make_one(struct making *m, size_t number)
{
    struct tls_certificate *certificate = &m->contexts->certificates[number];
    SSL_CTX *context = certificate->context = SSL_CTX_new(TLS_server_method());
    if (!context) {
        making_say(m, true, "no memory for a context of OpenSSL's");
        return;
    }
    struct making settings = *m;
    if (number > 0)
        settings.report = report_nothing; /* what is wrong with settings is told once */
    use_settings(&settings, context);
    use_clients(&settings, context);
    m->failed |= settings.failed;
    use_pair(m, number);
    if (!tls_calls_set(context, certificate, m->l))
        making_say(m, true, "OpenSSL refuses its callbacks: %s", openssl_reason());
}

struct tls_contexts *tls_contexts_make(struct tls_listener *l, tls_report report, void *arg)
{
    size_t count = l->settings.source_count;
    struct making m = {.l = l, .report = report, .arg = arg};
    struct tls_contexts *c = m.contexts = memory_alloc(l->account, sizeof *c);
    struct tls_certificate *certificates = memory_alloc(l->account, count * sizeof *certificates);
    if (!c || !certificates) {
        memory_free(l->account, certificates, count * sizeof *certificates);
        memory_free(l->account, c, sizeof *c);
        making_say(&m, true, "no memory for certificates");
        return NULL;
    }
    memset(certificates, 0, count * sizeof *certificates);
    *c = (struct tls_contexts){.listener = l, .certificates = certificates, .count = count};
    c->names.account = l->account;
    atomic_store(&c->references, 1);
    ERR_clear_error();
    for (size_t i = 0; i < count; i++)
        make_one(&m, i);
    tls_names_seal(&c->names);
    if (!m.failed)
        return c;
    tls_contexts_unref(c);
    return NULL;
}

struct tls_contexts *tls_contexts_ref(struct tls_contexts *c)
{
    atomic_fetch_add_explicit(&c->references, 1, memory_order_relaxed);
    return c;
}

void tls_contexts_unref(struct tls_contexts *c)
{
    if (!c || atomic_fetch_sub_explicit(&c->references, 1, memory_order_acq_rel) > 1)
        return;
    struct account *account = c->listener->account;
    for (size_t i = 0; i < c->count; i++) {
        SSL_CTX_free(c->certificates[i].context);
        OPENSSL_free(c->certificates[i].staple);
    }
    tls_names_done(&c->names);
    memory_free(account, c->certificates, c->count * sizeof *c->certificates);
    memory_free(account, c, sizeof *c);
}
