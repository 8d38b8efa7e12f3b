/*
 * Request heads of HTTP/2: every rule of RFC 9113 section 8 by a table, each head in literals and out of the table, and
 * what a head looks like to those who read it.
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
#include "http/target.h"

static const struct head_case cases[] = {
    GOOD(GET, "GET /|a|host: a"),
    GOOD(PSEUDO("OPTIONS", "*"), "OPTIONS *|a|host: a"),
    GOOD(PSEUDO("M-SEARCH!#$%&'*+.^_`|~0", "/\"<>?q={}"), "M-SEARCH!#$%&'*+.^_`|~0 /\"<>?q={}|a|host: a"),
    GOOD(":path=/p\n:authority=[::1]:80\n:scheme=HTTP\n:method=PROPFIND\n", "PROPFIND /p|[::1]:80|host: [::1]:80"),
    GOOD(":authority=a\n:method=GET\n:path=/p?q\n:scheme=http\nx=y\n", "GET /p?q|a|host: a|x: y"),
    GOOD(":method=GET\n:scheme=http\n:path=/\nhost=b:80\n", "GET /|b:80|host: b:80"),
    GOOD(":method=GET\n:scheme=http\n:path=/\nx=y\nhost=b\n", "GET /|b|x: y|host: b"),
    GOOD(GET "host=a\nx=y\n", "GET /|a|host: a|x: y"),
    GOOD(GET "x=y\nhost=A\n", "GET /|a|host: a|x: y"),
    GOOD(GET "te=trailers\n", "GET /|a|host: a|te: trailers"),
    GOOD(GET "te=Trailers\n", "GET /|a|host: a|te: Trailers"),
    GOOD(GET "x=\ny=z\t\xff w\n", "GET /|a|host: a|x: |y: z\t\xff w"),
    GOOD(GET "a-very-long-name-of-a-field_with-more-than-32-bytes=1\n!#$%&'*+-.^_`|~09=2\n",
         "GET /|a|host: a|a-very-long-name-of-a-field_with-more-than-32-bytes: 1|!#$%&'*+-.^_`|~09: 2"),
    GOOD(GET "content-length=12\n", "GET /|a|host: a|content-length: 12"),
    GOOD(GET "expect=100-Continue\n", "GET /|a|host: a|expect: 100-Continue"),
    GOOD(GET "expect=\n", "GET /|a|host: a|expect: "),
    GOOD(GET "expect=100-continue\t ,,\t 100-continue\n", "GET /|a|host: a|expect: 100-continue\t ,,\t 100-continue"),
    GOOD(GET "cookie=a\ncookie=b\ncookie=\ncookie=c\n", "GET /|a|host: a|cookie: a; b; ; c"),
    GOOD(GET "cookie=aa\nx=1\ncookie=bb\ncookie=cc\ny=2\ncookie=dd\nz=3\n",
         "GET /|a|host: a|cookie: aa; bb; cc; dd|x: 1|y: 2|z: 3"),
    GOOD(GET "connection-x=1\nkeepalive=1\nupgrade-insecure-requests=1\ntea=1\nhosts=1\n",
         "GET /|a|host: a|connection-x: 1|keepalive: 1|upgrade-insecure-requests: 1|tea: 1|hosts: 1"),
    GOOD(GET "priority=u=1\n", "GET /|a|host: a|priority: u=1"),
    /* pseudo-headers */
    MALFORMED(":scheme=http\n:authority=a\n:path=/\n"),
    MALFORMED(":method=GET\n:authority=a\n:path=/\n"),
    MALFORMED(":method=GET\n:scheme=http\n:authority=a\n"),
    MALFORMED("x=y\n"),
    MALFORMED(""),
    MALFORMED(GET ":method=GET\n"),
    MALFORMED(GET ":scheme=http\n"),
    MALFORMED(GET ":path=/\n"),
    MALFORMED(GET ":authority=a\n"),
    MALFORMED(GET ":status=200\n"),
    MALFORMED(GET ":protocol=websocket\n"),
    MALFORMED(GET ":x=y\n"),
    MALFORMED(GET ":=y\n"),
    MALFORMED(GET "x=y\n:unknown=z\n"),
    MALFORMED("x=y\n" GET),
    MALFORMED(":method=GET\n:scheme=http\n:authority=a\nx=y\n:path=/\n"),
    MALFORMED(":method=GET\n:scheme=http\n:path=/\nhost=a\n:authority=a\n"),
    MALFORMED(":method=GET\n:scheme=http\n:path=/\ncookie=a\n:authority=a\n"),
    MALFORMED(":METHOD=GET\n:scheme=http\n:path=/\n:authority=a\n"),
    /* their values */
    MALFORMED(PSEUDO("", "/")),
    MALFORMED(PSEUDO("G T", "/")),
    MALFORMED(PSEUDO("G\0T", "/")),
    MALFORMED(PSEUDO("GET", "")),
    MALFORMED(PSEUDO("GET", "x")),
    MALFORMED(PSEUDO("GET", "http://a/")),
    REFUSED(PSEUDO("GET", "/ "), 400),
    REFUSED(PSEUDO("GET", "/#"), 400),
    REFUSED(PSEUDO("GET", "/\xc3\xa4"), 400),
    REFUSED(PSEUDO("GET", "/\0"), 400),
    REFUSED(PSEUDO("GET", "/\r"), 400),
    REFUSED(PSEUDO("GET", "*x"), 400),
    REFUSED(":method=GET\n:scheme=ftp\n:authority=a\n:path=/\n", 400),
    REFUSED(":method=GET\n:scheme=\n:authority=a\n:path=/\n", 400),
    REFUSED(":method=GET\n:scheme=http\n:authority=\n:path=/\n", 400),
    REFUSED(":method=GET\n:scheme=http\n:authority=u@a\n:path=/\n", 400),
    REFUSED(":method=GET\n:scheme=http\n:authority=a:99999\n:path=/\n", 400),
    REFUSED(":method=GET\n:scheme=http\n:authority=a\0\n:path=/\n", 400),
    REFUSED(PSEUDO("ABCDEFGHIJKLMNOPQRSTUVWX", "/"), 501),
    /* Host */
    REFUSED(":method=GET\n:scheme=http\n:path=/\n", 400),
    REFUSED(":method=GET\n:scheme=http\n:path=/\nhost=\n", 400),
    REFUSED(GET "host=a b\n", 400),
    MALFORMED(GET "host=b\n"),
    MALFORMED(GET "host=a:443\n"),
    MALFORMED(GET "host=a\nhost=b\n"),
    MALFORMED(":method=GET\n:scheme=http\n:path=/\nhost=b\nhost=b\n"),
    /* CONNECT */
    REFUSED(":method=CONNECT\n:authority=a:443\n", 501),
    REFUSED(":method=CONNECT\n", 501),
    MALFORMED(":method=CONNECT\n:authority=a:443\n:path=/\n"),
    MALFORMED(":method=CONNECT\n:authority=a:443\n:scheme=http\n"),
    MALFORMED(":method=CONNECT\n:protocol=websocket\n:scheme=http\n:path=/\n:authority=a\n"),
    /* names and values */
    MALFORMED(GET "X=y\n"),
    MALFORMED(GET "xY=y\n"),
    MALFORMED(GET "a-very-long-name-of-a-field-with-A-capital-in-it=y\n"),
    MALFORMED(GET "=y\n"),
    MALFORMED(GET "x y=y\n"),
    MALFORMED(GET "x:y=y\n"),
    MALFORMED(GET "x\0y=y\n"),
    MALFORMED(GET "x\x7f=y\n"),
    MALFORMED(GET "x\x80=y\n"),
    MALFORMED(GET "x=a\0b\n"),
    MALFORMED(GET "x=a\rb\n"),
    MALFORMED(GET "x=\x7f\n"),
    MALFORMED(GET "x=\x01\n"),
    MALFORMED(GET "x= y\n"),
    MALFORMED(GET "x=y \n"),
    MALFORMED(GET "x=\ty\n"),
    MALFORMED(GET "x=y\t\n"),
    MALFORMED(GET "x= \n"),
    MALFORMED(GET "cookie= a\n"),
    MALFORMED(GET "cookie=a\0\n"),
    /* of a connection's own */
    MALFORMED(GET "connection=close\n"),
    MALFORMED(GET "connection=\n"),
    MALFORMED(GET "proxy-connection=close\n"),
    MALFORMED(GET "keep-alive=1\n"),
    MALFORMED(GET "transfer-encoding=chunked\n"),
    MALFORMED(GET "upgrade=h2c\n"),
    MALFORMED(GET "te=gzip\n"),
    MALFORMED(GET "te=trailers, gzip\n"),
    MALFORMED(GET "te=\n"),
    /* lengths and expectations */
    MALFORMED(GET "content-length=\n"),
    MALFORMED(GET "content-length=1x\n"),
    MALFORMED(GET "content-length=-1\n"),
    MALFORMED(GET "content-length=9223372036854775808\n"),
    MALFORMED(GET "content-length=1\ncontent-length=1\n"),
    MALFORMED(GET "content-length=1, 1\n"),
    REFUSED(GET "expect=200-ok\n", 417),
    REFUSED(GET "expect=100-continue, x\n", 417),
};

