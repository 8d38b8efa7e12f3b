/*
 * Accept-Encoding: weights, and what is chosen by them.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web_fixture.h"

#include "web/compress/negotiate.h"

#define LINES_MAX 4

/* Reads lines in memory of exactly their size, so that reading beyond one is found. */
static void read_exactly(const char *const *lines, struct accepted *a)
{
    struct slice slices[LINES_MAX];
    char *copies[LINES_MAX];
    size_t count = 0;
    for (; count < LINES_MAX && lines[count]; count++) {
        size_t len = strlen(lines[count]);
        copies[count] = fixture_exact(lines[count], len);
        slices[count] = slice_of(copies[count], len);
    }
    accepted_read(slices, count, a);
    while (count > 0)
        free(copies[--count]);
}

/* What of everything is chosen, the server liking br, zstd, gzip in that order. */
static const char *chosen(const char *const *lines)
{
    static const uint8_t offered[] = {CODING_BR, CODING_ZSTD, CODING_GZIP};
    struct accepted a;
    read_exactly(lines, &a);
    return coding_name(accepted_choose(&a, offered, sizeof offered)).data;
}

static void test_choices(void **state)
{
    static const struct {
        const char *lines[LINES_MAX];
        const char *chosen;
    } cases[] = {
        {{NULL}, "identity"},
        {{""}, "identity"},
        {{" , ,"}, "identity"},
        {{"gzip"}, "gzip"},
        {{"x-gzip"}, "gzip"},
        {{"GZip"}, "gzip"},
        {{"X-GZIP;Q=0.5"}, "gzip"},
        {{"br"}, "br"},
        {{"zstd"}, "zstd"},
        {{"deflate"}, "identity"},
        {{"compress, x-compress, dcb"}, "identity"},
        {{"identity"}, "identity"},
        {{"gzip, deflate, br, zstd"}, "br"},
        {{"gzip, deflate, zstd"}, "zstd"},
        {{"gzip,deflate"}, "gzip"},
        {{"gzip", "br"}, "br"},
        {{"deflate", "", "gzip"}, "gzip"},
        {{"gzip;q=1, br;q=0.9"}, "gzip"},
        {{"gzip;q=1.000, br;q=0.999"}, "gzip"},
        {{"gzip;q=0.001"}, "gzip"},
        {{"gzip;q=0.5, br;q=0.5"}, "br"},
        {{"gzip ; q=0.8 ,\tbr;\tq=0.9"}, "br"},
        {{"gzip;q=0"}, "identity"},
        {{"gzip;q=0., br;q=0.000"}, "identity"},
        {{"gzip;q=1."}, "gzip"},
        {{"gzip;q=0, *"}, "br"},
        {{"*"}, "br"},
        {{"*;q=0.1"}, "br"},
        {{"*;q=0"}, "identity"},
        {{"br;q=0, zstd;q=0, *;q=0.5"}, "gzip"},
        {{"br;q=0.4, *;q=0.5"}, "zstd"},
        {{"gzip, *;q=0"}, "gzip"},
        {{"identity;q=0, *;q=0"}, "identity"},
        {{"identity;q=0"}, "identity"},
        {{"identity;q=0, gzip;q=0.1"}, "gzip"},
        {{"identity;q=0, *;q=0.1"}, "br"},
        {{"identity, gzip;q=0.5"}, "identity"},
        {{"identity;q=0.5, gzip;q=0.5"}, "gzip"},
        {{"identity;q=0.5, gzip;q=0.499"}, "identity"},
        {{"identity, *;q=0.5"}, "identity"},
        {{"gzip;q=0, gzip"}, "gzip"},
        {{"gzip, gzip;q=0"}, "gzip"},
        {{"x-gzip;q=0, gzip;q=0.2, br;q=0.1"}, "gzip"},
        /* No members of the list */
        {{"gzip;q=2"}, "identity"},
        {{"gzip;q=1.1"}, "identity"},
        {{"gzip;q=1.0000"}, "identity"},
        {{"gzip;q=0.1234"}, "identity"},
        {{"gzip;q=-1"}, "identity"},
        {{"gzip;q=.5"}, "identity"},
        {{"gzip;q=0,5"}, "identity"},
        {{"gzip;q=00"}, "identity"},
        {{"gzip;q=1:5"}, "identity"},
        {{"gzip;q=0.5x"}, "identity"},
        {{"gzip;q="}, "identity"},
        {{"gzip;q"}, "identity"},
        {{"gzip;"}, "identity"},
        {{"gzip;;q=1"}, "identity"},
        {{"gzip;q =1"}, "identity"},
        {{"gzip;q= 1"}, "identity"},
        {{"gzip;level=9;q=1"}, "identity"},
        {{"gzip;q=1;level=9"}, "identity"},
        {{"gzip br"}, "identity"},
        {{"\"gzip\""}, "identity"},
        {{";q=1"}, "identity"},
        {{"gzip;q=2, br;q=0.1"}, "br"},
        {{"gzi"}, "identity"},
        {{"gzipp"}, "identity"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *got = chosen(cases[i].lines);
        if (strcmp(got, cases[i].chosen) != 0)
            fail_msg("%zu, \"%s\": %s, not %s", i, cases[i].lines[0] ? cases[i].lines[0] : "(none)", got,
                     cases[i].chosen);
    }
}

static void test_weights(void **state)
{
    static const struct {
        const char *line;
        uint16_t weights[CODINGS]; /* identity, gzip, br, zstd */
    } cases[] = {
        {"", {ACCEPT_UNSAID, 0, 0, 0}},
        {"gzip", {ACCEPT_UNSAID, ACCEPT_MOST, 0, 0}},
        {"gzip;q=0.001, br;q=0.999, zstd;q=0.5", {ACCEPT_UNSAID, ACCEPT_LEAST, ACCEPT_MOST - 1, 501}},
        {"*;q=0.25", {251, 251, 251, 251}},
        {"*;q=0", {0, 0, 0, 0}},
        {"*;q=0, identity;q=0.001", {ACCEPT_LEAST, 0, 0, 0}},
        {"identity;q=0", {0, 0, 0, 0}},
        {"identity;q=0, *", {0, ACCEPT_MOST, ACCEPT_MOST, ACCEPT_MOST}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct accepted a;
        read_exactly((const char *const[LINES_MAX]){cases[i].line}, &a);
        for (unsigned coding = 0; coding < CODINGS; coding++)
            if (a.weights[coding] != cases[i].weights[coding])
                fail_msg("\"%s\": %s has %u, not %u", cases[i].line, coding_name(coding).data, a.weights[coding],
                         cases[i].weights[coding]);
    }
}

/* What is there is chosen, in the server's order, whatever else would be liked. */
static void test_offers(void **state)
{
    static const uint8_t gzip[] = {CODING_GZIP}, both[] = {CODING_GZIP, CODING_BR},
                         all[] = {CODING_IDENTITY, CODING_GZIP};
    struct accepted a;
    (void)state;
    read_exactly((const char *const[LINES_MAX]){"br, gzip;q=0.5"}, &a);
    assert_int_equal(accepted_choose(&a, NULL, 0), CODING_IDENTITY);
    assert_int_equal(accepted_choose(&a, gzip, 1), CODING_GZIP);
    assert_int_equal(accepted_choose(&a, both, 2), CODING_BR);
    read_exactly((const char *const[LINES_MAX]){"br, gzip"}, &a);
    assert_int_equal(accepted_choose(&a, both, 2), CODING_GZIP);
    assert_int_equal(accepted_choose(&a, all, 2), CODING_GZIP);
    read_exactly((const char *const[LINES_MAX]){"br"}, &a);
    assert_int_equal(accepted_choose(&a, gzip, 1), CODING_IDENTITY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_choices),
        cmocka_unit_test(test_weights),
        cmocka_unit_test(test_offers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
