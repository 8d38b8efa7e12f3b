/*
 * application/x-www-form-urlencoded (WHATWG URL section 5.1): bytes in, events out. Means the same as query.h does,
 * which reads a whole text: nothing is malformed, and each pair is a part, of which the name is kept and the value told
 * as it comes.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_FORM_URLENCODED_H
#define WEIR_WEB_FORM_URLENCODED_H

#include "base/slice.h"
#include "web/form/event.h"

#include <stdint.h>

#define URLENCODED_SCRATCH 128

enum urlencoded_state {
    URLENCODED_NAME,  /* before a pair, or in its name */
    URLENCODED_BEGUN, /* behind a name without "=": its value is empty */
    URLENCODED_VALUE, /* behind "=" */
    URLENCODED_OVER,
};

/* How much of an escape has been seen. */
enum urlencoded_escape { ESCAPE_NONE, ESCAPE_BEGUN, ESCAPE_DIGIT };

struct urlencoded {
    uint8_t state;  /* enum urlencoded_state */
    uint8_t escape; /* enum urlencoded_escape */
    char digit;     /* the first one of an escape */
    char *name;     /* NUL-terminated behind FORM_PART */
    uint32_t name_size, name_len;
    uint32_t name_used;               /* bytes of the name so far, as they came */
    char scratch[URLENCODED_SCRATCH]; /* the piece of a value that had to be decoded */
};

/* Begins a form. name has room for name_size bytes, one at least, of which a name and its NUL may take all; it is used
 * until the form is over. */
void urlencoded_begin(struct urlencoded *u, char *name, uint32_t name_size);

/* As multipart_next(). u->name is the part's from FORM_PART to FORM_PART_END. */
enum form_event urlencoded_next(struct urlencoded *u, struct slice *input, bool last, struct slice *data);

#endif
