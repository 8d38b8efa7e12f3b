/*
 * Taking over from OpenSSL: every suite, in full and resumed, with and without tickets; and what is not taken over.
 *
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "lean_forge.h"
#include "net/tls/lean_pair.h"
#include "openssl_fixture.h"

struct fixture {
    struct lean_records records;
    struct lean_pair_contexts contexts;
    struct lean_pair pair;
    struct lean_session session;
    uint8_t scratch[LEAN_RECORD_MAX];
};

static int open_fixture(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    assert_true(lean_records_open(&f->records));
    assert_true(lean_pair_prepare(&f->contexts));
    *state = f;
    return 0;
}

static int close_fixture(void **state)
{
    struct fixture *f = *state;
    lean_pair_forget(&f->contexts);
    lean_records_close(&f->records);
    free(f);
    return 0;
}

static enum lean_reason hand_over(struct fixture *f, const struct lean_crossed *crossed)
{
    return lean_hand_over(&f->records, f->pair.server, &f->pair.secrets, crossed, f->scratch, sizeof f->scratch,
                          &f->session);
}

static void shake_hands(struct fixture *f, struct lean_suite suite, SSL_SESSION *resumed)
{
    assert_true(lean_pair_open(&f->pair, &f->contexts, suite, resumed));
    assert_true(lean_pair_handshake(&f->pair));
    assert_int_equal(SSL_session_reused(f->pair.server), resumed != NULL);
}

static void assert_wiped(const struct fixture *f)
{
    static const struct lean_session none;
    assert_memory_equal(&f->session, &none, sizeof none);
}

/* The server says something, which OpenSSL's client understands, and may have had tickets before. */
static void assert_speaks(struct fixture *f, struct lean_suite suite)
{
    char got[8] = {0};
    uint8_t *record = f->scratch;
    memcpy(record + lean_front(suite), "hello", 5);
    size_t len = lean_seal(&f->records, &f->session.out, suite, LEAN_DATA, record, 5);
    assert_true(len > 0 && lean_pair_give(&f->pair, record, len));
    assert_int_equal(SSL_read(f->pair.client, got, sizeof got), 5);
    assert_string_equal(got, "hello");
    lean_records_forget(&f->records, &f->session.out, suite);
}

static void numbers_of_tickets(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 0; i < SUITES; i++) {
        for (size_t tickets = 0; tickets <= 4; tickets++) {
            struct lean_suite suite = suite_at(i);
            SSL_CTX_set_num_tickets(f->contexts.server, tickets);
            shake_hands(f, suite, NULL);
            assert_int_equal(hand_over(f, &f->pair.crossed), LEAN_TAKEN);
            assert_int_equal(f->session.out.sequence, suite.tls13 ? tickets : 1);
            assert_int_equal(f->session.in.sequence, suite.tls13 ? 0 : 1);
            assert_int_equal(f->session.plain_most, LEAN_PLAIN_MAX);
            assert_int_equal(f->session.suite.cipher, suite.cipher);
            assert_int_equal(f->session.suite.tls13, suite.tls13);
            assert_speaks(f, suite);
            SSL_SESSION *session = SSL_get1_session(f->pair.client);
            lean_pair_close(&f->pair);
            if (!suite.tls13 || tickets > 0) {
                shake_hands(f, suite, session);
                assert_int_equal(hand_over(f, &f->pair.crossed), LEAN_TAKEN);
                assert_speaks(f, suite);
                lean_pair_close(&f->pair);
            }
            SSL_SESSION_free(session);
        }
    }
}

/* The nonce that TLS 1.2 with GCM goes on with is the Finished record's and one, not the sequence number. */
static void nonce_goes_on(void **state)
{
    struct fixture *f = *state;
    struct lean_suite suite = suite_at(0);
    shake_hands(f, suite, NULL);
    assert_int_equal(hand_over(f, &f->pair.crossed), LEAN_TAKEN);
    uint64_t carried;
    memcpy(&carried, f->pair.last + LEAN_HEADER, sizeof carried);
    assert_true(f->session.out.carry == __builtin_bswap64(carried) + 1);
    lean_pair_close(&f->pair);
}

static void wrong_counts(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 0; i < SUITES; i++) {
        struct lean_suite suite = suite_at(i);
        shake_hands(f, suite, NULL);
        struct lean_crossed crossed = f->pair.crossed;
        uint32_t *out = suite.tls13 ? &crossed.out_since : &crossed.out;
        for (int by = -1; by <= 2; by++) {
            if (by == 0 || (!suite.tls13 && by < 0))
                continue;
            crossed = f->pair.crossed;
            *out = (uint32_t)((int)*out + by);
            assert_int_equal(hand_over(f, &crossed), LEAN_CHECK_FAILED);
            assert_wiped(f);
        }
        if (suite.tls13) { /* two tickets were sent: the sequence does not begin at 0 */
            crossed.out_since = 0;
            assert_int_equal(hand_over(f, &crossed), LEAN_MISCOUNTED);
            assert_wiped(f);
        }
        crossed = f->pair.crossed;
        crossed.between = false;
        assert_int_equal(hand_over(f, &crossed), LEAN_IN_RECORD);
        if (!suite.tls13) {
            for (int what = 0; what < 4; what++) {
                crossed = f->pair.crossed;
                crossed.in = what == 0 ? 0 : crossed.in;
                crossed.out = what == 1 ? 0 : crossed.out;
                crossed.in_changed = what != 2;
                crossed.out_changed = what != 3;
                assert_int_equal(hand_over(f, &crossed), LEAN_MISCOUNTED);
                assert_wiped(f);
            }
        }
        lean_pair_close(&f->pair);
    }
}

