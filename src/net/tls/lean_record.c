/*
 * Sealing and opening.
 *
 * SPDX-License-Identifier: MIT
 */
#include "net/tls/lean_record.h"

#include <string.h>

#ifdef WEIR_DEBUG
#include "base/siphash.h"
#include "net/tls/openssl.h"
#endif

#define INNER_MAX (LEAN_PLAIN_MAX + 1) /* plaintext, type and padding of TLS 1.3 */

/* ---- Contexts ---- */

static bool aead_open(struct lean_aead *a, const char *name, bool seals)
{
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, name, NULL);
    a->ctx = cipher ? EVP_CIPHER_CTX_new() : NULL;
    bool good = a->ctx && EVP_CipherInit_ex2(a->ctx, cipher, NULL, NULL, seals, NULL) > 0 &&
                EVP_CIPHER_CTX_ctrl(a->ctx, EVP_CTRL_AEAD_SET_IVLEN, LEAN_IV, NULL) > 0;
    EVP_CIPHER_free(cipher); /* the context has a reference of its own */
    return good;
}

static void aead_close(struct lean_aead *a)
{
    EVP_CIPHER_CTX_free(a->ctx); /* wipes the schedule */
    OPENSSL_cleanse(a, sizeof *a);
}

bool lean_records_open(struct lean_records *r)
{
    *r = (struct lean_records){0};
    bool good = true;
    for (size_t i = 0; good && i < LEAN_CIPHERS; i++)
        good =
            aead_open(&r->seal[i], lean_ciphers[i].name, true) && aead_open(&r->open[i], lean_ciphers[i].name, false);
#ifdef WEIR_DEBUG
    r->nonces = calloc(LEAN_NONCES, sizeof *r->nonces);
    good = good && r->nonces;
#endif
    if (!good)
        lean_records_close(r);
    return good;
}

void lean_records_close(struct lean_records *r)
{
    for (size_t i = 0; i < LEAN_CIPHERS; i++) {
        aead_close(&r->seal[i]);
        aead_close(&r->open[i]);
    }
#ifdef WEIR_DEBUG
    free(r->nonces);
#endif
    *r = (struct lean_records){0};
}

/* Gives the context a key of zeros in place of the schedule that it holds. */
static void aead_forget(struct lean_aead *a, const struct lean_side *s)
{
    static const uint8_t none[LEAN_KEY_MAX];
    if (a->owner != s)
        return;
    (void)EVP_CipherInit_ex2(a->ctx, NULL, none, NULL, -1, NULL);
    a->owner = NULL;
    OPENSSL_cleanse(a->key, sizeof a->key);
}

void lean_records_forget(struct lean_records *r, const struct lean_side *s, struct lean_suite suite)
{
    aead_forget(&r->seal[suite.cipher], s);
    aead_forget(&r->open[suite.cipher], s);
}

/* Makes the context ready for one record of s: its key, if it holds another's, and a nonce. */
static bool aead_begin(struct lean_records *r, struct lean_aead *a, const struct lean_side *s, struct lean_suite suite,
                       const uint8_t nonce[LEAN_IV])
{
    bool same = memcmp(a->key, s->key, lean_cipher_of(suite)->key_len) == 0;
    debug_assert(a->owner != s || same);
    if (a->owner == s && likely(same)) {
        return EVP_CipherInit_ex2(a->ctx, NULL, NULL, nonce, -1, NULL) > 0;
    }
    a->owner = NULL;
    if (EVP_CipherInit_ex2(a->ctx, NULL, s->key, nonce, -1, NULL) <= 0)
        return false;
    a->owner = s;
    r->keyed++;
    memcpy(a->key, s->key, LEAN_KEY_MAX);
    return true;
}

/* ---- Nonces ---- */

static void put_8(uint8_t to[8], uint64_t word)
{
    word = __builtin_bswap64(word);
    memcpy(to, &word, 8);
}

/* iv xor the sequence number, aligned to its right (RFC 8446 section 5.3, RFC 7905 section 2). */
static void nonce_of_sequence(uint8_t nonce[LEAN_IV], const struct lean_side *s, uint64_t sequence)
{
    memcpy(nonce, s->iv, LEAN_IV);
    for (size_t i = 0; i < 8; i++)
        nonce[LEAN_IV - 1 - i] ^= (uint8_t)(sequence >> (8 * i) & 0xff);
}

