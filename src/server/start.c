/*
 * Starting a server.
 *
 * SPDX-License-Identifier: MIT
 */
#include "server/start.h"
#include "base/log.h"
#include "server/caches.h"
#include "server/offload_pools.h"
#include "server/plan.h"
#include "server/route_times.h"
#include "server/routes.h"
#include "server/server.h"
#include "server/shares.h"
#include "server/sockets.h"
#include "server/state.h"
#include "server/tls.h"
#include "server/watchdog.h"

#include <string.h>

COLD int start_refuse(weir_server *s, int error)
{
    state_fail(s);
    return error;
}

/* Logs each line of the errors. */
static COLD void start_log_errors(const weir_server *s)
{
    const char *line = s->site.errors;
    while (*line) {
        const char *end = strchr(line, '\n');
        log_error(&s->log, "%.*s", (int)(end - line), line);
        line = end + 1;
    }
}

/* Returns how many were started. */
static int start_threads(weir_server *s)
{
    int started = 0;
    while (started < s->settings.config.workers) {
        struct worker *w = &s->workers[started];
        if (thread_start(&w->thread, &s->thread_account, WORKER_STACK_SIZE, THREAD_FAULTS, worker_main, w) != 0) {
            thread_log_refusal(&s->log, WEIR_LOG_ERROR, &w->thread, "a worker", "");
            break;
        }
        started++;
        state_worker_started(s);
    }
    return started;
}

static int start_error(const weir_server *s, int started)
{
    for (int i = 0; i < started; i++)
        if (s->workers[i].error)
            return s->workers[i].error;
    return WEIR_ENOMEM; /* a thread could not be had */
}

/* Waits until every worker has set up. 0, or an error after which all have ended. */
static int start_await_workers(weir_server *s, int started)
{
    bool complete = started == s->settings.config.workers;
    if (state_await_ready(s, started, complete))
        return 0;
    for (int i = 0; i < started; i++)
        thread_join(&s->workers[i].thread);
    for (int i = 0; i < started; i++)
        worker_drop_inbox(&s->workers[i]);
    int error = start_error(s, started);
    if (complete) /* else it has been told why */
        log_error(&s->log, "the server cannot start: %s", weir_strerror(error));
    return error;
}

int start_prepare(weir_server *s)
{
    settings_complete(&s->settings);
    plan_check_limit(s);
    shares_check_bodies(s);
    if (s->site.errors_len > 0) {
        start_log_errors(s);
        return WEIR_EINVAL;
    }
    size_t workers = (size_t)s->settings.config.workers;
    routes_count(s);
    s->workers_size = workers * sizeof *s->workers;
    s->workers = memory_alloc(&s->account, s->workers_size);
    if (s->workers) /* before anything can fail: what is not there is told by that when all is freed */
        memset(s->workers, 0, s->workers_size);
    if (!s->workers || route_times_open(s) != 0 || site_seal(&s->site) != 0)
        return WEIR_ENOMEM;
    site_number_memories(&s->site, s->settings.http.memories, s->settings.http.memory_count);
    shares_open_bodies(s);
    shares_open_compression(s);
    if (caches_make_own(s) != 0)
        return WEIR_ENOMEM;
    for (size_t i = 0; i < workers; i++)
        worker_init(&s->workers[i], s, (int)i);
    int error = admin_start(s);
    return error ? error : offload_pools_start(s);
}

int weir_server_start(weir_server *s)
{
    if (!s)
        return WEIR_ENOMEM; /* which is why there is none */
    if (!state_begin(s))
        return WEIR_EINVAL;
    int error = start_prepare(s);
    if (error)
        return start_refuse(s, error);
    error = shares_make_addresses(s);
    if (!error)
        error = sockets_open(s);
    if (!error)
        error = start_await_workers(s, start_threads(s));
    if (error) {
        sockets_close(s);
        return start_refuse(s, error);
    }
    sockets_log(s);
    tasks_begin(s);
    watchdog_start(s);
    tls_watch(s);
    return 0;
}
