/*
 * Commands, alone and in sessions.
 *
 * SPDX-License-Identifier: MIT
 */
#include <stdio.h>
#include <string.h>

#include "redis.h"

/* Marks what a command that was added does to the connection. */
static void mark(weir_redis_session *s, const char *name, size_t len)
{
    s->state = redis_after(s->state, name, len);
    s->owed++;
}

/* The name of a command in Redis's form: "*3\r\n$3\r\nSET\r\n...". */
static const char *name_of(const char *command, size_t len, size_t *name_len)
{
    const char *end = command + len, *at = memchr(command, '\n', len);
    at = at ? memchr(at + 1, '\n', (size_t)(end - at - 1)) : NULL;
    const char *name = at ? at + 1 : end, *stop = memchr(name, '\r', (size_t)(end - name));
    *name_len = stop ? (size_t)(stop - name) : 0;
    return name;
}

int weir_redis_vappend(weir_redis_session *s, const char *format, va_list args)
{
    char *command;
    if (!s || !format)
        return WEIR_EINVAL;
    int len = (int)redisvFormatCommand(&command, format, args);
    if (len < 0)
        return len == -1 ? WEIR_ENOMEM : WEIR_EINVAL;
    int error = redis_add(s, command, (size_t)len);
    if (!error) {
        size_t name_len;
        const char *name = name_of(command, (size_t)len, &name_len);
        mark(s, name, name_len);
    }
    redisFreeCommand(command);
    return error;
}

int weir_redis_append(weir_redis_session *s, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int error = weir_redis_vappend(s, format, args);
    va_end(args);
    return error;
}

/* Adds a line of Redis's protocol that announces a number or a length. */
static int add_number(weir_redis_session *s, char sign, size_t number)
{
    char line[32];
    int len = snprintf(line, sizeof line, "%c%zu\r\n", sign, number);
    return redis_add(s, line, (size_t)len);
}

int weir_redis_append_argv(weir_redis_session *s, int count, const char **argv, const size_t *lens)
{
    if (!s || count < 1 || !argv)
        return WEIR_EINVAL;
    size_t before = s->out_len;
    int error = add_number(s, '*', (size_t)count);
    for (int i = 0; i < count && !error; i++) {
        size_t len = lens ? lens[i] : strlen(argv[i]);
        error = add_number(s, '$', len);
        if (!error)
            error = redis_add(s, argv[i], len);
        if (!error)
            error = redis_add(s, "\r\n", 2);
    }
    if (error)
        s->out_len = before;
    else
        mark(s, argv[0], lens ? lens[0] : strlen(argv[0]));
    return error;
}

int weir_redis_begin(weir_ctx *c, weir_redis *redis, weir_redis_session **session)
{
    if (session)
        *session = NULL;
    return redis && session ? redis_take(c, redis, redis->pool, session) : WEIR_EINVAL;
}

void weir_redis_set_timeout(weir_redis_session *s, int timeout_ms)
{
    if (s)
        s->timeout_ms = timeout_ms ? timeout_ms : s->redis->config.timeout_ms;
    if (s && s->timeout_ms < 0)
        s->timeout_ms = 0;
}

void weir_redis_end(weir_redis_session *s)
{
    if (s)
        weir_pool_put(s->pool, s, s->state == REDIS_CLEAN && !s->owed);
}

int weir_redis_next(weir_ctx *c, weir_redis_session *s, redisReply **reply)
{
    redisReply *got = NULL;
    if (reply)
        *reply = NULL;
    int error = s ? redis_next(c, s, &got) : WEIR_EINVAL;
    if (!reply || !got) {
        freeReplyObject(got);
        return error;
    }
    if (redis_keep_reply(c, got) != 0)
        return WEIR_ENOMEM;
    *reply = got;
    return error;
}

/* The rest of a single command, when it was added, or was not. */
static int finish(weir_ctx *c, weir_redis_session *s, int error, redisReply **reply)
{
    if (!error)
        error = weir_redis_next(c, s, reply);
    weir_redis_end(s);
    return error;
}

int weir_redis_vcommand(weir_ctx *c, weir_redis *redis, redisReply **reply, const char *format, va_list args)
{
    weir_redis_session *s;
    if (reply)
        *reply = NULL;
    int error = weir_redis_begin(c, redis, &s);
    return error ? error : finish(c, s, weir_redis_vappend(s, format, args), reply);
}

int weir_redis_command(weir_ctx *c, weir_redis *redis, redisReply **reply, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int error = weir_redis_vcommand(c, redis, reply, format, args);
    va_end(args);
    return error;
}

int weir_redis_command_argv(weir_ctx *c, weir_redis *redis, redisReply **reply, int count, const char **argv,
                            const size_t *lens)
{
    weir_redis_session *s;
    if (reply)
        *reply = NULL;
    int error = weir_redis_begin(c, redis, &s);
    return error ? error : finish(c, s, weir_redis_append_argv(s, count, argv, lens), reply);
}
