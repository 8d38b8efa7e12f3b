/*
 * Descriptors of libraries: what a round trip costs, what is silenced, and how one moves to another loop.
 *
 * SPDX-License-Identifier: MIT
 */
#include "io/wait.h"
#include "io/watch.h"
#include "selftest.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define STACK_SIZE ((size_t)128 * 1024)

enum { KIND_WAKE };

/* In place of the C library's: counts. */
static _Atomic int controls;
int epoll_ctl(int epfd, int op, int fd, struct epoll_event *event)
{
    atomic_fetch_add(&controls, 1);
    return (int)syscall(SYS_epoll_ctl, epfd, op, fd, event);
}

struct stage {
    struct memory memory;
    struct account stacks[2], records;
    struct watches watches;
    struct loop loops[2];
    int pair[2];
    struct weir_fd *f; /* of pair[0] */
    int tasks;         /* not yet done */
    int turns;
};

struct task {
    struct work work;
    void (*fn)(struct stage *s, struct loop *l);
    int number; /* of its loop */
};

static void stage_work(void *owner, struct work *work)
{
    struct stage *s = owner;
    struct task *task = container_of(work, struct task, work);
    struct loop *l = task->number == 0 ? &s->loops[0] : &s->loops[1];
    task->fn(s, l);
    if (--s->tasks == 0)
        loop_stop(l);
}

static void stage_turn(void *owner)
{
    ((struct stage *)owner)->turns++;
}

static void pair_open(struct stage *s)
{
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s->pair) == 0);
    s->f = watch_open(&s->watches, s->pair[0]);
    CHECK(s->f != NULL);
}

static void pair_close(struct stage *s)
{
    watch_close(s->f);
    close(s->pair[0]);
    close(s->pair[1]);
}

static void loop_open(struct stage *s, int i)
{
    struct loop *l = &s->loops[i];
    CHECK(loop_init(l, &s->stacks[i], STACK_SIZE, s, NULL) == 0);
    l->work_fn = stage_work;
    l->turn_fn = stage_turn;
    l->sources[SOURCE_WATCH] = watch_ready;
    l->wheel.handlers[KIND_WAKE] = wait_timer_fired;
}

static void loop_close(struct stage *s, int i)
{
    watches_leave_loop(&s->watches, &s->loops[i]);
    loop_done(&s->loops[i]);
}

static void stage_open(struct stage *s)
{
    *s = (struct stage){0};
    memory_init(&s->memory, 0);
    account_open(&s->stacks[0], &s->memory, "stacks");
    account_open(&s->stacks[1], &s->memory, "stacks");
    account_open_shared(&s->records, &s->memory, "records", NULL, 0);
    watches_init(&s->watches, &s->records);
    for (int i = 0; i < 2; i++)
        loop_open(s, i);
    pair_open(s);
}

static void stage_close(struct stage *s)
{
    pair_close(s);
    for (int i = 0; i < 2; i++)
        loop_close(s, i);
    watches_done(&s->watches);
    CHECK(counter_read(&s->records.reserved) == 0);
    account_close(&s->records);
    account_close(&s->stacks[0]);
    account_close(&s->stacks[1]);
    memory_done(&s->memory);
}

static void stage_run(struct stage *s, int loop, struct task *tasks, int count)
{
    struct loop *l = &s->loops[loop];
    for (int i = 0; i < count; i++) {
        tasks[i].number = loop;
        loop_push_work(l, &tasks[i].work);
    }
    s->tasks = count;
    loop_run(l);
    CHECK(s->tasks == 0);
    l->stopped = false;
}

static void run_one(struct stage *s, int loop, void (*fn)(struct stage *s, struct loop *l))
{
    struct task task = {.fn = fn};
    stage_run(s, loop, &task, 1);
}

static int stage_sleep(struct loop *l, uint32_t ms)
{
    struct wait_timer wait = {.timer.kind = KIND_WAKE, .fiber = l->fibers.current};
    timer_arm(&l->wheel, &wait.timer, loop_delay(ms));
    int result = fiber_park(&l->fibers);
    timer_cancel(&l->wheel, &wait.timer);
    return result;
}

