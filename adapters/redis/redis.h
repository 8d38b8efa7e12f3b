/*
 * What the parts of the adapter share: a server of Redis with its settings, and a connection to it.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_ADAPTER_REDIS_H
#define WEIR_ADAPTER_REDIS_H

#include "weir-redis.h"

enum { REDIS_INPUT_SIZE = 8192, REDIS_OUTPUT_KEPT = 65536 };

struct redis_carry;

struct weir_redis {
    weir_redis_config config; /* strings are copies; times are 0 where there is no limit */
    weir_pool *pool;
    struct redis_carry *carry; /* NULL: topics are not carried */
};

/* What may be done with a connection when a request gives it back. Each of the last three is for ever. */
enum redis_state {
    REDIS_CLEAN,     /* as it was opened */
    REDIS_WATCHING,  /* WATCH, and no EXEC yet */
    REDIS_QUEUEING,  /* MULTI, and no EXEC yet */
    REDIS_CHANGED,   /* another database, another user, another protocol */
    REDIS_LISTENING, /* a subscription: replies come unasked */
    REDIS_BROKEN,    /* nobody knows what will come */
};

struct weir_redis_session {
    weir_redis *redis;
    weir_pool *pool; /* the one that has it */
    weir_conn *stream;
    redisReader *reader;
    size_t fed;             /* bytes of the reply that is being read */
    size_t owed;            /* replies that are still to come */
    enum redis_state state; /* with what is in out taken for sent */
    bool fresh;             /* nobody has had it since it was opened */
    int timeout_ms;         /* for a reply; 0: none */
    char *out;              /* commands that have not been sent */
    size_t out_len, out_size;
    char in[REDIS_INPUT_SIZE];
};

/* Functions of a pool whose data is a weir_redis. */
int redis_open(weir_ctx *c, void *data, void **connection);
int redis_check(weir_ctx *c, void *data, void *connection);
void redis_close(weir_ctx *c, void *data, void *connection);

/* Adds a pool of such connections. max 0: as the settings say. NULL: see weir_pool_new(). */
weir_pool *redis_pool(weir_server *s, weir_redis *redis, const char *name, int max);

/* Takes a connection of a pool, which lives as far as can be seen. Suspends. */
int redis_take(weir_ctx *c, weir_redis *redis, weir_pool *pool, weir_redis_session **session);

/* Adds a command that is in Redis's form already. Returns 0 or WEIR_ENOMEM. */
int redis_add(weir_redis_session *session, const char *command, size_t len);

/* weir_redis_next() without keeping the reply for the request: *reply is the caller's, by freeReplyObject(). */
int redis_next(weir_ctx *c, weir_redis_session *session, redisReply **reply);

/* What a connection becomes by a command. */
enum redis_state redis_after(enum redis_state state, const char *name, size_t len);

/* Keeps a connection that is being opened for the case that the request is ended meanwhile; NULL: no more. Returns 0 or
 * WEIR_ENOMEM. */
int redis_keep_opening(weir_ctx *c, weir_redis_session *session);

/* Keeps a reply for the request. Returns 0; or WEIR_ENOMEM, and the reply is freed. */
int redis_keep_reply(weir_ctx *c, redisReply *reply);

/* Frees what carries topics, after the server. NULL is allowed. */
void redis_carry_free(struct redis_carry *carry);

#endif
