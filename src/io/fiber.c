/*
 * Fibers: the pool of them, and the scheduler's side of the switch.
 *
 * Idle stacks beyond a mark give their pages back at once, and whole stacks are unmapped by trimming. A fiber that is
 * started stays in the idle list until it waits: most end before that, and nothing has to be moved or counted for them.
 *
 * SPDX-License-Identifier: MIT
 */
#include "io/fiber.h"
#include "io/fiber_switch.h"
#include "weir.h"

#include <string.h>

#ifdef WEIR_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef WEIR_TSAN
#include <sanitizer/tsan_interface.h>
#endif

#define FIBERS_KEEP 16 /* idle fibers that keep their pages */

void fibers_init(struct fibers *f, struct account *account, size_t stack_size, void (*entry)(void *), void *arg)
{
    *f = (struct fibers){.account = account, .entry = entry, .arg = arg, .keep = FIBERS_KEEP};
    f->stack_size = memory_whole_pages(stack_size);
    list_init(&f->idle);
    list_init(&f->ready);
    f->lean = &f->idle;
    f->locks = lock_depth();
#ifdef WEIR_TSAN
    f->main_tsan = __tsan_get_current_fiber();
#endif
}

/* ---- The switch, and what the tools are told of it ---- */

/* The first deed on a stack that has been switched to: tells the tools. */
static inline void switch_arrived(struct fibers *f, struct fiber *self)
{
#ifdef WEIR_ASAN
    if (self)
        __sanitizer_finish_switch_fiber(self->asan, &f->main_stack_bottom, &f->main_stack_size);
    else
        __sanitizer_finish_switch_fiber(f->main_asan, NULL, NULL);
#endif
    (void)f;
    (void)self;
}

/* What comes before a switch from main to a fiber. */
static inline void switch_leave_main(struct fibers *f, struct fiber *to)
{
    debug_assert(f->current == NULL);
    f->current = to;
    to->state = FIBER_RUNNING;
#ifdef WEIR_ASAN
    __sanitizer_start_switch_fiber(&f->main_asan, to->stack, f->stack_size);
#endif
#ifdef WEIR_TSAN
    __tsan_switch_to_fiber(to->tsan, 0);
#endif
}

/* From main to a fiber that has waited; returns when it parks or ends. */
static void switch_to_fiber(struct fibers *f, struct fiber *to)
{
    switch_leave_main(f, to);
    weir_fiber_switch(&f->main_stack_pointer, to->stack_pointer);
    switch_arrived(f, NULL);
}

/* Ends the process: a wait with a lock held would stop the worker for ever, and one on the deep stack would leave
 * frames there that others overwrite. */
static COLD void must_not_wait(const struct fibers *f)
{
    fprintf(stderr, "weir: a handler waits %s\n",
            f->deep.state == DEEP_BUSY ? "in a function that was called by weir_call_deep()" : "while it holds a lock");
    abort();
}

/* No lock may be held where a fiber goes back to main. */
static inline void switch_check(const struct fibers *f)
{
    if (unlikely(*f->locks != 0))
        must_not_wait(f);
}

/* From the running fiber to main; returns when it is resumed. */
static void switch_to_main(struct fibers *f)
{
    struct fiber *self = f->current;
    switch_check(f);
    f->current = NULL;
#ifdef WEIR_ASAN
    __sanitizer_start_switch_fiber(&self->asan, f->main_stack_bottom, f->main_stack_size);
#endif
#ifdef WEIR_TSAN
    __tsan_switch_to_fiber(f->main_tsan, 0);
#endif
    weir_fiber_switch(&self->stack_pointer, f->main_stack_pointer);
    switch_arrived(f, self);
}

/* From the running fiber to main for good; its frames are forgotten. */
static __attribute__((noreturn)) void switch_for_good(struct fibers *f)
{
    struct fiber *self = f->current;
    f->current = NULL;
    self->state = FIBER_IDLE;
    self->dead = true;
#ifdef WEIR_ASAN
    __sanitizer_start_switch_fiber(NULL, f->main_stack_bottom, f->main_stack_size);
#endif
#ifdef WEIR_TSAN
    __tsan_switch_to_fiber(f->main_tsan, 0);
#endif
    weir_fiber_switch(&self->stack_pointer, f->main_stack_pointer);
    __builtin_unreachable();
}

/* A fiber from its start to its end. Returns to enter_fiber() if it has not waited: main has gone on otherwise. */
static void fiber_run(void *arg)
{
    struct fiber *self = arg;
    struct fibers *f = self->fibers;
    switch_arrived(f, self);
    f->entry(f->arg);
    switch_check(f);
    if (unlikely(!self->pooled))
        switch_for_good(f);
    self->state = FIBER_IDLE;
    f->current = NULL;
#ifdef WEIR_ASAN
    __sanitizer_start_switch_fiber(&self->asan, f->main_stack_bottom, f->main_stack_size);
#endif
}

