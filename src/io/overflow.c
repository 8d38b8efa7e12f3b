/*
 * The handler for SIGSEGV on an alternate stack. It only looks and writes, restores the default action, and returns, so that the fault happens
 * again and the process dies of it as it would have. This is the one piece of process-wide state in weir.
 *
 * SPDX-License-Identifier: MIT
 */
#include "io/overflow.h"
#include "weir.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static _Thread_local struct fibers *watched;
static _Thread_local void *alternate_stack;
static _Thread_local struct account *alternate_account;

static void say(const char *text)
{
    ssize_t n = write(STDERR_FILENO, text, strlen(text));
    (void)n;
}

static void say_number(size_t number)
{
    char digits[24];
    size_t at = sizeof digits;
    digits[--at] = '\0';
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    say(digits + at);
}

static void overflow_fault(int number, siginfo_t *info, void *context)
{
    (void)context;
    const struct fibers *f = watched;
    const struct fiber *fiber = f ? f->current : NULL;
    const char *address = info->si_addr;
    if (fiber && address < fiber->stack && address >= fiber->stack - f->guard_size) {
        say("weir: stack overflow: a handler used more than the ");
        say_number(f->stack_size);
        say(" bytes of its stack; raise the setting stack_size or use less stack\n");
    }
    signal(number, SIG_DFL);
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

int weir_catch_stack_overflow(void)
{
    struct sigaction before, action = {.sa_sigaction = overflow_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigemptyset(&action.sa_mask);
    if (sigaction(SIGSEGV, NULL, &before) != 0 || before.sa_handler != SIG_DFL)
        return WEIR_EBUSY;
    return sigaction(SIGSEGV, &action, NULL) == 0 ? 0 : WEIR_ESYS;
}
