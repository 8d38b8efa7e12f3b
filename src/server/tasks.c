/*
 * Tasks that a program asks a server for: who has asked, on which worker each runs, and when again.
 *
 * SPDX-License-Identifier: MIT
 */
#include "server/tasks.h"
#include "http/request_log.h"
#include "server/server.h"
#include "web/task/task.h"

#include <stdio.h>
#include <string.h>

#define RETRY_MS 50 /* after which one that found no memory tries again */

/* What one call has asked for. While it is with its worker, that one's thread alone touches it, but for what is
 * guarded. */
struct job {
    struct list link GUARDED_BY(tasks_lock); /* in tasks.jobs */
    struct list of_worker;                   /* in its worker's jobs; to nowhere until it has come there */
    struct inbox_node node;
    struct timer timer; /* until it begins, anew where there was no memory or some time has passed */
    struct weir_server *server;
    struct worker *worker;
    struct task_row *row;
    weir_task_fn fn;
    void *arg;
    void (*release)(void *arg);
    int period_ms;  /* 0: once */
    int timeout_ms; /* 0: none */
    int wanted;     /* the worker's number from 1 on; 0: any */
    bool at_once, runs;
    uint32_t due; /* tick of the present run, of one that is repeated */
    int result;   /* of fn */
    char name[WEIR_TASK_NAME_SIZE];
};

/* ---- The table ---- */

void tasks_open(weir_server *s)
{
    struct tasks *t = &s->tasks;
    lock_init(&t->lock);
    account_open_shared(&t->account, &s->memory, "tasks", NULL, 0);
    tasks_lock_acquire(&t->lock);
    list_init(&t->jobs);
    tasks_lock_release(&t->lock);
}

/* The row of a name; where there are too many names, one for the rest. */
static struct task_row *row_of(struct tasks *t, const char *name) REQUIRES(tasks_lock)
{
    for (uint32_t i = 0; i < t->row_count; i++)
        if (strcmp(t->rows[i].name, name) == 0)
            return &t->rows[i];
    if (t->row_count == WEIR_LEDGER_TASKS)
        return &t->rows[WEIR_LEDGER_TASKS - 1];
    struct task_row *row = &t->rows[t->row_count++];
    bool last = t->row_count == WEIR_LEDGER_TASKS;
    snprintf(row->name, sizeof row->name, "%s", last ? "others" : name);
    return row;
}

/* Takes a job out of the table; it is over. */
static void job_drop(struct job *j)
{
    struct tasks *t = &j->server->tasks;
    tasks_lock_acquire(&t->lock);
    list_remove(&j->link);
    t->count--;
    j->row->tasks--;
    tasks_lock_release(&t->lock);
    if (j->release)
        j->release(j->arg);
    memory_free(&t->account, j, sizeof *j);
}

/* The first job of the table; NULL: there is none. */
static struct job *first_job(struct tasks *t)
{
    tasks_lock_acquire(&t->lock);
    struct job *j = list_empty(&t->jobs) ? NULL : container_of(t->jobs.next, struct job, link);
    tasks_lock_release(&t->lock);
    return j;
}

static void drop_all(weir_server *s)
{
    struct job *j;
    while ((j = first_job(&s->tasks)))
        job_drop(j);
}

void tasks_done(weir_server *s)
{
    if (!s->tasks.account.memory)
        return;
    tasks_close(s); /* what is released may ask for more */
    drop_all(s);
    account_close(&s->tasks.account);
    lock_done(&s->tasks.lock);
}

void tasks_close(weir_server *s)
{
    tasks_lock_acquire(&s->tasks.lock);
    s->tasks.state = TASKS_CLOSED;
    tasks_lock_release(&s->tasks.lock);
}

/* ---- On the worker's thread ---- */

static void job_over(struct job *j)
{
    list_remove(&j->of_worker);
    timer_cancel(&j->worker->loop.wheel, &j->timer);
    atomic_fetch_sub_explicit(&j->worker->jobs, 1, memory_order_relaxed);
    job_drop(j);
}

static void job_count(struct job *j, uint64_t runs, bool failed, uint64_t missed)
{
    struct tasks *t = &j->server->tasks;
    tasks_lock_acquire(&t->lock);
    j->row->runs += runs;
    j->row->failed += failed;
    j->row->missed += missed;
    tasks_lock_release(&t->lock);
}

