/*
 * Bytes that several hold at the same time, on any thread: the count of the holders, and what is called when the last
 * one lets go. Embedded in what the bytes belong to.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_BASE_SHARED_H
#define WEIR_BASE_SHARED_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct shared {
    _Atomic uint32_t references;
    void (*release)(struct shared *s); /* gives the memory back; called on the thread of the last holder */
};

/* Begins with one reference, the caller's. */
static inline void shared_init(struct shared *s, void (*release)(struct shared *s))
{
    atomic_init(&s->references, 1);
    s->release = release;
}

/* One more holder. The caller holds a reference, or a lock under which one is held. Any thread. */
static inline void shared_ref(struct shared *s)
{
    atomic_fetch_add_explicit(&s->references, 1, memory_order_relaxed);
}

/* Gives a reference up without releasing; true if it was the last one: the caller then has to see to the memory. */
static inline bool shared_drop(struct shared *s)
{
    return atomic_fetch_sub_explicit(&s->references, 1, memory_order_acq_rel) == 1;
}

/* Gives a reference up, and with the last one the memory. Any thread; takes its maker's lock. */
static inline void shared_unref(struct shared *s)
{
    if (shared_drop(s))
        s->release(s);
}

#endif
