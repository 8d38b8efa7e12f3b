/*
 * Preconditions (RFC 9110 section 13): what a request's conditional fields say, given the validators of what it is
 * about. Pure: fields and validators in, a verdict out, for replies and for uploads alike.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_FILE_CONDITION_H
#define WEIR_WEB_FILE_CONDITION_H

#include "http/head.h"

/* The fields that make a request conditional, and Range, whose reply depends on them. */
enum condition_field {
    CONDITION_MATCH = 1,
    CONDITION_NONE_MATCH = 2,
    CONDITION_MODIFIED_SINCE = 4,
    CONDITION_UNMODIFIED_SINCE = 8,
    CONDITION_IF_RANGE = 16,
    CONDITION_RANGE = 32,
};

/* Which of them a request has, enum condition_field. What most requests need to be asked. */
unsigned condition_fields(const struct http_head *h);

/* What is known of the selected representation. */
struct validators {
    bool exists;       /* there is one; false: a name that an upload would make */
    bool has_date;     /* modified is known */
    bool date_strong;  /* and the representation cannot have changed twice in that second (section 8.8.2.2) */
    int64_t modified;  /* seconds since 1970, as Last-Modified tells them */
    struct slice etag; /* entity tag; empty: none */
};

enum condition_verdict {
    CONDITION_MET,          /* or there is none: the method is performed */
    CONDITION_NOT_MODIFIED, /* 304 */
    CONDITION_FAILED,       /* 412 */
};

/*
 * In section 13.2.2's order. fields: as condition_fields() has told. reads: the method is GET or HEAD, which
 * If-Modified-Since is for and which are told 304. now: seconds. A date that is none, or is there twice, is as if it
 * were not there; an entity tag that is none matches nothing.
 */
enum condition_verdict condition_check(const struct http_head *h, unsigned fields, const struct validators *v,
                                       bool reads, int64_t now);

/* Whether the Range of a GET whose other conditions are met is to be looked at: it has one, and If-Range, if it is
 * there, names the representation that there is. */
bool condition_allows_range(const struct http_head *h, unsigned fields, const struct validators *v, int64_t now);

#endif
