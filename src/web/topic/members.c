/*
 * Members, and their presence.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/topic/members.h"
#include "web/json.h"
#include "web/websocket/utf8.h"

#include <stdio.h>

#define WHO_JSON_MAX      (WEIR_TOPIC_WHO_MAX * 6 + 2)
#define PRESENCE_DATA_MAX (WHO_JSON_MAX + 64)

static bool who_is_good(struct slice who)
{
    for (size_t i = 0; i < who.len; i++)
        if ((unsigned char)who.data[i] < 0x20 || who.data[i] == 0x7f)
            return false;
    return who.len > 0 && who.len <= WEIR_TOPIC_WHO_MAX && utf8_is_valid(who.data, who.len);
}

static struct weir_member *member_find(struct weir_topic *topic, struct slice who) REQUIRES(topic_ring_lock)
{
    list_for_each (l, &topic->members) {
        struct weir_member *m = container_of(l, struct weir_member, link);
        if (slice_equal(slice_of(m->who, m->len), who))
            return m;
    }
    return NULL;
}

/* The member of that name, who is added if it is not there; NULL with *error. */
static struct weir_member *member_get(struct weir_topic *topic, struct slice who, int *error) REQUIRES(topic_ring_lock)
{
    struct weir_member *m = member_find(topic, who);
    if (m)
        return m;
    *error = WEIR_ETOOBIG;
    if (topic->member_names >= topic->bounds.max_members)
        return NULL;
    *error = WEIR_ENOMEM;
    m = topic_memory_take(&topic->topics->memory, sizeof *m + who.len + 1);
    if (!m)
        return NULL;
    *m = (struct weir_member){.topic = topic, .len = (uint8_t)who.len};
    memcpy(m->who, who.data, who.len);
    m->who[who.len] = '\0';
    list_push_back(&topic->members, &m->link);
    topic->member_names++;
    return m;
}

/* Publishes that who has joined, or left, where `members` names are now. A companion that cannot be had is none. */
static void presence_publish(struct topics *t, struct slice topic, struct slice who, const char *event,
                             uint32_t members)
{
    char name[sizeof TOPIC_PRESENCE + WEIR_TOPIC_NAME_MAX], quoted[WHO_JSON_MAX], data[PRESENCE_DATA_MAX];
    int name_len = snprintf(name, sizeof name, TOPIC_PRESENCE "%.*s", (int)topic.len, topic.data);
    int len = snprintf(data, sizeof data, "{\"event\":\"%s\",\"who\":%.*s,\"members\":%u}", event,
                       (int)json_string_write(who, quoted), quoted, members);
    weir_message m = {.data = data, .len = (size_t)len, .event = event};
    (void)topics_publish(t, slice_of(name, (size_t)name_len), &m, false);
}

int topic_join(struct topics *t, struct slice name, struct slice who, struct weir_member **member)
{
    struct weir_topic *topic;
    bool told = false;
    uint32_t members = 0;
    if (!who_is_good(who))
        return WEIR_EINVAL;
    topic_presence_lock_acquire(&t->presence_lock);
    topic_table_lock_acquire(&t->table_lock);
    int error = topics_get(t, name, false, &topic);
    if (!error) {
        topic_ring_lock_acquire(&topic->lock);
        *member = member_get(topic, who, &error);
        if (*member) {
            error = 0;
            told = (*member)->joined++ == 0 && topic->bounds.presence;
        }
        members = topic->member_names;
        topic_ring_lock_release(&topic->lock);
        topic_settle(topic);
    }
    topic_table_lock_release(&t->table_lock);
    if (told)
        presence_publish(t, name, who, "join", members);
    topic_presence_lock_release(&t->presence_lock);
    return error;
}

void topic_leave(struct weir_member *member)
{
    struct weir_topic *topic = member->topic;
    struct topics *t = topic->topics;
    char name[WEIR_TOPIC_NAME_MAX];
    size_t name_len = topic->name_len;
    topic_presence_lock_acquire(&t->presence_lock);
    topic_table_lock_acquire(&t->table_lock);
    topic_ring_lock_acquire(&topic->lock);
    bool last = --member->joined == 0, told = last && topic->bounds.presence;
    if (last) {
        list_remove(&member->link);
        topic->member_names--;
    }
    uint32_t members = topic->member_names;
    topic_ring_lock_release(&topic->lock);
    memcpy(name, topic->name, name_len);
    if (last)
        topic_settle(topic);
    topic_table_lock_release(&t->table_lock);
    if (told)
        presence_publish(t, slice_of(name, name_len), slice_of(member->who, member->len), "leave", members);
    topic_presence_lock_release(&t->presence_lock);
    if (last)
        topic_memory_give(&t->memory, member);
}

size_t topic_each_member(struct topics *t, struct slice name, void (*each)(void *arg, const char *who), void *arg)
{
    topic_table_lock_acquire(&t->table_lock);
    struct weir_topic *topic = topics_find(t, name);
    if (!topic) {
        topic_table_lock_release(&t->table_lock);
        return 0;
    }
    topic_ring_lock_acquire(&topic->lock);
    topic_table_lock_release(&t->table_lock);
    size_t count = topic->member_names;
    if (each)
        list_for_each (l, &topic->members)
            each(arg, container_of(l, struct weir_member, link)->who);
    topic_ring_lock_release(&topic->lock);
    return count;
}

void members_free(struct weir_topic *topic)
{
    struct list *l;
    while ((l = list_pop_front(&topic->members)))
        topic_memory_give(&topic->topics->memory, container_of(l, struct weir_member, link));
    topic->member_names = 0;
}
