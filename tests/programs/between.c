/*
 * A server for the wire tests of what is between fibers: each route waits in one way, and says how that ended; threads
 * of the program take part. `between` serves with four workers.
 *
 * SPDX-License-Identifier: MIT
 */
#include "serving.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static weir_mutex mutex, cond_mutex;
static weir_cond cond;
static weir_semaphore semaphore;
static weir_wait_group group;
static weir_channel *channel, *hand, *questions;
static weir_once once;
static _Atomic int waiting, once_calls;
static weir_channel *answers;

static int number(weir_ctx *c, const char *name)
{
    const char *text = weir_query(c, name);
    return text ? (int)strtol(text, NULL, 10) : 0;
}

static void unlock(void *arg)
{
    (void)weir_mutex_unlock(arg);
}

static void say(weir_ctx *c, int result)
{
    weir_reply_printf(c, "text/plain", "%d", result);
}

/* Handlers that wait now or are about to. */
static void show_waiting(weir_ctx *c)
{
    say(c, waiting);
}

/* Waits for the condition; whoever signals it with the mutex locked finds who is counted. */
static int wait_for_cond(weir_ctx *c, int ms)
{
    int error = weir_mutex_lock(c, &cond_mutex, 0);
    if (error)
        return error;
    waiting++;
    error = weir_cond_wait(c, &cond, &cond_mutex, ms);
    waiting--;
    return weir_mutex_unlock(&cond_mutex) == 0 ? error : WEIR_EINVAL;
}

/* Waits in the way that is asked for; what was locked is unlocked. */
static int wait_in(weir_ctx *c, const char *how, int ms)
{
    int item, error;
    if (strcmp(how, "semaphore") == 0)
        return weir_semaphore_acquire(c, &semaphore, ms);
    if (strcmp(how, "group") == 0)
        return weir_wait_group_wait(c, &group, ms);
    if (strcmp(how, "send") == 0)
        return weir_channel_send(c, hand, &(int){1}, ms);
    if (strcmp(how, "receive") == 0)
        return weir_channel_receive(c, channel, &item, ms);
    error = weir_mutex_lock(c, &mutex, ms);
    if (!error)
        weir_mutex_unlock(&mutex);
    return error;
}

static void wait_some(weir_ctx *c)
{
    const char *how = weir_param(c, "how");
    if (weir_query(c, "stop"))
        weir_stop_ends_waits(c, true);
    if (strcmp(how, "cond") == 0)
        return say(c, wait_for_cond(c, number(c, "ms")));
    waiting++;
    int result = wait_in(c, how, number(c, "ms"));
    waiting--;
    say(c, result);
}

static int signal_cond(weir_ctx *c)
{
    int error = weir_mutex_lock(c, &cond_mutex, 0);
    if (!error) {
        weir_cond_signal(&cond);
        weir_mutex_unlock(&cond_mutex);
    }
    return error;
}

/* Gives one who waits what it waits for. */
static void give(weir_ctx *c)
{
    const char *how = weir_param(c, "how");
    int item;
    say(c, strcmp(how, "semaphore") == 0 ? weir_semaphore_release(&semaphore, 1)
           : strcmp(how, "group") == 0   ? weir_wait_group_done(&group)
           : strcmp(how, "send") == 0    ? weir_channel_receive(c, hand, &item, 10000)
           : strcmp(how, "cond") == 0    ? signal_cond(c)
           : strcmp(how, "mutex") == 0   ? weir_mutex_unlock(&mutex)
                                         : weir_channel_send(c, channel, &(int){2}, 10000));
}

/* Makes others wait for the mutex, which is nobody's lock since the handler ends before, and for the group. */
static void take(weir_ctx *c)
{
    say(c, strcmp(weir_param(c, "how"), "mutex") == 0 ? weir_mutex_try(&mutex) : weir_wait_group_add(&group, 1));
}

/* Is ended while it holds the mutex, which its deferred call unlocks. */
static void fail_locked(weir_ctx *c)
{
    if (weir_mutex_lock(c, &mutex, 0) == 0 && weir_defer(c, unlock, &mutex) == 0)
        weir_fail(c, 500, "while it holds the mutex");
}

static void lock_twice(weir_ctx *c)
{
    int first = weir_mutex_lock(c, &mutex, 0), second = weir_mutex_lock(c, &mutex, 0);
    weir_reply_printf(c, "text/plain", "%d %d %d", first, second, weir_mutex_unlock(&mutex));
}

/* ---- Once */

/* The first three calls are left by weir_fail(), by the end of the handler's time, and by an error. */
static int run_once(weir_ctx *c, void *arg)
{
    (void)arg;
    int call = ++once_calls;
    while (waiting < 3) /* others wait for this one */
        weir_sleep(c, 1);
    if (call == 1)
        weir_fail(c, 503, "within once");
    if (call == 2)
        for (;;)
            weir_sleep(c, 1);
    return call == 3 ? WEIR_EIO : 0;
}

static void once_only(weir_ctx *c)
{
    waiting++;
    int result = weir_once_run(c, &once, run_once, NULL);
    weir_reply_printf(c, "text/plain", "%d %d", result, once_calls);
}

static void forget_waiting(weir_ctx *c)
{
    waiting = 0;
    say(c, 0);
}

/* ---- A thread of the program: answers each question by its square */

static void *answer(void *arg)
{
    int question;
    (void)arg;
    while (weir_channel_receive(NULL, questions, &question, 0) == 0) {
        int square = question * question;
        if (weir_channel_send(NULL, answers, &square, 0) != 0)
            break;
    }
    return NULL;
}

static void ask(weir_ctx *c)
{
    int question = number(c, "n"), square = 0;
    int error = weir_mutex_lock(c, &mutex, 0); /* one question at a time */
    if (error)
        return say(c, error);
    error = weir_channel_send(c, questions, &question, 0);
    if (!error)
        error = weir_channel_receive(c, answers, &square, 0);
    weir_mutex_unlock(&mutex);
    say(c, error ? error : square);
}

int main(void)
{
    weir_server *s = weir_server_new(&(weir_config){.port = WEIR_ANY, .workers = 4, .stop_timeout_ms = 2000});
    channel = weir_channel_new(s, 0, sizeof(int));
    hand = weir_channel_new(s, 0, sizeof(int));
    questions = weir_channel_new(s, 0, sizeof(int));
    answers = weir_channel_new(s, 1, sizeof(int));
    weir_group *hasty = weir_group_new(s, NULL, "/hasty", NULL);
    weir_group_set(hasty, &(weir_group_settings){.handler_timeout_ms = 2000});
    weir_group_route(hasty, "GET", "/wait/{how}", wait_some, NULL);
    weir_group_route(hasty, "GET", "/once", once_only, NULL);
    weir_get(s, "/wait/{how}", wait_some);
    weir_get(s, "/waiting", show_waiting);
    weir_get(s, "/forget", forget_waiting);
    weir_get(s, "/give/{how}", give);
    weir_get(s, "/take/{how}", take);
    weir_get(s, "/fail", fail_locked);
    weir_get(s, "/twice", lock_twice);
    weir_get(s, "/once", once_only);
    weir_get(s, "/ask", ask);
    bool good = serving_start(s);
    pthread_t thread;
    if (good && pthread_create(&thread, NULL, answer, NULL) == 0) {
        good = serving_run(s);
        weir_channel_close(questions);
        pthread_join(thread, NULL);
    }
    weir_channel_free(channel);
    weir_channel_free(hand);
    weir_channel_free(questions);
    weir_channel_free(answers);
    weir_server_free(s);
    return good ? 0 : 1;
}
