/*
 * How long the handlers of each route took: what the workers count by route, added up.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_SERVER_ROUTE_TIMES_H
#define WEIR_SERVER_ROUTE_TIMES_H

#include "base/debug.h"
#include "server/ledger_write.h"

struct weir_server;
struct route_counters;

/* Bytes of the counters of all workers. */
uint64_t route_times_size(const struct weir_server *s);

/* Makes the counters, when all routes are known. 0 or WEIR_ENOMEM. */
int route_times_open(struct weir_server *s) MUST_CHECK;
void route_times_close(struct weir_server *s);

/* The part of a worker, as http.routes. */
struct route_counters *route_times_of(const struct weir_server *s, int worker);

/*
 * Adds up all requests of a worker, whatever their route, by class; [0]: those of the first. Returns how many they are.
 */
uint64_t route_times_sum(const struct weir_server *s, int worker, uint64_t times[WEIR_LEDGER_TIMES]);

/* As a member of the ledger's JSON, and as metrics. */
void route_times_put_json(struct ledger_writer *w);
void route_times_put_metrics(struct ledger_writer *w);

#endif
