/*
 * What is wrong with a head, by the kind of the field that is.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/h2/h2_builder.h"
#include "http/h2/field_kind.h"

void h2_builder_refuse(struct builder *b, int status, const char *reason)
{
    b->result = H2_HEAD_REFUSED;
    b->h->status = (uint16_t)status;
    b->h->reason = reason;
}

void h2_builder_malformed(struct builder *b, const char *reason)
{
    b->result = H2_HEAD_MALFORMED;
    b->h->error = H2_PROTOCOL_ERROR;
    b->h->reason = reason;
}

void h2_builder_too_long(struct builder *b, bool target)
{
    h2_builder_refuse(b, target ? 414 : 431, target ? "the request line is too long" : "the header block is too long");
}

void h2_builder_method_too_long(struct builder *b)
{
    h2_builder_refuse(b, 501, "method too long");
}

/* A field has no room. */
void h2_builder_dropped(struct builder *b, const struct hpack_field *f)
{
    if (f->kind == FIELD_BAD_METHOD && f->value_len > H2_METHOD_MAX)
        h2_builder_method_too_long(b);
    else
        h2_builder_too_long(b, f->kind == FIELD_BAD_PATH);
}

enum h2_head_result h2_builder_connection_error(struct h2_head *h, enum hpack_result result, const char *reason)
{
    bool memory = result == HPACK_NO_MEMORY;
    h->error = memory ? H2_INTERNAL_ERROR : H2_COMPRESSION_ERROR;
    h->reason = memory ? "no memory for a table of HPACK" : reason;
    return H2_HEAD_CONNECTION;
}

/* Decodes what is left of a block, for the table alone. */
enum h2_head_result h2_builder_block_rest(struct h2_head *h, struct hpack_block *input)
{
    struct hpack_field f;
    for (;;) {
        enum hpack_result next = hpack_next(input, &f, NULL, 0);
        if (next == HPACK_END)
            return H2_HEAD_GOOD;
        if (next == HPACK_ERROR || next == HPACK_NO_MEMORY)
            return h2_builder_connection_error(h, next, input->reason);
    }
}

/* What is no path at all is malformed by RFC 9113 section 8.3.1; one with other bytes gets an answer, as in HTTP/1. */
static COLD void bad_path(struct builder *b, const struct hpack_field *f)
{
    if (f->value_len == 0 || (f->value[0] != '/' && f->value[0] != '*'))
        h2_builder_malformed(b, "malformed :path");
    else
        h2_builder_refuse(b, 400, "malformed request target");
}

void h2_builder_bad_field(struct builder *b, const struct hpack_field *f)
{
    switch ((enum field_kind)f->kind) {
    case FIELD_BAD_HOST:
        h2_builder_refuse(b, 400, "malformed Host");
        break;
    case FIELD_BAD_AUTHORITY:
        h2_builder_refuse(b, 400, "malformed :authority");
        break;
    case FIELD_BAD_SCHEME:
        h2_builder_refuse(b, 400, "unknown :scheme");
        break;
    case FIELD_BAD_EXPECT:
        h2_builder_refuse(b, 417, "unknown expectation");
        break;
    case FIELD_BAD_PATH:
        bad_path(b, f);
        break;
    case FIELD_BAD_LENGTH:
        h2_builder_malformed(b, "malformed Content-Length");
        break;
    case FIELD_BAD_METHOD:
        h2_builder_malformed(b, "malformed :method");
        break;
    case FIELD_BAD_NAME:
        h2_builder_malformed(b, "malformed field name");
        break;
    case FIELD_BAD_VALUE:
        h2_builder_malformed(b, "malformed field value");
        break;
    case FIELD_BAD_CONNECTION:
        h2_builder_malformed(b, "a field of a connection's own");
        break;
    case FIELD_BAD_TE:
        h2_builder_malformed(b, "TE is more than trailers");
        break;
    default: /* :protocol among them, which is unknown until it is announced (RFC 8441 section 4) */
        h2_builder_malformed(b, "unknown pseudo-header");
        break;
    }
}
