/*
 * The memory of topics: the heap and its lock.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/topic/topic_memory.h"

void topic_memory_init(struct topic_memory *t, struct memory *m, uint64_t bound)
{
    lock_init(&t->lock);
    account_open(&t->account, m, "topics");
    topic_memory_lock_acquire(&t->lock);
    cache_heap_init(&t->heap, &t->account, bound);
    topic_memory_lock_release(&t->lock);
}

void topic_memory_done(struct topic_memory *t)
{
    if (!t->account.memory)
        return;
    topic_memory_lock_acquire(&t->lock);
    cache_heap_done(&t->heap);
    topic_memory_lock_release(&t->lock);
    account_close(&t->account);
    lock_done(&t->lock);
}

void *topic_memory_take(struct topic_memory *t, size_t size)
{
    topic_memory_lock_acquire(&t->lock);
    void *p = cache_heap_take(&t->heap, size);
    topic_memory_lock_release(&t->lock);
    return p;
}

void topic_memory_give(struct topic_memory *t, void *p)
{
    if (!p)
        return;
    topic_memory_lock_acquire(&t->lock);
    cache_heap_give(&t->heap, p);
    topic_memory_lock_release(&t->lock);
}

void topic_memory_trim(struct topic_memory *t)
{
    topic_memory_lock_acquire(&t->lock);
    cache_heap_trim(&t->heap);
    topic_memory_lock_release(&t->lock);
}
