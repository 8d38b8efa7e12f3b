/*
 * The loop and what it stands on: work, timers, descriptors, messages from other threads, offloaded calls.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/clock.h"
#include "io/loop.h"
#include "io/offload.h"
#include "io/wait.h"
#include "selftest.h"
#include "weir.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define STACK_SIZE    ((size_t)128 * 1024)
#define OFFLOAD_STACK ((size_t)512 * 1024)

enum { KIND_WAKE, KIND_COUNT };

struct stage {
    struct memory memory;
    struct account account;
    struct loop loop;
    struct offload offload;
    int tasks; /* not yet done */
    int counts[2];
    int order[8];
    int order_len;
    int pipe[2];
    pthread_t own_thread;
    struct timer timer;
};

struct task {
    struct work work;
    void (*fn)(struct stage *s, int number);
    int number;
};

static void stage_work(void *owner, struct work *work)
{
    struct stage *s = owner;
    struct task *task = container_of(work, struct task, work);
    task->fn(s, task->number);
    if (--s->tasks == 0)
        loop_stop(&s->loop);
}

static void stage_count(void *owner, struct timer *t)
{
    struct stage *s = owner;
    s->order[s->order_len++] = t->owner_data;
    if (s->order_len == 4)
        loop_stop(&s->loop);
}

static void stage_open(struct stage *s)
{
    *s = (struct stage){.own_thread = pthread_self()};
    memory_init(&s->memory, 0);
    account_open(&s->account, &s->memory, "stacks");
    CHECK(loop_init(&s->loop, &s->account, STACK_SIZE, s, NULL) == 0);
    offload_init(
        &s->offload, &s->memory,
        &(struct offload_config){.threads_max = 3, .stack_size = OFFLOAD_STACK, .idle_s = OFFLOAD_IDLE_SECONDS});
    s->loop.work_fn = stage_work;
    s->loop.sources[SOURCE_AWAIT] = wait_descriptor_ready;
    s->loop.wheel.handlers[KIND_WAKE] = wait_timer_fired;
    s->loop.wheel.handlers[KIND_COUNT] = stage_count;
    CHECK(pipe(s->pipe) == 0);
}

static void stage_close(struct stage *s)
{
    offload_done(&s->offload);
    loop_done(&s->loop);
    close(s->pipe[0]);
    close(s->pipe[1]);
    CHECK(counter_read(&s->account.reserved) == 0);
    account_close(&s->account);
    memory_done(&s->memory);
}

static void stage_run(struct stage *s, struct task *tasks, int count, void (*fn)(struct stage *, int))
{
    for (int i = 0; i < count; i++) {
        tasks[i] = (struct task){.fn = fn, .number = i};
        loop_push_work(&s->loop, &tasks[i].work);
    }
    s->tasks = count;
    loop_run(&s->loop);
    CHECK(s->tasks == 0);
    s->loop.stopped = false;
}

static uint64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static int stage_sleep(struct stage *s, uint32_t ms)
{
    struct wait_timer wait = {.timer.kind = KIND_WAKE, .fiber = s->loop.fibers.current};
    timer_arm(&s->loop.wheel, &wait.timer, loop_delay(ms));
    int result = fiber_park(&s->loop.fibers);
    timer_cancel(&s->loop.wheel, &wait.timer);
    return result;
}

static void sleep_task(struct stage *s, int number)
{
    uint64_t before = s->loop.now_ns / 1000000; /* delays count from the beginning of the turn */
    uint32_t ms = (uint32_t)number * 7 % 30;
    CHECK(stage_sleep(s, ms) == WEIR_ETIMEDOUT);
    uint64_t took = now_ms() + 1 - before; /* both are rounded down */
    CHECK(took >= ms);
    CHECK(took < ms + 5000);
}

static void quick_task(struct stage *s, int number)
{
    s->counts[0] += number;
}

static void test_timers_and_work(struct stage *s)
{
    struct task tasks[1000];
    stage_run(s, tasks, 1000, quick_task);
    CHECK(s->counts[0] == 999 * 1000 / 2);
    CHECK(s->loop.fibers.total == 1); /* what does not wait runs on one stack */
    stage_run(s, tasks, 200, sleep_task);
    CHECK(s->loop.fibers.total == 200);

    struct timer timers[4];
    for (uint16_t i = 0; i < 4; i++) {
        timers[i] = (struct timer){.kind = KIND_COUNT, .owner_data = i};
        timer_arm(&s->loop.wheel, &timers[i], loop_delay((uint32_t)(4 - i) * 10));
    }
    loop_run(&s->loop);
    s->loop.stopped = false;
    for (int i = 0; i < 4; i++)
        CHECK(s->order[i] == 3 - i);
}

