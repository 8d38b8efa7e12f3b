/*
 * Calls on the deep stack: from fibers, within each other, left for good; and that the stack is there only while it
 * is used. Needs nothing but the two lowest floors.
 *
 * SPDX-License-Identifier: MIT
 */
#include "io/fiber.h"
#include "selftest.h"
#include "weir.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define STACK_SIZE ((size_t)64 * 1024)
#define DEEP_SIZE  ((size_t)1024 * 1024)
#define FAR        (DEEP_SIZE - (size_t)64 * 1024) /* what functions use of it; a sanitizer's frames need some */

struct world {
    struct memory memory;
    struct account stacks, deep_stacks;
    struct fibers fibers;
    void (*body)(struct world *w);
    int count;
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
    account_open(&w->stacks, &w->memory, "stacks");
    account_open(&w->deep_stacks, &w->memory, "deep stacks");
    fibers_init(&w->fibers, &w->stacks, STACK_SIZE, world_entry, w);
    deep_init(&w->fibers.deep, &w->deep_stacks, DEEP_SIZE - 1);
}

static void world_close(struct world *w)
{
    fibers_done(&w->fibers);
    CHECK(counter_read(&w->deep_stacks.in_use) == 0 && counter_read(&w->deep_stacks.reserved) == 0);
    CHECK(*lock_depth() == 0);
    account_close(&w->stacks);
    account_close(&w->deep_stacks);
    memory_done(&w->memory);
}

static void world_start(struct world *w, void (*body)(struct world *))
{
    w->body = body;
    CHECK(fibers_start(&w->fibers));
}

static bool on_deep_stack(const struct world *w)
{
    const char *here = __builtin_frame_address(0);
    const struct stack *s = &w->fibers.deep.stack;
    return s->base && here >= s->base && here < s->base + s->size;
}

static __attribute__((noinline)) size_t descend(const char *top, size_t far, size_t depth)
{
    volatile char frame[256];
    frame[0] = (char)depth;
    if ((size_t)(top - (const char *)__builtin_frame_address(0)) < far)
        return descend(top, far, depth + 1) + (frame[0] == (char)depth);
    return 1;
}

static int deep_down(void *arg)
{
    struct world *w = arg;
    CHECK(on_deep_stack(w) && w->fibers.deep.state == DEEP_BUSY);
    CHECK(counter_read(&w->deep_stacks.in_use) == DEEP_SIZE);
    CHECK(descend(__builtin_frame_address(0), FAR, 0) > 100);
    return ++w->count;
}

/* ---- Calls ---- */

static void call_body(struct world *w)
{
    CHECK(!on_deep_stack(w));
    CHECK(deep_ready(&w->fibers.deep));
    for (int i = 1; i <= 3; i++)
        CHECK(fiber_call_deep(&w->fibers, deep_down, w) == i);
    CHECK(!on_deep_stack(w) && *lock_depth() == 0);
}

static void test_call(struct world *w)
{
    CHECK(counter_read(&w->deep_stacks.reserved) == 0);
    world_start(w, call_body);
    CHECK(w->count == 3);
    CHECK(counter_read(&w->deep_stacks.reserved) == DEEP_SIZE && counter_read(&w->deep_stacks.in_use) == 0);
    CHECK(counter_read(&w->deep_stacks.peak) == DEEP_SIZE);
}

static int outer(void *arg)
{
    struct world *w = arg;
    const char *here = __builtin_frame_address(0);
    CHECK(on_deep_stack(w));
    int inner = fiber_call_deep(&w->fibers, deep_down, w); /* below this frame, on the same stack */
    CHECK(on_deep_stack(w) && here == __builtin_frame_address(0));
    return inner + 100;
}

static void nested_body(struct world *w)
{
    CHECK(deep_ready(&w->fibers.deep) && fiber_call_deep(&w->fibers, outer, w) == 101);
}

static void test_nested(struct world *w)
{
    world_start(w, nested_body);
    CHECK(w->count == 1 && w->fibers.deep.state == DEEP_IDLE);
}

/* Fibers that wait between their calls share the stack. */
static void waiting_body(struct world *w)
{
    for (int i = 0; i < 10; i++) {
        int before = w->count;
        CHECK(deep_ready(&w->fibers.deep) && fiber_call_deep(&w->fibers, deep_down, w) == before + 1);
        fiber_yield(&w->fibers);
    }
}

