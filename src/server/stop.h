/*
 * The end of a server.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_SERVER_STOP_H
#define WEIR_SERVER_STOP_H

struct weir_server;

/* Ends what a graceful stop still waits for. Any thread. */
void stop_cut(struct weir_server *s);

#endif
