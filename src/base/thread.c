/*
 * Starting and joining threads.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/thread.h"
#include "weir.h"

#include <limits.h>
#include <signal.h>

static size_t stack_of(size_t size)
{
    size_t least = (size_t)PTHREAD_STACK_MIN;
    return size < least ? least : size;
}

static int thread_create(struct thread *t, int flags, void *(*fn)(void *arg), void *arg)
{
    pthread_attr_t attributes;
    if (pthread_attr_init(&attributes) != 0)
        return WEIR_ENOMEM;
    int error = pthread_attr_setstacksize(&attributes, t->stack_size);
    if (!error && (flags & THREAD_DETACHED))
        error = pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    if (!error)
        error = pthread_create(&t->id, &attributes, fn, arg);
    pthread_attr_destroy(&attributes);
    return error ? WEIR_ENOMEM : 0;
}

int thread_start(struct thread *t, struct account *account, size_t stack_size, int flags, void *(*fn)(void *arg),
                 void *arg)
{
    *t = (struct thread){.stack_size = stack_of(stack_size)};
    if (!memory_grant(account, t->stack_size))
        return WEIR_ENOMEM;
    account_take_any(account, t->stack_size); /* before it runs, which may be to its end */
    sigset_t blocked, before;
    sigfillset(&blocked);
    if (flags & THREAD_FAULTS) {
        sigdelset(&blocked, SIGSEGV);
        sigdelset(&blocked, SIGBUS);
        sigdelset(&blocked, SIGFPE);
        sigdelset(&blocked, SIGILL);
    }
    pthread_sigmask(SIG_SETMASK, &blocked, &before);
    int error = thread_create(t, flags, fn, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error)
        thread_leave(account, stack_size);
    else
        t->account = account;
    return error;
}

void thread_leave(struct account *account, size_t stack_size)
{
    account_give_any(account, stack_of(stack_size));
    memory_return(account, stack_of(stack_size));
}

void thread_join(struct thread *t)
{
    if (!t->account)
        return;
    pthread_join(t->id, NULL);
    thread_leave(t->account, t->stack_size);
    t->account = NULL;
}
