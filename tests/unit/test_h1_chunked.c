/*
 * The chunked decoder by a table, each body whole, cut in two at every byte, and byte by byte.
 *
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "http/h1/chunked.h"
#include "http/head.h"
#include "http/trailer.h"
#include "weir.h"

struct body_case {
    struct slice text;
    enum h1_chunked_event result;
    const char *body; /* what was decoded until then */
    size_t rest;      /* bytes behind the end */
};

#define END(body)  CHUNKED_END, body, 0
#define MORE(body) CHUNKED_MORE, body, 0
#define BAD(body)  CHUNKED_BAD, body, 0

static const struct body_case cases[] = {
    {SLICE("0\r\n\r\n"), END("")},
    {SLICE("000\r\n\r\n"), END("")},
    {SLICE("5\r\nhello\r\n0\r\n\r\n"), END("hello")},
    {SLICE("5\r\nhello\r\n00006\r\n world\r\n0\r\n\r\n"), END("hello world")},
    {SLICE("00000000000000000000000000000005\r\nhello\r\n00000000000000000000\r\n\r\n"), END("hello")},
    {SLICE("a\r\n0123456789\r\nA\r\nabcdefghij\r\n0\r\n\r\n"), END("0123456789abcdefghij")},
    {SLICE("4\r\n\r\n\r\n\r\n0\r\n\r\n"), END("\r\n\r\n")},
    {SLICE("5;a=b;c=\"d e\"\r\nhello\r\n0;x\r\n\r\n"), END("hello")},
    {SLICE("5;a;b=c;d=\"\";e=\"\\\"\r\nhello\r\n"), BAD("")},
    {SLICE("5;a;b=c;d=\"\";e=\"\\\"\";f\r\nhello\r\n0\r\n\r\n"), END("hello")},
    {SLICE("5;name=value;other=\"quoted\"\r\nhello\r\n0\r\n\r\n"), END("hello")},
    {SLICE("5;a=\"\t;\x80,\\\\\"\r\nhello\r\n0\r\n\r\n"), END("hello")},
    {SLICE("0\r\nA: b\r\nC-D:\r\nE: \xff \t\r\n\r\n"), END("")},
    {SLICE("0\r\n\r\nGET / HTTP/1.1\r\n"), CHUNKED_END, "", 16},
    {SLICE("1\r\nx\r\n0\r\nA: b\r\n\r\n0\r\n\r\n"), CHUNKED_END, "x", 5},
    /* more is needed */
    {SLICE(""), MORE("")},
    {SLICE("5"), MORE("")},
    {SLICE("5\r"), MORE("")},
    {SLICE("5\r\n"), MORE("")},
    {SLICE("5\r\nhel"), MORE("hel")},
    {SLICE("fffffffffffffff\r\nhel"), MORE("hel")},
    {SLICE("5\r\nhello\r"), MORE("hello")},
    {SLICE("5\r\nhello\r\n"), MORE("hello")},
    {SLICE("0\r\n"), MORE("")},
    {SLICE("0\r\n\r"), MORE("")},
    {SLICE("0\r\nA: b\r\n"), MORE("")},
    /* sizes */
    {SLICE("\r\n"), BAD("")},
    {SLICE(";a\r\n"), BAD("")},
    {SLICE("+5\r\nhello\r\n"), BAD("")},
    {SLICE("-5\r\nhello\r\n"), BAD("")},
    {SLICE("0x5\r\nhello\r\n"), BAD("")},
    {SLICE(" 5\r\nhello\r\n"), BAD("")},
    {SLICE("5 \r\nhello\r\n"), BAD("")},
    {SLICE("5 ;a\r\nhello\r\n"), BAD("")},
    {SLICE("g\r\n"), BAD("")},
    {SLICE("5h\r\n"), BAD("")},
    {SLICE("5,5\r\n"), BAD("")},
    {SLICE("5\nhello\r\n"), BAD("")},
    {SLICE("5\rhello"), BAD("")},
    {SLICE("5\0\r\n"), BAD("")},
    {SLICE("1000000000000000\r\n"), BAD("")},
    {SLICE("ffffffffffffffff\r\n"), BAD("")},
    {SLICE("10000000000000005\r\nhello\r\n"), BAD("")},
    {SLICE("0001000000000000000\r\n"), BAD("")},
    /* extensions */
    {SLICE("5;a\nhello\r\n"), BAD("")},
    {SLICE("5;a\rb\r\n"), BAD("")},
    {SLICE("5;a\0\r\n"), BAD("")},
    {SLICE("5;\x7f\r\n"), BAD("")},
    {SLICE("5;\r\nhello\r\n"), BAD("")},
    {SLICE("5;;a\r\nhello\r\n"), BAD("")},
    {SLICE("5;=a\r\nhello\r\n"), BAD("")},
    {SLICE("5;a=\r\nhello\r\n"), BAD("")},
    {SLICE("5;a=b=c\r\nhello\r\n"), BAD("")},
    {SLICE("5; a\r\nhello\r\n"), BAD("")},
    {SLICE("5;a \r\nhello\r\n"), BAD("")},
    {SLICE("5;a\t=b\r\nhello\r\n"), BAD("")},
    {SLICE("5;a= b\r\nhello\r\n"), BAD("")},
    {SLICE("5;a=(b)\r\nhello\r\n"), BAD("")},
    {SLICE("5;a=\"b\r\nhello\r\n"), BAD("")},
    {SLICE("5;a=\"b\nc\"\r\nhello\r\n"), BAD("")},
    {SLICE("5;a=\"b\\\r\n\"\r\nhello\r\n"), BAD("")},
    {SLICE("5;a=\"b\"c\r\nhello\r\n"), BAD("")},
    /* data without its end */
    {SLICE("5\r\nhello0\r\n\r\n"), BAD("hello")},
    {SLICE("5\r\nhello\n0\r\n\r\n"), BAD("hello")},
    {SLICE("5\r\nhello\rX"), BAD("hello")},
    {SLICE("5\r\nhello world\r\n0\r\n\r\n"), BAD("hello")},
    {SLICE("5\r\nhello\r\n\r\n0\r\n\r\n"), BAD("hello")},
    /* trailers */
    {SLICE("0\r\n X: y\r\n\r\n"), BAD("")},
    {SLICE("0\r\nX : y\r\n\r\n"), BAD("")},
    {SLICE("0\r\n: y\r\n\r\n"), BAD("")},
    {SLICE("0\r\nX\r\n\r\n"), BAD("")},
    {SLICE("0\r\nX: y\n\r\n"), BAD("")},
    {SLICE("0\r\nX: y\rz\r\n"), BAD("")},
    {SLICE("0\r\nX: \0\r\n\r\n"), BAD("")},
    {SLICE("0\r\nX: y\r\n z\r\n\r\n"), BAD("")},
    {SLICE("0\r\n\n"), BAD("")},
    {SLICE("0\r\n\rX"), BAD("")},
    {SLICE("0\r\n\tX: y\r\n\r\n"), BAD("")},
    {SLICE("0\r\nContent-Length: 5\r\n\r\n"), BAD("")},
    {SLICE("0\r\nX: y\r\ntransfer-encoding:chunked\r\n\r\n"), BAD("")},
};

