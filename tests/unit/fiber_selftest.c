/*
 * The fibers, the loop and what they stand on, tested without a framework: the program needs nothing but the two lowest
 * floors, so that it can be built by a cross compiler and run on an emulated processor, under each sanitizer and under
 * Valgrind. It prints what fails and ends with 1 if anything did.
 *
 * SPDX-License-Identifier: MIT
 */
#include "io/fiber.h"
#include "io/fiber_switch.h"
#include "io/loop.h"
#include "io/offload.h"
#include "io/wait.h"
#include "weir.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <unwind.h>

static _Atomic int failures;

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: %s: failed: %s\n", __FILE__, __LINE__, __func__, #condition);                      \
            failures++;                                                                                                \
        }                                                                                                              \
    } while (0)

#define STACK_SIZE ((size_t)128 * 1024)

/* ---- Fibers without a loop: each start runs the body of the moment ---- */

struct world {
    struct memory memory;
    struct account account;
    struct fibers fibers;
    void (*body)(struct world *w);
    struct fiber *parked[1024];
    int count;
    int order[4096];
    int order_len;
    int result;
};

static void world_entry(void *arg)
{
    struct world *w = arg;
    w->body(w);
}

static void world_open(struct world *w, uint64_t limit)
{
    *w = (struct world){0};
    memory_init(&w->memory, limit);
    account_open(&w->account, &w->memory, "stacks");
    fibers_init(&w->fibers, &w->account, STACK_SIZE, world_entry, w);
}

static void world_close(struct world *w)
{
    fibers_done(&w->fibers);
    CHECK(w->fibers.total == 0);
    CHECK(counter_read(&w->account.in_use) == 0);
    CHECK(counter_read(&w->account.reserved) == 0);
    account_close(&w->account);
    memory_done(&w->memory);
}

static void world_start(struct world *w, void (*body)(struct world *))
{
    w->body = body;
    CHECK(fibers_start(&w->fibers));
}

static void world_run_ready(struct world *w)
{
    while (fibers_resume_ready(&w->fibers))
        ;
}

static void park_once(struct world *w)
{
    w->parked[w->count++] = w->fibers.current;
    w->result = fiber_park(&w->fibers);
}

static void nothing(struct world *w)
{
    w->order_len++;
}

/* ---- Order, results ---- */

#define ORDER_FIBERS 8
#define ORDER_ROUNDS 500

static void order_body(struct world *w)
{
    int id = w->count++;
    for (int i = 0; i < ORDER_ROUNDS; i++) {
        w->order[w->order_len++] = id;
        fiber_yield(&w->fibers);
    }
}

static void test_yield_order(struct world *w)
{
    for (int i = 0; i < ORDER_FIBERS; i++)
        world_start(w, order_body);
    world_run_ready(w);
    CHECK(w->order_len == ORDER_FIBERS * ORDER_ROUNDS);
    for (int i = 0; i < w->order_len; i++)
        CHECK(w->order[i] == i % ORDER_FIBERS);
    CHECK(w->fibers.idle_count == ORDER_FIBERS);
}

static void test_wake_results(struct world *w)
{
    world_start(w, park_once);
    struct fiber *fiber = w->parked[0];
    CHECK(fiber->state == FIBER_PARKED);
    CHECK(!fibers_resume_ready(&w->fibers) && fiber->state == FIBER_PARKED);
    CHECK(fiber_wake(fiber, 42));
    CHECK(!fiber_wake(fiber, 43)); /* the first result wins */
    CHECK(fiber->state == FIBER_READY);
    CHECK(!fibers_resume_ready(&w->fibers));
    CHECK(w->result == 42);
    CHECK(fiber->state == FIBER_IDLE);
    CHECK(!fiber_wake(fiber, 44)); /* nobody waits there */

    /* What ends without waiting leaves its fiber to the next. */
    for (int i = 0; i < 5000; i++)
        world_start(w, nothing);
    CHECK(w->order_len == 5000);
    CHECK(w->fibers.total == 1);
}

/* Woken while others are being resumed: it runs in the next round, not in this one. */
static void wake_first(struct world *w)
{
    fiber_yield(&w->fibers);
    CHECK(fiber_wake(w->parked[0], 7));
}

