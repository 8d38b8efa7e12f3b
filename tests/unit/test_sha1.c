/*
 * SHA-1, by the examples of FIPS 180 and at every length around a block's.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/sha1.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void check(const char *text, size_t len, const char *right)
{
    uint8_t digest[SHA1_LEN];
    char hex[2 * SHA1_LEN + 1];
    sha1(text, len, digest);
    for (size_t i = 0; i < SHA1_LEN; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    assert_string_equal(hex, right);
}

static void test_examples(void **state)
{
    (void)state;
    check("", 0, "da39a3ee5e6b4b0d3255bfef95601890afd80709");
    check("abc", 3, "a9993e364706816aba3e25717850c26c9cd0d89d");
    const char *two_blocks = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    check(two_blocks, strlen(two_blocks), "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
    char *million = malloc(1000000);
    assert_non_null(million);
    memset(million, 'a', 1000000);
    check(million, 1000000, "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
    free(million);
}

/* The digest of all digests of 0 to 199 times "a", made by another program. */
static void test_lengths(void **state)
{
    (void)state;
    uint8_t digests[200 * SHA1_LEN];
    char text[200];
    memset(text, 'a', sizeof text);
    for (size_t len = 0; len < 200; len++) {
        char *exact = malloc(len ? len : 1);
        assert_non_null(exact);
        memcpy(exact, text, len);
        sha1(exact, len, digests + len * SHA1_LEN);
        free(exact);
    }
    check((const char *)digests, sizeof digests, "8a18f04bac7c86cfcffa6a93e5cb21ae0159deac");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_examples), cmocka_unit_test(test_lengths)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
