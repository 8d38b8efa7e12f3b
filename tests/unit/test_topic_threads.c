/*
 * Topics between threads: publishers that no loop knows, subscribers on several loops that keep up, lag, come and go.
 * What a publisher publishes to a topic arrives in order and once; what does not arrive has been counted.
 *
 * SPDX-License-Identifier: MIT
 */
#include "topic_fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#define WORKERS    3
#define PUBLISHERS 3
#define TOPICS     4
#define LISTENERS  6 /* of each worker */

#if defined(WEIR_TSAN) || defined(WEIR_ASAN)
#define MESSAGES 400 /* of each publisher to each topic */
#else
#define MESSAGES 4000
#endif

static struct memory memory;
static struct topics topics;
static pthread_barrier_t started;

/* A subscriber that checks the order of each publisher's messages, and counts. */
struct hearer {
    struct subscription subscription;
    struct host *host;
    struct list link;                  /* in its host's laggards */
    size_t most;                       /* messages that it takes in one call */
    uint32_t last[PUBLISHERS][TOPICS]; /* the number of the last message that it has heard */
    uint64_t heard;
    bool in_order;
    bool cut;
};

/* A worker: a loop on its thread. */
struct host {
    struct loop loop;
    struct account stacks;
    struct topic_worker worker;
    pthread_t thread;
    struct inbox_node orders; /* runs fn on the loop */
    void (*fn)(struct host *h);
    _Atomic bool done;
    struct hearer hearers[LISTENERS];
    struct list laggards; /* that ask for what is next, one message in each turn */
    struct inbox_node turn;
    bool turning;
    uint32_t churn;
};

static struct host hosts[WORKERS];

struct note {
    uint32_t publisher, topic, number;
};

static void hear(struct hearer *h, const struct message *m)
{
    struct note n;
    weir_assert(message_data(m).len == sizeof n);
    memcpy(&n, message_data(m).data, sizeof n);
    if (n.number <= h->last[n.publisher][n.topic])
        h->in_order = false;
    h->last[n.publisher][n.topic] = n.number;
    h->heard++;
}

static void host_wants_turn(struct host *h)
{
    if (h->turning)
        return;
    h->turning = true;
    loop_send(&h->loop, &h->turn);
}

static size_t hearer_deliver(struct topic_worker *worker, struct subscription *s, struct message *const *messages,
                             size_t count)
{
    (void)worker;
    struct hearer *h = container_of(s, struct hearer, subscription);
    size_t taken = count < h->most ? count : h->most;
    for (size_t i = 0; i < taken; i++)
        hear(h, messages[i]);
    if (taken < count) {
        list_push_back(&h->host->laggards, &h->link);
        host_wants_turn(h->host);
    }
    return taken;
}

static void hearer_overrun(struct topic_worker *worker, struct subscription *s)
{
    (void)worker;
    container_of(s, struct hearer, subscription)->cut = true;
}

static const struct subscriber_ops hearer_ops = {.deliver = hearer_deliver, .overrun = hearer_overrun};

/* Each that lags asks for one message. */
static void host_turn(struct loop *l, struct inbox_node *node)
{
    (void)l;
    struct host *host = container_of(node, struct host, turn);
    host->turning = false;
    list_for_each_safe (at, &host->laggards) {
        struct hearer *h = container_of(at, struct hearer, link);
        struct message *m;
        int result = subscription_next(&h->subscription, &m);
        if (result > 0)
            hear(h, m);
        else
            list_remove(&h->link);
        h->cut |= result < 0;
        message_unref(m);
    }
    if (!list_empty(&host->laggards))
        host_wants_turn(host);
}

static void host_order(struct loop *l, struct inbox_node *node)
{
    (void)l;
    struct host *h = container_of(node, struct host, orders);
    h->fn(h);
    atomic_store(&h->done, true);
}

static void pause_briefly(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
}

/* Runs fn on each loop, and waits for that. */
static void hosts_do(void (*fn)(struct host *h))
{
    for (int i = 0; i < WORKERS; i++) {
        hosts[i].fn = fn;
        atomic_store(&hosts[i].done, false);
        loop_send(&hosts[i].loop, &hosts[i].orders);
    }
    for (int i = 0; i < WORKERS; i++)
        while (!atomic_load(&hosts[i].done))
            pause_briefly();
}

static void *host_main(void *arg)
{
    struct host *h = arg;
    weir_assert(loop_init(&h->loop, &h->stacks, (size_t)64 * 1024, h, NULL) == 0);
    topic_worker_open(&h->worker, &topics, &h->loop);
    pthread_barrier_wait(&started);
    loop_run(&h->loop);
    topic_worker_close(&h->worker);
    pthread_barrier_wait(&started);
    loop_done(&h->loop); /* others may have been in loop_send() until here */
    return NULL;
}

