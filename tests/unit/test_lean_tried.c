/*
 * The self-test of lean records: good as it is, and bad where anything that a handshake gives has been changed.
 *
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "net/tls/lean_selftest.h"
#include "openssl_fixture.h"

static void all_is_good(void **state)
{
    (void)state;
    const char *wrong = lean_self_test(NULL);
    assert_string_equal(wrong ? wrong : "", "");
}

static void key_in(struct lean_session *s)
{
    s->in.key[3] ^= 1;
}
static void key_out(struct lean_session *s)
{
    s->out.key[3] ^= 1;
}
static void iv_in(struct lean_session *s)
{
    s->in.iv[2] ^= 1;
}
static void iv_out(struct lean_session *s)
{
    s->out.iv[2] ^= 1;
}
static void sequence_in(struct lean_session *s)
{
    s->in.sequence++;
}
static void sequence_out(struct lean_session *s)
{
    s->out.sequence++;
}
static void secret_in(struct lean_session *s)
{
    if (s->suite.tls13)
        s->in.secret[0] ^= 1;
}
static void secret_out(struct lean_session *s)
{
    if (s->suite.tls13)
        s->out.secret[0] ^= 1;
}
static void sides(struct lean_session *s)
{
    struct lean_side in = s->in;
    s->in = s->out;
    s->out = in;
}

static void everything_counts(void **state)
{
    (void)state;
    static const lean_tamper tampers[] = {key_in,       key_out,   iv_in,      iv_out, sequence_in,
                                          sequence_out, secret_in, secret_out, sides};
    for (size_t i = 0; i < sizeof tampers / sizeof tampers[0]; i++)
        assert_non_null(lean_self_test(tampers[i]));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_is_good),
        cmocka_unit_test(everything_counts),
    };
    return cmocka_run_group_tests_name("lean_tried", tests, load_openssl, NULL);
}
