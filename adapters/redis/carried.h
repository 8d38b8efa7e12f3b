/*
 * A message on its way to or from Redis: its channel is the prefix and the topic's name, its payload a line that says
 * who sent it and how, and the data.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_ADAPTER_REDIS_CARRIED_H
#define WEIR_ADAPTER_REDIS_CARRIED_H

#include "redis.h"

enum { CARRIED_ORIGIN_SIZE = 33 }; /* of the name that a server has among the others, its NUL included */

struct carried {
    struct carried *next;
    size_t channel_len, len;
    char bytes[]; /* the channel, then the payload */
};

/* Makes a message. NULL: there is no memory. The caller's, by free(). */
struct carried *carried_new(const char *prefix, const char *name, const char *origin, const weir_message *m);

/* Reads a payload, which keeps its data. False: it is of origin itself. What has no such line is all data. event has
 * room for WEIR_TOPIC_EVENT_MAX + 1 bytes. */
bool carried_read(const char *origin, const char *payload, size_t len, weir_message *m, char *event);

#endif
