/*
 * The fibers: switches and what they preserve, stacks, the pool of them. Needs nothing but the two lowest floors.
 *
 * SPDX-License-Identifier: MIT
 */
#include "io/fiber.h"
#include "io/fiber_switch.h"
#include "selftest_processor.h"
#include "weir.h"

#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <unwind.h>

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

static void yield_from(void *arg)
{
    fiber_yield(arg);
}

/* The patterns are products modulo 2^64. */
static WRAPS void registers_body(struct world *w)
{
    uint64_t id = (uint64_t)w->count++, before[REGISTERS], after[REGISTERS];
    for (uint64_t round = 0; round < 200; round++) {
        for (uint64_t i = 0; i < REGISTERS; i++)
            before[i] = after[i] = id * 0x9e3779b97f4a7c15u + round * 0x10001 + i;
        selftest_registers(yield_from, &w->fibers, after);
        CHECK(memcmp(before, after, sizeof before) == 0);
    }
}

static WRAPS void spoil_registers(struct world *w)
{
    uint64_t values[REGISTERS];
    for (uint64_t i = 0; i < REGISTERS; i++)
        values[i] = i * 0x10001;
    selftest_registers(yield_from, &w->fibers, values);
}

static void abandon_at_once(struct world *w)
{
    fiber_abandon(&w->fibers);
}

static void start_from(void *arg)
{
    struct world *w = arg;
    CHECK(fibers_start(&w->fibers));
}

static void return_at_once(void *arg)
{
    (void)arg;
}

/* Keeps nothing over the call, and so saves no register itself, as fibers_start() does. */
static void enter_from(void *top)
{
    static void *save;
    weir_fiber_enter(&save, top, return_at_once, NULL);
}

static void test_registers_enter(struct world *w)
{
    CHECK(fibers_preallocate(&w->fibers, 1) == 0);
    struct fiber *fiber = container_of(w->fibers.idle.next, struct fiber, link);
    uint64_t before[REGISTERS], after[REGISTERS];
    for (uint64_t i = 0; i < REGISTERS; i++)
        before[i] = after[i] = ~i;
    selftest_registers(enter_from, fiber->stack_pointer, after);
    CHECK(memcmp(before, after, sizeof before) == 0);
}

/* The thread's own registers survive a start, whether the fiber ends, waits or is left. */
static void test_registers_start(struct world *w)
{
    void (*bodies[])(struct world *) = {nothing, spoil_registers, nothing, abandon_at_once, nothing};
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        uint64_t before[REGISTERS], after[REGISTERS];
        for (uint64_t j = 0; j < REGISTERS; j++)
            before[j] = after[j] = ~(i << 8 | j);
        w->body = bodies[i];
        selftest_registers(start_from, w, after);
        CHECK(memcmp(before, after, sizeof before) == 0);
    }
    CHECK(w->order_len == 3);
    world_run_ready(w);
    CHECK(w->fibers.idle_count == w->fibers.total);
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

#if defined(__x86_64__) /* an emulator of another processor need not know */
static size_t resident_bytes(const struct fiber *fiber, size_t stack_size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), resident = 0;
    unsigned char pages[STACK_SIZE / 4096] = {0};
    CHECK(mincore(fiber->stack, stack_size, pages) == 0);
    for (size_t i = 0; i < stack_size / page; i++)
        resident += (pages[i] & 1) * page;
    return resident;
}
#endif

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
        CHECK(w->fibers.lean_count == w->fibers.idle_count); /* what is left gave back its pages */
    }
    fibers_trim(&w->fibers, false);
    CHECK(w->fibers.total == 1);
    CHECK(counter_read(&w->account.reserved) == STACK_SIZE);
    world_start(w, recurse_body);
    world_run_ready(w);

    /* The last one stays, and keeps its pages while it is used; then they go as well. */
    fibers_trim(&w->fibers, false);
    CHECK(w->fibers.total == 1 && w->fibers.lean_count == 0);
    fibers_trim(&w->fibers, false);
    CHECK(w->fibers.total == 1 && w->fibers.lean_count == 1);
    world_start(w, recurse_body);
    world_run_ready(w);
    CHECK(w->fibers.lean_count == 0);

    /* One that is used now and then does not keep another. */
    CHECK(fibers_promise(&w->fibers, 2) && fibers_promise(&w->fibers, 1) && w->fibers.total == 2);
    for (int i = 0; i < 2; i++) {
        fibers_trim(&w->fibers, false);
        world_start(w, recurse_body);
        world_run_ready(w);
    }
    fibers_trim(&w->fibers, false);
    CHECK(w->fibers.total == 1);
    fibers_trim(&w->fibers, true);
    CHECK(w->fibers.total == 1);
    CHECK(counter_read(&w->account.reserved) == STACK_SIZE);

    /* Those that were made beforehand stay, whatever was promised since. */
    CHECK(fibers_preallocate(&w->fibers, 3) == 0 && fibers_promise(&w->fibers, 5) && fibers_promise(&w->fibers, 1));
    for (int i = 0; i < 4; i++)
        fibers_trim(&w->fibers, false);
    CHECK(w->fibers.total == 3);
    fibers_trim(&w->fibers, true);
    CHECK(w->fibers.total == 3);
}

