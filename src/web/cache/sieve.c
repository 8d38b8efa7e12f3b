/*
 * SIEVE.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/cache/sieve.h"

void sieve_insert(struct sieve *s, struct sieve_node *node)
{
    atomic_init(&node->visited, false);
    list_push_front(&s->queue, &node->link);
    s->count++;
}

void sieve_remove(struct sieve *s, struct sieve_node *node)
{
    if (s->hand == &node->link)
        s->hand = node->link.prev;
    list_remove(&node->link);
    s->count--;
}

struct sieve_node *sieve_choose(struct sieve *s, bool (*pinned)(const struct sieve_node *node))
{
    /* One round may do no more than clear marks; the second finds something, unless all is pinned. */
    for (size_t steps = 2 * s->count; steps > 0; steps--) {
        if (s->hand == &s->queue)
            s->hand = s->queue.prev;
        struct sieve_node *node = container_of(s->hand, struct sieve_node, link);
        if (!atomic_load_explicit(&node->visited, memory_order_relaxed) && !(pinned && pinned(node)))
            return node;
        atomic_store_explicit(&node->visited, false, memory_order_relaxed);
        s->hand = node->link.prev;
    }
    return NULL;
}
