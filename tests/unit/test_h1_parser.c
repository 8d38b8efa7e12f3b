/*
 * Request heads by a table, each parsed whole, cut in two at every byte, and byte by byte: result, fields and reason
 * have to agree. Buffers are of exactly the size that the parser asks for, so that AddressSanitizer sees any look
 * beyond.
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

#include "base/debug.h"
#include "http/h1/parser.h"
#include "http/scan.h"

#define FIELDS_MAX 8

struct head_case {
    struct slice text;
    int result; /* enum h1_parse_result, or the status of a refused head */
    uint16_t flags;
    int64_t content_length;
};

#define GET          "GET / HTTP/1.1\r\n"
#define HOST         "Host: a\r\n"
#define WITH(fields) SLICE(GET HOST fields "\r\n")
#define GOOD(flags_) H1_COMPLETE, HEAD_HAS_HOST | (flags_), 0
#define LENGTH(n)    H1_COMPLETE, HEAD_HAS_HOST | HEAD_HAS_LENGTH, n
#define BAD(status)  status, 0, 0
#define MORE         H1_INCOMPLETE, 0, 0

static const struct head_case cases[] = {
    /* good ones */
    {SLICE(GET HOST "\r\n"), GOOD(0)},
    {SLICE("\r\n" GET HOST "\r\n"), GOOD(0)},
    {SLICE("\r\n\r\n" GET HOST "\r\n"), GOOD(0)},
    {SLICE("\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n" GET HOST "\r\n"), GOOD(0)},
    {SLICE("GET / HTTP/1.0\r\n\r\n"), H1_COMPLETE, 0, 0},
    {SLICE("GET / HTTP/1.2\r\nHost: a\r\n\r\n"), GOOD(0)},
    {SLICE("M-SEARCH!#$%&'*+.^_`|~0 * HTTP/1.1\r\nhOST: a\r\n\r\n"), GOOD(0)},
    {SLICE("GET /\"a\"<b>?q={\"a\":[1,\"<>\"]} HTTP/1.1\r\n" HOST "\r\n"), GOOD(0)},
    {SLICE("get http://a/b?c|d HTTP/1.1\r\nHost: ~a_b-C.9\r\n\r\n"), GOOD(0)},
    {SLICE(GET "Host:\t [::1]:80 \t\r\nX:\r\nY:  \t \r\nZ: \xff\x80\ta\r\n\r\n"), GOOD(0)},
    {SLICE(GET HOST "\r\nGET /next HTTP/1.1\r\n"), GOOD(0)},
    {SLICE(GET HOST "Long: 0123456789abcdef0123456789abcdef0123456789abcdef0123456789\r\n\r\n"), GOOD(0)},
    {SLICE("GET /0123456789abcdef0123456789abcdef0123456789abcdef0123456789 HTTP/1.1\r\n" HOST "\r\n"), GOOD(0)},
    {WITH("Connection: close\r\n"), GOOD(HEAD_CLOSE)},
    {WITH("Connection: Keep-Alive\r\n"), GOOD(HEAD_KEEP_ALIVE)},
    {WITH("Connection: , upgrade ,\tclose,,x\r\n"), GOOD(HEAD_UPGRADE | HEAD_CLOSE)},
    {WITH("Connection: closed\r\n"), GOOD(0)},
    {WITH("CONNECTION: keep-alive\r\nconnection: close\r\n"), GOOD(HEAD_KEEP_ALIVE | HEAD_CLOSE)},
    {WITH("Connection: upgrade \t , \tkeep-alive\t\r\n"), GOOD(HEAD_UPGRADE | HEAD_KEEP_ALIVE)},
    /* fields whose names are as long as those that framing depends on, and differ in the first or in the last byte */
    {WITH("Accept: 100-continue\r\nExpecs: x\r\nxxpect: x\r\n"), GOOD(0)},
    {WITH("Connectiox: close\r\nXonnection: close\r\nUser-Agent: close\r\n"), GOOD(0)},
    {WITH("Content-Lengtx: 1\r\nXontent-Length: 2\r\nAccept-Charset: 3\r\n"), GOOD(0)},
    {WITH("Transfer-Encodinx: gzip\r\nXransfer-Encoding: gzip\r\nIf-Modified-Since: x\r\n"), GOOD(0)},
    {WITH("Conn-ction: close\r\nContent_Length: 1\r\nTransfer_Encoding: gzip\r\nExpe-t: x\r\n"), GOOD(0)},
    {WITH("Connection-xxxxxxxxxxxxxxxxxxxxxxxxxxx: close\r\n"), GOOD(0)}, /* 6 bytes and 32 */
    {SLICE("OPTIONS * HTTP/1.1\r\n" HOST "\r\n"), GOOD(0)},
    {SLICE(GET "Host: a-name-of-more-than-sixteen-bytes.example.org:80\r\n\r\n"), GOOD(0)},
    {WITH("Expect: 100-Continue\r\n"), GOOD(HEAD_EXPECT_CONTINUE)},
    {WITH("Expect:\r\n"), GOOD(0)},
    {WITH("Expect: ,\r\nExpect: \r\n"), GOOD(0)},
    {WITH("Expect: 100-continue\r\nExpect:\r\n"), GOOD(HEAD_EXPECT_CONTINUE)},
    {WITH("Content-Length: 0\r\n"), LENGTH(0)},
    {WITH("content-length:42\r\n"), LENGTH(42)},
    {WITH("Content-Length: \t007 \t\r\n"), LENGTH(7)},
    {WITH("Content-Length: 999999999999999999\r\n"), LENGTH(999999999999999999)},
    {WITH("Transfer-Encoding: chunked\r\n"), GOOD(HEAD_CHUNKED)},
    {WITH("Transfer-Encoding: \tCHUNKED \r\n"), GOOD(HEAD_CHUNKED)},
    {WITH("Content-Length: 9223372036854775807\r\n"), LENGTH(INT64_MAX)},
    {WITH("Content-Length: 0000000000000000000000000000000000000000007\r\n"), LENGTH(7)},
    {WITH("Expect: 100-continue,, 100-CONTINUE\r\n"), GOOD(HEAD_EXPECT_CONTINUE)},
    {SLICE(GET "Host: a:\r\n\r\n"), GOOD(0)},
    {SLICE(GET "Host: 0.a.:0\r\n\r\n"), GOOD(0)},
    {SLICE(GET "Host: example.org:65535\r\n\r\n"), GOOD(0)},
    {SLICE(GET "Host: [2001:db8::1]\r\n\r\n"), GOOD(0)},
    {SLICE(GET "Host: [::ffff:192.0.2.1]:00080\r\n\r\n"), GOOD(0)},
    /* incomplete ones */
    {SLICE(""), MORE},
    {SLICE("\r"), MORE},
    {SLICE("\r\n"), MORE},
    {SLICE("G"), MORE},
    {SLICE("GET "), MORE},
    {SLICE("GET / HTTP/1.1\r"), MORE},
    {SLICE(GET), MORE},
    {SLICE(GET HOST "\r"), MORE},
    {SLICE(GET "Ho"), MORE},
    {SLICE(GET "X: "), MORE},
    {SLICE(GET "X: y\r"), MORE},
    /* the request line */
    {SLICE("\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n" GET HOST "\r\n"), BAD(400)},
    {SLICE("\r\n\rX" GET HOST "\r\n"), BAD(400)},
    {SLICE("\r\n\n" GET HOST "\r\n"), BAD(400)},
    {SLICE("\n" GET HOST "\r\n"), BAD(400)},
    {SLICE("\rGET / HTTP/1.1\r\n" HOST "\r\n"), BAD(400)},
    {SLICE(" GET / HTTP/1.1\r\n" HOST "\r\n"), BAD(400)},
    {SLICE(" / HTTP/1.1\r\n" HOST "\r\n"), BAD(400)},
    {SLICE("GE\tT / HTTP/1.1\r\n" HOST "\r\n"), BAD(400)},
    {SLICE("GET\t/ HTTP/1.1\r\n" HOST "\r\n"), BAD(400)},
    {SLICE("G(T / HTTP/1.1\r\n" HOST "\r\n"), BAD(400)},
    {SLICE("G\x80T / HTTP/1.1\r\n" HOST "\r\n"), BAD(400)},
    {SLICE("GET  / HTTP/1.1\r\n" HOST "\r\n"), BAD(400)},
    {SLICE("GET /  HTTP/1.1\r\n" HOST "\r\n"), BAD(400)},
    {SLICE("GET / a HTTP/1.1\r\n" HOST "\r\n"), BAD(400)},
    {SLICE("GET /\t HTTP/1.1\r\n" HOST "\r\n"), BAD(400)},
    {SLICE("GET /\0 HTTP/1.1\r\n" HOST "\r\n"), BAD(400)},
    {SLICE("GET /\x7f HTTP/1.1\r\n" HOST "\r\n"), BAD(400)},
    {SLICE("GET /\xc3\xa4 HTTP/1.1\r\n" HOST "\r\n"), BAD(400)},
    {SLICE("GET /\r\n" HOST "\r\n"), BAD(400)},
    {SLICE("GET\r\n\r\n"), BAD(400)},
    {SLICE("GET HTTP/1.1\r\n" HOST "\r\n"), BAD(400)},
    {SLICE("GET / HTTP/1.1 \r\n" HOST "\r\n"), BAD(400)},
    {SLICE("GET / HTTP/1.1\n" HOST "\r\n"), BAD(400)},
    {SLICE("GET / HTTP/1.1\r" HOST "\r\n"), BAD(400)},
    {SLICE("GET / http/1.1\r\n" HOST "\r\n"), BAD(400)},
    {SLICE("GET / HTTP/1\r\n" HOST "\r\n"), BAD(400)},
    {SLICE("GET / HTTP/1.10\r\n" HOST "\r\n"), BAD(400)},
    {SLICE("GET / HTTP/11.1\r\n" HOST "\r\n"), BAD(400)},
    {SLICE("GET / HTTP/1,1\r\n" HOST "\r\n"), BAD(400)},
    {SLICE("GET / HTTP/x.1\r\n" HOST "\r\n"), BAD(400)},
    {SLICE("GET / HTTP/1.:\r\n" HOST "\r\n"), BAD(400)},
    {SLICE("GET / HTTP/1./\r\n" HOST "\r\n"), BAD(400)},
    {SLICE("GET / ICAP/1.1\r\n" HOST "\r\n"), BAD(400)},
    {SLICE("GET / HTTP/2.0\r\n" HOST "\r\n"), BAD(505)},
    {SLICE("GET / HTTP/0.9\r\n" HOST "\r\n"), BAD(505)},
    {SLICE("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), BAD(505)},
    {SLICE("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n"), BAD(501)},
    {SLICE("\x16\x03\x01\x02"), BAD(400)},
    /* fields */
    {SLICE(GET " X: y\r\n" HOST "\r\n"), BAD(400)},
    {WITH(" folded\r\n"), BAD(400)},
    {WITH("\tfolded\r\n"), BAD(400)},
    {WITH("X: y\r\n folded\r\n"), BAD(400)},
    {WITH("X : y\r\n"), BAD(400)},
    {WITH("X\t: y\r\n"), BAD(400)},
    {WITH("X y: z\r\n"), BAD(400)},
    {WITH(": y\r\n"), BAD(400)},
    {WITH("X\r\n"), BAD(400)},
    {WITH("(X): y\r\n"), BAD(400)},
    {WITH("X\x80: y\r\n"), BAD(400)},
    {WITH("X\0Y: y\r\n"), BAD(400)},
    {WITH("X: a\0b\r\n"), BAD(400)},
    {WITH("X: a\x01\r\n"), BAD(400)},
    {WITH("X: a\x1f\r\n"), BAD(400)},
    {WITH("X: a\x7f\r\n"), BAD(400)},
    {WITH("X: a\x0b\r\n"), BAD(400)},
    {WITH("X: a\rb\r\n"), BAD(400)},
    {WITH("X: a\r\r\n"), BAD(400)},
    {WITH("X: a\nY: b\r\n"), BAD(400)},
    {WITH("X:\nY: b\r\n"), BAD(400)},
    {SLICE(GET HOST "\n"), BAD(400)},
    {SLICE(GET HOST "\rX"), BAD(400)},
    {SLICE(GET "Host: a\n\r\n"), BAD(400)},
    {SLICE(GET HOST "1: \r\n2: \r\n3: \r\n4: \r\n5: \r\n6: \r\n7: \r\n8: \r\n\r\n"), BAD(431)},
    /* Host */
    {SLICE(GET "\r\n"), BAD(400)},
    {SLICE(GET "X-Host: a\r\n\r\n"), BAD(400)},
    {WITH("Host: a\r\n"), BAD(400)},
    {WITH("host: b\r\n"), BAD(400)},
    {SLICE(GET "Host: a b\r\n\r\n"), BAD(400)},
    {SLICE(GET "Host: a/b\r\n\r\n"), BAD(400)},
    {SLICE(GET "Host: u@a\r\n\r\n"), BAD(400)},
    {SLICE(GET "Host: a?\r\n\r\n"), BAD(400)},
    {SLICE(GET "Host: a#\r\n\r\n"), BAD(400)},
    {SLICE(GET "Host: \"a\"\r\n\r\n"), BAD(400)},
    {SLICE(GET "Host: a\x80\r\n\r\n"), BAD(400)},
    {SLICE(GET "Host:\r\n\r\n"), BAD(400)},
    {SLICE(GET "Host: \t\r\n\r\n"), BAD(400)},
    {SLICE("GET / HTTP/1.0\r\nHost:\r\n\r\n"), BAD(400)},
    {SLICE(GET "Host: :80\r\n\r\n"), BAD(400)},
    {SLICE(GET "Host: a,b\r\n\r\n"), BAD(400)},
    {SLICE(GET "Host: a%41\r\n\r\n"), BAD(400)},
    {SLICE(GET "Host: a:b\r\n\r\n"), BAD(400)},
    {SLICE(GET "Host: a:8:0\r\n\r\n"), BAD(400)},
    {SLICE(GET "Host: a:+80\r\n\r\n"), BAD(400)},
    {SLICE(GET "Host: a:80/\r\n\r\n"), BAD(400)},
    {SLICE(GET "Host: a:/:;\x80\r\n\r\n"), BAD(400)},
    {SLICE(GET "Host: a:65536\r\n\r\n"), BAD(400)},
    {SLICE(GET "Host: a:70000\r\n\r\n"), BAD(400)},
    {SLICE(GET "Host: a:000080\r\n\r\n"), BAD(400)},
    {SLICE(GET "Host: a:123456789\r\n\r\n"), BAD(400)},
    {SLICE(GET "Host: [::1\r\n\r\n"), BAD(400)},
    {SLICE(GET "Host: ::1]\r\n\r\n"), BAD(400)},
    {SLICE(GET "Host: [::1]a\r\n\r\n"), BAD(400)},
    {SLICE(GET "Host: [::1]]:80\r\n\r\n"), BAD(400)},
    {SLICE(GET "Host: []\r\n\r\n"), BAD(400)},
    {SLICE(GET "Host: [::12345]\r\n\r\n"), BAD(400)},
    {SLICE(GET "Host: [1:2:3:4:5:6:7:8:9]\r\n\r\n"), BAD(400)},
    {SLICE(GET "Host: [fe80::1%25eth0]\r\n\r\n"), BAD(400)},
    {SLICE(GET "Host: [v1.a]\r\n\r\n"), BAD(400)},
    {SLICE(GET "Host: [::1]:x\r\n\r\n"), BAD(400)},
    {SLICE("GET /a#b HTTP/1.1\r\n" HOST "\r\n"), BAD(400)},
    {SLICE("GET /a?b#c HTTP/1.1\r\n" HOST "\r\n"), BAD(400)},
    {SLICE("GET /0123456789abcdef# HTTP/1.1\r\n" HOST "\r\n"), BAD(400)},
    {SLICE("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n"), BAD(400)},
    /* framing */
    {WITH("Content-Length:\r\n"), BAD(400)},
    {WITH("Content-Length: +1\r\n"), BAD(400)},
    {WITH("Content-Length: -1\r\n"), BAD(400)},
    {WITH("Content-Length: 0x1\r\n"), BAD(400)},
    {WITH("Content-Length: 1 2\r\n"), BAD(400)},
    {WITH("Content-Length: 1,1\r\n"), BAD(400)},
    {WITH("Content-Length: 1.0\r\n"), BAD(400)},
    {WITH("Content-Length: \"1\"\r\n"), BAD(400)},
    {WITH("Content-Length: 18446744073709551617\r\n"), BAD(400)},
    {WITH("Content-Length: 9223372036854775808\r\n"), BAD(400)},
    {WITH("Content-Length: 1\r\nContent-Length: 1\r\n"), BAD(400)},
    {WITH("Content-Length: 1\r\ncontent-length: 2\r\n"), BAD(400)},
    {WITH("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"), BAD(400)},
    {WITH("Transfer-Encoding: chunked\r\nContent-Length: 1\r\n"), BAD(400)},
    {WITH("Transfer-Encoding:\r\n"), BAD(400)},
    {WITH("Transfer-Encoding: ,chunked\r\n"), BAD(400)},
    {WITH("Transfer-Encoding: chunked,\r\n"), BAD(400)},
    {WITH("Transfer-Encoding: gzip,,chunked\r\n"), BAD(400)},
    {WITH("Transfer-Encoding: \x0b"
          "chunked\r\n"),
     BAD(400)},
    {WITH("Content-Length: 00000000009223372036854775808\r\n"), BAD(400)},
    {WITH("Content-Length: 9999999999999999999\r\n"), BAD(400)},
    {WITH("Transfer-Encoding: ,\r\n"), BAD(400)},
    {WITH("Transfer-Encoding: , ,\t\r\nContent-Length: 1\r\n"), BAD(400)},
    {WITH("Transfer-Encoding: gzip\r\n"), BAD(400)},
    {WITH("Transfer-Encoding: identity\r\n"), BAD(400)},
    {WITH("Transfer-Encoding: xchunked\r\n"), BAD(400)},
    {WITH("Transfer-Encoding: \"chunked\"\r\n"), BAD(400)},
    {WITH("Transfer-Encoding: chunked;q=1\r\n"), BAD(400)},
    {WITH("Transfer-Encoding: chunked chunked\r\n"), BAD(400)},
    {WITH("Transfer-Encoding: chunked, chunked\r\n"), BAD(400)},
    {WITH("Transfer-Encoding: chunked, gzip\r\n"), BAD(400)},
    {WITH("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), BAD(400)},
    {WITH("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"), BAD(400)},
    {WITH("Transfer-Encoding: gzip, chunked\r\n"), BAD(501)},
    {WITH("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n"), BAD(501)},
    {SLICE("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), BAD(400)},
    {WITH("Expect: 200-ok\r\n"), BAD(417)},
    {WITH("Expect: x, 100-continue\r\n"), BAD(417)},
    {WITH("Expect: 100-continue, x\r\n"), BAD(417)},
};

struct parsed {
    struct h1_parser parser;
    struct http_head head;
    struct http_field fields[FIELDS_MAX];
    int result;
};

static void parsed_begin(struct parsed *p)
{
    memset(p, 0, sizeof *p);
    p->head.fields = p->fields;
    p->head.field_max = FIELDS_MAX;
    h1_parse_begin(&p->parser, &p->head);
}

/* Its result, or the status of a head that is refused. */
static int parse(struct parsed *p, char *data, size_t len)
{
    enum h1_parse_result result = h1_parse(&p->parser, &p->head, data, len);
    return result == H1_REFUSED ? p->parser.status : (int)result;
}

/* One call with the first len bytes of text, at a place of their own; what the head refers to is not looked at
 * later. */
static void parsed_go_on(struct parsed *p, struct slice text, size_t len)
{
    char *exact = malloc(len + SCAN_SLACK);
    assert_non_null(exact);
    if (len)
        memcpy(exact, text.data, len);
    memset(exact + len, 'A', SCAN_SLACK);
    exact[len] = '\0';
    p->result = parse(p, exact, len);
    if (p->result == H1_COMPLETE)
        p->head.base = (char *)(uintptr_t)(p->head.base - exact + 1); /* comparable with another place's */
    free(exact);
}

static void assert_agree(const struct parsed *whole, const struct parsed *cut)
{
    assert_int_equal(whole->result, cut->result);
    if (whole->result > H1_COMPLETE) {
        assert_string_equal(whole->parser.reason, cut->parser.reason);
        return;
    }
    if (whole->result == H1_INCOMPLETE)
        return;
    const struct http_head *a = &whole->head, *b = &cut->head;
    assert_true(a->base == b->base && a->size == b->size && a->method_len == b->method_len);
    assert_true(a->target == b->target && a->target_len == b->target_len);
    assert_true(a->host == b->host && a->host_len == b->host_len && a->flags == b->flags && a->version == b->version);
    assert_true(a->content_length == b->content_length && a->field_count == b->field_count);
    assert_memory_equal(whole->fields, cut->fields, sizeof whole->fields);
}

static void table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct head_case *c = &cases[i];
        struct parsed whole;
        parsed_begin(&whole);
        parsed_go_on(&whole, c->text, c->text.len);
        if (whole.result != c->result)
            print_error("case %zu: %d instead of %d:\n%.*s\n", i, whole.result, c->result, (int)c->text.len,
                        c->text.data);
        assert_int_equal(whole.result, c->result);
        assert_int_equal(whole.result > H1_COMPLETE, whole.parser.reason != NULL);
        if (whole.result == H1_COMPLETE) {
            assert_int_equal(whole.head.flags, c->flags);
            assert_true(whole.head.content_length == c->content_length);
        }
    }
}

static void every_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct head_case *c = &cases[i];
        struct parsed whole, bytes;
        parsed_begin(&whole);
        parsed_go_on(&whole, c->text, c->text.len);
        for (size_t cut = 0; cut <= c->text.len; cut++) {
            struct parsed two;
            parsed_begin(&two);
            parsed_go_on(&two, c->text, cut);
            if (two.result == H1_INCOMPLETE)
                parsed_go_on(&two, c->text, c->text.len);
            assert_agree(&whole, &two);
        }
        parsed_begin(&bytes);
        for (size_t len = 0; len <= c->text.len && bytes.result == H1_INCOMPLETE; len++)
            parsed_go_on(&bytes, c->text, len);
        assert_agree(&whole, &bytes);
    }
}

/* What a complete head says about its parts, and that they can be terminated in place. */
static void parts(void **state)
{
    (void)state;
    char text[512 + SCAN_SLACK] =
        "\r\nPOST /a?b HTTP/1.1\r\nHost:  h:1 \r\nX-Empty:\r\nX-Two: 1\r\nx-two:\t2 3\t\r\n\r\nrest";
    struct parsed p;
    parsed_begin(&p);
    assert_int_equal(h1_parse(&p.parser, &p.head, text, strlen(text)), H1_COMPLETE);
    assert_ptr_equal(p.head.base, text + 2);
    assert_memory_equal(p.head.base + p.head.size, "rest", 4);
    assert_true(slice_equal(head_slice(&p.head, 0, p.head.method_len), SLICE("POST")));
    assert_true(slice_equal(head_slice(&p.head, p.head.target, p.head.target_len), SLICE("/a?b")));
    assert_true(slice_equal(head_slice(&p.head, p.head.host, p.head.host_len), SLICE("h:1")));
    assert_int_equal(p.head.version, WEIR_HTTP_1_1);
    assert_int_equal(p.head.field_count, 4);
    assert_null(head_find(&p.head, SLICE("x-thre"), 0));
    assert_null(head_find(&p.head, SLICE("x-twi"), 0));
    assert_null(head_find(&p.head, SLICE("x-two"), 2));
    const struct http_field *second = head_find(&p.head, SLICE("X-TWO"), 1);
    const struct http_field *empty = head_find(&p.head, SLICE("x-empty"), 0);
    assert_string_equal(head_string(&p.head, second->value, second->value_len), "2 3");
    assert_string_equal(head_string(&p.head, empty->value, empty->value_len), "");
    assert_string_equal(head_string(&p.head, p.fields[2].name, p.fields[2].name_len), "X-Two");
    assert_string_equal(head_string(&p.head, p.fields[2].value, p.fields[2].value_len), "1");
}

static void without_fields(void **state)
{
    (void)state;
    char text[128 + SCAN_SLACK] = GET HOST "X: y\r\n\r\n";
    struct http_head head = {.field_max = 2};
    struct h1_parser parser;
    h1_parse_begin(&parser, &head);
    assert_int_equal(h1_parse(&parser, &head, text, strlen(text)), H1_COMPLETE);
    assert_int_equal(head.field_count, 2);
    head.field_max = 1;
    h1_parse_begin(&parser, &head);
    assert_int_equal(h1_parse(&parser, &head, text, strlen(text)), H1_REFUSED);
    assert_int_equal(parser.status, 431);
}

static void too_long(void **state)
{
    (void)state;
    const struct slice method[] = {SLICE("\r\n"), SLICE("GE")};
    const struct slice line[] = {SLICE("GET "), SLICE("GET /aaaa"), SLICE("GET / HTTP/1.")};
    const struct slice block[] = {SLICE(GET), SLICE(GET "X: yyy"), SLICE(GET HOST "\r")};
    struct parsed p;
    for (size_t i = 0; i < sizeof method / sizeof method[0]; i++) {
        parsed_begin(&p);
        parsed_go_on(&p, method[i], method[i].len);
        assert_int_equal(h1_too_long(&p.parser), 501);
    }
    for (size_t i = 0; i < sizeof line / sizeof line[0]; i++) {
        parsed_begin(&p);
        parsed_go_on(&p, line[i], line[i].len);
        assert_int_equal(h1_too_long(&p.parser), 414);
    }
    for (size_t i = 0; i < sizeof block / sizeof block[0]; i++) {
        parsed_begin(&p);
        parsed_go_on(&p, block[i], block[i].len);
        assert_int_equal(h1_too_long(&p.parser), 431);
    }
}

/* A count of transfer codings that does not wrap: one that is not supported, until there are too many to count. */
static void many_codings(void **state)
{
    (void)state;
    for (int count = 2; count <= 600; count++) {
        char text[2048] = GET HOST "Transfer-Encoding: ";
        size_t len = strlen(text);
        for (int i = 1; i < count; i++, len += 2)
            memcpy(text + len, "a,", 2);
        len += (size_t)snprintf(text + len, sizeof text - len, "chunked\r\n\r\n");
        struct parsed p;
        parsed_begin(&p);
        parsed_go_on(&p, slice_of(text, len), len);
        assert_int_equal(p.result, count <= UINT8_MAX ? 501 : 400);
    }
}

/* The longest head there can be: offsets do not wrap. */
static void longest(void **state)
{
    (void)state;
    static const char begin[] = GET HOST "X: ", end[] = "\r\n\r\n";
    size_t fill = HEAD_SIZE_MAX - (sizeof begin - 1) - (sizeof end - 1);
    char *text = malloc(HEAD_SIZE_MAX);
    assert_non_null(text);
    memcpy(text, begin, sizeof begin - 1);
    memset(text + sizeof begin - 1, 'v', fill);
    memcpy(text + sizeof begin - 1 + fill, end, sizeof end - 1);
    struct parsed p;
    for (size_t step = 1000; step <= HEAD_SIZE_MAX; step += 64535) {
        parsed_begin(&p);
        for (size_t len = step; p.result == H1_INCOMPLETE && len < HEAD_SIZE_MAX; len += step)
            parsed_go_on(&p, slice_of(text, HEAD_SIZE_MAX), len);
        parsed_go_on(&p, slice_of(text, HEAD_SIZE_MAX), HEAD_SIZE_MAX);
        assert_int_equal(p.result, H1_COMPLETE);
        assert_int_equal(p.head.size, HEAD_SIZE_MAX);
        assert_int_equal(p.fields[1].value_len, fill);
    }
    free(text);
}

/* Each byte at each place where a class of bytes decides. */
static void classes(void **state)
{
    (void)state;
    static const char tchar[] = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    for (unsigned byte = 0; byte < 256; byte++) {
        bool token = byte && strchr(tchar, (int)byte);
        bool target = byte > 0x20 && byte < 0x7f && byte != '#';
        bool value = byte == '\t' || (byte >= 0x20 && byte != 0x7f);
        char method[] = "G_T / HTTP/1.0\r\n\r\n", path[] = "GET /_ HTTP/1.0\r\n\r\n";
        char name[] = "GET / HTTP/1.0\r\nX_: y\r\n\r\n", field[] = "GET / HTTP/1.0\r\nX: y_z\r\n\r\n";
        char padded[] = "GET / HTTP/1.0\r\nX: 0123456789abcdef_0123456789abcdef\r\n\r\n";
        struct {
            char *text;
            size_t at, len;
            bool good;
        } places[] = {{method, 1, sizeof method - 1, token},
                      {path, 5, sizeof path - 1, target},
                      {name, 17, sizeof name - 1, token || byte == ':'},
                      {field, 20, sizeof field - 1, value},
                      {padded, 35, sizeof padded - 1, value}};
        if (byte == ' ')
            places[0].good = false;
        for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
            struct parsed p;
            places[i].text[places[i].at] = (char)byte;
            parsed_begin(&p);
            parsed_go_on(&p, slice_of(places[i].text, places[i].len), places[i].len);
            assert_int_equal(p.result, places[i].good ? H1_COMPLETE : 400);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table),          cmocka_unit_test(every_cut),    cmocka_unit_test(parts),
        cmocka_unit_test(without_fields), cmocka_unit_test(too_long),     cmocka_unit_test(longest),
        cmocka_unit_test(classes),        cmocka_unit_test(many_codings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
