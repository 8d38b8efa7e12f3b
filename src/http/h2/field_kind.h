/*
 * What a field of a request is to HTTP/2 (RFC 9113 section 8): told from its name and value alone, once for each pair,
 * and kept beside it in the table. What depends on other fields, on order and on number is for h2_head.h.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_HTTP_H2_FIELD_KIND_H
#define WEIR_HTTP_H2_FIELD_KIND_H

#include <stdint.h>

enum field_kind {
    FIELD_PLAIN,          /* well-formed, and nothing to the protocol */
    FIELD_COOKIE,         /* to be joined */
    FIELD_HOST,           /* valid as an authority */
    FIELD_CONTENT_LENGTH, /* a valid one */
    FIELD_EXPECT,         /* 100-continue, or nothing */
    FIELD_PRIORITY,
    FIELD_METHOD,    /* a token */
    FIELD_SCHEME,    /* http or https, in any case */
    FIELD_AUTHORITY, /* valid */
    FIELD_PATH,      /* "/..." or "*", of bytes that a target may hold */
    FIELD_PROTOCOL,  /* :protocol (RFC 8441), a token */
    /* What is refused, with a status or as malformed. */
    FIELD_BAD_HOST,
    FIELD_BAD_EXPECT,
    FIELD_BAD_LENGTH,
    FIELD_BAD_METHOD,
    FIELD_BAD_SCHEME,
    FIELD_BAD_AUTHORITY,
    FIELD_BAD_PATH,
    FIELD_BAD_PROTOCOL,
    FIELD_BAD_PSEUDO,     /* unknown, or a response's */
    FIELD_BAD_NAME,       /* empty, upper case, or no token */
    FIELD_BAD_VALUE,      /* a control byte, or a space at an end */
    FIELD_BAD_CONNECTION, /* of a connection's own (RFC 9113 section 8.2.2) */
    FIELD_BAD_TE,         /* TE of more than "trailers" */
};

/* The kind of a field whose strings have a NUL behind each and SCAN_SLACK bytes to read. */
enum field_kind field_kind_of(const char *name, uint32_t name_len, const char *value, uint32_t value_len);

#endif
