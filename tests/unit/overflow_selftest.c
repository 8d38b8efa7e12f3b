/*
 * A fiber that overflows its stack ends the process by SIGSEGV with a message that names the setting; any other fault
 * ends it without that message. Each case is a child process. Sanitizers have handlers of their own, so that there is
 * nothing to test with them.
 *
 * SPDX-License-Identifier: MIT
 */
#include "io/overflow.h"
#include "selftest.h"
#include "weir.h"

#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define STACK_SIZE ((size_t)64 * 1024)

static __attribute__((noinline)) int recurse(int depth)
{
    volatile char local[256];
    local[0] = (char)depth;
    if (depth < 0)
        return 0;
    return recurse(depth + 1) + local[0];
}

/* Recursion in small steps. */
static void overflow_slowly(void *arg)
{
    (void)arg;
    (void)recurse(0);
}

static __attribute__((noinline)) void touch_lowest(volatile char *frame)
{
    frame[0] = 1;
}

/* One frame larger than the guard: the probes of -fstack-clash-protection meet the guard on the way. */
static void overflow_at_once(void *arg)
{
    (void)arg;
    volatile char frame[STACK_SIZE + 4 * STACK_GUARD_SIZE];
    touch_lowest(frame);
}

static struct fibers fibers;

static int overflow_in_call(void *arg)
{
    overflow_slowly(arg);
    return 0;
}

static void overflow_deep_stack(void *arg)
{
    if (deep_ready(&fibers.deep))
        (void)fiber_call_deep(&fibers, overflow_in_call, arg);
}

static void fault_elsewhere(void *arg)
{
    (void)arg;
    volatile char *volatile nowhere = NULL;
    nowhere[8] = 1;
}

/* Runs entry on a fiber in a child; what the child wrote to standard error goes to text. Returns its wait status. */
static int run_child(void (*entry)(void *), char *text, size_t size)
{
    int fds[2];
    CHECK(pipe(fds) == 0);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        dup2(fds[1], STDERR_FILENO);
        close(fds[0]);
        close(fds[1]);
        struct memory memory;
        struct account account;
        memory_init(&memory, 0);
        account_open(&account, &memory, "stacks");
        fibers_init(&fibers, &account, STACK_SIZE, entry, NULL);
        deep_init(&fibers.deep, &account, 4 * STACK_SIZE);
        overflow_watch(&fibers, &account);
        if (weir_catch_stack_overflow() != 0 || weir_catch_stack_overflow() != WEIR_EBUSY)
            _exit(2);
        _exit(fibers_start(&fibers) ? 3 : 4);
    }
    close(fds[1]);
    size_t len = 0;
    ssize_t n;
    while (len < size - 1 && (n = read(fds[0], text + len, size - 1 - len)) > 0)
        len += (size_t)n;
    text[len] = '\0';
    close(fds[0]);
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child);
    return status;
}

static bool ended_by_fault(int status)
{
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV;
}

/* A thread that is watched no more has no alternate stack either. */
static void test_unwatch(void)
{
    struct memory memory;
    struct account account;
    stack_t stack;
    memory_init(&memory, 0);
    account_open(&account, &memory, "threads");
    overflow_watch(&fibers, &account);
    CHECK(counter_read(&account.reserved) > 0 && counter_read(&account.in_use) == counter_read(&account.reserved));
    CHECK(sigaltstack(NULL, &stack) == 0 && !(stack.ss_flags & SS_DISABLE));
    overflow_unwatch();
    CHECK(sigaltstack(NULL, &stack) == 0 && (stack.ss_flags & SS_DISABLE));
    overflow_unwatch();
    account_close(&account);
    memory_done(&memory);
}

int main(void)
{
#if defined(WEIR_ASAN) || defined(WEIR_TSAN)
    (void)ended_by_fault;
    (void)run_child;
    (void)overflow_slowly;
    (void)overflow_at_once;
    (void)overflow_deep_stack;
    (void)fault_elsewhere;
    (void)test_unwatch;
    printf("left out: the sanitizer has handlers of its own\n");
    return 0;
#else
    char text[4096];
    CHECK(ended_by_fault(run_child(overflow_slowly, text, sizeof text)));
    CHECK(strstr(text, "stack overflow") && strstr(text, "stack_size") && strstr(text, "65536"));
    CHECK(ended_by_fault(run_child(overflow_at_once, text, sizeof text)));
    CHECK(strstr(text, "stack overflow") && strstr(text, "stack_size"));
    CHECK(ended_by_fault(run_child(overflow_deep_stack, text, sizeof text)));
    CHECK(strstr(text, "weir_call_deep()") && strstr(text, "deep_stack_size") && strstr(text, "262144"));
    CHECK(ended_by_fault(run_child(fault_elsewhere, text, sizeof text)));
    CHECK(text[0] == '\0');
    test_unwatch();
    return selftest_end();
#endif
}
