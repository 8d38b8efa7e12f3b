/*
 * Topics in the ledger.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_SERVER_LEDGER_TOPICS_H
#define WEIR_SERVER_LEDGER_TOPICS_H

#include "server/ledger_write.h"

/* Reads the figures of a server; started: its workers have some, too. */
void ledger_read_topics(weir_server *s, bool started, weir_ledger_topics *topics);
/* The member "topics" of the ledger's object. */
void ledger_put_topics_json(struct ledger_writer *w, const weir_ledger_topics *topics);
void ledger_put_topics_metrics(struct ledger_writer *w, const weir_ledger_topics *topics);

#endif