static void test_fibers_share(struct world *w)
{
    for (int i = 0; i < 20; i++)
        world_start(w, waiting_body);
    while (fibers_resume_ready(&w->fibers))
        ;
    CHECK(w->count == 200 && counter_read(&w->deep_stacks.reserved) == DEEP_SIZE);
}

/* ---- Leaving ---- */

static int leave(void *arg)
{
    struct world *w = arg;
    char frame[2000];
    memset(frame, 1, sizeof frame);
    if (w->count >= 0)
        fiber_abandon(&w->fibers);
    return frame[7];
}

static void leaving_body(struct world *w)
{
    CHECK(deep_ready(&w->fibers.deep));
    w->count++;
    (void)fiber_call_deep(&w->fibers, leave, w);
    CHECK(false); /* it came back */
}

static void test_leave(struct world *w)
{
    for (int i = 0; i < 100; i++) {
        world_start(w, leaving_body);
        CHECK(w->count == i + 1 && w->fibers.deep.state == DEEP_IDLE && *lock_depth() == 0);
    }
    CHECK(w->fibers.total == 1 && w->fibers.idle_count == 1);
    w->count = 0;
    world_start(w, call_body); /* both stacks are as new */
    CHECK(w->count == 3);
}

/* ---- Memory ---- */

#if defined(__x86_64__) /* an emulator of another processor need not know */
static size_t resident_bytes(const struct stack *s)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), resident = 0;
    unsigned char pages[DEEP_SIZE / 4096] = {0};
    CHECK(mincore(s->base, s->size, pages) == 0);
    for (size_t i = 0; i < s->size / page; i++)
        resident += (pages[i] & 1) * page;
    return resident;
}
#endif

static void test_trim(struct world *w)
{
    world_start(w, call_body);
#if defined(__x86_64__)
    CHECK(resident_bytes(&w->fibers.deep.stack) >= FAR);
#endif
    fibers_trim(&w->fibers, false);
    CHECK(counter_read(&w->deep_stacks.reserved) == DEEP_SIZE);
#if defined(__x86_64__)
    CHECK(resident_bytes(&w->fibers.deep.stack) <= DEEP_KEEP + 8192);
#endif
    fibers_trim(&w->fibers, false); /* not called since: it goes */
    CHECK(counter_read(&w->deep_stacks.reserved) == 0);
    fibers_trim(&w->fibers, false);
    w->count = 0;
    world_start(w, call_body); /* and comes again */
    CHECK(counter_read(&w->deep_stacks.reserved) == DEEP_SIZE);
    fibers_trim(&w->fibers, true);
    CHECK(counter_read(&w->deep_stacks.reserved) == 0);
}

static void refused_body(struct world *w)
{
    CHECK(!deep_ready(&w->fibers.deep) && counter_read(&w->deep_stacks.refused) == 1);
    w->count++;
}

static void test_refused(void)
{
    static struct world w;
    world_open(&w, STACK_SIZE + DEEP_SIZE - 1);
    world_start(&w, refused_body);
    CHECK(w.count == 1);
    world_close(&w);
}

/* ---- What is a fault of the program ---- */

static int wait_there(void *arg)
{
    struct world *w = arg;
    fiber_yield(&w->fibers);
    return 0;
}

static void wrong_body(struct world *w)
{
    CHECK(deep_ready(&w->fibers.deep));
    (void)fiber_call_deep(&w->fibers, wait_there, w);
}

/* A wait on the deep stack ends the process, in every build, with words that say which. */
static void test_wait_is_refused(void)
{
    char text[512];
    int fds[2], status = 0;
    CHECK(pipe(fds) == 0);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        static struct world w;
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        dup2(fds[1], STDERR_FILENO);
        close(fds[0]);
        close(fds[1]);
        world_open(&w, 0);
        world_start(&w, wrong_body);
        _exit(0);
    }
    close(fds[1]);
    ssize_t len = read(fds[0], text, sizeof text - 1);
    text[len > 0 ? len : 0] = '\0';
    close(fds[0]);
    CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    CHECK(strstr(text, "weir_call_deep()"));
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
    run_world("calls", test_call);
    run_world("nested calls", test_nested);
    run_world("fibers share it", test_fibers_share);
    run_world("leaving", test_leave);
    run_world("trim", test_trim);
    test_refused();
    test_wait_is_refused();
    return selftest_end();
}
