/*
 * The locks of topics, in the order in which they are taken. A publisher holds that of the topic's ring and, while it
 * puts the message there, those of the patterns' rings, one after the other; nobody else holds those of two rings.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_TOPIC_LOCKS_H
#define WEIR_WEB_TOPIC_LOCKS_H

#include "base/lock.h"

/* Of a server: who joins and leaves, and that it is published in that order. */
LOCK_ROLE(topic_presence_lock)
/* Of a server: what the carrier is told of, one after the other. */
LOCK_ROLE_AFTER(topic_carrier_lock, ACQUIRED_AFTER(topic_presence_lock))
/* Of a server: which names, patterns and rules there are, and what matches what. */
LOCK_ROLE_AFTER(topic_table_lock, ACQUIRED_AFTER(topic_carrier_lock))
/* Of a ring, be it a name's or a pattern's: its messages, its readers and its members. */
LOCK_ROLE_AFTER(topic_ring_lock, ACQUIRED_AFTER(topic_table_lock))
/* Likewise of a pattern's ring, for who has the lock of a name's ring already. */
LOCK_ROLE_AFTER(topic_pattern_lock, ACQUIRED_AFTER(topic_ring_lock))
/* Of a server: the heap that all of it lies in. */
LOCK_ROLE_AFTER(topic_memory_lock, ACQUIRED_AFTER(topic_pattern_lock))

#endif
