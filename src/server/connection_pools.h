/*
 * A server's pools of connections.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_SERVER_CONNECTION_POOLS_H
#define WEIR_SERVER_CONNECTION_POOLS_H

struct weir_server;
struct worker;

/* A worker begins to use the pools, looks after them once a second, and ends; on its thread. */
void connection_pools_begin(struct worker *w);
void connection_pools_maintain(struct worker *w);
void connection_pools_end(struct worker *w);

/* Closes what is left in pools that workers share. When no worker runs any more. */
void connection_pools_close(struct weir_server *s);
void connection_pools_free(struct weir_server *s);

#endif
