/*
 * A task: a fiber with a context that has no request. Whoever wants one says what it runs, and is told when it is over.
 * It has the record of a request, for its memory and its waits, from task_new() until then.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_TASK_TASK_H
#define WEIR_WEB_TASK_TASK_H

#include "web/context.h"

struct task;

/* What kind of task it is. owner: whose it is, as task_new() was told. */
struct task_kind {
    /* On the task's fiber. */
    void (*run)(weir_ctx *c, void *owner);
    /* The task is over, and its record has gone. data: task_note()'s last. error: 0, run() has returned;
     * WEIR_EFAILED: it was left by weir_fail(); WEIR_ECANCELED: it was cut; WEIR_ENOMEM: there was no memory to wait.
     * On a fiber, and must not wait; the owner may go. */
    void (*ended)(void *owner, size_t data, int error);
};

/* A task of a worker, whose fiber begins within the turn that follows, or this one; on the worker's thread. name: what
 * the log and the watchdog call it; lives as long as the task. NULL: no memory. */
struct task *task_new(struct http *http, const struct task_kind *kind, void *owner, const char *name);

/* The exchange of a task that runs or will. */
struct exchange *task_exchange(struct task *t);

/* Ends the waits of a task for good, by WEIR_ECANCELED. */
void task_cancel(struct task *t);

/* From run(): deferred calls are made and what was allocated goes, before the task does something else. */
void task_renew(weir_ctx *c);
/* What ended() is to be told, until the next call. */
void task_note(struct exchange *x, size_t data);

/* Tells all tasks of a worker that are not parts of a request's handler that the server stops. */
void tasks_tell_stop(struct http *http);
/* Ends all tasks of a worker, as they wait next. */
void tasks_cut(struct http *http);

#endif
