/*
 * A server's offload pools: each has threads of its own for one kind of blocking work.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_SERVER_OFFLOAD_POOLS_H
#define WEIR_SERVER_OFFLOAD_POOLS_H

#include "base/debug.h"
#include "server/ledger_write.h"

/* Starts the threads of the pools that have them from the start on. 0 or WEIR_ENOMEM, which is logged. */
int offload_pools_start(weir_server *s) MUST_CHECK;
/* Bytes of the stacks of the threads that start with the server, or (later) of those that may be started later. */
uint64_t offload_pools_memory(const weir_server *s, bool later);
/* Ends the threads and frees the pools; the workers have ended. */
void offload_pools_free(weir_server *s);

/* Whether a thread of one of the pools has something to do, or a job waits for one. */
bool offload_pools_are_busy(const weir_server *s);

/* Reads the figures of a server's pools: the member offload_pools. */
void ledger_read_offload_pools(const weir_server *s, weir_ledger *ledger);
/* The member "offload_pools" of the ledger's object. */
void ledger_put_offload_pools_json(struct ledger_writer *w, const weir_ledger *ledger);
void ledger_put_offload_pools_metrics(struct ledger_writer *w, const weir_ledger *ledger);

#endif
