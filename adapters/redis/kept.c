/*
 * What a request has of Redis and has to be freed with it, however it ends: replies, and a connection that is being
 * opened. One attribute and one deferred call for each request that uses Redis, and a small record for each reply,
 * which is used again when the reply was released.
 *
 * SPDX-License-Identifier: MIT
 */
#include "redis.h"

struct kept_reply {
    struct kept_reply *next;
    redisReply *reply;
};

struct kept {
    bool deferred;               /* kept_end() will be called */
    struct kept_reply *replies;  /* the newest first */
    struct kept_reply *spare;    /* records without a reply */
    weir_redis_session *opening; /* NULL: none */
};

WEIR_ATTRIBUTE(struct kept, kept_of)

static void kept_end(void *arg)
{
    struct kept *kept = arg;
    for (struct kept_reply *r = kept->replies; r; r = r->next)
        freeReplyObject(r->reply);
    kept->replies = NULL;
    if (kept->opening)
        redis_close(NULL, kept->opening->redis, kept->opening);
    kept->opening = NULL;
}

/* The request's record. NULL: there is no memory. */
static struct kept *kept_get(weir_ctx *c)
{
    struct kept *kept = kept_of(c);
    if (!kept || kept->deferred)
        return kept;
    if (weir_defer(c, kept_end, kept) != 0)
        return NULL;
    kept->deferred = true;
    return kept;
}

int redis_keep_opening(weir_ctx *c, weir_redis_session *session)
{
    struct kept *kept = kept_get(c);
    if (!kept)
        return WEIR_ENOMEM;
    kept->opening = session;
    return 0;
}

int redis_keep_reply(weir_ctx *c, redisReply *reply)
{
    struct kept *kept = kept_get(c);
    struct kept_reply *record = kept ? kept->spare : NULL;
    if (record)
        kept->spare = record->next;
    else if (kept)
        record = weir_alloc(c, sizeof *record);
    if (!record) {
        freeReplyObject(reply);
        return WEIR_ENOMEM;
    }
    *record = (struct kept_reply){.next = kept->replies, .reply = reply};
    kept->replies = record;
    return 0;
}

void weir_redis_release(weir_ctx *c, redisReply *reply)
{
    struct kept *kept = reply ? kept_of_find(c) : NULL;
    if (!kept)
        return;
    struct kept_reply **at = &kept->replies;
    while (*at && (*at)->reply != reply)
        at = &(*at)->next;
    struct kept_reply *record = *at;
    if (!record)
        return;
    *at = record->next;
    *record = (struct kept_reply){.next = kept->spare};
    kept->spare = record;
    freeReplyObject(reply);
}
