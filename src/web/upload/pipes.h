/*
 * The pipes of a worker, by which bodies go from sockets to files without passing through user space. A pipe is empty
 * whenever a fiber is suspended, but for one whose bytes another thread writes: so one serves all uploads of a worker,
 * and a few more where the disk is slow. There is none until a body is saved, and none when no body has been saved for
 * a while.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_UPLOAD_PIPES_H
#define WEIR_WEB_UPLOAD_PIPES_H

#include <stdbool.h>
#include <stddef.h>

#define PIPES_MAX 4
#define PIPE_SIZE (256 * 1024) /* bytes that a pipe takes at once, about */

struct splice_pipe {
    int read, write; /* descriptors */
};

/* A worker's, zero at first. */
struct splice_pipes {
    struct splice_pipe idle[PIPES_MAX]; /* empty ones; the last is used first */
    int idle_count;
    int open;  /* with those that have been taken */
    bool used; /* since pipes_close_unused() */
};

/* An empty pipe, which stays where it is: valid until something suspends. NULL: none can be had. */
const struct splice_pipe *pipes_top(struct splice_pipes *p);
/* Takes the pipe that pipes_top() gave; it is the caller's until it is given back. */
struct splice_pipe pipes_take(struct splice_pipes *p);
/* Gives it back; not empty: it is closed. */
void pipes_give(struct splice_pipes *p, struct splice_pipe pipe, bool empty);

/* Closes what has not been used since the last call; or all that is not taken. */
void pipes_close_unused(struct splice_pipes *p);
void pipes_close(struct splice_pipes *p);

#endif
