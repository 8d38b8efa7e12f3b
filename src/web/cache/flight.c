/*
 * Computations in flight: who computes a missing key, who waits for it, and who takes over when that fails.
 *
 * A waiter's record lies on its fiber's stack. The waiter is woken by a message to its own worker's inbox, which may be
 * under way when the wait is cut by something else; so a waiter that has been answered never goes on before it has
 * taken its message, and one that has not is unlinked under the lock and will never be sent one.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/cache/cache.h"

struct cache_waiter {
    struct list link; /* in its slot's waiters, then in the sender's list */
    struct inbox_node message;
    struct loop *loop;
    struct fiber *fiber;
    struct cache_asker *asker;
    struct weir_cache_slot *mine; /* the waiter's own, should it have to compute */
    bool nested; /* the request computes something itself; only then does asker say what it waits for */
    bool answered GUARDED_BY(cache_lock);
    bool taken;               /* the message has arrived; its worker's */
    struct weir_value *value; /* the answer, with a reference; NULL: the waiter is to compute */
};

/* ---- The table of flights ---- */

static struct weir_cache_slot **flight_bucket(struct weir_cache *c, uint64_t hash) REQUIRES(cache_lock)
{
    return &c->flights[hash % CACHE_FLIGHT_BUCKETS];
}

static struct weir_cache_slot *flight_find(struct weir_cache *c, struct slice key, uint64_t hash) REQUIRES(cache_lock)
{
    for (struct weir_cache_slot *s = *flight_bucket(c, hash); s; s = s->next)
        if (s->hash == hash && slice_equal(s->key, key))
            return s;
    return NULL;
}

static void flight_insert(struct weir_cache_slot *slot) REQUIRES(cache_lock)
{
    struct weir_cache_slot **bucket = flight_bucket(slot->cache, slot->hash);
    slot->next = *bucket;
    *bucket = slot;
}

/* Takes a slot out of the table, where one that was forgotten is not any more. */
static void flight_remove(struct weir_cache_slot *slot) REQUIRES(cache_lock)
{
    struct weir_cache_slot **at = flight_bucket(slot->cache, slot->hash);
    while (*at && *at != slot)
        at = &(*at)->next;
    if (*at)
        *at = slot->next;
}

void cache_flight_forget(struct weir_cache *c, struct slice key, uint64_t hash)
{
    struct weir_cache_slot *s = flight_find(c, key, hash);
    if (!s)
        return;
    flight_remove(s);
    s->forgotten = true;
}

/* ---- Waiting ---- */

/* Whether asker would wait for itself by waiting for slot: the chain of who waits for whom has no circle yet. */
static bool flight_leads_to(const struct weir_cache_slot *slot, const struct cache_asker *asker) REQUIRES(waits_lock)
{
    while (slot) {
        if (slot->asker == asker)
            return true;
        slot = slot->asker->waits_for;
    }
    return false;
}

/*
 * Lets w (NULL: nobody yet) wait for a computation, unless its request would wait for itself. What the request computes
 * may be waited for in any cache, so that looking and beginning to wait are one step for all of them.
 */
static int flight_join(struct weir_cache *c, struct weir_cache_slot *flight, struct cache_asker *asker,
                       struct cache_waiter *w) REQUIRES(cache_lock)
{
    if (asker->current) {
        waits_lock_acquire(&c->waits->lock);
        bool circle = flight_leads_to(flight, asker);
        if (!circle && w)
            asker->waits_for = flight;
        waits_lock_release(&c->waits->lock);
        if (circle)
            return WEIR_EDEADLK;
    }
    if (w) {
        c->stats.waits++;
        flight->nested += w->nested;
        list_push_back(&flight->waiters, &w->link);
    }
    return CACHE_WAITED;
}

/* Sets what a waiter waits for from now on; NULL: nothing. Returns what it was. Asked only of a nested waiter. */
static struct weir_cache_slot *waiter_aim(struct weir_cache *c, struct cache_waiter *w, struct weir_cache_slot *target)
    REQUIRES(cache_lock)
{
    if (!w->nested)
        return NULL;
    waits_lock_acquire(&c->waits->lock);
    struct weir_cache_slot *before = w->asker->waits_for;
    w->asker->waits_for = target;
    waits_lock_release(&c->waits->lock);
    return before;
}

