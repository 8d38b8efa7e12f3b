/*
 * Where notes are kept: what the service needs of a database, as functions, so that tests run without one. The service
 * has store_postgres(); the tests have one in memory.
 *
 * Each returns 0 or an error of weir.h; each may suspend, and obeys the request's deadline. What they put into a note is
 * the request's.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef NOTES_STORE_H
#define NOTES_STORE_H

#include "note.h"

struct store {
    void *data; /* handed to all */
    /* Adds a note of text and link, and sets the rest. */
    int (*add)(weir_ctx *c, void *data, struct note *note);
    /* WEIR_ENOENT: there is none. */
    int (*find)(weir_ctx *c, void *data, int64_t id, struct note *note);
    /* The first notes behind an id, size at most, in order of their ids. */
    int (*list)(weir_ctx *c, void *data, int64_t after, int size, struct note *notes, int *count);
    /* Sets text and link, forgets the title, and sets the rest of *note. version: the one that is to be replaced, 0: any.
     * WEIR_ENOENT; WEIR_ECONDITION: it has another version. */
    int (*change)(weir_ctx *c, void *data, int64_t version, struct note *note);
    int (*remove)(weir_ctx *c, void *data, int64_t id); /* WEIR_ENOENT */
    /* Sets the title, if the note still has that link. */
    int (*set_title)(weir_ctx *c, void *data, int64_t id, const char *link, const char *title);
    /* Removes notes that are older; a thousand at most, which *count tells. */
    int (*expire)(weir_ctx *c, void *data, int keep_s, int *count);
    int (*ping)(weir_ctx *c, void *data); /* whether it answers */
};

struct weir_pg;

/* Notes in a database that has been brought to its form by migrate(). */
struct store store_postgres(struct weir_pg *pg);

#endif