static void host_stop(struct host *h)
{
    loop_stop(&h->loop);
}

static int open_all(void **state)
{
    (void)state;
    memory_init(&memory, 0);
    topics = (struct topics){.max_topics = 0};
    assert_int_equal(topics_init(&topics, &memory, (uint64_t)64 << 20, 1000), 0);
    pthread_barrier_init(&started, NULL, WORKERS + 1);
    for (int i = 0; i < WORKERS; i++) {
        hosts[i] = (struct host){.orders.fn = host_order, .turn.fn = host_turn};
        list_init(&hosts[i].laggards);
        account_open(&hosts[i].stacks, &memory, "stacks");
        assert_int_equal(pthread_create(&hosts[i].thread, NULL, host_main, &hosts[i]), 0);
    }
    pthread_barrier_wait(&started);
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    hosts_do(host_stop);
    pthread_barrier_wait(&started);
    for (int i = 0; i < WORKERS; i++) {
        pthread_join(hosts[i].thread, NULL);
        account_close(&hosts[i].stacks);
    }
    pthread_barrier_destroy(&started);
    topics_done(&topics);
    assert_int_equal(counter_read(&topics.figures.messages), 0);
    assert_true(counter_read(&memory.granted) == 0);
    memory_done(&memory);
    return 0;
}

/* ---- Publishers */

struct publisher {
    pthread_t thread;
    uint32_t number;
    uint32_t messages;
};

static void *publisher_main(void *arg)
{
    const struct publisher *p = arg;
    for (uint32_t i = 1; i <= p->messages; i++) {
        for (uint32_t t = 0; t < TOPICS; t++) {
            char name[16];
            snprintf(name, sizeof name, "t/%u", t);
            struct note n = {p->number, t, i};
            weir_message m = {.data = &n, .len = sizeof n, .binary = true};
            weir_assert(topics_publish(&topics, slice_from(name), &m, false) == 0);
        }
        if (i % 64 == 0)
            pause_briefly();
    }
    return NULL;
}

static void publish_all(uint32_t messages)
{
    struct publisher publishers[PUBLISHERS];
    for (uint32_t i = 0; i < PUBLISHERS; i++) {
        publishers[i] = (struct publisher){.number = i, .messages = messages};
        assert_int_equal(pthread_create(&publishers[i].thread, NULL, publisher_main, &publishers[i]), 0);
    }
    for (int i = 0; i < PUBLISHERS; i++)
        pthread_join(publishers[i].thread, NULL);
}

/* ---- What is subscribed to */

static void hearer_begin(struct host *host, int i, const char *name, size_t most)
{
    struct hearer *h = &host->hearers[i];
    *h = (struct hearer){.host = host, .most = most, .in_order = true};
    list_init(&h->link);
    weir_assert(subscribe(&host->worker, slice_from(name), &hearer_ops, NULL, &h->subscription) == 0);
}

/* The first of each worker hear everything by a pattern, the others one topic each; every second takes one at once. */
static void begin_all(struct host *host)
{
    static const char *const names[LISTENERS] = {"t/+", "t/#", "t/0", "t/1", "t/2", "t/3"};
    for (int i = 0; i < LISTENERS; i++)
        hearer_begin(host, i, names[i], i % 2 ? 1 : SIZE_MAX);
}

static void end_all(struct host *host)
{
    for (int i = 0; i < LISTENERS; i++) {
        if (host->hearers[i].host)
            list_remove(&host->hearers[i].link);
        unsubscribe(&host->hearers[i].subscription);
    }
}

static uint64_t heard_by_all(void)
{
    uint64_t heard = 0;
    for (int w = 0; w < WORKERS; w++)
        heard += counter_read(&hosts[w].worker.figures.delivered) + counter_read(&hosts[w].worker.figures.skipped) +
                 counter_read(&hosts[w].worker.figures.conflated);
    return heard;
}

/* Each hearer of a pattern is to hear all topics. */
static uint64_t wanted_by_all(uint32_t messages)
{
    return (uint64_t)WORKERS * PUBLISHERS * messages * (2 * TOPICS + LISTENERS - 2);
}

static void await_heard(uint64_t wanted)
{
    for (int i = 0; i < 300000 && heard_by_all() < wanted; i++)
        pause_briefly();
    assert_int_equal(heard_by_all(), wanted);
}

static void run(const weir_topic_bounds *bounds, uint32_t messages)
{
    assert_int_equal(topics_allow(&topics, SLICE("t/#"), bounds), 0);
    hosts_do(begin_all);
    publish_all(messages);
}