static void test_wake_from_fiber(struct world *w)
{
    world_start(w, park_once);
    world_start(w, wake_first);
    CHECK(fibers_resume_ready(&w->fibers));
    CHECK(w->result == 0);
    CHECK(!fibers_resume_ready(&w->fibers));
    CHECK(w->result == 7);
}

/* ---- What a call preserves ---- */

#if defined(__x86_64__)
#define REGISTERS 6
__asm__(".text\n"
        ".type selftest_registers, @function\n"
        "selftest_registers:\n"
        "    pushq %rbx\n pushq %rbp\n pushq %r12\n pushq %r13\n pushq %r14\n pushq %r15\n pushq %rdx\n"
        "    movq 0(%rdx), %rbx\n movq 8(%rdx), %rbp\n movq 16(%rdx), %r12\n"
        "    movq 24(%rdx), %r13\n movq 32(%rdx), %r14\n movq 40(%rdx), %r15\n"
        "    movq %rdi, %rax\n movq %rsi, %rdi\n callq *%rax\n popq %rdx\n"
        "    movq %rbx, 0(%rdx)\n movq %rbp, 8(%rdx)\n movq %r12, 16(%rdx)\n"
        "    movq %r13, 24(%rdx)\n movq %r14, 32(%rdx)\n movq %r15, 40(%rdx)\n"
        "    popq %r15\n popq %r14\n popq %r13\n popq %r12\n popq %rbp\n popq %rbx\n ret\n"
        ".size selftest_registers, .-selftest_registers\n");
#else
#define REGISTERS 18 /* x19 to x28, d8 to d15 */
__asm__(".text\n"
        ".type selftest_registers, %function\n"
        "selftest_registers:\n"
        "    sub sp, sp, #192\n"
        "    stp x19, x20, [sp]\n stp x21, x22, [sp, #16]\n stp x23, x24, [sp, #32]\n stp x25, x26, [sp, #48]\n"
        "    stp x27, x28, [sp, #64]\n stp x29, x30, [sp, #80]\n stp d8, d9, [sp, #96]\n stp d10, d11, [sp, #112]\n"
        "    stp d12, d13, [sp, #128]\n stp d14, d15, [sp, #144]\n str x2, [sp, #160]\n"
        "    ldp x19, x20, [x2]\n ldp x21, x22, [x2, #16]\n ldp x23, x24, [x2, #32]\n ldp x25, x26, [x2, #48]\n"
        "    ldp x27, x28, [x2, #64]\n ldp d8, d9, [x2, #80]\n ldp d10, d11, [x2, #96]\n"
        "    ldp d12, d13, [x2, #112]\n ldp d14, d15, [x2, #128]\n"
        "    mov x9, x0\n mov x0, x1\n blr x9\n ldr x2, [sp, #160]\n"
        "    stp x19, x20, [x2]\n stp x21, x22, [x2, #16]\n stp x23, x24, [x2, #32]\n stp x25, x26, [x2, #48]\n"
        "    stp x27, x28, [x2, #64]\n stp d8, d9, [x2, #80]\n stp d10, d11, [x2, #96]\n"
        "    stp d12, d13, [x2, #112]\n stp d14, d15, [x2, #128]\n"
        "    ldp x19, x20, [sp]\n ldp x21, x22, [sp, #16]\n ldp x23, x24, [sp, #32]\n ldp x25, x26, [sp, #48]\n"
        "    ldp x27, x28, [sp, #64]\n ldp x29, x30, [sp, #80]\n ldp d8, d9, [sp, #96]\n ldp d10, d11, [sp, #112]\n"
        "    ldp d12, d13, [sp, #128]\n ldp d14, d15, [sp, #144]\n add sp, sp, #192\n ret\n"
        ".size selftest_registers, .-selftest_registers\n");
#endif

/* Loads every preserved register from values, calls fn(arg), and stores what the registers hold then. */
void selftest_registers(void (*fn)(void *), void *arg, uint64_t *values);

static void yield_from(void *arg)
{
    fiber_yield(arg);
}

