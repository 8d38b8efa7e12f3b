/*
 * SHA-2 against what Python's hashlib says, and the field Content-Digest.
 *
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "web/upload/digest.h"
#include "weir.h"

#include <stdio.h>
#include <string.h>

/* Bytes that are len times "a" where there is no text. */
static const struct {
    size_t len;
    const char *text, *short_digest, *long_digest;
} cases[] = {
    {0, "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
     "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce"
     "47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e"},
    {3, "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
     "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
     "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"},
    {56, "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
     "204a8fc6dda82f0a0ced7beb8e08a41657c16ef468b228a8279be331a703c335"
     "96fd15c13b1b07f9aa1d3bea57789ca031ad85c7a71dd70354ec631238ca3445"},
    {63, "", "7d3e74a05d7db15bce4ad9ec0658ea98e3f06eeecf16b4c6fff2da457ddc2f34",
     "c1b0f5c6d3b03dfe4a2602e67242f54e344090b66e01100a469b129f583f016c"
     "7e27dddeaa438393dcc7ec54b0b57c9ba7af007f9b56db5f6fb677d972a31362"},
    {64, "", "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb",
     "01d35c10c6c38c2dcf48f7eebb3235fb5ad74a65ec4cd016e2354c637a8fb49b"
     "695ef3c1d6f7ae4cd74d78cc9c9bcac9d4f23a73019998a7f73038a5c9b2dbde"},
    {65, "", "635361c48bb9eab14198e76ea8ab7f1a41685d6ad62aa9146d301d4f17eb0ae0",
     "b83086cd8494e55708ad7ecd82dfb4bca1bda61ecbb7caf0c68967902e709345"
     "e5d8305eb7ac0d588afc6cbb75161aa9c8c7e0ea986bd833dafe5e1ccd37345a"},
    {111, "", "6374f73208854473827f6f6a3f43b1f53eaa3b82c21c1a6d69a2110b2a79baad",
     "fa9121c7b32b9e01733d034cfc78cbf67f926c7ed83e82200ef8681819692176"
     "0b4beff48404df811b953828274461673c68d04e297b0eb7b2b4d60fc6b566a2"},
    {112, "", "f54353008a2553262ecdc4a34749563ba0950e8b0fc8652780b0a614b99683c1",
     "c01d080efd492776a1c43bd23dd99d0a2e626d481e16782e75d54c2503b5dc32"
     "bd05f0f1ba33e568b88fd2d970929b719ecbb152f58f130a407c8830604b70ca"},
    {127, "", "c57e9278af78fa3cab38667bef4ce29d783787a2f731d4e12200270f0c32320a",
     "828613968b501dc00a97e08c73b118aa8876c26b8aac93df128502ab360f91ba"
     "b50a51e088769a5c1eff4782ace147dce3642554199876374291f5d921629502"},
    {128, "", "6836cf13bac400e9105071cd6af47084dfacad4e5e302c94bfed24e013afb73e",
     "b73d1929aa615934e61a871596b3f3b33359f42b8175602e89f7e06e5f658a24"
     "3667807ed300314b95cacdd579f3e33abdfbe351909519a846d465c59582f321"},
    {129, "", "c12cb024a2e5551cca0e08fce8f1c5e314555cc3fef6329ee994a3db752166ae",
     "4f681e0bd53cda4b5a2041cc8a06f2eabde44fb16c951fbd5b87702f07aeab61"
     "1565b19c47fde30587177ebb852e3971bbd8d3fd30da18d71037dfbd98420429"},
    {1000, "", "41edece42d63e8d9bf515a9ba6932e1c20cbc9f5a5d134645adb5db1b9737ea3",
     "67ba5535a46e3f86dbfbed8cbbaf0125c76ed549ff8b0b9e03e0c88cf90fa634"
     "fa7b12b47d77b694de488ace8d9a65967dc96df599727d3292a8d9d447709c97"},
};

static void to_hex(const uint8_t *bytes, size_t len, char *text)
{
    for (size_t i = 0; i < len; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
}

/* The digest of bytes that come in pieces of `piece`. */
static void digest_of(enum sha2_kind kind, const char *data, size_t len, size_t piece, char *text)
{
    struct sha2 s;
    uint8_t digest[SHA2_LEN_MAX];
    sha2_begin(&s, kind);
    for (size_t at = 0; at < len; at += piece)
        sha2_add(&s, data + at, len - at < piece ? len - at : piece);
    size_t size = sha2_end(&s, digest);
    assert_int_equal(size, sha2_len(kind));
    to_hex(digest, size, text);
}

static void sha2(void **state)
{
    (void)state;
    char all_a[1000], text[2 * SHA2_LEN_MAX + 1];
    memset(all_a, 'a', sizeof all_a);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *data = cases[i].text[0] ? cases[i].text : all_a;
        for (size_t piece = 1; piece <= 200; piece++) {
            digest_of(SHA2_256, data, cases[i].len, piece, text);
            assert_string_equal(text, cases[i].short_digest);
            digest_of(SHA2_512, data, cases[i].len, piece, text);
            assert_string_equal(text, cases[i].long_digest);
        }
    }
}