/* Promises more than keep their pages while it runs, so that the least recently used give theirs back. */
static void promise_body(struct world *w)
{
    char volatile local[8192];
    for (size_t i = 0; i < sizeof local; i++)
        local[i] = (char)i;
    CHECK(w->fibers.idle_count == 1); /* it has not waited, and is still among the idle ones */
    CHECK(fibers_promise(&w->fibers, w->fibers.keep + 8));
    CHECK(w->fibers.idle_count == w->fibers.keep + 7 && w->fibers.lean_count == 7);
    for (size_t i = 0; i < sizeof local; i++)
        CHECK(local[i] == (char)i);
}

/* A running fiber's own pages stay, whatever it asks for. */
static void test_promise(struct world *w)
{
    world_start(w, promise_body);
    CHECK(w->fibers.idle_count == w->fibers.keep + 8 && w->fibers.total == w->fibers.keep + 8);
    world_start(w, nothing);
    CHECK(w->fibers.idle_count == w->fibers.keep + 8);
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
    void *function = _Unwind_FindEnclosingFunction((void *)_Unwind_GetIP(context));
    if (function)
        trace->outermost = function;
    return trace->frames < 100 ? _URC_NO_REASON : _URC_NORMAL_STOP;
}

static void trace_body(struct world *w)
{
    struct trace trace = {0};
    _Unwind_Reason_Code code = _Unwind_Backtrace(trace_frame, &trace);
    CHECK(code == _URC_END_OF_STACK);
    CHECK(trace.frames >= 3 && trace.frames < 20);
    CHECK(trace.outermost == (void *)weir_fiber_enter);
    w->order_len++;
}

static void test_backtrace(struct world *w)
{
    world_start(w, trace_body);
    CHECK(w->order_len == 1);
}

/* ---- Several threads with fibers of their own ---- */

static void *thread_of_fibers(void *arg)
{
    (void)arg;
    static _Thread_local struct world w;
    world_open(&w, 0);
    test_yield_order(&w);
    world_close(&w);
    return NULL;
}

static void test_threads(void)
{
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        CHECK(pthread_create(&threads[i], NULL, thread_of_fibers, NULL) == 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
}

static void run_world(const char *name, void (*test)(struct world *))
{
    static struct world w;
    printf("%s\n", name);
    world_open(&w, 0);
    test(&w);
    world_close(&w);
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    run_world("yield order", test_yield_order);
    run_world("wake results", test_wake_results);
    run_world("wake from a fiber", test_wake_from_fiber);
    run_world("preserved registers", test_registers);
    run_world("registers of who enters", test_registers_enter);
    run_world("registers of who starts", test_registers_start);
    run_world("rounding modes", test_rounding);
    run_world("deep recursion", test_deep_recursion);
    run_world("abandon", test_abandon);
    run_world("trim", test_trim);
    run_world("promise", test_promise);
    test_limit();
    run_world("many fibers", test_many);
    run_world("backtrace", test_backtrace);
    test_threads();
    return selftest_end();
}
