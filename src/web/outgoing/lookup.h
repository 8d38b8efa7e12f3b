/*
 * Asking for a name and waiting for its addresses.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_OUTGOING_LOOKUP_H
#define WEIR_WEB_OUTGOING_LOOKUP_H

#include "web/outgoing/wait.h"

/* The addresses of a name: 0; WEIR_ENOENT: there is no such name; WEIR_EREACH: nobody who knows has answered;
 * WEIR_ETIMEDOUT; news; WEIR_ENOMEM. name has up to NAME_MAX_LEN bytes. Suspends, but not for what is known. */
int name_lookup(weir_ctx *c, const char *name, struct name_addresses *found, struct until u);

#endif