/* Each as literals without indexing, with it, and by indexes into the table. */
static void table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        static struct block plain, indexed, indexes;
        struct decoded d;
        plain.len = indexed.len = indexes.len = 0;
        fields_put(&plain, cases[i].fields, false);
        for (size_t n = fields_put(&indexed, cases[i].fields, true); n > 0; n--)
            indexes.data[indexes.len++] = (uint8_t)(0x80 | (HPACK_STATIC_COUNT + n));
        decoded_open(&d, 8192);
        decode(&d, &plain);
        check(&d, &cases[i], &d.head);
        decode(&d, &indexed);
        check(&d, &cases[i], &d.head);
        decode(&d, &indexes);
        check(&d, &cases[i], &d.head);
        decoded_close(&d);
    }
}

/* What a block did to the table stays, whatever was wrong with the head. */
static void table_stays(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        static struct block b;
        struct decoded d;
        if (cases[i].result == 0)
            continue;
        b.len = 0;
        fields_put(&b, cases[i].fields, false);
        fields_put(&b, SLICE("last=value\n"), true);
        decoded_open(&d, 8192);
        decode(&d, &b);
        assert_int_not_equal(d.result, H2_HEAD_GOOD);
        b.len = 0;
        fields_put(&b, SLICE(GET), false);
        b.data[b.len++] = 0xbe;
        decode(&d, &b);
        assert_int_equal(d.result, H2_HEAD_GOOD);
        char text[256];
        head_print(&d.head, text, sizeof text);
        assert_string_equal(text, "GET /|a|host: a|last: value");
        decoded_close(&d);
    }
}