/* Rings that are large enough: nothing is lost, and all is in order. */
static void test_all_arrive(void **state)
{
    (void)state;
    run(&(weir_topic_bounds){.max_messages = 1 << 20, .max_bytes = (size_t)60 << 20}, MESSAGES);
    await_heard(wanted_by_all(MESSAGES));
    hosts_do(end_all);
    for (int w = 0; w < WORKERS; w++) {
        for (int i = 0; i < LISTENERS; i++) {
            const struct hearer *h = &hosts[w].hearers[i];
            assert_true(h->in_order && !h->cut);
            assert_int_equal(h->heard, (uint64_t)PUBLISHERS * MESSAGES * (i < 2 ? TOPICS : 1));
        }
        assert_int_equal(counter_read(&hosts[w].worker.figures.skipped), 0);
    }
    assert_int_equal(atomic_load(&topics.published), (uint64_t)PUBLISHERS * TOPICS * MESSAGES);
    assert_int_equal(counter_read(&topics.figures.messages), 0);
}

/* Rings that are too small: what is missed is counted, and order is kept. */
static void overrun_by(enum weir_overrun how)
{
    run(&(weir_topic_bounds){.max_messages = 8, .overrun = (int)how}, MESSAGES);
    await_heard(wanted_by_all(MESSAGES));
    hosts_do(end_all);
    uint64_t delivered = 0;
    for (int w = 0; w < WORKERS; w++) {
        delivered += counter_read(&hosts[w].worker.figures.delivered);
        for (int i = 0; i < LISTENERS; i++) {
            assert_true(hosts[w].hearers[i].in_order && !hosts[w].hearers[i].cut);
            delivered -= hosts[w].hearers[i].heard;
        }
    }
    assert_int_equal(delivered, 0);
}

static void test_skipped(void **state)
{
    (void)state;
    overrun_by(WEIR_OVERRUN_SKIP);
}

static void test_conflated(void **state)
{
    (void)state;
    overrun_by(WEIR_OVERRUN_CONFLATE);
}

/* Who is overrun is told once, by one of two ways, and hears nothing more. */
static void test_disconnected(void **state)
{
    (void)state;
    run(&(weir_topic_bounds){.max_messages = 8, .overrun = WEIR_OVERRUN_DISCONNECT}, MESSAGES);
    hosts_do(end_all);
    uint64_t cut = 0, counted = 0;
    for (int w = 0; w < WORKERS; w++) {
        counted += counter_read(&hosts[w].worker.figures.disconnected);
        for (int i = 0; i < LISTENERS; i++) {
            cut += hosts[w].hearers[i].cut;
            assert_true(hosts[w].hearers[i].in_order);
        }
    }
    assert_int_equal(cut, counted);
}

/* Of a linear congruence, modulo 2^32. */
static WRAPS uint32_t churn_next(uint32_t seed)
{
    return seed * 1103515245u + 12345u;
}

/* Subscribers come and go, also the last of their topic and their worker, while messages come. */
static void churn(struct host *host)
{
    static const char *const names[] = {"t/+", "t/0", "t/1", "t/2", "#", "t/3"};
    for (int i = 0; i < LISTENERS; i++) {
        struct hearer *h = &host->hearers[i];
        host->churn = churn_next(host->churn);
        uint32_t chance = host->churn >> 8;
        if (chance % 3 == 0)
            continue;
        if (h->subscription.reader) {
            list_remove(&h->link);
            unsubscribe(&h->subscription);
        } else {
            hearer_begin(host, i, names[chance / 3 % 6], chance / 18 % 2 ? 1 : SIZE_MAX);
        }
    }
}

static _Atomic bool publishing;

static void *publish_main(void *arg)
{
    publish_all(*(const uint32_t *)arg);
    atomic_store(&publishing, false);
    return NULL;
}

static void test_churn(void **state)
{
    (void)state;
    assert_int_equal(topics_allow(&topics, SLICE("t/#"), &(weir_topic_bounds){.max_messages = 64, .history = 2}), 0);
    uint32_t messages = MESSAGES;
    pthread_t thread;
    atomic_store(&publishing, true);
    for (int i = 0; i < WORKERS; i++)
        hosts[i].churn = (uint32_t)i + 1;
    assert_int_equal(pthread_create(&thread, NULL, publish_main, &messages), 0);
    while (atomic_load(&publishing))
        hosts_do(churn);
    pthread_join(thread, NULL);
    hosts_do(end_all);
    for (int w = 0; w < WORKERS; w++)
        for (int i = 0; i < LISTENERS; i++)
            assert_true(!hosts[w].hearers[i].host || hosts[w].hearers[i].in_order);
    assert_true(counter_read(&topics.figures.messages) <= (uint64_t)TOPICS * 2);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, open_all, close_all)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_all_arrive), TEST(test_skipped), TEST(test_conflated), TEST(test_disconnected), TEST(test_churn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
