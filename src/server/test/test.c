/*
 * A server's test: set up and ended.
 *
 * SPDX-License-Identifier: MIT
 */
#include "server/test/test.h"
#include "net/within.h"
#include "server/start.h"
#include "server/state.h"
#include "server/test/peer.h"

#include <stdlib.h>

/* Puts the test's two listeners, which listen on nothing, in the place of the program's. */
static void test_take_listeners(struct test *t)
{
    struct settings *settings = &t->server->settings;
    memcpy(t->listeners, settings->listeners, sizeof t->listeners);
    t->listener_count = settings->listener_count;
    settings->listeners[TEST_PLAIN] = settings_listener(settings, &transport_within);
    settings->listeners[TEST_SECURE] = settings_listener(settings, &transport_within_secure);
    settings->listener_count = TEST_LISTENERS;
    t->server->admin.own_listener = false;
    t->server->workers[0].listener_count = 0;
}

static void test_give_listeners(struct test *t)
{
    memcpy(t->server->settings.listeners, t->listeners, sizeof t->listeners);
    t->server->settings.listener_count = t->listener_count;
}

/* As worker_main() and those who wait for it. */
static int test_set_up_worker(struct test *t, struct worker *w)
{
    state_worker_started(t->server);
    w->error = worker_set_up(w);
    t->begin_ns = t->clock_ns = w->loop.start_ns;
    w->loop.clock_ns = &t->clock_ns;
    if (state_worker_ready(t->server, w->error)) {
        worker_enter(w);
        worker_begin(w);
        return 0;
    }
    worker_clean_up(w);
    state_worker_ended(t->server);
    return w->error;
}

static int test_set_up(weir_server *s)
{
    if (!state_begin(s))
        return WEIR_EINVAL;
    s->settings.config.workers = 1;
    struct test *t = calloc(1, sizeof *t);
    int error = t ? start_prepare(s) : WEIR_ENOMEM;
    if (error) {
        free(t);
        return start_refuse(s, error);
    }
    t->server = s;
    t->thread = pthread_self();
    list_init(&t->peers);
    test_take_listeners(t);
    error = test_set_up_worker(t, &s->workers[0]);
    if (error) {
        test_give_listeners(t);
        free(t);
        return start_refuse(s, error);
    }
    s->test = t;
    tasks_begin(s);
    return 0;
}

struct test *test_of(weir_server *s, int *error)
{
    *error = s ? 0 : WEIR_ENOMEM;
    if (s && !s->test)
        *error = test_set_up(s);
    if (*error)
        return NULL;
    struct test *t = s->test;
    if (!pthread_equal(t->thread, pthread_self()) || s->workers[0].loop.fibers.current)
        *error = WEIR_EINVAL; /* another's thread, or a handler */
    else if (s->workers[0].loop.stopped)
        *error = WEIR_ECANCELED;
    return *error ? NULL : t;
}

static bool test_has_stopped(void *arg)
{
    const struct test *t = arg;
    return t->server->workers[0].loop.stopped;
}

void test_end(weir_server *s)
{
    struct test *t = s->test;
    if (!t)
        return;
    struct worker *w = &s->workers[0];
    weir_server_stop(s);
    t->held = false;
    int error = test_run(t, test_has_stopped, t, INT64_MAX); /* the stop has a time of its own */
    weir_assert(error == 0);
    worker_finish(w);
    worker_clean_up(w);
    while (!list_empty(&t->peers))
        test_peer_free(container_of(t->peers.next, struct weir_test_peer, link));
    test_give_listeners(t);
    s->test = NULL;
    free(t);
    state_worker_ended(s);
}

weir_test test_given(const weir_test *given, size_t size)
{
    weir_test test = {0};
    if (given)
        memcpy(&test, given, size < sizeof test ? size : sizeof test);
    return test;
}

int weir_test_advance(weir_server *s, int64_t ms)
{
    int error;
    struct test *t = test_of(s, &error);
    if (t && ms < 0)
        return WEIR_EINVAL;
    if (t)
        test_advance(t, (uint64_t)ms);
    return error;
}

int weir_test_hold_time(weir_server *s, bool hold)
{
    int error;
    struct test *t = test_of(s, &error);
    if (t)
        t->held = hold;
    return error;
}

uint64_t weir_test_time(weir_server *s)
{
    return s && s->test ? (s->test->clock_ns - s->test->begin_ns) / 1000000 : 0;
}
