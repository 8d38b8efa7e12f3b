/*
 * A server for the wire tests of topics: long polls, streams of messages, publishing from a handler, from an offloaded
 * function and from a thread of the program's own, members, and slow handlers. `topics [WORKERS]` serves with two
 * workers unless told otherwise. A second server in the same process, whose address it prints before, is bridged with
 * the first one.
 *
 * SPDX-License-Identifier: MIT
 */
#include "serving.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Atomic bool held; /* slow handlers wait for it to be false */

/* ---- The bridge: what is published to one server is delivered to the other, if anybody asks for it there ---- */

struct bridge {
    weir_server *to;
    _Atomic int wanted; /* names and patterns that the server it belongs to has subscribers for */
    _Atomic int carried;
};

static struct bridge bridges[2];

static void bridge_publish(void *arg, const char *name, const weir_message *m)
{
    struct bridge *b = arg, *other = &bridges[b == &bridges[0]];
    if (other->wanted > 0 && weir_topic_deliver(b->to, name, m) == 0)
        b->carried++;
}

static void bridge_subscribe(void *arg, const char *name)
{
    (void)name;
    ((struct bridge *)arg)->wanted++;
}

static void bridge_unsubscribe(void *arg, const char *name)
{
    (void)name;
    ((struct bridge *)arg)->wanted--;
}

static void show_bridges(weir_ctx *c)
{
    weir_reply_printf(c, NULL, "%d %d %d %d", bridges[0].wanted, bridges[1].wanted, bridges[0].carried,
                      bridges[1].carried);
}

/* ---- Subscribing ---- */

static int64_t number(weir_ctx *c, const char *name, int64_t otherwise)
{
    const char *text = weir_query(c, name);
    return text ? strtoll(text, NULL, 10) : otherwise;
}

static weir_topic_start start_of(weir_ctx *c)
{
    return (weir_topic_start){.last = (int)number(c, "last", 0), .after = (uint64_t)number(c, "after", 0)};
}

/* Answers with the next message: its id, its topic, its event and its text. */
static void poll_topic(weir_ctx *c)
{
    weir_subscription *s;
    weir_message m;
    const weir_topic_start start = start_of(c);
    int error = weir_topic_subscribe(c, weir_param(c, "topic"), &start, &s);
    if (!error)
        error = weir_topic_next(c, s, (int)number(c, "ms", 20000), &m);
    if (error)
        weir_reply_printf(c, NULL, "error %d", error);
    else
        weir_reply_printf(c, NULL, "%" PRIu64 " %s %s %s", m.id, m.topic, m.event ? m.event : "-",
                          m.text ? m.text : "binary");
}

/* Streams messages, a line each, until there were `count`, or an error, which is the last line. */
static void stream_topic(weir_ctx *c)
{
    weir_subscription *s;
    weir_message m;
    const weir_topic_start start = start_of(c);
    int64_t count = number(c, "count", 1);
    int error = weir_topic_subscribe(c, weir_param(c, "topic"), &start, &s);
    weir_stop_ends_waits(c, true);
    weir_printf(c, "subscribed\n");
    while (!error && atomic_load(&held))
        error = weir_sleep(c, 5);
    for (int64_t i = 0; !error && i < count; i++) {
        error = weir_topic_next(c, s, 0, &m);
        if (!error)
            weir_printf(c, "%s\n", m.text);
    }
    if (error)
        weir_printf(c, "error %d\n", error);
}

/* Two subscriptions, one of which ends before the other is asked. */
static void two_topics(weir_ctx *c)
{
    weir_subscription *a, *b;
    weir_message m = {.text = NULL};
    if (weir_topic_subscribe(c, "hall", &(weir_topic_start){.last = 1}, &a) != 0 ||
        weir_topic_subscribe(c, "hall", &(weir_topic_start){.last = 1}, &b) != 0)
        return;
    int first = weir_topic_next(c, a, WEIR_OFF, &m);
    weir_topic_unsubscribe(c, a);
    int ended = weir_topic_next(c, a, WEIR_OFF, &m);
    int second = weir_topic_next(c, b, WEIR_OFF, &m), none = weir_topic_next(c, b, WEIR_OFF, &m);
    weir_reply_printf(c, NULL, "%d %d %d %d", first, ended, second, none);
}

static void hold(weir_ctx *c)
{
    atomic_store(&held, weir_query(c, "on") != NULL);
    weir_reply_text(c, "held");
}

static void subscribers(weir_ctx *c)
{
    weir_reply_printf(c, NULL, "%zu", weir_topic_subscribers(weir_ctx_server(c), weir_param(c, "topic")));
}

/* ---- Publishing ---- */

struct job {
    weir_server *server;
    const char *name;
    weir_message message;
    int times; /* more than one: the text is the number of each */
    int result;
};