struct decoded {
    struct h1_chunked decoder;
    enum h1_chunked_event result;
    size_t used;
    size_t len;
    char body[64];
    char trailer[64];
};

/* Feeds text[decoded->used .. upto) in a buffer of its own until the decoder wants more or has ended. */
static void feed(struct decoded *d, struct slice text, size_t upto)
{
    size_t len = upto - d->used;
    char *exact = malloc(len ? len : 1);
    assert_non_null(exact);
    if (len)
        memcpy(exact, text.data + d->used, len);
    struct slice input = slice_of(exact, len), data;
    do {
        size_t used = SIZE_MAX;
        d->result = h1_chunked_next(&d->decoder, input, &used, &data, d->trailer);
        assert_true(used <= input.len);
        d->used += used;
        if (d->result == CHUNKED_DATA) {
            assert_true(data.len > 0 && data.data >= input.data && data.data + data.len == input.data + used);
            assert_true(d->len + data.len <= sizeof d->body);
            memcpy(d->body + d->len, data.data, data.len);
            d->len += data.len;
        } else if (d->result == CHUNKED_MORE) {
            assert_int_equal(used, input.len);
        }
        input = slice_of(input.data + used, input.len - used);
    } while (d->result == CHUNKED_DATA);
    free(exact);
}

static void check(const struct decoded *d, const struct body_case *c)
{
    assert_int_equal(d->result, c->result);
    assert_int_equal(d->len, strlen(c->body));
    assert_memory_equal(d->body, c->body, d->len);
    if (c->result == CHUNKED_END)
        assert_int_equal(c->text.len - d->used, c->rest);
    assert_int_equal(c->result < 0, h1_chunked_reason(&d->decoder)[0] != '\0');
}

