/*
 * Offload threads.
 *
 * SPDX-License-Identifier: MIT
 */
#include "io/offload.h"
#include "base/thread.h"
#include "io/overflow.h"
#include "weir.h"

#include <errno.h>
#include <time.h>

void offload_init(struct offload *o, struct memory *m, const struct offload_config *config)
{
    *o = (struct offload){.config = *config, .last = &o->first};
    o->config.stack_size = memory_whole_pages(config->stack_size);
    lock_init(&o->lock);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    weir_assert(pthread_cond_init(&o->wanted, &attributes) == 0 && pthread_cond_init(&o->ended, NULL) == 0);
    pthread_condattr_destroy(&attributes);
    account_open_shared(&o->account, m, "offload threads", NULL, 0);
}

void offload_done(struct offload *o)
{
    offload_lock_acquire(&o->lock);
    o->stopping = true;
    pthread_cond_broadcast(&o->wanted);
    while (o->threads > 0)
        pthread_cond_wait(&o->ended, &o->lock.mutex);
    offload_lock_release(&o->lock);
    account_close(&o->account);
    pthread_cond_destroy(&o->wanted);
    pthread_cond_destroy(&o->ended);
    lock_done(&o->lock);
}

/* The lowest address of the calling thread's stack; NULL where the system does not tell. */
static char *stack_bottom(void)
{
    pthread_attr_t attributes;
    void *bottom = NULL;
    size_t size;
    if (pthread_getattr_np(pthread_self(), &attributes) != 0)
        return NULL;
    if (pthread_attr_getstack(&attributes, &bottom, &size) != 0)
        bottom = NULL;
    pthread_attr_destroy(&attributes);
    return bottom;
}

/* Gives back the pages of the stack beyond OFFLOAD_KEEP that jobs have touched. When the thread has nothing to do, so
 * that nobody waits for it. */
static void offload_slim(char *stack)
{
    size_t unused = stack ? (size_t)((char *)__builtin_frame_address(0) - stack) : 0;
    if (unused > OFFLOAD_KEEP)
        stack_release(stack, unused - OFFLOAD_KEEP);
}

/* Waits until a thread is wanted, or until the time. 0 or ETIMEDOUT. */
static int offload_await(struct offload *o, const struct timespec *until) REQUIRES(offload_lock)
{
    return o->config.idle_s == OFFLOAD_STAYS ? pthread_cond_wait(&o->wanted, &o->lock.mutex)
                                             : pthread_cond_timedwait(&o->wanted, &o->lock.mutex, until);
}

/* The next job, or NULL when the thread should end. stack: the lowest address of its stack. */
static struct offload_job *offload_next(struct offload *o, char *stack) REQUIRES(offload_lock)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += o->config.idle_s;
    int late = 0;
    o->idle++;
    if (!o->first && !o->stopping) { /* the thread counts as idle already: a job that comes meanwhile needs no other */
        offload_lock_release(&o->lock);
        offload_slim(stack);
        offload_lock_acquire(&o->lock);
    }
    while (!o->first && !o->stopping && late != ETIMEDOUT)
        late = offload_await(o, &until);
    o->idle--;
    struct offload_job *job = o->first;
    if (job) {
        o->queued--;
        o->first = job->next;
        if (!o->first)
            o->last = &o->first;
    }
    return job;
}

/* The jobs of one thread, from its start() to its stop(). first: the thread has just been started. */
static void offload_work(struct offload *o, char *stack, bool first) REQUIRES(offload_lock)
{
    const struct offload_config *config = &o->config;
    struct offload_job *job;
    void *data = NULL;
    if (config->start) {
        offload_lock_release(&o->lock);
        data = config->start(config->data);
        offload_lock_acquire(&o->lock);
    }
    if (first)
        o->starting--;
    while ((job = offload_next(o, stack))) {
        offload_lock_release(&o->lock);
        job->result = job->fn ? job->fn(job->arg) : job->fn_of_thread(data, job->arg);
        loop_send(job->loop, &job->node);
        offload_lock_acquire(&o->lock);
    }
    if (config->stop) {
        offload_lock_release(&o->lock);
        config->stop(config->data, data);
        offload_lock_acquire(&o->lock);
    }
}

