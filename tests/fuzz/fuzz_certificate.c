/*
 * Certificates and keys of every broken kind: either contexts are made and nothing was reported as an error, or none
 * are, and why was reported; nothing is left of them in either case. What is made names hosts that it then serves.
 *
 * The first byte says what follows: PEM text, or DER that is put into PEM here, so that what is changed is behind the
 * first check; a byte of 0 in text, or the two bytes after the first, say where the key begins.
 *
 * SPDX-License-Identifier: MIT
 */
#include "fuzz.h"
#include "net/tls/context.h"
#include "net/tls/openssl.h"

#define INPUT_MAX 8192

static struct {
    struct memory memory;
    struct account account;
    int errors;
} f;

static void report(void *arg, bool error, const char *text)
{
    (void)arg;
    FUZZ_CHECK(text[0] != '\0');
    f.errors += error;
}

/* PEM text of DER bytes, freed by the caller. */
static char *pem_of(const char *label, const uint8_t *data, size_t size)
{
    char *text = malloc(2 * size + 200);
    FUZZ_CHECK(text);
    int len = snprintf(text, 100, "-----BEGIN %s-----\n", label);
    for (size_t at = 0; at < size; at += 48) {
        size_t piece = size - at < 48 ? size - at : 48;
        len += EVP_EncodeBlock((unsigned char *)text + len, data + at, (int)piece);
        text[len++] = '\n';
    }
    snprintf(text + len, 100, "-----END %s-----\n", label);
    return text;
}

/* What the contexts' names say of the hosts that they are for. */
static void check_names(const struct tls_contexts *c)
{
    FUZZ_CHECK(c->certificates[0].context != NULL);
    for (uint32_t i = 0; i < c->names.count; i++) {
        const char *name = c->names.names[i].name;
        FUZZ_CHECK(strlen(name) <= TLS_NAME_MAX && name[0] != '\0');
        FUZZ_CHECK(i == 0 || strcmp(c->names.names[i - 1].name, name) <= 0);
        if (name[0] != '*')
            FUZZ_CHECK(tls_names_find(&c->names, name) >= 0);
    }
}

static void make(char *certificate, char *key, bool strict)
{
    struct tls_source source = {.certificate_pem = certificate, .key_pem = key};
    struct tls_settings settings = {.sources = &source, .source_count = 1, .tickets = true, .strict = strict};
    struct tls_listener l;
    tls_listener_init(&l, &f.account, NULL, &settings);
    f.errors = 0;
    struct tls_contexts *c = tls_contexts_make(&l, report, NULL);
    FUZZ_CHECK((c != NULL) == (f.errors == 0));
    if (c) {
        check_names(c);
        SSL *ssl = SSL_new(c->certificates[0].context);
        FUZZ_CHECK(ssl);
        SSL_free(ssl);
    }
    tls_contexts_unref(c);
    l.settings = (struct tls_settings){0}; /* its texts are ours */
    tls_listener_done(&l);
    FUZZ_CHECK(counter_read(&f.account.in_use) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!f.account.memory) {
        FUZZ_CHECK(!openssl_load());
        memory_init(&f.memory, 0);
        account_open_shared(&f.account, &f.memory, "fuzz", NULL, 0);
    }
    if (size < 3 || size > INPUT_MAX)
        return 0;
    if (data[0] & 1) {
        size_t cut = ((size_t)data[1] << 8 | data[2]) % (size - 2); /* of the size - 3 bytes behind that */
        char *certificate = pem_of("CERTIFICATE", data + 3, cut);
        char *key = pem_of(data[0] & 2 ? "EC PRIVATE KEY" : "PRIVATE KEY", data + 3 + cut, size - 3 - cut);
        make(certificate, key, data[0] & 4);
        free(certificate);
        free(key);
    } else {
        char *text = fuzz_copy(data + 1, size - 1, 2);
        text[size] = '\0'; /* the key, where there is none */
        make(text, text + strlen(text) + 1, data[0] & 4);
        free(text);
    }
    return 0;
}
