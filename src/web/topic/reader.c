/*
 * Readers: who is woken, and handing out what is new.
 *
 * A worker goes round its readers in order, and with each round its subscribers, a batch of messages at a time. It
 * gives way to the rest of its loop when that has lasted, and goes on in the next turn where it was.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/topic/reader.h"
#include "base/clock.h"

#define SLICE_NS   1000000 /* time that handing out may take of a turn */
#define LOOK_EVERY 16      /* subscribers that are served between two looks at the clock */

/* ---- Waking ---- */

void reader_notify(struct topic_reader *r, struct topic_worker **woken)
{
    if (r->state == READER_DUE)
        return;
    struct topic_worker *w = r->worker;
    r->state = READER_DUE;
    r->topic->due++;
    struct topic_reader *first = atomic_load_explicit(&w->due, memory_order_relaxed);
    do {
        r->next_due = first;
        /* Who finds the list empty may send the worker's message again: what the worker did with it is over. */
    } while (!atomic_compare_exchange_weak_explicit(&w->due, &first, r, memory_order_acq_rel, memory_order_relaxed));
    if (!first) {
        w->next_woken = *woken;
        *woken = w;
    }
}

void readers_wake(struct topic_worker *woken)
{
    while (woken) {
        struct topic_worker *w = woken;
        woken = w->next_woken; /* the worker's again, once it has been sent its message */
        loop_send(w->loop, &w->node);
    }
}

void reader_rest(struct topic_reader *r)
{
    if (r->state == READER_IDLE)
        return;
    r->state = READER_IDLE;
    r->topic->due--;
}

void reader_close(struct topic_reader *r)
{
    struct weir_topic *topic = r->topic;
    struct topics *t = topic->topics;
    topic_carrier_lock_acquire(&t->carrier_lock);
    topic_table_lock_acquire(&t->table_lock);
    topic_ring_lock_acquire(&topic->lock);
    bool due = r->state == READER_DUE;
    reader_rest(r);
    list_remove(&r->link);
    bool last = list_empty(&topic->readers);
    topic_trim(topic);
    topic_ring_lock_release(&topic->lock);
    char name[WEIR_TOPIC_NAME_MAX + 1];
    memcpy(name, topic->name, topic->name_len + 1u);
    if (last)
        topic_settle(topic);
    topic_table_lock_release(&t->table_lock);
    if (last && t->carrier.unsubscribe)
        t->carrier.unsubscribe(t->carrier.arg, name);
    topic_carrier_lock_release(&t->carrier_lock);
    r->topic = NULL;
    if (!due)
        topic_memory_give(&t->memory, r);
}

/* ---- A worker's lists ---- */

static void worker_queue(struct topic_worker *w, struct topic_reader *r)
{
    r->next_due = NULL;
    *w->last = r;
    w->last = &r->next_due;
}

/* Moves what publishers have listed behind what is queued, in the order in which it was listed. */
static void worker_collect(struct topic_worker *w)
{
    struct topic_reader *r = atomic_exchange_explicit(&w->due, NULL, memory_order_acq_rel), *ordered = NULL;
    while (r) {
        struct topic_reader *next = r->next_due;
        r->next_due = ordered;
        ordered = r;
        r = next;
    }
    while (ordered) {
        struct topic_reader *next = ordered->next_due;
        worker_queue(w, ordered);
        ordered = next;
    }
}

static struct topic_reader *worker_next(struct topic_worker *w)
{
    struct topic_reader *r = w->first;
    if (!r)
        return NULL;
    w->first = r->next_due;
    if (!w->first)
        w->last = &w->first;
    return r;
}

/* ---- Handing out ---- */

/* Takes a batch for r. False: there is nothing, and r rests. */
static bool reader_take(struct topic_reader *r) REQUIRES(topic_ring_lock)
{
    struct topic_worker *w = r->worker;
    struct weir_topic *topic = r->topic;
    w->lost_from = r->taken;
    if (r->taken < ring_first(&topic->ring))
        r->taken = topic_resume(topic);
    w->batch_start = r->taken;
    w->batch_count = ring_copy(&topic->ring, r->taken, w->batch, TOPIC_BATCH);
    r->taken += w->batch_count;
    if (w->batch_count > 0 || w->lost_from < w->batch_start)
        return true;
    reader_rest(r);
    topic_trim(topic);
    return false;
}

/* Makes r the one whose batch is handed round, unless it has none. */
static void reader_begin(struct topic_reader *r)
{
    struct topic_worker *w = r->worker;
    struct weir_topic *topic = r->topic;
    if (!topic) {
        topic_memory_give(&w->topics->memory, r);
        return;
    }
    topic_ring_lock_acquire(&topic->lock);
    bool any = reader_take(r);
    topic_ring_lock_release(&topic->lock);
    if (!any)
        return;
    list_splice_back(&r->pass, &r->keeping_up);
    w->current = r;
}

