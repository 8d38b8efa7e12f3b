/*
 * A server of Redis: its settings, copied, and its pool.
 *
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>
#include <string.h>

#include "redis.h"

enum { REPLY_MS = 5000, CONNECT_MS = 2000 };

/* A time as waits take it: 0 is no limit. */
static int limit(int ms, int usual)
{
    return ms == WEIR_OFF ? 0 : ms ? ms : usual;
}

/* The members that are strings. */
static const char **strings(weir_redis_config *config, size_t i)
{
    const char **all[] = {&config->name,    &config->target,      &config->user,        &config->password,
                          &config->ca_file, &config->server_name, &config->certificate, &config->key};
    return i < sizeof all / sizeof *all ? all[i] : NULL;
}

/* Replaces strings by copies. False: there is no memory, and some are copies and the others NULL. */
static bool copy_strings(weir_redis_config *config)
{
    bool good = true;
    const char **at;
    for (size_t i = 0; (at = strings(config, i)); i++) {
        char *copy = *at ? strdup(*at) : NULL;
        good = good && (copy || !*at);
        *at = copy;
    }
    return good;
}

static bool is_valid(const weir_redis_config *config)
{
    return config->database >= 0 && config->timeout_ms >= WEIR_OFF && config->connect_timeout_ms >= WEIR_OFF;
}

weir_pool *redis_pool(weir_server *s, weir_redis *redis, const char *name, int max)
{
    const weir_redis_config *config = &redis->config;
    return weir_pool_new(s, &(weir_pool_config){.name = name,
                                                .open = redis_open,
                                                .check = redis_check,
                                                .close = redis_close,
                                                .data = redis,
                                                .max = max ? max : config->max,
                                                .max_waiting = config->max_waiting,
                                                .wait_ms = config->wait_ms,
                                                .idle_ms = config->idle_ms,
                                                .check_idle_ms = config->check_idle_ms,
                                                .backoff_min_ms = config->backoff_min_ms,
                                                .backoff_max_ms = config->backoff_max_ms,
                                                .shared = config->shared});
}

weir_redis *weir_redis_new_sized(weir_server *s, const weir_redis_config *config, size_t config_size)
{
    weir_redis *redis = s ? calloc(1, sizeof *redis) : NULL;
    if (!redis)
        return NULL;
    if (config)
        memcpy(&redis->config, config, config_size < sizeof redis->config ? config_size : sizeof redis->config);
    weir_redis_config *own = &redis->config;
    bool good = is_valid(own);
    own->name = own->name ? own->name : "redis";
    own->target = own->target ? own->target : "tcp://127.0.0.1:6379";
    own->timeout_ms = limit(own->timeout_ms, REPLY_MS);
    own->connect_timeout_ms = limit(own->connect_timeout_ms, CONNECT_MS);
    own->max_reply = own->max_reply ? own->max_reply : (size_t)64 << 20;
    good = copy_strings(own) && good;
    redis->pool = good ? redis_pool(s, redis, own->name, 0) : NULL;
    if (redis->pool)
        return redis;
    weir_redis_free(redis);
    return NULL;
}

void weir_redis_free(weir_redis *redis)
{
    if (!redis)
        return;
    redis_carry_free(redis->carry);
    const char **at;
    for (size_t i = 0; (at = strings(&redis->config, i)); i++)
        free((char *)(uintptr_t)*at);
    free(redis);
}
