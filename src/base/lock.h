/*
 * A mutex whose discipline clang checks, and which knows when a fiber tries to wait while holding it: a fiber that
 * parks with a lock held would stop every other fiber that wants it, on this worker for ever.
 *
 * An attribute of C cannot name a sibling member (before clang 20), so that what a lock guards is told by its role: a
 * name for all locks of a kind. Locks are taken and given by the functions of their role, and GUARDED_BY() and
 * REQUIRES() name it. Which of several locks of a role is held is not checked.
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

/* The number of locks that this thread holds; the fiber switch asserts that it is 0. */
unsigned *lock_depth(void);

static inline void lock_init(struct lock *l)
{
    weir_assert(pthread_mutex_init(&l->mutex, NULL) == 0);
}

static inline void lock_done(struct lock *l)
{
    pthread_mutex_destroy(&l->mutex);
}

/* The taking itself, unchecked: for LOCK_ROLE() alone. */
static inline void lock_acquire_raw(struct lock *l) NO_THREAD_CHECK
{
    pthread_mutex_lock(&l->mutex);
    ++*lock_depth();
}

static inline void lock_release_raw(struct lock *l) NO_THREAD_CHECK
{
    --*lock_depth();
    pthread_mutex_unlock(&l->mutex);
}

/* Declares a role, and what takes and gives locks of it: ROLE_acquire(l) and ROLE_release(l). The role's object is only
 * a name and does not exist. */
#define LOCK_ROLE(role) LOCK_ROLE_AFTER(role, )
/* LOCK_ROLE() with an order: ACQUIRED_AFTER() of another role, which is never taken while this one is held. */
#define LOCK_ROLE_AFTER(role, order)                                                                                   \
    extern struct lock role order;                                                                                     \
    static inline void role##_acquire(struct lock *l) ACQUIRES(role) NO_THREAD_CHECK                                   \
    {                                                                                                                  \
        lock_acquire_raw(l);                                                                                           \
    }                                                                                                                  \
    static inline void role##_release(struct lock *l) RELEASES(role) NO_THREAD_CHECK                                   \
    {                                                                                                                  \
        lock_release_raw(l);                                                                                           \
    }

#endif
