/*
 * Multipart bodies: what is a part and what is none, however the body is cut.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web_fixture.h"

#include "web/form/multipart.h"

#include <stdio.h>

#define HEADER_SIZE 64

struct text {
    char data[4096];
    size_t len;
};

static void put(struct text *t, const char *data, size_t len)
{
    assert_true(t->len + len < sizeof t->data);
    memcpy(t->data + t->len, data, len);
    t->data[t->len += len] = '\0';
}

static void put_string(struct text *t, const char *string)
{
    put(t, string, strlen(string));
}

/* "[name: value|name: value]" */
static void put_fields(struct text *t, const struct multipart *m)
{
    const char *at = m->header;
    put_string(t, "[");
    for (int i = 0; i < m->field_count; i++) {
        put_string(t, i ? "|" : "");
        put_string(t, at);
        put_string(t, ":");
        at += strlen(at) + 1;
        put_string(t, at);
        at += strlen(at) + 1;
    }
    put_string(t, "]");
    assert_int_equal(at - m->header, m->fields_len);
}

/* Adds what a piece of the body tells. True: nothing more is to be told. */
static bool take(struct multipart *m, struct slice input, bool last, struct text *t)
{
    for (;;) {
        struct slice data = {0};
        switch (multipart_next(m, &input, last, &data)) {
        case FORM_MORE:
            assert_int_equal(input.len, 0);
            return false;
        case FORM_PART:
            put_fields(t, m);
            break;
        case FORM_DATA:
            assert_true(data.len > 0);
            put(t, data.data, data.len);
            break;
        case FORM_PART_END:
            put_string(t, ";");
            break;
        case FORM_END:
            put_string(t, ".");
            return true;
        case FORM_MALFORMED:
            put_string(t, "malformed");
            return true;
        case FORM_LONG_HEADER:
            put_string(t, "long");
            return true;
        }
    }
}

/* What the body tells in pieces of those lengths; 0: the rest. */
static const char *told(const char *boundary, const char *body, size_t len, size_t first, size_t piece)
{
    static struct text t;
    struct multipart m;
    char *header = malloc(HEADER_SIZE);
    assert_non_null(header);
    t.len = 0;
    multipart_begin(&m, slice_from(boundary), header, HEADER_SIZE);
    bool over = false;
    for (size_t at = 0; at < len && !over;) {
        size_t size = at == 0 ? first : piece;
        size = size == 0 || size > len - at ? len - at : size;
        char *exact = fixture_exact(body + at, size);
        over = take(&m, slice_of(exact, size), false, &t);
        free(exact);
        at += size;
    }
    if (!over)
        assert_true(take(&m, slice_of(NULL, 0), true, &t));
    free(header);
    return t.data;
}

/* Whole, a byte at a time, in two pieces cut anywhere, and with all that was told until an error. */
static void check(const char *boundary, const char *body, size_t len, const char *expected)
{
    assert_string_equal(told(boundary, body, len, 0, 0), expected);
    assert_string_equal(told(boundary, body, len, 1, 1), expected);
    for (size_t first = 1; first < len; first++) {
        assert_string_equal(told(boundary, body, len, first, 0), expected);
        assert_string_equal(told(boundary, body, len, first, 3), expected);
    }
}

#define PART "--b\r\nN: v\r\n\r\n"

