/*
 * multipart/form-data (RFC 7578, RFC 2046 section 5.1): bytes in, events out. Strict where two readers could differ
 * about where a part begins or ends: lines end by CRLF, a line that begins with the boundary is a delimiter or an
 * error, the closing delimiter has to come, and header lines are not folded.
 *
 * The delimiter, CRLF and "--" and the boundary, holds one CR, its first byte. So what failed to be a delimiter holds
 * no beginning of another one, and the search goes on where it failed: it looks at no byte more than twice and keeps a
 * number, how much of the delimiter has been seen. Bytes that were held back for it and turn out to be content are told
 * from the delimiter itself.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_FORM_MULTIPART_H
#define WEIR_WEB_FORM_MULTIPART_H

#include "base/slice.h"
#include "web/form/event.h"

#include <stdint.h>

#define MULTIPART_BOUNDARY_MAX 70 /* RFC 2046 section 5.1.1 */
#define MULTIPART_PREFIX       "\r\n--"
#define MULTIPART_FIELDS_MAX   16 /* header lines of a part */

enum multipart_state {
    MULTIPART_PREAMBLE,   /* before the first delimiter: dropped */
    MULTIPART_DELIMITED,  /* behind a delimiter */
    MULTIPART_DASH,       /* and one "-" */
    MULTIPART_PADDING,    /* or blanks (RFC 2046: transport-padding) */
    MULTIPART_LINE_END,   /* and the CR of its line's end */
    MULTIPART_HEADER,     /* within a part's header */
    MULTIPART_CONTENT,    /* within a part's content */
    MULTIPART_CLOSED,     /* behind the closing delimiter, or blanks */
    MULTIPART_CLOSED_END, /* and the CR of its line's end */
    MULTIPART_EPILOGUE,   /* behind that line: dropped */
};

struct multipart {
    char delimiter[sizeof MULTIPART_PREFIX - 1 + MULTIPART_BOUNDARY_MAX];
    uint8_t delimiter_len;
    uint8_t matched;     /* bytes of the delimiter that have been seen, and are not told as content */
    uint8_t held_from;   /* the first of them that would be content: those before end the header, or are none */
    uint8_t state;       /* enum multipart_state */
    uint8_t field_count; /* in the present header */
    /* Fields of the present header, "name\0value\0" each, and behind them the line that is coming. */
    char *header;
    uint32_t header_size; /* room, which is also the limit of a header */
    uint32_t header_used; /* bytes of the header so far, as they came */
    uint32_t fields_len, line_len;
};

/* Begins a form. boundary has 1 to MULTIPART_BOUNDARY_MAX bytes, none of them CR. header has room for header_size bytes
 * and is used until the form is over. */
void multipart_begin(struct multipart *m, struct slice boundary, char *header, uint32_t header_size);

/*
 * Takes bytes off the front of *input until there is something to tell. last: nothing follows the input. *data is the
 * piece of FORM_DATA: within the input, or within m until the next call. After FORM_PART m->header holds the fields of
 * the part, until the next FORM_PART_END.
 */
enum form_event multipart_next(struct multipart *m, struct slice *input, bool last, struct slice *data);

#endif
