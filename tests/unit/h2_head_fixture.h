/*
 * What tests of heads over HTTP/2 share: blocks of literals from text, a decoder with a place of a given size, and a
 * head as text.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_TESTS_H2_HEAD_FIXTURE_H
#define WEIR_TESTS_H2_HEAD_FIXTURE_H

#include "hpack_fixture.h"
#include "http/h2/h2_head.h"

#include <stdio.h>

#define FIELDS_MAX 32

/* ---- Blocks from text ---- */

struct block {
    uint8_t data[70000];
    size_t len;
};

static inline void integer_put(struct block *b, uint8_t first, size_t n, size_t most)
{
    if (n < most) {
        b->data[b->len++] = (uint8_t)(first | n);
        return;
    }
    b->data[b->len++] = (uint8_t)(first | most);
    for (n -= most; n >= 128; n >>= 7)
        b->data[b->len++] = (uint8_t)(n | 128);
    b->data[b->len++] = (uint8_t)n;
}

static inline void string_put(struct block *b, struct slice text)
{
    integer_put(b, 0, text.len, 127);
    memcpy(b->data + b->len, text.data, text.len);
    b->len += text.len;
}

static inline void field_put(struct block *b, struct slice name, struct slice value, uint8_t first)
{
    b->data[b->len++] = first;
    string_put(b, name);
    string_put(b, value);
}

/* Fields of "name=value\n" each; each literal with or without indexing. Returns how many. */
static inline size_t fields_put(struct block *b, struct slice text, bool indexed)
{
    size_t count = 0;
    while (text.len > 0) {
        const char *end = memchr(text.data, '\n', text.len), *sign = memchr(text.data, '=', text.len);
        assert_true(end && sign && sign < end);
        field_put(b, slice_of(text.data, (size_t)(sign - text.data)), slice_of(sign + 1, (size_t)(end - sign - 1)),
                  indexed ? 0x40 : 0);
        size_t used = (size_t)(end + 1 - text.data);
        text = slice_of(text.data + used, text.len - used);
        count++;
    }
    return count;
}

/* ---- Heads ---- */

struct decoded {
    struct hpack_fixture f;
    struct h2_head h;
    struct http_head head;
    struct http_field fields[FIELDS_MAX];
    struct h2_head_place place;
    enum h2_head_result result;
};

static inline void decoded_open(struct decoded *d, size_t size)
{
    memset(d, 0xee, sizeof *d);
    hpack_fixture_open(&d->f);
    d->head.fields = d->fields;
    d->head.field_max = FIELDS_MAX;
    char *buf = malloc(size);
    assert_non_null(buf);
    memset(buf, 0xee, size);
    d->place = (struct h2_head_place){
        .head = &d->head, .buf = buf, .size = size, .request_line_max = 65535, .block_max = 65535};
}

static inline void decoded_close(struct decoded *d)
{
    free(d->place.buf);
    hpack_fixture_close(&d->f);
}

static inline void decode(struct decoded *d, const struct block *b)
{
    uint8_t *exact = malloc(b->len ? b->len : 1);
    assert_non_null(exact);
    memcpy(exact, b->data, b->len);
    d->result = h2_head_decode(&d->h, &d->place, &d->f.decoder, &d->f.tables, exact, b->len);
    free(exact);
    assert_int_equal(d->result == H2_HEAD_GOOD, d->h.reason == NULL);
    assert_int_equal(d->result == H2_HEAD_REFUSED, d->h.status != 0);
}

/* A head as "METHOD target|host|name: value|name: value|...". */
static inline void head_print(struct http_head *h, char *out, size_t size)
{
    int len = snprintf(out, size, "%s ", head_string(h, 0, h->method_len));
    len += snprintf(out + len, size - (size_t)len, "%s", head_string(h, h->target, h->target_len));
    len += snprintf(out + len, size - (size_t)len, "|%s", head_string(h, h->host, h->host_len));
    for (size_t i = 0; i < h->field_count; i++) {
        const struct http_field *f = &h->fields[i];
        len += snprintf(out + len, size - (size_t)len, "|%s: %s", head_string(h, f->name, f->name_len),
                        head_string(h, f->value, f->value_len));
    }
}

#define PSEUDO(method, path) ":method=" method "\n:scheme=https\n:authority=a\n:path=" path "\n"
#define GET                  PSEUDO("GET", "/")

struct head_case {
    struct slice fields;
    int result;           /* 0: good; 1: malformed; else the status that it is refused with */
    const char *expected; /* of a good one */
};

#define GOOD(text, expected)                                                                                           \
    {                                                                                                                  \
        SLICE(text), 0, expected                                                                                       \
    }
#define MALFORMED(text)                                                                                                \
    {                                                                                                                  \
        SLICE(text), 1, NULL                                                                                           \
    }
#define REFUSED(text, status)                                                                                          \
    {                                                                                                                  \
        SLICE(text), status, NULL                                                                                      \
    }

static inline void check(const struct decoded *d, const struct head_case *c, struct http_head *head)
{
    char text[1024];
    switch (c->result) {
    case 0:
        assert_int_equal(d->result, H2_HEAD_GOOD);
        head_print(head, text, sizeof text);
        assert_string_equal(text, c->expected);
        assert_ptr_equal(head->base, d->place.buf);
        assert_int_equal(head->version, WEIR_HTTP_2);
        break;
    case 1:
        assert_int_equal(d->result, H2_HEAD_MALFORMED);
        assert_int_equal(d->h.error, H2_PROTOCOL_ERROR);
        break;
    default:
        assert_int_equal(d->result, H2_HEAD_REFUSED);
        assert_int_equal(d->h.status, c->result);
        break;
    }
}

#endif