static void test_accepted(void **state)
{
    static const char *const cases[][2] = {
        {PART "text\r\n--b--\r\n", "[N:v]text;."},
        {PART "text\r\n--b--", "[N:v]text;."},
        {PART "one\r\n" PART "two\r\n--b--\r\n", "[N:v]one;[N:v]two;."},
        {"--b--\r\n", "."}, /* of a form without fields */
        {"--b--", "."},
        {PART "\r\n--b--\r\n", "[N:v];."}, /* empty content */
        {PART "--b--\r\n", "[N:v];."},     /* RFC 2046: the header's end is the delimiter's CRLF */
        {"--b\r\nN: v\r\n\r\n--b\r\nN: w\r\n\r\nx\r\n--b--", "[N:v];[N:w]x;."},
        {"preamble\r\n" PART "x\r\n--b--\r\nepilogue\r\n--b--", "[N:v]x;."},
        {"\r\n" PART "x\r\n--b--", "[N:v]x;."},
        {"--c\r\n--bb\r\n", "malformed"}, /* a line that begins with the boundary */
        {"--a--\r\n" PART "x\r\n--b--\r\n", "[N:v]x;."},
        {"--b \t\r\nN: v\r\n\r\nx\r\n--b\t \r\nN: v\r\n\r\ny\r\n--b-- \t\r\n", "[N:v]x;[N:v]y;."},
        {PART "a\r\n-b\r\n--a\r\n--\r\n--c--\r\n--b--", "[N:v]a\r\n-b\r\n--a\r\n--\r\n--c--;."},
        {PART "\r\r\n\r\r\n--\r\r\n--b--", "[N:v]\r\r\n\r\r\n--\r;."},
        {PART "\n--b\n--b--\r\n--b--", "[N:v]\n--b\n--b--;."}, /* LF alone ends no line */
        {PART "\r--b\r\n--b--", "[N:v]\r--b;."},
        {PART "-\r\n--b--", "[N:v]-;."},
        {PART "--a\r\n--b--", "[N:v]--a;."}, /* nearly a delimiter, right behind the header */
        {PART "\r\n--a\r\n--b--", "[N:v]\r\n--a;."},
        {PART "\r\r\n--b--", "[N:v]\r;."},
        {"--b\r\nN:v\r\nOther: \t two words \t\r\nEmpty:\r\n\r\nx\r\n--b--", "[N:v|Other:two words|Empty:]x;."},
        {"--b\r\n\r\nx\r\n--b--", "[]x;."}, /* a part without a header is for others to refuse */
        {"--b\r\nN: \xc3\xa4\xff\r\n\r\nx\r\n--b--", "[N:\xc3\xa4\xff]x;."},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check("b", cases[i][0], strlen(cases[i][0]), cases[i][1]);
}

static void test_malformed(void **state)
{
    static const char *const cases[][2] = {
        {"", "malformed"},
        {"text", "malformed"},
        {"--b", "malformed"},
        {"--b-", "malformed"},
        {"--b\r\n", "malformed"},
        {"--b\r\nN: v", "malformed"},
        {PART, "[N:v]malformed"},
        {PART "text", "[N:v]textmalformed"},
        {PART "text\r\n--b", "[N:v]text;malformed"},
        {PART "text\r\n--b-", "[N:v]text;malformed"},
        {PART "text\r\n--b-x", "[N:v]text;malformed"},
        {PART "text\r\n--bx", "[N:v]text;malformed"},
        {PART "text\r\n--b--x", "[N:v]text;malformed"},
        {PART "text\r\n--b--\r", "[N:v]text;malformed"},
        {PART "text\r\n--b--\rx", "[N:v]text;malformed"},
        {PART "text\r\n--b--\n", "[N:v]text;malformed"},
        {PART "text\r\n--b --", "[N:v]text;malformed"},
        {PART "text\r\n--b \rx", "[N:v]text;malformed"},
        {PART "text\r\n--b\nN: v\r\n\r\n", "[N:v]text;malformed"},
        {"--b\r\nN: v\n\r\nx\r\n--b--", "malformed"}, /* lines of a header end by CRLF */
        {"--b\r\nN: v\r\n\nx\r\n--b--", "malformed"},
        {"--b\r\nN: v\r\r\n\r\nx\r\n--b--", "malformed"},
        {"--b\r\nN: v\r\n folded\r\n\r\nx\r\n--b--", "malformed"},
        {"--b\r\nN: v\r\n\tfolded\r\n\r\nx\r\n--b--", "malformed"},
        {"--b\r\nN : v\r\n\r\nx\r\n--b--", "malformed"},
        {"--b\r\n: v\r\n\r\nx\r\n--b--", "malformed"},
        {"--b\r\nN\r\n\r\nx\r\n--b--", "malformed"},
        {"--b\r\nN: v\r\n--b--", "malformed"}, /* the header does not end */
        {"--b\r\nN: a\x01\r\n\r\nx\r\n--b--", "malformed"},
        {"--b\r\nN: a\x7f\r\n\r\nx\r\n--b--", "malformed"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check("b", cases[i][0], strlen(cases[i][0]), cases[i][1]);
    static const char nul[] = "--b\r\nN: a\0b\r\n\r\nx\r\n--b--", content[] = PART "a\0b\r\n--b--";
    check("b", nul, sizeof nul - 1, "malformed");
    assert_memory_equal(told("b", content, sizeof content - 1, 2, 1), "[N:v]a\0b;.", 11); /* of a file */
}

/* Appends a string to the one in `to`, which has room for size bytes. */
static void append(char *to, size_t size, const char *string)
{
    size_t len = strlen(to);
    assert_true(len + strlen(string) < size);
    memcpy(to + len, string, strlen(string) + 1);
}

static void test_header_limits(void **state)
{
    char body[256], expected[128], value[64];
    (void)state;
    for (int len = HEADER_SIZE - 12; len < HEADER_SIZE; len++) {
        memset(value, 'v', sizeof value);
        snprintf(body, sizeof body, "--b\r\nN:%.*s\r\n\r\nx\r\n--b--", len, value);
        snprintf(expected, sizeof expected, "[N:%.*s]x;.", len, value);
        check("b", body, strlen(body), len + 6 <= HEADER_SIZE ? expected : "long");
    }
    /* a limit is a header's, not the form's */
    snprintf(body, sizeof body, "--b\r\nN:%.40s\r\n\r\nx\r\n--b\r\nN:%.40s\r\n\r\n\r\n--b--", value, value);
    snprintf(expected, sizeof expected, "[N:%.40s]x;[N:%.40s];.", value, value);
    check("b", body, strlen(body), expected);
    /* fields in number */
    body[0] = '\0';
    append(body, sizeof body, "--b\r\n");
    expected[0] = '\0';
    append(expected, sizeof expected, "[");
    for (int i = 0; i < MULTIPART_FIELDS_MAX; i++) {
        append(body, sizeof body, "N:\r\n");
        append(expected, sizeof expected, i ? "|N:" : "N:");
    }
    size_t len = strlen(body);
    append(body, sizeof body, "\r\n");
    check("b", body, strlen(body), "long"); /* 66 bytes */
    body[len - 4] = '\0';
    append(body, sizeof body, "\r\n");
    expected[strlen(expected) - 3] = '\0';
    append(expected, sizeof expected, "]malformed"); /* 62, and then the content is missing */
    check("b", body, strlen(body), expected);
}

/* The longest boundary, bytes of all kinds, and content that is made of its beginnings. */
static void test_long_boundary(void **state)
{
    static const char boundary[] = "0123456789'()+_,-./:=? abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTU";
    char body[1024], expected[1024];
    (void)state;
    assert_int_equal(sizeof boundary - 1, MULTIPART_BOUNDARY_MAX);
    snprintf(body, sizeof body, "--%s\r\nN:v\r\n\r\n\r\n--%.69s\r\n--%.35s\r\n\r\n--%s--\r\n", boundary, boundary,
             boundary, boundary);
    snprintf(expected, sizeof expected, "[N:v]\r\n--%.69s\r\n--%.35s\r\n;.", boundary, boundary);
    check(boundary, body, strlen(body), expected);
}

/* Content of nothing but CRs, which each may begin a delimiter, in pieces of any size. */
static void test_many_beginnings(void **state)
{
    char body[1024], expected[1024];
    (void)state;
    body[0] = '\0';
    append(body, sizeof body, PART);
    expected[0] = '\0';
    append(expected, sizeof expected, "[N:v]");
    for (int i = 0; i < 100; i++) {
        append(body, sizeof body, i % 3 ? "\r" : "\r\n--");
        append(expected, sizeof expected, i % 3 ? "\r" : "\r\n--");
    }
    append(body, sizeof body, "\r\n--b--");
    append(expected, sizeof expected, ";.");
    check("b", body, strlen(body), expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepted),        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_header_limits),   cmocka_unit_test(test_long_boundary),
        cmocka_unit_test(test_many_beginnings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
