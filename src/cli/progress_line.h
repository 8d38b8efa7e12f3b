/*
 * The line of the transfers that are under way, as text: what they are, how far they have come, and how fast.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_CLI_PROGRESS_LINE_H
#define WEIR_CLI_PROGRESS_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROGRESS_NAME_SIZE 256 /* of a name, its NUL included */

struct progress {
    size_t sending, receiving;     /* transfers */
    bool more;                     /* there are others that are not counted here */
    char name[PROGRESS_NAME_SIZE]; /* of the only one; "": not known, or there are several */
    uint64_t done;                 /* bytes of all of them */
    uint64_t total;                /* bytes that they will be */
    bool total_known;              /* of each of them */
    double rate;                   /* bytes a second */
};

/* The name of what a request's target leads to, for people: the last segment of its path, with a slash behind it where
 * the path has one. Printable ASCII is as it is, every other byte is %NN; what does not fit is left out. */
void progress_name(char name[PROGRESS_NAME_SIZE], const char *target);

/* Composes the line, plain ASCII of up to width columns; "" if nothing is under way. A name that is too long loses its
 * middle. line has room for width + 1 bytes. */
void progress_line(char *line, size_t width, const struct progress *p);

#endif
