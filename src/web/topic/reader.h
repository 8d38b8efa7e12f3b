/*
 * A reader: all subscriptions of one kind that one worker has to one topic. Its record lies in the topics' memory; it
 * is there from the first of them to the last, and beyond that while it is due, since a publisher has listed it.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_TOPIC_READER_H
#define WEIR_WEB_TOPIC_READER_H

#include "web/topic/subscription.h"

enum topic_reader_state {
    READER_IDLE, /* has taken all that is in the ring */
    READER_DUE,  /* is in one of its worker's lists, or its batch is being handed round */
};

struct topic_reader {
    struct list link GUARDED_BY(topic_ring_lock); /* in its topic's readers */
    struct weir_topic *topic;                     /* NULL: its last subscription has ended while it was due */
    struct topic_worker *worker;
    const struct subscriber_ops *ops;
    struct topic_reader *next_due; /* in a list of its worker's */
    struct list keeping_up;        /* subscriptions; the worker's */
    struct list pass;              /* subscriptions that have not been given the batch yet; the worker's */
    uint32_t count;                /* subscriptions, those that lag as well; the worker's */
    enum topic_reader_state state GUARDED_BY(topic_ring_lock);
    uint64_t taken GUARDED_BY(topic_ring_lock); /* position of the first message that it has not taken */
};

/* There is a message for r. Puts a worker that is to be woken before the others in *woken. */
void reader_notify(struct topic_reader *r, struct topic_worker **woken) REQUIRES(topic_ring_lock);
/* Sends the message to each of the workers. Without a lock. */
void readers_wake(struct topic_worker *woken);

/* r has taken all, or has gone: its topic no longer keeps messages for it. */
void reader_rest(struct topic_reader *r) REQUIRES(topic_ring_lock);

/* Takes r out of its topic, its last subscription having ended, and frees it unless it is due. */
void reader_close(struct topic_reader *r);

/* Counts n messages that a subscriber has missed. */
void topic_count_missed(struct topic_figures *figures, enum weir_overrun overrun, uint64_t n);

#endif
