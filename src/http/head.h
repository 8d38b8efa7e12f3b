/*
 * The head of a request as it lies in the receive buffer: offsets from its first byte, never pointers, so that a record
 * is small and the bytes can move as long as the base is kept. Nothing is copied. Values are NUL-terminated in place
 * when somebody asks for them as strings, by overwriting the byte behind them (a space, a colon or a CR), which is not
 * needed once the head has been validated.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_HTTP_HEAD_H
#define WEIR_HTTP_HEAD_H

#include "base/slice.h"
#include "weir.h"

#include <stdint.h>

/* Offsets are 16 bits wide: a head is never longer than this, whatever the buffer's size. */
#define HEAD_SIZE_MAX      65535
#define HEAD_FIELDS_INLINE 32

struct http_field {
    uint16_t name, name_len;
    uint16_t value, value_len;
};

enum head_flags {
    HEAD_HAS_LENGTH = 1 << 0, /* Content-Length was given */
    HEAD_CHUNKED = 1 << 1,
    HEAD_CLOSE = 1 << 2,      /* Connection: close */
    HEAD_KEEP_ALIVE = 1 << 3, /* Connection: keep-alive */
    HEAD_EXPECT_CONTINUE = 1 << 4,
    HEAD_HAS_HOST = 1 << 5,
    HEAD_UPGRADE = 1 << 6, /* Connection: upgrade; or the next */
    HEAD_CONNECT = 1 << 7, /* an extended CONNECT (RFC 8441), whose :protocol is the field "upgrade" */
};

struct http_head {
    char *base;          /* the first byte of the request line */
    uint16_t size;       /* up to and with the empty line */
    uint16_t method_len; /* the method begins at base */
    uint16_t target, target_len;
    uint16_t host, host_len; /* the Host field's value */
    uint16_t flags;          /* enum head_flags */
    uint8_t version;         /* enum weir_http of the message: 10, 11 or 20 */
    uint16_t field_count, field_max;
    uint16_t path_len; /* of a target that begins with a path in need of no decoding; 0: nobody has looked */
    int64_t content_length;
    struct http_field *fields; /* field_max of them; not filled where it is NULL */
};

static inline struct slice head_slice(const struct http_head *h, uint16_t at, uint16_t len)
{
    return slice_of(h->base + at, len);
}

/* The string at an offset, NUL-terminated in place. */
static inline const char *head_string(struct http_head *h, uint16_t at, uint16_t len)
{
    h->base[at + len] = '\0';
    return h->base + at;
}

/* The name of a version, such as "HTTP/1.1"; static. */
const char *head_version_text(uint8_t version);

/* The n-th (from 0) field of a name, or NULL. */
const struct http_field *head_find(const struct http_head *h, struct slice name, size_t n);

#endif
