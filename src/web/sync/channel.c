/*
 * Channels: a ring of items, and two queues of which one is empty: receivers wait where there is no item, senders where
 * there is no room. An item goes from stack to stack where the other side waits, under the lock.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/sync/sync.h"

#include <string.h>

struct weir_channel {
    struct lock lock;
    struct account *account;
    size_t capacity, item_size;
    struct parking senders GUARDED_BY(parking_lock);
    struct parking receivers GUARDED_BY(parking_lock);
    size_t first GUARDED_BY(parking_lock); /* place of the oldest item */
    size_t count GUARDED_BY(parking_lock); /* items in the ring */
    bool closed GUARDED_BY(parking_lock);
    char items[] __attribute__((aligned(16)));
};

/* Who waits with an item, or for one. */
struct channel_waiter {
    struct parked parked;
    void *item; /* the caller's: a receiver's is written */
};

/* What a try says that would have to wait; no public error. */
#define CHANNEL_WOULD_WAIT WEIR_EBUSY

static size_t channel_size(size_t capacity, size_t item_size)
{
    size_t size;
    if (__builtin_mul_overflow(capacity, item_size, &size) ||
        __builtin_add_overflow(size, sizeof(struct weir_channel), &size))
        return SIZE_MAX;
    return size;
}

weir_channel *channel_new(struct account *a, size_t capacity, size_t item_size)
{
    size_t size = channel_size(capacity, item_size);
    weir_channel *ch = item_size > 0 && size < SIZE_MAX ? memory_alloc(a, size) : NULL;
    if (!ch)
        return NULL;
    *ch = (weir_channel){.account = a, .capacity = capacity, .item_size = item_size};
    lock_init(&ch->lock);
    return ch;
}

void weir_channel_free(weir_channel *ch)
{
    if (!ch)
        return;
    lock_done(&ch->lock);
    memory_free(ch->account, ch, channel_size(ch->capacity, ch->item_size));
}

static char *channel_place(weir_channel *ch, size_t n) REQUIRES(parking_lock)
{
    size_t place = ch->first + n; /* both less than what fits in memory */
    return ch->items + (place < ch->capacity ? place : place - ch->capacity) * ch->item_size;
}

static void channel_push(weir_channel *ch, const void *item) REQUIRES(parking_lock)
{
    memcpy(channel_place(ch, ch->count), item, ch->item_size);
    ch->count++;
}

static void channel_pop(weir_channel *ch, void *item) REQUIRES(parking_lock)
{
    memcpy(item, channel_place(ch, 0), ch->item_size);
    ch->first = ch->first + 1 < ch->capacity ? ch->first + 1 : 0;
    ch->count--;
}

/* The item of the first of a queue, who is granted that it has been given or taken; NULL: nobody waits. */
static void *channel_partner(struct parking *q, struct parking *granted) REQUIRES(parking_lock)
{
    struct parked *p = parking_grant(q, granted, 0);
    return p ? container_of(p, struct channel_waiter, parked)->item : NULL;
}

/* Sends without waiting, or says that it would have to wait. */
static int channel_put(weir_channel *ch, const void *item, struct parking *granted) REQUIRES(parking_lock)
{
    if (ch->closed)
        return WEIR_EDONE;
    void *theirs = channel_partner(&ch->receivers, granted);
    if (theirs)
        memcpy(theirs, item, ch->item_size);
    else if (ch->count < ch->capacity)
        channel_push(ch, item);
    else
        return CHANNEL_WOULD_WAIT;
    return 0;
}

/* Receives without waiting, likewise. The first that waits to send takes the place in the ring. */
static int channel_get(weir_channel *ch, void *item, struct parking *granted) REQUIRES(parking_lock)
{
    bool from_ring = ch->count > 0;
    if (from_ring)
        channel_pop(ch, item);
    const void *theirs = channel_partner(&ch->senders, granted);
    if (theirs && from_ring)
        channel_push(ch, theirs);
    else if (theirs)
        memcpy(item, theirs, ch->item_size);
    return from_ring || theirs ? 0 : ch->closed ? WEIR_EDONE : CHANNEL_WOULD_WAIT;
}

/* One attempt of either kind; who would have to wait is queued if it comes with a record. */
static int channel_attempt(weir_channel *ch, bool sends, void *item, struct channel_waiter *w)
{
    struct parking granted = {0};
    parking_lock_acquire(&ch->lock);
    int result = sends ? channel_put(ch, item, &granted) : channel_get(ch, item, &granted);
    if (result == CHANNEL_WOULD_WAIT && w)
        parking_join(sends ? &ch->senders : &ch->receivers, &w->parked);
    parking_lock_release(&ch->lock);
    parking_wake(&granted);
    return result;
}

static int channel_move(weir_ctx *c, weir_channel *ch, bool sends, void *item, int timeout_ms)
{
    if (!ch || !item || timeout_ms < 0)
        return WEIR_EINVAL;
    int result = channel_attempt(ch, sends, item, NULL);
    if (result != CHANNEL_WOULD_WAIT)
        return result;
    struct channel_waiter w = {.item = item};
    sync_begin(c, &w.parked);
    result = channel_attempt(ch, sends, item, &w);
    if (result == CHANNEL_WOULD_WAIT)
        return sync_wait(c, &ch->lock, sends ? &ch->senders : &ch->receivers, &w.parked, timeout_ms);
    parked_done(&w.parked);
    return result;
}

int weir_channel_send(weir_ctx *c, weir_channel *ch, const void *item, int timeout_ms)
{
    SYNC_CHECK(c);
    return channel_move(c, ch, true, (void *)(uintptr_t)item, timeout_ms); /* a sender's item is only read */
}

int weir_channel_receive(weir_ctx *c, weir_channel *ch, void *item, int timeout_ms)
{
    SYNC_CHECK(c);
    return channel_move(c, ch, false, item, timeout_ms);
}

int weir_channel_try_send(weir_channel *ch, const void *item)
{
    return ch && item ? channel_attempt(ch, true, (void *)(uintptr_t)item, NULL) : WEIR_EINVAL;
}

int weir_channel_try_receive(weir_channel *ch, void *item)
{
    return ch && item ? channel_attempt(ch, false, item, NULL) : WEIR_EINVAL;
}

void weir_channel_close(weir_channel *ch)
{
    if (!ch)
        return;
    struct parking granted = {0};
    parking_lock_acquire(&ch->lock);
    ch->closed = true;
    parking_grant_all(&ch->senders, &granted, WEIR_EDONE);
    parking_grant_all(&ch->receivers, &granted, WEIR_EDONE);
    parking_lock_release(&ch->lock);
    parking_wake(&granted);
}
