/*
 * A note, as it is kept and as clients see it.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef NOTES_NOTE_H
#define NOTES_NOTE_H

#include <stddef.h>
#include <stdint.h>

#include <weir.h>

enum { NOTE_TEXT_MAX = 1000, NOTE_LINK_MAX = 500, NOTE_TITLE_MAX = 200, NOTE_PAGE_MAX = 20 };

struct note {
    int64_t id;
    int64_t version; /* grows with each change */
    const char *text;
    const char *link;    /* a URL; NULL: none */
    const char *title;   /* of the page that link leads to; NULL: not known, or not yet */
    const char *created; /* RFC 3339 */
};

/* The note as JSON, in the request's memory. Ends the request by 503 where that is used up. */
const char *note_json(weir_ctx *c, const struct note *note);

/* Reads the request's body, {"text": "...", "link": "..."}, into text and link, in the request's memory. Ends the
 * request by the status that fits, 400, 413, 415 or 422, where it is no such thing. */
void note_read(weir_ctx *c, struct note *note);

#endif
