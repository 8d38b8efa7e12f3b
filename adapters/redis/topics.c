/*
 * Topics of several servers: what is published here is queued, and a task sends it to Redis; another one listens to all
 * channels with the prefix and delivers what others have sent. Both are run by weir_every(), so that each new attempt
 * begins with nothing: a run lasts as long as its connection does.
 *
 * SPDX-License-Identifier: MIT
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "carried.h"

enum {
    PREFIX_MAX = 64,
    MAX_QUEUED = 1000,
    MAX_BYTES = 4 << 20,
    AT_ONCE = 64,        /* messages that are sent before their replies are read */
    AGAIN_MS = 1000,     /* pause before listening anew */
    SEND_AGAIN_MS = 100, /* pause before sending anew */
    SILENCE_MS = 30000,  /* after which the connection that listens is asked whether it lives */
};

struct redis_carry {
    weir_server *server;
    weir_redis *redis;
    weir_pool *pool;
    char prefix[PREFIX_MAX + 1];
    char origin[CARRIED_ORIGIN_SIZE];
    int max_queued;
    size_t max_bytes;
    weir_semaphore ready; /* a permit while there is something in the queue */
    pthread_mutex_t lock; /* of the four below */
    struct carried *first, **last;
    int queued;
    size_t bytes;
    struct carried *sending; /* the sender's: what it has taken off the queue */
    atomic_uint_fast64_t sent, lost, received, connects;
};

static void free_all(struct carried **list)
{
    while (*list) {
        struct carried *one = *list;
        *list = one->next;
        free(one);
    }
}

static void add(atomic_uint_fast64_t *figure, uint64_t n)
{
    atomic_fetch_add_explicit(figure, n, memory_order_relaxed);
}

/* ---- Out */

/* The carrier's: on whatever thread publishes. */
static void queue(void *arg, const char *name, const weir_message *m)
{
    struct redis_carry *carry = arg;
    struct carried *one = carried_new(carry->prefix, name, carry->origin, m);
    pthread_mutex_lock(&carry->lock);
    bool takes = one && carry->queued < carry->max_queued && one->len <= carry->max_bytes - carry->bytes;
    bool first = takes && !carry->first;
    if (takes) {
        *carry->last = one;
        carry->last = &one->next;
        carry->queued++;
        carry->bytes += one->len;
    }
    pthread_mutex_unlock(&carry->lock);
    if (first)
        weir_semaphore_release(&carry->ready, 1);
    if (takes)
        return;
    free(one);
    add(&carry->lost, 1);
}

static void take_queue(struct redis_carry *carry)
{
    free_all(&carry->sending); /* of a run that was cut */
    pthread_mutex_lock(&carry->lock);
    carry->sending = carry->first;
    carry->first = NULL;
    carry->last = &carry->first;
    carry->queued = 0;
    carry->bytes = 0;
    pthread_mutex_unlock(&carry->lock);
}

/* Sends some of what was taken, and frees it when Redis has it. Returns an error after which the connection is of no
 * use. */
static int send_some(weir_ctx *c, struct redis_carry *carry, weir_redis_session *session)
{
    int count = 0, error = 0;
    for (struct carried *one = carry->sending; one && count < AT_ONCE && !error; one = one->next, count++) {
        const char *argv[] = {"PUBLISH", one->bytes, one->bytes + one->channel_len};
        error = weir_redis_append_argv(session, 3, argv, (size_t[]){7, one->channel_len, one->len});
    }
    for (; count > 0 && !error; count--) {
        error = weir_redis_next(c, session, NULL);
        if (error && error != WEIR_EFAILED)
            break;
        add(error ? &carry->lost : &carry->sent, 1);
        error = 0;
        struct carried *one = carry->sending;
        carry->sending = one->next;
        free(one);
    }
    return error;
}

static int send_taken(weir_ctx *c, struct redis_carry *carry)
{
    weir_redis_session *session;
    int error = redis_take(c, carry->redis, carry->pool, &session);
    while (!error && carry->sending)
        error = send_some(c, carry, session);
    weir_redis_end(session);
    for (struct carried *one = carry->sending; one; one = one->next)
        add(&carry->lost, 1);
    free_all(&carry->sending);
    return error;
}

/* A run of the sender: until Redis cannot be reached, or the server stops. */
static int send_queued(weir_ctx *c, void *arg)
{
    struct redis_carry *carry = arg;
    int error = 0;
    while (!error) {
        error = weir_semaphore_acquire(c, &carry->ready, 0);
        take_queue(carry);
        if (carry->sending && send_taken(c, carry) != 0)
            break;
    }
    return 0;
}

/* ---- In */

/* Whether a reply is a message: four texts. Else it is the answer to PSUBSCRIBE or PING, or nothing that Redis says. */
static bool is_message(const redisReply *reply)
{
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 4)
        return false;
    for (size_t i = 0; i < reply->elements; i++)
        if (reply->element[i]->type != REDIS_REPLY_STRING)
            return false;
    return strcmp(reply->element[0]->str, "pmessage") == 0;
}

