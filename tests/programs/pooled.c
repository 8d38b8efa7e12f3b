/*
 * A server for the wire tests of offload pools. Each thread of a pool has a record of its own, which says which thread
 * made it and how many jobs it has seen. What starts and stops is told on standard error. `pooled [threads=N]
 * [max_queued=N] [idle_s=N] [at_start=1] [workers=N] [name=NAME]`; a wrong pool is told as the server's errors are.
 *
 * SPDX-License-Identifier: MIT
 */
#include "serving.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { RECORDS = 64 };

/* What the thread of a pool has, as a connection to a database would be. */
struct record {
    pthread_t thread;
    int number, jobs;
};

struct site {
    weir_offload_pool *records; /* of threads with a record each */
    weir_offload_pool *bare;    /* of one thread without */
    _Atomic int started, stopped;
    pthread_mutex_t lock;
    pthread_cond_t opened;
    bool open;
    struct record kept[RECORDS];
};

static void *start_record(void *data)
{
    struct site *site = data;
    int number = atomic_fetch_add(&site->started, 1);
    if (number >= RECORDS)
        return NULL;
    site->kept[number] = (struct record){.thread = pthread_self(), .number = number};
    return &site->kept[number];
}

static void stop_record(void *data, void *thread_data)
{
    struct site *site = data;
    const struct record *record = thread_data;
    bool own = record && pthread_equal(record->thread, pthread_self());
    atomic_fetch_add(&site->stopped, 1);
    fprintf(stderr, "stopped %d after %d jobs%s\n", record ? record->number : -1, record ? record->jobs : -1,
            own ? "" : ", on another thread");
}

struct job {
    struct site *site;
    int number; /* of the record */
    int jobs;   /* jobs of the thread so far */
    bool own;   /* the record is of the thread that runs the job */
};

static int use_record(void *thread_data, void *arg)
{
    struct record *record = thread_data;
    struct job *job = arg;
    job->own = pthread_equal(record->thread, pthread_self());
    job->number = record->number;
    job->jobs = ++record->jobs;
    return 7;
}

static int wait_for_opening(void *thread_data, void *arg)
{
    struct job *job = arg;
    pthread_mutex_lock(&job->site->lock);
    while (!job->site->open)
        pthread_cond_wait(&job->site->opened, &job->site->lock);
    pthread_mutex_unlock(&job->site->lock);
    return use_record(thread_data, arg);
}

static int see_nothing(void *thread_data, void *arg)
{
    return !thread_data && !arg ? 1 : 0;
}

/* The pool's answer: what the call returned, and what the job saw. */
static void run_job(weir_ctx *c, int (*fn)(void *thread_data, void *arg))
{
    struct site *site = weir_server_data(c);
    struct job job = {.site = site, .number = -1};
    int result = weir_offload_to(c, site->records, fn, &job);
    weir_reply_printf(c, "text/plain", "%d %d %d %d", result, job.number, job.jobs, job.own);
}

static void use(weir_ctx *c)
{
    run_job(c, use_record);
}

static void hold(weir_ctx *c)
{
    run_job(c, wait_for_opening);
}

/* Lets those go that hold a thread, now and later on. */
static void open_all(weir_ctx *c)
{
    struct site *site = weir_server_data(c);
    pthread_mutex_lock(&site->lock);
    site->open = true;
    pthread_cond_broadcast(&site->opened);
    pthread_mutex_unlock(&site->lock);
    weir_reply_text(c, "open");
}

static void bare(weir_ctx *c)
{
    const struct site *site = weir_server_data(c);
    weir_reply_printf(c, "text/plain", "%d %d %d", weir_offload_to(c, site->bare, see_nothing, NULL),
                      weir_offload_to(c, NULL, see_nothing, NULL), weir_offload_to(c, site->bare, NULL, NULL));
}

static void show_counts(weir_ctx *c)
{
    struct site *site = weir_server_data(c);
    weir_reply_printf(c, "text/plain", "%d %d", atomic_load(&site->started), atomic_load(&site->stopped));
}

static int number_after(const char *argument, const char *name)
{
    size_t len = strlen(name);
    return strncmp(argument, name, len) == 0 && argument[len] == '=' ? (int)strtol(argument + len + 1, NULL, 10) : 0;
}

int main(int count, char **arguments)
{
    static struct site site = {.lock = PTHREAD_MUTEX_INITIALIZER, .opened = PTHREAD_COND_INITIALIZER};
    weir_config config = {.port = WEIR_ANY, .server_data = &site, .workers = 1};
    weir_offload_pool_config pool = {.name = "records", .start = start_record, .stop = stop_record, .data = &site};
    for (int i = 1; i < count; i++) {
        const char *argument = arguments[i];
        config.workers += number_after(argument, "more_workers");
        pool.threads += number_after(argument, "threads");
        pool.max_queued += number_after(argument, "max_queued");
        pool.idle_s += number_after(argument, "idle_s");
        pool.threads_at_start += number_after(argument, "at_start");
        if (strncmp(argument, "name=", 5) == 0)
            pool.name = argument + 5;
    }
    weir_server *s = weir_server_new(&config);
    site.records = weir_offload_pool_new(s, &pool);
    site.bare = weir_offload_pool_new(s, &(weir_offload_pool_config){.name = "bare"});
    weir_get(s, "/use", use);
    weir_get(s, "/hold", hold);
    weir_get(s, "/open", open_all);
    weir_get(s, "/bare", bare);
    weir_get(s, "/counts", show_counts);
    weir_get(s, "/ledger", weir_ledger_json);
    weir_get(s, "/metrics", weir_ledger_metrics);
    int status = serve(s);
    fprintf(stderr, "started %d, stopped %d\n", atomic_load(&site.started), atomic_load(&site.stopped));
    return status;
}
