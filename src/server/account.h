/*
 * The program's own accounts.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_SERVER_ACCOUNT_H
#define WEIR_SERVER_ACCOUNT_H

struct weir_server;

/* Closes the accounts that the program has left open. What it still holds in one is logged, and is memory lost. When
 * nobody else uses the server any more. */
void accounts_close_all(struct weir_server *s);

#endif
