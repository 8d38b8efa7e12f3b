/*
 * The ledger's forms: what weir_ledger_read() gives, as text for programs.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_SERVER_LEDGER_H
#define WEIR_SERVER_LEDGER_H

#include "server/ledger_write.h"

/* The ledger as one line of JSON, without a newline. */
void ledger_put_json(struct ledger_writer *w, const weir_ledger *ledger);

/* Room for a ledger, which a small stack does not have, from the server's account until the request ends. NULL: there
 * is none, and the client gets 503 unless it has got something already. */
weir_ledger *ledger_room(weir_ctx *c);

/* Takes a sample of the process's memory if one is due, and reads the ledger. May suspend. */
void ledger_read_fresh(weir_ctx *c, weir_ledger *ledger);

#endif
