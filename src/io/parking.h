/*
 * Parking: who waits for something that others hand over, fibers of any loop and threads of the program, in a queue in
 * order of arrival.
 *
 * A waiter's record lies on the waiter's stack. Who hands over takes it off the queue and marks it as granted, under
 * the lock of what is waited for, and wakes the waiter when the lock has been released: a fiber of the same thread
 * directly, one of another loop by the record as a message, a thread by the condition in the record. A waiter that is
 * woken otherwise takes the lock and looks: not granted, it leaves the queue, and nobody will know its record any more;
 * granted, it has what it waited for, and stays until the waking has arrived. So nothing that was handed over is lost,
 * and no record is used that is gone.
 *
 * What is waited for may be gone as soon as its waiters know: who wakes touches their records alone.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_IO_PARKING_H
#define WEIR_IO_PARKING_H

#include "io/wait.h"

#include <pthread.h>

/* The lock of a queue, or of several, and of what they wait for. All zero is one that is ready. */
LOCK_ROLE(parking_lock)
/* The lock of a thread's record; the innermost. */
LOCK_ROLE_AFTER(parked_lock, ACQUIRED_AFTER(parking_lock))

struct parked {
    struct parked *next, *previous; /* in a queue, or in the list of who is to be woken */
    struct loop *loop;              /* the waiting fiber's; NULL: a thread waits */
    struct fiber *fiber;
    pthread_t thread; /* which waits, or runs the loop */
    struct inbox_node message;
    bool granted;         /* guarded by the queue's lock */
    bool arrived;         /* the waking has; the fiber's thread's, or guarded by the record's lock */
    int result;           /* of the wait, as the granter says */
    struct lock lock;     /* of a thread's record */
    pthread_cond_t woken; /* likewise */
};

/* Who waits, first come first. All zero is one where nobody does. */
struct parking {
    struct parked *first, *last;
};

/* How a fiber waits: park(arg) gives what woke it, negative if the wait is to end; a wait that may be cut for good is
 * refused. timer_kind's handler is wait_timer_fired. */
struct parker {
    int (*park)(void *arg);
    void *arg;
    uint8_t timer_kind;
};

/* Makes the caller's record: of the running fiber of l; l NULL: of the calling thread. parking_wait() follows, or
 * parked_done(). */
void parked_init(struct parked *p, struct loop *l);
/* Gives up a record that was never queued. */
void parked_done(struct parked *p);

/* Queues a record behind the others. */
void parking_join(struct parking *q, struct parked *p) REQUIRES(parking_lock);

/* Grants the first of q what it waits for, with that result of its wait, and puts it behind those of granted, which
 * parking_wake() is for when the lock has been released. NULL: nobody waits. */
struct parked *parking_grant(struct parking *q, struct parking *granted, int result) REQUIRES(parking_lock);
/* Grants all of q. */
void parking_grant_all(struct parking *q, struct parking *granted, int result) REQUIRES(parking_lock);

/* Wakes those who were granted something. No lock may be held that they take. */
void parking_wake(struct parking *granted);

/*
 * Waits as p, which was queued in q under lock, until it is granted something, for timeout_ms (0: no limit), or until
 * the wait is ended by what `how` says, which a thread is not asked for. how NULL: until it is granted something,
 * whatever else happens. Returns the granter's result, or WEIR_ETIMEDOUT or what ended the wait: p was granted nothing
 * and is in q no more. p is given up. Suspends, or blocks the thread.
 */
int parking_wait(struct lock *lock, struct parking *q, struct parked *p, const struct parker *how, uint32_t timeout_ms)
    EXCLUDES(parking_lock);

#endif
