/*
 * Rings of messages.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/topic/ring.h"

#define CAPACITY_MIN  4
#define CAPACITY_KEEP 16 /* slots that stay when the ring has become empty */

void ring_init(struct ring *r, struct topic_memory *memory, uint32_t most, size_t most_bytes)
{
    *r = (struct ring){.memory = memory, .most = most, .most_bytes = most_bytes, .next = 1};
}

static void ring_free_slots(struct ring *r)
{
    topic_memory_give(r->memory, r->slots);
    r->slots = NULL;
    r->capacity = 0;
}

void ring_done(struct ring *r)
{
    ring_trim(r, 0);
    ring_free_slots(r);
}

static void ring_drop(struct ring *r)
{
    struct message *m = ring_at(r, ring_first(r));
    r->bytes -= m->size;
    r->count--;
    message_unref(m);
}

void ring_trim(struct ring *r, uint32_t keep)
{
    while (r->count > keep)
        ring_drop(r);
    if (r->count == 0 && r->capacity > CAPACITY_KEEP)
        ring_free_slots(r);
}

/* Doubles the slots. False: there is no memory, and nothing has changed. */
static bool ring_grow(struct ring *r)
{
    uint32_t capacity = r->capacity > 0 ? r->capacity * 2 : CAPACITY_MIN;
    struct message **slots = topic_memory_take(r->memory, capacity * sizeof(struct message *));
    if (!slots)
        return false;
    for (uint64_t at = ring_first(r); at < r->next; at++)
        slots[at & (capacity - 1)] = ring_at(r, at);
    topic_memory_give(r->memory, r->slots);
    r->slots = slots;
    r->capacity = capacity;
    return true;
}

int ring_ready(struct ring *r)
{
    /* A ring that cannot grow goes on with the slots it has, as if that were its bound. */
    if (r->count < r->capacity || (r->capacity > 0 && r->count >= r->most) || ring_grow(r) || r->capacity > 0)
        return 0;
    return WEIR_ENOMEM;
}

void ring_put(struct ring *r, struct message *m)
{
    while (r->count > 0 && (r->count >= r->most || r->count == r->capacity || r->bytes + m->size > r->most_bytes))
        ring_drop(r);
    message_ref(m);
    r->slots[r->next & (r->capacity - 1)] = m;
    r->next++;
    r->count++;
    r->bytes += m->size;
}

size_t ring_copy(const struct ring *r, uint64_t position, struct message **to, size_t most)
{
    size_t count = 0;
    for (; count < most && position < r->next; count++, position++) {
        to[count] = ring_at(r, position);
        message_ref(to[count]);
    }
    return count;
}

/* In a pattern's ring ids need not be in order, since several publishers may have theirs on the way to it. */
uint64_t ring_after(const struct ring *r, uint64_t id)
{
    uint64_t after_less = ring_first(r);
    for (uint64_t at = r->next; at > ring_first(r); at--) {
        uint64_t found = ring_at(r, at - 1)->id;
        if (found == id)
            return at;
        if (found < id && after_less == ring_first(r))
            after_less = at;
    }
    return after_less;
}
