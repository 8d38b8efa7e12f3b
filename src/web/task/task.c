/*
 * Tasks: the exchange of one, its beginning and its end.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/task/task.h"
#include "http/bare.h"
#include "http/exchange_life.h"
#include "http/live.h"

struct task {
    struct exchange x; /* first; the context lies behind the record */
    struct list link;  /* in web.tasks */
    struct start start;
    const struct task_kind *kind;
    void *owner;
    const char *name;
    size_t data; /* task_note() */
};

static struct task *task_of(const struct exchange *x)
{
    return (struct task *)(void *)(uintptr_t)x;
}

struct exchange *task_exchange(struct task *t)
{
    return &t->x;
}

/* ---- The exchange's operations ---- */

static void task_live(const struct exchange *x, struct http_live *live)
{
    const struct http *http = x->http;
    *live = (struct http_live){
        .state = x->fiber ? LIVE_WAITING : LIVE_RUNNING,
        .method = SLICE("(task)"),
        .memory =
            http->records.stride + (x->arena.block ? x->arena.blocks->stride : 0) + http->net->loop->fibers.stack_size,
    };
}

static void task_end(struct task *t, int error);

static void task_fail(struct exchange *x)
{
    const weir_ctx *c = x->context;
    int error = x->refusal == REFUSAL_MEMORY ? WEIR_ENOMEM : c->fail_status ? WEIR_EFAILED : WEIR_ECANCELED;
    task_end(task_of(x), error);
}

static const struct exchange_ops task_ops = {
    .read = bare_read,
    BARE_REPLY,
    .fail = task_fail,
    .watch = bare_watch,
    .peer = bare_peer,
    .address = bare_address,
    .listener = bare_listener,
    .live = task_live,
};

/* ---- Beginning and end ---- */

static void task_forget(struct task *t)
{
    struct http *http = t->x.http;
    list_remove(&t->link);
    exchange_forget_time(&t->x);
    arena_done(&t->x.arena, t->x.inline_memory, sizeof t->x.inline_memory);
    if (http->admission.limited)
        admission_release(&t->x);
    counter_subtract(&http->counters.unlike_requests, 1);
    pool_give(&http->records, t);
}

static void task_end(struct task *t, int error)
{
    const struct task_kind *kind = t->kind;
    void *owner = t->owner;
    size_t data = t->data;
    t->x.http->host->ended(&t->x); /* deferred calls may wait */
    task_forget(t);
    kind->ended(owner, data, error);
}

static weir_ctx *task_context(struct task *t)
{
    weir_ctx *c = context_begin_event(&t->x);
    c->chain = NULL;
    c->match.pattern = t->name;
    fiber_label(&c->web->loop->fibers, t->name);
    return c;
}

static void task_begin(struct loop *l, struct start *s)
{
    (void)l;
    struct task *t = container_of(s, struct task, start);
    t->kind->run(task_context(t), t->owner);
    task_end(t, 0);
}

struct task *task_new(struct http *http, const struct task_kind *kind, void *owner, const char *name)
{
    struct web *web = http->owner;
    debug_assert(http->records.object_size >= sizeof(struct task) + sizeof(struct weir_ctx));
    struct task *t = http_take(http, &http->records);
    if (!t)
        return NULL;
    *t = (struct task){.start.fn = task_begin, .kind = kind, .owner = owner, .name = name};
    counter_add(&http->counters.unlike_requests, 1);
    exchange_init(&t->x, &task_ops, http, NULL, t + 1);
    list_push_back(&web->tasks, &t->link);
    bare_begin(&t->x);
    t->x.untold = NEWS_STOP;
    t->x.gone = t->x.cut = http->net->cutting;
    ((weir_ctx *)t->x.context)->match.pattern = name; /* the ledger's page may look before it begins */
    if (http->admission.limited && !admission_hold(&t->x, true)) {
        task_forget(t);
        return NULL;
    }
    loop_push_start(http->net->loop, &t->start);
    return t;
}

void task_renew(weir_ctx *c)
{
    struct exchange *x = c->x;
    x->http->host->ended(x);
    x->dead_ends = 0;
    arena_done(&x->arena, x->inline_memory, sizeof x->inline_memory);
    arena_init(&x->arena, &x->http->arenas, x->inline_memory, sizeof x->inline_memory);
    (void)task_context(task_of(x));
}

void task_note(struct exchange *x, size_t data)
{
    task_of(x)->data = data;
}

void task_cancel(struct task *t)
{
    exchange_cancel(&t->x);
}

void tasks_tell_stop(struct http *http)
{
    struct web *web = http->owner;
    list_for_each (link, &web->tasks)
        exchange_wake_for_news(&container_of(link, struct task, link)->x, NEWS_STOP);
}

void tasks_cut(struct http *http)
{
    struct web *web = http->owner;
    list_for_each (link, &web->tasks) {
        struct exchange *x = &container_of(link, struct task, link)->x;
        x->gone = x->cut = true;
        if (x->fiber)
            fiber_wake(x->fiber, WEIR_ECANCELED);
    }
}
