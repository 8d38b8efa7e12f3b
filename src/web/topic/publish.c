/*
 * Publishing: a message is made, put into the rings, and those who read there are woken.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/topic/name.h"
#include "web/topic/reader.h"

#define ROOM_ROUNDS 16  /* times that history is given up for one message */
#define ROOM_TOPICS 256 /* topics whose history is looked at in one of them */

/* ---- Memory ---- */

/* Gives up half of the history of up to most topics of a list, which turns, so that others are next. */
static bool topics_halve(struct list *topics, uint32_t most) REQUIRES(topic_table_lock)
{
    bool any = false;
    for (uint32_t i = 0; i < most && !list_empty(topics); i++) {
        struct weir_topic *topic = container_of(list_pop_front(topics), struct weir_topic, link);
        list_push_back(topics, &topic->link);
        topic_ring_lock_acquire(&topic->lock);
        any |= topic->ring.count > 0;
        ring_trim(&topic->ring, topic->ring.count / 2);
        bool empty = topic->ring.count == 0;
        topic_ring_lock_release(&topic->lock);
        if (empty && !list_empty(&topic->idle))
            topic_settle(topic);
    }
    return any;
}

bool topics_make_room(struct topics *t)
{
    topic_table_lock_acquire(&t->table_lock);
    bool any = topics_halve(&t->patterns, t->pattern_count < ROOM_TOPICS ? t->pattern_count : ROOM_TOPICS);
    any |= topics_halve(&t->names, t->name_count < ROOM_TOPICS ? t->name_count : ROOM_TOPICS);
    topic_table_lock_release(&t->table_lock);
    return any;
}

static struct message *publish_make(struct topics *t, struct slice name, const weir_message *m, struct slice data)
{
    struct message *made = message_new(&t->memory, &t->figures, name, m, data);
    for (int i = 0; !made && i < ROOM_ROUNDS && topics_make_room(t); i++)
        made = message_new(&t->memory, &t->figures, name, m, data);
    return made;
}

/* ---- Rings ---- */

/* Puts a message into one ring. */
static void topic_put(struct weir_topic *topic, struct message *m, struct topic_worker **woken)
    REQUIRES(topic_ring_lock)
{
    ring_put(&topic->ring, m);
    list_for_each (l, &topic->readers)
        reader_notify(container_of(l, struct topic_reader, link), woken);
    topic_trim(topic);
}

/* Puts a message into the ring of its name and into those of the patterns that match, in one order for all. */
static int topic_enter(struct weir_topic *topic, struct message *m, struct topic_worker **woken)
    REQUIRES(topic_ring_lock)
{
    struct topics *t = topic->topics;
    int error = ring_ready(&topic->ring);
    if (error)
        return error;
    m->id = atomic_fetch_add_explicit(&t->next_id, 1, memory_order_relaxed);
    topic_put(topic, m, woken);
    list_for_each (l, &topic->links) {
        struct weir_topic *pattern = container_of(l, struct topic_link, in_name)->pattern;
        topic_pattern_lock_acquire(&pattern->lock);
        if (ring_ready(&pattern->ring) == 0)
            topic_put(pattern, m, woken);
        else
            atomic_fetch_add_explicit(&t->refused, 1, memory_order_relaxed);
        topic_pattern_lock_release(&pattern->lock);
    }
    return 0;
}

/* What is left to do when the message is in its rings, or was refused. */
static int publish_end(struct topics *t, struct slice name, const weir_message *m, bool outside, int error)
{
    if (!error) {
        atomic_fetch_add_explicit(&t->published, 1, memory_order_relaxed);
        if (!outside && t->carrier.publish)
            t->carrier.publish(t->carrier.arg, name.data, m);
    } else if (error == WEIR_ENOMEM || error == WEIR_ETOOBIG) {
        atomic_fetch_add_explicit(&t->refused, 1, memory_order_relaxed);
    }
    return error;
}

int topic_publish(struct weir_topic *topic, const weir_message *m, bool outside)
{
    struct topics *t = topic->topics;
    struct slice name = topic_name_of(topic), data;
    struct topic_worker *woken = NULL;
    int error = message_check(m, topic->bounds.max_message, &data);
    if (!error) {
        struct message *made = publish_make(t, name, m, data);
        if (!made)
            return publish_end(t, name, m, outside, WEIR_ENOMEM);
        topic_ring_lock_acquire(&topic->lock);
        error = topic_enter(topic, made, &woken);
        topic_ring_lock_release(&topic->lock);
        message_unref(made);
    }
    readers_wake(woken);
    return publish_end(t, name, m, outside, error);
}

/* Frees a topic that a message was published to, and that is for nothing: nobody wanted it. */
static void topics_settle(struct topics *t, struct slice name)
{
    topic_table_lock_acquire(&t->table_lock);
    struct weir_topic *topic = topics_find(t, name);
    if (topic)
        topic_settle(topic);
    topic_table_lock_release(&t->table_lock);
}

/* Puts a message into the rings of a name. The ring's lock is taken under that of the table, so that the topic does not
 * go meanwhile. *idle: the topic may be for nothing now. */
static int topics_enter(struct topics *t, struct slice name, struct message *m, struct topic_worker **woken, bool *idle)
{
    struct weir_topic *topic;
    topic_table_lock_acquire(&t->table_lock);
    int error = topics_get(t, name, false, &topic);
    if (!error && m->len > topic->bounds.max_message) {
        error = WEIR_ETOOBIG;
        topic_settle(topic); /* which may have been made for this message */
    }
    if (error) {
        topic_table_lock_release(&t->table_lock);
        return error;
    }
    bool stays = topic->stays;
    topic_ring_lock_acquire(&topic->lock);
    topic_table_lock_release(&t->table_lock);
    error = topic_enter(topic, m, woken);
    *idle = !stays && topic->ring.count == 0 && list_empty(&topic->readers) && list_empty(&topic->links);
    topic_ring_lock_release(&topic->lock);
    return error;
}

int topics_publish(struct topics *t, struct slice name, const weir_message *m, bool outside)
{
    struct slice data;
    struct topic_worker *woken = NULL;
    bool idle = false;
    if (topic_name_kind(name) != TOPIC_NAME)
        return WEIR_EINVAL;
    int error = message_check(m, MESSAGE_DATA_MAX, &data);
    if (!error) {
        struct message *made = publish_make(t, name, m, data);
        error = made ? topics_enter(t, name, made, &woken, &idle) : WEIR_ENOMEM;
        message_unref(made);
    }
    readers_wake(woken);
    if (idle)
        topics_settle(t, name);
    return publish_end(t, name, m, outside, error);
}
