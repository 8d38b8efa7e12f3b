/*
 * Parameters of a field's value (RFC 2045 section 5.1, RFC 9110 section 5.6.6), as Content-Type and Content-Disposition
 * have them: "form-data; name=a; filename=\"b\"".
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_FORM_PARAMETER_H
#define WEIR_WEB_FORM_PARAMETER_H

#include "base/slice.h"

struct parameter {
    struct slice name;  /* a token */
    struct slice value; /* as it stands, without its quotes */
    bool quoted;
};

enum parameter_result { PARAMETER_FOUND, PARAMETER_END, PARAMETER_MALFORMED };

/* What stands before the first parameter, trimmed; *rest is the parameters. */
struct slice parameter_subject(struct slice value, struct slice *rest);

/* Takes the next parameter off the front of *rest. In a quoted value a backslash hides the meaning of a quote or a
 * backslash behind it, and nothing else's. One that is not quoted ends at a blank or ";" and may hold anything else. */
enum parameter_result parameter_next(struct slice *rest, struct parameter *p);

/* Sets *boundary to the one of a multipart Content-Type's parameters. False: there is none, more than one, or it is not
 * as RFC 2046 section 5.1.1 has it. */
bool parameter_boundary(struct slice rest, struct slice *boundary);

#endif
