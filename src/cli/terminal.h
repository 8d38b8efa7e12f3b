/*
 * The terminal while the screen is shown: its size, its keys, and how it was before.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_CLI_TERMINAL_H
#define WEIR_CLI_TERMINAL_H

#include <stdbool.h>

enum terminal_event { TERMINAL_TIME, TERMINAL_RESIZED, TERMINAL_QUIT };

/* Whether a descriptor is of a terminal that can be drawn on. */
bool terminal_is_at(int fd);
/* Whether colours are wanted: standard output is such a terminal, and NO_COLOR is not set. */
bool terminal_has_colour(void);

/* Takes the terminal over. Whatever ends the process, signals included, puts the terminal back first. */
void terminal_begin(void);
void terminal_end(void);

/* The size in characters of the terminal at fd; 80 and 24 where it is not known. */
void terminal_size(int fd, int *width, int *height);

/* Waits for ms, or until the size changes, or until q, Escape or a signal asks for the end. */
enum terminal_event terminal_wait(int ms);

#endif