/* The next run is due when its time has come, and not before the present. */
static void job_rest(struct job *j)
{
    struct loop *l = &j->worker->loop;
    uint32_t now = loop_now_ms(l), period = (uint32_t)j->period_ms;
    uint64_t missed = 0;
    j->due = tick_after(j->due, period);
    int32_t late = ticks_between(j->due, now);
    if (late > 0) {
        missed = (uint32_t)late / period + 1;
        j->due = tick_after(j->due, (uint32_t)missed * period);
    }
    if (missed > 0)
        job_count(j, 0, false, missed);
    timer_arm(&l->wheel, &j->timer, (uint32_t)ticks_between(now, j->due));
}

static void job_run(weir_ctx *c, void *owner)
{
    struct job *j = owner;
    if (j->timeout_ms > 0)
        (void)weir_set_deadline(c, j->timeout_ms);
    j->result = j->fn(c, j->arg);
}

static void job_ended(void *owner, size_t data, int error)
{
    (void)data;
    struct job *j = owner;
    int result = error ? error : j->result;
    bool ends = j->period_ms == 0 || result == WEIR_EDONE || j->worker->stopping;
    bool failed = result < 0 && (j->period_ms == 0 || result != WEIR_EDONE);
    bool canceled = result == WEIR_ECANCELED && j->worker->stopping;
    j->runs = false;
    if (failed && !canceled && http_may_warn(&j->worker->http))
        log_warn(j->worker->loop.log, "task \"%s\" has failed: %s", j->name, weir_strerror(result));
    job_count(j, 1, failed, 0);
    if (ends)
        job_over(j);
    else
        job_rest(j);
}

static const struct task_kind job_kind = {.run = job_run, .ended = job_ended};

static void job_begin(struct job *j)
{
    struct worker *w = j->worker;
    j->result = 0;
    /* The row's name: the watchdog may look at it when the job has gone. */
    j->runs = task_new(&w->http, &job_kind, j, j->row->name) != NULL;
    if (j->runs)
        return;
    if (w->net.cutting) {
        job_over(j);
    } else if (j->period_ms == 0) {
        timer_arm(&w->loop.wheel, &j->timer, RETRY_MS);
    } else {
        job_count(j, 0, false, 1);
        job_rest(j);
    }
}

static void job_timed(void *owner, struct timer *t)
{
    (void)owner;
    job_begin(container_of(t, struct job, timer));
}

static void job_arrived(struct loop *l, struct inbox_node *node)
{
    struct job *j = container_of(node, struct job, node);
    struct worker *w = j->worker;
    list_push_back(&w->job_list, &j->of_worker);
    j->due = loop_now_ms(l);
    if (j->period_ms == 0 || (j->at_once && !w->stopping))
        job_begin(j);
    else if (w->stopping)
        job_over(j);
    else
        job_rest(j);
}

void tasks_init_worker(struct worker *w, uint8_t timer_kind)
{
    list_init(&w->job_list);
    list_init(&w->web.tasks);
    w->job_timer_kind = timer_kind;
    w->loop.wheel.handlers[timer_kind] = job_timed;
}

void tasks_stop_worker(struct worker *w)
{
    tasks_tell_stop(&w->http);
    list_for_each_safe (link, &w->job_list) {
        struct job *j = container_of(link, struct job, of_worker);
        if (!j->runs && j->period_ms > 0)
            job_over(j);
    }
}

void tasks_cut_worker(struct worker *w)
{
    tasks_cut(&w->http);
    list_for_each_safe (link, &w->job_list) {
        struct job *j = container_of(link, struct job, of_worker);
        if (!j->runs)
            job_over(j);
    }
}

bool tasks_are_left(const struct worker *w)
{
    return atomic_load_explicit(&w->jobs, memory_order_relaxed) > 0 || !list_empty(&w->web.tasks);
}

/* ---- Asking for one ---- */

static struct worker *choose_worker(weir_server *s, int wanted)
{
    if (wanted > 0)
        return &s->workers[wanted - 1];
    struct worker *least = &s->workers[0];
    for (int i = 1; i < s->settings.config.workers; i++)
        if (atomic_load_explicit(&s->workers[i].jobs, memory_order_relaxed) <
            atomic_load_explicit(&least->jobs, memory_order_relaxed))
            least = &s->workers[i];
    return least;
}

