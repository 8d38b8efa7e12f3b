/*
 * What a connection becomes by a command: whether the next request may have it as if nothing had been.
 *
 * SPDX-License-Identifier: MIT
 */
#include <string.h>
#include <strings.h>

#include "redis.h"

/* Commands that change what a connection is, but for transactions, and what it becomes. */
static const struct {
    const char *name;
    enum redis_state state;
} changes[] = {
    {"SUBSCRIBE", REDIS_LISTENING}, {"PSUBSCRIBE", REDIS_LISTENING}, {"SSUBSCRIBE", REDIS_LISTENING},
    {"MONITOR", REDIS_LISTENING},   {"SYNC", REDIS_LISTENING},       {"PSYNC", REDIS_LISTENING},
    {"SELECT", REDIS_CHANGED},      {"AUTH", REDIS_CHANGED},         {"HELLO", REDIS_CHANGED},
    {"CLIENT", REDIS_CHANGED},      {"RESET", REDIS_CHANGED},        {"QUIT", REDIS_CHANGED},
    {"REPLCONF", REDIS_CHANGED},    {"READONLY", REDIS_CHANGED},     {"READWRITE", REDIS_CHANGED},
    {"ASKING", REDIS_CHANGED},
};

static bool is_name(const char *name, size_t len, const char *known)
{
    return strlen(known) == len && strncasecmp(name, known, len) == 0;
}

enum redis_state redis_after(enum redis_state state, const char *name, size_t len)
{
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++)
        if (is_name(name, len, changes[i].name) && state < changes[i].state)
            return changes[i].state;
    if (state >= REDIS_CHANGED)
        return state;
    if (is_name(name, len, "MULTI"))
        return REDIS_QUEUEING;
    if (is_name(name, len, "WATCH"))
        return state == REDIS_CLEAN ? REDIS_WATCHING : state;
    if (is_name(name, len, "EXEC") || is_name(name, len, "DISCARD"))
        return REDIS_CLEAN;
    if (is_name(name, len, "UNWATCH"))
        return state == REDIS_WATCHING ? REDIS_CLEAN : state;
    return state;
}
