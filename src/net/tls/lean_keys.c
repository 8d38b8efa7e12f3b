/*
 * Key schedules by EVP's key derivation functions.
 *
 * SPDX-License-Identifier: MIT
 */
#include "net/tls/lean_keys.h"
#include "net/tls/openssl.h"

#include <string.h>

/* RFC 8446 section 5.5 has a bound on GCM; ChaCha20-Poly1305 has none that a connection could reach. */
#define RECORDS_GCM    (1u << 24)
#define RECORDS_CHACHA (1u << 31)

const struct lean_cipher_kind lean_ciphers[LEAN_CIPHERS] = {
    [LEAN_AES_128_GCM] = {"AES-128-GCM", "SHA256", 16, 32, RECORDS_GCM},
    [LEAN_AES_256_GCM] = {"AES-256-GCM", "SHA384", 32, 48, RECORDS_GCM},
    [LEAN_CHACHA20_POLY1305] = {"ChaCha20-Poly1305", "SHA256", 32, 32, RECORDS_CHACHA},
};

bool lean_suite_known(unsigned number, bool tls13, struct lean_suite *suite)
{
    static const struct {
        uint16_t number;
        uint8_t cipher;
        bool tls13;
    } known[] = {
        {0x1301, LEAN_AES_128_GCM, true},        /* TLS_AES_128_GCM_SHA256 */
        {0x1302, LEAN_AES_256_GCM, true},        /* TLS_AES_256_GCM_SHA384 */
        {0x1303, LEAN_CHACHA20_POLY1305, true},  /* TLS_CHACHA20_POLY1305_SHA256 */
        {0xC02B, LEAN_AES_128_GCM, false},       /* ECDHE-ECDSA-AES128-GCM-SHA256 */
        {0xC02F, LEAN_AES_128_GCM, false},       /* ECDHE-RSA-AES128-GCM-SHA256 */
        {0xC02C, LEAN_AES_256_GCM, false},       /* ECDHE-ECDSA-AES256-GCM-SHA384 */
        {0xC030, LEAN_AES_256_GCM, false},       /* ECDHE-RSA-AES256-GCM-SHA384 */
        {0xCCA9, LEAN_CHACHA20_POLY1305, false}, /* ECDHE-ECDSA-CHACHA20-POLY1305 */
        {0xCCA8, LEAN_CHACHA20_POLY1305, false}, /* ECDHE-RSA-CHACHA20-POLY1305 */
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (known[i].number == number && known[i].tls13 == tls13) {
            *suite = (struct lean_suite){.cipher = known[i].cipher & 3u, .tls13 = tls13};
            return true;
        }
    }
    return false;
}

/* Derives len bytes by a key derivation function of that name. False: refused; out is wiped. */
static bool kdf_derive(const char *name, const OSSL_PARAM params[], uint8_t *out, size_t len)
{
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, name, NULL);
    EVP_KDF_CTX *ctx = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
    bool done = ctx && EVP_KDF_derive(ctx, out, len, params) > 0;
    EVP_KDF_CTX_free(ctx); /* wipes what it was given */
    EVP_KDF_free(kdf);
    if (!done)
        OPENSSL_cleanse(out, len);
    return done;
}

static OSSL_PARAM param_text(const char *key, const char *text)
{
    return OSSL_PARAM_construct_utf8_string(key, (char *)(uintptr_t)text, 0);
}

static OSSL_PARAM param_bytes(const char *key, const void *data, size_t len)
{
    return OSSL_PARAM_construct_octet_string(key, (void *)(uintptr_t)data, len);
}

/* By HKDF and an HkdfLabel made here. Because OpenSSL's own function for labels is for its handshake, and differs
 * between versions. */
bool lean_expand_label(const char *hash, const uint8_t *secret, size_t secret_len, const char *label, uint8_t *out,
                       size_t len)
{
    static const char prefix[] = "tls13 ";
    uint8_t info[2 + 1 + 255 + 1];
    size_t prefix_len = sizeof prefix - 1, label_len = strlen(label), full = prefix_len + label_len;
    weir_assert(full <= 255 && len <= UINT16_MAX);
    info[0] = (uint8_t)(len >> 8);
    info[1] = (uint8_t)(len & 0xFF);
    info[2] = (uint8_t)full;
    memcpy(info + 3, prefix, prefix_len);
    memcpy(info + 3 + prefix_len, label, label_len);
    info[3 + full] = 0; /* the length of the context */
    int mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
        param_text(OSSL_KDF_PARAM_DIGEST, hash),
        param_bytes(OSSL_KDF_PARAM_KEY, secret, secret_len),
        param_bytes(OSSL_KDF_PARAM_INFO, info, 4 + full),
        OSSL_PARAM_END,
    };
    return kdf_derive("HKDF", params, out, len);
}

