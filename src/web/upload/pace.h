/*
 * Whether files can be written on the worker's own thread. A write into the kernel's page cache is a copy, and handing
 * it to another thread would cost more than it does; but the kernel makes who writes wait when the disk does not keep
 * up with what is to be written, by up to 200 ms in one call, or while a journal is being committed.
 *
 * So writes are made on the worker only while the disk is known to be quick, because a write within the last second
 * was. The first one after a pause is another thread's, and tells. One that was slow, wherever it was made, sends all
 * of the worker's writes to other threads until none has been slow for a second, and the next one is such a first one
 * again. A disk that is slow never holds the worker up; one that becomes slow amidst quick writes does so once.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_UPLOAD_PACE_H
#define WEIR_WEB_UPLOAD_PACE_H

#include "io/timer.h"

#define PACE_SLOW_NS  2000000 /* what a quick write takes at most; 64 KiB are copied in a fiftieth of it */
#define PACE_KNOWN_MS 1000

enum pace_state {
    PACE_UNKNOWN,
    PACE_QUICK,
    PACE_SLOW,
};

/* A worker's, zero at first. */
struct disk_pace {
    uint32_t until; /* tick until which the state holds; meaningful unless it is unknown */
    uint8_t state;  /* enum pace_state */
};

/* Whether writes are for other threads at this tick. */
static inline bool pace_is_elsewhere(struct disk_pace *p, uint32_t now)
{
    if (p->state != PACE_UNKNOWN && ticks_between(now, p->until) <= 0)
        p->state = PACE_UNKNOWN;
    return p->state != PACE_QUICK;
}

/* Takes note of a write that has ended at this tick. What is slow stays so for its time, whatever else is quick. */
static inline void pace_note(struct disk_pace *p, uint64_t took_ns, uint32_t now)
{
    bool slow = took_ns > PACE_SLOW_NS;
    if (!slow && p->state == PACE_SLOW && ticks_between(now, p->until) > 0)
        return;
    p->state = slow ? PACE_SLOW : PACE_QUICK;
    p->until = tick_after(now, PACE_KNOWN_MS);
}

#endif
