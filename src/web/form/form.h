/*
 * The form of a request: a parser, fed by the request's body, and what bounds it. Lies in the request's memory from the
 * first call on that is about a form; a request without one knows nothing of forms.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_FORM_FORM_H
#define WEIR_WEB_FORM_FORM_H

#include "http/refusal.h"
#include "web/form/multipart.h"
#include "web/form/urlencoded.h"
#include "weir.h"

enum form_kind { FORM_EMPTY, FORM_URLENCODED, FORM_MULTIPART };

enum form_state {
    FORM_UNUSED,  /* begun by no call */
    FORM_BETWEEN, /* before a part, or behind the content of one */
    FORM_IN_PART, /* within the content of a part */
    FORM_OVER,    /* there are no more parts */
    FORM_FAILED,  /* by `error` */
};

/* Whether the fields have been kept for weir_form(). */
enum form_whole { FORM_NOT_KEPT, FORM_KEPT, FORM_KEPT_IN_VAIN };

/* A field that has been kept. */
struct form_field {
    struct form_field *next;
    const char *name, *value;
};

struct form {
    uint8_t kind;  /* enum form_kind */
    uint8_t state; /* enum form_state */
    uint8_t whole; /* enum form_whole */
    bool body_over;
    int error;
    int parts, max_parts;
    int64_t size, max_size; /* of the body so far */
    int64_t part_size, max_part;
    weir_part part;     /* valid in and behind the content of a part */
    struct slice input; /* of the last piece of the body, not yet parsed */
    struct slice rest;  /* of the last piece of content, not yet read */
    union {
        struct urlencoded urlencoded;
        struct multipart multipart;
    } parser;
    struct form_field *first, *last; /* fields that have been kept */
};

/* The request's form, begun with the defaults unless it has been begun; NULL with *error. */
struct form *form_of(weir_ctx *c, int *error);

/* The request's form, if it has been begun, or could not be; else NULL. */
struct form *form_find(weir_ctx *c);

/* The form will not be read on: the client is told by the cause's status, unless the handler makes an error's reply of
 * its own. Returns error. */
int form_refuse(weir_ctx *c, struct form *f, int error, enum refusal cause, const char *why);

/* Lets a string in the request's memory take the rest of the present part. limit: most bytes. 0 or an error. */
int form_read_text(weir_ctx *c, struct form *f, size_t limit, const char **text);

#endif
