/*
 * Which coding a client wants a reply's content in (Accept-Encoding, RFC 9110 section 12.5.3). Pure: lines of the field
 * in, weights out, and a choice among what the server has.
 *
 * Read leniently, as nothing can be refused for this field: a member that is no coding, or whose weight is none, is
 * left out. Of a coding that is named twice the greater weight counts. "x-gzip" is gzip (section 8.4.1.3).
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_COMPRESS_NEGOTIATE_H
#define WEIR_WEB_COMPRESS_NEGOTIATE_H

#include "http/head.h"

enum coding { CODING_IDENTITY, CODING_GZIP, CODING_BR, CODING_ZSTD };

#define CODINGS 4

enum {
    ACCEPT_REFUSED = 0, /* weight 0, or not among those that the client names */
    ACCEPT_UNSAID = 1,  /* identity that nothing is said of: acceptable, and liked less than whatever is named */
    ACCEPT_LEAST = 2,   /* the weight 0.001 */
    ACCEPT_MOST = 1001, /* the weight 1 */
};

/* What a client accepts, by enum coding. */
struct accepted {
    uint16_t weights[CODINGS]; /* ACCEPT_REFUSED to ACCEPT_MOST */
};

/*
 * Reads the values of a request's Accept-Encoding fields, count of them. Without any, everything would be acceptable
 * and identity alone is taken to be: who does not say what it decodes may decode nothing.
 */
void accepted_read(const struct slice *lines, size_t count, struct accepted *a);

#define ACCEPTED_LINES 8 /* lines of a head that are read; further ones are not */

/* accepted_read() of a request's head. The number of lines that there are: 0, and there is no such field. */
size_t accepted_read_head(const struct http_head *head, struct accepted *a);

/*
 * The coding to send, an enum coding: of the count in offered, the server's favourite first, the one with the greatest
 * weight, the earlier of two that are alike. Identity is always there, need not be in offered, and loses to what is
 * there with the same weight. CODING_IDENTITY as well where the client accepts nothing of what there is; whether it
 * accepts that is in its weight: to send it nevertheless is allowed (RFC 9110 section 12.5.3 and 15.5.7).
 */
enum coding accepted_choose(const struct accepted *a, const uint8_t *offered, size_t count);

/* The name of a coding as in Content-Encoding, such as "br"; "identity". Static. */
struct slice coding_name(enum coding coding);

#endif