static void begin(struct decoded *d)
{
    *d = (struct decoded){0};
    memset(&d->decoder, 0xff, sizeof d->decoder);
    h1_chunked_begin(&d->decoder, CHUNK_EXTENSION_MAX, CHUNK_TRAILER_MAX);
}

static void table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct decoded whole;
        begin(&whole);
        feed(&whole, cases[i].text, cases[i].text.len);
        if (whole.result != cases[i].result)
            print_error("case %zu: %d\n", i, whole.result);
        check(&whole, &cases[i]);
    }
}

static void every_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct body_case *c = &cases[i];
        struct decoded bytes;
        for (size_t cut = 0; cut <= c->text.len; cut++) {
            struct decoded two;
            begin(&two);
            feed(&two, c->text, cut);
            if (two.result == CHUNKED_MORE)
                feed(&two, c->text, c->text.len);
            check(&two, c);
        }
        begin(&bytes);
        for (size_t len = 0; len <= c->text.len && bytes.result == CHUNKED_MORE; len++)
            feed(&bytes, c->text, len);
        check(&bytes, c);
    }
}

/* Feeds count times text behind begin; returns the last event. */
static enum h1_chunked_event repeat(const char *first, const char *text, size_t count, const char *last)
{
    static char trailer[CHUNK_TRAILER_MAX];
    struct h1_chunked d;
    struct slice data;
    size_t used;
    h1_chunked_begin(&d, CHUNK_EXTENSION_MAX, CHUNK_TRAILER_MAX);
    enum h1_chunked_event event = h1_chunked_next(&d, slice_from(first), &used, &data, trailer);
    for (; event == CHUNKED_MORE && count > 0; count--) {
        struct slice input = slice_from(text);
        do {
            event = h1_chunked_next(&d, input, &used, &data, trailer);
            input = slice_of(input.data + used, input.len - used);
        } while (event == CHUNKED_DATA);
    }
    return event == CHUNKED_MORE ? h1_chunked_next(&d, slice_from(last), &used, &data, trailer) : event;
}

static void limits(void **state)
{
    (void)state;
    assert_int_equal(repeat("0;", "x", CHUNK_EXTENSION_MAX, "\r\n\r\n"), CHUNKED_END);
    assert_int_equal(repeat("0;", "x", CHUNK_EXTENSION_MAX + 1, "\r\n\r\n"), CHUNKED_LONG_EXTENSION);
    /* The limit is on the extensions of a body, not of a chunk, but for what its data has paid for: a byte for each
     * 16. */
    assert_int_equal(repeat("", "10;a\r\n0123456789abcdef\r\n", 100000, "0\r\n\r\n"), CHUNKED_END);
    assert_int_equal(repeat("", "10;ab\r\n0123456789abcdef\r\n", CHUNK_EXTENSION_MAX - 1, "0\r\n\r\n"), CHUNKED_END);
    assert_int_equal(repeat("", "10;ab\r\n0123456789abcdef\r\n", CHUNK_EXTENSION_MAX + 1, "0\r\n\r\n"),
                     CHUNKED_LONG_EXTENSION);
    /* Leading zeros count as extensions. */
    assert_int_equal(repeat("0", "0", CHUNK_EXTENSION_MAX, "\r\n\r\n"), CHUNKED_END);
    assert_int_equal(repeat("0", "0", CHUNK_EXTENSION_MAX + 1, "\r\n\r\n"), CHUNKED_LONG_EXTENSION);
    assert_int_equal(repeat("", "1;abcdefghij\r\nx\r\n", CHUNK_EXTENSION_MAX / 10, "0\r\n\r\n"), CHUNKED_END);
    assert_int_equal(repeat("", "1;abcdefghij\r\nx\r\n", CHUNK_EXTENSION_MAX / 10 + 1, "0\r\n\r\n"),
                     CHUNKED_LONG_EXTENSION);
    assert_int_equal(repeat("0\r\n", "X: 4567\r\n", (CHUNK_TRAILER_MAX - 2) / 9, "\r\n"), CHUNKED_END);
    assert_int_equal(repeat("0\r\n", "X: 4567\r\n", CHUNK_TRAILER_MAX / 9 + 1, "\r\n"), CHUNKED_LONG_TRAILER);
    /* Chunks without end are no matter of the decoder's. */
    assert_int_equal(repeat("", "1\r\nx\r\n", 100000, "0\r\n\r\n"), CHUNKED_END);
}