static void nonce_of_carried(uint8_t nonce[LEAN_IV], const struct lean_side *s, const uint8_t carried[LEAN_GCM_PER_MSG])
{
    memcpy(nonce, s->iv, LEAN_GCM_SALT);
    memcpy(nonce + LEAN_GCM_SALT, carried, LEAN_GCM_PER_MSG);
}

/* Ends the process where key and nonce have sealed something before, as far as is remembered. */
#ifdef WEIR_DEBUG
static void nonce_assert_new(const struct lean_records *r, const struct lean_side *s, const uint8_t nonce[LEAN_IV])
{
    static const struct siphash_key keys[2] = {{{1, 2}}, {{3, 4}}};
    char both[LEAN_KEY_MAX + LEAN_IV];
    memcpy(both, s->key, LEAN_KEY_MAX);
    memcpy(both + LEAN_KEY_MAX, nonce, LEAN_IV);
    uint64_t found[2] = {siphash(&keys[0], slice_of(both, sizeof both)),
                         siphash(&keys[1], slice_of(both, sizeof both))};
    uint64_t *place = r->nonces[found[0] % LEAN_NONCES];
    weir_assert(memcmp(place, found, sizeof found) != 0);
    memcpy(place, found, sizeof found);
    OPENSSL_cleanse(both, sizeof both);
}
#else
static inline void nonce_assert_new(const struct lean_records *r, const struct lean_side *s, const uint8_t *nonce)
{
    (void)r;
    (void)s;
    (void)nonce;
}
#endif

/* ---- Records ---- */

static void put_header(uint8_t *header, unsigned type, size_t len)
{
    header[0] = (uint8_t)type;
    header[1] = header[2] = 3; /* TLS 1.2, and what 1.3 calls itself */
    header[3] = (uint8_t)(len >> 8);
    header[4] = (uint8_t)(len & 0xFF);
}

/* What TLS 1.2 authenticates beside a record's bytes (RFC 5246 section 6.2.3.3). */
static void put_additional_12(uint8_t additional[13], uint64_t sequence, unsigned type, size_t len)
{
    put_8(additional, sequence);
    put_header(additional + 8, type, len);
}

static bool aead_seal(const struct lean_aead *a, const uint8_t *additional, int additional_len, uint8_t *text,
                      size_t len)
{
    int made = 0, rest = 0;
    return EVP_EncryptUpdate(a->ctx, NULL, &made, additional, additional_len) > 0 &&
           (len == 0 || (EVP_EncryptUpdate(a->ctx, text, &made, text, (int)len) > 0 && made == (int)len)) &&
           EVP_EncryptFinal_ex(a->ctx, text + len, &rest) > 0 && rest == 0 &&
           EVP_CIPHER_CTX_ctrl(a->ctx, EVP_CTRL_AEAD_GET_TAG, LEAN_TAG, text + len) > 0;
}

size_t lean_seal(struct lean_records *r, struct lean_side *s, struct lean_suite suite, enum lean_type type,
                 uint8_t *record, size_t len)
{
    struct lean_aead *a = &r->seal[suite.cipher];
    uint8_t nonce[LEAN_IV], additional[13], *text = record + lean_front(suite);
    weir_assert(len <= LEAN_PLAIN_MAX);
    if (unlikely(lean_side_is_spent(s, suite)))
        return 0;
    uint64_t sequence = s->sequence++; /* whatever becomes of this record */
    size_t whole = lean_front(suite) + len + lean_behind(suite);
    int additional_len;
    if (suite.tls13) {
        nonce_of_sequence(nonce, s, sequence);
        text[len++] = (uint8_t)type;
        put_header(record, LEAN_DATA, len + LEAN_TAG);
        memcpy(additional, record, LEAN_HEADER);
        additional_len = LEAN_HEADER;
    } else {
        if (lean_carries_nonce(suite)) {
            put_8(record + LEAN_HEADER, s->carry);
            s->carry = s->carry == UINT64_MAX ? 0 : s->carry + 1;
            nonce_of_carried(nonce, s, record + LEAN_HEADER);
        } else {
            nonce_of_sequence(nonce, s, sequence);
        }
        put_header(record, type, whole - LEAN_HEADER);
        put_additional_12(additional, sequence, type, len);
        additional_len = 13;
    }
    nonce_assert_new(r, s, nonce);
    if (unlikely(!aead_begin(r, a, s, suite, nonce) || !aead_seal(a, additional, additional_len, text, len))) {
        lean_records_forget(r, s, suite);
        return 0;
    }
    return whole;
}