/* A fiber waits for a pipe, another fills it later; a third waits in vain; one asks for what cannot be watched. */
static void descriptor_task(struct stage *s, int number)
{
    char byte = 'x';
    int silent[2];
    switch (number) {
    case 0:
        CHECK(wait_descriptor(&s->loop, s->pipe[0], POLLER_READ, 0, KIND_WAKE) == POLLER_READ);
        CHECK(read(s->pipe[0], &byte, 1) == 1 && byte == 'y');
        CHECK(wait_descriptor(&s->loop, s->pipe[1], POLLER_WRITE, 1000, KIND_WAKE) == POLLER_WRITE);
        break;
    case 1:
        CHECK(stage_sleep(s, 5) == WEIR_ETIMEDOUT);
        byte = 'y';
        CHECK(write(s->pipe[1], &byte, 1) == 1);
        break;
    case 2:
        CHECK(pipe(silent) == 0);
        for (int i = 0; i < 3; i++)
            CHECK(wait_descriptor(&s->loop, silent[0], POLLER_READ, 4, KIND_WAKE) == WEIR_ETIMEDOUT);
        close(silent[1]);
        CHECK(wait_descriptor(&s->loop, silent[0], POLLER_READ, 0, KIND_WAKE) & POLLER_HANGUP);
        close(silent[0]);
        break;
    default:
        CHECK(wait_descriptor(&s->loop, -1, POLLER_READ, 1, KIND_WAKE) == WEIR_ESYS);
    }
}

static void test_descriptors(struct stage *s)
{
    struct task tasks[4];
    stage_run(s, tasks, 4, descriptor_task);
}

/* Work that queues itself again and again leaves room for a look at the sockets in between. */
#define AGAIN_MOST 100000
static struct task again[2];

static void again_task(struct stage *s, int number)
{
    if (number == 1) {
        CHECK(wait_descriptor(&s->loop, s->pipe[0], POLLER_READ, 0, KIND_WAKE) == POLLER_READ);
        s->counts[1] = 1;
    } else if (!s->counts[1] && ++s->counts[0] < AGAIN_MOST) {
        s->tasks++;
        loop_push_work(&s->loop, &again[0].work);
    }
}

static void test_work_again(struct stage *s)
{
    CHECK(write(s->pipe[1], "z", 1) == 1);
    stage_run(s, again, 2, again_task);
    CHECK(s->counts[1] == 1 && s->counts[0] < AGAIN_MOST);
}

/* ---- Other threads ---- */

#define SENDERS  4
#define MESSAGES 500

struct message {
    struct inbox_node node;
    struct stage *stage;
    int sender, number;
};

struct sender {
    pthread_t thread;
    struct stage *stage;
    int number;
    int expected; /* the next message, by the loop's thread */
    struct message messages[MESSAGES];
};

static struct sender senders[SENDERS];

static void message_taken(struct loop *l, struct inbox_node *node)
{
    struct message *m = container_of(node, struct message, node);
    struct sender *sender = &senders[m->sender];
    CHECK(l == &m->stage->loop && pthread_equal(pthread_self(), m->stage->own_thread));
    CHECK(m->number == sender->expected); /* in the order in which it was sent */
    sender->expected = m->number + 1;
    if (++m->stage->counts[1] == SENDERS * MESSAGES)
        loop_stop(l);
}

static void *send_messages(void *arg)
{
    struct sender *sender = arg;
    for (int i = 0; i < MESSAGES; i++) {
        struct message *m = &sender->messages[i];
        *m = (struct message){.node.fn = message_taken, .stage = sender->stage, .sender = sender->number, .number = i};
        loop_send(&sender->stage->loop, &m->node);
        if (i % 50 == 0)
            usleep(200);
    }
    return NULL;
}

static void test_inbox(struct stage *s)
{
    s->counts[1] = 0;
    for (int i = 0; i < SENDERS; i++) {
        senders[i].stage = s;
        senders[i].number = i;
        senders[i].expected = 0;
        CHECK(pthread_create(&senders[i].thread, NULL, send_messages, &senders[i]) == 0);
    }
    loop_run(&s->loop);
    for (int i = 0; i < SENDERS; i++)
        pthread_join(senders[i].thread, NULL);
    s->loop.stopped = false;
    CHECK(s->counts[1] == SENDERS * MESSAGES);
}

struct blocking {
    struct stage *stage;
    int number;
};

static int block(void *arg)
{
    struct blocking *b = arg;
    CHECK(!pthread_equal(pthread_self(), b->stage->own_thread));
    usleep((unsigned)(b->number % 3) * 500);
    return b->number * b->number;
}

static void offload_task(struct stage *s, int number)
{
    struct blocking b = {.stage = s, .number = number};
    for (int i = 0; i < 3; i++)
        CHECK(offload_run(&s->offload, &s->loop, block, &b) == number * number);
    CHECK(pthread_equal(pthread_self(), s->own_thread));
}

