/*
 * What a fiber switch costs: the bare switch there and back, a turn through the scheduler (woken, resumed, parked), and
 * a whole life (taken from the pool, run, given back), as a handler that never waits has it. Each figure is the median
 * of many rounds, so that a disturbed round does not count.
 *
 * SPDX-License-Identifier: MIT
 */
#include "io/fiber.h"
#include "io/fiber_switch.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ROUNDS = 31, TURNS = 200000, STACK = 64 * 1024 };

/* The commitment and the aim for a switch there and back, in nanoseconds. */
static const double commitment = 10, stretch = 6;

struct pair {
    void *main_stack, *fiber_stack;
    char stack[STACK] __attribute__((aligned(64)));
};

struct bench {
    struct fibers fibers;
    struct fiber *parked;
    unsigned long runs;
};

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

/* The median time of one of TURNS turns, in nanoseconds. */
static double measure(void (*turns)(void *arg), void *arg)
{
    double rounds[ROUNDS];
    turns(arg); /* warms up */
    for (int i = 0; i < ROUNDS; i++) {
        double began = now_ns();
        turns(arg);
        rounds[i] = (now_ns() - began) / TURNS;
    }
    qsort(rounds, ROUNDS, sizeof(rounds[0]), compare);
    return rounds[ROUNDS / 2];
}

/* ---- The bare switch ---- */

static void switch_back_for_ever(void *arg)
{
    struct pair *p = arg;
    for (;;)
        weir_fiber_switch(&p->fiber_stack, p->main_stack);
}

static void switch_turns(void *arg)
{
    struct pair *p = arg;
    for (int i = 0; i < TURNS; i++)
        weir_fiber_switch(&p->main_stack, p->fiber_stack);
}

/* ---- Through the scheduler ---- */

static void park_for_ever(void *arg)
{
    struct bench *b = arg;
    b->parked = b->fibers.current;
    while (fiber_park(&b->fibers) == 0)
        b->runs++;
}

static void wake_turns(void *arg)
{
    struct bench *b = arg;
    for (int i = 0; i < TURNS; i++) {
        fiber_wake(b->parked, 0);
        fibers_resume_ready(&b->fibers);
    }
}

/* ---- A whole life ---- */

static void run_once(void *arg)
{
    struct bench *b = arg;
    b->runs++;
}

static void start_turns(void *arg)
{
    struct bench *b = arg;
    for (int i = 0; i < TURNS; i++) {
        if (!fibers_start(&b->fibers))
            abort();
    }
}

static void print(const char *what, double ns)
{
    const char *verdict = ns <= stretch ? "met, stretch too" : ns <= commitment ? "met" : "missed";
    printf("  %-52s %9.1f ns  %s (<= %.1f ns, stretch %.1f ns)\n", what, ns, verdict, commitment, stretch);
}

/* The bare switch. Floating-point status flags are not a call's to preserve, but they share a register with control
 * bits that are: a handler that has rounded a number must not make every later switch slow. So it is measured twice:
 * with a fiber made before this thread has rounded anything, and with one made after. */
static void bench_bare(void)
{
    struct pair *before = aligned_alloc(64, sizeof(*before)), *after = aligned_alloc(64, sizeof(*after));
    volatile double third = 1;
    if (before == NULL || after == NULL)
        abort();
    before->fiber_stack = fiber_switch_prepare(before->stack + STACK, switch_back_for_ever, before);
    third = third / 3;
    after->fiber_stack = fiber_switch_prepare(after->stack + STACK, switch_back_for_ever, after);
    print("fiber switch there and back", measure(switch_turns, after));
    print("the same, floating-point flags differ", measure(switch_turns, before));
    free(before);
    free(after);
}

int main(void)
{
    bench_bare();

    struct memory memory;
    struct account account;
    struct bench b = {.runs = 0};
    memory_init(&memory, 0);
    account_open(&account, &memory, "fibers");

    fibers_init(&b.fibers, &account, STACK, park_for_ever, &b);
    if (!fibers_start(&b.fibers))
        return 1;
    double parked = measure(wake_turns, &b);
    fiber_wake(b.parked, -1);
    fibers_resume_ready(&b.fibers);
    fibers_done(&b.fibers);
    printf("  %-52s %9.1f ns\n", "woken, resumed by the scheduler and parked", parked);

    fibers_init(&b.fibers, &account, STACK, run_once, &b);
    printf("  %-52s %9.1f ns\n", "taken from the pool, run to its end, given back", measure(start_turns, &b));
    fibers_done(&b.fibers);

    account_close(&account);
    memory_done(&memory);
    return b.runs == 0; /* the work was really done */
}
