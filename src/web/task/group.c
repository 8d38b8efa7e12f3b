/*
 * Pieces of work that run at once for a handler: weir_group_run(). Each fiber of the group takes one piece after the
 * other, so that there are as many at once as there is memory for, and one is enough.
 *
 * The group lies on the stack of who waits for it, so that nothing but the end of the last of its fibers may let that
 * one go on: what ends its wait otherwise cancels the pieces, which then end soon.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/task/task.h"

#include <string.h>

struct group {
    struct http *http;
    struct fiber *fiber; /* who waits; NULL: nobody does yet */
    weir_work *works;
    size_t count, next; /* the next piece that nobody has taken */
    size_t fibers;      /* of the group, begun or not */
    bool timed;         /* the pieces have until `due` */
    uint32_t due;       /* tick */
    const char *name;
    bool keeps_on;         /* whatever a piece returns, the others go on */
    int error;             /* the first */
    struct task **members; /* the group's fibers, as many as the array has; NULL: one that is over */
    size_t member_count;
};

#define GROUP_FIBERS_MAX 64 /* at once; the array lies on the caller's stack */

static void group_cancel(struct group *g, int error)
{
    if (g->error == 0)
        g->error = error;
    while (g->next < g->count)
        g->works[g->next++].result = WEIR_ECANCELED;
    for (size_t i = 0; i < g->member_count; i++)
        if (g->members[i])
            task_cancel(g->members[i]);
}

static void group_note(struct group *g, size_t piece, int result)
{
    g->works[piece].result = result;
    if (result >= 0 || g->error != 0)
        return;
    g->error = result;
    if (!g->keeps_on)
        group_cancel(g, result);
}

/* What a fiber of the group notes: its piece, and its place among the members. */
static size_t group_mark(size_t piece, size_t member)
{
    return piece * GROUP_FIBERS_MAX + member;
}

/* Milliseconds that the pieces have left; -1: any time. */
static int64_t group_time_left(const struct group *g)
{
    int32_t left = ticks_between(loop_tick_now(g->http->net->loop), g->due);
    return !g->timed ? -1 : left > 0 ? left : 0;
}

static size_t group_place(const struct group *g, const struct exchange *x)
{
    size_t i = 0;
    while (!g->members[i] || task_exchange(g->members[i]) != x)
        i++;
    return i;
}

static void group_member_run(weir_ctx *c, void *owner)
{
    struct group *g = owner;
    size_t member = group_place(g, c->x);
    for (bool first = true; g->next < g->count; first = false) {
        size_t piece = g->next++;
        if (!first)
            task_renew(c);
        task_note(c->x, group_mark(piece, member));
        exchange_set_deadline(c->x, group_time_left(g));
        group_note(g, piece, g->works[piece].fn(c, g->works[piece].arg));
    }
    task_note(c->x, group_mark(g->count, member));
}

static void group_member_ended(void *owner, size_t data, int error);
static const struct task_kind group_kind = {.run = group_member_run, .ended = group_member_ended};

/* One fiber more; false: there is no memory for it. */
static bool group_add(struct group *g, size_t member)
{
    struct task *t = task_new(g->http, &group_kind, g, g->name);
    g->members[member] = t;
    if (!t)
        return false;
    task_exchange(t)->untold = 0; /* the news is the handler's */
    task_note(task_exchange(t), group_mark(g->count, member));
    g->fibers++;
    return true;
}

static void group_member_ended(void *owner, size_t data, int error)
{
    struct group *g = owner;
    size_t piece = data / GROUP_FIBERS_MAX, member = data % GROUP_FIBERS_MAX;
    g->members[member] = NULL;
    g->fibers--;
    if (error && piece < g->count)
        group_note(g, piece, error);
    if (g->next < g->count && !group_add(g, member) && g->fibers == 0)
        group_cancel(g, WEIR_ENOMEM);
    if (g->fibers == 0 && g->fiber)
        fiber_wake(g->fiber, 0);
}

/* Waits for the end of the group's last fiber, whatever happens to the one that waits. */
static void group_await(struct group *g, weir_ctx *c)
{
    struct exchange *x = c->x;
    struct fibers *f = &c->web->loop->fibers;
    while (g->fibers > 0) {
        int over = exchange_is_cut(x) ? WEIR_ECANCELED : exchange_wait_over(x);
        if (over)
            group_cancel(g, over);
        x->waiting = WAIT_OTHER;
        x->fiber = g->fiber = f->current;
        int result = fiber_park(f);
        x->waiting = WAIT_NONE;
        x->fiber = NULL;
        if (result < 0)
            group_cancel(g, exchange_wait_result(x, result));
    }
}

int weir_group_run_sized(weir_ctx *c, weir_work *works, size_t count, const weir_group_options *options, size_t size)
{
    CONTEXT_CHECK(c);
    weir_group_options o = {0};
    if (options)
        memcpy(&o, options, size < sizeof o ? size : sizeof o);
    if ((!works && count > 0) || o.timeout_ms < 0 || o.at_once < 0 || count > SIZE_MAX / GROUP_FIBERS_MAX - 1)
        return WEIR_EINVAL;
    for (size_t i = 0; i < count; i++)
        if (!works[i].fn)
            return WEIR_EINVAL;
    context_before_wait(c);
    struct task *members[GROUP_FIBERS_MAX];
    int64_t left = exchange_time_left(c->x);
    if (o.timeout_ms > 0 && (left < 0 || o.timeout_ms < left))
        left = o.timeout_ms;
    const char *name = c->web->loop->fibers.current->label;
    struct group g = {.http = c->x->http,
                      .works = works,
                      .count = count,
                      .timed = left >= 0,
                      .due = tick_after(loop_tick_now(c->web->loop), left > 0 ? (uint32_t)left : 0),
                      .name = name ? name : "a piece of work",
                      .keeps_on = o.keep_on == WEIR_ON,
                      .members = members};
    size_t most = o.at_once > 0 && o.at_once < GROUP_FIBERS_MAX ? (size_t)o.at_once : GROUP_FIBERS_MAX;
    while (g.member_count < most && g.member_count < count && group_add(&g, g.member_count))
        g.member_count++;
    if (g.fibers == 0 && count > 0)
        group_cancel(&g, WEIR_ENOMEM);
    group_await(&g, c);
    return g.error;
}
