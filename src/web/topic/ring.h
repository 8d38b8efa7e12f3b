/*
 * The last messages of a topic or of a pattern, each with a reference: a ring that is bounded in number and in bytes,
 * and in which each message has a position, one more than the one before. Knows no lock; whoever owns it has one.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_TOPIC_RING_H
#define WEIR_WEB_TOPIC_RING_H

#include "web/topic/message.h"

struct ring {
    struct message **slots; /* NULL: none yet. The message at a position is at that modulo capacity */
    uint32_t capacity;      /* slots: 0, or a power of two */
    uint32_t count;         /* messages */
    uint32_t most;          /* bound on count */
    uint64_t next;          /* position of the next message */
    size_t bytes;           /* of the messages' blocks */
    size_t most_bytes;      /* bound on bytes, which a single message may exceed */
    struct topic_memory *memory;
};

/* Makes an empty ring, which takes no memory yet. most > 0. */
void ring_init(struct ring *r, struct topic_memory *memory, uint32_t most, size_t most_bytes);
/* Lets go of all. */
void ring_done(struct ring *r);

/* The position of the oldest message; next where there is none. */
static inline uint64_t ring_first(const struct ring *r)
{
    return r->next - r->count;
}

static inline struct message *ring_at(const struct ring *r, uint64_t position)
{
    debug_assert(position >= ring_first(r) && position < r->next);
    return r->slots[position & (r->capacity - 1)];
}

/* Makes sure that ring_put() finds a slot. 0 or WEIR_ENOMEM. */
int ring_ready(struct ring *r) MUST_CHECK;

/* Puts a message, with a reference of the ring's own, behind the others; the oldest go where it needs their room. After
 * ring_ready(). */
void ring_put(struct ring *r, struct message *m);

/* Lets go of the oldest messages until there are no more than keep. */
void ring_trim(struct ring *r, uint32_t keep);

/* Copies up to most messages from position on, which is in the ring or next, with a reference each. Returns how many.
 */
size_t ring_copy(const struct ring *r, uint64_t position, struct message **to, size_t most);

/* The position behind the message that has this id or, where it is not there, behind the last one whose id is less. */
uint64_t ring_after(const struct ring *r, uint64_t id);

#endif
