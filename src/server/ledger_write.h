/*
 * Writing the ledger as text for programs, piece by piece into the reply, so that it takes no memory of its own. After
 * the first failed write nothing more is written.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_SERVER_LEDGER_WRITE_H
#define WEIR_SERVER_LEDGER_WRITE_H

#include "weir.h"

struct ledger_writer {
    weir_ctx *c;
    int error; /* of the first write that failed */
};

void ledger_put(struct ledger_writer *w, const char *fmt, ...) WEIR_PRINTF(2, 3);

/* text as a JSON string; what is longer than LEDGER_TEXT_MAX is cut. */
#define LEDGER_TEXT_MAX 240
void ledger_put_string(struct ledger_writer *w, const char *text);

/* ns as seconds in decimal, by as many digits as it takes, to the microsecond: "0.001", "2.5", "30". What printf makes
 * of a double depends on the program's locale. */
#define LEDGER_SECONDS_SIZE 32
const char *ledger_seconds(uint64_t ns, char *buf);

/* all without part, and 0 where part is more: figures that are read one after the other are not of one instant. */
static inline uint64_t ledger_less(uint64_t all, uint64_t part)
{
    return all > part ? all - part : 0;
}

/* The lines that go before a metric's samples. type: "counter", "gauge", "histogram" or "summary". */
void ledger_put_metric(struct ledger_writer *w, const char *name, const char *type, const char *help);

/* text as the value of a label, without its quotes; what is longer than LEDGER_TEXT_MAX is cut. */
#define LEDGER_LABEL_SIZE (LEDGER_TEXT_MAX * 3 + 1) /* a byte that is wrong becomes the three of U+FFFD */
void ledger_label(const char *text, char *out);

#endif
