/*
 * SIEVE, the policy by which the cache chooses what to evict: a queue in order of insertion, a mark for what was used
 * again, and a hand that goes from the oldest to the newest, takes the first without the mark and clears the marks that
 * it passes. What is asked for once, as in a scan, goes before what is asked for twice; a hit writes one byte and moves
 * nothing. (Zhang and others, "SIEVE is simpler than LRU", NSDI 2024.)
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_CACHE_SIEVE_H
#define WEIR_WEB_CACHE_SIEVE_H

#include "base/list.h"

#include <stdatomic.h>

struct sieve_node {
    struct list link;
    _Atomic bool visited; /* used since the hand came by */
};

struct sieve {
    struct list queue; /* newest first */
    struct list *hand; /* where to go on; the queue's head: at the oldest */
    size_t count;
};

static inline void sieve_init(struct sieve *s)
{
    list_init(&s->queue);
    s->hand = &s->queue;
    s->count = 0;
}

/* Adds node as the newest. */
void sieve_insert(struct sieve *s, struct sieve_node *node);

/* Takes node out, chosen or not. */
void sieve_remove(struct sieve *s, struct sieve_node *node);

/* Marks node as used. All else needs the one lock of the queue; marking needs only that node stays. */
static inline void sieve_touch(struct sieve_node *node)
{
    if (!atomic_load_explicit(&node->visited, memory_order_relaxed))
        atomic_store_explicit(&node->visited, true, memory_order_relaxed);
}

/* The node to evict next, still in the queue; NULL if there is none. Nodes of which pinned (may be NULL) says true are
 * passed over. Amortised O(1), but for what is pinned. */
struct sieve_node *sieve_choose(struct sieve *s, bool (*pinned)(const struct sieve_node *node));

#endif
