/*
 * Topics by name, of a server.
 *
 * SPDX-License-Identifier: MIT
 */
#include "server/topics.h"
#include "server/server.h"
#include "web/topic/members.h"

int topics_open(weir_server *s)
{
    const weir_config *c = &s->settings.config;
    return topics_init(&s->topics, &s->memory, c->max_topic_memory, (uint32_t)c->max_topics);
}

uint64_t topics_reserved(const weir_server *s)
{
    return counter_read(&s->topics.memory.account.reserved);
}

uint64_t topics_bound(weir_server *s)
{
    return topics_reserved(s) > 0 ? s->settings.config.max_topic_memory : 0;
}

weir_topic *weir_topic_new(weir_server *s, const char *name, const weir_topic_bounds *bounds)
{
    return s && name ? topics_make(&s->topics, slice_from(name), bounds) : NULL;
}

int weir_topic_allow(weir_server *s, const char *pattern, const weir_topic_bounds *bounds)
{
    return s && pattern ? topics_allow(&s->topics, slice_from(pattern), bounds) : WEIR_EINVAL;
}

int weir_topic_publish_to(weir_server *s, const char *name, const weir_message *m)
{
    return s && name ? topics_publish(&s->topics, slice_from(name), m, false) : WEIR_EINVAL;
}

int weir_topic_deliver(weir_server *s, const char *name, const weir_message *m)
{
    return s && name ? topics_publish(&s->topics, slice_from(name), m, true) : WEIR_EINVAL;
}

int weir_topic_carry(weir_server *s, const weir_topic_carrier *carrier)
{
    if (!s || !carrier || !carrier->publish || s->site.sealed)
        return WEIR_EINVAL;
    if (s->topics.carrier.publish)
        return WEIR_EEXIST;
    s->topics.carrier = *carrier;
    return 0;
}

size_t weir_topic_subscribers(weir_server *s, const char *name)
{
    if (!s || !name)
        return 0;
    topic_table_lock_acquire(&s->topics.table_lock);
    const struct weir_topic *topic = topics_find(&s->topics, slice_from(name));
    size_t count = topic ? atomic_load_explicit(&topic->subscribers, memory_order_relaxed) : 0;
    topic_table_lock_release(&s->topics.table_lock);
    return count;
}

int weir_topic_join(weir_server *s, const char *name, const char *who, weir_member **member)
{
    if (!member)
        return WEIR_EINVAL;
    *member = NULL;
    return s && name && who ? topic_join(&s->topics, slice_from(name), slice_from(who), member) : WEIR_EINVAL;
}

void weir_topic_leave(weir_member *member)
{
    if (member)
        topic_leave(member);
}

size_t weir_topic_members(weir_server *s, const char *name, void (*each)(void *arg, const char *who), void *arg)
{
    return s && name ? topic_each_member(&s->topics, slice_from(name), each, arg) : 0;
}
