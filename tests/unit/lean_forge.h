/*
 * Records sealed by another hand than lean_seal(): whatever inner plaintext, type and length a test asks for, so that
 * what lies behind the tag is reached. From the RFCs, by EVP, and slow.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_TESTS_LEAN_FORGE_H
#define WEIR_TESTS_LEAN_FORGE_H

#include "net/tls/lean_record.h"
#include "net/tls/openssl.h"

#include <string.h>

/* What is behind a connection's record of forged bytes: room for the longest, and then some. */
#define FORGED_MAX (LEAN_RECORD_MAX + 1024)

/* Seals len bytes as the record number `sequence` of s. tls13: `text` is the inner plaintext, type and padding
 * included. carry: the nonce that a record of TLS 1.2 carries. Its length; 0: OpenSSL has failed. */
static inline size_t forge(const struct lean_side *s, struct lean_suite suite, uint64_t sequence, uint64_t carry,
                           unsigned type, const uint8_t *text, size_t len, uint8_t *record)
{
    uint8_t nonce[12], additional[13];
    bool carries = !suite.tls13 && suite.cipher != LEAN_CHACHA20_POLY1305;
    size_t front = carries ? 13 : 5, body = front - 5 + len + 16;
    const uint8_t header[5] = {(uint8_t)type, 3, 3, (uint8_t)(body >> 8 & 0xFF), (uint8_t)(body & 0xFF)};
    memcpy(record, header, 5);
    memcpy(nonce, s->iv, 12);
    for (int i = 0; i < 8; i++) {
        uint8_t shown = (uint8_t)(sequence >> (56 - 8 * i) & 0xFF), carried = (uint8_t)(carry >> (56 - 8 * i) & 0xFF);
        additional[i] = shown;
        if (carries)
            nonce[4 + i] = record[5 + i] = carried;
        else
            nonce[4 + i] ^= shown;
    }
    int made, additional_len = suite.tls13 ? 5 : 13;
    if (suite.tls13) {
        memcpy(additional, header, 5);
    } else {
        const uint8_t end[5] = {(uint8_t)type, 3, 3, (uint8_t)(len >> 8 & 0xFF), (uint8_t)(len & 0xFF)};
        memcpy(additional + 8, end, 5);
    }
    const EVP_CIPHER *ciphers[] = {EVP_aes_128_gcm(), EVP_aes_256_gcm(), EVP_chacha20_poly1305()};
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    bool good = ctx && EVP_EncryptInit_ex(ctx, ciphers[suite.cipher], NULL, s->key, nonce) > 0 &&
                EVP_EncryptUpdate(ctx, NULL, &made, additional, additional_len) > 0 &&
                (len == 0 || EVP_EncryptUpdate(ctx, record + front, &made, text, (int)len) > 0) &&
                EVP_EncryptFinal_ex(ctx, record + front + len, &made) > 0 &&
                EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, 16, record + front + len) > 0;
    EVP_CIPHER_CTX_free(ctx);
    return good ? 5 + body : 0;
}

/* A side with keys that follow from a seed. */
static inline struct lean_side forged_side(struct lean_suite suite, uint8_t seed)
{
    struct lean_side s = {0};
    memset(s.secret, seed, LEAN_SECRET_MAX);
    for (uint8_t i = 0; i < lean_ciphers[suite.cipher].key_len; i++)
        s.key[i] = (uint8_t)(seed ^ i ^ (suite.cipher * 64));
    for (uint8_t i = 0; i < LEAN_IV; i++)
        s.iv[i] = (uint8_t)(seed ^ (200 - i) ^ suite.tls13);
    if (lean_carries_nonce(suite))
        s.carry = 0x0123456789abcdefu;
    return s;
}

/* The i-th of six suites. */
#define SUITES 6
static inline struct lean_suite suite_at(unsigned i)
{
    return (struct lean_suite){.cipher = i / 2 & 3, .tls13 = i % 2};
}

#endif
