/*
 * A mutex whose discipline clang checks, and which knows when a fiber tries to wait while holding it: a fiber that
 * parks with a lock held would stop every other fiber that wants it, on this worker for ever.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_BASE_LOCK_H
#define WEIR_BASE_LOCK_H

#include "base/debug.h"

#include <pthread.h>

struct LOCKABLE lock {
    pthread_mutex_t mutex;
};

/* How many locks this thread holds; the fiber switch asserts that it is none. */
unsigned *lock_depth(void);

static inline void lock_init(struct lock *l)
{
    weir_assert(pthread_mutex_init(&l->mutex, NULL) == 0);
}

static inline void lock_done(struct lock *l)
{
    pthread_mutex_destroy(&l->mutex);
}

static inline void lock_acquire(struct lock *l) ACQUIRES(l) NO_THREAD_CHECK
{
    pthread_mutex_lock(&l->mutex);
    ++*lock_depth();
}

static inline void lock_release(struct lock *l) RELEASES(l) NO_THREAD_CHECK
{
    --*lock_depth();
    pthread_mutex_unlock(&l->mutex);
}

#endif
