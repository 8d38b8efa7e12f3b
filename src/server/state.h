/*
 * Where a server is in its life, and how its threads tell each other: the program's, and the workers'.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_SERVER_STATE_H
#define WEIR_SERVER_STATE_H

#include <stdbool.h>

struct weir_server;

/* The server begins to start. False: it has been started before. */
bool state_begin(struct weir_server *s);
/* The start has failed. */
void state_fail(struct weir_server *s);

/* A worker's thread has been started. */
void state_worker_started(struct weir_server *s);
/* A worker tells that it has set up, and waits until all have. True: serve. */
bool state_worker_ready(struct weir_server *s, int error);
void state_worker_ended(struct weir_server *s);
/* Waits until all of the workers that were started have set up. complete: these are all there should be; else the start
 * has failed. False: it has failed, now or before. */
bool state_await_ready(struct weir_server *s, int started, bool complete);

bool state_is_running(struct weir_server *s);
/* Whether the workers' figures can be read: they serve, or have served. Any thread. */
bool state_has_started(struct weir_server *s);
/* Waits until a server that was started has ended. *join: the caller is the first, and joins its threads. False: it was
 * not started. */
bool state_await_end(struct weir_server *s, bool *join);

#endif