static int publish_job(void *arg)
{
    struct job *j = arg;
    char text[16];
    for (int i = 1; i <= j->times && !j->result; i++) {
        if (j->times > 1) {
            snprintf(text, sizeof text, "%d", i);
            j->message.text = text;
        }
        j->result = weir_topic_publish_to(j->server, j->name, &j->message);
    }
    return j->result;
}

static void *publish_thread(void *arg)
{
    publish_job(arg);
    return NULL;
}

/* Publishes by a thread of the program's own, which weir does not know. */
static int publish_elsewhere(void *arg)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, publish_thread, arg) != 0)
        return WEIR_ENOMEM;
    pthread_join(thread, NULL);
    return ((struct job *)arg)->result;
}

static void publish_topic(weir_ctx *c)
{
    const char *by = weir_query(c, "by"), *text = weir_query(c, "text");
    struct job j = {.server = weir_ctx_server(c),
                    .name = weir_param(c, "topic"),
                    .message = {.text = text ? text : "hello",
                                .binary = weir_query(c, "binary") != NULL,
                                .event = weir_query(c, "event")},
                    .times = (int)number(c, "times", 1)};
    int result = !by                          ? publish_job(&j)
                 : strcmp(by, "offload") == 0 ? weir_offload(c, publish_job, &j)
                                              : weir_offload(c, publish_elsewhere, &j);
    weir_reply_printf(c, NULL, "%d", result);
}

/* ---- Members ---- */

static void leave(void *member)
{
    weir_topic_leave(member);
}

/* Is a member as long as it waits. */
static void join(weir_ctx *c)
{
    weir_member *member;
    int error = weir_topic_join(weir_ctx_server(c), weir_param(c, "topic"), weir_query(c, "who"), &member);
    if (!error)
        weir_defer(c, leave, member);
    weir_printf(c, "%d\n", error);
    if (!error)
        weir_sleep(c, 30000);
}

static void note_member(void *arg, const char *who)
{
    char *all = arg;
    size_t len = strlen(all);
    snprintf(all + len, 256 - len, "%s,", who);
}

static void members(weir_ctx *c)
{
    char all[256] = "";
    size_t count = weir_topic_members(weir_ctx_server(c), weir_param(c, "topic"), note_member, all);
    weir_reply_printf(c, NULL, "%zu %s", count, all);
}

/* ---- Running ---- */

static weir_server *server_new(int workers)
{
    weir_server *s = weir_server_new(&(weir_config){.port = WEIR_ANY, .workers = workers, .stop_timeout_ms = 3000});
    weir_get(s, "/poll/{topic:^.*$}", poll_topic);
    weir_get(s, "/stream/{topic:^.*$}", stream_topic);
    weir_get(s, "/two", two_topics);
    weir_get(s, "/hold", hold);
    weir_get(s, "/subscribers/{topic:^.*$}", subscribers);
    weir_get(s, "/publish/{topic:^.*$}", publish_topic);
    weir_get(s, "/join/{topic:^.*$}", join);
    weir_get(s, "/members/{topic:^.*$}", members);
    weir_get(s, "/bridges", show_bridges);
    weir_get(s, "/ledger", weir_ledger_json);
    weir_get(s, "/metrics", weir_ledger_metrics);
    weir_topic_new(s, "hall", &(weir_topic_bounds){.history = 10});
    weir_topic_allow(s, "room/#", &(weir_topic_bounds){.presence = WEIR_ON});
    weir_topic_allow(s, "skip/+", &(weir_topic_bounds){.max_messages = 4});
    weir_topic_allow(s, "conflate/+", &(weir_topic_bounds){.max_messages = 4, .overrun = WEIR_OVERRUN_CONFLATE});
    weir_topic_allow(s, "disconnect/+", &(weir_topic_bounds){.max_messages = 4, .overrun = WEIR_OVERRUN_DISCONNECT});
    return s;
}

int main(int argc, char **argv)
{
    weir_server *servers[2];
    for (int i = 0; i < 2; i++)
        servers[i] = server_new(argc > 1 ? (int)strtol(argv[1], NULL, 10) : 2);
    for (int i = 0; i < 2; i++) {
        bridges[i].to = servers[!i];
        weir_topic_carry(servers[i], &(weir_topic_carrier){.publish = bridge_publish,
                                                           .subscribe = bridge_subscribe,
                                                           .unsubscribe = bridge_unsubscribe,
                                                           .arg = &bridges[i]});
    }
    bool good = serving_start(servers[1]);
    if (good)
        printf("bridged 127.0.0.1:%d\n", weir_server_port(servers[1]));
    good = good && serving_start(servers[0]) && serving_run(servers[0]);
    weir_server_stop(servers[1]);
    good = good && weir_server_wait(servers[1]) == 0;
    weir_server_free(servers[0]);
    weir_server_free(servers[1]);
    return good ? 0 : 1;
}