static void indexes_of_names(void **state)
{
    (void)state;
    /* :method GET, :path by index with a literal, :scheme, :authority likewise, content-length */
    struct bytes bytes = bytes_of("42 04 'HEAD' 04 02 '/x' 87 41 01 'a' 0f 0d 01 '7' 5c 01 '7'");
    struct block b = {.len = bytes.len - 3};
    struct decoded d;
    char text[256];
    memcpy(b.data, bytes.data, bytes.len);
    decoded_open(&d, 8192);
    decode(&d, &b);
    assert_int_equal(d.result, H2_HEAD_GOOD);
    head_print(&d.head, text, sizeof text);
    assert_string_equal(text, "HEAD /x|a|host: a|content-length: 7");
    assert_int_equal(d.head.content_length, 7);
    b.len += 3;
    decode(&d, &b);
    assert_int_equal(d.result, H2_HEAD_MALFORMED);
    free(bytes.data);
    decoded_close(&d);
}

static void meaning(void **state)
{
    (void)state;
    static struct block b;
    struct decoded d;
    b.len = 0;
    fields_put(&b, SLICE(PSEUDO("POST", "/a/b?c=d") "content-length=0042\nexpect=100-continue\npriority=u=1, i\n"),
               false);
    decoded_open(&d, 8192);
    decode(&d, &b);
    assert_int_equal(d.result, H2_HEAD_GOOD);
    assert_int_equal(d.head.flags, HEAD_HAS_HOST | HEAD_HAS_LENGTH | HEAD_EXPECT_CONTINUE);
    assert_int_equal(d.head.content_length, 42);
    assert_int_equal(d.head.path_len, 4);
    assert_true(d.h.https && d.h.has_priority && d.h.priority.incremental);
    assert_int_equal(d.h.priority.urgency, 1);
    struct target t;
    const char *reason;
    assert_int_equal(target_split(&d.head, &t, &reason), 0);
    assert_true(slice_equal(t.path, SLICE("/a/b")) && slice_equal(t.query, SLICE("c=d")) && t.plain);
    assert_true(slice_equal(t.authority, SLICE("a")));
    assert_non_null(head_find(&d.head, SLICE("Content-Length"), 0));
    b.len = 0;
    fields_put(&b, SLICE(PSEUDO("GET", "/a%20/../b")), false);
    decode(&d, &b);
    assert_int_equal(d.result, H2_HEAD_GOOD);
    assert_int_equal(d.head.path_len, 0);
    assert_int_equal(d.head.flags, HEAD_HAS_HOST);
    assert_false(d.h.has_priority);
    assert_int_equal(d.h.priority.urgency, H2_URGENCY_DEFAULT);
    decoded_close(&d);
}

