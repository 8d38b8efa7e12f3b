/*
 * Who may take memory when there is a bound on it. Without a bound none of this runs.
 *
 * A set is all that a request can hold at once: a record, two buffers, the block of its arena, a table of many fields,
 * and a stack. A worker keeps one set standing, made before the start and never promised to anybody: whatever is
 * parsed, routed and answered without waiting runs on it, one request after the other, so that short requests are
 * served however little memory is left. A request that is suspended keeps its set, so it has to have one of its own: a
 * promise that the pools can give that much, made good at once by mapping what is missing. Promises are counted, not
 * objects: any free object serves. What was promised is never refused later, so an admitted request finishes, and one
 * that holds a promise waits for no memory.
 *
 * A route whose handlers wait is known as such from its first wait on (struct admission_class), and its requests are
 * admitted before their handlers start. If no set can be had, the request waits in order of arrival, in a form that the
 * version of HTTP chooses (struct waiter), for a settable time; then it is told 503. Several requests of one connection
 * can wait at once. No route holds more than a settable share of the sets that there can be, so that endless streams
 * leave room for others.
 *
 * A reply that is being sent without a fiber keeps only its record and the buffers that hold unsent bytes; that is
 * promised as well.
 *
 * Bounds on a worker's pools are kept in the same way: what they allow is promised and no more, whether there is a
 * bound on memory or not. They are counted in objects, and the accounts are bounded by the slabs that so many need.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_HTTP_ADMISSION_H
#define WEIR_HTTP_ADMISSION_H

#include "base/list.h"
#include "base/pool.h"
#include "io/timer.h"

#include <stdatomic.h>

struct http;
struct exchange;

/* The most that a worker's pools may hold; 0: any number. Stacks are first, because they are no pool: see
 * pool_kind.bound. */
struct admission_bounds {
    uint32_t stacks, records, buffers, arenas;
};

static inline bool admission_bounds_any(const struct admission_bounds *b)
{
    return (b->records | b->buffers | b->arenas | b->stacks) != 0;
}

/* The sets that the bounds allow, the standing one included; UINT32_MAX: any number. */
uint32_t admission_bounds_sets(const struct admission_bounds *b);

/* Bytes of a worker's counts by class; they are there where pools are bounded. */
size_t admission_class_sets_size(uint32_t classes);

#define ADMISSION_MEMORIES 4 /* sizes of request memory beside the usual one */

/* A kind of request, in all workers: what has been learned of a route's handlers. */
struct admission_class {
    uint32_t number;          /* from 0, of settings->classes */
    _Atomic uint32_t sets;    /* promised to its requests */
    _Atomic uint32_t waiting; /* requests of the class that wait for a set */
    _Atomic uint8_t waits;    /* the class's handlers wait: not 0. Falls by one for each that did not */
    uint8_t memory;           /* the number of the class's size of request memory; 0: the usual one */
};

#define ADMISSION_WAITS                                                                                                \
    64 /* waits after a wait: handlers in a row that do not wait until the class is taken for one that does not */

enum hold_kind {
    HOLD_STANDING, /* nothing of its own: it runs on the worker's set */
    HOLD_SET,      /* a set */
    HOLD_OUTPUT,   /* a record, and buffers that are being sent */
};

/* What a live request holds, where memory is bounded. */
struct hold {
    uint8_t kind;    /* enum hold_kind */
    uint8_t buffers; /* of HOLD_OUTPUT */
    uint8_t memory;  /* of HOLD_SET: the set's size of request memory, see struct admission_class */
    bool counted;    /* the request is among its class's sets */
    bool suspended;  /* the request's fiber has been suspended, for something and not only for its turn */
};

/* A request that waits for a set. Whoever lets it wait embeds one, and keeps what there is of the request. */
struct waiter {
    struct list link;
    struct admission_class *class;
    /* There is a set for the request, promised and counted: it is off the list, and goes on as soon as a fiber serves
     * it. */
    void (*admitted)(struct http *h, struct waiter *w);
};

/* What the pools of a worker have to be able to give, beside the standing set. What is behind `sets` is named by rows
 * of http_pools. */
struct promise {
    uint32_t sets;                         /* as a whole */
    uint32_t records, buffers;             /* beside them */
    uint32_t memories[ADMISSION_MEMORIES]; /* sets among them that have a block of another size as well */
};

struct admission {
    bool limited;  /* there is a bound, on memory or on pools: nothing else here has a meaning without */
    uint8_t share; /* percent of the sets that one class may hold */
    struct promise promised;
    uint32_t count;    /* of those that wait */
    size_t set_size;   /* bytes of a set, but for a block of another size */
    uint64_t headroom; /* of the bound, that no set takes: for connections, half-received heads, and those that wait */
    struct list mark;  /* among those that wait: the next one to be looked at is behind it */
    struct list waiting;
    struct account account; /* of those that wait, and of the counts by class */
    struct timer retry;
    bool freed;                    /* a promise was given back since the last look at who waits */
    uint32_t sets_most;            /* sets that the bounds on pools allow beside the standing one */
    uint32_t *class_sets;          /* by a class's number: sets promised to it in this worker. NULL: no such bounds */
    _Atomic uint64_t *shared_sets; /* promised in all workers */
    struct memory *memory;
};

/* Makes the standing set, where h->admission.limited: from pools that are open. 0 or WEIR_ENOMEM. shared_sets: one for
 * all workers. */
int admission_init(struct http *h, struct memory *m, _Atomic uint64_t *shared_sets) MUST_CHECK;
/* Before the pools are closed. */
void admission_done(struct http *h);

/* Whether the request's handler may start now; true also where it is not known to wait. False: the request has to wait,
 * or is one too many. */
bool admission_enter(struct exchange *x, struct admission_class *class);

/* Before the request's fiber is suspended: gives it a set of its own if it has none. waits: for something, and not only
 * its turn. False: it cannot be suspended. */
bool admission_hold(struct exchange *x, bool waits);

/* The request's handler has ended: what is learned of its class. */
void admission_learn(struct exchange *x);

/* The request goes on without a fiber, with so many buffers. False: there is no memory for that. */
bool admission_keep_output(struct exchange *x, uint32_t buffers);

/* The request holds nothing of its own any more. */
void admission_release(struct exchange *x);

/* Lets a request of the class wait; w is the caller's, and on the list until it is admitted or taken off. */
void admission_wait(struct http *h, struct waiter *w, struct admission_class *class);
/* Takes a waiter off the list. */
void admission_unwait(struct http *h, struct waiter *w);
/* A request that was admitted while it waited has got its record, which holds the set from here on. */
void admission_arrive(struct exchange *x, struct admission_class *class);
/* A request that was admitted while it waited ends before it gets a record. */
void admission_forget(struct http *h, struct admission_class *class);

/* Whether so much may be taken beside what is promised, which leaves the headroom; where not, some is sought. */
bool admission_make_room(struct http *h, uint64_t bytes);

/* Lets the waiters go on for whom there is memory now. At the end of a turn. */
void admission_turn(struct http *h);
static inline bool admission_is_waited_for(const struct admission *a)
{
    return a->count > 0;
}

#endif
