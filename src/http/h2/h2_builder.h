/*
 * A head that is being made of a header block, and what can be wrong with it. Private to h2_head.c and h2_builder.c.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_HTTP_H2_H2_BUILDER_H
#define WEIR_HTTP_H2_H2_BUILDER_H

#include "base/debug.h"
#include "http/h2/h2_head.h"

struct builder {
    struct h2_head *h;
    const struct h2_head_place *place;
    struct http_head *head;
    char *base;
    char *at;  /* what is free begins here */
    char *end; /* of what may be used; HPACK_SLACK bytes are behind */
    enum h2_head_result result;
    uint16_t cookie; /* the field that cookies are joined in, from 1; 0: none yet */
    uint8_t seen;    /* pseudo-headers, by bits, and SEEN_FIELD */
};

#define SEEN_FIELD 0x80u /* a field that is no pseudo-header */

/* The head is refused with a status. */
COLD void h2_builder_refuse(struct builder *b, int status, const char *reason);

/* The head is malformed. */
COLD void h2_builder_malformed(struct builder *b, const char *reason);

/* The head is too long: 414 by its target, else 431. */
COLD void h2_builder_too_long(struct builder *b, bool target);

COLD void h2_builder_method_too_long(struct builder *b);

/* A field has no room. */
COLD void h2_builder_dropped(struct builder *b, const struct hpack_field *f);

/* A field is of a kind that is refused. */
COLD void h2_builder_bad_field(struct builder *b, const struct hpack_field *f);

/* What hpack_next() said is an error of the connection. */
COLD enum h2_head_result h2_builder_connection_error(struct h2_head *h, enum hpack_result result, const char *reason);

/* Decodes what is left of a block, for the table alone. */
COLD enum h2_head_result h2_builder_block_rest(struct h2_head *h, struct hpack_block *input);

#endif
