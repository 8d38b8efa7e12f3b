/*
 * Heads of extended CONNECT (RFC 8441), where it has been announced: each rule, and buffers of every size.
 *
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "h2_head_fixture.h"

#define EXTENDED ":method=CONNECT\n:scheme=https\n:authority=a\n:path=/p\n"

static const struct head_case extended_cases[] = {
    GOOD(EXTENDED ":protocol=websocket\n", "CONNECT /p|a|host: a|upgrade: websocket"),
    GOOD(":protocol=x\n" EXTENDED "y=z\n", "CONNECT /p|a|upgrade: x|host: a|y: z"),
    MALFORMED(EXTENDED ":protocol=websocket\n:protocol=websocket\n"),
    MALFORMED(EXTENDED "y=z\n:protocol=websocket\n"),
    MALFORMED(EXTENDED ":protocol=a\0b\n"),
    MALFORMED(GET ":protocol=websocket\n"),
    MALFORMED(":method=CONNECT\n:authority=a\n:protocol=websocket\n"),
    MALFORMED(":method=CONNECT\n:authority=a\n:scheme=https\n:protocol=websocket\n"),
    MALFORMED(":method=CONNECT\n:authority=a\n:path=/\n:protocol=websocket\n"),
    MALFORMED(EXTENDED),
    REFUSED(":method=CONNECT\n:authority=a:443\n", 501),
    REFUSED(":method=CONNECT\n:scheme=https\n:path=/p\n:protocol=websocket\n", 400),
};

static void extended_connect(void **state)
{
    (void)state;
    static struct block b;
    struct decoded d;
    decoded_open(&d, 8192);
    d.place.connect = true;
    for (size_t i = 0; i < sizeof extended_cases / sizeof extended_cases[0]; i++) {
        b.len = 0;
        fields_put(&b, extended_cases[i].fields, false);
        decode(&d, &b);
        check(&d, &extended_cases[i], &d.head);
        if (d.result == H2_HEAD_GOOD)
            assert_int_equal(d.head.flags, HEAD_HAS_HOST | HEAD_CONNECT | HEAD_UPGRADE);
    }
    decoded_close(&d);
}

/* Buffers of every size around what a head with a protocol needs, by literals and then out of the table. */
static void extended_connect_sizes(void **state)
{
    (void)state;
    static struct block b, indexes;
    b.len = indexes.len = 0;
    for (size_t n = fields_put(&b, SLICE(EXTENDED ":protocol=0123456789abcdef0123456789\n"), true); n > 0; n--)
        indexes.data[indexes.len++] = (uint8_t)(0x80 | (HPACK_STATIC_COUNT + n));
    size_t fits = 0;
    for (size_t size = 57; size < 200; size++) {
        struct decoded d;
        decoded_open(&d, size);
        d.place.connect = true;
        decode(&d, &b);
        decode(&d, &indexes);
        if (d.result == H2_HEAD_GOOD)
            fits = fits ? fits : size;
        else
            assert_true(d.result == H2_HEAD_REFUSED && (d.h.status == 431 || d.h.status == 414));
        assert_int_equal(d.result == H2_HEAD_GOOD, fits > 0);
        decoded_close(&d);
    }
    assert_true(fits > 57);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(extended_connect),
        cmocka_unit_test(extended_connect_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
