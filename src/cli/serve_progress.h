/*
 * The transfers of weir serve that last, on one line of the terminal: a thread of the command asks the server a few
 * times a second which requests are alive. Requests pay nothing for it.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_CLI_SERVE_PROGRESS_H
#define WEIR_CLI_SERVE_PROGRESS_H

#include "cli/access_log.h"
#include "cli/status_line.h"
#include "weir.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define SERVE_PROGRESS_ROWS 256 /* most transfers that are added up */

struct serve_progress {
    weir_server *server;
    struct access_log *log;   /* whose records tell names; NULL: there are none */
    struct status_line *line; /* NULL: it has not been started */
    pthread_t thread;
    pthread_mutex_t lock; /* guards `ends` */
    pthread_cond_t wake;
    bool ends;
    /* The thread's. */
    uint64_t read_ns; /* when rows were read; CLOCK_MONOTONIC */
    double rate;      /* bytes a second, smoothed */
    bool told;        /* there was a line last time */
    size_t count, before_count;
    weir_live_request rows[SERVE_PROGRESS_ROWS];
    struct {
        uint64_t id, done;
    } before[SERVE_PROGRESS_ROWS]; /* what was read last time */
};

/* Starts to show the transfers of a server that runs. Nothing is shown where there is no thread for it. log and line
 * live until serve_progress_end(). */
void serve_progress_start(struct serve_progress *p, weir_server *s, struct access_log *log, struct status_line *line);

/* Takes the line away and ends the thread. Nothing if it was not started. */
void serve_progress_end(struct serve_progress *p);

#endif
