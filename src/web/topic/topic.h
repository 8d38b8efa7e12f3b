/*
 * A server's topics: the table of names and patterns, and putting messages into their rings.
 *
 * A name and a pattern are the same record, a topic: a ring with its readers, of which each worker has one for each
 * kind of subscriber (subscription.h). A name knows the patterns that match it, by links that are made when either is
 * made, so that publishing matches nothing: the message goes into the name's ring and, by reference, into those of its
 * patterns, and each worker that has readers there and has not been woken for topics already is woken once.
 *
 * A topic that weir_topic_new() made stays. One that was made at run time goes when it has no subscribers, no messages,
 * no members and no pattern. A pattern goes with its last subscriber.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_TOPIC_TOPIC_H
#define WEIR_WEB_TOPIC_TOPIC_H

#include "base/list.h"
#include "base/siphash.h"
#include "web/topic/ring.h"
#include "web/topic/topic_worker.h"

#define TOPIC_BUCKETS  1024
#define TOPIC_PRESENCE "$presence/" /* before a topic's name: where it is published who joins and leaves it */

/* weir_topic_bounds, checked and with its defaults. */
struct topic_bounds {
    uint32_t max_messages, history;
    uint32_t max_message, max_members;
    size_t max_bytes;
    enum weir_overrun overrun;
    bool presence;
};

/* Names that may be made at run time. */
struct topic_rule {
    struct topic_rule *next; /* in the order in which they were made */
    struct topic_bounds bounds;
    uint8_t len;
    char pattern[];
};

struct weir_topic {
    struct lock lock; /* of its ring */
    struct topics *topics;
    struct topic_bounds bounds;
    struct weir_topic *next_in_bucket GUARDED_BY(topic_table_lock);
    struct list link GUARDED_BY(topic_table_lock); /* in the server's names or patterns */
    struct list idle GUARDED_BY(topic_table_lock); /* made at run time, and nobody subscribes: in the server's idle */
    struct list links; /* struct topic_link: of a name to patterns, under its ring's lock; of a pattern, under the
                        * table's */
    struct ring ring GUARDED_BY(topic_ring_lock);
    struct list readers GUARDED_BY(topic_ring_lock);
    struct list members GUARDED_BY(topic_ring_lock); /* see members.h */
    uint32_t member_names GUARDED_BY(topic_ring_lock);
    uint32_t due GUARDED_BY(topic_ring_lock); /* readers that have not taken all that is there */
    _Atomic uint32_t lagging;                 /* subscriptions with a place of their own in the ring */
    _Atomic uint32_t subscribers;
    uint64_t hash;
    bool is_pattern;
    bool stays; /* made by the program, not by use. Under the table's lock */
    uint8_t name_len;
    char name[]; /* NUL-terminated */
};

/* Says that a pattern matches a name. */
struct topic_link {
    struct list in_name, in_pattern;
    struct weir_topic *name, *pattern;
};

/* A server's topics. */
struct topics {
    struct lock presence_lock, carrier_lock, table_lock;
    struct topic_memory memory;
    struct message_figures figures;
    struct siphash_key seed;
    uint32_t max_topics;
    struct topic_bounds defaults;
    _Atomic uint64_t next_id;
    _Atomic uint64_t published; /* ever */
    _Atomic uint64_t refused;   /* messages and subscriptions, at a bound, ever */
    struct weir_topic *buckets[TOPIC_BUCKETS] GUARDED_BY(topic_table_lock);
    struct list names GUARDED_BY(topic_table_lock);
    struct list patterns GUARDED_BY(topic_table_lock);
    struct list idle GUARDED_BY(topic_table_lock); /* the one unused for longest first */
    uint32_t name_count GUARDED_BY(topic_table_lock), pattern_count GUARDED_BY(topic_table_lock);
    struct topic_rule *rules GUARDED_BY(topic_table_lock);
    weir_topic_carrier carrier; /* publish is NULL: there is none. Set before the start */
};

/* Makes an empty table; bound: most bytes that topics take together. 0 or WEIR_ENOMEM. */
int topics_init(struct topics *t, struct memory *m, uint64_t bound, uint32_t max_topics) MUST_CHECK;
/* After all workers, and all who publish, have ended. Does nothing for one that was not made. */
void topics_done(struct topics *t);

/* Checks bounds, and completes them by the defaults; bounds may be NULL. False: a number is out of range. */
bool topic_bounds_read(struct topic_bounds *b, const weir_topic_bounds *bounds) MUST_CHECK;

/* weir_topic_new() and weir_topic_allow(). */
struct weir_topic *topics_make(struct topics *t, struct slice name, const weir_topic_bounds *bounds) MUST_CHECK;
int topics_allow(struct topics *t, struct slice pattern, const weir_topic_bounds *bounds);

static inline struct slice topic_name_of(const struct weir_topic *topic)
{
    return slice_of(topic->name, topic->name_len);
}

/* The topic of a name or a pattern; NULL: it is not there. */
struct weir_topic *topics_find(struct topics *t, struct slice name) REQUIRES(topic_table_lock);

/* The topic of a name or, if for_pattern, of a pattern, too; made if it may be. 0 with *topic; WEIR_EINVAL,
 * WEIR_EACCES, WEIR_ETOOBIG or WEIR_ENOMEM. */
int topics_get(struct topics *t, struct slice name, bool for_pattern, struct weir_topic **topic)
    REQUIRES(topic_table_lock);

/* Somebody subscribes to a topic now, or the last one does no more: a topic that is for nothing goes, and is freed. */
void topic_settle(struct weir_topic *topic) REQUIRES(topic_table_lock);

/* Lets go of the messages that nobody waits for and that are no history. */
void topic_trim(struct weir_topic *topic) REQUIRES(topic_ring_lock);

/* The position where one goes on that has missed messages. */
uint64_t topic_resume(const struct weir_topic *topic) REQUIRES(topic_ring_lock);

/* Gives up half of the history of some topics, each time of others. False: there was none. Any thread. */
bool topics_make_room(struct topics *t);

/* Publishes to a topic: weir_topic_publish(). outside: the message came from there, and the carrier is not told. */
int topic_publish(struct weir_topic *topic, const weir_message *m, bool outside);
/* Likewise by name: weir_topic_publish_to() and weir_topic_deliver(). */
int topics_publish(struct topics *t, struct slice name, const weir_message *m, bool outside);

#endif
