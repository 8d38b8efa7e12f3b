/*
 * How a handler, or a thread of the program, waits for others: by the parking of the io floor, and by the rules of a
 * request's waits.
 *
 * What may end the handler for good is done before its record is queued; from then on its wait only fails.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_SYNC_SYNC_H
#define WEIR_WEB_SYNC_SYNC_H

#include "io/parking.h"
#include "web/context.h"

/* As CONTEXT_CHECK(), where c may be NULL. */
#define SYNC_CHECK(c)                                                                                                  \
    do {                                                                                                               \
        if (c)                                                                                                         \
            CONTEXT_CHECK(c);                                                                                          \
    } while (0)

/* Makes the record of who is about to wait: c's fiber, or the calling thread. Ends the handler if it may not wait any
 * more. */
void sync_begin(weir_ctx *c, struct parked *p);

/* parking_wait() by the rules of c's waits, with news and deadlines. */
int sync_wait(weir_ctx *c, struct lock *lock, struct parking *q, struct parked *p, int timeout_ms);

/* Who calls: a number of that fiber or thread alone while it lives, whose lowest bit is 0; never 0. */
uintptr_t sync_self(const weir_ctx *c);

/* Asserts that a primitive fits in what the public header gives it. */
#define SYNC_FITS(internal, public)                                                                                    \
    _Static_assert(sizeof(internal) <= sizeof(public) && _Alignof(internal) <= _Alignof(public), "see weir.h")

/* ---- mutex.c, for conditions ---- */

bool mutex_is_locked(const weir_mutex *m);
/* Locks m, for which nothing ends the wait. Where the caller may wait. */
void mutex_lock_uncut(weir_ctx *c, weir_mutex *m);

/* ---- channel.c, for the server that has the memory ---- */

weir_channel *channel_new(struct account *a, size_t capacity, size_t item_size) MUST_CHECK;

#endif
