/*
 * The form of the database, step by step.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef NOTES_MIGRATE_H
#define NOTES_MIGRATE_H

#include <stdbool.h>

/* Brings the database to the form that this program wants, waiting for it for half a minute where it is not there yet.
 * Several processes may do so at once. Before the server starts: it blocks. False: it cannot be done, and standard
 * error says why. */
bool migrate(const char *conninfo);

#endif