/* From main to an idle fiber; returns when it parks or ends. */
static inline void enter_fiber(struct fibers *f, struct fiber *to)
{
    switch_leave_main(f, to);
    weir_fiber_enter(&f->main_stack_pointer, to->stack_pointer, fiber_run, to);
#ifdef WEIR_TSAN
    if (to->state == FIBER_IDLE && !to->dead) /* the call has returned, on the fiber's record up to here */
        __tsan_switch_to_fiber(f->main_tsan, 0);
#endif
    switch_arrived(f, NULL);
}

/* ---- Stacks ---- */

/* The part of an idle fiber's stack where frames of handlers were. */
static size_t fiber_unused(const struct fiber *fiber)
{
    return (size_t)((char *)fiber->stack_pointer - fiber->stack);
}

#if defined(WEIR_POISON) && !defined(WEIR_ASAN) && !defined(WEIR_TSAN)
#define FORGOTTEN_MOST ((size_t)8 * 1024) /* of a stack that is overwritten: where the frames of handlers are */
#endif

/* Overwrites a stack that has been given back: the address of a handler's local variable has no meaning any more. */
static void fiber_forget(struct fiber *fiber)
{
    size_t unused = fiber_unused(fiber);
#ifdef FORGOTTEN_MOST
    size_t most = unused < FORGOTTEN_MOST ? unused : FORGOTTEN_MOST;
    memset(fiber->stack + unused - most, POISON_BYTE, most);
#endif
    memory_poison(fiber->stack, unused);
}

static void fiber_reset(struct fiber *fiber)
{
    memory_unpoison(fiber->stack, (size_t)((char *)fiber - fiber->stack));
    fiber->stack_pointer = fiber;
    fiber->state = FIBER_IDLE;
    fiber->asan = NULL;
    fiber->dead = false;
#ifdef WEIR_TSAN
    if (fiber->tsan)
        __tsan_destroy_fiber(fiber->tsan);
    fiber->tsan = __tsan_create_fiber(0);
#endif
}

static struct fiber *fiber_new(struct fibers *f)
{
    struct stack mapped;
    if (!stack_map(&mapped, f->account, f->stack_size))
        return NULL;
    char *stack = mapped.base;
    /* The record's place varies a little from stack to stack, or all of them would compete for the same cache lines. */
    size_t colour = (f->total % 16) * 64;
    size_t record = (sizeof(struct fiber) + 63) & ~(size_t)63;
    struct fiber *fiber = (struct fiber *)(void *)(stack + f->stack_size - record - colour);
    *fiber = (struct fiber){.fibers = f, .stack = stack, .valgrind = mapped.valgrind};
    list_init(&fiber->link);
    fiber_reset(fiber);
    f->total++;
    return fiber;
}

static void fiber_free(struct fiber *fiber)
{
    struct fibers *f = fiber->fibers;
    struct stack mapped = {.base = fiber->stack, .size = f->stack_size, .valgrind = fiber->valgrind};
#ifdef WEIR_TSAN
    __tsan_destroy_fiber(fiber->tsan);
#endif
    stack_unmap(&mapped, f->account);
    f->total--;
}

/* Gives back all pages but those that hold the record and the first frames. */
static void fiber_make_lean(struct fiber *fiber)
{
    stack_release(fiber->stack, fiber_unused(fiber));
    fiber->lean = true;
}

/* ---- The pool ---- */

/* The least recently used warm fiber gives back its pages. */
static void fibers_slim(struct fibers *f)
{
    f->lean = f->lean->prev;
    f->lean_count++;
    struct fiber *fiber = container_of(f->lean, struct fiber, link);
    weir_assert(!fiber->pooled);
    fiber_make_lean(fiber);
}

/* Puts a fiber first in the idle list; beyond the mark the least recently used warm one gives back its pages. */
static void fibers_insert(struct fibers *f, struct fiber *fiber)
{
    fiber_forget(fiber);
    list_push_front(&f->idle, &fiber->link);
    f->idle_count++;
    if (f->idle_count - f->lean_count > f->keep)
        fibers_slim(f);
}

/* Takes a fiber out of the idle list, from one of its ends. */
static struct fiber *fibers_extract(struct fibers *f, struct list *l)
{
    struct fiber *fiber = container_of(l, struct fiber, link);
    if (l == f->lean)
        f->lean = l->next;
    list_remove(l);
    memory_unpoison(fiber->stack, fiber_unused(fiber));
    f->idle_count--;
    f->lean_count -= fiber->lean;
    fiber->lean = false;
    return fiber;
}

/* The running fiber is about to wait, or others are to be put into the pool: it does not count as idle any more. */
static void fiber_leave_pool(struct fibers *f)
{
    struct fiber *self = f->current;
    if (!self || !self->pooled)
        return;
    self->pooled = false;
    if (&self->link == f->lean)
        f->lean = self->link.next;
    list_remove(&self->link);
    f->idle_count--;
    account_take(f->account, f->stack_size);
}

