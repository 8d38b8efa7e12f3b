/*
 * The watchdog: a thread that tells of a worker that has been in one turn for too long, because a handler computes or
 * blocks without waiting through weir. It only tells: what the handler does cannot be undone from outside.
 *
 * SPDX-License-Identifier: MIT
 */
#include "server/watchdog.h"
#include "base/log.h"
#include "server/server.h"

#include <errno.h>
#include <time.h>

/* Waits up to ms, or until the server ends. True: look again. */
static bool watchdog_wait(weir_server *s, int ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until); /* s->changed counts on it */
    until.tv_sec += ms / 1000;
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    int late = 0;
    server_lock_acquire(&s->lock);
    while (s->state == SERVER_RUNNING && late != ETIMEDOUT)
        late = pthread_cond_timedwait(&s->changed, &s->lock.mutex, &until);
    bool running = s->state == SERVER_RUNNING;
    server_lock_release(&s->lock);
    return running;
}

struct watched {
    uint64_t turn;
    bool told;
};

static void watchdog_look(struct worker *w, struct watched *seen, int ms)
{
    uint64_t turn = counter_read(&w->loop.turns);
    if (turn != seen->turn || turn % 2 == 0) {
        *seen = (struct watched){.turn = turn};
        return;
    }
    atomic_fetch_or_explicit(&w->http.counters.turn_ns, TURN_OVERDUE, memory_order_relaxed);
    if (seen->told)
        return;
    seen->told = true;
    const char *pattern = atomic_load_explicit(&w->loop.fibers.label, memory_order_relaxed);
    log_warn(&w->server->log, "worker %d has not come back for %d ms: a handler of %s does not wait or yield", w->index,
             ms, pattern ? pattern : "an unknown route");
}

static void *watchdog_main(void *arg)
{
    weir_server *s = arg;
    int ms = s->settings.config.watchdog_ms;
    struct watched seen[64] = {{0}};
    int count = s->settings.config.workers < 64 ? s->settings.config.workers : 64;
    while (watchdog_wait(s, ms))
        for (int i = 0; i < count; i++)
            watchdog_look(&s->workers[i], &seen[i], ms);
    return NULL;
}

void watchdog_start(weir_server *s)
{
    if (s->settings.config.watchdog_ms < 0)
        return;
    if (thread_start(&s->watchdog, &s->thread_account, WATCHDOG_STACK_SIZE, 0, watchdog_main, s) != 0)
        thread_log_refusal(&s->log, WEIR_LOG_WARN, &s->watchdog, "the watchdog",
                           ": handlers that do not yield are not reported");
}

void watchdog_stop(weir_server *s)
{
    thread_join(&s->watchdog);
}
