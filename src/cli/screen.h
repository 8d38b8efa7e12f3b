/*
 * A view as lines of text, at most as wide and as many as there is room for.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_CLI_SCREEN_H
#define WEIR_CLI_SCREEN_H

#include "cli/view.h"

#define SCREEN_SIZE      ((size_t)64 * 1024)
#define SCREEN_LINES_ALL 100000
#define SCREEN_WIDTH_MIN 40

struct screen {
    char *buf; /* SCREEN_SIZE bytes */
    size_t len;
    int width, height; /* in characters; height SCREEN_LINES_ALL: all there is */
    int lines;
    bool colour;
    const char *line_begin; /* put before each line: "", or the code that clears a terminal's line */
};

/* Composes v. before (NULL: none) is an earlier view of the same server, from which rates are told. where: the server,
 * for the first line. */
void screen_compose(struct screen *s, const struct view *v, const struct view *before, const char *where);

/* Appends one line, cut at the width. emphasis: a terminal's code such as "1" for bold, or NULL. */
void screen_line(struct screen *s, const char *emphasis, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