static void test_offload(struct stage *s)
{
    struct task tasks[20];
    stage_run(s, tasks, 20, offload_task);
}

#if defined(__x86_64__) /* an emulator of another processor need not know */
struct deep_job {
    size_t far;
    char *lowest;
};

static __attribute__((noinline)) int descend(struct deep_job *j, const char *top)
{
    volatile char frame[512];
    frame[0] = 1;
    j->lowest = __builtin_frame_address(0);
    if ((size_t)(top - j->lowest) < j->far)
        return descend(j, top) + frame[0];
    return 0;
}

static int go_deep(void *arg)
{
    return descend(arg, __builtin_frame_address(0));
}

static bool is_resident(char *at)
{
    unsigned char page;
    char *start = (char *)((uintptr_t)at & ~(uintptr_t)4095);
    return mincore(start, 4096, &page) == 0 && (page & 1);
}

/* A job may go down most of the stack. What it has touched there is given back when the thread has nothing to do. */
static void deep_task(struct stage *s, int number)
{
    struct deep_job j = {.far = OFFLOAD_STACK - (size_t)64 * 1024};
    (void)number;
    CHECK(offload_run(&s->offload, &s->loop, go_deep, &j) > 0);
    for (int i = 0; i < 5000 && is_resident(j.lowest); i++)
        usleep(1000);
    CHECK(!is_resident(j.lowest));
    CHECK(offload_count(&s->offload).threads == 1); /* the thread is there: not its end gave the pages back */
}

static void test_offload_deep(struct stage *s)
{
    struct task tasks[1];
    stage_run(s, tasks, 1, deep_task);
}
#endif

/* Jobs that need each other: they run at the same time as long as threads may be had. */
struct meeting {
    pthread_mutex_t mutex;
    pthread_cond_t all_here;
    int here;
};

static int meet(void *arg)
{
    struct meeting *m = arg;
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 2;
    int late = 0;
    pthread_mutex_lock(&m->mutex);
    if (++m->here == 3)
        pthread_cond_broadcast(&m->all_here);
    while (m->here < 3 && late == 0)
        late = pthread_cond_timedwait(&m->all_here, &m->mutex, &until);
    pthread_mutex_unlock(&m->mutex);
    return late;
}

static struct meeting meeting = {.mutex = PTHREAD_MUTEX_INITIALIZER, .all_here = PTHREAD_COND_INITIALIZER};

static void meeting_task(struct stage *s, int number)
{
    (void)number;
    CHECK(offload_run(&s->offload, &s->loop, meet, &meeting) == 0);
}

static void test_offload_at_once(struct stage *s)
{
    struct task tasks[3];
    stage_run(s, tasks, 1, offload_task); /* leaves one thread idle */
    stage_run(s, tasks, 3, meeting_task);
}

/* ---- Threads with data of their own */

enum { OWN_TASKS = 20, OWN_JOBS = 25 };

static _Atomic int own_started, own_stopped;

static void *start_own(void *data)
{
    CHECK(data == &own_started);
    atomic_fetch_add(&own_started, 1);
    pthread_t *own = malloc(sizeof *own);
    CHECK(own != NULL);
    *own = pthread_self();
    return own;
}

/* Takes its time, so that jobs come meanwhile. */
static void stop_own(void *data, void *thread_data)
{
    const pthread_t *own = thread_data;
    CHECK(data == &own_started && pthread_equal(*own, pthread_self()));
    usleep(500);
    free(thread_data);
    atomic_fetch_add(&own_stopped, 1);
}

static int use_own(void *thread_data, void *arg)
{
    const pthread_t *own = thread_data;
    CHECK(pthread_equal(*own, pthread_self()));
    return *(int *)arg + 1;
}

static void own_task(struct stage *s, int number)
{
    for (int i = 0; i < OWN_JOBS; i++) {
        int value = number * OWN_JOBS + i;
        CHECK(offload_run_of_thread(&s->offload, &s->loop, use_own, &value) == value + 1);
        if (i % 3 == 0)
            stage_sleep(s, 1);
    }
}

/* Has the stage's pool in another configuration. */
static void stage_configure(struct stage *s, struct offload_config config)
{
    offload_done(&s->offload);
    config.stack_size = OFFLOAD_STACK;
    offload_init(&s->offload, &s->memory, &config);
}

