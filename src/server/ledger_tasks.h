/*
 * Tasks in the ledger.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_SERVER_LEDGER_TASKS_H
#define WEIR_SERVER_LEDGER_TASKS_H

#include "server/ledger_write.h"

/* The member "tasks" of the ledger's object. */
void ledger_put_tasks_json(struct ledger_writer *w, const weir_ledger *ledger);
void ledger_put_tasks_metrics(struct ledger_writer *w, const weir_ledger *ledger);

#endif