static void registers_body(struct world *w)
{
    uint64_t id = (uint64_t)w->count++, before[REGISTERS], after[REGISTERS];
    for (uint64_t round = 0; round < 200; round++) {
        for (uint64_t i = 0; i < REGISTERS; i++)
            before[i] = after[i] = id * 0x9e3779b97f4a7c15u + round * 0x10001 + i;
        selftest_registers(yield_from, &w->fibers, after);
        CHECK(memcmp(before, after, sizeof before) == 0);
    }
}

static void test_registers(struct world *w)
{
    for (int i = 0; i < 16; i++)
        world_start(w, registers_body);
    uint64_t before[REGISTERS], after[REGISTERS];
    for (uint64_t i = 0; i < REGISTERS; i++)
        before[i] = after[i] = ~i;
    /* The thread's own registers survive a run of fibers as well. */
    selftest_registers((void (*)(void *))(void *)world_run_ready, w, after);
    CHECK(memcmp(before, after, sizeof before) == 0);
}

/* Rounding modes: 0 nearest; the others are the processor's. */
#if defined(__x86_64__)
static void rounding_set(unsigned mode)
{
    uint32_t sse;
    uint16_t x87;
    __asm__ volatile("stmxcsr %0\n fnstcw %1" : "=m"(sse), "=m"(x87));
    sse = (sse & ~0x6000u) | mode << 13;
    x87 = (uint16_t)((x87 & ~0x0c00u) | mode << 10);
    __asm__ volatile("ldmxcsr %0\n fldcw %1" : : "m"(sse), "m"(x87));
}

static unsigned rounding_get(void)
{
    uint32_t sse;
    uint16_t x87;
    __asm__ volatile("stmxcsr %0\n fnstcw %1" : "=m"(sse), "=m"(x87));
    CHECK(((sse >> 13) & 3) == (unsigned)((x87 >> 10) & 3));
    return (sse >> 13) & 3;
}
#else
static void rounding_set(unsigned mode)
{
    uint64_t fpcr;
    __asm__ volatile("mrs %0, fpcr" : "=r"(fpcr));
    fpcr = (fpcr & ~(uint64_t)0xc00000) | (uint64_t)mode << 22;
    __asm__ volatile("msr fpcr, %0" : : "r"(fpcr));
}

static unsigned rounding_get(void)
{
    uint64_t fpcr;
    __asm__ volatile("mrs %0, fpcr" : "=r"(fpcr));
    return (unsigned)(fpcr >> 22) & 3;
}
#endif

static double third(void)
{
    volatile double one = 1.0, three = 3.0;
    return one / three;
}

static void rounding_body(struct world *w)
{
    unsigned mode = (unsigned)w->count++ & 3;
    CHECK(rounding_get() == 0);
    rounding_set(mode);
    double want = third();
    for (int i = 0; i < 100; i++) {
        fiber_yield(&w->fibers);
        CHECK(rounding_get() == mode);
        CHECK(third() <= want && third() >= want);
    }
    rounding_set(0);
}

static void abandon_rounding(struct world *w)
{
    rounding_set(1);
    fiber_abandon(&w->fibers);
}

static void rounding_fresh(struct world *w)
{
    w->result = (int)rounding_get();
}

static void test_rounding(struct world *w)
{
    for (int i = 0; i < 8; i++)
        world_start(w, rounding_body);
    world_run_ready(w);
    CHECK(rounding_get() == 0);
    world_start(w, abandon_rounding);
    CHECK(rounding_get() == 0);
    w->result = -1;
    world_start(w, rounding_fresh);
    CHECK(w->result == 0);
}

/* ---- Stacks ---- */

static __attribute__((noinline)) size_t recurse(struct world *w, const char *bottom, size_t limit, size_t depth)
{
    volatile char page[512];
    memset((char *)page, (int)(depth & 0x7f), sizeof page);
    size_t deepest = depth;
    if ((size_t)(bottom - (const char *)__builtin_frame_address(0)) < limit)
        deepest = recurse(w, bottom, limit, depth + 1);
    else
        fiber_yield(&w->fibers);
    for (size_t i = 0; i < sizeof page; i++)
        CHECK(page[i] == (char)(depth & 0x7f));
    return deepest;
}

