/*
 * A server's state, under its lock.
 *
 * SPDX-License-Identifier: MIT
 */
#include "server/state.h"
#include "base/clock.h"
#include "server/server.h"

#include <unistd.h>

bool state_begin(weir_server *s)
{
    server_lock_acquire(&s->lock);
    bool fresh = s->state == SERVER_NEW;
    if (fresh)
        s->state = SERVER_STARTING;
    server_lock_release(&s->lock);
    return fresh;
}

COLD void state_fail(weir_server *s)
{
    server_lock_acquire(&s->lock);
    s->state = SERVER_FAILED;
    server_lock_release(&s->lock);
}

void state_worker_started(weir_server *s)
{
    server_lock_acquire(&s->lock);
    s->running++;
    server_lock_release(&s->lock);
}

bool state_worker_ready(weir_server *s, int error)
{
    server_lock_acquire(&s->lock);
    s->ready++;
    if (error)
        s->state = SERVER_FAILED;
    if (s->ready == s->settings.config.workers && s->state == SERVER_STARTING) {
        s->state = SERVER_RUNNING;
        s->start_ns = clock_monotonic_ns();
    }
    pthread_cond_broadcast(&s->changed);
    while (s->state == SERVER_STARTING)
        pthread_cond_wait(&s->changed, &s->lock.mutex);
    bool serve = s->state == SERVER_RUNNING;
    server_lock_release(&s->lock);
    return serve;
}

void state_worker_ended(weir_server *s)
{
    server_lock_acquire(&s->lock);
    if (--s->running == 0) {
        s->state = SERVER_ENDED;
        if (s->end_fd >= 0) {
            uint64_t one = 1;
            ssize_t n = write(s->end_fd, &one, sizeof one);
            (void)n;
        }
    }
    pthread_cond_broadcast(&s->changed);
    server_lock_release(&s->lock);
}

bool state_await_ready(weir_server *s, int started, bool complete)
{
    server_lock_acquire(&s->lock);
    if (!complete) {
        s->state = SERVER_FAILED;
        pthread_cond_broadcast(&s->changed);
    }
    while (s->ready < started)
        pthread_cond_wait(&s->changed, &s->lock.mutex);
    bool failed = s->state == SERVER_FAILED || s->state == SERVER_ENDED;
    server_lock_release(&s->lock);
    return !failed;
}

bool state_is_running(weir_server *s)
{
    server_lock_acquire(&s->lock);
    bool running = s->state == SERVER_RUNNING;
    server_lock_release(&s->lock);
    return running;
}

bool state_has_started(weir_server *s)
{
    server_lock_acquire(&s->lock);
    bool started = s->state == SERVER_RUNNING || s->state == SERVER_ENDED;
    server_lock_release(&s->lock);
    return started;
}

bool state_await_end(weir_server *s, bool *join)
{
    server_lock_acquire(&s->lock);
    bool started = s->state == SERVER_RUNNING || s->state == SERVER_ENDED;
    while (s->state == SERVER_RUNNING)
        pthread_cond_wait(&s->changed, &s->lock.mutex);
    *join = started && !s->joined;
    s->joined |= *join;
    server_lock_release(&s->lock);
    return started;
}
