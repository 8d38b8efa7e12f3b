/*
 * Pools of connections in the ledger.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_SERVER_LEDGER_POOLS_H
#define WEIR_SERVER_LEDGER_POOLS_H

#include "server/ledger_write.h"

void ledger_read_pools(weir_server *s, weir_ledger *ledger);
/* The member "pools" of the ledger's object. */
void ledger_put_pools_json(struct ledger_writer *w, const weir_ledger *ledger);
void ledger_put_pools_metrics(struct ledger_writer *w, const weir_ledger *ledger);

#endif