/* What the descriptor is ready for, or an error. */
static int await(struct stage *s, struct loop *l, uint32_t wanted, uint32_t ms)
{
    struct watch_waiter w = {.fn = watch_wake_fiber, .fiber = l->fibers.current, .wanted = wanted};
    int error = watch_join(s->f, l, &w);
    if (error)
        return error;
    struct wait_timer wait = {.timer.kind = KIND_WAKE, .fiber = l->fibers.current};
    timer_arm(&l->wheel, &wait.timer, loop_delay(ms));
    int result = fiber_park(&l->fibers);
    timer_cancel(&l->wheel, &wait.timer);
    watch_leave(s->f, &w);
    return w.ready ? (int)w.ready : result;
}

static void query(struct stage *s, struct loop *l)
{
    char byte = 'q';
    CHECK(write(s->pair[0], &byte, 1) == 1); /* the query */
    CHECK(read(s->pair[1], &byte, 1) == 1);
    CHECK(write(s->pair[1], &byte, 1) == 1); /* and its answer */
    CHECK(await(s, l, POLLER_READ, 10000) == POLLER_READ);
    CHECK(read(s->pair[0], &byte, 1) == 1);
    CHECK(stage_sleep(l, 1) == WEIR_ETIMEDOUT);
}

static void queries(struct stage *s, struct loop *l)
{
    query(s, l);
    int before = controls;
    for (int i = 0; i < 50; i++)
        query(s, l);
    printf("  calls of epoll_ctl for 50 round trips: %d\n", controls - before);
    CHECK(controls == before);
}

/* A library that writes much waits for that now and then; afterwards it is as before. */
static void writes_between(struct stage *s, struct loop *l)
{
    query(s, l);
    CHECK(await(s, l, POLLER_WRITE, 10000) == POLLER_WRITE);
    query(s, l);
    int before = controls;
    for (int i = 0; i < 10; i++)
        query(s, l);
    CHECK(controls == before);
    CHECK(s->turns < 200);
}

/* Something comes that nobody waits for: told once, and still there for who comes later. */
static void unwanted(struct stage *s, struct loop *l)
{
    query(s, l);
    int before = controls, turns = s->turns;
    CHECK(write(s->pair[1], "ab", 2) == 2);
    for (int i = 0; i < 10; i++)
        CHECK(stage_sleep(l, 5) == WEIR_ETIMEDOUT);
    CHECK(controls == before + 1);
    CHECK(s->turns - turns < 40);
    char byte;
    for (int i = 0; i < 2; i++) { /* a byte at a time: it need not read all */
        CHECK(await(s, l, POLLER_READ, 10000) == POLLER_READ);
        CHECK(read(s->pair[0], &byte, 1) == 1);
    }
    CHECK(await(s, l, POLLER_READ, 5) == WEIR_ETIMEDOUT);
}

