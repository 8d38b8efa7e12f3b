/*
 * A server whose handlers ask Redis: single commands, pipelines, sessions that are left in every state, commands that
 * block, topics that are carried. Arguments: target=..., ca_file=..., user=..., password=..., database=N, timeout_ms=N,
 * max=N, shared=1, workers=N, max_reply=N, carry=1.
 *
 * SPDX-License-Identifier: MIT
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <weir-redis.h>

#include "serving.h"

static const char *text_of(int error)
{
    return error ? weir_strerror(error) : "good";
}

/* What came of a command, as "ERROR TYPE TEXT". */
static void tell(weir_ctx *c, int error, const redisReply *reply)
{
    weir_set_header(c, "Content-Type", "application/octet-stream");
    weir_printf(c, "%d %d ", error, reply ? reply->type : 0);
    if (reply && reply->str)
        weir_write(c, reply->str, reply->len);
    else if (reply && reply->type == REDIS_REPLY_INTEGER)
        weir_printf(c, "%lld", reply->integer);
    else if (reply && reply->type == REDIS_REPLY_ARRAY)
        weir_printf(c, "%zu", reply->elements);
    else
        weir_printf(c, "%s", text_of(error));
}

/* /run?a=NAME&a=ARGUMENT...; the body, if there is one, is the last argument. */
static void run(weir_ctx *c)
{
    const char *argv[16], *body;
    size_t lens[16];
    int count = 0;
    for (const char *word; count < 15 && (word = weir_query_nth(c, "a", (size_t)count)); count++) {
        argv[count] = word;
        lens[count] = strlen(word);
    }
    if (strcmp(weir_method(c), "POST") == 0) {
        if (weir_body(c, 0, &body, &lens[count]) != 0)
            weir_fail(c, 413, "the body");
        argv[count++] = body;
    }
    redisReply *reply;
    int error = weir_redis_command_argv(c, weir_route_data(c), &reply, count, argv, lens);
    tell(c, error, reply);
}

/* /own?token=T: has Redis say a text of this request alone; through a format, with what a format could trip over. */
static void own(weir_ctx *c)
{
    redisReply *reply;
    int error = weir_redis_command(c, weir_route_data(c), &reply, "ECHO %s", weir_query(c, "token"));
    tell(c, error, reply);
}

/* /formats?value=V: SET and GET by "%b", and the value as the rest of a word. */
static void formats(weir_ctx *c)
{
    weir_redis *redis = weir_route_data(c);
    const char *value = weir_query(c, "value");
    redisReply *reply;
    int error = weir_redis_command(c, redis, NULL, "SET key:%s %b", "formats", value, strlen(value));
    if (!error)
        error = weir_redis_command(c, redis, &reply, "GET key:formats");
    tell(c, error, error ? NULL : reply);
    weir_redis_release(c, error ? NULL : reply);
}

/* /pipeline?count=N: numbers that come back in order. */
static void pipeline(weir_ctx *c)
{
    weir_redis_session *session;
    int64_t count = 10, i;
    weir_query_int(c, "count", 1, 1000000, &count);
    int error = weir_redis_begin(c, weir_route_data(c), &session);
    for (i = 0; i < count && !error; i++)
        error = weir_redis_append(session, "ECHO %lld", (long long)i);
    for (i = 0; i < count && !error; i++) {
        redisReply *reply;
        error = weir_redis_next(c, session, &reply);
        if (!error && strtoll(reply->str, NULL, 10) != i)
            weir_fail(c, 500, "%s came in place of %lld", reply->str, (long long)i);
        weir_redis_release(c, reply);
    }
    int more = session ? weir_redis_next(c, session, NULL) : 0;
    weir_redis_end(session);
    weir_reply_printf(c, "text/plain", "%d %lld %d", error, (long long)i, more);
}

/* /leave?first=COMMAND&how=...: a session that runs commands and is left: "end" gives it back, "fail" ends the request,
 * "return" forgets it, "unread" does not read the last reply. */
static void leave(weir_ctx *c)
{
    weir_redis_session *session;
    const char *how = weir_query(c, "how"), *command;
    int error = weir_redis_begin(c, weir_route_data(c), &session);
    for (size_t i = 0; !error && (command = weir_query_nth(c, "first", i)); i++) {
        error = weir_redis_append(session, command); /* NOLINT(clang-diagnostic-format-security): the test's own */
        if (!error && strcmp(how, "unread") != 0)
            error = weir_redis_next(c, session, NULL);
    }
    if (error && error != WEIR_EFAILED)
        weir_fail(c, 503, "%s", text_of(error));
    if (strcmp(how, "fail") == 0)
        weir_fail(c, 500, "as was asked");
    if (strcmp(how, "return") != 0)
        weir_redis_end(session);
    weir_reply_text(c, "left");
}

/* /pop?key=K&wait_ms=N: blocks until somebody pushes. */
static void pop(weir_ctx *c)
{
    weir_redis_session *session;
    redisReply *reply = NULL;
    int64_t wait_ms = WEIR_OFF;
    weir_query_int(c, "wait_ms", 1, 60000, &wait_ms);
    int error = weir_redis_begin(c, weir_route_data(c), &session);
    if (!error) {
        weir_redis_set_timeout(session, (int)wait_ms);
        error = weir_redis_append(session, "BLPOP %s 0", weir_query(c, "key"));
    }
    if (!error)
        error = weir_redis_next(c, session, &reply);
    if (error) /* a client that has gone, too: the session is left as it is */
        weir_fail(c, 504, "%s", text_of(error));
    tell(c, 0, reply->element[1]);
    weir_redis_end(session);
}

