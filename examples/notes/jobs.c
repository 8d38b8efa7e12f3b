/*
 * A sweep every minute, by all processes of the service: removing what another one has removed does no harm. And a task
 * for each title, which owns what it works on, since the request that wanted it is over by then.
 *
 * SPDX-License-Identifier: MIT
 */
#include "jobs.h"

#include <stdio.h>
#include <stdlib.h>

enum { SWEEP_MS = 30000, TITLE_MS = 15000 }; /* how long each may take */

static int sweep(weir_ctx *c, void *arg)
{
    struct app *app = arg;
    int error, count;
    do
        error = app->store.expire(c, app->store.data, app->settings.keep_s, &count);
    while (!error && count && !weir_stopping(c));
    return error;
}

void jobs_add(weir_server *s, struct app *app)
{
    weir_every(s, app->settings.sweep_ms, sweep, app, &(weir_task_options){.name = "sweep", .timeout_ms = SWEEP_MS});
}

struct title_job {
    struct app *app;
    int64_t id;
    char link[NOTE_LINK_MAX + 1];
};

static int fetch_title(weir_ctx *c, void *arg)
{
    struct title_job *job = arg;
    struct app *app = job->app;
    char title[NOTE_TITLE_MAX + 1];
    int error = app->links.title(c, app->links.data, job->link, title, sizeof title);
    if (!error)
        error = app->store.set_title(c, app->store.data, job->id, job->link, title);
    if (!error)
        cache_forget_note(c, &app->cache, job->id);
    return error == WEIR_ENOENT ? 0 : error; /* a page without a title is no failure of ours */
}

void jobs_fetch_title(weir_ctx *c, const struct note *note)
{
    struct title_job *job = links_may_ask(app_of(c)->settings.hosts, note->link) ? malloc(sizeof *job) : NULL;
    if (!job)
        return;
    *job = (struct title_job){.app = app_of(c), .id = note->id};
    snprintf(job->link, sizeof job->link, "%s", note->link);
    if (weir_spawn(weir_ctx_server(c), fetch_title, job,
                   &(weir_task_options){.name = "title", .timeout_ms = TITLE_MS, .release = free}) != 0)
        free(job);
}