#define D256 "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="
#define D512                                                                                                           \
    "3a81oZNherrMQXNJriBBMRLm+k6JqX6iCp7u5ktV05oh"                                                                     \
    "kpkqJ0/BqDa6PCOj/uu9RU1EI2Q86A4qmslPpUyknw=="

/* A copy of its exact size, so that AddressSanitizer sees a look beyond it. */
static int take(struct digest *d, const char *line)
{
    size_t len = strlen(line);
    char *copy = malloc(len ? len : 1);
    assert_non_null(copy);
    memcpy(copy, line, len);
    int error = digest_take(d, slice_of(copy, len));
    free(copy);
    return error;
}

static void field(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        int kind; /* -1: none is expected; -2: wrong */
    } lines[] = {
        {"", -1},
        {"  ", -1},
        {"sha-256=:" D256 ":", SHA2_256},
        {" sha-256=:" D256 ":\t", SHA2_256},
        {"sha-512=:" D512 ":", SHA2_512},
        {"sha-256=:" D256 ":, sha-512=:" D512 ":", SHA2_512},
        {"sha-512=:" D512 ":,sha-256=:" D256 ":", SHA2_512},
        {"md5=:rL0Y20zC+Fzt72VPzMSk2A==:", -1},
        {"unixsum=30637, sha-256=:" D256 ":", SHA2_256},
        {"a, b;p=1;q, *c=\"x,\\\"y:\";z=?0, d=(1 \"(\" :YQ==:;p);q, e=1.5, sha-256=:" D256 ":;p=\"v\"", SHA2_256},
        {"e=()", -1},
        {"sha-256=:" D256 ":, sha-256=:" D256 ":", SHA2_256},
        {"sha-256", -2},
        {"sha-256=", -2},
        {"sha-256=:", -2},
        {"sha-256=::", -2},
        {"sha-256=:YWJj:", -2},
        {"sha-256=:" D256, -2},
        {"sha-256=" D256, -2},
        {"sha-256=\"" D256 "\"", -2},
        {"sha-256=:" D256 "=:", -2},
        {"sha-256=:" D512 ":", -2},
        {"sha-512=:" D256 ":", -2},
        {"sha-256=:" D256 ":,", -2},
        {"sha-256=:" D256 ": x", -2},
        {"sha-256=:" D256 ":;", -2},
        {"SHA-256=:" D256 ":", -2},
        {", sha-256=:" D256 ":", -2},
        {"a=(", -2},
        {"a=\"x", -2},
        {"a=\"x\\", -2},
        {"a=;p", -2},
        {"=1", -2},
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct digest d = {0};
        int error = take(&d, lines[i].line), kind = error ? -2 : d.expected ? d.kind : -1;
        if (kind != lines[i].kind || (error && error != WEIR_EPROTO))
            fail_msg("%s: %d instead of %d", lines[i].line, kind, lines[i].kind);
    }
}

static void values(void **state)
{
    (void)state;
    char text[2 * SHA2_LEN_MAX + 1];
    struct digest d = {0};
    assert_int_equal(take(&d, "sha-256=:" D256 ":"), 0);
    to_hex(d.value, SHA2_256_LEN, text);
    assert_string_equal(text, cases[1].short_digest);
    char unpadded[] = "sha-256=:" D256 ":";
    unpadded[strlen(unpadded) - 2] = ':';
    unpadded[strlen(unpadded) - 1] = '\0';
    memset(&d, 0, sizeof d);
    assert_int_equal(take(&d, unpadded), 0);
    to_hex(d.value, SHA2_256_LEN, text);
    assert_string_equal(text, cases[1].short_digest);
    /* Lines add up, and the weaker one does not take the place of the stronger. */
    memset(&d, 0, sizeof d);
    assert_int_equal(take(&d, "sha-512=:" D512 ":"), 0);
    assert_int_equal(take(&d, "sha-256=:" D256 ":"), 0);
    assert_int_equal(d.kind, SHA2_512);
    to_hex(d.value, SHA2_512_LEN, text);
    assert_string_equal(text, cases[1].long_digest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha2),
        cmocka_unit_test(field),
        cmocka_unit_test(values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
