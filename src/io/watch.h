/*
 * Descriptors of libraries, registered once: a database's connection is waited for a thousand times, and its library
 * reads and writes without telling anybody.
 *
 * A watch is level-triggered, because a library need not read until there is nothing left. The poller is asked for
 * events when the first waiter wants them, and goes on being asked when the waiter has gone: the next one finds its
 * descriptor watched, and neither costs a call to the kernel. An event that finds nobody who wants it is taken out of
 * what the poller is asked for (the watch is silenced), so that none comes twice for nobody, and is asked for again by
 * the next waiter. What is ready is the kernel's alone to know: nothing is remembered here, so nothing can be stale. A
 * hang-up, which cannot be silenced, takes the descriptor out of the poller.
 *
 * A watch belongs to the loop that watches it, and moves to the one whose fiber waits next, as long as nobody waits. An
 * event that the former loop has fetched already may still be handled there: records are never unmapped before their
 * pool is, each has a lock, and the handler looks whether the watch is still that loop's, of that generation.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_IO_WATCH_H
#define WEIR_IO_WATCH_H

#include "base/list.h"
#include "io/loop.h"
#include "weir.h"

#include <string.h>

LOCK_ROLE(watches_lock)
LOCK_ROLE_AFTER(watch_lock, ACQUIRED_AFTER(watches_lock))

/* One who waits. Lies wherever that is until watch_leave(). */
struct watch_waiter {
    struct list link;
    /* Called with the watch's lock held, on the loop's thread: something of what is wanted is ready. */
    void (*fn)(struct watch_waiter *w);
    struct fiber *fiber; /* for fn */
    uint32_t wanted;     /* POLLER_READ, POLLER_WRITE */
    uint32_t ready;      /* what of POLLER_READ, POLLER_WRITE and POLLER_HANGUP has come; fn may clear it */
};

struct watches;

struct weir_fd {
    struct lock lock;
    struct watches *home;
    int fd;
    struct loop *loop GUARDED_BY(watch_lock);   /* whose poller has the descriptor, or had; NULL: none yet */
    uint32_t interest GUARDED_BY(watch_lock);   /* what that poller is asked for; 0: it does not have the descriptor */
    uint16_t generation GUARDED_BY(watch_lock); /* of the present use of the record */
    struct list waiters GUARDED_BY(watch_lock); /* all of loop's fibers */
    struct weir_fd *next GUARDED_BY(watches_lock); /* in the free list */
};

#define WATCH_BLOCK 64 /* records that are had at once */

struct watch_block {
    struct watch_block *next;
    struct weir_fd records[WATCH_BLOCK];
};

/* The records of a server. Any thread. */
struct watches {
    struct lock lock;
    struct account *account; /* a shared one */
    struct watch_block *blocks GUARDED_BY(watches_lock);
    struct weir_fd *free GUARDED_BY(watches_lock);
};

void watches_init(struct watches *w, struct account *account);
/* After all loops have ended. */
void watches_done(struct watches *w);

/* A record for fd; NULL: refused. */
struct weir_fd *watch_open(struct watches *w, int fd) MUST_CHECK;
/* Takes the descriptor, which is still open, out of its poller, and gives the record back. Nobody waits. */
void watch_close(struct weir_fd *f);

/* A loop ends, or has: what it watches is nobody's. Before its poller is closed. */
void watches_leave_loop(struct watches *w, struct loop *l);

/*
 * Has waiter (fn, wanted set, and what fn wants) told of what comes, on loop l, whose thread calls; the watch moves
 * there if it has to. 0, or, and nothing was done: WEIR_EBUSY (somebody waits on another loop, or the descriptor is
 * watched in another way), WEIR_ENOMEM, WEIR_ESYS (it cannot be watched).
 */
int watch_join(struct weir_fd *f, struct loop *l, struct watch_waiter *waiter) MUST_CHECK;
/* The waiter's wanted changes, while it is one: 0, or an error as watch_join(), and the former one stays. */
int watch_want(struct weir_fd *f, struct watch_waiter *waiter, uint32_t wanted);
void watch_leave(struct weir_fd *f, struct watch_waiter *waiter);

/* A waiter's fn for a fiber, which gets 1. */
void watch_wake_fiber(struct watch_waiter *w);

/* The handler for SOURCE_WATCH. */
void watch_ready(struct loop *l, void *object, uint16_t generation, uint32_t events);

#endif
