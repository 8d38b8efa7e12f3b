/*
 * A connection to Redis: commands are collected and sent in one piece, replies are read by hiredis's reader from what
 * weir_conn_read() gives. Nothing of a reply is lost when a wait ends early, and what is owed is counted, so that a
 * connection is never given on with another's reply on its way.
 *
 * SPDX-License-Identifier: MIT
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "redis.h"

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Makes room for len bytes more of commands. */
static int reserve(weir_redis_session *s, size_t len)
{
    if (len <= s->out_size - s->out_len)
        return 0;
    if (len > SIZE_MAX / 2 - s->out_len)
        return WEIR_ENOMEM;
    size_t size = s->out_size ? s->out_size : 256;
    while (size < s->out_len + len)
        size *= 2;
    char *out = realloc(s->out, size);
    if (!out)
        return WEIR_ENOMEM;
    s->out = out;
    s->out_size = size;
    return 0;
}

int redis_add(weir_redis_session *s, const char *command, size_t len)
{
    int error = reserve(s, len);
    if (error)
        return error;
    memcpy(s->out + s->out_len, command, len);
    s->out_len += len;
    return 0;
}

/* Sends what was added. The buffer stays, unless it has become large. */
static int send_added(weir_ctx *c, weir_redis_session *s)
{
    if (!s->out_len)
        return 0;
    size_t len = s->out_len;
    s->out_len = 0;
    int error = weir_conn_write(c, s->stream, s->out, len, s->timeout_ms);
    if (s->out_size > REDIS_OUTPUT_KEPT) {
        free(s->out);
        s->out = NULL;
        s->out_size = 0;
    }
    return error;
}

static int reader_error(const redisReader *reader)
{
    return reader->err == REDIS_ERR_OOM ? WEIR_ENOMEM : WEIR_EPROTO;
}

/* Waits for bytes until end (ms; 0: no limit), and hands them to the reader. */
static int feed(weir_ctx *c, weir_redis_session *s, int64_t end)
{
    int left = 0;
    if (end) {
        int64_t ms = end - now_ms();
        if (ms <= 0)
            return WEIR_ETIMEDOUT;
        left = ms < INT_MAX ? (int)ms : INT_MAX;
    }
    ssize_t got = weir_conn_read(c, s->stream, s->in, sizeof s->in, left);
    if (got <= 0)
        return got < 0 ? (int)got : WEIR_EREACH;
    s->fed += (size_t)got;
    if (s->fed > s->redis->config.max_reply)
        return WEIR_ETOOBIG;
    return redisReaderFeed(s->reader, s->in, (size_t)got) == REDIS_OK ? 0 : reader_error(s->reader);
}

static int read_reply(weir_ctx *c, weir_redis_session *s, redisReply **reply)
{
    int64_t end = s->timeout_ms ? now_ms() + s->timeout_ms : 0;
    for (;;) {
        void *got = NULL;
        if (redisReaderGetReply(s->reader, &got) != REDIS_OK)
            return reader_error(s->reader);
        if (got) {
            s->fed = s->reader->len - s->reader->pos;
            *reply = got;
            return 0;
        }
        int error = feed(c, s, end);
        if (error)
            return error;
    }
}

/* Whether the next reply can be waited for again: the wait has ended, and the connection has not. */
static bool is_whole(int error)
{
    return error == WEIR_ETIMEDOUT || error == WEIR_ECLOSED || error == WEIR_ECANCELED;
}

int redis_next(weir_ctx *c, weir_redis_session *s, redisReply **reply)
{
    *reply = NULL;
    if (s->state == REDIS_BROKEN)
        return WEIR_EREACH;
    if (!s->owed && s->state != REDIS_LISTENING)
        return WEIR_EINVAL;
    int error = send_added(c, s);
    if (error) {
        s->state = REDIS_BROKEN;
        return error;
    }
    error = read_reply(c, s, reply);
    if (error) {
        if (!is_whole(error))
            s->state = REDIS_BROKEN;
        return error;
    }
    if (s->owed)
        s->owed--;
    return (*reply)->type == REDIS_REPLY_ERROR ? WEIR_EFAILED : 0;
}

