/*
 * Threads of the library: each has a stack of known size, which is charged to an account, and every signal blocked, so
 * that the program's handlers run on the program's own threads.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_BASE_THREAD_H
#define WEIR_BASE_THREAD_H

#include "base/memory.h"

#include <pthread.h>

struct thread {
    pthread_t id;
    struct account *account; /* that its stack is charged to; NULL: it does not run */
    size_t stack_size;
};

enum thread_flags {
    THREAD_FAULTS = 1,   /* SIGSEGV and its like stay unblocked: it runs handlers, whose faults are to be told */
    THREAD_DETACHED = 2, /* nobody joins it: it calls thread_leave() as its last deed */
};

/*
 * Starts fn(arg) with a stack of at least stack_size. account has to be a shared one, and outlives the thread. 0, or
 * WEIR_ENOMEM's value when the stack is refused or the system has no thread; t is then not running.
 */
int thread_start(struct thread *t, struct account *account, size_t stack_size, int flags, void *(*fn)(void *arg),
                 void *arg) MUST_CHECK;

/* Waits for its end and returns its stack. Nothing if it does not run. */
void thread_join(struct thread *t);

/* What a detached thread of stack_size does at its end. */
void thread_leave(struct account *account, size_t stack_size);

#endif
