/*
 * How fibers wait for their transfers: one for the set, the others for that one's word.
 *
 * SPDX-License-Identifier: MIT
 */
#include "client.h"

#include <limits.h>

#define DRIVEN_AT_ONCE 16

void transfer_mark(struct transfer *t)
{
    if (t->marked)
        return;
    t->marked = true;
    t->marked_next = t->w->marked;
    t->w->marked = t;
}

static void signal_transfer(struct transfer *t)
{
    if (!t->parked || t->signalled)
        return;
    t->signalled = true;
    (void)weir_semaphore_release(&t->wake, 1);
}

void worker_tell(struct worker *w)
{
    struct transfer *t;
    while ((t = w->marked)) {
        w->marked = t->marked_next;
        t->marked = false;
        signal_transfer(t);
    }
}

void transfer_left(struct transfer *t)
{
    struct worker *w = t->w;
    if (w->leader == t)
        w->leader = NULL;
    if (w->keeper == t)
        w->keeper = NULL;
    if (w->leader && (w->keeper ? w->keeper_time <= w->timer : w->timer == NO_TIME))
        return;
    for (struct transfer *other = w->active; other; other = other->next)
        if (other->parked) {
            signal_transfer(other);
            return;
        }
    if (w->leader && w->timer != NO_TIME)
        worker_set_alarm(w, w->timer);
}

static void shorten(int *ms, int64_t now, int64_t time)
{
    if (time == NO_TIME)
        return;
    int64_t left = time > now ? time - now : 1;
    if (left > INT_MAX)
        left = INT_MAX;
    if (*ms == 0 || left < *ms)
        *ms = (int)left;
}

/* Waits for the set, or for the leader's word: > 0: the set is ready. */
static int wait_turn(struct transfer *t, int ms)
{
    struct worker *w = t->w;
    int result;
    if (!w->leader) {
        w->leader = t;
        result = weir_fd_wait(t->c, w->ready, WEIR_READABLE, ms);
        w->leader = NULL;
        return result;
    }
    t->parked = true;
    result = weir_semaphore_acquire(t->c, &t->wake, ms);
    t->parked = false;
    if (t->signalled && result != 0)
        (void)weir_semaphore_try(&t->wake);
    t->signalled = false;
    return result;
}

int transfer_wait(struct transfer *t)
{
    struct worker *w = t->w;
    int64_t now = curl_now_ms();
    if (w->timer <= now) {
        if (++t->driven > DRIVEN_AT_ONCE) { /* an other side that is quick is no reason to keep the worker */
            t->driven = 0;
            weir_yield(t->c);
        }
        return worker_drive(t->c, w);
    }
    t->driven = 0;
    int64_t idle_end = t->idle_ms > 0 ? t->moved + t->idle_ms : NO_TIME;
    if (now >= t->end_time || now >= idle_end)
        return transfer_fail(t, WEIR_ETIMEDOUT, "the time is over");
    int ms = 0;
    shorten(&ms, now, t->end_time);
    shorten(&ms, now, idle_end);
    if (w->timer != NO_TIME && (!w->keeper || w->timer < w->keeper_time)) {
        w->keeper = t;
        w->keeper_time = w->timer;
        shorten(&ms, now, w->timer);
    }
    int result = wait_turn(t, ms);
    if (w->keeper == t)
        w->keeper = NULL;
    if (result > 0)
        return worker_drive(t->c, w);
    if (result == WEIR_ETIMEDOUT && ms > 0 && weir_time_left(t->c) != 0)
        return 0; /* the times are looked at by the next call */
    return result < 0 ? transfer_fail(t, result, weir_strerror(result)) : 0;
}