/* The first idle fiber, or a new one; it stays in the list. */
static struct fiber *fibers_take(struct fibers *f)
{
    if (unlikely(list_empty(&f->idle))) {
        struct fiber *fiber = fiber_new(f);
        if (!fiber)
            return NULL;
        list_push_front(&f->idle, &fiber->link);
        f->idle_count++;
    }
    struct fiber *fiber = container_of(f->idle.next, struct fiber, link);
    if (unlikely(fiber->lean)) {
        f->lean = fiber->link.next;
        f->lean_count--;
        fiber->lean = false;
    }
    memory_unpoison(fiber->stack, fiber_unused(fiber));
    fiber->pooled = true;
    if (f->idle_count <= f->idle_low)
        f->idle_low = f->idle_count - 1;
    return fiber;
}

int fibers_preallocate(struct fibers *f, uint32_t n)
{
    while (f->idle_count < n) {
        struct fiber *fiber = fiber_new(f);
        if (!fiber)
            return WEIR_ENOMEM;
        fibers_insert(f, fiber);
    }
    if (f->made < n)
        f->made = n;
    return 0;
}

bool fibers_promise(struct fibers *f, uint32_t n)
{
    if (f->total < n)
        fiber_leave_pool(f);
    while (f->total < n) {
        struct fiber *fiber = fiber_new(f);
        if (!fiber)
            return false;
        fibers_insert(f, fiber);
    }
    f->promised = n;
    return true;
}

void fibers_trim(struct fibers *f, bool all)
{
    /* The last one stays: something always has to run, also when the system has nothing left to make another from. */
    uint32_t least = f->promised > f->made ? f->promised : f->made;
    if (least == 0)
        least = 1;
    uint32_t spare = all ? f->idle_count : f->idle_low;
    if (!all)
        spare = (spare + 1) / 2;
    if (!all && spare == f->idle_count && spare > 0)
        spare--;                   /* the last idle one stays, too, while others wait */
    uint32_t rested = f->idle_low; /* the last so many of the list were not needed */
    for (; spare > 0 && f->total > least; spare--) {
        fiber_free(fibers_extract(f, f->idle.prev));
        rested -= rested > 0;
    }
    while (f->lean_count < rested && f->lean_count < f->idle_count)
        fibers_slim(f);
    f->idle_low = f->idle_count;
    deep_trim(&f->deep, all);
}

void fibers_done(struct fibers *f)
{
    deep_done(&f->deep);
    while (f->idle_count > 0)
        fiber_free(fibers_extract(f, f->idle.prev));
}

/* ---- The scheduler ---- */

/* Puts a fiber that is idle after a switch back to main into the pool. */
static inline void fibers_settle(struct fibers *f, struct fiber *fiber)
{
    if (fiber->state != FIBER_IDLE)
        return;
    if (unlikely(fiber->dead))
        fiber_reset(fiber);
    fiber->label = NULL;
    if (likely(fiber->pooled)) {
        fiber->pooled = false;
        fiber_forget(fiber);
    } else {
        account_give(f->account, f->stack_size);
        fibers_insert(f, fiber);
    }
}

bool fibers_start(struct fibers *f)
{
    struct fiber *fiber = fibers_take(f);
    if (!fiber)
        return false;
    enter_fiber(f, fiber);
    fibers_settle(f, fiber);
    return true;
}

bool fibers_resume_all(struct fibers *f)
{
    struct list now;
    list_init(&now);
    list_splice_back(&now, &f->ready);
    struct list *l;
    while ((l = list_pop_front(&now))) {
        struct fiber *fiber = container_of(l, struct fiber, link);
        atomic_store_explicit(&f->label, fiber->label, memory_order_relaxed);
        switch_to_fiber(f, fiber);
        fibers_settle(f, fiber);
    }
    return !list_empty(&f->ready);
}

int fiber_park(struct fibers *f)
{
    struct fiber *self = f->current;
    self->state = FIBER_PARKED;
    f->parks++;
    fiber_leave_pool(f);
    switch_to_main(f);
    return self->result;
}

void fiber_yield(struct fibers *f)
{
    struct fiber *self = f->current;
    self->state = FIBER_READY;
    fiber_leave_pool(f);
    list_push_back(&f->ready, &self->link);
    switch_to_main(f);
}

bool fiber_wake(struct fiber *fiber, int result)
{
    if (fiber->state != FIBER_PARKED)
        return false;
    fiber->state = FIBER_READY;
    fiber->result = result;
    list_push_back(&fiber->fibers->ready, &fiber->link);
    return true;
}

void fiber_abandon(struct fibers *f)
{
    if (f->deep.state == DEEP_BUSY) {
        weir_assert(*lock_depth() == 1); /* the call itself */
        deep_leave(&f->deep);            /* fiber_call_deep() goes on here */
    }
    weir_assert(*lock_depth() == 0);
    switch_for_good(f);
}

int fiber_call_deep(struct fibers *f, int (*fn)(void *arg), void *arg)
{
    int result = deep_call(&f->deep, fn, arg);
    if (unlikely(f->deep.state == DEEP_LEFT)) {
        deep_reset(&f->deep);
        fiber_abandon(f);
    }
    return result;
}