static void recurse_body(struct world *w)
{
    CHECK(recurse(w, __builtin_frame_address(0), STACK_SIZE - 16 * 1024, 0) > 20);
}

static void test_deep_recursion(struct world *w)
{
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 4; i++)
            world_start(w, recurse_body);
        world_run_ready(w);
    }
    CHECK(w->fibers.total == 4);
}

static __attribute__((noinline)) void abandon_deep(struct world *w, int depth)
{
    volatile char local[64] = {0};
    if (depth > 0)
        abandon_deep(w, depth - 1);
    local[0]++;
    if (depth == 0) {
        fiber_yield(&w->fibers);
        fiber_abandon(&w->fibers);
    }
}

static void abandon_body(struct world *w)
{
    w->order_len++;
    abandon_deep(w, 50);
    w->order_len = -1; /* never reached */
}

static void test_abandon(struct world *w)
{
    for (int i = 0; i < 500; i++) {
        world_start(w, abandon_body);
        CHECK(counter_read(&w->account.in_use) == STACK_SIZE);
        world_run_ready(w);
        CHECK(counter_read(&w->account.in_use) == 0);
        world_start(w, recurse_body);
        world_run_ready(w);
    }
    CHECK(w->order_len == 500);
    CHECK(w->fibers.total == 1 && w->fibers.idle_count == 1);
}

static size_t resident_bytes(const struct fiber *fiber, size_t stack_size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), resident = 0;
    unsigned char pages[STACK_SIZE / 4096] = {0};
    CHECK(mincore(fiber->stack, stack_size, pages) == 0);
    for (size_t i = 0; i < stack_size / page; i++)
        resident += (pages[i] & 1) * page;
    return resident;
}

static void touch_body(struct world *w)
{
    CHECK(recurse(w, __builtin_frame_address(0), STACK_SIZE / 2, 0) > 10);
    park_once(w);
}

#define TRIM_FIBERS 100

static void test_trim(struct world *w)
{
    for (int i = 0; i < TRIM_FIBERS; i++)
        world_start(w, touch_body);
    world_run_ready(w);
    CHECK(w->count == TRIM_FIBERS);
    CHECK(counter_read(&w->account.in_use) == TRIM_FIBERS * STACK_SIZE);
    for (int i = 0; i < TRIM_FIBERS; i++)
        CHECK(fiber_wake(w->parked[i], i));
    world_run_ready(w);
    CHECK(w->fibers.idle_count == TRIM_FIBERS && w->fibers.total == TRIM_FIBERS);
    CHECK(w->fibers.lean_count == TRIM_FIBERS - w->fibers.keep);
    uint32_t lean = 0;
    list_for_each (l, &w->fibers.idle) {
        const struct fiber *fiber = container_of(l, struct fiber, link);
        lean += fiber->lean;
#if defined(__x86_64__)
        if (fiber->lean)
            CHECK(resident_bytes(fiber, STACK_SIZE) <= 8192);
#endif
    }
    CHECK(lean == w->fibers.lean_count);

    /* Lean stacks can be used again. */
    w->count = 0;
    for (int i = 0; i < TRIM_FIBERS; i++)
        world_start(w, touch_body);
    world_run_ready(w);
    CHECK(w->fibers.total == TRIM_FIBERS && w->fibers.lean_count == 0 && w->fibers.idle_count == 0);
    for (int i = 0; i < TRIM_FIBERS; i++)
        CHECK(fiber_wake(w->parked[i], i));
    world_run_ready(w);

    /* All were needed since the last trim; then none is, and half goes each time, down to one. */
    fibers_trim(&w->fibers, false);
    CHECK(w->fibers.total == TRIM_FIBERS);
    for (uint32_t left = TRIM_FIBERS; left > 1; left -= (left + 1) / 2) {
        CHECK(w->fibers.total == left);
        fibers_trim(&w->fibers, false);
    }
    fibers_trim(&w->fibers, false);
    CHECK(w->fibers.total == 1);
    CHECK(counter_read(&w->account.reserved) == STACK_SIZE);
    world_start(w, recurse_body);
    world_run_ready(w);
    fibers_trim(&w->fibers, true);
    CHECK(w->fibers.total == 0);
    CHECK(counter_read(&w->account.reserved) == 0);
}

