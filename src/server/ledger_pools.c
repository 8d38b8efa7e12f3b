/*
 * Pools of connections in the ledger: added up, as JSON, as metrics. One table names every figure.
 *
 * SPDX-License-Identifier: MIT
 */
#include "server/ledger_pools.h"
#include "server/ledger_rows.h"
#include "server/server.h"
#include "web/outgoing/resource.h"

#include <stdio.h>

static const struct ledger_figure figures[] = {
#define FIGURE(member, metric, type, help) LEDGER_FIGURE(weir_ledger_pool, member, metric, type, help)
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
_Static_assert(offsetof(weir_ledger_pool, name) == 0, "see struct ledger_rows");

static struct ledger_rows rows_of(const weir_ledger *ledger)
{
    return (struct ledger_rows){.figures = figures,
                                .figure_count = sizeof figures / sizeof figures[0],
                                .rows = ledger->pools,
                                .row_size = sizeof ledger->pools[0],
                                .row_count = ledger->pool_count,
                                .label = "pool"};
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
    struct ledger_rows rows = rows_of(ledger);
    ledger_put(w, ",\"pools\":");
    ledger_put_rows_json(w, &rows);
}

void ledger_put_pools_metrics(struct ledger_writer *w, const weir_ledger *ledger)
{
    struct ledger_rows rows = rows_of(ledger);
    ledger_put_rows_metrics(w, &rows);
}
