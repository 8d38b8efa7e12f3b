/*
 * The parts of a server's start that tests in process share with it.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_SERVER_START_H
#define WEIR_SERVER_START_H

#include "base/debug.h"

struct weir_server;

/* Behind state_begin(): checks the settings, and makes all that lives as long as the server, with its workers' records.
 * 0 or an error, which has been logged where it is a wrong setting. */
int start_prepare(struct weir_server *s) MUST_CHECK;
/* The start has failed: returns error. */
int start_refuse(struct weir_server *s, int error);

#endif