/* ---- Limits ---- */

static void long_field(struct block *b, const char *name, char byte, size_t len)
{
    static char value[70000];
    memset(value, byte, sizeof value);
    value[0] = '/';
    field_put(b, slice_from(name), slice_of(value, len), 0);
}

/* Buffers of every size around what a head needs; never a byte beyond, which AddressSanitizer sees. */
static void sizes(void **state)
{
    (void)state;
    const struct slice text =
        SLICE(":authority=example.org\n:method=GET\n:scheme=http\n:path=/a/path\nx=1234567\ncookie=abc\n"
              "y=0123456789abcdef0123456789abcdef\ncookie=def\n");
    static struct block b, indexed;
    b.len = indexed.len = 0;
    fields_put(&b, text, false);
    fields_put(&indexed, text, true);
    for (uint8_t i = 8; i > 0; i--)
        indexed.data[indexed.len++] = (uint8_t)(0x80 | (HPACK_STATIC_COUNT + i));
    size_t fits = 0;
    for (size_t size = 57; size < 400; size++) {
        struct decoded d;
        decoded_open(&d, size);
        decode(&d, &b);
        if (d.result == H2_HEAD_GOOD) {
            fits = fits ? fits : size;
            assert_true((size_t)d.head.size + HPACK_SLACK <= size);
            for (size_t i = (size_t)d.head.size + HPACK_SLACK; i < size; i++)
                assert_int_equal(d.place.buf[i], (char)0xee);
        } else {
            assert_int_equal(fits, 0);
            assert_int_equal(d.result, H2_HEAD_REFUSED);
            assert_true(d.h.status == 431 || d.h.status == 414);
            assert_false(d.h.fields_full);
        }
        struct block again = {.len = 8};
        decode(&d, &indexed); /* all repeated, after what was good */
        assert_true(d.result != H2_HEAD_GOOD);
        memcpy(again.data, indexed.data + indexed.len - 8, 8);
        decode(&d, &again);
        assert_true(d.result == H2_HEAD_GOOD || (d.result == H2_HEAD_REFUSED && d.h.status != 400));
        if (fits)
            assert_int_equal(d.result, H2_HEAD_GOOD);
        decoded_close(&d);
    }
    assert_true(fits > 100 && fits < 300);
}

static void limits(void **state)
{
    (void)state;
    static struct block b;
    struct decoded d;
    decoded_open(&d, 65536 + 1000);
    for (size_t len = 4085; len <= 4086; len++) { /* "GET " and " HTTP/1.1\r\n" with it are 4096 and more */
        b.len = 0;
        fields_put(&b, SLICE(":method=GET\n:scheme=http\n:authority=a\n"), false);
        long_field(&b, ":path", 'a', len - 4);
        d.place.request_line_max = 4096;
        decode(&d, &b);
        assert_int_equal(d.result, len == 4085 ? H2_HEAD_GOOD : H2_HEAD_REFUSED);
        assert_int_equal(d.h.status, len == 4085 ? 0 : 414);
    }
    d.place.request_line_max = 65535;
    for (size_t len = 100; len <= 101; len++) { /* "Host: a\r\nX: ...\r\n\r\n" */
        b.len = 0;
        fields_put(&b, SLICE(GET), false);
        long_field(&b, "x", 'a', len);
        d.place.block_max = 116;
        decode(&d, &b);
        assert_int_equal(d.result, len == 100 ? H2_HEAD_GOOD : H2_HEAD_REFUSED);
        assert_int_equal(d.h.status, len == 100 ? 0 : 431);
    }
    d.place.block_max = 65535;
    b.len = 0;
    fields_put(&b, SLICE(GET), false);
    long_field(&b, "x", 'a', 65535 - HPACK_SLACK - 40);
    decode(&d, &b);
    assert_int_equal(d.result, H2_HEAD_GOOD);
    b.len = 0;
    fields_put(&b, SLICE(GET), false);
    long_field(&b, "x", 'a', 65535 - HPACK_SLACK);
    decode(&d, &b);
    assert_int_equal(d.h.status, 431);
    b.len = 0;
    fields_put(&b, SLICE(":method=GET\n"), false);
    static char path[66000];
    memset(path, '/', sizeof path);
    b.data[b.len++] = 0x04; /* :path by its index */
    string_put(&b, slice_of(path, 65600));
    decode(&d, &b);
    assert_int_equal(d.h.status, 414);
    assert_int_equal(d.head.method_len, 3);
    b.len = 0;
    fields_put(&b, SLICE(GET), false);
    fields_put(&b, SLICE("cookie=0123456789abcdef\n"), true);
    for (size_t i = 0; i < 4000; i++)
        b.data[b.len++] = 0xbe;
    decode(&d, &b);
    assert_int_equal(d.h.status, 431);
    b.len = 0;
    long_field(&b, ":path", 'a', 65600);
    decode(&d, &b);
    assert_int_equal(d.h.status, 414);
    b.len = 0;
    long_field(&b, ":method", 'a', 65600);
    decode(&d, &b);
    assert_int_equal(d.h.status, 501);
    decoded_close(&d);
}

