/*
 * The HTTP/1 request head (RFC 9112): a parser that does no I/O and knows no connection. It reads the buffer in place
 * and can stop and go on at any byte; what it has looked at once it does not look at again, so a head that drips in
 * costs no more than one that comes whole.
 *
 * It is strict: a line ends with CRLF and nothing else, a name is a token followed by its colon at once, nothing is
 * folded, and every field that says where the message ends is understood fully or the request is refused.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_HTTP_H1_PARSER_H
#define WEIR_HTTP_H1_PARSER_H

#include "http/head.h"

struct h1_parser {
    uint16_t pos;   /* the next byte to look at */
    uint16_t token; /* where the present token begins */
    uint16_t name, name_len;
    uint8_t phase;
    uint8_t empty_lines; /* before the request, which have been ignored */
    uint8_t codings;     /* transfer codings seen */
    uint16_t status;     /* of a refused head: to refuse it with */
    const char *reason;  /* why the head was refused; static */
};

enum h1_parse_result {
    H1_INCOMPLETE, /* more is needed */
    H1_COMPLETE,
    H1_REFUSED, /* the parser's status and reason say with what and why */
};

/* Begins with a new head. head->fields and head->field_max are the caller's to set first. */
static inline void h1_parse_begin(struct h1_parser *p, struct http_head *head)
{
    *p = (struct h1_parser){0};
    head->field_count = 0;
    head->flags = 0;
    head->content_length = 0;
    head->host_len = 0;
    head->path_len = 0;
}

/*
 * Looks at data[0..len), which begins with the head's first byte, and whose first p->pos bytes have been looked at; len
 * <= HEAD_SIZE_MAX; data[len] is zero and SCAN_SLACK bytes are readable from there. Returns H1_INCOMPLETE, H1_COMPLETE
 * (head is filled; head->base is data, behind ignored empty lines), or H1_REFUSED, with p->status 400, 414, 417, 431,
 * 501 or 505.
 */
enum h1_parse_result h1_parse(struct h1_parser *p, struct http_head *head, char *data, size_t len);

/* The status that fits a head that is too long: 501 while in the method, 414 while in the request line, else 431. */
int h1_too_long(const struct h1_parser *p);

#endif