static void last_record_is_not_as_it_should_be(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 0; i < SUITES; i++) {
        shake_hands(f, suite_at(i), NULL);
        struct lean_crossed crossed = f->pair.crossed;
        crossed.last = NULL;
        assert_int_equal(hand_over(f, &crossed), LEAN_UNSEEN);
        crossed = f->pair.crossed;
        crossed.last_len--;
        assert_int_equal(hand_over(f, &crossed), LEAN_MISCOUNTED);
        crossed.last_len = 4;
        assert_int_equal(hand_over(f, &crossed), LEAN_UNSEEN);
        crossed = f->pair.crossed;
        f->pair.last[crossed.last_len - 1] ^= 1;
        assert_int_equal(hand_over(f, &crossed), LEAN_CHECK_FAILED);
        assert_wiped(f);
        lean_pair_close(&f->pair);
    }
}

static void secrets_are_missing(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 1; i < SUITES; i += 2) {
        shake_hands(f, suite_at(i), NULL);
        struct lean_secrets secrets = f->pair.secrets;
        f->pair.secrets.client_len = 0;
        assert_int_equal(hand_over(f, &f->pair.crossed), LEAN_NO_SECRETS);
        f->pair.secrets = secrets;
        f->pair.secrets.server_len ^= 32 ^ 48;
        assert_int_equal(hand_over(f, &f->pair.crossed), LEAN_NO_SECRETS);
        f->pair.secrets = secrets;
        f->pair.secrets.server[5] ^= 1;
        assert_int_equal(hand_over(f, &f->pair.crossed), LEAN_CHECK_FAILED);
        assert_wiped(f);
        lean_pair_close(&f->pair);
    }
}

static void other_suites(void **state)
{
    struct fixture *f = *state;
    assert_true(SSL_CTX_set_cipher_list(f->contexts.server, "ALL:@SECLEVEL=0"));
    assert_true(SSL_CTX_set_ciphersuites(f->contexts.server, "TLS_AES_128_CCM_SHA256"));
    static const char *const names[] = {"ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-AES128-CCM"};
    for (size_t i = 0; i < 3; i++) {
        assert_true(lean_pair_open(&f->pair, &f->contexts, suite_at(i == 2), NULL));
        if (i < 2)
            assert_true(SSL_set_cipher_list(f->pair.client, names[i]));
        else
            assert_true(SSL_set_ciphersuites(f->pair.client, "TLS_AES_128_CCM_SHA256"));
        assert_true(lean_pair_handshake(&f->pair));
        assert_int_equal(hand_over(f, &f->pair.crossed), LEAN_OTHER_SUITE);
        assert_wiped(f);
        lean_pair_close(&f->pair);
    }
}

static void handshake_is_not_over(void **state)
{
    struct fixture *f = *state;
    assert_true(lean_pair_open(&f->pair, &f->contexts, suite_at(1), NULL));
    struct lean_crossed crossed = {.between = true};
    assert_int_equal(hand_over(f, &crossed), LEAN_HAS_PENDING);
    assert_int_equal(SSL_do_handshake(f->pair.client), -1);
    assert_int_equal(SSL_do_handshake(f->pair.server), -1);
    assert_int_equal(hand_over(f, &crossed), LEAN_HAS_PENDING);
    lean_pair_close(&f->pair);
}

static void small_fragments(void **state)
{
    struct fixture *f = *state;
    for (uint8_t mode = TLSEXT_max_fragment_length_512; mode <= TLSEXT_max_fragment_length_4096; mode++) {
        for (unsigned i = 0; i < 2; i++) {
            assert_true(lean_pair_open(&f->pair, &f->contexts, suite_at(i), NULL));
            assert_true(SSL_set_tlsext_max_fragment_length(f->pair.client, mode));
            assert_true(lean_pair_handshake(&f->pair));
            assert_int_equal(hand_over(f, &f->pair.crossed), LEAN_TAKEN);
            assert_int_equal(f->session.plain_most, 256u << mode);
            lean_pair_close(&f->pair);
        }
    }
}

static void reasons_have_names(void **state)
{
    (void)state;
    for (int i = 0; i < LEAN_REASONS; i++)
        assert_non_null(lean_reason_name((enum lean_reason)i));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(numbers_of_tickets),
        TEST(nonce_goes_on),
        TEST(wrong_counts),
        TEST(last_record_is_not_as_it_should_be),
        TEST(secrets_are_missing),
        TEST(other_suites),
        TEST(handshake_is_not_over),
        TEST(small_fragments),
        cmocka_unit_test(reasons_have_names),
    };
    return cmocka_run_group_tests_name("lean_handover", tests, load_openssl, NULL);
}
