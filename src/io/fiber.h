/*
 * Fibers: functions with a stack of their own that can be parked in the middle and resumed later, on the same thread. A
 * handler runs on one, so that it can wait in straight-line code. A fiber's record lies at the top of its own stack.
 *
 * A switch saves what the calling convention says a call preserves, nothing else, and makes no system call. An idle
 * fiber has no frames: it is started by a call on its stack, which returns if it has not waited.
 * AddressSanitizer, ThreadSanitizer and Valgrind are told of every switch.
 *
 * The scheduler is two-level: the thread's own stack (main) resumes fibers; a fiber parks to main, never to another
 * fiber.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_IO_FIBER_H
#define WEIR_IO_FIBER_H

#include "base/list.h"
#include "io/deep.h"

#include <stdatomic.h>
#include <stdint.h>

struct fibers;

enum fiber_state {
    FIBER_IDLE,    /* in the pool */
    FIBER_RUNNING, /* on the processor */
    FIBER_PARKED,  /* waits for fiber_wake() */
    FIBER_READY,   /* woken, will be resumed in this turn */
};

struct fiber {
    void *stack_pointer; /* while it does not run; idle: the record itself, under which nothing lies */
    struct list link;    /* in the pool's idle list or the ready list */
    struct fibers *fibers;
    char *stack; /* lowest usable address */
    enum fiber_state state;
    int result;        /* what the waker said */
    bool lean;         /* idle, and its pages were given back */
    bool dead;         /* left for good: what the tools know of its frames is to be forgotten */
    bool pooled;       /* runs, and is still in the idle list: it has not waited */
    const char *label; /* see fiber_label() */
    void *tsan;        /* ThreadSanitizer's record */
    void *asan;        /* AddressSanitizer's fake stack while parked */
    unsigned valgrind; /* Valgrind's stack number */
};

_Static_assert(sizeof(struct fiber) <= 96, "it lies on every stack");

struct fibers {
    struct account *account;
    size_t stack_size; /* usable bytes, the record included */
    struct list idle;  /* least recently used last; the lean ones are the last */
    struct list *lean; /* the first lean one, or &idle */
    struct list ready;
    struct fiber *current;       /* NULL on the thread's own stack */
    _Atomic(const char *) label; /* of the fiber that runs, or ran last; any thread may look */
    void *main_stack_pointer;
    uint32_t total, idle_count, lean_count;
    uint64_t parks;           /* times that one was parked */
    uint32_t promised;        /* least number of fibers that stay, see fibers_promise() */
    uint32_t made;            /* likewise, see fibers_preallocate() */
    uint32_t idle_low;        /* least idle since the last trim */
    uint32_t keep;            /* idle fibers that keep their pages */
    void (*entry)(void *arg); /* what a fiber runs, again and again */
    void *arg;
    const unsigned *locks; /* how many this thread holds */
    struct deep deep;      /* the fibers' deep stack; none until deep_init() */
    void *main_tsan, *main_asan;
    const void *main_stack_bottom; /* AddressSanitizer's view of the thread's stack */
    size_t main_stack_size;
};

/* Makes an empty pool of fibers; stack_size is rounded up to pages. entry(arg) is what each fiber runs when it is
 * started; when entry returns, the fiber is idle. */
void fibers_init(struct fibers *f, struct account *account, size_t stack_size, void (*entry)(void *), void *arg);
/* Frees all fibers, each of which has to be idle or is lost. On the thread that used them. */
void fibers_done(struct fibers *f);

/* Starts an idle fiber, or a new one, on entry, and returns when it parks or ends. False: no memory for a stack. From
 * main only. */
bool fibers_start(struct fibers *f) MUST_CHECK;

/* Resumes every fiber that was ready when called. From main only. True if some are ready again. */
bool fibers_resume_all(struct fibers *f);
static inline bool fibers_resume_ready(struct fibers *f)
{
    return !list_empty(&f->ready) && fibers_resume_all(f);
}

/* Makes idle fibers until there are n, and keeps that many. Returns 0 or WEIR_ENOMEM. */
int fibers_preallocate(struct fibers *f, uint32_t n);

/* Promises that n fibers can live at once, now and until the next call with another n. False: refused, and the promise
 * is what it was. */
bool fibers_promise(struct fibers *f, uint32_t n) MUST_CHECK;

/*
 * Gives back half of the stacks that were not needed since the last call, and the pages of the rest of those; or all
 * that are idle, down to one and to what is promised or was made beforehand. The deep stack likewise, see deep_trim().
 * From main only.
 */
void fibers_trim(struct fibers *f, bool all);

/* Labels the running fiber with what it is about, or with NULL. The text has to stay as long as it is the label. */
static inline void fiber_label(struct fibers *f, const char *label)
{
    f->current->label = label;
    atomic_store_explicit(&f->label, label, memory_order_relaxed);
}

/* Parks the running fiber until fiber_wake(); returns the waker's result. No lock may be held. */
int fiber_park(struct fibers *f);

/* Lets main go on; the running fiber resumes after other ready work. */
void fiber_yield(struct fibers *f);

/* Leaves the running fiber for good: its frames are forgotten and it is idle again. */
void fiber_abandon(struct fibers *f) __attribute__((noreturn));

/* Calls fn(arg) on the deep stack, which has to be ready, and returns what fn returned. fn must not park or yield; it
 * may abandon the fiber. */
int fiber_call_deep(struct fibers *f, int (*fn)(void *arg), void *arg);

/* Makes a parked fiber ready; the first result wins. Returns false, and does nothing, if it is not parked. Same thread
 * only. */
bool fiber_wake(struct fiber *fiber, int result);

#endif
