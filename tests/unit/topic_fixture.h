/*
 * Topics for tests: a table in a memory that can be made to refuse, whose end asserts that all of it came back, and
 * subscribers that note what they are given.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_TESTS_TOPIC_FIXTURE_H
#define WEIR_TESTS_TOPIC_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "web/topic/subscription.h"

#define TEST_BYTES ((uint64_t)4 << 20)

struct fixture {
    struct memory memory;
    struct account stacks;
    struct topics topics;
    struct loop loop;
    struct topic_worker worker;
    bool fail; /* memory refuses everything */
};

static inline bool fixture_fault(void *arg, const struct account *account, size_t size)
{
    (void)account;
    (void)size;
    return ((struct fixture *)arg)->fail;
}

static inline void fixture_open_bounded(struct fixture *f, uint64_t bytes, uint32_t max_topics)
{
    *f = (struct fixture){.fail = false};
    memory_init(&f->memory, 0);
    f->memory.fault = fixture_fault;
    f->memory.fault_arg = f;
    account_open(&f->stacks, &f->memory, "stacks");
    assert_int_equal(topics_init(&f->topics, &f->memory, bytes, max_topics), 0);
    assert_int_equal(loop_init(&f->loop, &f->stacks, (size_t)64 * 1024, f, NULL), 0);
    topic_worker_open(&f->worker, &f->topics, &f->loop);
}

static inline void fixture_open(struct fixture *f)
{
    fixture_open_bounded(f, TEST_BYTES, 100);
    assert_int_equal(topics_allow(&f->topics, SLICE("#"), NULL), 0);
}

static inline void fixture_stop(struct loop *l, struct inbox_node *node)
{
    (void)node;
    loop_stop(l);
}

/* Runs the loop until all that was sent to it, and to itself meanwhile, has been taken. */
static inline void fixture_turn(struct fixture *f)
{
    do {
        struct inbox_node stop = {.fn = fixture_stop};
        f->loop.stopped = false;
        loop_send(&f->loop, &stop);
        loop_run(&f->loop);
    } while (atomic_load(&f->loop.inbox) || f->worker.again_sent);
}

static inline void fixture_close(struct fixture *f)
{
    fixture_turn(f);
    topic_worker_close(&f->worker);
    assert_int_equal(counter_read(&f->worker.figures.subscribers), 0);
    assert_int_equal(counter_read(&f->worker.figures.lagging), 0);
    topics_done(&f->topics);
    loop_done(&f->loop);
    account_close(&f->stacks);
    assert_int_equal(counter_read(&f->topics.figures.messages), 0);
    assert_int_equal(counter_read(&f->topics.figures.bytes), 0);
    assert_true(counter_read(&f->memory.granted) == 0);
    memory_done(&f->memory);
}

static inline int publish(struct fixture *f, const char *name, const char *text)
{
    return topics_publish(&f->topics, slice_from(name), &(weir_message){.text = text}, false);
}

/* Publishes the numbers from..to to name. */
static inline void publish_numbers(struct fixture *f, const char *name, int from, int to)
{
    for (int i = from; i <= to; i++) {
        char text[16];
        snprintf(text, sizeof text, "%d", i);
        assert_int_equal(publish(f, name, text), 0);
    }
}

/* A subscriber that notes what it is given, as "a b c". */
struct listener {
    struct subscription subscription;
    size_t most;     /* messages that it takes in one call */
    int calls, cuts; /* times that it was given some; that it was overrun */
    char heard[4096];
};

static inline void listener_note(struct listener *l, const struct message *m)
{
    size_t len = strlen(l->heard);
    snprintf(l->heard + len, sizeof l->heard - len, "%s%s", len ? " " : "", message_data(m).data);
}

static inline size_t listener_deliver(struct topic_worker *worker, struct subscription *s,
                                      struct message *const *messages, size_t count)
{
    (void)worker;
    struct listener *l = container_of(s, struct listener, subscription);
    size_t taken = count < l->most ? count : l->most;
    l->calls++;
    for (size_t i = 0; i < taken; i++)
        listener_note(l, messages[i]);
    return taken;
}

static inline void listener_overrun(struct topic_worker *worker, struct subscription *s)
{
    (void)worker;
    container_of(s, struct listener, subscription)->cuts++;
}

static const struct subscriber_ops listener_ops = {.deliver = listener_deliver, .overrun = listener_overrun};

static inline int listen_to(struct fixture *f, struct listener *l, const char *name, const weir_topic_start *start)
{
    *l = (struct listener){.most = SIZE_MAX};
    return subscribe(&f->worker, slice_from(name), &listener_ops, start, &l->subscription);
}

/* Asks for what is next until there is none. Returns the last result. */
static inline int listener_catch_up(struct listener *l)
{
    struct message *m;
    int result;
    while ((result = subscription_next(&l->subscription, &m)) > 0) {
        listener_note(l, m);
        message_unref(m);
    }
    return result;
}

/* What it has heard since the last time. */
#define assert_heard(l, text)                                                                                          \
    do {                                                                                                               \
        assert_string_equal((l)->heard, text);                                                                         \
        (l)->heard[0] = '\0';                                                                                          \
    } while (0)

#endif
