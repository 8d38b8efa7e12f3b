/*
 * Subscriptions: beginning, catching up, ending.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/topic/subscription.h"
#include "web/topic/reader.h"

/* The reader of that worker and kind; NULL: there is none. */
static struct topic_reader *reader_find(struct weir_topic *topic, const struct topic_worker *w,
                                        const struct subscriber_ops *ops) REQUIRES(topic_ring_lock)
{
    list_for_each (l, &topic->readers) {
        struct topic_reader *r = container_of(l, struct topic_reader, link);
        if (r->worker == w && r->ops == ops)
            return r;
    }
    return NULL;
}

static struct topic_reader *reader_open(struct weir_topic *topic, struct topic_worker *w,
                                        const struct subscriber_ops *ops) REQUIRES(topic_ring_lock)
{
    struct topic_reader *r = topic_memory_take(&topic->topics->memory, sizeof *r);
    if (!r)
        return NULL;
    *r =
        (struct topic_reader){.topic = topic, .worker = w, .ops = ops, .state = READER_IDLE, .taken = topic->ring.next};
    list_init(&r->keeping_up);
    list_init(&r->pass);
    list_push_back(&topic->readers, &r->link);
    return r;
}

static uint64_t start_position(const struct ring *r, const weir_topic_start *start)
{
    if (start && start->after > 0)
        return ring_after(r, start->after);
    uint64_t last = start && start->last > 0 ? (uint64_t)start->last : 0;
    return r->next - (last < r->count ? last : r->count);
}

/* Puts s among those of its reader that keep up, from its position on. */
static void subscription_keeps_up(struct subscription *s)
{
    list_push_back(&s->reader->keeping_up, &s->link);
}

static int subscription_begin(struct subscription *s, struct topic_reader *r, const weir_topic_start *start)
    REQUIRES(topic_ring_lock)
{
    struct weir_topic *topic = r->topic;
    struct topic_figures *figures = &r->worker->figures;
    s->reader = r;
    s->position = start_position(&topic->ring, start);
    list_init(&s->link);
    r->count++;
    counter_add(&figures->subscribers, 1);
    atomic_fetch_add_explicit(&topic->subscribers, 1, memory_order_relaxed);
    if (s->position == topic->ring.next) {
        subscription_keeps_up(s);
        return 0;
    }
    counter_add(&figures->lagging, 1);
    atomic_fetch_add_explicit(&topic->lagging, 1, memory_order_relaxed);
    return 1;
}

int subscribe(struct topic_worker *w, struct slice name, const struct subscriber_ops *ops,
              const weir_topic_start *start, struct subscription *s)
{
    struct topics *t = w->topics;
    struct weir_topic *topic;
    bool first = false;
    topic_carrier_lock_acquire(&t->carrier_lock);
    topic_table_lock_acquire(&t->table_lock);
    int result = topics_get(t, name, true, &topic);
    if (result == 0) {
        topic_ring_lock_acquire(&topic->lock);
        first = list_empty(&topic->readers);
        struct topic_reader *r = reader_find(topic, w, ops);
        if (!r)
            r = reader_open(topic, w, ops);
        result = r ? subscription_begin(s, r, start) : WEIR_ENOMEM;
        topic_ring_lock_release(&topic->lock);
        if (first || result < 0)
            topic_settle(topic); /* takes it off those that nobody subscribes to, or frees it */
    }
    topic_table_lock_release(&t->table_lock);
    if (result == WEIR_ENOMEM || result == WEIR_ETOOBIG)
        atomic_fetch_add_explicit(&t->refused, 1, memory_order_relaxed);
    if (first && result >= 0 && t->carrier.subscribe) {
        char text[WEIR_TOPIC_NAME_MAX + 1];
        memcpy(text, name.data, name.len);
        text[name.len] = '\0';
        t->carrier.subscribe(t->carrier.arg, text);
    }
    topic_carrier_lock_release(&t->carrier_lock);
    return result;
}

/* One that lags does so no more. True: it was the last of its topic. */
static bool subscription_leave_lag(const struct subscription *s)
{
    struct topic_reader *r = s->reader;
    counter_subtract(&r->worker->figures.lagging, 1);
    return atomic_fetch_sub_explicit(&r->topic->lagging, 1, memory_order_relaxed) == 1;
}

void unsubscribe(struct subscription *s)
{
    struct topic_reader *r = s->reader;
    if (!r)
        return;
    struct weir_topic *topic = r->topic;
    bool trim = false;
    if (list_empty(&s->link))
        trim = subscription_leave_lag(s);
    else
        list_remove(&s->link);
    s->reader = NULL;
    counter_subtract(&r->worker->figures.subscribers, 1);
    atomic_fetch_sub_explicit(&topic->subscribers, 1, memory_order_relaxed);
    if (--r->count == 0) {
        reader_close(r);
    } else if (trim) {
        topic_ring_lock_acquire(&topic->lock);
        topic_trim(topic);
        topic_ring_lock_release(&topic->lock);
    }
}

/* Moves the place of one that lags, if the ring has gone past it. False: it is to be disconnected. */
static bool subscription_make_up(struct subscription *s) REQUIRES(topic_ring_lock)
{
    const struct weir_topic *topic = s->reader->topic;
    struct topic_figures *figures = &s->reader->worker->figures;
    if (s->position >= ring_first(&topic->ring))
        return true;
    if (topic->bounds.overrun == WEIR_OVERRUN_DISCONNECT)
        return false;
    uint64_t on = topic_resume(topic);
    topic_count_missed(figures, topic->bounds.overrun, on - s->position);
    s->position = on;
    return true;
}

int subscription_next(struct subscription *s, struct message **m)
{
    struct topic_reader *r = s->reader;
    struct weir_topic *topic = r->topic;
    *m = NULL;
    topic_ring_lock_acquire(&topic->lock);
    bool overrun = !subscription_make_up(s);
    if (!overrun && ring_copy(&topic->ring, s->position, m, 1) == 0) {
        (void)subscription_leave_lag(s);
        subscription_keeps_up(s);
        topic_trim(topic);
    }
    topic_ring_lock_release(&topic->lock);
    if (overrun) {
        counter_add(&r->worker->figures.disconnected, 1);
        unsubscribe(s);
        return WEIR_ETOOBIG;
    }
    if (!*m)
        return 0;
    s->position++;
    counter_add(&r->worker->figures.delivered, 1);
    return 1;
}

struct slice subscription_topic(const struct subscription *s)
{
    return s->reader ? topic_name_of(s->reader->topic) : slice_of(NULL, 0);
}
