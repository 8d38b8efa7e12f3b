/*
 * All that the service answers, in one place.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef NOTES_ROUTES_H
#define NOTES_ROUTES_H

#include <weir.h>

/* Adds the routes to a server whose data is a struct app. */
void routes(weir_server *s);

#endif
