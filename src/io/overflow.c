/*
 * The handler for SIGSEGV on an alternate stack. It only looks and writes, restores the default action, and returns, so that the fault happens
 * again and the process dies of it as it would have. What signals do, here and in crash.c, is the one piece of
 * process-wide state in weir.
 *
 * SPDX-License-Identifier: MIT
 */
#include "io/overflow.h"
#include "io/crash.h"
#include "weir.h"

#include <unistd.h>

static _Thread_local struct fibers *watched;
static _Thread_local void *alternate_stack;
static _Thread_local struct account *alternate_account;

const struct fibers *overflow_watched(void)
{
    return watched;
}

bool overflow_tell(const void *fault)
{
    const struct fibers *f = watched;
    const struct fiber *fiber = f ? f->current : NULL;
    const char *address = fault;
    if (!fiber || address >= fiber->stack || address < fiber->stack - f->guard_size)
        return false;
    struct crash_text text = {.len = 0};
    crash_put(&text, "weir: stack overflow: a handler used more than the ");
    crash_put_number(&text, f->stack_size, 10);
    crash_put(&text, " bytes of its stack; raise the setting stack_size or use less stack\n");
    crash_say(&text);
    return true;
}

static void overflow_fault(int number, siginfo_t *info, void *context)
{
    (void)context;
    (void)overflow_tell(info->si_addr);
    crash_again(number, info);
}

void overflow_watch(struct fibers *f, struct account *account)
{
    watched = f;
    void *stack = memory_map(account, OVERFLOW_STACK_SIZE, (size_t)sysconf(_SC_PAGESIZE));
    if (!stack)
        return;
    account_take_any(account, OVERFLOW_STACK_SIZE);
    alternate_account = account;
    alternate_stack = stack;
    stack_t alternate = {.ss_sp = stack, .ss_size = OVERFLOW_STACK_SIZE};
    sigaltstack(&alternate, NULL);
}

void overflow_unwatch(void)
{
    watched = NULL;
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
        return 0; /* which tells of an overflow, too */
    if (before.sa_handler != SIG_DFL)
        return WEIR_EBUSY;
    return sigaction(SIGSEGV, &action, NULL) == 0 ? 0 : WEIR_ESYS;
}
