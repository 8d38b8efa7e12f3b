/*
 * A server's listening sockets.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_SERVER_SOCKETS_H
#define WEIR_SERVER_SOCKETS_H

struct weir_server;

/* Opens every listening socket: one for each worker, or one for all. 0, or an error, which has been logged. */
int sockets_open(struct weir_server *s);
/* Closes the sockets of workers that never listened, with the files of Unix sockets. */
void sockets_close(struct weir_server *s);
/* Lets nobody connect any more. */
void sockets_refuse(struct weir_server *s);
/* Logs one line for each listener: where, and by how many. */
void sockets_log(const struct weir_server *s);

#endif