static void *offload_thread(void *arg)
{
    struct offload *o = arg;
    char *stack = stack_bottom();
    overflow_watch_thread(stack, o->config.stack_size, &o->account);
    offload_lock_acquire(&o->lock);
    offload_work(o, stack, true);
    while (o->first) /* jobs that came while the thread stopped may have been refused another one */
        offload_work(o, stack, false);
    overflow_unwatch();
    o->threads--;
    thread_leave(&o->account, o->config.stack_size);
    pthread_cond_signal(&o->ended);
    offload_lock_release(&o->lock);
    return NULL;
}

static bool offload_start_thread(struct offload *o) REQUIRES(offload_lock)
{
    struct thread thread;
    size_t stack_size = o->config.stack_size;
    if (thread_start(&thread, &o->account, stack_size, THREAD_DETACHED | THREAD_FAULTS, offload_thread, o) != 0)
        return false;
    o->threads++;
    o->starting++;
    return true;
}

int offload_start_all(struct offload *o)
{
    bool started = true;
    offload_lock_acquire(&o->lock);
    while (o->threads < o->config.threads_max && started)
        started = offload_start_thread(o);
    offload_lock_release(&o->lock);
    return started ? 0 : WEIR_ENOMEM;
}

/* Whether a job may be queued: 0, or why not. Starts a thread for it where none is free. */
static int offload_admit(struct offload *o) REQUIRES(offload_lock)
{
    const struct offload_config *config = &o->config;
    int ahead = o->queued - o->idle - o->starting; /* a thread that has been signalled counts as idle until it runs */
    if (ahead < 0 || (o->threads < config->threads_max && offload_start_thread(o)))
        return 0;
    if (o->threads == 0)
        return WEIR_ENOMEM;
    if (config->queued_max == 0 || ahead < config->queued_max)
        return 0;
    o->refused++;
    return WEIR_EBUSY;
}

int offload_submit(struct offload *o, struct offload_job *job)
{
    offload_lock_acquire(&o->lock);
    job->next = NULL;
    int error = offload_admit(o);
    if (!error) {
        *o->last = job;
        o->last = &job->next;
        o->queued++;
        o->jobs++;
        pthread_cond_signal(&o->wanted);
    }
    offload_lock_release(&o->lock);
    return error;
}

struct offload_counts offload_count(struct offload *o)
{
    offload_lock_acquire(&o->lock);
    struct offload_counts counts = {.threads = o->threads,
                                    .busy = o->threads - o->idle,
                                    .queued = o->queued,
                                    .jobs = o->jobs,
                                    .refused = o->refused};
    offload_lock_release(&o->lock);
    return counts;
}

struct offload_wait {
    struct offload_job job;
    struct fiber *fiber;
    bool done;
};

static void offload_finished(struct loop *l, struct inbox_node *node)
{
    (void)l;
    struct offload_wait *wait = container_of(node, struct offload_wait, job.node);
    wait->done = true;
    fiber_wake(wait->fiber, 0);
}

/* Queues the job of wait, whose functions and arg are set, and parks the fiber until it is done. */
static int offload_wait(struct offload *o, struct loop *l, struct offload_wait *wait)
{
    wait->job.node.fn = offload_finished;
    wait->job.loop = l;
    wait->fiber = l->fibers.current;
    int error = offload_submit(o, &wait->job);
    if (error)
        return error;
    /* The job lies on this stack, so that nothing but its end may let the fiber go on. */
    while (!wait->done)
        (void)fiber_park(&l->fibers);
    return wait->job.result;
}

int offload_run(struct offload *o, struct loop *l, int (*fn)(void *arg), void *arg)
{
    struct offload_wait wait = {.job = {.fn = fn, .arg = arg}};
    return offload_wait(o, l, &wait);
}

int offload_run_of_thread(struct offload *o, struct loop *l, int (*fn)(void *thread_data, void *arg), void *arg)
{
    struct offload_wait wait = {.job = {.fn_of_thread = fn, .arg = arg}};
    return offload_wait(o, l, &wait);
}
