/*
 * Rows of the ledger, written.
 *
 * SPDX-License-Identifier: MIT
 */
#include "server/ledger_rows.h"

#include <inttypes.h>
#include <string.h>

uint64_t ledger_figure_value(const void *structure, const struct ledger_figure *f)
{
    uint64_t value;
    memcpy(&value, (const char *)structure + f->offset, sizeof value);
    return value;
}

static const char *row_of(const struct ledger_rows *r, size_t i)
{
    return (const char *)r->rows + i * r->row_size;
}

void ledger_put_rows_json(struct ledger_writer *w, const struct ledger_rows *r)
{
    ledger_put(w, "[");
    for (size_t i = 0; i < r->row_count; i++) {
        ledger_put(w, i ? ",{\"name\":" : "{\"name\":");
        ledger_put_string(w, row_of(r, i));
        for (const struct ledger_figure *f = r->figures; f < r->figures + r->figure_count; f++)
            ledger_put(w, ",\"%s\":%" PRIu64, f->name, ledger_figure_value(row_of(r, i), f));
        ledger_put(w, "}");
    }
    ledger_put(w, "]");
}

void ledger_put_rows_metrics(struct ledger_writer *w, const struct ledger_rows *r)
{
    char name[LEDGER_LABEL_SIZE];
    for (const struct ledger_figure *f = r->figures; f < r->figures + r->figure_count && r->row_count > 0; f++) {
        ledger_put_metric(w, f->metric, f->type, f->help);
        for (size_t i = 0; i < r->row_count; i++) {
            ledger_label(row_of(r, i), name);
            ledger_put(w, "weir_%s{%s=\"%s\"} %" PRIu64 "\n", f->metric, r->label, name,
                       ledger_figure_value(row_of(r, i), f));
        }
    }
}