/* /listen?channel=C&count=N: messages of a channel, as they come. */
static void listen_to(weir_ctx *c)
{
    weir_redis_session *session;
    redisReply *reply;
    int64_t count = 1;
    weir_query_int(c, "count", 1, 1000, &count);
    int error = weir_redis_begin(c, weir_route_data(c), &session);
    if (!error) {
        weir_redis_set_timeout(session, WEIR_OFF);
        error = weir_redis_append(session, "SUBSCRIBE %s", weir_query(c, "channel"));
    }
    for (int64_t i = 0; i <= count && !error; i++) {
        error = weir_redis_next(c, session, &reply);
        if (error)
            break;
        weir_printf(c, "%s\n", reply->element[0]->str);
        if (i)
            weir_printf(c, "%s\n", reply->element[2]->str);
        weir_flush(c);
        weir_redis_release(c, reply);
    }
    weir_redis_end(session);
}

/* /deadline?ms=N&a=...: run() with a deadline. */
static void deadline(weir_ctx *c)
{
    int64_t ms = 100;
    weir_query_int(c, "ms", 1, 100000, &ms);
    weir_set_deadline(c, ms);
    run(c);
}

/* ---- Topics */

static void publish(weir_ctx *c)
{
    const char *data;
    size_t len;
    int error = weir_body(c, 0, &data, &len);
    if (!error)
        error = weir_topic_publish_to(
            weir_ctx_server(c), weir_param(c, "name"),
            &(weir_message){
                .data = data, .len = len, .event = weir_query(c, "event"), .binary = weir_query(c, "binary") != NULL});
    weir_reply_printf(c, "text/plain", "%d", error);
}

/* The next messages of a topic, or of its history. */
static void follow(weir_ctx *c)
{
    weir_subscription *subscription;
    weir_message m;
    int64_t count = 1, last = 0;
    weir_query_int(c, "count", 1, 100000, &count);
    weir_query_int(c, "last", 0, 1000, &last);
    if (weir_topic_subscribe(c, weir_param(c, "name"), &(weir_topic_start){.last = (int)last}, &subscription) != 0)
        weir_fail(c, 500, "no subscription");
    weir_printf(c, "subscribed\n");
    weir_flush(c);
    while (count-- > 0 && weir_topic_next(c, subscription, 0, &m) == 0) {
        weir_printf(c, "%s %s %d ", m.topic, m.event ? m.event : "-", m.binary);
        weir_write(c, m.data, m.len);
        weir_printf(c, "\n");
        weir_flush(c);
    }
}

static void stats(weir_ctx *c)
{
    weir_redis_carry_stats s;
    weir_redis_carry_stats_read(weir_route_data(c), &s);
    weir_printf(c, "{\"sent\":%" PRIu64 ",\"lost\":%" PRIu64 ",\"received\":%" PRIu64 ",\"connects\":%" PRIu64 "}",
                s.sent, s.lost, s.received, s.connects);
}

static long number(int argc, char **argv, const char *name, const char **text)
{
    size_t len = strlen(name);
    for (int i = 1; i < argc; i++)
        if (strncmp(argv[i], name, len) == 0 && argv[i][len] == '=') {
            *text = argv[i] + len + 1;
            return strtol(*text, NULL, 10);
        }
    *text = NULL;
    return 0;
}

int main(int argc, char **argv)
{
    const char *target, *password, *user, *ca_file, *text;
    number(argc, argv, "target", &target);
    number(argc, argv, "password", &password);
    number(argc, argv, "user", &user);
    number(argc, argv, "ca_file", &ca_file);
    weir_server *s = weir_server_new(&(weir_config){.port = WEIR_ANY,
                                                    .workers = (int)number(argc, argv, "workers", &text),
                                                    .request_memory = 65536,
                                                    .stop_timeout_ms = 3000});
    weir_redis *redis = weir_redis_new(s, &(weir_redis_config){
                                              .target = target,
                                              .ca_file = ca_file,
                                              .user = user,
                                              .password = password,
                                              .database = (int)number(argc, argv, "database", &text),
                                              .timeout_ms = (int)number(argc, argv, "timeout_ms", &text),
                                              .max = (int)number(argc, argv, "max", &text),
                                              .shared = (int)number(argc, argv, "shared", &text),
                                              .check_idle_ms = (int)number(argc, argv, "check_idle_ms", &text),
                                              .max_reply = (size_t)number(argc, argv, "max_reply", &text),
                                              .backoff_max_ms = 500,
                                          });
    weir_any(s, "/run", run, redis);
    weir_get(s, "/own", own, redis);
    weir_get(s, "/formats", formats, redis);
    weir_get(s, "/pipeline", pipeline, redis);
    weir_get(s, "/leave", leave, redis);
    weir_get(s, "/pop", pop, redis);
    weir_get(s, "/listen", listen_to, redis);
    weir_get(s, "/deadline", deadline, redis);
    weir_get(s, "/stats", stats, redis);
    weir_post(s, "/topic/{name}", publish);
    weir_get(s, "/topic/{name}", follow);
    weir_get(s, "/ledger", weir_ledger_json);
    int error = weir_topic_allow(s, "#", &(weir_topic_bounds){.history = 10});
    if (number(argc, argv, "carry", &text))
        error = weir_redis_carry_topics(s, redis, NULL);
    int status = redis && !error ? serve(s) : 2;
    weir_redis_free(redis);
    return status;
}
