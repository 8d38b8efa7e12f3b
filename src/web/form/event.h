/*
 * What the parsers of forms tell, one thing at a time, whatever pieces a body comes in. Only content is told in pieces
 * that depend on those of the input.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_FORM_EVENT_H
#define WEIR_WEB_FORM_EVENT_H

enum form_event {
    FORM_MORE,        /* all of the input has been used: more is needed */
    FORM_PART,        /* a part begins; its name, or its header, is known */
    FORM_DATA,        /* a piece of the part's content, of at least one byte */
    FORM_PART_END,    /* the part's content is complete */
    FORM_END,         /* the body is over, and the form with it */
    FORM_MALFORMED,   /* nothing can be said of what follows; the parser is not asked again */
    FORM_LONG_HEADER, /* the name, or the header, of a part is too long; likewise */
};

#endif
