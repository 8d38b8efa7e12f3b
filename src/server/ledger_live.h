/*
 * Clients that stay, and topics, in the ledger.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_SERVER_LEDGER_LIVE_H
#define WEIR_SERVER_LEDGER_LIVE_H

#include "server/ledger_write.h"

/* Reads the figures of a server: the members `sockets` and `topics`. started: its workers have some, too. */
void ledger_read_live(weir_server *s, bool started, weir_ledger *ledger);
/* The members "sockets" and "topics" of the ledger's object. */
void ledger_put_live_json(struct ledger_writer *w, const weir_ledger *ledger);
void ledger_put_live_metrics(struct ledger_writer *w, const weir_ledger *ledger);

#endif
