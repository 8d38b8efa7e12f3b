/*
 * What topics cost: publishing to nobody, and for each subscriber of one worker that is given a message, by how many
 * there are, with the turn of the loop that it takes; what a topic and a subscription take. No socket is in sight: who
 * sends what it is given pays for that.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/topic/subscription.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ROUNDS = 15, MOST = 19000, STACK = 64 * 1024 };

struct bench {
    struct memory memory;
    struct account stacks;
    struct topics topics;
    struct loop loop;
    struct topic_worker worker;
    struct subscription *subscriptions;
};

static uint64_t bytes_seen; /* by all, so that messages are looked at */

static size_t look(struct topic_worker *worker, struct subscription *s, struct message *const *messages, size_t count)
{
    (void)worker;
    (void)s;
    for (size_t i = 0; i < count; i++)
        bytes_seen += message_frame(messages[i]).len;
    return count;
}

static void cut(struct topic_worker *worker, struct subscription *s)
{
    (void)worker;
    (void)s;
}

static const struct subscriber_ops ops = {.deliver = look, .overrun = cut};

/* Processor time of this thread: others may use the machine. */
static double now_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void stop(struct loop *l, struct inbox_node *node)
{
    (void)node;
    loop_stop(l);
}

/* Runs the loop until all is handed out. */
static void turn(struct bench *b)
{
    do {
        struct inbox_node end = {.fn = stop};
        b->loop.stopped = false;
        loop_send(&b->loop, &end);
        loop_run(&b->loop);
    } while (atomic_load(&b->loop.inbox) || b->worker.again_sent);
}

static bool publish(struct bench *b, int n)
{
    static const char text[] = "A message of sixty-four bytes, which is about what a chat has....";
    for (int i = 0; i < n; i++)
        if (topics_publish(&b->topics, SLICE("room/1"), &(weir_message){.text = text}, false) != 0)
            return false;
    return true;
}

/* The median of what a message costs: publishing, and handing it to count subscribers, `batch` at a time. */
static double measure(struct bench *b, int batch, int batches)
{
    double rounds[ROUNDS];
    for (int r = 0; r < ROUNDS; r++) {
        double began = now_ns();
        for (int i = 0; i < batches; i++) {
            if (!publish(b, batch))
                return -1;
            turn(b);
        }
        rounds[r] = (now_ns() - began) / ((double)batch * batches);
    }
    qsort(rounds, ROUNDS, sizeof rounds[0], compare);
    return rounds[ROUNDS / 2];
}

static bool subscribe_up_to(struct bench *b, int from, int to)
{
    for (int i = from; i < to; i++)
        if (subscribe(&b->worker, SLICE("room/1"), &ops, NULL, &b->subscriptions[i]) != 0)
            return false;
    return true;
}

static bool run(struct bench *b)
{
    static const int counts[] = {1, 100, 1000, MOST};
    if (!topics_make(&b->topics, SLICE("room/1"), NULL))
        return false;
    printf("published to nobody        %8.0f ns\n", measure(b, 64, 100));
    for (size_t i = 0, there = 0; i < sizeof counts / sizeof counts[0]; i++) {
        if (!subscribe_up_to(b, (int)there, counts[i]))
            return false;
        there = (size_t)counts[i];
        int batches = 200000 / (64 * counts[i]) + 1;
        double one = measure(b, 1, batches * 8), many = measure(b, 64, batches);
        printf("to %5d subscribers        %8.0f ns a message one at a time, %.1f each;", counts[i], one,
               one / counts[i]);
        printf(" %8.0f by 64, %.1f each\n", many, many / counts[i]);
    }
    printf("a subscription             %8zu bytes\n", sizeof(struct subscription));
    printf("memory of the topic        %8" PRIu64 " bytes\n", counter_read(&b->topics.memory.account.in_use));
    return true;
}

int main(void)
{
    static struct bench b;
    memory_init(&b.memory, 0);
    account_open(&b.stacks, &b.memory, "stacks");
    b.subscriptions = calloc(MOST, sizeof *b.subscriptions);
    if (!b.subscriptions || topics_init(&b.topics, &b.memory, (uint64_t)64 << 20, 100) != 0 ||
        loop_init(&b.loop, &b.stacks, STACK, &b, NULL) != 0)
        return 1;
    topic_worker_open(&b.worker, &b.topics, &b.loop);
    bool good = run(&b);
    for (int i = 0; i < MOST; i++)
        unsubscribe(&b.subscriptions[i]);
    topic_worker_close(&b.worker);
    topics_done(&b.topics);
    loop_done(&b.loop);
    account_close(&b.stacks);
    memory_done(&b.memory);
    free(b.subscriptions);
    return good && bytes_seen > 0 ? 0 : 1;
}