static struct http_field more[100];

static bool grow(void *arg, struct http_head *head)
{
    unsigned *calls = arg;
    if (++*calls > 1)
        return false;
    memcpy(more, head->fields, head->field_count * sizeof *more);
    head->fields = more;
    head->field_max = 100;
    return true;
}

static void many_fields(void **state)
{
    (void)state;
    static struct block b;
    for (size_t count = FIELDS_MAX - 2; count <= 101; count++) {
        struct decoded d;
        unsigned calls = 0;
        decoded_open(&d, 8192);
        b.len = 0;
        fields_put(&b, SLICE(GET), false);
        for (size_t i = 1; i < count; i++)
            fields_put(&b, i == 1 ? SLICE("a=b\n") : SLICE("c=d\n"), false);
        decode(&d, &b);
        assert_int_equal(d.result, count <= FIELDS_MAX ? H2_HEAD_GOOD : H2_HEAD_REFUSED);
        assert_int_equal(d.h.fields_full, count > FIELDS_MAX);
        d.place.more_fields = grow;
        d.place.more_fields_arg = &calls;
        decode(&d, &b);
        assert_int_equal(d.result, count <= 100 ? H2_HEAD_GOOD : H2_HEAD_REFUSED);
        if (d.result == H2_HEAD_GOOD) {
            assert_int_equal(d.head.field_count, count);
            assert_true(slice_equal(head_slice(&d.head, d.head.fields[1].name, 1), SLICE("a")));
        }
        decoded_close(&d);
    }
}

static void compression_errors(void **state)
{
    (void)state;
    static const char *const blocks[] = {"80", "82 86 84 41 01 'a' be ff", "82 be", "3f e2 1f 82"};
    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++) {
        struct decoded d;
        struct bytes bytes = bytes_of(blocks[i]);
        static struct block b;
        decoded_open(&d, 8192);
        b.len = bytes.len;
        memcpy(b.data, bytes.data, bytes.len);
        decode(&d, &b);
        assert_int_equal(d.result, H2_HEAD_CONNECTION);
        assert_int_equal(d.h.error, H2_COMPRESSION_ERROR);
        decoded_close(&d);
        decoded_open(&d, 8192);
        assert_int_equal(h2_head_discard(&d.h, &d.f.decoder, &d.f.tables, bytes.data, bytes.len), H2_HEAD_CONNECTION);
        assert_int_equal(d.h.error, H2_COMPRESSION_ERROR);
        decoded_close(&d);
        free(bytes.data);
    }
    /* behind a fault of the head, too */
    struct decoded d;
    static struct block b;
    b.len = 0;
    fields_put(&b, SLICE("X=y\n"), false);
    b.data[b.len++] = 0x80;
    decoded_open(&d, 8192);
    decode(&d, &b);
    assert_int_equal(d.result, H2_HEAD_CONNECTION);
    decoded_close(&d);
}

static void discards(void **state)
{
    (void)state;
    static struct block b;
    struct decoded d;
    b.len = 0;
    fields_put(&b, SLICE(GET "x=y\n"), true);
    decoded_open(&d, 8192);
    assert_int_equal(h2_head_discard(&d.h, &d.f.decoder, &d.f.tables, b.data, b.len), H2_HEAD_GOOD);
    struct block again = {.len = 5, .data = {0xc2, 0xc1, 0xc0, 0xbf, 0xbe}};
    decode(&d, &again);
    assert_int_equal(d.result, H2_HEAD_GOOD);
    char text[256];
    head_print(&d.head, text, sizeof text);
    assert_string_equal(text, "GET /|a|host: a|x: y");
    decoded_close(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table),
        cmocka_unit_test(table_stays),
        cmocka_unit_test(indexes_of_names),
        cmocka_unit_test(meaning),
        cmocka_unit_test(sizes),
        cmocka_unit_test(limits),
        cmocka_unit_test(many_fields),
        cmocka_unit_test(compression_errors),
        cmocka_unit_test(discards),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
