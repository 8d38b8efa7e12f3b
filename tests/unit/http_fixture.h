/*
 * The HTTP side of a worker with nothing above or below it: a loop, pools, a host that records what it is asked, and
 * exchanges whose operations do so as well. Tests of what no version of HTTP owns begin here.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_TESTS_HTTP_FIXTURE_H
#define WEIR_TESTS_HTTP_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "http/exchange_life.h"
#include "http/request_log.h"
#include "weir.h"

#include <string.h>

/* What an exchange and its host have been asked. */
struct calls {
    unsigned ended, replaced, resumed, failed, watched, pushed, armed;
    enum ending ending;
};

struct scripted {
    struct exchange x; /* first */
    struct calls calls;
    enum exchange_peer peer;
    bool no_watch; /* the system has no memory to watch the connection */
};

struct task {
    struct work work;
    void (*fn)(struct scripted *s);
    struct scripted *s;
    bool done;
};

struct http_fixture {
    struct memory memory;
    struct account stacks;
    struct loop loop;
    struct net net;
    struct http http;
    struct http_settings settings;
    struct log log;
    struct route_counters routes[8 + 1];
    _Atomic uint64_t sets;
    unsigned starved;
};

static inline struct scripted *scripted_of(struct exchange *x)
{
    return (struct scripted *)(void *)x;
}

/* ---- The exchange's operations ---- */

static inline int scripted_push(struct exchange *x)
{
    scripted_of(x)->calls.pushed++;
    return 0;
}

static inline void scripted_end(struct exchange *x, enum ending how)
{
    if (how > scripted_of(x)->calls.ending)
        scripted_of(x)->calls.ending = how;
}

static inline void scripted_fail(struct exchange *x)
{
    scripted_of(x)->calls.failed++;
}

static inline bool scripted_watch(struct exchange *x)
{
    scripted_of(x)->calls.watched++;
    return !scripted_of(x)->no_watch;
}

static inline void scripted_arm(struct exchange *x)
{
    scripted_of(x)->calls.armed++;
}

static inline enum exchange_peer scripted_peer(struct exchange *x, bool look)
{
    (void)look;
    return scripted_of(x)->peer;
}

static const struct exchange_ops scripted_ops = {
    .push = scripted_push,
    .end = scripted_end,
    .fail = scripted_fail,
    .watch = scripted_watch,
    .arm_body_deadline = scripted_arm,
    .peer = scripted_peer,
};

/* ---- The host ---- */

static inline void host_replace(struct exchange *x)
{
    scripted_of(x)->calls.replaced++;
}

static inline void host_ended(struct exchange *x)
{
    scripted_of(x)->calls.ended++;
}

static inline const char *host_pattern(const struct exchange *x)
{
    (void)x;
    return "/pattern";
}

static const struct http_host scripted_host = {.replace = host_replace, .ended = host_ended, .pattern = host_pattern};

/* ---- Setting up ---- */

static inline void fixture_starved(struct http *h, uint64_t bytes)
{
    (void)bytes;
    container_of(h, struct http_fixture, http)->starved++;
}

static inline uint64_t fixture_spare(const struct http *h)
{
    (void)h;
    return 0;
}

static inline void fixture_work(void *owner, struct work *w)
{
    (void)owner;
    struct task *task = container_of(w, struct task, work);
    task->fn(task->s);
    task->done = true;
}

static inline void fixture_turn(void *owner)
{
    struct net *n = owner;
    loop_stop(n->loop);
}

/* settings: what differs from the fixture's own, which has no limits. */
static inline struct http_fixture *http_fixture_open(const struct http_settings *settings)
{
    struct http_fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->settings = *settings;
    f->settings.buffer_size = 4096;
    f->settings.request_memory = 1024;
    f->settings.max_headers = 64;
    f->settings.classes = 8;
    f->settings.memory_share = settings->memory_share ? settings->memory_share : 100;
    memory_init(&f->memory, 0);
    account_open(&f->stacks, &f->memory, "stacks");
    assert_int_equal(loop_init(&f->loop, &f->stacks, (size_t)64 * 1024, NULL, &f->log), 0);
    net_init(&f->net, &f->loop, &f->memory, &f->http);
    assert_int_equal(http_init(&f->http, &f->net, &f->memory, &scripted_host, &f->settings, &f->sets), 0);
    f->http.starved = fixture_starved;
    f->http.spare = fixture_spare;
    f->http.routes = f->routes + 1;
    f->loop.work_fn = fixture_work;
    f->loop.turn_fn = fixture_turn;
    return f;
}

static inline void http_fixture_close(struct http_fixture *f)
{
    http_done(&f->http);
    net_done(&f->net);
    loop_done(&f->loop);
    account_close(&f->stacks);
    assert_int_equal(counter_read(&f->memory.granted), 0);
    memory_done(&f->memory);
    free(f);
}

/* Its request begins. Its memory stays usable, because it lies on a test's stack, which others use later. */
static inline void scripted_begin_again(struct scripted *s)
{
    exchange_begin(&s->x);
    memory_unpoison(s->x.inline_memory, sizeof s->x.inline_memory);
}

/* A new exchange, whose request has begun. */
static inline void scripted_begin(struct http_fixture *f, struct scripted *s)
{
    memset(s, 0, sizeof *s);
    exchange_init(&s->x, &scripted_ops, &f->http, NULL, NULL);
    scripted_begin_again(s);
}

/* Runs fn on a fiber, in one turn of the loop. True: it has returned. */
static inline bool fixture_run(struct http_fixture *f, struct task *task, void (*fn)(struct scripted *),
                               struct scripted *s)
{
    *task = (struct task){.fn = fn, .s = s};
    loop_push_work(&f->loop, &task->work);
    f->loop.stopped = false;
    loop_run(&f->loop);
    return task->done;
}

/* One more turn: what has been woken goes on. */
static inline void fixture_go_on(struct http_fixture *f)
{
    f->loop.stopped = false;
    loop_run(&f->loop);
}

#endif
