/*
 * A server's tasks: what weir_spawn() and weir_every() were asked for, until it is over. Each belongs to one worker,
 * whose thread begins it and is told of its end; the table of all is under a lock.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_SERVER_TASKS_H
#define WEIR_SERVER_TASKS_H

#include "base/list.h"
#include "base/lock.h"
#include "base/memory.h"
#include "weir.h"

struct loop;
struct worker;

LOCK_ROLE(tasks_lock)

enum tasks_state {
    TASKS_KEPT,   /* the server has not started: what is asked for waits */
    TASKS_BEGUN,  /* the server runs */
    TASKS_CLOSED, /* the server stops, or has ended */
};

/* What the ledger knows of tasks of one name. */
struct task_row {
    char name[WEIR_TASK_NAME_SIZE];
    uint64_t tasks, runs, failed, missed;
};

struct tasks {
    struct lock lock;
    struct account account;
    enum tasks_state state GUARDED_BY(tasks_lock);
    struct list jobs GUARDED_BY(tasks_lock); /* struct job: all that are not over */
    uint32_t count GUARDED_BY(tasks_lock);
    uint64_t refused GUARDED_BY(tasks_lock);
    uint32_t row_count GUARDED_BY(tasks_lock);
    struct task_row rows[WEIR_LEDGER_TASKS] GUARDED_BY(tasks_lock);
};

void tasks_open(weir_server *s);
/* Frees the table. What is still in it will never run. */
void tasks_done(weir_server *s);

/* The workers serve: what was asked for before begins. */
void tasks_begin(weir_server *s);
/* The server stops: nothing more is taken. */
void tasks_close(weir_server *s);

/* On a worker's thread: prepares it; it stops, so that waits of tasks end once and timers do; all are ended as they
 * wait next. */
void tasks_init_worker(struct worker *w, uint8_t timer_kind);
void tasks_stop_worker(struct worker *w);
void tasks_cut_worker(struct worker *w);

/* Whether tasks of the worker are there or under way to it, or parts of handlers. */
bool tasks_are_left(const struct worker *w);

/* The members of a weir_ledger. */
void ledger_read_tasks(weir_server *s, weir_ledger *ledger);

#endif
