/*
 * The deep stack: one large stack of a worker, on which its fibers call functions that need more than a fiber's stack
 * and do not wait, such as a recursive parser of what a client has sent. Because they do not wait, one is enough for
 * all fibers.
 *
 * The stack is mapped by the first call, and unmapped when a second has passed without one; meanwhile pages beyond
 * DEEP_KEEP are given back once a second. So a server that calls nothing there pays nothing, and one deep call leaves
 * nothing behind.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_IO_DEEP_H
#define WEIR_IO_DEEP_H

#include "io/stack.h"

#define DEEP_KEEP ((size_t)64 * 1024) /* bytes at the top whose pages a stack keeps that is called on each second */

enum deep_state {
    DEEP_UNMAPPED,
    DEEP_IDLE, /* mapped, and nothing runs on it */
    DEEP_BUSY, /* a function runs on it */
    DEEP_LEFT, /* a function that ran on it was left for good: its frames have to be laid out anew */
};

struct deep {
    struct account *account;
    size_t size;
    struct stack stack;
    enum deep_state state;
    bool used;           /* since the last trim */
    void *stack_pointer; /* while it is not busy */
    void *caller;        /* stack pointer of who called, while it is busy */
    int (*fn)(void *arg);
    void *arg;
    int result;
    void *tsan, *caller_tsan;  /* ThreadSanitizer's records */
    void *asan;                /* AddressSanitizer's fake stack between two calls */
    const void *caller_bottom; /* AddressSanitizer's view of the caller's stack */
    size_t caller_size;
};

/* Makes a deep stack that is not mapped yet; size is rounded up to pages. account: of the stack, which counts as in use
 * while it is busy. */
void deep_init(struct deep *d, struct account *account, size_t size);
/* Unmaps the stack, on which nothing may run. Does nothing if d was never initialised. */
void deep_done(struct deep *d);

/* Maps the stack if it is not. False: no memory for it. */
bool deep_ready(struct deep *d) MUST_CHECK;

/*
 * Calls fn(arg) on the stack, which has to be ready, and returns what fn returned; where it is busy already, on the
 * caller's own. The state is DEEP_LEFT after fn was left by deep_leave(): deep_reset() is needed then, and the result
 * means nothing.
 */
int deep_call(struct deep *d, int (*fn)(void *arg), void *arg);

/* Leaves the frames of the function that runs on the stack, and calls this, for good: deep_call() returns. */
void deep_leave(struct deep *d) __attribute__((noreturn));
void deep_reset(struct deep *d);

/* Once a second: unmaps the stack if it was not called on since, or all: at once; else gives back its deeper pages. */
void deep_trim(struct deep *d, bool all);

#endif
