/*
 * A request's head as HTTP/2 sends it (RFC 9113 section 8): a header block becomes a struct http_head, so that nothing
 * above this folder knows which version it was.
 *
 * The buffer is laid out as "method NUL", then "target NUL" and "name NUL value NUL" for each field, so the offsets of
 * the head's fields hold and a string that is asked for is terminated already. :authority becomes a Host field, and the
 * only one. :protocol of an extended CONNECT becomes a field "upgrade", which no other can be. Cookies that come in
 * several fields are joined by "; " (section 8.2.3).
 *
 * Whatever is wrong with a head, its block is decoded to the end: the decoder's table is the connection's.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_HTTP_H2_H2_HEAD_H
#define WEIR_HTTP_H2_H2_HEAD_H

#include "http/h2/hpack_decode.h"
#include "http/h2/priority.h"
#include "http/head.h"

#define H2_METHOD_MAX 23 /* bytes; longer ones are refused with 501 */

enum h2_head_result {
    H2_HEAD_GOOD,
    H2_HEAD_MALFORMED,  /* the stream's error, PROTOCOL_ERROR */
    H2_HEAD_REFUSED,    /* to be answered with the status */
    H2_HEAD_CONNECTION, /* the connection's error: COMPRESSION_ERROR, or INTERNAL_ERROR for want of memory */
};

/* Where a head goes and what bounds it: set by the caller. */
struct h2_head_place {
    struct http_head *head; /* fields, which may not be NULL, and field_max are the caller's to set */
    char *buf;              /* becomes head->base */
    size_t size; /* of buf, with the HPACK_SLACK bytes that stay behind the head; what is beyond HEAD_SIZE_MAX is not
                  * used */
    uint32_t request_line_max; /* bytes, as the line would be in HTTP/1; 414 */
    uint32_t block_max;        /* bytes, as the fields would be in HTTP/1; 431 */
    bool connect;              /* :protocol is known: it has been announced (RFC 8441) */
    /* Called when there are more than field_max fields. Gives the head a larger table, into which it copies what there
     * is, and returns true; or returns false: 431. NULL: no table can be had. */
    bool (*more_fields)(void *arg, struct http_head *head);
    void *more_fields_arg;
};

/* What became of a head, beside the struct http_head. */
struct h2_head {
    const char *reason;          /* of what is not good; static */
    uint16_t status;             /* of H2_HEAD_REFUSED: 400, 414, 417, 431 or 501 */
    uint8_t error;               /* enum h2_error, of H2_HEAD_MALFORMED and H2_HEAD_CONNECTION */
    bool fields_full;            /* of 431: too many fields, not too many bytes */
    bool https;                  /* :scheme */
    bool has_priority;           /* there is a Priority field that is a Dictionary */
    struct h2_priority priority; /* what that says, and the default */
};

/*
 * Decodes a whole header block of len bytes into a place. place->head is complete after H2_HEAD_GOOD (size: what is
 * used of buf). Otherwise it has method and target if they had come, for the log; a length of 0 says that they had not.
 */
enum h2_head_result h2_head_decode(struct h2_head *h, const struct h2_head_place *place, struct hpack_decoder *d,
                                   struct pool *tables, const uint8_t *block, size_t len);

/*
 * Decodes the trailer section of a request: *used bytes at buf, as "name NUL value NUL" for each field (which is how
 * chunked bodies leave theirs). size as above. What is malformed in a head is so here, and so are pseudo-headers and
 * fields that no trailer may hold (http/trailer.h). Too long: H2_HEAD_REFUSED with 431.
 */
enum h2_head_result h2_trailer_decode(struct h2_head *h, char *buf, size_t size, size_t *used, struct hpack_decoder *d,
                                      struct pool *tables, const uint8_t *block, size_t len);

/* Decodes a block that nobody wants, for the table alone: a refused stream's. H2_HEAD_GOOD or H2_HEAD_CONNECTION. */
enum h2_head_result h2_head_discard(struct h2_head *h, struct hpack_decoder *d, struct pool *tables,
                                    const uint8_t *block, size_t len);

#endif
