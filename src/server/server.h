/*
 * A server and its workers. Everything here is made before the workers run and is read-only while they do, but for what
 * says otherwise.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_SERVER_SERVER_H
#define WEIR_SERVER_SERVER_H

#include "base/lock.h"
#include "base/thread.h"
#include "net/socket_memory.h"
#include "server/admin.h"
#include "server/process_memory.h"
#include "server/settings.h"
#include "web/cache/cache.h"
#include "web/context.h"

#define ADDRESSES_MAX ((uint32_t)1 << 16) /* that are told apart at once; of a memory_limit, one for each 512 bytes */
#define HANDOVERS     64                  /* sockets that a worker can have on their way to others */

struct worker;

/* A connection on its way to another worker. It is the business of the thread that it was sent to: the inbox carries it
 * over, with all that was written. */
struct handover {
    struct inbox_node node;
    struct handover *next; /* in its worker's free list */
    struct worker *from;
    int fd;
    uint32_t address_slot;
    uint8_t listener;
};

/* A message that makes a worker stop or cut; one of each for each worker, sent at most once. */
struct order {
    struct inbox_node node;
    struct worker *worker;
    _Atomic bool sent;
};

/* While it runs, its own thread alone touches it, but for what is atomic within and the inbox of its loop. */
struct worker {
    struct weir_server *server;
    int index;
    struct thread thread;
    struct loop loop;
    struct net net;
    struct http http;
    struct web web;
    struct account stack_account, deep_account, regex_account, message_account;
    struct pool messages; /* WebSocket message buffers of ws_buffer_size */
    struct listener listeners[LISTENERS_MAX];
    size_t listener_count;
    int fds[LISTENERS_MAX]; /* opened for it before it started */
    struct timer maintenance, stop_deadline, sample;
    struct socket_memory sockets;
    struct order stop, cut, give_back;
    uint32_t relief; /* tick at which memory was last sought */
    struct handover handovers[HANDOVERS];
    struct handover *free_handovers;
    bool stopping;
    bool starved;       /* memory was refused in this turn */
    bool give_back_due; /* all memory that can be spared is to be given back at the end of this turn */
    bool trim_due;      /* memory is to be given back at the end of this turn */
    int error;          /* of its start */
};

enum server_state { SERVER_NEW, SERVER_STARTING, SERVER_RUNNING, SERVER_FAILED, SERVER_ENDED };

struct server_cache {
    struct list link;
    struct weir_cache *cache;
};

LOCK_ROLE(server_lock)

struct weir_server {
    struct memory memory;
    struct account account;        /* what lives as long as the server; shared */
    struct account thread_account; /* stacks of threads; shared */
    struct account body_account;   /* bodies larger than request memory; shared; not open where no group allows any */
    struct log log;
    struct site site;
    struct settings settings;
    struct offload offload;
    struct list caches;
    struct cache_waits cache_waits;
    struct list accounts GUARDED_BY(server_lock); /* the program's */
    struct worker *workers;
    size_t workers_size;
    struct route_counters *route_counters; /* see route_times.h */
    _Atomic uint64_t open;                 /* connections, all workers */
    struct address_table addresses;
    struct socket_memory_total sockets;
    struct process_memory process_memory;
    struct admin admin;
    uint64_t start_ns;     /* CLOCK_MONOTONIC when the workers began to serve */
    _Atomic uint64_t sets; /* that are promised to requests, all workers; see admission.h */
    _Atomic bool stopping;
    _Atomic int port;
    int end_fd; /* written to when the last worker has ended; -1: nobody asks */
    struct thread watchdog;
    struct lock lock;
    pthread_cond_t changed;
    enum server_state state GUARDED_BY(server_lock);
    int ready GUARDED_BY(server_lock);   /* workers that have set up, well or not */
    int running GUARDED_BY(server_lock); /* threads that have not ended */
    bool joined GUARDED_BY(server_lock);
};

/* ---- account.c ---- */

/* Closes the accounts that the program has left open. What it still holds in one is logged, and is memory lost. When
 * nobody else uses the server any more. */
void server_close_accounts(struct weir_server *s);

/* ---- worker.c ---- */

/* Prepares a worker's record; its sockets are in fds. */
void worker_init(struct worker *w, struct weir_server *s, int index);
/* The thread: sets up, tells the server, serves when it is told to, cleans up. */
void *worker_main(void *arg);
/* Any thread. */
void worker_order_stop(struct worker *w);
void worker_order_cut(struct worker *w);
/* Goes on accepting where that is paused. */
void worker_resume_listeners(struct worker *w);
/* After all workers have ended: closes sockets that were on their way to this one. */
void worker_drop_inbox(struct worker *w);
/* Closes what wakes it. A message can have been taken, and the worker have ended, before its sender writes there: so
 * not before offload threads have ended and nobody calls weir_server_stop() any more. */
void worker_close_wake(struct worker *w);

/* Sends an order unless it is under way. Any thread. */
void order_send(struct order *order);

/* ---- relief.c ---- */

/* Memory lacks so many bytes: the caches give back at once, and more is sought at the end of the turn. http.starved. */
void worker_starved(struct http *http, uint64_t bytes);
uint64_t worker_spare(const struct http *http); /* that the caches would give then. http.spare */
void worker_seek_memory(struct worker *w);
/* Gives back all that is not needed at this moment, at the end of a turn; and the order for it. */
void worker_give_back(struct worker *w);
void worker_asked_for_memory(struct loop *l, struct inbox_node *node);
/* There is no memory for a connection: the caches make room, else those that have been idle for longest. owner: struct
 * http. */
void worker_make_room(void *owner);

/* ---- server.c ---- */

/* Bytes of the table of connections by address. */
uint64_t server_addresses_size(const struct weir_server *s);

/* Logs why a thread was not started. then: what that means, after the reason. */
void thread_log_refusal(const struct log *l, int level, const struct thread *t, const char *whose, const char *then);
/* Completes the settings by what has been registered; again, when there is more. */
void server_count_routes(struct weir_server *s);

/* Most that bodies may take beside request memory; 0: none is allowed any. */
uint64_t server_body_memory(const struct weir_server *s);

/* A worker tells that it has set up, and waits until all have. True: serve. */
bool server_worker_ready(struct weir_server *s, int error);
void server_worker_ended(struct weir_server *s);
/* Whether the workers' figures can be read: they serve, or have served. Any thread. */
bool server_has_started(weir_server *s);
/* Lets the caches give back about so many bytes. Any thread. */
void server_give_back(struct weir_server *s, uint64_t bytes);
/* Bytes that the caches have, and could give back but for values that are being sent. Any thread. */
uint64_t server_spare(const struct weir_server *s);
/* Ends what a graceful stop still waits for. Any thread. */
void server_cut(struct weir_server *s);

/* ---- plan.c ---- */

/* The least memory_limit by what is registered so far: what the workers make, and what requests need to wait. */
uint64_t plan_least(struct weir_server *s);
/* Before the start: memory_limit has to allow that, or it is a wrong setting. */
void plan_check_limit(struct weir_server *s);

/* ---- watchdog.c ---- */

/* Starts the thread that looks for workers that do not come back. Without it if it cannot be had. */
void watchdog_start(struct weir_server *s);
void watchdog_stop(struct weir_server *s);

#endif
