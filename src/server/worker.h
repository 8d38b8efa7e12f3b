/*
 * A worker: one thread with its own loop, listeners, pools and fibers. It meets the others only when a socket is handed
 * over, when memory is short, and when the server stops.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_SERVER_WORKER_H
#define WEIR_SERVER_WORKER_H

#include "base/thread.h"
#include "net/socket_memory.h"
#include "server/order.h"
#include "server/settings.h"
#include "web/context.h"

#define HANDOVERS 64 /* sockets that a worker can have on their way to others */

struct weir_server;
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
    struct list job_list;   /* struct job: what tasks.h has for this worker */
    uint8_t job_timer_kind;
    _Atomic uint32_t jobs; /* jobs that are here or under way here; any thread adds some, under the table's lock */
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

/* Prepares a worker's record; its sockets are in fds. */
void worker_init(struct worker *w, struct weir_server *s, int index);
/* The thread: sets up, tells the server, serves when it is told to, cleans up. */
void *worker_main(void *arg);
/* What worker_main() is made of, for who makes the turns of the loop himself (test/): sets up, but for listening; makes
 * the calling thread this worker's, at first and after another worker's turns; runs worker_start; ends serving, with
 * worker_stop; cleans up, also after an error of setting up. */
int worker_set_up(struct worker *w) MUST_CHECK;
void worker_enter(struct worker *w);
void worker_begin(struct worker *w);
void worker_finish(struct worker *w);
void worker_clean_up(struct worker *w);
/* Tells the worker to stop, gracefully or at once. Any thread. */
void worker_order_stop(struct worker *w);
void worker_order_cut(struct worker *w);
/* After all workers have ended: closes sockets that were on their way to this one. */
void worker_drop_inbox(struct worker *w);
/* Closes what wakes the worker. Not before offload threads have ended and nobody calls weir_server_stop() any more.
 * Because a message can have been taken, and the worker have ended, before its sender writes there. */
void worker_close_wake(struct worker *w);

#endif
