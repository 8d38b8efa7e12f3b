/*
 * What bounds a handler's waits, and what runs when it has ended: deadlines and deferred calls.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/context.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- Deadlines ---- */

int weir_set_deadline(weir_ctx *c, int64_t ms)
{
    CONTEXT_CHECK(c);
    if (ms < 0 && ms != WEIR_OFF)
        return WEIR_EINVAL;
    exchange_set_deadline(c->x, ms);
    return 0;
}

int64_t weir_time_left(weir_ctx *c)
{
    CONTEXT_CHECK(c);
    return exchange_time_left(c->x);
}

void context_use_deadline(weir_ctx *c, const weir_group_settings *settings)
{
    int64_t ms = settings->deadline_ms > 0 ? settings->deadline_ms : WEIR_OFF;
    int64_t most = ms > 0 ? ms : INT64_MAX, asked = -1;
    const char *name = settings->deadline_header;
    if (name && *name) {
        int error = weir_header_int(c, name, 0, INT64_MAX, &asked);
        if (!error && asked >= 0)
            ms = asked < most ? asked : most;
    }
    if (ms != WEIR_OFF)
        exchange_set_deadline(c->x, ms);
}

/* ---- Clean-up ---- */

static void run_clean_up(weir_ctx *c, const struct deferred *d)
{
    struct exchange_clean_up before;
    exchange_begin_clean_up(c->x, &before, d->ms);
    d->waits(c, d->arg);
    exchange_end_clean_up(c->x, &before);
}

void context_run_deferred(weir_ctx *c)
{
    while (c->deferred) {
        struct deferred *d = c->deferred;
        c->deferred = d->next;
        if (d->ms > 0)
            run_clean_up(c, d);
        else
            d->fn(d->arg);
    }
}

void context_undefer(weir_ctx *c, struct deferred *d)
{
    struct deferred **at = &c->deferred;
    while (*at != d) {
        weir_assert(*at != NULL);
        at = &(*at)->next;
    }
    *at = d->next;
}

/* A call that is to be run at the end, before those that are there; NULL: no memory. */
static struct deferred *defer(weir_ctx *c, void *arg, int ms)
{
    struct deferred *d = arena_alloc(&c->x->arena, sizeof *d);
    if (!d)
        return NULL;
    *d = (struct deferred){.next = c->deferred, .arg = arg, .ms = ms};
    c->deferred = d;
    return d;
}

int weir_defer(weir_ctx *c, void (*fn)(void *arg), void *arg)
{
    CONTEXT_CHECK(c);
    if (!fn)
        return WEIR_EINVAL;
    struct deferred *d = defer(c, arg, 0);
    if (!d) {
        fn(arg);
        return WEIR_ENOMEM;
    }
    d->fn = fn;
    return 0;
}

int weir_defer_wait(weir_ctx *c, void (*fn)(weir_ctx *c, void *arg), void *arg, int ms)
{
    CONTEXT_CHECK(c);
    if (!fn || ms < 1)
        return WEIR_EINVAL;
    struct deferred *d = defer(c, arg, ms);
    if (!d) {
        fn(c, arg);
        return WEIR_ENOMEM;
    }
    d->waits = fn;
    return 0;
}

void context_check_failing(const weir_ctx *c)
{
    if (likely(!(c->x->due & DUE_CLEANING)))
        return;
    fprintf(stderr,
            "weir: weir_fail() was called within a clean-up of weir_defer_wait(), which has no handler to end\n");
    abort();
}
