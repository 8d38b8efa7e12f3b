/*
 * A server's routes, by the server's name.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_SERVER_ROUTES_H
#define WEIR_SERVER_ROUTES_H

struct weir_server;

/* Completes the settings by what has been registered; again, when there is more. */
void routes_count(struct weir_server *s);

#endif
