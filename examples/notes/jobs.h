/*
 * Work that no client waits for.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef NOTES_JOBS_H
#define NOTES_JOBS_H

#include "app.h"

/* Has expired notes removed from time to time. Before the start. */
void jobs_add(weir_server *s, struct app *app);

/* Has the title of a note's page fetched, soon. Where its host is none that may be asked, or there is too much to do, the
 * note stays without. */
void jobs_fetch_title(weir_ctx *c, const struct note *note);

#endif
