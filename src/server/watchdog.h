/*
 * The watchdog: a thread that tells of workers that do not come back.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_SERVER_WATCHDOG_H
#define WEIR_SERVER_WATCHDOG_H

struct weir_server;

/* Starts the watchdog, if a thread for it can be had; the server serves without, too. */
void watchdog_start(struct weir_server *s);
void watchdog_stop(struct weir_server *s);

#endif