/* A whole body whose trailer section is `section`: what is collected of it, fields by ";" and parts by "=". */
static void assert_trailer(const char *section, const char *expected)
{
    char text[256], collected[256] = "";
    int len = snprintf(text, sizeof text, "1\r\nx\r\n0\r\n%s\r\n", section);
    for (int step = 1; step <= len; step += len - 1) {
        struct h1_chunked d;
        struct slice data;
        size_t used;
        enum h1_chunked_event event = CHUNKED_MORE;
        char place[sizeof text];
        memcpy(place, text, sizeof text);
        h1_chunked_begin(&d, 0, CHUNK_TRAILER_MAX);
        for (int at = 0; at < len && event >= 0 && event != CHUNKED_END; at += (int)used) {
            struct slice input = slice_of(place + at, (size_t)(len - at < step ? len - at : step));
            event = h1_chunked_next(&d, input, &used, &data, place); /* over the input itself */
            assert_true(used > 0);
        }
        assert_int_equal(event, CHUNKED_END);
        const char *name, *value;
        size_t at = 0;
        for (size_t i = 0; h1_chunked_trailer(&d, place, i, &name, &value); i++)
            at += (size_t)snprintf(collected + at, sizeof collected - at, "%s=%s;", name, value);
        collected[at] = '\0';
        assert_string_equal(collected, expected);
    }
}

static void trailers(void **state)
{
    (void)state;
    assert_trailer("", "");
    assert_trailer("A: b\r\n", "A=b;");
    assert_trailer("A:b\r\nC-D:\r\nE: \t\r\na:  f \t g \t\r\n", "A=b;C-D=;E=;a=f \t g;");
    assert_trailer("Content-Digest: x\r\nETag: \"y\"\r\nServer-Timing: z\r\n",
                   "Content-Digest=x;ETag=\"y\";Server-Timing=z;");
}

static void forbidden_trailers(void **state)
{
    (void)state;
    static const char *const forbidden[] = {
        "AUTHORIZATION",
        "Cache-Control",
        "connection",
        "Content-Encoding",
        "Content-Length",
        "content-range",
        "Content-Type",
        "Cookie",
        "Expect",
        "Forwarded",
        "Host",
        "If-Match",
        "if-none-match",
        "Keep-Alive",
        "Max-Forwards",
        "Origin",
        "Proxy-Authorization",
        "Range",
        "Sec-WebSocket-Key",
        "Set-Cookie",
        "TE",
        "te",
        "Trailer",
        "Transfer-Encoding",
        "Upgrade",
        "X-Forwarded-For",
    };
    for (size_t i = 0; i < sizeof forbidden / sizeof forbidden[0]; i++)
        assert_true(trailer_is_forbidden(slice_from(forbidden[i])));
    static const char *const allowed[] = {
        "Content-Digest",   "Content-MD5", "Date", "ETag", "X-Checksum", "Hos", "Hosts",
        "X-Content-Length", "Content",     "Age",  "Vary", "Expires",    "I",   "If"};
    for (size_t i = 0; i < sizeof allowed / sizeof allowed[0]; i++)
        assert_false(trailer_is_forbidden(slice_from(allowed[i])));
}

/* What a reply's trailer may not hold beside that. */
static void forbidden_trailers_of_replies(void **state)
{
    (void)state;
    static const char *const forbidden[] = {"Age",         "date", "Expires",     "Location",
                                            "Retry-After", "Vary", "Content-Type"};
    static const char *const allowed[] = {"ETag", "Content-Digest", "Server-Timing", "grpc-status", "Locatio"};
    for (size_t i = 0; i < sizeof forbidden / sizeof forbidden[0]; i++)
        assert_true(trailer_is_forbidden_in_reply(slice_from(forbidden[i])));
    for (size_t i = 0; i < sizeof allowed / sizeof allowed[0]; i++)
        assert_false(trailer_is_forbidden_in_reply(slice_from(allowed[i])));
}

static void versions(void **state)
{
    (void)state;
    assert_string_equal(head_version_text(WEIR_HTTP_1_0), "HTTP/1.0");
    assert_string_equal(head_version_text(WEIR_HTTP_1_1), "HTTP/1.1");
    assert_string_equal(head_version_text(WEIR_HTTP_2), "HTTP/2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table),
        cmocka_unit_test(every_cut),
        cmocka_unit_test(limits),
        cmocka_unit_test(trailers),
        cmocka_unit_test(forbidden_trailers),
        cmocka_unit_test(forbidden_trailers_of_replies),
        cmocka_unit_test(versions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
