/*
 * What a worker has of topics: the readers that are due, and the batch that is being handed round. A publisher puts
 * readers into its list from any thread; the first to do so sends the worker a message, so that there is one wake-up
 * for all that is published, to whatever topics, before the worker takes it.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_TOPIC_TOPIC_WORKER_H
#define WEIR_WEB_TOPIC_TOPIC_WORKER_H

#include "io/loop.h"

#define TOPIC_BATCH 64 /* messages that are taken out of a ring at once */

struct topics;
struct topic_reader;
struct message;

/* Figures of what a worker's subscribers were given, written by the worker alone. */
struct topic_figures {
    _Atomic uint64_t subscribers, lagging;                        /* now */
    _Atomic uint64_t delivered, skipped, conflated, disconnected; /* ever */
};

struct topic_worker {
    struct topics *topics;
    struct loop *loop;
    struct inbox_node node;             /* sent by who puts the first reader into due */
    struct inbox_node again;            /* sent by the worker to itself: there is more than one turn's work */
    bool again_sent;                    /* again is on its way */
    _Atomic(struct topic_reader *) due; /* last first; by any thread that holds the lock of the reader's ring */
    struct topic_worker *next_woken;    /* of who put the first reader into due, until node is sent */
    struct topic_reader *first, **last; /* readers taken out of due, in order */
    struct topic_reader *current;       /* whose batch is being handed round; NULL: none */
    struct message *batch[TOPIC_BATCH]; /* with references */
    size_t batch_count;
    uint64_t batch_start; /* position of the batch's first message */
    uint64_t lost_from;   /* messages from here to batch_start were lost by the worker; else equal */
    struct topic_figures figures;
};

/* Makes a worker's part, on the worker's thread. */
void topic_worker_open(struct topic_worker *w, struct topics *topics, struct loop *loop);
/* When all of its subscriptions have ended. Does nothing for one that was not opened. */
void topic_worker_close(struct topic_worker *w);

#endif
