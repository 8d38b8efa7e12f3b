/*
 * The memory of a server's topics: one heap for records, rings and messages, so that one bound holds for all of it.
 * Messages come and go in any size, made by one thread and freed by another, which is what the heap of the cache is
 * for: what is free becomes one block again, and goes back to the system.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_TOPIC_TOPIC_MEMORY_H
#define WEIR_WEB_TOPIC_TOPIC_MEMORY_H

#include "web/cache/heap.h"
#include "web/topic/locks.h"

struct topic_memory {
    struct lock lock;
    struct account account; /* written under the lock */
    struct cache_heap heap GUARDED_BY(topic_memory_lock);
};

/* bound: most bytes that are taken from the system. Takes none yet. */
void topic_memory_init(struct topic_memory *t, struct memory *m, uint64_t bound);
/* To which everything has been given back. Does nothing for one that was not made. */
void topic_memory_done(struct topic_memory *t);

/* Memory of size > 0 bytes, aligned to 16, not cleared; NULL when the bound or the server's memory is reached. Any
 * thread. */
void *topic_memory_take(struct topic_memory *t, size_t size) MUST_CHECK;
/* Gives memory back. p may be NULL. Any thread. */
void topic_memory_give(struct topic_memory *t, void *p);
/* Gives the region back that is empty and kept. Any thread. */
void topic_memory_trim(struct topic_memory *t);

#endif
