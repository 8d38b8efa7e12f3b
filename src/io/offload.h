/*
 * A small pool of threads for work that blocks: reading a cold file, a library that knows no other way. Threads are
 * started when there is work and none is free, and end after a quiet time, so that a program that never offloads pays
 * for none. Each thread can have data of its own, made when it begins.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_IO_OFFLOAD_H
#define WEIR_IO_OFFLOAD_H

#include "base/lock.h"
#include "io/loop.h"

#define OFFLOAD_KEEP ((size_t)64 * 1024) /* bytes at the top of a thread's stack whose pages stay between jobs */

LOCK_ROLE(offload_lock)

struct offload_job {
    struct inbox_node node; /* how the job comes back; node.fn runs on loop when the work is done */
    struct offload_job *next GUARDED_BY(offload_lock);
    struct loop *loop;
    int (*fn)(void *arg);
    int (*fn_of_thread)(void *thread_data, void *arg); /* in place of fn, which is NULL then */
    void *arg;
    int result;
};

struct offload_config {
    int threads_max;
    size_t stack_size; /* of a thread */
    int idle_s;        /* seconds without a job after which a thread ends; OFFLOAD_STAYS: none does */
    int queued_max;    /* jobs that may wait for a thread; 0: any number */
    void *(*start)(void *data);
    void (*stop)(void *data, void *thread_data);
    void *data;
};

#define OFFLOAD_STAYS        (-1)
#define OFFLOAD_IDLE_SECONDS 10 /* of the pool that every server has */

struct offload {
    struct lock lock;
    pthread_cond_t wanted, ended;
    struct offload_job *first GUARDED_BY(offload_lock);
    struct offload_job **last GUARDED_BY(offload_lock);
    int threads GUARDED_BY(offload_lock), idle GUARDED_BY(offload_lock);
    int starting GUARDED_BY(offload_lock);     /* threads that have not looked for their first job yet */
    int queued GUARDED_BY(offload_lock);       /* jobs that no thread has taken yet */
    uint64_t jobs GUARDED_BY(offload_lock);    /* jobs that were ever queued */
    uint64_t refused GUARDED_BY(offload_lock); /* jobs that were not, since queued_max of them waited */
    struct offload_config config;
    bool stopping GUARDED_BY(offload_lock);
    struct account account; /* the threads' stacks */
};

/* config is copied; its stack_size is rounded up to whole pages. */
void offload_init(struct offload *o, struct memory *m, const struct offload_config *config);
/* Starts all threads that there may be, whose start() need not have returned yet. 0, or WEIR_ENOMEM: one could not be
 * had. */
int offload_start_all(struct offload *o) MUST_CHECK;
/* Waits for the jobs that run, and ends the threads; nothing may be queued any more. */
void offload_done(struct offload *o);

/* Queues job (fn, arg, loop, node.fn set; the caller's until node.fn has been called). 0, WEIR_ENOMEM when no thread
 * can be had, or WEIR_EBUSY when queued_max jobs wait. */
int offload_submit(struct offload *o, struct offload_job *job) MUST_CHECK;

struct offload_counts {
    int threads; /* threads now */
    int busy;    /* threads that run a job, or start */
    int queued;  /* jobs that wait for a thread */
    uint64_t jobs;
    uint64_t refused;
};
struct offload_counts offload_count(struct offload *o);

/* Runs fn(arg) on another thread and parks the fiber meanwhile, which nothing cuts short. Returns what fn returned, or
 * WEIR_ENOMEM. */
int offload_run(struct offload *o, struct loop *l, int (*fn)(void *arg), void *arg);
/* offload_run() for a function that uses the thread's data; WEIR_EBUSY as well. */
int offload_run_of_thread(struct offload *o, struct loop *l, int (*fn)(void *thread_data, void *arg), void *arg);

#endif
