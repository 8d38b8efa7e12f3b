/*
 * Media types by the ends of names: of three tables, the first that knows an end.
 *
 *   the web's own    HTML, scripts, styles, WebAssembly and the like: browsers that are told "nosniff" do not use them
 *                    by another type than this, whatever a system's database calls them
 *   the system's     shared-mime-info's globs2, or else /etc/mime.types; read when a server mounts its first folder
 *   the usual        for systems that have neither
 *
 * The longest end that any of them knows counts ("tar.gz" before "gz"), case ignored. A type of text gets a charset:
 * UTF-8.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_FOLDER_MIME_H
#define WEIR_WEB_FOLDER_MIME_H

#include "base/memory.h"
#include "base/slice.h"

#define MIME_END_MAX 24 /* bytes of a name's end that is looked up, without its dot */

/* One end of names. Both are static. */
struct mime_row {
    const char *end; /* in lower case, without its dot */
    const char *type;
};

struct mime_table {
    const struct mime_row *rows; /* sorted by end */
    size_t count;
};

/* The tables that are built in. */
extern const struct mime_table mime_web, mime_usual;

/* What a system's database says. Read-only once made: any thread may look up. */
struct mime_types;

enum mime_format {
    MIME_GLOBS2, /* "50:text/css:*.css", best first */
    MIME_TYPES,  /* "text/css  css" */
};

/* Makes a table of a database's text. What is not understood is left out: lines without a type, patterns that are more
 * than an end, and what is beyond a bound. NULL if there is no memory. The caller's, until mime_types_free(). */
struct mime_types *mime_types_new(struct account *account, struct slice text, enum mime_format format) MUST_CHECK;
/* NULL is allowed. */
void mime_types_free(struct account *account, struct mime_types *types);

/* Reads the system's database. NULL: there is none, it cannot be read, or there is no memory. Blocks. */
struct mime_types *mime_types_load(struct account *account) MUST_CHECK;

/* The type of a file by its name or path; system may be NULL. Static, or system's; never NULL. */
const char *mime_type_of(const struct mime_types *system, const char *name);

/* What weir_mime_type() asks on this thread besides what is built in; NULL: nothing. */
void mime_use(const struct mime_types *system);

#endif
