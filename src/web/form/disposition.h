/*
 * The name and the file name of a part: its Content-Disposition (RFC 7578 section 4.2), as browsers and others write
 * it. In quotes, browsers escape a quote as "%22", CR and LF as "%0D" and "%0A", and nothing else (WHATWG HTML, section
 * 4.10.22.8); other clients write a backslash before a quote or a backslash. Both are undone, and all other bytes stay
 * what they are: mostly UTF-8. "filename*" (RFC 8187) is not for forms, but some clients sent nothing else: it counts
 * where there is no "filename".
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_FORM_DISPOSITION_H
#define WEIR_WEB_FORM_DISPOSITION_H

#include "base/slice.h"

struct disposition {
    const char *name;     /* NUL-terminated, both */
    const char *filename; /* NULL: the part is no file */
};

/* Reads the field's value; the strings are written to `to`, which has room for value.len + 2 bytes. False: the value is
 * malformed, says something twice, is not "form-data", or names nothing. */
bool disposition_read(struct slice value, char *to, struct disposition *d);

#define SAFE_NAME_MAX 200 /* bytes, without the NUL: room for what a program puts before it or behind */

/*
 * Makes of a file name, which a client may have chosen, one that can be used for a file: the part behind the last slash
 * or backslash, without the dots that it begins with, cut to SAFE_NAME_MAX bytes between two characters. Control
 * characters and what is not UTF-8 become "_". May be empty.
 */
void disposition_safe_name(const char *filename, char to[static SAFE_NAME_MAX + 1]);

#endif
