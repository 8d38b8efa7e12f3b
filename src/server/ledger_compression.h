/*
 * Compression in the ledger.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_SERVER_LEDGER_COMPRESSION_H
#define WEIR_SERVER_LEDGER_COMPRESSION_H

#include "server/ledger_write.h"

void ledger_read_compression(const weir_server *s, weir_ledger_compression *compression);
void ledger_put_compression_json(struct ledger_writer *w, const weir_ledger_compression *compression);
void ledger_put_compression_metrics(struct ledger_writer *w, const weir_ledger_compression *compression);

#endif