static void deliver(struct redis_carry *carry, const redisReply *reply)
{
    size_t prefix_len = strlen(carry->prefix);
    if (!is_message(reply))
        return;
    const redisReply *channel = reply->element[2], *payload = reply->element[3];
    const char *name = channel->str + prefix_len;
    weir_message m;
    char event[WEIR_TOPIC_EVENT_MAX + 1];
    if (channel->len <= prefix_len || strlen(channel->str) != channel->len || !weir_topic_is_name(name) ||
        !carried_read(carry->origin, payload->str, payload->len, &m, event))
        return;
    int error = weir_topic_deliver(carry->server, name, &m);
    if (error == WEIR_EINVAL && !m.binary) { /* of a stranger, and no UTF-8 */
        m.binary = true;
        error = weir_topic_deliver(carry->server, name, &m);
    }
    if (!error)
        add(&carry->received, 1);
}

/* Delivers what comes until the connection, or the server, ends. */
static int listen_on(weir_ctx *c, struct redis_carry *carry, weir_redis_session *session)
{
    redisReply *reply;
    bool asked = false;
    for (;;) {
        int error = weir_redis_next(c, session, &reply);
        if (error == WEIR_ETIMEDOUT && !asked) {
            asked = true;
            error = weir_redis_append(session, "PING");
        } else if (!error) {
            asked = false;
            deliver(carry, reply);
            weir_redis_release(c, reply);
        }
        if (error)
            return error;
    }
}

/* A run of the listener: as long as a connection lasts. */
static int listen_once(weir_ctx *c, void *arg)
{
    struct redis_carry *carry = arg;
    weir_redis_session *session;
    int error = redis_take(c, carry->redis, carry->pool, &session);
    if (error)
        return 0; /* Redis is away still */
    weir_redis_set_timeout(session, SILENCE_MS);
    error = weir_redis_append(session, "PSUBSCRIBE %s*", carry->prefix);
    if (!error)
        error = weir_redis_next(c, session, NULL);
    if (!error) {
        add(&carry->connects, 1);
        error = listen_on(c, carry, session);
    }
    weir_redis_end(session);
    return error == WEIR_ECANCELED ? 0 : error;
}

/* ---- Beginning and end */

static int name_origin(char *origin)
{
    unsigned char random[(CARRIED_ORIGIN_SIZE - 1) / 2];
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        return WEIR_ESYS;
    for (size_t i = 0; i < sizeof random; i++)
        snprintf(origin + 2 * i, 3, "%02x", random[i]);
    return 0;
}

static bool is_valid(const weir_redis_carry_config *config)
{
    const char *prefix = config->prefix;
    return config->max_queued >= 0 && (!prefix || (strlen(prefix) <= PREFIX_MAX && !strpbrk(prefix, "*?[]^\\ \r\n")));
}

static int carry_start(struct redis_carry *carry)
{
    int error = weir_topic_carry(carry->server, &(weir_topic_carrier){.publish = queue, .arg = carry});
    if (!error)
        error = weir_every(carry->server, AGAIN_MS, listen_once, carry,
                           &(weir_task_options){.name = "redis-listen", .at_once = WEIR_ON});
    if (!error)
        error = weir_every(carry->server, SEND_AGAIN_MS, send_queued, carry,
                           &(weir_task_options){.name = "redis-send", .at_once = WEIR_ON});
    return error;
}

int weir_redis_carry_topics_sized(weir_server *s, weir_redis *redis, const weir_redis_carry_config *config,
                                  size_t config_size)
{
    weir_redis_carry_config own = {0};
    if (config)
        memcpy(&own, config, config_size < sizeof own ? config_size : sizeof own);
    if (!s || !redis || !is_valid(&own))
        return WEIR_EINVAL;
    if (redis->carry)
        return WEIR_EEXIST;
    struct redis_carry *carry = calloc(1, sizeof *carry);
    if (!carry)
        return WEIR_ENOMEM;
    redis->carry = carry; /* from here on freed with it */
    carry->server = s;
    carry->redis = redis;
    carry->last = &carry->first;
    carry->max_queued = own.max_queued ? own.max_queued : MAX_QUEUED;
    carry->max_bytes = own.max_bytes ? own.max_bytes : MAX_BYTES;
    snprintf(carry->prefix, sizeof carry->prefix, "%s", own.prefix ? own.prefix : "weir:");
    pthread_mutex_init(&carry->lock, NULL);
    char name[WEIR_POOL_NAME_SIZE];
    snprintf(name, sizeof name, "%.20s-topics", redis->config.name);
    carry->pool = redis_pool(s, redis, name, 2);
    int error = name_origin(carry->origin);
    if (!error)
        error = carry->pool ? carry_start(carry) : WEIR_ENOMEM;
    return error;
}

void redis_carry_free(struct redis_carry *carry)
{
    if (!carry)
        return;
    free_all(&carry->first);
    free_all(&carry->sending);
    pthread_mutex_destroy(&carry->lock);
    free(carry);
}

void weir_redis_carry_stats_read(weir_redis *redis, weir_redis_carry_stats *stats)
{
    struct redis_carry *carry = redis ? redis->carry : NULL;
    if (!stats)
        return;
    *stats = (weir_redis_carry_stats){0};
    if (!carry)
        return;
    stats->sent = atomic_load_explicit(&carry->sent, memory_order_relaxed);
    stats->lost = atomic_load_explicit(&carry->lost, memory_order_relaxed);
    stats->received = atomic_load_explicit(&carry->received, memory_order_relaxed);
    stats->connects = atomic_load_explicit(&carry->connects, memory_order_relaxed);
}
