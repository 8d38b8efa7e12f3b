/*
 * Pools of connections of any kind: what the public header calls weir_pool.
 *
 * A pool has shares: one for all workers, or one for each. A share has a fixed table of records, each for a connection
 * or the place of one, so that `max` is the length of the table and nothing is allocated later. Its lock guards all of
 * a share; nobody waits with it. Handlers that wait are parked in order of arrival and are handed a record: with a
 * connection that was given back, or one to open a connection in.
 *
 *   FREE -> OPENING -> TAKEN <-> IDLE
 *                      TAKEN, IDLE -> CLOSING -> FREE
 *
 * After a failure to open there is a pause, in which nobody opens; after it one handler does, alone, and the others
 * wait for what comes of it. So one that is down is asked once for each pause, however many want it.
 *
 * What is to be closed goes to a task of the worker that has found that out.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_OUTGOING_RESOURCE_H
#define WEIR_WEB_OUTGOING_RESOURCE_H

#include "io/parking.h"
#include "web/context.h"

enum resource_state {
    RESOURCE_FREE,    /* a place without a connection; in the share's `free` */
    RESOURCE_OPENING, /* a handler makes a connection in it */
    RESOURCE_TAKEN,   /* a handler has the connection, or checks it; in the share's `taken` */
    RESOURCE_IDLE,    /* nobody has the connection; in the share's `idle` */
    RESOURCE_CLOSING, /* in a worker's list, or being closed */
};

struct resource_share;

struct resource {
    struct list link;
    struct claim claim; /* of who has it or makes it; that fiber's */
    struct resource_share *share;
    void *connection;
    uint64_t idle_since_ns;
    uint8_t state; /* enum resource_state */
    bool probe;    /* OPENING: after a pause, alone */
};

/* What is known of failures to open. */
struct resource_pause {
    int error;         /* of the last failure */
    uint32_t failures; /* in a row; 0: all is well */
    uint64_t until_ns; /* until when nobody opens */
    uint64_t random;
    bool probing; /* one opens, after a pause */
};

struct resource_share {
    struct weir_pool *pool;
    struct lock lock;
    struct parking queue GUARDED_BY(parking_lock);
    int waiting GUARDED_BY(parking_lock);      /* in queue */
    int open GUARDED_BY(parking_lock);         /* records that are not FREE */
    struct list free GUARDED_BY(parking_lock); /* records that are FREE */
    struct list idle GUARDED_BY(parking_lock); /* the one used last is first */
    int idle_count GUARDED_BY(parking_lock);
    struct list taken GUARDED_BY(parking_lock);
    struct resource_pause pause GUARDED_BY(parking_lock);
    bool closed GUARDED_BY(parking_lock);
    uint64_t opened GUARDED_BY(parking_lock);
    uint64_t failed GUARDED_BY(parking_lock);
    uint64_t broken GUARDED_BY(parking_lock);
    uint64_t timed_out GUARDED_BY(parking_lock);
    uint64_t refused GUARDED_BY(parking_lock);
    uint64_t checks_failed GUARDED_BY(parking_lock);
};

/* A worker's side of a pool; its thread's alone, but for `thread`. */
struct resource_worker {
    struct resource_share *share;
    _Atomic uintptr_t thread; /* pthread_self() of the worker; 0: it has not begun, or has ended */
    struct http *http;
    struct list closing;      /* records that wait for the task */
    struct resource *current; /* which the task closes now; NULL: none */
    bool closer_runs;         /* there is a task that closes */
};

struct weir_pool {
    struct list link; /* in the server's pools */
    struct account *account;
    weir_pool_config config; /* with its defaults */
    char name[WEIR_POOL_NAME_SIZE];
    int worker_count, share_count;
    struct resource_worker *workers;
    struct resource_share *shares;
    struct resource *resources;
    size_t size; /* of this record and the tables behind it */
};

/* Who waits for a record. */
struct resource_waiter {
    struct parked parked;
    struct resource *record; /* handed over; NULL: the result tells why not */
    bool told;               /* something was handed to it, if only a result; guarded by the share's lock until then */
};

/* ---- resource_share.c: a share under its lock; granted are to be woken when the lock is released ---- */

/* A record for who asks now, in state TAKEN or OPENING; NULL: there is none, or others have waited for longer. */
struct resource *share_take(struct resource_share *s, uint64_t now_ns) REQUIRES(parking_lock);
/* Hands records to those who wait, as far as there are any, or tells them that there will be none. */
void share_serve(struct resource_share *s, uint64_t now_ns, struct parking *granted) REQUIRES(parking_lock);
/* Whether waiting is in vain: the error of who failed last; 0: something is there that may be given back, or opened. */
int share_hopeless(const struct resource_share *s) REQUIRES(parking_lock);
/* An OPENING record has become a connection: TAKEN. */
void share_opened(struct resource_share *s, struct resource *r) REQUIRES(parking_lock);
/* An OPENING record has not: FREE. error 0: the handler had no more time for it, which tells nothing of the other
 * side. */
void share_failed(struct resource_share *s, struct resource *r, int error, uint64_t now_ns) REQUIRES(parking_lock);
/* A TAKEN record is nobody's any more: IDLE. */
void share_idle(struct resource_share *s, struct resource *r, uint64_t now_ns) REQUIRES(parking_lock);
/* A TAKEN or IDLE record is going to be closed. */
void share_closing(struct resource_share *s, struct resource *r) REQUIRES(parking_lock);
/* A CLOSING record has been closed: FREE, or OPENING for who has closed it and keeps its place. */
void share_freed(struct resource_share *s, struct resource *r) REQUIRES(parking_lock);
void share_reopen(struct resource *r) REQUIRES(parking_lock);
/* A connection that is TAKEN; NULL: there is none such. */
struct resource *share_find(const struct resource_share *s, const void *connection) REQUIRES(parking_lock);

/* ---- resource_close.c: closing ---- */

/* Calls close for a CLOSING record. */
void resource_close(weir_ctx *c, struct resource *r);
/* The connection of a CLOSING record is closed: its place goes to who waits. */
void resource_release(struct resource *r);
/* Closes a CLOSING record by a task of the worker, or without one. On the worker's thread; does not suspend. */
void resource_close_later(struct resource_worker *w, struct resource *r);
/* Closes what has been idle for too long, and lets those who wait try again. Once a second, on the worker's thread. */
void resource_maintain(struct resource_worker *w);
/* The worker's side of a pool begins, and ends when all handlers have; on its thread. */
void resource_worker_begin(struct resource_worker *w, struct http *http);
void resource_worker_end(struct resource_worker *w);
/* Closes all that is left of a share, with c NULL. When no worker uses it any more. */
void resource_share_close(struct resource_share *s);

/* ---- resource_pool.c: pools ---- */

/* Makes a pool for so many workers; NULL: the configuration is wrong, or there is no memory. */
weir_pool *resource_pool_new(struct account *a, int workers, const weir_pool_config *config) MUST_CHECK;
void resource_pool_free(weir_pool *p);
/* Adds a pool's figures to a row. Any thread. */
void resource_pool_read(weir_pool *p, weir_ledger_pool *row);

#endif
