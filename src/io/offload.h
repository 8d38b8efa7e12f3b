/*
 * A small pool of threads for work that blocks: reading a cold file, a library that knows no other way. Threads are
 * started when there is work and none is free, and end after a quiet time, so that a program that never offloads pays
 * for none.
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
    void *arg;
    int result;
};

struct offload {
    struct lock lock;
    pthread_cond_t wanted, ended;
    struct offload_job *first GUARDED_BY(offload_lock);
    struct offload_job **last GUARDED_BY(offload_lock);
    int threads GUARDED_BY(offload_lock), idle GUARDED_BY(offload_lock);
    int queued GUARDED_BY(offload_lock);    /* jobs that no thread has taken yet */
    uint64_t jobs GUARDED_BY(offload_lock); /* jobs that were ever queued */
    int threads_max;
    size_t stack_size; /* of a thread */
    bool stopping GUARDED_BY(offload_lock);
    struct account account; /* the threads' stacks */
};

void offload_init(struct offload *o, struct memory *m, int threads_max, size_t stack_size);
/* Waits for the jobs that run, and ends the threads; nothing may be queued any more. */
void offload_done(struct offload *o);

/* Queues job (fn, arg, loop, node.fn set; the caller's until node.fn has been called). 0, or WEIR_ENOMEM when no thread
 * can be had. */
int offload_submit(struct offload *o, struct offload_job *job) MUST_CHECK;

struct offload_counts {
    int threads; /* threads now */
    int busy;    /* threads that run a job */
    int queued;  /* jobs that wait for a thread */
    uint64_t jobs;
};
struct offload_counts offload_count(struct offload *o);

/* Runs fn(arg) on another thread and parks the fiber meanwhile, which nothing cuts short. Returns what fn returned, or
 * WEIR_ENOMEM. */
int offload_run(struct offload *o, struct loop *l, int (*fn)(void *arg), void *arg);

#endif
