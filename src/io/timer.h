/*
 * Timers: a hierarchical wheel of five levels of 64 slots with a tick of one millisecond. Arming and cancelling are
 * O(1); a timer of a far level moves down at most four times in its life. Timers are intrusive and small, for every
 * connection carries one.
 *
 * What happens at expiry is told by the timer's kind, an index into a table that the wheel's owner fills, so that a
 * timer needs no function pointer of its own.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_IO_TIMER_H
#define WEIR_IO_TIMER_H

#include "base/debug.h"

#include <stdbool.h>
#include <stdint.h>

struct timer {
    struct timer *next;
    struct timer **prev; /* what points to this timer; NULL: not armed */
    uint32_t expires;    /* tick; compared modulo 2^32 */
    uint8_t kind;
    uint8_t owner_bits; /* the padding is the owner's to use */
    uint16_t owner_data;
};
_Static_assert(sizeof(struct timer) == 24, "every connection carries a timer");

/* Ticks are compared modulo 2^32, a wrap every 49 days: all arithmetic on them is done by these two. */
static inline WRAPS uint32_t tick_after(uint32_t tick, uint32_t ticks)
{
    return tick + ticks;
}

/* Ticks from one to the other; negative if to comes before from. */
static inline WRAPS int32_t ticks_between(uint32_t from, uint32_t to)
{
    return (int32_t)(to - from);
}

#define WHEEL_LEVELS 5
#define WHEEL_SLOTS  64
/* The longest time a timer can be armed for, about 12 days; longer ones expire then. */
#define TIMER_DELAY_MAX ((uint32_t)(1u << (6 * WHEEL_LEVELS)) - 1)
#define TIMER_KINDS     16

struct wheel;
typedef void (*timer_fn)(void *owner, struct timer *t);

/* Knowledge of the next tick at which something may have to be done. */
enum wheel_next { WHEEL_NEXT_UNKNOWN, WHEEL_NEXT_NONE, WHEEL_NEXT_KNOWN };

struct wheel {
    uint32_t now; /* the tick up to which timers have fired */
    /* The next tick at which something may have to be done, if known; too early where a timer was cancelled, never too
     * late. */
    uint32_t next;
    enum wheel_next next_known; /* whether next is known: most turns of a loop then need not look at the slots */
    uint64_t occupied[WHEEL_LEVELS];
    struct timer *slots[WHEEL_LEVELS][WHEEL_SLOTS];
    timer_fn handlers[TIMER_KINDS];
    void *owner;
};

void wheel_init(struct wheel *w, uint32_t now, void *owner);

static inline bool timer_armed(const struct timer *t)
{
    return t->prev != NULL;
}

/* Arms t, or arms it anew, to fire delay ticks after the wheel's now, at the next tick at the earliest. */
void timer_arm(struct wheel *w, struct timer *t, uint32_t delay);

/* Disarms t. Does nothing if t is not armed. */
void timer_cancel(struct wheel *w, struct timer *t);

void wheel_advance_slow(struct wheel *w, uint32_t now);

/* Fires everything that expires up to tick now. A handler may arm and cancel any timer. */
static inline void wheel_advance(struct wheel *w, uint32_t now)
{
    if (likely(w->next_known == WHEEL_NEXT_KNOWN && ticks_between(w->now, now) >= 0 && ticks_between(now, w->next) > 0))
        w->now = now;
    else
        wheel_advance_slow(w, now);
}

int64_t wheel_next_slow(struct wheel *w);

/* Ticks until something may have to fire, or -1 if nothing is armed. */
static inline int64_t wheel_next(struct wheel *w)
{
    return likely(w->next_known == WHEEL_NEXT_KNOWN) ? ticks_between(w->now, w->next) : wheel_next_slow(w);
}

#endif
