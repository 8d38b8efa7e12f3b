/*
 * What the server has to say, on standard error: until it runs lines are kept, so that a start that fails is told in
 * the command's own words.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_CLI_SERVE_LOG_H
#define WEIR_CLI_SERVE_LOG_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#define SERVE_LOG_KEPT 2048

struct serve_log {
    bool above_line;      /* of a status line, which has to be cleared first */
    _Atomic int runs;     /* lines are printed as they come */
    pthread_mutex_t lock; /* guards what is below; PTHREAD_MUTEX_INITIALIZER at first */
    size_t len;
    char kept[SERVE_LOG_KEPT]; /* lines until then */
};

/* A weir_log_fn; data is a struct serve_log. */
void serve_log_line(void *data, int level, const char *line);

/* The server runs: prints what was kept, and from now on each line. */
void serve_log_run(struct serve_log *l);

/* Prints what was kept. */
void serve_log_print(const struct serve_log *l);

#endif
