/*
 * Whether a context is used where it may be, in debug and sanitizer builds: only the fiber that runs the request's
 * handler, on that fiber's thread, knows that nothing of the request changes meanwhile.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/context.h"

#include <stdio.h>

#ifdef WEIR_DEBUG

/*
 * An address as a mark: a mark that is equal by accident lets a fault go unnoticed, which is no worse than without it.
 */
static uint32_t mark_of(const void *p)
{
    return (uint32_t)((uintptr_t)p >> 4 & UINT32_MAX);
}

static uint32_t thread_mark(void)
{
    static _Thread_local char here __attribute__((aligned(16)));
    return mark_of(&here);
}

void context_enter(weir_ctx *c)
{
    c->thread_mark = thread_mark();
    c->fiber_mark = mark_of(context_fiber(c));
}

void context_check(const weir_ctx *c, const char *call)
{
    /* The thread first: another thread must not even look at which fiber the request's runs. */
    if (c->thread_mark == thread_mark() && c->fiber_mark == mark_of(c->web->loop->fibers.current))
        return;
    fprintf(
        stderr,
        "weir: %s() was used outside of its handler's fiber: a function that weir_offload() runs, another thread or "
        "another request's handler must not use a weir_ctx, see docs/handlers.md, \"Waiting\"\n",
        call);
    abort();
}

#endif