/* Every subscriber has been given the batch: r goes to the end of the queue, since there may be more. */
static void reader_finish(struct topic_reader *r)
{
    struct topic_worker *w = r->worker;
    for (size_t i = 0; i < w->batch_count; i++)
        message_unref(w->batch[i]);
    w->batch_count = 0;
    w->current = NULL;
    worker_queue(w, r);
}

void topic_count_missed(struct topic_figures *figures, enum weir_overrun overrun, uint64_t n)
{
    counter_add(overrun == WEIR_OVERRUN_CONFLATE ? &figures->conflated : &figures->skipped, n);
}

static uint64_t later_of(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static void subscription_cut(struct subscription *s, const struct subscriber_ops *ops)
{
    struct topic_worker *w = s->reader->worker;
    counter_add(&w->figures.disconnected, 1);
    unsubscribe(s);
    ops->overrun(w, s);
}

/* Gives s, which keeps up, its part of the batch. s may be gone afterwards, and r's topic, but not r. */
static void reader_serve(struct topic_reader *r, struct subscription *s)
{
    struct topic_worker *w = r->worker;
    uint64_t from = later_of(s->position, w->lost_from), start = later_of(s->position, w->batch_start);
    if (from < w->batch_start) {
        if (r->topic->bounds.overrun == WEIR_OVERRUN_DISCONNECT) {
            subscription_cut(s, r->ops);
            return;
        }
        topic_count_missed(&w->figures, r->topic->bounds.overrun, w->batch_start - from);
    }
    if (start >= w->batch_start + w->batch_count)
        return;
    size_t skip = start - w->batch_start, count = w->batch_count - skip;
    size_t taken = r->ops->deliver(w, s, w->batch + skip, count);
    debug_assert(taken <= count);
    counter_add(&w->figures.delivered, taken);
    if (taken == count)
        return;
    list_remove(&s->link);
    s->position = start + taken;
    counter_add(&w->figures.lagging, 1);
    atomic_fetch_add_explicit(&r->topic->lagging, 1, memory_order_relaxed);
}

/* Serves subscribers of the current reader until all have been, or left have. Returns how many are left. */
static int reader_pass(struct topic_reader *r, int left)
{
    struct list *l;
    while (left > 0 && (l = list_pop_front(&r->pass))) {
        list_push_back(&r->keeping_up, l);
        reader_serve(r, container_of(l, struct subscription, link));
        left--;
    }
    return left;
}

static void worker_run(struct topic_worker *w)
{
    uint64_t until_ns = clock_monotonic_ns() + SLICE_NS;
    int left = LOOK_EVERY;
    for (;;) {
        if (w->current)
            left = reader_pass(w->current, left);
        if (w->current && list_empty(&w->current->pass))
            reader_finish(w->current);
        if (left <= 0) {
            if (clock_monotonic_ns() >= until_ns)
                break;
            left = LOOK_EVERY;
        }
        if (!w->current) {
            struct topic_reader *r = worker_next(w);
            if (!r)
                return;
            reader_begin(r);
            left--; /* a reader without a subscriber that keeps up takes time, too */
        }
    }
    if (!w->again_sent) {
        w->again_sent = true;
        loop_send(w->loop, &w->again);
    }
}

static void worker_due(struct loop *l, struct inbox_node *node)
{
    (void)l;
    struct topic_worker *w = container_of(node, struct topic_worker, node);
    worker_collect(w);
    if (!w->again_sent) /* else it goes on in this turn anyway */
        worker_run(w);
}

static void worker_again(struct loop *l, struct inbox_node *node)
{
    (void)l;
    struct topic_worker *w = container_of(node, struct topic_worker, again);
    w->again_sent = false;
    worker_run(w);
}

void topic_worker_open(struct topic_worker *w, struct topics *topics, struct loop *loop)
{
    *w = (struct topic_worker){.topics = topics, .loop = loop, .node.fn = worker_due, .again.fn = worker_again};
    w->last = &w->first;
}

void topic_worker_close(struct topic_worker *w)
{
    if (!w->topics)
        return;
    if (w->current) {
        weir_assert(list_empty(&w->current->pass));
        reader_finish(w->current);
    }
    worker_collect(w);
    struct topic_reader *r;
    while ((r = worker_next(w))) {
        weir_assert(!r->topic);
        topic_memory_give(&w->topics->memory, r);
    }
}
