/*
 * The loop of a worker: waits for readiness, fires timers, takes what other threads have sent, and runs fibers.
 *
 * A turn: poll; dispatch events on the thread's own stack; fire timers; take the inbox; resume fibers that are ready;
 * run the work queue. The work queue holds what needs a fiber (connections with something to parse). One fiber takes as
 * much work from it as it can: handlers that do not wait all run on one stack, with one switch a turn. When one waits,
 * the next fiber goes on with the rest.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_IO_LOOP_H
#define WEIR_IO_LOOP_H

#include "base/clock.h"
#include "base/log.h"
#include "io/fiber.h"
#include "io/poller.h"
#include "io/timer.h"

#include <stdatomic.h>

struct loop;

/* The kind of object that an event is about: the low bits of its mark, whose pointer has to be aligned to 8. */
enum source { SOURCE_WAKE, SOURCE_AWAIT, SOURCE_LISTENER, SOURCE_CONNECTION, SOURCE_WATCH, SOURCE_COUNT = 8 };

/* Handles the events of an object. generation: as given to source_mark(). */
typedef void (*source_fn)(struct loop *l, void *object, uint16_t generation, uint32_t events);

/* The mark of an object: its address, its kind and 16 bits to tell it from an earlier one at the same place. Linux
 * gives user space 47 bits of addresses unless asked for more. */
static inline uint64_t source_mark(enum source source, const void *object, uint16_t generation)
{
    return (uint64_t)(uintptr_t)object | (uint64_t)source | (uint64_t)generation << 48;
}

/* Something that wants a fiber; intrusive, in the queue at most once. */
struct work {
    struct work *next;
};

/* Something that begins on a fiber of its own and is no work of the owner's; intrusive, queued at most once until it
 * has begun. */
struct start {
    struct start *next;
    void (*fn)(struct loop *l, struct start *s); /* on a fiber, which may be suspended */
};

/* A message from another thread; intrusive, sent at most once until it has been taken. Sending releases what was
 * written before, taking acquires it. */
struct inbox_node {
    struct inbox_node *next;
    void (*fn)(struct loop *l, struct inbox_node *node); /* runs on the loop's thread, not on a fiber */
};

#define LOOP_EVENTS 256

struct loop {
    struct poller poller;
    struct wheel wheel;
    struct fibers fibers;
    uint64_t now_ns;   /* CLOCK_MONOTONIC at the start of this turn */
    uint64_t start_ns; /* tick 0 of the wheel */
    /* What tells the time in place of the system's clock, see loop_clock_ns(); NULL: nothing does. */
    const uint64_t *clock_ns;
    source_fn sources[SOURCE_COUNT];
    struct work *work_first;
    struct work **work_last;
    uint32_t work_count; /* items of work that are queued */
    uint32_t outside;   /* fibers that wait for what is outside of the process, as descriptors, for which no timer is */
    uint32_t work_left; /* items that this turn is for: what is queued meanwhile comes after a look at the sockets */
    void (*work_fn)(void *owner, struct work *w);
    struct start *start_first;
    struct start **start_last;
    struct work starts; /* stands in the work queue for the first of them, while there is one */
    void *owner;        /* handed to timers' handlers and work_fn */
    const struct log *log;
    int wake_fd;
    bool stopped;
    bool starved; /* there was no stack for what is queued */
    bool busy;    /* whoever has turn_fn has more to do in the next turn, which does not wait */
    _Atomic(struct inbox_node *) inbox;
    _Atomic uint64_t turns;        /* for the watchdog: grows by one when a turn begins and ends; odd while in one */
    _Atomic uint64_t fiber_count;  /* fibers not idle */
    void (*begin_fn)(void *owner); /* when a turn has begun and the clock has been read; NULL: none */
    void (*turn_fn)(void *owner);  /* at the end of each turn; NULL: none */
};

/* Makes a loop. account: for stacks. Returns 0 or a negative error, with nothing left to undo. */
int loop_init(struct loop *l, struct account *account, size_t stack_size, void *owner,
              const struct log *log) MUST_CHECK;
void loop_done(struct loop *l);
/* Ends a loop that other threads may still send to, or are still in loop_send() for a message that has been taken:
 * wake_fd, by which they wake it, is left open, and is closed by the caller when they have ended. */
void loop_end(struct loop *l);

/* Runs the loop, turn after turn, until loop_stop(). */
void loop_run(struct loop *l);
void loop_stop(struct loop *l);

/* A turn by somebody else than loop_run(), with n events. loop_waits(): how many milliseconds the next can wait for by
 * the loop's clock; -1: until something comes. */
void loop_turn(struct loop *l, const struct epoll_event *events, int n);
int loop_waits(struct loop *l);

/* Queues w for a fiber. On the loop's thread only. */
static inline void loop_push_work(struct loop *l, struct work *w)
{
    w->next = NULL;
    *l->work_last = w;
    l->work_last = &w->next;
    l->work_count++;
}

/* Queues work before all that is queued, to be done in this turn. */
static inline void loop_push_work_first(struct loop *l, struct work *w)
{
    w->next = l->work_first;
    if (!l->work_first)
        l->work_last = &w->next;
    l->work_first = w;
    l->work_count++;
    l->work_left++;
}

/* Queues s for a fiber. On the loop's thread only. */
void loop_push_start(struct loop *l, struct start *s);

/* Moves work that is queued before all else, to be done in this turn. */
void loop_hasten_work(struct loop *l, struct work *w);

/* Sends node to l. Any thread. One wake-up covers all nodes that are sent before the loop takes them. */
void loop_send(struct loop *l, struct inbox_node *node);

/* The loop's time in ticks of a millisecond. */
static inline uint32_t loop_now_ms(const struct loop *l)
{
    return l->wheel.now;
}

/* CLOCK_MONOTONIC, or what stands for it where a test makes the time. */
static inline uint64_t loop_clock_ns(const struct loop *l)
{
    return unlikely(l->clock_ns != NULL) ? *l->clock_ns : clock_monotonic_ns();
}

/* The tick of this instant, where loop_now_ms() is that of the turn's begin. Reads the clock. */
uint32_t loop_tick_now(const struct loop *l);

/* Reads the clock anew. */
void loop_update_time(struct loop *l);

/* Ticks from now that are at least ms away, for timer_arm(): one more, since the current tick has begun. */
static inline uint32_t loop_delay(uint32_t ms)
{
    return ms < TIMER_DELAY_MAX ? ms + 1 : TIMER_DELAY_MAX;
}

/* loop_delay() counted from this instant and not from the beginning of the turn: for a fiber, which may have run for
 * long. Reads the clock. */
uint32_t loop_delay_now(const struct loop *l, uint32_t ms);

#endif
