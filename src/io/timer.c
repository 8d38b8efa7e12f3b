/*
 * The timer wheel. A timer lies in the level that its delay at arming needs, in the slot that the expiry's six bits of
 * that level name; when the wheel's time enters a slot of a higher level, the timers there are placed anew, lower. One
 * bitmap a level tells which slots hold anything, so that idle time is skipped.
 *
 * SPDX-License-Identifier: MIT
 */
#include "io/timer.h"

#include "base/bits.h"

#include <stddef.h>
#include <string.h>

void wheel_init(struct wheel *w, uint32_t now, void *owner)
{
    memset(w, 0, sizeof *w);
    w->now = now;
    w->owner = owner;
}

static void timer_place(struct wheel *w, struct timer *t)
{
    uint32_t delta = (uint32_t)ticks_between(w->now, t->expires);
    int level = delta < WHEEL_SLOTS ? 0 : (31 - __builtin_clz(delta)) / 6;
    unsigned slot = (t->expires >> (6 * level)) & (WHEEL_SLOTS - 1);
    struct timer **head = &w->slots[level][slot];
    uint32_t start = t->expires & ~((1u << (6 * level)) - 1);
    if (w->next_known == WHEEL_NEXT_NONE || (w->next_known == WHEEL_NEXT_KNOWN && ticks_between(w->next, start) < 0)) {
        w->next = start;
        w->next_known = WHEEL_NEXT_KNOWN;
    }
    t->next = *head;
    if (t->next)
        t->next->prev = &t->next;
    t->prev = head;
    *head = t;
    w->occupied[level] |= 1ull << slot;
}

void timer_cancel(struct wheel *w, struct timer *t)
{
    if (!t->prev)
        return;
    *t->prev = t->next;
    if (t->next) {
        t->next->prev = t->prev;
    } else {
        /* If the slot is empty now, prev pointed into the table and its bit is cleared. */
        size_t index = (size_t)(t->prev - &w->slots[0][0]);
        if (index < WHEEL_LEVELS * WHEEL_SLOTS && !*t->prev) {
            w->occupied[index / WHEEL_SLOTS] &= ~(1ull << (index % WHEEL_SLOTS));
            w->next_known = WHEEL_NEXT_UNKNOWN;
        }
    }
    t->prev = NULL;
}

void timer_arm(struct wheel *w, struct timer *t, uint32_t delay)
{
    timer_cancel(w, t);
    if (delay == 0)
        delay = 1;
    if (delay > TIMER_DELAY_MAX)
        delay = TIMER_DELAY_MAX;
    t->expires = tick_after(w->now, delay);
    timer_place(w, t);
}

/* Takes a slot's timers out as a list of their own. */
static struct timer *slot_take(struct wheel *w, int level, unsigned slot, struct timer **head)
{
    *head = w->slots[level][slot];
    if (*head)
        (*head)->prev = head;
    w->slots[level][slot] = NULL;
    w->occupied[level] &= ~(1ull << slot);
    return *head;
}

static void wheel_cascade(struct wheel *w)
{
    for (int level = 1; level < WHEEL_LEVELS; level++) {
        unsigned slot = (w->now >> (6 * level)) & (WHEEL_SLOTS - 1);
        struct timer *head;
        slot_take(w, level, slot, &head);
        while (head) {
            struct timer *t = head;
            head = t->next;
            timer_place(w, t);
        }
        if (slot != 0)
            break;
    }
}

static void wheel_fire(struct wheel *w)
{
    unsigned slot = w->now & (WHEEL_SLOTS - 1);
    struct timer *head;
    slot_take(w, 0, slot, &head);
    while (head) {
        struct timer *t = head;
        head = t->next;
        if (head)
            head->prev = &head;
        t->prev = NULL;
        w->handlers[t->kind](w->owner, t);
    }
}

int64_t wheel_next_slow(struct wheel *w)
{
    int64_t best = -1;
    for (int level = 0; level < WHEEL_LEVELS; level++) {
        if (!w->occupied[level])
            continue;
        unsigned at = (w->now >> (6 * level)) & (WHEEL_SLOTS - 1);
        /* The slot at the current index is a whole round away: rotate so that the next slot is bit 0. */
        uint64_t rotated = rotate_left(w->occupied[level], WHEEL_SLOTS - 1 - at);
        uint32_t slots = (uint32_t)__builtin_ctzll(rotated) + 1;
        uint32_t into = w->now & ((1u << (6 * level)) - 1); /* ticks since the current slot began */
        int64_t ticks = (int64_t)((slots << (6 * level)) - into);
        if (best < 0 || ticks < best)
            best = ticks;
    }
    w->next = tick_after(w->now, best < 0 ? 0 : (uint32_t)best);
    w->next_known = best < 0 ? WHEEL_NEXT_NONE : WHEEL_NEXT_KNOWN;
    return best;
}

void wheel_advance_slow(struct wheel *w, uint32_t now)
{
    int32_t left;
    while ((left = ticks_between(w->now, now)) >= 0) {
        /* From one slot that holds timers to the next, of whatever level, so that a long time takes no longer. */
        int64_t step = wheel_next_slow(w);
        if (step < 0 || step > left) {
            w->now = now;
            return;
        }
        w->now = tick_after(w->now, (uint32_t)step);
        if ((w->now & (WHEEL_SLOTS - 1)) == 0)
            wheel_cascade(w);
        wheel_fire(w);
    }
}
