/*
 * What tests of HPACK share: a pool of tables, and blocks written in hexadecimal, in memory of exactly their size.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_TESTS_HPACK_FIXTURE_H
#define WEIR_TESTS_HPACK_FIXTURE_H

#include "http/h2/hpack_decode.h"

#include <stdlib.h>

struct hpack_fixture {
    struct memory memory;
    struct account account;
    struct pool tables;
    struct hpack_decoder decoder;
};

static inline void hpack_fixture_open(struct hpack_fixture *f)
{
    *f = (struct hpack_fixture){0};
    memory_init(&f->memory, 0);
    account_open(&f->account, &f->memory, "test");
    pool_init(&f->tables, &f->account, sizeof(struct hpack_table), 16, 0);
    hpack_decoder_init(&f->decoder);
}

static inline void hpack_fixture_close(struct hpack_fixture *f)
{
    hpack_decoder_done(&f->decoder, &f->tables);
    assert_int_equal(counter_read(&f->account.in_use), 0);
    pool_done(&f->tables);
    account_close(&f->account);
    memory_done(&f->memory);
}

struct bytes {
    uint8_t *data;
    size_t len;
};

static inline int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Reads "82 86 'text' 41"; freed by the caller. */
static inline struct bytes bytes_of(const char *text)
{
    struct bytes b = {.data = malloc(strlen(text) + 1)};
    assert_non_null(b.data);
    bool quoted = false;
    for (; *text; text++) {
        if (*text == '\'') {
            quoted = !quoted;
        } else if (quoted) {
            b.data[b.len++] = (uint8_t)*text;
        } else if (*text != ' ') {
            assert_true(hex_digit(text[0]) >= 0 && hex_digit(text[1]) >= 0);
            b.data[b.len++] = (uint8_t)(hex_digit(text[0]) << 4 | hex_digit(text[1]));
            text++;
        }
    }
    uint8_t *exact = realloc(b.data, b.len ? b.len : 1);
    assert_non_null(exact);
    b.data = exact;
    return b;
}

#endif