static void test_offload_own(struct stage *s)
{
    static struct task tasks[OWN_TASKS];
    struct offload_config config = {.start = start_own, .stop = stop_own, .data = &own_started};
    config.threads_max = 3;
    config.idle_s = OFFLOAD_STAYS;
    stage_configure(s, config);
    stage_run(s, tasks, OWN_TASKS, own_task);
    CHECK(own_started >= 1 && own_started <= 3 && own_stopped == 0);
    CHECK(offload_count(&s->offload).jobs == OWN_TASKS * OWN_JOBS);
    int before = own_started;
    config.threads_max = 1; /* its thread is idle for no time: it stops whenever there is no job */
    config.idle_s = 0;
    stage_configure(s, config);
    CHECK(own_stopped == before);
    stage_run(s, tasks, OWN_TASKS, own_task);
    CHECK(offload_count(&s->offload).jobs == OWN_TASKS * OWN_JOBS);
    config.idle_s = OFFLOAD_STAYS;
    config.threads_max = 4;
    stage_configure(s, config);
    CHECK(own_stopped == own_started);
    CHECK(offload_start_all(&s->offload) == 0 && offload_count(&s->offload).threads == 4);
}

/* One thread that is held, and as many jobs that wait as may. */
struct bound {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool held, free;
    int refused;
};

static struct bound bound = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static int hold(void *arg)
{
    (void)arg;
    pthread_mutex_lock(&bound.mutex);
    bound.held = true;
    pthread_cond_broadcast(&bound.changed);
    while (!bound.free)
        pthread_cond_wait(&bound.changed, &bound.mutex);
    pthread_mutex_unlock(&bound.mutex);
    return 1;
}

/* The first job holds the thread, the next two wait, and the last two are refused. */
static void bound_task(struct stage *s, int number)
{
    pthread_mutex_lock(&bound.mutex);
    while (number == 1 && !bound.held)
        pthread_cond_wait(&bound.changed, &bound.mutex);
    pthread_mutex_unlock(&bound.mutex);
    int result = offload_run(&s->offload, &s->loop, hold, NULL);
    CHECK(result == (number < 3 ? 1 : WEIR_EBUSY));
    if (number == 4) {
        CHECK(offload_count(&s->offload).refused == 2 && offload_count(&s->offload).queued == 2);
        pthread_mutex_lock(&bound.mutex);
        bound.free = true;
        pthread_cond_broadcast(&bound.changed);
        pthread_mutex_unlock(&bound.mutex);
    }
}

static void test_offload_bound(struct stage *s)
{
    struct task tasks[5];
    stage_configure(s, (struct offload_config){.threads_max = 1, .idle_s = OFFLOAD_STAYS, .queued_max = 2});
    stage_run(s, tasks, 5, bound_task);
}

/* The wheel's ticks begin anew after 2^32 of them, 49.7 days: the loop neither spins nor sleeps through a timer. */
static void wrapped_task(struct stage *s, int number)
{
    uint64_t turns = counter_read(&s->loop.turns);
    uint64_t before = s->loop.now_ns / 1000000;
    CHECK(stage_sleep(s, 40 + (uint32_t)number) == WEIR_ETIMEDOUT);
    uint64_t took = now_ms() + 1 - before;
    CHECK(took >= 40 && took < 5000);
    CHECK(counter_read(&s->loop.turns) - turns < 50);
}

/* The loop has been running for uptime_ms, longer than the machine may have been: its start may wrap. */
static WRAPS void loop_age(struct loop *l, uint64_t uptime_ms)
{
    loop_update_time(l);
    l->start_ns = l->now_ns - uptime_ms * 1000000;
    l->wheel.now = (uint32_t)uptime_ms;
}

static void test_tick_wrap(struct stage *s)
{
    const int64_t before_wrap_ms[] = {-1000, -50, -20, 0, 20, 1000000};
    for (size_t i = 0; i < sizeof before_wrap_ms / sizeof before_wrap_ms[0]; i++) {
        loop_age(&s->loop, (uint64_t)(((int64_t)1 << 32) + before_wrap_ms[i]));
        struct task tasks[4];
        stage_run(s, tasks, 4, wrapped_task);
    }
}

static void *thread_with_loop(void *arg)
{
    (void)arg;
    struct stage s;
    stage_open(&s);
    test_timers_and_work(&s);
    stage_close(&s);
    return NULL;
}

static void test_threads(void)
{
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        CHECK(pthread_create(&threads[i], NULL, thread_with_loop, NULL) == 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
}

static void run_stage(const char *name, void (*test)(struct stage *))
{
    static struct stage s;
    printf("%s\n", name);
    stage_open(&s);
    test(&s);
    stage_close(&s);
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    run_stage("timers and work", test_timers_and_work);
    run_stage("descriptors", test_descriptors);
    run_stage("work that comes again", test_work_again);
    run_stage("inbox", test_inbox);
    run_stage("offload", test_offload);
    run_stage("offload at once", test_offload_at_once);
    run_stage("offload own", test_offload_own);
    run_stage("offload bound", test_offload_bound);
#if defined(__x86_64__)
    run_stage("offload deep", test_offload_deep);
#endif
    run_stage("tick wrap", test_tick_wrap);
    test_threads();
    return selftest_end();
}
