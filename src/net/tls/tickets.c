/*
 * Keys of session tickets: made, derived, found.
 *
 * SPDX-License-Identifier: MIT
 */
#include "net/tls/tickets.h"
#include "net/tls/openssl.h"

#include <string.h>

void tickets_init(struct tickets *t)
{
    *t = (struct tickets){.period = -1, .cipher = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL)};
    lock_init(&t->lock);
}

void tickets_done(struct tickets *t)
{
    lock_done(&t->lock);
    EVP_CIPHER_free(t->cipher);
    OPENSSL_cleanse(t, sizeof *t);
}

/* HKDF (RFC 5869) with SHA-256: len bytes of `to` from secret, for what info says. */
static bool derive(void *to, size_t len, const void *secret, size_t secret_len, const void *info, size_t info_len)
{
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    EVP_KDF_CTX *context = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
    char digest[] = "SHA256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string("digest", digest, 0),
        OSSL_PARAM_construct_octet_string("key", (void *)(uintptr_t)secret, secret_len),
        OSSL_PARAM_construct_octet_string("info", (void *)(uintptr_t)info, info_len),
        OSSL_PARAM_construct_end(),
    };
    bool good = context && EVP_KDF_derive(context, to, len, params) > 0;
    EVP_KDF_CTX_free(context);
    EVP_KDF_free(kdf);
    return good;
}

/* The key of a period, by the secret of a file. */
static bool derive_key(struct ticket_key *key, const unsigned char secret[32], int64_t period)
{
    unsigned char info[12 + 8] = "weir ticket ";
    for (int i = 0; i < 8; i++)
        info[12 + i] = (unsigned char)((uint64_t)period >> (56 - 8 * i) & 255);
    return derive(key, sizeof *key, secret, 32, info, sizeof info);
}

/* The keys of a file: of this period, which seals, of the one before and of the next, whose clock may be ahead; and of
 * the file's earlier bytes. */
static bool derive_all(struct tickets *t, int64_t period) REQUIRES(tls_ticket_lock)
{
    struct ticket_key keys[TICKET_KEYS];
    bool good = derive_key(&keys[0], t->secret[0], period) && derive_key(&keys[1], t->secret[0], period - 1) &&
                derive_key(&keys[2], t->secret[0], period + 1);
    int count = 3;
    if (good && t->secrets > 1)
        good = derive_key(&keys[count++], t->secret[1], period);
    if (good) {
        memcpy(t->keys, keys, sizeof keys[0] * (size_t)count);
        t->count = count;
        t->period = period;
    }
    OPENSSL_cleanse(keys, sizeof keys);
    return good;
}

/* A new random key; those before it are kept for one period more. */
static bool random_key(struct tickets *t, int64_t period) REQUIRES(tls_ticket_lock)
{
    struct ticket_key key;
    if (RAND_bytes((unsigned char *)&key, sizeof key) <= 0)
        return false;
    bool next = t->count > 0 && period == t->period + 1;
    if (next)
        t->keys[1] = t->keys[0];
    t->keys[0] = key;
    t->count = next ? 2 : 1;
    t->period = period;
    OPENSSL_cleanse(&t->keys[t->count], sizeof key * (size_t)(TICKET_KEYS - t->count));
    OPENSSL_cleanse(&key, sizeof key);
    return true;
}

bool tickets_turn(struct tickets *t, int64_t now_s)
{
    int64_t period = now_s / TICKET_PERIOD_S;
    bool good = true;
    tls_ticket_lock_acquire(&t->lock);
    /* A clock that was set back goes on with the keys that there are. */
    if (t->secrets > 0 && period != t->period) {
        t->secrets = 1;
        OPENSSL_cleanse(t->secret[1], sizeof t->secret[1]);
        good = derive_all(t, period);
    } else if (t->secrets == 0 && (t->count == 0 || period > t->period)) {
        good = random_key(t, period);
    }
    tls_ticket_lock_release(&t->lock);
    return good;
}

bool tickets_share(struct tickets *t, const void *secret, size_t len, int64_t now_s)
{
    static const char info[] = "weir ticket file";
    unsigned char extracted[32];
    if (!derive(extracted, sizeof extracted, secret, len, info, sizeof info - 1))
        return false;
    bool good = true;
    tls_ticket_lock_acquire(&t->lock);
    if (t->secrets == 0 || CRYPTO_memcmp(extracted, t->secret[0], sizeof extracted) != 0) {
        if (t->secrets > 0)
            memcpy(t->secret[1], t->secret[0], sizeof extracted);
        memcpy(t->secret[0], extracted, sizeof extracted);
        t->secrets = t->secrets > 0 ? 2 : 1;
        good = derive_all(t, now_s / TICKET_PERIOD_S);
    }
    tls_ticket_lock_release(&t->lock);
    OPENSSL_cleanse(extracted, sizeof extracted);
    return good;
}

bool tickets_seal_key(struct tickets *t, struct ticket_key *key)
{
    tls_ticket_lock_acquire(&t->lock);
    bool found = t->count > 0;
    *key = t->keys[0];
    tls_ticket_lock_release(&t->lock);
    return found;
}

int tickets_open_key(struct tickets *t, const unsigned char name[16], struct ticket_key *key)
{
    int found = 0;
    tls_ticket_lock_acquire(&t->lock);
    for (int i = 0; i < t->count && !found; i++) {
        if (memcmp(t->keys[i].name, name, sizeof t->keys[i].name) == 0) {
            *key = t->keys[i];
            found = i == 0 ? 1 : 2;
        }
    }
    tls_ticket_lock_release(&t->lock);
    return found;
}
