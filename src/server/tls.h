/*
 * TLS of a server's listeners. In a build without TLS each of them is a wrong setting.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_SERVER_TLS_H
#define WEIR_SERVER_TLS_H

#include "weir.h"

struct listen_spec;
struct tls_figures;
struct worker;

/* Gives a listener TLS: 0, or WEIR_EINVAL with lines of the site's errors. */
int tls_add(weir_server *s, struct listen_spec *spec, const weir_tls_config *config);
/* A worker's part, before its net has listeners. 0 or WEIR_ENOMEM. */
int tls_open_worker(struct worker *w);
/* After the worker's connections have been closed. */
void tls_close_worker(struct worker *w);
/* Adds what TLS takes to a plan. */
void tls_plan(const weir_server *s, weir_memory_plan *plan);
/* Starts the thread that watches files and keys, where there is anything to watch. */
void tls_watch(weir_server *s);
/* Ends it. */
void tls_unwatch(weir_server *s);
/* When nobody uses them any more. */
void tls_free(weir_server *s);

/* What a worker does for its handshakes: at the end of a turn in which they are due, and once a second. */
void tls_worker_turn(struct worker *w);
void tls_worker_maintain(struct worker *w);

#endif
