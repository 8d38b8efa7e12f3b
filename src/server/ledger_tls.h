/*
 * TLS in the ledger.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_SERVER_LEDGER_TLS_H
#define WEIR_SERVER_LEDGER_TLS_H

#include "server/ledger_write.h"

/* Reads the figures of a server that has started. */
void ledger_read_tls(weir_server *s, weir_ledger_tls *tls);
/* The member "tls" of the ledger's object. */
void ledger_put_tls_json(struct ledger_writer *w, const weir_ledger_tls *tls);
void ledger_put_tls_metrics(struct ledger_writer *w, const weir_ledger_tls *tls);

#endif
