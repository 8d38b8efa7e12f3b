/*
 * Key schedules of lean records: the example of RFC 8448, what each suite is, the key log's lines.
 *
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "net/tls/lean_keys.h"
#include "net/tls/lean_record.h"
#include "openssl_fixture.h"

#include <stdio.h>
#include <string.h>

static const struct lean_suite aes_128 = {.cipher = LEAN_AES_128_GCM, .tls13 = true};

/* Bytes by their hexadecimal digits, with spaces between. */
static size_t bytes(uint8_t *to, const char *text)
{
    size_t len = 0;
    unsigned value;
    int used;
    while (sscanf(text, " %2x%n", &value, &used) == 1) {
        to[len++] = (uint8_t)value;
        text += used;
    }
    return len;
}

static void assert_bytes(const uint8_t *found, const char *text)
{
    uint8_t expected[256];
    assert_memory_equal(found, expected, bytes(expected, text));
}

/* RFC 8448 section 3, the application's traffic. */
static const char client_secret[] = "9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5";
static const char server_secret[] = "a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643";

static struct lean_side side_of(const char *secret)
{
    struct lean_side s = {0};
    assert_int_equal(bytes(s.secret, secret), 32);
    assert_true(lean_side_derive(&s, aes_128));
    return s;
}

static void keys_of_the_example(void **state)
{
    (void)state;
    struct lean_side client = side_of(client_secret), server = side_of(server_secret);
    assert_bytes(client.key, "17422dda596ed5d9acd890e3c63f5051");
    assert_bytes(client.iv, "5b78923dee08579033e523d9");
    assert_bytes(server.key, "9f02283b6c9c07efc26bb9f2ac92e356");
    assert_bytes(server.iv, "cf782b88dd83549aadf1e984");
}

/* Its records of 50 bytes, which are their own places. */
static void records_of_the_example(void **state)
{
    (void)state;
    struct lean_records r;
    struct lean_plain plain;
    uint8_t record[128];
    struct lean_side client = side_of(client_secret), server = side_of(server_secret);
    assert_true(lean_records_open(&r));
    size_t len = bytes(record, "17 03 03 00 43 a2 3f 70 54 b6 2c 94 d0 af fa fe 82 28 ba 55 cb ef ac ea 42 f9 14 aa 66 "
                               "bc ab 3f 2b 98 19 a8 a5 b4 6b 39 5b d5 4a 9a 20 44 1e 2b 62 97 4e 1f 5a 62 92 a2 97 70 "
                               "14 bd 1e 3d ea e6 3a ee bb 21 69 49 15 e4");
    assert_int_equal(lean_record_length(aes_128, record), len);
    assert_int_equal(lean_open(&r, &client, aes_128, record, len, LEAN_PLAIN_MAX, &plain), LEAN_DATA);
    assert_int_equal(plain.len, 50);
    for (uint8_t i = 0; i < 50; i++)
        assert_int_equal(plain.data[i], i);

    server.sequence = 1; /* a ticket was before it */
    for (uint8_t i = 0; i < 50; i++)
        record[LEAN_HEADER + i] = i;
    assert_int_equal(lean_seal(&r, &server, aes_128, LEAN_DATA, record, 50), 72);
    assert_bytes(record, "17 03 03 00 43 2e 93 7e 11 ef 4a c7 40 e5 38 ad 36 00 5f c4 a4 69 32 fc 32 25 d0 5f 82 aa 1b "
                         "36 e3 0e fa f9 7d 90 e6 df fc 60 2d cb 50 1a 59 a8 fc c4 9c 4b f2 e5 f0 a2 1c 00 47 c2 ab f3 "
                         "32 54 0d d0 32 e1 67 c2 95 5d");
    lean_records_close(&r);
}

/* RFC 8448 section 3 has no KeyUpdate; the label's bytes are written out here instead. */
static void next_generation(void **state)
{
    (void)state;
    struct lean_side s = side_of(client_secret);
    static const uint8_t info[] = "\0\x20\x11tls13 traffic upd";
    uint8_t next[32];
    int mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);
    char hash[] = "SHA256";
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_int("mode", &mode), OSSL_PARAM_construct_utf8_string("digest", hash, 0),
        OSSL_PARAM_construct_octet_string("key", s.secret, 32),
        OSSL_PARAM_construct_octet_string("info", (void *)(uintptr_t)info, sizeof info), OSSL_PARAM_END};
    assert_true(EVP_KDF_derive(ctx, next, sizeof next, params) > 0);
    EVP_KDF_CTX_free(ctx);
    EVP_KDF_free(kdf);
    s.sequence = 77;
    struct lean_side before = s;
    assert_true(lean_side_update(&s, aes_128));
    assert_int_equal(s.sequence, 0);
    assert_memory_equal(s.secret, next, sizeof next);
    assert_memory_not_equal(s.key, before.key, 16);
    assert_memory_not_equal(s.iv, before.iv, LEAN_IV);
}

