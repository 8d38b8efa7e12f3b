/*
 * Making a self-signed certificate.
 *
 * SPDX-License-Identifier: MIT
 */
#include "net/tls/self_signed.h"
#include "net/tls/listener.h"
#include "net/tls/openssl.h"

#include <arpa/inet.h>
#include <string.h>

#define NAME_MAX_BYTES 253
#define VALID_DAYS     30
#define CLOCK_SLACK_S  3600 /* of clients whose clocks are behind */

/* Adds one name: an address where it is one. */
static bool add_name(GENERAL_NAMES *names, const char *name)
{
    unsigned char bytes[16];
    int len = inet_pton(AF_INET, name, bytes) == 1 ? 4 : inet_pton(AF_INET6, name, bytes) == 1 ? 16 : 0;
    GENERAL_NAME *general = GENERAL_NAME_new();
    ASN1_STRING *value = len > 0 ? ASN1_OCTET_STRING_new() : ASN1_IA5STRING_new();
    if (!general || !value ||
        !(len > 0 ? ASN1_STRING_set(value, bytes, len) : ASN1_STRING_set(value, name, (int)strlen(name)))) {
        ASN1_STRING_free(value);
        GENERAL_NAME_free(general);
        return false;
    }
    GENERAL_NAME_set0_value(general, len > 0 ? GEN_IPADD : GEN_DNS, value);
    if (sk_GENERAL_NAME_push(names, general) > 0)
        return true;
    GENERAL_NAME_free(general);
    return false;
}

/* The names of a text, at least one. NULL: there is none, or one is too long. */
static GENERAL_NAMES *read_names(const char *text)
{
    static const char between[] = " ,";
    GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
    bool good = names != NULL;
    while (good && *(text += strspn(text, between))) {
        char name[NAME_MAX_BYTES + 1];
        size_t len = strcspn(text, between);
        good = len <= NAME_MAX_BYTES;
        if (!good)
            break;
        memcpy(name, text, len);
        name[len] = '\0';
        good = add_name(names, name);
        text += len;
    }
    if (good && sk_GENERAL_NAME_num(names) > 0)
        return names;
    GENERAL_NAMES_free(names);
    return NULL;
}

/* A number that no other certificate of this kind has. */
static bool set_serial(X509 *certificate)
{
    unsigned char bytes[16];
    if (RAND_bytes(bytes, sizeof bytes) <= 0)
        return false;
    bytes[0] &= 0x7f;
    BIGNUM *number = BN_bin2bn(bytes, sizeof bytes, NULL);
    bool good = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate));
    BN_free(number);
    return good;
}

static X509 *sign(EVP_PKEY *key, const GENERAL_NAMES *names)
{
    X509 *x = X509_new();
    X509_NAME *subject = x ? X509_get_subject_name(x) : NULL;
    bool good = subject && X509_set_version(x, X509_VERSION_3) > 0 && set_serial(x) &&
                X509_gmtime_adj(X509_getm_notBefore(x), -CLOCK_SLACK_S) &&
                X509_gmtime_adj(X509_getm_notAfter(x), VALID_DAYS * 24 * 3600) &&
                X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)"weir, self-signed", -1,
                                           -1, 0) > 0 &&
                X509_set_issuer_name(x, subject) > 0 && X509_set_pubkey(x, key) > 0 &&
                X509_add1_ext_i2d(x, NID_subject_alt_name, (void *)(uintptr_t)names, 0, 0) > 0 &&
                X509_sign(x, key, EVP_sha256()) > 0;
    if (good)
        return x;
    X509_free(x);
    return NULL;
}

/* What was written to a BIO, as text of an account's; NULL: no memory. */
static char *text_of(struct account *a, BIO *bio)
{
    char *data;
    long len = BIO_get_mem_data(bio, &data);
    char *text = len > 0 ? memory_alloc(a, (size_t)len + 1) : NULL;
    if (!text)
        return NULL;
    memcpy(text, data, (size_t)len);
    text[len] = '\0';
    return text;
}

bool tls_self_sign(struct account *a, const char *names, char **certificate, char **key)
{
    *certificate = *key = NULL;
    GENERAL_NAMES *list = read_names(names);
    EVP_PKEY *pair = list ? EVP_EC_gen("P-256") : NULL;
    X509 *x = pair ? sign(pair, list) : NULL;
    BIO *x_text = BIO_new(BIO_s_mem()), *key_text = BIO_new(BIO_s_secmem());
    if (x && x_text && key_text && PEM_write_bio_X509(x_text, x) > 0 &&
        PEM_write_bio_PrivateKey(key_text, pair, NULL, NULL, 0, NULL, NULL) > 0) {
        *certificate = text_of(a, x_text);
        *key = text_of(a, key_text);
    }
    BIO_free(x_text);
    BIO_free(key_text);
    X509_free(x);
    EVP_PKEY_free(pair);
    GENERAL_NAMES_free(list);
    ERR_clear_error();
    if (*certificate && *key)
        return true;
    tls_text_free(a, *certificate);
    tls_text_free(a, *key);
    *certificate = *key = NULL;
    return false;
}