/* Takes a waiter that leaves unanswered off its slot, which counts the nested ones. */
static void waiter_unlink(struct weir_cache *c, struct cache_waiter *w) REQUIRES(cache_lock)
{
    list_remove(&w->link);
    struct weir_cache_slot *target = waiter_aim(c, w, NULL);
    if (target)
        target->nested--;
}

static void waiter_take(struct loop *l, struct inbox_node *node)
{
    (void)l;
    struct cache_waiter *w = container_of(node, struct cache_waiter, message);
    w->taken = true;
    fiber_wake(w->fiber, 0);
}

/* Gives an answer: value with a reference, or NULL to compute. The waiter then belongs to the sender's list. */
static void waiter_answer(struct weir_cache *c, struct cache_waiter *w, struct weir_value *value, struct list *answered)
    REQUIRES(cache_lock)
{
    w->answered = true;
    w->value = value;
    waiter_aim(c, w, NULL);
    list_push_back(answered, &w->link);
}

/* Wakes those that were answered. Without the lock; a waiter may be gone as soon as its message is sent. */
static void waiters_send(struct list *answered)
{
    struct list *l;
    while ((l = list_pop_front(answered))) {
        struct cache_waiter *w = container_of(l, struct cache_waiter, link);
        loop_send(w->loop, &w->message);
    }
}

/* Parks until the answer has come, or the wait is cut before there was one. Returns 0, or what cut it, also if the
 * answer came all the same, which *answered tells. */
static int waiter_wait(struct weir_cache *c, struct cache_waiter *w, bool *answered)
{
    int cut = 0;
    while (!w->taken && cut >= 0)
        cut = w->asker->park(w->asker->arg);
    cache_lock_acquire(&c->lock);
    *answered = w->answered;
    if (!*answered)
        waiter_unlink(c, w);
    cache_lock_release(&c->lock);
    /* A message that has been sent is waited for whatever else happens: not by asker's park, which may be cut for
     * good. */
    while (*answered && !w->taken)
        fiber_park(&w->loop->fibers);
    return cut < 0 ? cut : 0;
}

/* ---- Asking ---- */

static void slot_prepare(struct weir_cache *c, struct weir_cache_slot *slot, struct cache_asker *asker,
                         struct slice key, uint64_t hash)
{
    *slot = (struct weir_cache_slot){.cache = c, .key = key, .hash = hash, .asker = asker};
    list_init(&slot->waiters);
}

static void slot_begin(struct weir_cache *c, struct weir_cache_slot *slot) REQUIRES(cache_lock)
{
    slot->state = SLOT_COMPUTING;
    if (!slot->forgotten)
        flight_insert(slot);
    c->stats.misses++;
}

static int slot_enter(struct weir_cache_slot *slot)
{
    slot->outer = slot->asker->current;
    slot->asker->current = slot;
    return CACHE_COMPUTE;
}

/* The cache's answer to slot's question at this moment. CACHE_WAITED: w waits from now on; w NULL: nobody waits yet. */
static int slot_ask(struct weir_cache *c, struct weir_cache_slot *slot, struct weir_value **value,
                    struct cache_waiter *w) REQUIRES(cache_lock)
{
    *value = cache_lookup(c, slot->key, slot->hash, slot->asker->loop->now_ns);
    if (*value)
        return CACHE_FOUND;
    struct weir_cache_slot *flight = flight_find(c, slot->key, slot->hash);
    if (flight)
        return flight_join(c, flight, slot->asker, w);
    slot_begin(c, slot);
    return CACHE_COMPUTE;
}

int cache_ask(struct weir_cache *c, struct weir_cache_slot *slot, struct cache_asker *asker, struct slice key,
              struct weir_value **value)
{
    struct cache_waiter w = {.loop = asker->loop,
                             .fiber = asker->loop->fibers.current,
                             .message.fn = waiter_take,
                             .asker = asker,
                             .mine = slot,
                             .nested = asker->current != NULL};
    list_init(&w.link);
    slot_prepare(c, slot, asker, key, cache_hash(c, key));
    bool ready = !asker->before_wait;
    int answer;
    for (;;) {
        cache_lock_acquire(&c->lock);
        answer = slot_ask(c, slot, value, ready ? &w : NULL);
        cache_lock_release(&c->lock);
        if (answer != CACHE_WAITED || ready)
            break;
        asker->before_wait(asker->arg); /* may end the handler, so nothing is linked yet */
        ready = true;
    }
    if (answer == CACHE_COMPUTE)
        return slot_enter(slot);
    if (answer != CACHE_WAITED)
        return answer;