/* The key block by the formula of RFC 5246 section 5, with HMAC alone. */
static void key_block_of_12(void **state)
{
    (void)state;
    static const struct lean_suite suite = {.cipher = LEAN_AES_256_GCM};
    struct lean_side client = {0}, server = {0};
    uint8_t master[48], random[2][32], seed[13 + 64], a[48], block[96], text[48 + sizeof seed];
    memset(master, 1, sizeof master);
    memset(random[0], 2, 32);
    memset(random[1], 3, 32);
    memcpy(seed, "key expansion", 13);
    memcpy(seed + 13, random[1], 32);
    memcpy(seed + 45, random[0], 32);
    size_t len;
    assert_non_null(EVP_Q_mac(NULL, "HMAC", NULL, "SHA384", NULL, master, 48, seed, sizeof seed, a, 48, &len));
    for (int i = 0; i < 2; i++) {
        memcpy(text, a, 48);
        memcpy(text + 48, seed, sizeof seed);
        assert_non_null(
            EVP_Q_mac(NULL, "HMAC", NULL, "SHA384", NULL, master, 48, text, sizeof text, block + 48 * i, 48, &len));
        assert_non_null(EVP_Q_mac(NULL, "HMAC", NULL, "SHA384", NULL, master, 48, a, 48, a, 48, &len));
    }
    assert_true(lean_sides_derive_12(&client, &server, suite, master, random[0], random[1]));
    assert_memory_equal(client.key, block, 32);
    assert_memory_equal(server.key, block + 32, 32);
    assert_memory_equal(client.iv, block + 64, LEAN_GCM_SALT);
    assert_memory_equal(server.iv, block + 68, LEAN_GCM_SALT);
}

static void suites_that_are_known(void **state)
{
    (void)state;
    static const uint16_t known[2][6] = {{0xC02B, 0xC02F, 0xC02C, 0xC030, 0xCCA9, 0xCCA8}, {0x1301, 0x1302, 0x1303}};
    struct lean_suite suite;
    unsigned count[2] = {0};
    for (unsigned number = 0; number <= 0xFFFF; number++)
        for (unsigned tls13 = 0; tls13 < 2; tls13++) {
            bool expected = false;
            for (size_t i = 0; i < 6; i++)
                expected |= known[tls13][i] == number && number != 0;
            assert_int_equal(lean_suite_known(number, tls13, &suite), expected);
            count[tls13] += expected;
            assert_true(!expected || suite.tls13 == tls13);
        }
    assert_int_equal(count[0], 6);
    assert_int_equal(count[1], 3);
}

/* What a failing derivation leaves is nothing. */
static void nothing_is_left_of_a_failure(void **state)
{
    (void)state;
    uint8_t out[16], secret[32] = {1};
    memset(out, 9, sizeof out);
    assert_false(lean_expand_label("no such hash", secret, sizeof secret, "key", out, sizeof out));
    for (size_t i = 0; i < sizeof out; i++)
        assert_int_equal(out[i], 0);
}

static void lines_of_the_key_log(void **state)
{
    (void)state;
    struct lean_secrets s = {0};
    char line[512];
    lean_secrets_note(&s, "SERVER_HANDSHAKE_TRAFFIC_SECRET 00 0102");
    lean_secrets_note(&s, "CLIENT_RANDOM 00 0102");
    lean_secrets_note(&s, "CLIENT_TRAFFIC_SECRET_00 00 0102");
    lean_secrets_note(&s, "");
    lean_secrets_note(&s, "CLIENT_TRAFFIC_SECRET_0");
    lean_secrets_note(&s, "CLIENT_TRAFFIC_SECRET_0 ");
    lean_secrets_note(&s, "CLIENT_TRAFFIC_SECRET_0 00");
    lean_secrets_note(&s, "CLIENT_TRAFFIC_SECRET_0 00 ");
    lean_secrets_note(&s, "CLIENT_TRAFFIC_SECRET_0 00 0102"); /* too short */
    assert_int_equal(s.client_len | s.server_len, 0);
    snprintf(line, sizeof line, "CLIENT_TRAFFIC_SECRET_0 00ff %sX", client_secret);
    lean_secrets_note(&s, line);
    snprintf(line, sizeof line, "CLIENT_TRAFFIC_SECRET_0 00ff %s%s", client_secret, client_secret); /* too long */
    lean_secrets_note(&s, line);
    assert_int_equal(s.client_len | s.server_len, 0);
    snprintf(line, sizeof line, "CLIENT_TRAFFIC_SECRET_0 00ff %s", client_secret);
    lean_secrets_note(&s, line);
    snprintf(line, sizeof line, "SERVER_TRAFFIC_SECRET_0 00ff %s%.32s", server_secret, client_secret);
    lean_secrets_note(&s, line);
    assert_int_equal(s.client_len, 32);
    assert_int_equal(s.server_len, 48);
    assert_bytes(s.client, client_secret);
    assert_bytes(s.server, server_secret);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_of_the_example),   cmocka_unit_test(records_of_the_example),
        cmocka_unit_test(next_generation),       cmocka_unit_test(key_block_of_12),
        cmocka_unit_test(suites_that_are_known), cmocka_unit_test(nothing_is_left_of_a_failure),
        cmocka_unit_test(lines_of_the_key_log),
    };
    return cmocka_run_group_tests_name("lean_keys", tests, load_openssl, NULL);
}