/* The other end closes while nobody waits. */
static void hung_up(struct stage *s, struct loop *l)
{
    query(s, l);
    int before = controls, turns = s->turns;
    close(s->pair[1]);
    for (int i = 0; i < 10; i++)
        CHECK(stage_sleep(l, 5) == WEIR_ETIMEDOUT);
    CHECK(controls == before + 1);
    CHECK(s->turns - turns < 40);
    CHECK(await(s, l, POLLER_READ, 10000) & POLLER_HANGUP);
    CHECK(await(s, l, POLLER_WRITE, 10000) & POLLER_HANGUP);
    CHECK(stage_sleep(l, 20) == WEIR_ETIMEDOUT);
    s->pair[1] = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void reader(struct stage *s, struct loop *l)
{
    char byte;
    CHECK(await(s, l, POLLER_READ, 10000) == POLLER_READ);
    CHECK(read(s->pair[0], &byte, 1) == 1);
}

static void writer(struct stage *s, struct loop *l)
{
    static char zeros[1 << 16];
    while (write(s->pair[0], zeros, sizeof zeros) > 0)
        ;
    CHECK(await(s, l, POLLER_WRITE, 20) == WEIR_ETIMEDOUT);
    while (read(s->pair[1], zeros, sizeof zeros) > 0)
        ;
    CHECK(await(s, l, POLLER_WRITE, 10000) == POLLER_WRITE);
    CHECK(write(s->pair[1], "r", 1) == 1);
}

static void both(struct stage *s)
{
    struct task tasks[2] = {{.fn = reader}, {.fn = writer}};
    stage_run(s, 0, tasks, 2);
}

static void of_another_loop(struct stage *s, struct loop *l)
{
    (void)l;
    struct watch_waiter w = {.fn = watch_wake_fiber, .wanted = POLLER_READ};
    CHECK(watch_join(s->f, &s->loops[0], &w) == 0);
    CHECK(await(s, &s->loops[1], POLLER_READ, 10000) == WEIR_EBUSY);
    watch_leave(s->f, &w);
}

/* From one loop to the other and back; an event that the former has fetched is nobody's. */
static void moves(struct stage *s) NO_THREAD_CHECK
{
    run_one(s, 0, query);
    watch_ready(&s->loops[1], s->f, s->f->generation, POLLER_READ);
    run_one(s, 1, of_another_loop);
    uint16_t generation = s->f->generation;
    run_one(s, 1, queries);
    watch_ready(&s->loops[0], s->f, generation, POLLER_READ | POLLER_HANGUP);
    watch_ready(&s->loops[1], s->f, generation, POLLER_READ | POLLER_HANGUP);
    run_one(s, 1, queries);
    run_one(s, 0, queries);
    watches_leave_loop(&s->watches, &s->loops[0]);
    run_one(s, 0, queries);
}

static void refused(struct stage *s, struct loop *l)
{
    struct weir_fd *whole = s->f;
    int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    s->f = watch_open(&s->watches, file);
    CHECK(await(s, l, POLLER_READ, 10) == WEIR_ESYS);
    watch_close(s->f);
    close(file);
    s->f = watch_open(&s->watches, s->pair[0]);
    CHECK(poller_add(&l->poller, s->pair[0], POLLER_READ, 0) == 0);
    CHECK(await(s, l, POLLER_READ, 10) == WEIR_EBUSY);
    poller_remove(&l->poller, s->pair[0]);
    CHECK(await(s, l, POLLER_READ, 10) == WEIR_ETIMEDOUT);
    watch_close(s->f);
    s->f = whole;
}

/* The descriptor was closed without a word, and its number is another one's: found out where the poller is asked. */
static void reused(struct stage *s, struct loop *l)
{
    CHECK(await(s, l, POLLER_WRITE, 10000) == POLLER_WRITE);
    int other[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, other) == 0);
    CHECK(dup2(other[0], s->pair[0]) == s->pair[0]);
    close(other[0]);
    close(s->pair[1]);
    s->pair[1] = other[1];
    CHECK(write(s->pair[1], "a", 1) == 1);
    reader(s, l);
}

/* Two threads, a loop each, take turns with one descriptor. */
#define ROUNDS 20

struct shared {
    struct stage *s;
    struct loop *l;
    pthread_barrier_t *turn;
    int number;
};

static void share(struct stage *s, struct loop *l)
{
    for (int i = 0; i < 20; i++)
        query(s, l);
}

static void *share_main(void *arg)
{
    struct shared *shared = arg;
    if (shared->number == 1) /* the tools want a loop made where it runs */
        loop_open(shared->s, 1);
    pthread_barrier_wait(shared->turn);
    for (int round = 0; round < ROUNDS; round++) {
        if (round % 2 == shared->number)
            run_one(shared->s, shared->number, share);
        else
            watch_ready(shared->l, shared->s->f, (uint16_t)round, POLLER_READ); /* one that came late */
        pthread_barrier_wait(shared->turn);
    }
    if (shared->number == 1)
        loop_close(shared->s, 1);
    return NULL;
}

static void threads(struct stage *s)
{
    pthread_barrier_t turn;
    pthread_t other;
    pthread_barrier_init(&turn, NULL, 2);
    struct shared both_of[2] = {{.s = s, .l = &s->loops[0], .turn = &turn, .number = 0},
                                {.s = s, .l = &s->loops[1], .turn = &turn, .number = 1}};
    loop_close(s, 1);
    CHECK(pthread_create(&other, NULL, share_main, &both_of[1]) == 0);
    share_main(&both_of[0]);
    pthread_join(other, NULL);
    loop_open(s, 1);
    pthread_barrier_destroy(&turn);
}

static void run_stage(const char *name, void (*test)(struct stage *), void (*fn)(struct stage *s, struct loop *l))
{
    static struct stage s;
    printf("%s\n", name);
    stage_open(&s);
    if (test)
        test(&s);
    else
        run_one(&s, 0, fn);
    stage_close(&s);
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    run_stage("queries", NULL, queries);
    run_stage("writes between", NULL, writes_between);
    run_stage("what nobody waits for", NULL, unwanted);
    run_stage("a hang-up that nobody waits for", NULL, hung_up);
    run_stage("a reader and a writer", both, NULL);
    run_stage("moves", moves, NULL);
    run_stage("refused", NULL, refused);
    run_stage("another descriptor of the same number", NULL, reused);
    run_stage("threads", threads, NULL);
    return selftest_end();
}
