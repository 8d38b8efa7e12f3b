/*
 * What the clients of live connections have in common: options, the clock, and how they are told to begin and to end.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef LIVE_RUN_H
#define LIVE_RUN_H

#include <stddef.h>

#include "stream.h"

/* An option of a program, --NAME NUMBER. */
struct option_long {
    const char *name;
    long *value;
};

/* Reads --port, --path, --from ADDRESS, and a program's own options; ends it with its usage where one is wrong. */
void run_options(int argc, char **argv, struct target *target, const struct option_long *own, size_t count);

double run_now(void); /* seconds of a clock that never steps */

/* Says `ready`, and waits for a line, at which the run begins. */
void run_begin(void);
/* Waits for the end of standard input, so that whoever reads what the run has cost can do so before this has gone. */
void run_end(void);

/* An epoll of streams; each event's data is its stream's number. */
int run_poller(const struct stream *streams, size_t count);
/* Opens so many streams to one target, and *poller of them. They stay until the program ends. */
struct stream *run_open(const struct target *target, long count, int *poller);

#endif
