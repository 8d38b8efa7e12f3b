/*
 * Lines of what comes in pieces, such as a file or a request's body: one reader for all of them. A line that lies whole
 * in a piece is found there, and need not be copied; one that does not is put together in a buffer of the caller's,
 * whose size is the bound of all lines. Nothing else is allocated, and nothing is known of where the pieces come from.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_LINE_H
#define WEIR_WEB_LINE_H

#include "base/slice.h"

#include <sys/types.h>

/* Where lines come from. */
struct line_source {
    struct slice *rest; /* of the last piece: what no line has taken yet. Valid until the next call of more() */
    /* The next piece, into *rest, which is empty: its length, 0 at the end, or an error. May suspend. */
    ssize_t (*more)(void *owner, struct slice *rest);
    void *owner;
};

/* A line that is being read. */
struct line {
    char *buf;   /* where it is put together */
    size_t size; /* of buf: the longest line and its NUL */
    size_t len;  /* bytes in buf: what has been taken of the source and would be lost with the line */
};

/*
 * Reads a line with its newline; the last one may have none. Returns its length, 0 at the end, WEIR_ETOOBIG where it
 * does not fit the buffer, or an error of more(). *where: the line, in the piece or in the buffer, valid until the next
 * call; NULL: it is to be in the buffer. What is in the buffer has a NUL behind it. After an error line->len bytes have
 * been taken. Suspends as more() does.
 */
ssize_t line_read(const struct line_source *source, struct line *line, const char **where);

#endif
