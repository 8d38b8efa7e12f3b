/*
 * Tasks in the ledger, by their names: as JSON, as metrics. One table names every figure.
 *
 * SPDX-License-Identifier: MIT
 */
#include "server/ledger_tasks.h"
#include "server/ledger_rows.h"

#include <inttypes.h>

static const struct ledger_figure figures[] = {
#define FIGURE(member, metric, type, help) LEDGER_FIGURE(weir_ledger_task, member, metric, type, help)
    FIGURE(tasks, "tasks", "gauge", "Tasks that are there."),
    FIGURE(runs, "task_runs_total", "counter", "Runs of tasks that are over."),
    FIGURE(failed, "task_failures_total", "counter", "Those of them that have failed."),
    FIGURE(missed, "task_missed_total", "counter", "Runs that were left out, since the one before took too long."),
};
_Static_assert(offsetof(weir_ledger_task, name) == 0, "see struct ledger_rows");

static struct ledger_rows rows_of(const weir_ledger *ledger)
{
    return (struct ledger_rows){.figures = figures,
                                .figure_count = sizeof figures / sizeof figures[0],
                                .rows = ledger->tasks,
                                .row_size = sizeof ledger->tasks[0],
                                .row_count = ledger->task_count,
                                .label = "task"};
}

void ledger_put_tasks_json(struct ledger_writer *w, const weir_ledger *ledger)
{
    struct ledger_rows rows = rows_of(ledger);
    ledger_put(w, ",\"tasks\":{\"refused\":%" PRIu64 ",\"names\":", ledger->tasks_refused);
    ledger_put_rows_json(w, &rows);
    ledger_put(w, "}");
}

void ledger_put_tasks_metrics(struct ledger_writer *w, const weir_ledger *ledger)
{
    struct ledger_rows rows = rows_of(ledger);
    ledger_put_rows_metrics(w, &rows);
    ledger_put_metric(w, "tasks_refused_total", "counter", "Tasks that max_tasks has refused.");
    ledger_put(w, "weir_tasks_refused_total %" PRIu64 "\n", ledger->tasks_refused);
}