/* Sends a job on its way. After the start. */
static void job_send(struct job *j) REQUIRES(tasks_lock)
{
    int workers = j->server->settings.config.workers;
    j->worker = choose_worker(j->server, j->wanted <= workers ? j->wanted : 0);
    j->timer.kind = j->worker->job_timer_kind;
    atomic_fetch_add_explicit(&j->worker->jobs, 1, memory_order_relaxed);
    loop_send(&j->worker->loop, &j->node);
}

void tasks_begin(weir_server *s)
{
    struct tasks *t = &s->tasks;
    tasks_lock_acquire(&t->lock);
    bool closed = t->state == TASKS_CLOSED;
    if (!closed) {
        t->state = TASKS_BEGUN;
        list_for_each_safe (link, &t->jobs)
            job_send(container_of(link, struct job, link));
    }
    tasks_lock_release(&t->lock);
    if (closed)
        drop_all(s);
}

/* Why no more can be taken; 0: one can. */
static int may_add(weir_server *s) REQUIRES(tasks_lock)
{
    struct tasks *t = &s->tasks;
    if (t->state == TASKS_CLOSED)
        return WEIR_ECANCELED;
    if (t->count < (uint32_t)s->settings.config.max_tasks)
        return 0;
    t->refused++;
    return WEIR_EBUSY;
}

static int job_add(struct job *j)
{
    weir_server *s = j->server;
    struct tasks *t = &s->tasks;
    tasks_lock_acquire(&t->lock);
    int error = may_add(s);
    if (!error) {
        t->count++;
        j->row = row_of(t, j->name);
        j->row->tasks++;
        list_push_back(&t->jobs, &j->link);
        if (t->state == TASKS_BEGUN)
            job_send(j);
    }
    tasks_lock_release(&t->lock);
    return error;
}

static int job_ask(weir_server *s, int period_ms, weir_task_fn fn, void *arg, const weir_task_options *options,
                   size_t size)
{
    weir_task_options o = {0};
    if (!s || !fn)
        return WEIR_EINVAL;
    if (options)
        memcpy(&o, options, size < sizeof o ? size : sizeof o);
    if (o.worker < 0 || o.timeout_ms < 0 || (o.at_once != 0 && o.at_once != WEIR_ON && o.at_once != WEIR_OFF))
        return WEIR_EINVAL;
    struct job *j = memory_alloc(&s->tasks.account, sizeof *j);
    if (!j)
        return WEIR_ENOMEM;
    *j = (struct job){.node.fn = job_arrived,
                      .server = s,
                      .fn = fn,
                      .arg = arg,
                      .release = o.release,
                      .period_ms = period_ms,
                      .timeout_ms = o.timeout_ms,
                      .wanted = o.worker,
                      .at_once = o.at_once == WEIR_ON};
    list_init(&j->of_worker);
    snprintf(j->name, sizeof j->name, "%s", o.name ? o.name : "task");
    int error = job_add(j);
    if (error)
        memory_free(&s->tasks.account, j, sizeof *j);
    return error;
}

int weir_spawn_sized(weir_server *s, weir_task_fn fn, void *arg, const weir_task_options *options, size_t options_size)
{
    return job_ask(s, 0, fn, arg, options, options_size);
}

int weir_every_sized(weir_server *s, int ms, weir_task_fn fn, void *arg, const weir_task_options *options,
                     size_t options_size)
{
    return ms < 1 || ms > TIMEOUT_MAX_MS ? WEIR_EINVAL : job_ask(s, ms, fn, arg, options, options_size);
}

/* ---- The ledger ---- */

void ledger_read_tasks(weir_server *s, weir_ledger *ledger)
{
    struct tasks *t = &s->tasks;
    tasks_lock_acquire(&t->lock);
    ledger->tasks_refused = t->refused;
    ledger->task_count = t->row_count;
    for (uint32_t i = 0; i < t->row_count; i++) {
        const struct task_row *row = &t->rows[i];
        weir_ledger_task *task = &ledger->tasks[i];
        memcpy(task->name, row->name, sizeof task->name);
        task->tasks = row->tasks;
        task->runs = row->runs;
        task->failed = row->failed;
        task->missed = row->missed;
    }
    tasks_lock_release(&t->lock);
}
