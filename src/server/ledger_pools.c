/*
 * Pools of connections in the ledger: added up, as JSON, as metrics. One table names every figure.
 *
 * SPDX-License-Identifier: MIT
 */
#include "server/ledger_pools.h"
#include "server/server.h"
#include "web/outgoing/resource.h"

#include <inttypes.h>
#include <stdio.h>

static const struct figure {
    const char *name, *metric, *type, *help;
    size_t offset; /* in weir_ledger_pool */
} figures[] = {
#define FIGURE(member, metric, type, help)                                                                             \
    {                                                                                                                  \
#member, metric, type, help, offsetof(weir_ledger_pool, member)                                                \
    }
    FIGURE(open, "pool_connections", "gauge", "Connections of a pool, taken or idle."),
    FIGURE(idle, "pool_idle", "gauge", "Connections that nobody has."),
    FIGURE(waiting, "pool_waiting", "gauge", "Handlers that wait for a connection."),
    FIGURE(opened, "pool_opened_total", "counter", "Connections that were made."),
    FIGURE(failed, "pool_failed_total", "counter", "Failures to make one."),
    FIGURE(broken, "pool_broken_total", "counter", "Connections given back as broken, or not at all."),
    FIGURE(timed_out, "pool_timed_out_total", "counter", "Waits for a connection that took too long."),
    FIGURE(refused, "pool_refused_total", "counter", "Handlers that did not wait, since too many did."),
    FIGURE(checks_failed, "pool_checks_failed_total", "counter", "Connections that a check has found dead."),
};

#define FIGURES (sizeof figures / sizeof figures[0])

static uint64_t value_of(const weir_ledger_pool *row, const struct figure *f)
{
    uint64_t value;
    memcpy(&value, (const char *)row + f->offset, sizeof value);
    return value;
}

static weir_ledger_pool *pool_row(weir_ledger *ledger, const char *name)
{
    for (size_t i = 0; i < ledger->pool_count; i++)
        if (strcmp(ledger->pools[i].name, name) == 0)
            return &ledger->pools[i];
    if (ledger->pool_count == WEIR_LEDGER_POOLS)
        return &ledger->pools[WEIR_LEDGER_POOLS - 1];
    weir_ledger_pool *row = &ledger->pools[ledger->pool_count++];
    snprintf(row->name, sizeof row->name, "%s", ledger->pool_count == WEIR_LEDGER_POOLS ? "others" : name);
    return row;
}

void ledger_read_pools(weir_server *s, weir_ledger *ledger)
{
    list_for_each (l, &s->connection_pools) {
        weir_pool *p = container_of(l, weir_pool, link);
        resource_pool_read(p, pool_row(ledger, p->name));
    }
}

void ledger_put_pools_json(struct ledger_writer *w, const weir_ledger *ledger)
{
    ledger_put(w, ",\"pools\":[");
    for (size_t i = 0; i < ledger->pool_count; i++) {
        ledger_put(w, i ? ",{\"name\":" : "{\"name\":");
        ledger_put_string(w, ledger->pools[i].name);
        for (size_t f = 0; f < FIGURES; f++)
            ledger_put(w, ",\"%s\":%" PRIu64, figures[f].name, value_of(&ledger->pools[i], &figures[f]));
        ledger_put(w, "}");
    }
    ledger_put(w, "]");
}

void ledger_put_pools_metrics(struct ledger_writer *w, const weir_ledger *ledger)
{
    for (size_t f = 0; f < FIGURES && ledger->pool_count > 0; f++) {
        ledger_put_metric(w, figures[f].metric, figures[f].type, figures[f].help);
        for (size_t i = 0; i < ledger->pool_count; i++) {
            char escaped[LEDGER_LABEL_SIZE];
            ledger_label(ledger->pools[i].name, escaped);
            ledger_put(w, "weir_%s{pool=\"%s\"} %" PRIu64 "\n", figures[f].metric, escaped,
                       value_of(&ledger->pools[i], &figures[f]));
        }
    }
}
