/*
 * Which fields may not come in a trailer section (RFC 9110 section 6.5.1): what framing, routing, authentication, the
 * choice of a reply or the form of the body depend on has to be known before the body.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_HTTP_TRAILER_H
#define WEIR_HTTP_TRAILER_H

#include "base/slice.h"

/* Of a request. */
bool trailer_is_forbidden(struct slice name);
/* Of a reply, which has some names more. */
bool trailer_is_forbidden_in_reply(struct slice name);

#endif
