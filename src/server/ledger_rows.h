/*
 * Rows of the ledger that have a name and figures, as JSON and as metrics: one table names every figure for both.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_SERVER_LEDGER_ROWS_H
#define WEIR_SERVER_LEDGER_ROWS_H

#include "server/ledger_write.h"

/* A figure, which is a uint64_t. */
struct ledger_figure {
    const char *name; /* in the JSON; NULL: it is written otherwise */
    const char *metric, *type, *help;
    size_t offset; /* in its structure */
};

/* The figure of a structure's member, by whose name it goes in the JSON. */
#define LEDGER_FIGURE(structure, member, metric, type, help)                                                           \
    {                                                                                                                  \
#member, metric, type, help, offsetof(structure, member)                                                       \
    }

uint64_t ledger_figure_value(const void *structure, const struct ledger_figure *f);

/* Rows, each of which begins with its name. */
struct ledger_rows {
    const struct ledger_figure *figures;
    size_t figure_count;
    const void *rows;
    size_t row_size, row_count;
    const char *label; /* of the metrics: whose value a row's name is */
};

/* An array with an object for each row. */
void ledger_put_rows_json(struct ledger_writer *w, const struct ledger_rows *r);
/* A metric for each figure, with a sample for each row; nothing where there is no row. */
void ledger_put_rows_metrics(struct ledger_writer *w, const struct ledger_rows *r);

#endif
