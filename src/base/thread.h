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
    struct account *account; /* the account that the stack is charged to; NULL: the thread does not run */
    size_t stack_size;       /* of the stack, as it was asked for */
    int error;               /* of the system, why the thread does not run; 0: the account has refused the stack */
};

enum thread_flags {
    THREAD_FAULTS = 1,   /* SIGSEGV and its like stay unblocked: the program's code runs there, whose faults are told */
    THREAD_DETACHED = 2, /* nobody joins the thread, which calls thread_leave() as its last deed */
};

/*
 * The bytes that a thread's stack takes if stack_size of them are to be used: the system puts the thread's own data
 * there, too, that of the program and of its libraries (variables that are __thread or thread_local). Always the same
 * for the same size.
 */
size_t thread_stack_bytes(size_t stack_size);

/*
 * Starts fn(arg) with a stack of which at least stack_size bytes can be used. account has to be a shared one, and
 * outlives the thread; thread_stack_bytes() are charged to it. Returns 0, or WEIR_ENOMEM when the stack is refused or
 * the system has no thread; t is then not running, and t->error says why.
 */
int thread_start(struct thread *t, struct account *account, size_t stack_size, int flags, void *(*fn)(void *arg),
                 void *arg) MUST_CHECK;

struct log;

/* Logs why a thread was not started. then: what that means, after the reason. */
void thread_log_refusal(const struct log *l, int level, const struct thread *t, const char *whose, const char *then);

/* Waits for a thread's end and gives its stack back. Does nothing if the thread does not run. */
void thread_join(struct thread *t);

/* Gives back what a detached thread's stack of stack_size was charged: the thread's own last deed. */
void thread_leave(struct account *account, size_t stack_size);

#endif