static void test_limit(void)
{
    struct world w;
    world_open(&w, 3 * STACK_SIZE);
    CHECK(fibers_preallocate(&w.fibers, 2) == 0 && w.fibers.idle_count == 2);
    for (int i = 0; i < 3; i++)
        world_start(&w, park_once);
    CHECK(!fibers_start(&w.fibers));
    CHECK(fibers_preallocate(&w.fibers, 1) == WEIR_ENOMEM);
    CHECK(counter_read(&w.account.refused) == 2);
    CHECK(counter_read(&w.account.peak) == 3 * STACK_SIZE);
    CHECK(fiber_wake(w.parked[1], 0));
    world_run_ready(&w);
    w.count = 0;
    struct fiber *other[] = {w.parked[0], w.parked[2]};
    world_start(&w, park_once);
    CHECK(fiber_wake(w.parked[0], 0) && fiber_wake(other[0], 0) && fiber_wake(other[1], 0));
    world_run_ready(&w);
    world_close(&w);
}

static void test_many(struct world *w)
{
    const int many = 1000;
    for (int i = 0; i < many; i++)
        world_start(w, park_once);
    CHECK(w->fibers.total == (uint32_t)many);
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < many; i++)
            CHECK(fiber_wake(w->parked[(i * 7) % many], i));
        w->count = 0;
        world_run_ready(w);
        for (int i = 0; i < many; i++)
            world_start(w, park_once);
    }
    for (int i = 0; i < many; i++)
        CHECK(fiber_wake(w->parked[i], i));
    world_run_ready(w);
}

/* ---- Backtraces ---- */

struct trace {
    int frames;
    void *outermost;
};

static _Unwind_Reason_Code trace_frame(struct _Unwind_Context *context, void *arg)
{
    struct trace *trace = arg;
    trace->frames++;
    trace->outermost = _Unwind_FindEnclosingFunction((void *)_Unwind_GetIP(context));
    return trace->frames < 100 ? _URC_NO_REASON : _URC_NORMAL_STOP;
}

static void trace_body(struct world *w)
{
    struct trace trace = {0};
    _Unwind_Reason_Code code = _Unwind_Backtrace(trace_frame, &trace);
    CHECK(code == _URC_END_OF_STACK);
    CHECK(trace.frames >= 3 && trace.frames < 20);
    CHECK(trace.outermost == (void *)weir_fiber_begin);
    w->order_len++;
}

static void test_backtrace(struct world *w)
{
    world_start(w, trace_body);
    CHECK(w->order_len == 1);
}

/* ---- With a loop ---- */

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
    offload_init(&s->offload, &s->memory, 3);
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
    uint64_t before = now_ms();
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
    static struct task tasks[1000];
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
    until.tv_sec += 10;
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

/* ---- Several threads with fibers of their own ---- */

static void *thread_of_fibers(void *arg)
{
    (void)arg;
    static _Thread_local struct world w;
    world_open(&w, 0);
    test_yield_order(&w);
    world_close(&w);
    struct stage s;
    stage_open(&s);
    test_timers_and_work(&s);
    stage_close(&s);
    return NULL;
}

static void run_world(const char *name, void (*test)(struct world *))
{
    static struct world w;
    printf("%s\n", name);
    world_open(&w, 0);
    test(&w);
    world_close(&w);
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
    run_world("yield order", test_yield_order);
    run_world("wake results", test_wake_results);
    run_world("wake from a fiber", test_wake_from_fiber);
    run_world("preserved registers", test_registers);
    run_world("rounding modes", test_rounding);
    run_world("deep recursion", test_deep_recursion);
    run_world("abandon", test_abandon);
    run_world("trim", test_trim);
    test_limit();
    run_world("many fibers", test_many);
    run_world("backtrace", test_backtrace);
    run_stage("timers and work", test_timers_and_work);
    run_stage("descriptors", test_descriptors);
    run_stage("inbox", test_inbox);
    run_stage("offload", test_offload);
    run_stage("offload at once", test_offload_at_once);
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        CHECK(pthread_create(&threads[i], NULL, thread_of_fibers, NULL) == 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    printf("%s\n", failures ? "failed" : "all good");
    return failures != 0;
}