/* ---- What the pool calls */

/* Reads the reply to a command of the opening. A server that still loads its data will be there in a moment. */
static int expect(weir_ctx *c, weir_redis_session *s)
{
    redisReply *reply;
    int error = redis_next(c, s, &reply);
    if (error == WEIR_EFAILED && reply) {
        static const char *const passing[] = {"LOADING", "BUSY", "MASTERDOWN", "ERR max number of clients"};
        error = WEIR_EACCES;
        for (size_t i = 0; i < sizeof passing / sizeof *passing; i++)
            if (strncmp(reply->str, passing[i], strlen(passing[i])) == 0)
                error = WEIR_EREACH;
    }
    freeReplyObject(reply);
    return error;
}

/* Tells who asks, and of which database. */
static int greet(weir_ctx *c, weir_redis_session *s)
{
    const weir_redis_config *config = &s->redis->config;
    int error = 0;
    if (config->password && config->user)
        error = weir_redis_append(s, "AUTH %s %s", config->user, config->password);
    else if (config->password)
        error = weir_redis_append(s, "AUTH %s", config->password);
    if (!error && config->database)
        error = weir_redis_append(s, "SELECT %d", config->database);
    while (!error && s->owed)
        error = expect(c, s);
    s->state = REDIS_CLEAN;
    return error;
}

static int connect_session(weir_ctx *c, weir_redis_session *s)
{
    const weir_redis_config *config = &s->redis->config;
    int error = weir_dial(c, config->target, &s->stream,
                          &(weir_dial_options){.timeout_ms = config->connect_timeout_ms,
                                               .server_name = config->server_name,
                                               .ca_file = config->ca_file,
                                               .verify = config->verify,
                                               .certificate = config->certificate,
                                               .key = config->key});
    if (error)
        return error;
    s->timeout_ms = config->connect_timeout_ms;
    return greet(c, s);
}

int redis_open(weir_ctx *c, void *data, void **connection)
{
    weir_redis_session *s = calloc(1, sizeof *s);
    if (!s)
        return WEIR_ENOMEM;
    s->redis = data;
    s->fresh = true;
    s->reader = redisReaderCreate();
    int error = s->reader ? redis_keep_opening(c, s) : WEIR_ENOMEM;
    if (!error) {
        error = connect_session(c, s);
        redis_keep_opening(c, NULL);
    }
    if (error)
        redis_close(c, data, s);
    else
        *connection = s;
    return error;
}

int redis_check(weir_ctx *c, void *data, void *connection)
{
    weir_redis *redis = data;
    weir_redis_session *s = connection;
    if (!weir_conn_is_idle(s->stream))
        return WEIR_EREACH;
    s->timeout_ms = redis->config.connect_timeout_ms;
    int error = weir_redis_append(s, "PING");
    return error ? error : expect(c, s);
}

void redis_close(weir_ctx *c, void *data, void *connection)
{
    weir_redis_session *s = connection;
    (void)data;
    weir_conn_close(c, s->stream);
    if (s->reader)
        redisReaderFree(s->reader);
    free(s->out);
    free(s);
}

int redis_take(weir_ctx *c, weir_redis *redis, weir_pool *pool, weir_redis_session **session)
{
    *session = NULL;
    for (;;) {
        void *connection;
        int error = weir_pool_get(c, pool, &connection);
        if (error)
            return error;
        weir_redis_session *s = connection;
        if (s->fresh || weir_conn_is_idle(s->stream)) {
            s->fresh = false;
            s->pool = pool;
            s->timeout_ms = redis->config.timeout_ms;
            *session = s;
            return 0;
        }
        weir_pool_put(pool, s, false); /* the server has closed it: another one, or a new one */
    }
}
