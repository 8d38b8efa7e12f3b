/*
 * Lines of totals and tables, of which a screen is made. What a narrow screen has no room for is left out whole, so
 * that no number is cut.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_CLI_LINES_H
#define WEIR_CLI_LINES_H

#include "cli/screen.h"

/* A terminal's codes for emphasis. */
#define BOLD "1"
#define WARN "31"

/* Puts a line of a label and parts with ", " or two spaces between them. */
void lines_put_total(struct screen *s, const char *emphasis, const char *label, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

#define COLUMNS_MAX 8

enum side { RIGHT, LEFT };

/* A column of a table. The first one's width follows from the screen's, and text in the last one has the rest of the
 * line. Behind the last comes a column without a head. */
struct column {
    const char *head;
    int width;
    enum side side;
};

void lines_put_heads(struct screen *s, const struct column *columns);
/* Puts a row. cells: a text for each column. */
void lines_put_row(struct screen *s, const char *emphasis, const struct column *columns, const char *const *cells);

#endif
