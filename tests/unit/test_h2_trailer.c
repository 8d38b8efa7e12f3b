/*
 * Trailer sections of HTTP/2: what they may hold, each in literals and out of the table, and buffers of every size.
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

static const struct head_case trailers[] = {
    GOOD("a=b\nc=\nd=e\n", "a: b|c: |d: e|"),
    GOOD("", ""),
    GOOD("priority=u=1\n", "priority: u=1|"),
    MALFORMED(":path=/\n"),
    MALFORMED("a=b\n:status=200\n"),
    MALFORMED("A=b\n"),
    MALFORMED("a= b\n"),
    MALFORMED("connection=close\n"),
    MALFORMED("content-length=1\n"),
    MALFORMED("host=a\n"),
    MALFORMED("cookie=a\n"),
    MALFORMED("authorization=a\n"),
    MALFORMED("te=trailers\n"),
    MALFORMED("expect=\n"),
};

static void trailer(struct decoded *d, const struct block *b, const struct head_case *c)
{
    char text[256] = "";
    size_t used = 0;
    enum h2_head_result result =
        h2_trailer_decode(&d->h, d->place.buf, d->place.size, &used, &d->f.decoder, &d->f.tables, b->data, b->len);
    assert_int_equal(result, c->result);
    if (result != H2_HEAD_GOOD) {
        assert_int_equal(d->h.error, H2_PROTOCOL_ERROR);
        assert_non_null(d->h.reason);
        return;
    }
    int len = 0;
    for (const char *at = d->place.buf, *end = at + used; at < end; at += strlen(at) + 1) {
        const char *value = at + strlen(at) + 1;
        len += snprintf(text + len, sizeof text - (size_t)len, "%s: %s|", at, value);
        at = value;
    }
    assert_string_equal(text, c->expected);
}

static void trailer_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof trailers / sizeof trailers[0]; i++) {
        static struct block plain, indexed, indexes;
        struct decoded d;
        plain.len = indexed.len = indexes.len = 0;
        fields_put(&plain, trailers[i].fields, false);
        for (size_t n = fields_put(&indexed, trailers[i].fields, true); n > 0; n--)
            indexes.data[indexes.len++] = (uint8_t)(0x80 | (HPACK_STATIC_COUNT + n));
        decoded_open(&d, 8192);
        trailer(&d, &plain, &trailers[i]);
        trailer(&d, &indexed, &trailers[i]);
        trailer(&d, &indexes, &trailers[i]);
        decoded_close(&d);
    }
}

static void trailer_sizes(void **state)
{
    (void)state;
    static struct block b;
    b.len = 0;
    fields_put(&b, SLICE("a=b\nlonger=0123456789\n"), true);
    static const uint8_t malformed[] = {0x40, 1, 'a', 0, 0x80};
    for (size_t size = 0; size < 80; size++) {
        struct decoded d;
        size_t used = 0;
        decoded_open(&d, size ? size : 1);
        enum h2_head_result result =
            h2_trailer_decode(&d.h, d.place.buf, size, &used, &d.f.decoder, &d.f.tables, b.data, b.len);
        assert_int_equal(result, size >= HPACK_SLACK + 22 ? H2_HEAD_GOOD : H2_HEAD_REFUSED);
        assert_int_equal(d.h.status, result == H2_HEAD_GOOD ? 0 : 431);
        static const uint8_t indexes[] = {0xbf, 0xbe};
        result = h2_trailer_decode(&d.h, d.place.buf, size, &used, &d.f.decoder, &d.f.tables, indexes, 2);
        assert_int_equal(result, size >= HPACK_SLACK + 22 ? H2_HEAD_GOOD : H2_HEAD_REFUSED);
        result = h2_trailer_decode(&d.h, d.place.buf, size, &used, &d.f.decoder, &d.f.tables, malformed, 5);
        assert_int_equal(result, H2_HEAD_CONNECTION);
        assert_int_equal(d.h.error, H2_COMPRESSION_ERROR);
        decoded_close(&d);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trailer_table),
        cmocka_unit_test(trailer_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