int lean_record_length(struct lean_suite suite, const uint8_t *header)
{
    unsigned type = header[0];
    if (suite.tls13 ? type != LEAN_DATA : type < LEAN_ALERT || type > LEAN_DATA)
        return -LEAN_UNEXPECTED_MESSAGE;
    if (header[1] != 3 || header[2] != 3)
        return -LEAN_PROTOCOL_VERSION;
    size_t len = (size_t)header[3] << 8 | header[4];
    size_t most = suite.tls13 ? LEAN_PLAIN_MAX + 256 : LEAN_PLAIN_MAX + lean_front(suite) - LEAN_HEADER + LEAN_TAG;
    if (len > most)
        return -LEAN_RECORD_OVERFLOW;
    if (len < lean_front(suite) - LEAN_HEADER + lean_behind(suite))
        return -LEAN_BAD_RECORD_MAC; /* no room for a tag */
    return (int)(LEAN_HEADER + len);
}

static bool aead_open_text(const struct lean_aead *a, const uint8_t *additional, int additional_len, uint8_t *text,
                           size_t len)
{
    int made = 0, rest = 0;
    return EVP_CIPHER_CTX_ctrl(a->ctx, EVP_CTRL_AEAD_SET_TAG, LEAN_TAG, text + len) > 0 &&
           EVP_DecryptUpdate(a->ctx, NULL, &made, additional, additional_len) > 0 &&
           (len == 0 || (EVP_DecryptUpdate(a->ctx, text, &made, text, (int)len) > 0 && made == (int)len)) &&
           EVP_DecryptFinal_ex(a->ctx, text + len, &rest) > 0 && rest == 0;
}

/* The type of what TLS 1.3 has sealed: the last byte that is not padding (RFC 8446 section 5.4). */
static int inner_type(struct lean_plain *plain)
{
    if (plain->len > INNER_MAX)
        return -LEAN_RECORD_OVERFLOW;
    while (plain->len > 0 && plain->data[plain->len - 1] == 0)
        plain->len--;
    if (plain->len == 0)
        return -LEAN_UNEXPECTED_MESSAGE;
    return plain->data[--plain->len];
}

int lean_open(struct lean_records *r, struct lean_side *s, struct lean_suite suite, uint8_t *record, size_t len,
              size_t plain_most, struct lean_plain *plain)
{
    struct lean_aead *a = &r->open[suite.cipher];
    uint8_t nonce[LEAN_IV], additional[13];
    struct lean_plain got = {.data = record + lean_front(suite)};
    int type = record[0], additional_len = LEAN_HEADER;
    weir_assert(len >= lean_front(suite) + LEAN_TAG && len <= LEAN_RECORD_MAX);
    if (unlikely(lean_side_is_spent(s, suite)))
        return -LEAN_INTERNAL_ERROR;
    got.len = len - lean_front(suite) - LEAN_TAG;
    if (lean_carries_nonce(suite))
        nonce_of_carried(nonce, s, record + LEAN_HEADER);
    else
        nonce_of_sequence(nonce, s, s->sequence);
    if (suite.tls13) {
        memcpy(additional, record, LEAN_HEADER);
    } else {
        put_additional_12(additional, s->sequence, (unsigned)type, got.len);
        additional_len = 13;
    }
    bool begun = aead_begin(r, a, s, suite, nonce);
    if (unlikely(!begun || !aead_open_text(a, additional, additional_len, got.data, got.len))) {
        OPENSSL_cleanse(got.data, got.len); /* what nobody vouches for */
        return begun ? -LEAN_BAD_RECORD_MAC : -LEAN_INTERNAL_ERROR;
    }
    s->sequence++;
    if (suite.tls13)
        type = inner_type(&got);
    if (type >= 0 && got.len > plain_most)
        return -LEAN_RECORD_OVERFLOW;
    if (type >= 0)
        *plain = got;
    return type;
}
