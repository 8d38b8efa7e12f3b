/*
 * What outlives a task: its name, which the watchdog tells of the task that ran last, and a release that asks for the
 * next.
 *
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "weir.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool over, told;
    char line[256];
} seen = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

/* Waits until a member is true, for a minute. */
static void await(const bool *member)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 60;
    pthread_mutex_lock(&seen.lock);
    while (!*member && pthread_cond_timedwait(&seen.changed, &seen.lock, &until) == 0)
        ;
    pthread_mutex_unlock(&seen.lock);
}

static void tell(bool *member, const char *line)
{
    pthread_mutex_lock(&seen.lock);
    *member = true;
    if (line)
        strncpy(seen.line, line, sizeof seen.line - 1);
    pthread_cond_broadcast(&seen.changed);
    pthread_mutex_unlock(&seen.lock);
}

static void log_line(void *data, int level, const char *line)
{
    (void)data;
    (void)level;
    if (strstr(line, "has not come back"))
        tell(&seen.told, line);
}

static int run_once(weir_ctx *c, void *arg)
{
    (void)arg;
    return weir_sleep(c, 1);
}

static void is_over(void *arg)
{
    (void)arg;
    tell(&seen.over, NULL);
}

static int tick(weir_ctx *c, void *arg)
{
    (void)c;
    (void)arg;
    return 0;
}

/* On the worker, outside of any fiber. */
static void keep_the_worker(void *arg)
{
    (void)arg;
    await(&seen.told);
}

static void a_name_outlives_its_task(void **state)
{
    (void)state;
    weir_server *s =
        weir_server_new(&(weir_config){.port = WEIR_ANY, .workers = 1, .watchdog_ms = 20, .log = log_line});
    weir_task_options once = {.name = "brief", .release = is_over};
    weir_task_options often = {.name = "often", .release = keep_the_worker};
    assert_int_equal(weir_spawn(s, run_once, NULL, &once), 0);
    assert_int_equal(weir_every(s, 600000, tick, NULL, &often), 0);
    assert_int_equal(weir_server_start(s), 0);
    await(&seen.over);
    weir_server_stop(s);
    assert_int_equal(weir_server_wait(s), 0);
    assert_non_null(strstr(seen.line, "a handler of brief does not wait or yield"));
    weir_server_free(s);
}

static struct {
    weir_server *server;
    int releases, refused;
} next;

static void ask_again(void *arg)
{
    (void)arg;
    weir_task_options options = {.release = ask_again};
    if (next.releases++ < 100)
        next.refused += weir_spawn(next.server, run_once, NULL, &options) == WEIR_ECANCELED;
}

static void a_server_that_never_started_takes_no_more(void **state)
{
    (void)state;
    weir_task_options options = {.release = ask_again};
    next.server = weir_server_new(&(weir_config){.port = WEIR_ANY, .workers = 1});
    assert_int_equal(weir_spawn(next.server, run_once, NULL, &options), 0);
    weir_server_free(next.server);
    assert_int_equal(next.releases, 1);
    assert_int_equal(next.refused, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_name_outlives_its_task),
                                       cmocka_unit_test(a_server_that_never_started_takes_no_more)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
