/*
 * One line at the bottom of a terminal that is rewritten in place, on standard error. What others print goes above it:
 * they hide the line, print whole lines, and show it again.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_CLI_STATUS_LINE_H
#define WEIR_CLI_STATUS_LINE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#define STATUS_LINE_SIZE 512 /* bytes of the line, its NUL included */

/* What takes the cursor to the line's begin and clears it. */
#define STATUS_LINE_CLEAR "\r\x1b[K"

struct status_line {
    pthread_mutex_t lock;        /* guards the terminal and what is below; PTHREAD_MUTEX_INITIALIZER at first */
    bool drawn;                  /* the line may be on the terminal */
    char text[STATUS_LINE_SIZE]; /* "": none */
};

/* Whether standard error is a terminal on which a line can be rewritten. */
bool status_line_fits(void);

/* The columns that a line may have; 0: the terminal is too narrow for one. */
size_t status_line_width(void);

/* Sets the line: plain ASCII, of the width at most; "": none. Waits for nobody: while somebody prints, or the terminal
 * takes nothing, nothing changes, and the next call makes up for it. */
void status_line_set(struct status_line *l, const char *text);

/* Takes the line away so that whole lines can be printed, and puts it back. What is between the two is short, or waits
 * for nothing but the terminal. NULL: nothing happens. */
void status_line_hide(struct status_line *l);
void status_line_show(struct status_line *l);

#endif
