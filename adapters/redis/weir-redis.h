/*
 * Redis on weir's fibers: a call waits for its reply, its fiber is parked, the worker serves others. Commands are
 * written and replies are read by hiredis, whose redisReply is what a program gets; the connections are weir's
 * (weir_dial()), kept in a pool (weir_pool_new()). docs/redis.md is the manual. Conventions are those of weir.h.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_REDIS_H
#define WEIR_REDIS_H

#include <hiredis/hiredis.h>
#include <weir.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A Redis server, or what speaks as one, and the connections to it. Made by weir_redis_new(), freed by
 * weir_redis_free(). */
typedef struct weir_redis weir_redis;

/* One connection that a request has for itself, see weir_redis_begin(). The pool's. */
typedef struct weir_redis_session weir_redis_session;

/* Which server, and the bounds. Zero is each member's default. Strings are copied. */
typedef struct weir_redis_config {
    const char *name;     /* of the pool in the ledger; default "redis" */
    const char *target;   /* as weir_dial() takes it; default "tcp://127.0.0.1:6379" */
    const char *user;     /* of Redis 6 and later; default: the server's default user */
    const char *password; /* default: none is sent */
    int database;         /* number of the database; default 0 */
    /* Longest time for a reply, in milliseconds from when the program asks for it; default 5000; WEIR_OFF: no limit but
     * the request's deadline. */
    int timeout_ms;
    int connect_timeout_ms; /* for connecting, with the name, TLS, AUTH and SELECT; default 2000; WEIR_OFF */
    size_t max_reply;       /* bytes of one reply; a longer one is WEIR_ETOOBIG; default 64 MiB */
    /* Of tls:// alone, as those of weir_dial_options. */
    const char *ca_file, *server_name, *certificate, *key;
    int verify;
    /* As those of weir_pool_config. */
    int max, max_waiting, wait_ms, idle_ms, check_idle_ms, backoff_min_ms, backoff_max_ms, shared;
} weir_redis_config;

/* Adds a Redis server to a server of weir, without connecting to it yet. config (a const weir_redis_config *): NULL:
 * all defaults. Before the start. NULL: a number is negative, or there is no memory. The caller's, until
 * weir_redis_free(). */
#define weir_redis_new(s, ...) weir_redis_new_sized((s), (__VA_ARGS__), sizeof(weir_redis_config))
/* weir_redis_new() for callers without macros; config_size as that of weir_server_new_sized(). */
WEIR_API weir_redis *weir_redis_new_sized(weir_server *s, const weir_redis_config *config, size_t config_size);

/* Frees what weir_redis_new() made, after weir_server_free(). NULL is allowed. */
WEIR_API void weir_redis_free(weir_redis *redis);

/*
 * Sends a command on a connection of the pool and waits for its reply. format is that of hiredis's redisCommand():
 * words with spaces between them, each an argument; "%s" stands for a text, "%b" for a const void * and a size_t, and
 * the numbers of printf() are known. What is inserted never becomes a further argument, whatever is in it.
 *
 * Stores the reply in *reply: the request's, until it ends or weir_redis_release(); NULL where there is none. reply may
 * be NULL: nobody wants it. Returns 0; WEIR_EFAILED: the server has refused the command, and the reply
 * (REDIS_REPLY_ERROR) says why; WEIR_ETIMEDOUT; WEIR_EREACH: the connection broke before the reply was whole, and
 * nobody knows whether the command was run; WEIR_ETOOBIG beyond max_reply; WEIR_EPROTO: it is not Redis that answers;
 * WEIR_EACCES: the password or the database was refused; WEIR_EINVAL: the format is wrong; WEIR_ENOMEM; an error of
 * weir_pool_get() or weir_dial(); or news, see weir_sleep(). After an error but WEIR_EFAILED the connection is closed,
 * so that no other request ever reads this reply. Suspends.
 */
WEIR_API int weir_redis_command(weir_ctx *c, weir_redis *redis, redisReply **reply, const char *format, ...);
/* weir_redis_command() with arguments of a list. */
WEIR_API int weir_redis_vcommand(weir_ctx *c, weir_redis *redis, redisReply **reply, const char *format, va_list args);
/* Likewise with count arguments, the first of which is the command's name; lens has the bytes of each, NULL: they are
 * texts. */
