/*
 * Reads replies of HTTP/1.1 as a client does: the head, and the body without its framing. Knows no connection; what has
 * come is handed to it, and what it has read is asked of it.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_SERVER_TEST_READER_H
#define WEIR_SERVER_TEST_READER_H

#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

/* Bytes in a row that grow: from `at` to `len` of what is there is still wanted. */
struct test_bytes {
    char *data;
    size_t at, len, size;
};

/* False: no memory. A NUL is kept behind the bytes. */
bool test_bytes_add(struct test_bytes *b, const char *data, size_t len);
void test_bytes_drop(struct test_bytes *b, size_t n); /* from the front */
void test_bytes_free(struct test_bytes *b);
static inline struct slice test_bytes_left(const struct test_bytes *b)
{
    return slice_of(b->data ? b->data + b->at : "", b->len - b->at);
}

enum reader_state {
    READER_HEAD,
    READER_LENGTH,  /* a body of so many bytes */
    READER_TO_END,  /* one up to the end of the connection */
    READER_SIZE,    /* the line before a chunk */
    READER_CHUNK,   /* a chunk's data */
    READER_BEHIND,  /* the line's end behind that */
    READER_TRAILER, /* lines behind the last chunk */
    READER_DONE,
    READER_TUNNEL, /* another protocol's bytes follow */
    READER_BAD,
};

struct test_reader {
    enum reader_state state;
    bool bodyless; /* the request was HEAD */
    bool no_memory;
    int status;
    uint64_t left;            /* of the body, or of the chunk */
    struct test_bytes head;   /* as it came */
    struct test_bytes fields; /* names and values, each with a NUL behind it */
    struct test_bytes body;
};

/* Reads what has come, as far as that is the reply's. */
void test_reader_feed(struct test_reader *r, struct test_bytes *from);
/* Nothing more comes. */
void test_reader_end(struct test_reader *r);
void test_reader_free(struct test_reader *r);

/* The n-th value of a name among fields; NULL: there is none. */
const char *test_field(const struct test_bytes *fields, const char *name, size_t n);

#endif
