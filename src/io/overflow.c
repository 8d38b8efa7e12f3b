/*
 * The handler for SIGSEGV on an alternate stack. The handler only looks and writes, restores the default action, and
 * returns, so that the fault happens again and the process dies of it as it would have. What signals do, here and in
 * crash.c, is the one piece of process-wide state in weir.
 *
 * SPDX-License-Identifier: MIT
 */
#include "io/overflow.h"
#include "io/crash.h"
#include "weir.h"

#include <unistd.h>

static _Thread_local struct fibers *watched;
static _Thread_local const char *own_stack; /* of a thread that runs offloaded functions */
static _Thread_local size_t own_size;
static _Thread_local void *alternate_stack;
static _Thread_local struct account *alternate_account;

const struct fibers *overflow_watched(void)
{
    return watched;
}

static bool is_guard(const char *stack, const char *address)
{
    return stack && address < stack && address >= stack - STACK_GUARD_SIZE;
}

static void tell(const char *who, size_t size, const char *setting)
{
    struct crash_text text = {.len = 0};
    crash_put(&text, "weir: stack overflow: ");
    crash_put(&text, who);
    crash_put(&text, " used more than the ");
    crash_put_number(&text, size, 10);
    crash_put(&text, " bytes of its stack; raise the setting ");
    crash_put(&text, setting);
    crash_put(&text, " or use less stack\n");
    crash_say(&text);
}

bool overflow_tell(const void *fault)
{
    const struct fibers *f = watched;
    const struct fiber *fiber = f ? f->current : NULL;
    if (fiber && f->deep.state == DEEP_BUSY && is_guard(f->deep.stack.base, fault))
        tell("a function called by weir_call_deep()", f->deep.size, "deep_stack_size");
    else if (fiber && is_guard(fiber->stack, fault))
        tell("a handler", f->stack_size, "stack_size");
    else if (is_guard(own_stack, fault))
        tell("an offloaded function", own_size, "offload_stack_size");
    else
        return false;
    return true;
}

static void overflow_fault(int number, siginfo_t *info, void *context)
{
    (void)context;
    (void)overflow_tell(info->si_addr);
    crash_again(number, info);
}

static void watch_thread(struct account *account)
{
    void *stack = memory_map(account, OVERFLOW_STACK_SIZE, (size_t)sysconf(_SC_PAGESIZE));
    if (!stack)
        return;
    account_take_any(account, OVERFLOW_STACK_SIZE);
    alternate_account = account;
    alternate_stack = stack;
    stack_t alternate = {.ss_sp = stack, .ss_size = OVERFLOW_STACK_SIZE};
    sigaltstack(&alternate, NULL);
}

void overflow_watch(struct fibers *f, struct account *account)
{
    watched = f;
    watch_thread(account);
}

void overflow_watch_thread(const char *base, size_t size, struct account *account)
{
    own_stack = base;
    own_size = size;
    watch_thread(account);
}

void overflow_unwatch(void)
{
    watched = NULL;
    own_stack = NULL;
    if (!alternate_stack)
        return;
    stack_t none = {.ss_flags = SS_DISABLE};
    sigaltstack(&none, NULL);
    account_give_any(alternate_account, OVERFLOW_STACK_SIZE);
    memory_unmap(alternate_account, alternate_stack, OVERFLOW_STACK_SIZE);
    alternate_stack = NULL;
}

bool overflow_is_caught(void (*action)(int number, siginfo_t *info, void *context))
{
    return action == overflow_fault;
}

int weir_catch_stack_overflow(void)
{
    struct sigaction before, action = {.sa_sigaction = overflow_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigemptyset(&action.sa_mask);
    if (sigaction(SIGSEGV, NULL, &before) != 0)
        return WEIR_ESYS;
    if (before.sa_sigaction == crash_caught)
        return 0; /* weir_catch_crash() is there, which tells of an overflow, too */
    if (before.sa_handler != SIG_DFL)
        return WEIR_EBUSY;
    return sigaction(SIGSEGV, &action, NULL) == 0 ? 0 : WEIR_ESYS;
}
