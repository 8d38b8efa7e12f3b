/*
 * Who is in a topic: names that the program gives, each counted by how many times it has joined. Members need not
 * subscribe, so that a subscription has no room for them.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_TOPIC_MEMBERS_H
#define WEIR_WEB_TOPIC_MEMBERS_H

#include "web/topic/topic.h"

/* A name that is in a topic. */
struct weir_member {
    struct list link GUARDED_BY(topic_ring_lock);
    struct weir_topic *topic;
    uint32_t joined GUARDED_BY(topic_ring_lock); /* times that it has joined and not left */
    uint8_t len;
    char who[]; /* NUL-terminated */
};

/* weir_topic_join(), weir_topic_leave() and weir_topic_members(). */
int topic_join(struct topics *t, struct slice name, struct slice who, struct weir_member **member);
void topic_leave(struct weir_member *member);
size_t topic_each_member(struct topics *t, struct slice name, void (*each)(void *arg, const char *who), void *arg);

/* Frees those that have not left. */
void members_free(struct weir_topic *topic) REQUIRES(topic_ring_lock);

#endif
