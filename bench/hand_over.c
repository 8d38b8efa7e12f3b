/*
 * What the primitives between fibers cost: a mutex that nobody else wants, and a token that is handed to and fro
 * between two fibers of a worker and between two workers. Each figure is the median of rounds.
 *
 * SPDX-License-Identifier: MIT
 */
#include "io/loop.h"
#include "io/parking.h"
#include "weir.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ROUNDS = 21, LOCKS = 1000000, HANDOVERS = 20000, STACK = 64 * 1024 };

static double now_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print(const char *what, double *rounds)
{
    qsort(rounds, ROUNDS, sizeof(rounds[0]), compare);
    printf("  %-52s %9.1f ns\n", what, rounds[ROUNDS / 2]);
}

static void bench_mutex(void)
{
    static weir_mutex mutex;
    double rounds[ROUNDS];
    for (int round = 0; round < ROUNDS; round++) {
        double began = now_ns();
        for (int i = 0; i < LOCKS; i++) {
            if (weir_mutex_lock(NULL, &mutex, 0) != 0 || weir_mutex_unlock(&mutex) != 0)
                abort();
        }
        rounds[round] = (now_ns() - began) / LOCKS;
    }
    print("mutex locked and unlocked, nobody else wants it", rounds);
}

/* ---- Hand-over: each side waits in a queue of its own, and grants the other's */

struct side {
    struct loop loop;
    struct work work;
    struct lock lock;
    struct parking queue;
    bool token;  /* guarded by lock */
    int playing; /* fibers of the loop that have not ended */
};

struct match {
    struct memory memory;
    struct account accounts[2];
    struct log log;
    struct side sides[2];
    double rounds[ROUNDS];
};

static int park(void *arg)
{
    return fiber_park(arg);
}

/* Takes the side's token, which is waited for. */
static void take(struct side *s, struct loop *l)
{
    struct parker how = {.park = park, .arg = &l->fibers};
    struct parked p;
    parked_init(&p, l);
    parking_lock_acquire(&s->lock);
    bool taken = s->token;
    s->token = false;
    if (!taken)
        parking_join(&s->queue, &p);
    parking_lock_release(&s->lock);
    if (!taken)
        (void)parking_wait(&s->lock, &s->queue, &p, &how, 0);
}

static void give(struct side *s)
{
    struct parking granted = {0};
    parking_lock_acquire(&s->lock);
    s->token = !parking_grant(&s->queue, &granted, 0);
    parking_lock_release(&s->lock);
    parking_wake(&granted);
}

/* A fiber of `home` that plays side `number`; the first one keeps the time. */
static void play(struct match *m, struct side *home, int number)
{
    struct loop *l = &home->loop;
    for (int round = 0; round < ROUNDS; round++) {
        double began = now_ns();
        for (int i = 0; i < HANDOVERS; i++) {
            if (number == 0)
                give(&m->sides[1]);
            take(&m->sides[number], l);
            if (number == 1)
                give(&m->sides[0]);
        }
        if (number == 0)
            m->rounds[round] = (now_ns() - began) / (2 * HANDOVERS);
    }
    if (--home->playing == 0)
        loop_stop(l);
}

static struct match match;

static void run(void *owner, struct work *w)
{
    play(&match, container_of(owner, struct side, loop), w == &match.sides[1].work);
}

static void *run_loop(void *arg)
{
    loop_run(arg);
    return NULL;
}

static void bench_hand_over(bool same)
{
    struct match *m = &match;
    pthread_t thread;
    memory_init(&m->memory, 0);
    for (int i = 0; i < 2; i++) {
        struct side *s = &m->sides[i];
        account_open(&m->accounts[i], &m->memory, "fibers");
        if (loop_init(&s->loop, &m->accounts[i], STACK, &s->loop, &m->log) != 0)
            exit(1);
        s->loop.work_fn = run;
        lock_init(&s->lock);
    }
    for (int i = 0; i < 2; i++) {
        struct side *home = &m->sides[same ? 0 : i];
        home->playing++;
        loop_push_work(&home->loop, &m->sides[i].work);
    }
    if (!same && pthread_create(&thread, NULL, run_loop, &m->sides[1].loop) != 0)
        exit(1);
    loop_run(&m->sides[0].loop);
    if (!same)
        pthread_join(thread, NULL);
    print(same ? "handed over, two fibers of a worker" : "handed over, fibers of two workers", m->rounds);
    for (int i = 0; i < 2; i++) {
        lock_done(&m->sides[i].lock);
        loop_done(&m->sides[i].loop);
        account_close(&m->accounts[i]);
    }
    memory_done(&m->memory);
}

int main(void)
{
    bench_mutex();
    bench_hand_over(true);
    bench_hand_over(false);
    return 0;
}
