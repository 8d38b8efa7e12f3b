/*
 * The progress of transfers.
 *
 * SPDX-License-Identifier: MIT
 */
#include "cli/serve_progress.h"
#include "cli/progress_line.h"

#include <string.h>
#include <time.h>

#define TICK_NS   250000000 /* between two readings */
#define AGE_MS    1000      /* what is over before that is not worth a line */
#define SMOOTHING 0.2       /* weight of the last tick in the rate */
#define NS        1000000000

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS + (uint64_t)now.tv_nsec;
}

/* ---- What is under way ---- */

enum direction { NEITHER, SENDING, RECEIVING };

/* A request whose body comes is an upload until its reply has a body. */
static enum direction direction_of(const weir_live_request *r)
{
    if (r->body_total != 0 && r->sent == 0 && r->length <= 0)
        return RECEIVING;
    return r->sent > 0 || r->length > 0 ? SENDING : NEITHER;
}

static uint64_t done_of(const weir_live_request *r)
{
    return direction_of(r) == RECEIVING ? r->received : r->sent;
}

/* Bytes that have gone or come since the last reading. */
static uint64_t moved_of(const struct serve_progress *p, const weir_live_request *r)
{
    uint64_t done = done_of(r);
    for (size_t i = 0; i < p->before_count; i++)
        if (p->before[i].id == r->id)
            return done > p->before[i].done ? done - p->before[i].done : 0;
    return done;
}

/* Keeps what was read for the next time. */
static void keep_before(struct serve_progress *p)
{
    for (size_t i = 0; i < p->count; i++) {
        p->before[i].id = p->rows[i].id;
        p->before[i].done = done_of(&p->rows[i]);
    }
    p->before_count = p->count;
}

/* Adds up the transfers that last. mark: of the access log, from before they were read. Returns their average rate
 * since each began. */
static double add_up(const struct serve_progress *p, uint64_t mark, struct progress *sum)
{
    char target[PROGRESS_NAME_SIZE];
    double average = 0;
    sum->total_known = true;
    for (size_t i = 0; i < p->count; i++) {
        const weir_live_request *r = &p->rows[i];
        enum direction direction = direction_of(r);
        int64_t total = direction == RECEIVING ? r->body_total : r->length;
        if (direction == NEITHER || r->age_ms < AGE_MS)
            continue;
        sum->sending += direction == SENDING;
        sum->receiving += direction == RECEIVING;
        sum->done += done_of(r);
        sum->total += total > 0 ? (uint64_t)total : 0;
        sum->total_known &= total > 0;
        average += (double)done_of(r) * 1000 / (double)r->age_ms;
        if (sum->sending + sum->receiving > 1)
            sum->name[0] = '\0';
        else if (access_log_target(p->log, r->sent_arg, mark, target, sizeof target))
            progress_name(sum->name, target);
    }
    return average;
}

/* The rate, over about the last second; at first the average. */
static double rate_of(const struct serve_progress *p, double average, uint64_t passed_ns)
{
    uint64_t moved = 0;
    if (!p->told)
        return average;
    for (size_t i = 0; i < p->count; i++)
        moved += moved_of(p, &p->rows[i]);
    double now = passed_ns > 0 ? (double)moved * NS / (double)passed_ns : p->rate;
    return p->rate + SMOOTHING * (now - p->rate);
}

/* Whether any connection has a request: if none has, workers are left in peace. */
static bool is_busy(weir_server *s)
{
    weir_ledger ledger;
    weir_ledger_read(s, &ledger);
    return ledger.connections_active + ledger.connections_draining > 0;
}

/* Reads what is alive, and shows it. */
static void tick(struct serve_progress *p)
{
    char line[STATUS_LINE_SIZE] = "";
    struct progress sum = {0};
    size_t alive = 0, width = status_line_width();
    uint64_t mark = access_log_mark(p->log), before_ns = p->read_ns;
    p->count = is_busy(p->server) ? weir_live_read(p->server, p->rows, SERVE_PROGRESS_ROWS, &alive) : 0;
    p->read_ns = now_ns();
    double average = add_up(p, mark, &sum);
    sum.more = alive > p->count;
    sum.rate = p->rate = rate_of(p, average, p->read_ns - before_ns);
    keep_before(p);
    if (width > 0)
        progress_line(line, width, &sum);
    p->told = sum.sending + sum.receiving > 0;
    status_line_set(p->line, line);
}

/* ---- Life ---- */

/* Waits for the next tick. False: the end. */
static bool await_tick(struct serve_progress *p)
{
    uint64_t until = now_ns() + TICK_NS;
    struct timespec at = {.tv_sec = (time_t)(until / NS), .tv_nsec = (long)(until % NS)};
    int error = 0;
    pthread_mutex_lock(&p->lock);
    while (!p->ends && error == 0)
        error = pthread_cond_timedwait(&p->wake, &p->lock, &at);
    bool ends = p->ends;
    pthread_mutex_unlock(&p->lock);
    return !ends;
}

static void *progress_main(void *arg)
{
    struct serve_progress *p = arg;
    while (await_tick(p))
        tick(p);
    status_line_set(p->line, "");
    return NULL;
}

void serve_progress_start(struct serve_progress *p, weir_server *s, struct access_log *log, struct status_line *line)
{
    pthread_condattr_t clock;
    p->server = s;
    p->log = log;
    p->line = line;
    p->read_ns = now_ns();
    pthread_mutex_init(&p->lock, NULL);
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&p->wake, &clock);
    pthread_condattr_destroy(&clock);
    if (pthread_create(&p->thread, NULL, progress_main, p) != 0)
        p->line = NULL;
}

void serve_progress_end(struct serve_progress *p)
{
    if (!p->line)
        return;
    pthread_mutex_lock(&p->lock);
    p->ends = true;
    pthread_cond_signal(&p->wake);
    pthread_mutex_unlock(&p->lock);
    pthread_join(p->thread, NULL);
    p->line = NULL;
}