bool lean_side_derive(struct lean_side *s, struct lean_suite suite)
{
    const struct lean_cipher_kind *kind = lean_cipher_of(suite);
    debug_assert(suite.tls13 != 0);
    if (lean_expand_label(kind->hash, s->secret, kind->secret_len, "key", s->key, kind->key_len) &&
        lean_expand_label(kind->hash, s->secret, kind->secret_len, "iv", s->iv, LEAN_IV))
        return true;
    OPENSSL_cleanse(s, sizeof *s);
    return false;
}

bool lean_side_update(struct lean_side *s, struct lean_suite suite)
{
    const struct lean_cipher_kind *kind = lean_cipher_of(suite);
    uint8_t next[LEAN_SECRET_MAX];
    debug_assert(suite.tls13 != 0);
    if (!lean_expand_label(kind->hash, s->secret, kind->secret_len, "traffic upd", next, kind->secret_len)) {
        OPENSSL_cleanse(s, sizeof *s);
        return false;
    }
    memcpy(s->secret, next, kind->secret_len);
    OPENSSL_cleanse(next, sizeof next);
    s->sequence = 0;
    return lean_side_derive(s, suite);
}

/* The key block is client key, server key, client iv, server iv: AEAD suites have no key for a MAC. */
bool lean_sides_derive_12(struct lean_side *client, struct lean_side *server, struct lean_suite suite,
                          const uint8_t master[LEAN_MASTER], const uint8_t client_random[LEAN_RANDOM],
                          const uint8_t server_random[LEAN_RANDOM])
{
    static const char label[] = "key expansion";
    const struct lean_cipher_kind *kind = lean_cipher_of(suite);
    size_t key = kind->key_len, iv = lean_carries_nonce(suite) ? LEAN_GCM_SALT : LEAN_IV;
    uint8_t seed[sizeof label - 1 + 2 * LEAN_RANDOM], block[2 * LEAN_KEY_MAX + 2 * LEAN_IV];
    debug_assert(suite.tls13 == 0);
    memcpy(seed, label, sizeof label - 1);
    memcpy(seed + sizeof label - 1, server_random, LEAN_RANDOM);
    memcpy(seed + sizeof label - 1 + LEAN_RANDOM, client_random, LEAN_RANDOM);
    const OSSL_PARAM params[] = {
        param_text(OSSL_KDF_PARAM_DIGEST, kind->hash),
        param_bytes(OSSL_KDF_PARAM_SECRET, master, LEAN_MASTER),
        param_bytes(OSSL_KDF_PARAM_SEED, seed, sizeof seed),
        OSSL_PARAM_END,
    };
    if (!kdf_derive("TLS1-PRF", params, block, 2 * key + 2 * iv)) {
        OPENSSL_cleanse(client, sizeof *client);
        OPENSSL_cleanse(server, sizeof *server);
        return false;
    }
    memcpy(client->key, block, key);
    memcpy(server->key, block + key, key);
    memcpy(client->iv, block + 2 * key, iv);
    memcpy(server->iv, block + 2 * key + iv, iv);
    OPENSSL_cleanse(block, sizeof block);
    return true;
}

/* ---- The key log ---- */

/* The value of a lower- or upper-case hexadecimal digit, or -1. */
static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Reads hexadecimal digits up to the end of the text. Bytes read; 0: there are others, or they are too many. */
static uint8_t hex_read(const char *text, uint8_t out[LEAN_SECRET_MAX])
{
    uint8_t len = 0;
    for (; *text && *text != '\n'; text += 2) {
        int high = hex_digit(text[0]), low = high < 0 ? -1 : hex_digit(text[1]);
        if (low < 0 || len == LEAN_SECRET_MAX)
            return 0;
        out[len++] = (uint8_t)(high << 4 | low);
    }
    return len;
}

/* The secret of a line "LABEL <client random> <secret>", if the label is that. */
static void secret_note(const char *line, const char *label, uint8_t out[LEAN_SECRET_MAX], uint8_t *len)
{
    size_t label_len = strlen(label);
    if (strncmp(line, label, label_len) != 0 || line[label_len] != ' ')
        return;
    const char *secret = strchr(line + label_len + 1, ' ');
    *len = secret ? hex_read(secret + 1, out) : 0;
    if (*len != 32 && *len != 48)
        *len = 0;
}

void lean_secrets_note(struct lean_secrets *s, const char *line)
{
    secret_note(line, "CLIENT_TRAFFIC_SECRET_0", s->client, &s->client_len);
    secret_note(line, "SERVER_TRAFFIC_SECRET_0", s->server, &s->server_len);
}