WEIR_API int weir_redis_command_argv(weir_ctx *c, weir_redis *redis, redisReply **reply, int count, const char **argv,
                                     const size_t *lens);

/* Frees a reply before its request ends, as a loop should. NULL is allowed. */
WEIR_API void weir_redis_release(weir_ctx *c, redisReply *reply);

/*
 * Takes a connection for several commands: pipelines, transactions, commands that block, subscriptions. It is the
 * request's until weir_redis_end(); where the request ends without that, the connection is closed. Returns as
 * weir_redis_command(), and *session is NULL after an error. May suspend.
 */
WEIR_API int weir_redis_begin(weir_ctx *c, weir_redis *redis, weir_redis_session **session);

/* Adds a command to what the next weir_redis_next() sends. format as for weir_redis_command(). Returns 0, WEIR_EINVAL
 * or WEIR_ENOMEM: then nothing was added. Does not suspend. */
WEIR_API int weir_redis_append(weir_redis_session *session, const char *format, ...);
/* weir_redis_append() with arguments of a list, and as weir_redis_command_argv(). */
WEIR_API int weir_redis_vappend(weir_redis_session *session, const char *format, va_list args);
WEIR_API int weir_redis_append_argv(weir_redis_session *session, int count, const char **argv, const size_t *lens);

/*
 * Sends what was added, and waits for the next reply, in the order of the commands. In a subscription it is the next
 * message. Returns as weir_redis_command(); WEIR_EINVAL: no reply is to come. WEIR_ETIMEDOUT loses nothing where all
 * has been sent: the call may be repeated. Suspends.
 */
WEIR_API int weir_redis_next(weir_ctx *c, weir_redis_session *session, redisReply **reply);

/* Sets the longest time for each reply of a session, as timeout_ms of the configuration: for BLPOP and its kin, which
 * have to be given less, and for subscriptions, WEIR_OFF. 0: as configured. */
WEIR_API void weir_redis_set_timeout(weir_redis_session *session, int timeout_ms);

/* Gives the connection back. It is closed where a reply is still to come, a transaction is open, or it was made
 * another one's by SELECT, SUBSCRIBE and their kin. In the request that has it. NULL is allowed. Does not suspend. */
WEIR_API void weir_redis_end(weir_redis_session *session);

/* How topics are carried. Zero is each member's default. Strings are copied. */
typedef struct weir_redis_carry_config {
    const char *prefix; /* before a topic's name in that of Redis's channel; default "weir:"; up to 64 bytes */
    int max_queued;     /* most messages that wait to be sent; further ones stay here, and are counted; default 1000 */
    size_t max_bytes;   /* most bytes of such messages; default 4 MiB */
} weir_redis_carry_config;

/*
 * Has the topics of several servers be the same ones: what is published on one is published to Redis's channel
 * PREFIX and NAME, and delivered by the others, which do the same with that Redis. What comes on such a channel from
 * anybody else is delivered, too. Nothing is kept: what is published while Redis is away reaches this server alone.
 * Sets the server's carrier, see weir_topic_carry(), and runs two tasks, with a connection each. config (a const
 * weir_redis_carry_config *): NULL: all defaults. Before the start, once. Returns 0, or an error as weir_topic_carry()
 * and weir_spawn().
 */
#define weir_redis_carry_topics(s, redis, ...)                                                                         \
    weir_redis_carry_topics_sized((s), (redis), (__VA_ARGS__), sizeof(weir_redis_carry_config))
/* weir_redis_carry_topics() for callers without macros; config_size as that of weir_server_new_sized(). */
WEIR_API int weir_redis_carry_topics_sized(weir_server *s, weir_redis *redis, const weir_redis_carry_config *config,
                                           size_t config_size);

/* What carrying topics has done, ever. */
typedef struct weir_redis_carry_stats {
    uint64_t sent;     /* messages that Redis has taken */
    uint64_t lost;     /* messages that it has not, since it was away or max_queued waited */
    uint64_t received; /* messages of others that were delivered */
    uint64_t connects; /* times that the channels were subscribed to */
} weir_redis_carry_stats;

/* Reads them; all zero where topics are not carried. Any thread. */
WEIR_API void weir_redis_carry_stats_read(weir_redis *redis, weir_redis_carry_stats *stats);

#ifdef __cplusplus
}
#endif

#endif
