/*
 * Calling functions on the deep stack.
 *
 * A call counts as a lock that is held (base/lock.h): every switch to the scheduler looks whether one is, and so
 * refuses a function that waits on the deep stack without a test of its own.
 *
 * SPDX-License-Identifier: MIT
 */
#include "io/deep.h"
#include "io/fiber_switch.h"

#ifdef WEIR_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef WEIR_TSAN
#include <sanitizer/tsan_interface.h>
#endif

void deep_init(struct deep *d, struct account *account, size_t size)
{
    *d = (struct deep){.account = account, .size = memory_whole_pages(size)};
}

/* ---- The switch, and what the tools are told of it ---- */

/* Called first thing on the deep stack. */
static inline void deep_arrived(struct deep *d)
{
#ifdef WEIR_ASAN
    __sanitizer_finish_switch_fiber(d->asan, &d->caller_bottom, &d->caller_size);
#endif
    (void)d;
}

/* From the deep stack to its caller; returns at the next call, unless for_good. */
static void switch_to_caller(struct deep *d, bool for_good)
{
#ifdef WEIR_ASAN
    __sanitizer_start_switch_fiber(for_good ? NULL : &d->asan, d->caller_bottom, d->caller_size);
#endif
#ifdef WEIR_TSAN
    __tsan_switch_to_fiber(d->caller_tsan, 0);
#endif
    (void)for_good;
    weir_fiber_switch(&d->stack_pointer, d->caller);
}

/* From a fiber to the deep stack; returns when the function has. */
static void switch_to_deep(struct deep *d)
{
#ifdef WEIR_ASAN
    void *fake;
    __sanitizer_start_switch_fiber(&fake, d->stack.base, d->stack.size);
#endif
#ifdef WEIR_TSAN
    d->caller_tsan = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(d->tsan, 0);
#endif
    weir_fiber_switch(&d->caller, d->stack_pointer);
#ifdef WEIR_ASAN
    __sanitizer_finish_switch_fiber(fake, NULL, NULL);
#endif
}

/* ---- The stack ---- */

static void deep_run(void *arg)
{
    struct deep *d = arg;
    for (;;) {
        deep_arrived(d);
        d->result = d->fn(d->arg);
        switch_to_caller(d, false);
    }
}

/* The part of the stack that holds functions' frames while it is busy, and nothing while it is not. */
static size_t deep_unused(const struct deep *d)
{
    return (size_t)((char *)d->stack_pointer - d->stack.base);
}

void deep_reset(struct deep *d)
{
    memory_unpoison(d->stack.base, d->stack.size);
    d->stack_pointer = fiber_switch_prepare(d->stack.base + d->stack.size, deep_run, d);
    memory_poison(d->stack.base, deep_unused(d));
    d->state = DEEP_IDLE;
    d->asan = NULL;
#ifdef WEIR_TSAN
    if (d->tsan)
        __tsan_destroy_fiber(d->tsan);
    d->tsan = __tsan_create_fiber(0);
#endif
}

bool deep_ready(struct deep *d)
{
    if (likely(d->state != DEEP_UNMAPPED))
        return true;
    if (!d->account || !stack_map(&d->stack, d->account, d->size))
        return false;
    deep_reset(d);
    return true;
}

static void deep_unmap(struct deep *d)
{
#ifdef WEIR_TSAN
    __tsan_destroy_fiber(d->tsan);
    d->tsan = NULL;
#endif
    stack_unmap(&d->stack, d->account);
    d->state = DEEP_UNMAPPED;
}

void deep_done(struct deep *d)
{
    if (d->state != DEEP_UNMAPPED)
        deep_unmap(d);
}

void deep_trim(struct deep *d, bool all)
{
    if (d->state == DEEP_UNMAPPED)
        return;
    if (all || !d->used) {
        deep_unmap(d);
        return;
    }
    d->used = false;
    size_t unused = deep_unused(d);
    if (unused > DEEP_KEEP)
        stack_release(d->stack.base, unused - DEEP_KEEP);
}

/* ---- Calls ---- */

int deep_call(struct deep *d, int (*fn)(void *arg), void *arg)
{
    if (d->state == DEEP_BUSY)
        return fn(arg);
    debug_assert(d->state == DEEP_IDLE);
    d->state = DEEP_BUSY;
    d->used = true;
    d->fn = fn;
    d->arg = arg;
    account_take(d->account, d->size);
    memory_unpoison(d->stack.base, deep_unused(d));
    ++*lock_depth();
    switch_to_deep(d);
    --*lock_depth();
    account_give(d->account, d->size);
    if (likely(d->state == DEEP_BUSY)) {
        memory_poison(d->stack.base, deep_unused(d));
        d->state = DEEP_IDLE;
    }
    return d->result;
}

void deep_leave(struct deep *d)
{
    d->state = DEEP_LEFT;
    switch_to_caller(d, true);
    __builtin_unreachable();
}