    bool answered;
    int cut = waiter_wait(c, &w, &answered);
    *value = w.value;
    if (w.value)
        return CACHE_WAITED;
    if (!answered)
        return cut;
    slot_enter(slot);
    return cut ? cache_finish(slot, cut, value) : CACHE_COMPUTE;
}

int cache_claim(struct weir_cache *c, struct weir_cache_slot *slot, struct cache_asker *asker, struct slice key)
{
    slot_prepare(c, slot, asker, key, cache_hash(c, key));
    cache_lock_acquire(&c->lock);
    bool busy = flight_find(c, key, slot->hash) != NULL;
    if (!busy)
        slot_begin(c, slot);
    cache_lock_release(&c->lock);
    return busy ? WEIR_EBUSY : slot_enter(slot);
}

/* ---- Ending a computation ---- */

int cache_put(struct weir_cache_slot *slot, const void *data, size_t len)
{
    if (slot->state != SLOT_COMPUTING)
        return WEIR_EINVAL;
    if (slot->entry)
        value_unref(&slot->entry->value);
    slot->entry = cache_entry_new(slot->cache, slot->key, slot->hash, data, len);
    return slot->entry ? 0 : WEIR_ENOMEM;
}

/* Hands the value to all who wait, with a reference each. */
static void slot_share(struct weir_cache *c, struct weir_cache_slot *slot, struct weir_value *value,
                       struct list *answered) REQUIRES(cache_lock)
{
    struct list *l;
    while ((l = list_pop_front(&slot->waiters))) {
        value_ref(value);
        waiter_answer(c, container_of(l, struct cache_waiter, link), value, answered);
    }
}

/* Makes the first that waits the one that computes, with the others behind it. */
static void slot_hand_over(struct weir_cache *c, struct weir_cache_slot *slot, struct list *answered)
    REQUIRES(cache_lock)
{
    struct list *l = list_pop_front(&slot->waiters);
    if (!l)
        return;
    struct cache_waiter *first = container_of(l, struct cache_waiter, link);
    struct weir_cache_slot *heir = first->mine;
    waiter_answer(c, first, NULL, answered); /* first waits no more: who waits for it closes no circle */
    heir->nested = slot->nested - first->nested;
    list_splice_back(&heir->waiters, &slot->waiters);
    if (heir->nested > 0) {
        list_for_each (at, &heir->waiters)
            waiter_aim(c, container_of(at, struct cache_waiter, link), heir);
    }
    /* The heir starts after the key was removed, so its value may be kept, unless somebody else has begun meanwhile. */
    heir->forgotten = slot->forgotten && flight_find(c, heir->key, heir->hash);
    slot_begin(c, heir);
}

/* Takes a slot off its request's computations: the innermost, unless the request is being cut. */
static void slot_leave(struct weir_cache_slot *slot)
{
    struct weir_cache_slot **at = &slot->asker->current;
    while (*at && *at != slot)
        at = &(*at)->outer;
    if (*at)
        *at = slot->outer;
}

int cache_finish(struct weir_cache_slot *slot, int error, struct weir_value **value)
{
    *value = NULL;
    if (slot->state != SLOT_COMPUTING)
        return 0;
    struct weir_cache *c = slot->cache;
    struct cache_entry *e = slot->entry;
    struct list answered;
    list_init(&answered);
    slot_leave(slot);
    if (!error && !e)
        error = WEIR_EINVAL;
    cache_lock_acquire(&c->lock);
    slot->state = SLOT_DONE;
    slot->entry = NULL;
    flight_remove(slot);
    if (error) {
        c->stats.failures++;
        slot_hand_over(c, slot, &answered);
    } else {
        if (!slot->forgotten)
            cache_insert(c, e, slot->asker->loop->now_ns);
        *value = &e->value;
        slot_share(c, slot, &e->value, &answered);
    }
    cache_lock_release(&c->lock);
    waiters_send(&answered);
    if (error && e)
        value_unref(&e->value);
    return error;
}
