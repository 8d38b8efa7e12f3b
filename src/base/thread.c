/*
 * Starting and joining threads.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/thread.h"
#include "base/log.h"
#include "weir.h"

#include <errno.h>
#include <limits.h>
#include <link.h>
#include <signal.h>

/* Bytes that the C library puts beside the data: its own record of a thread, and some to spare. */
#define THREAD_RECORD ((size_t)3 * 1024)

/* The size of thread-local data, measured once: a library that is loaded later has its data elsewhere, and what was
 * charged has to be given back. */
static pthread_once_t local_once = PTHREAD_ONCE_INIT;
static size_t local_size;

static int local_add(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)size;
    size_t *sum = arg;
    for (int i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_TLS)
            *sum += (size_t)info->dlpi_phdr[i].p_memsz + (size_t)info->dlpi_phdr[i].p_align;
    return 0;
}

static void local_measure(void)
{
    size_t sum = THREAD_RECORD;
    dl_iterate_phdr(local_add, &sum);
    local_size = memory_whole_pages(sum);
}

size_t thread_stack_bytes(size_t stack_size)
{
    size_t least = (size_t)PTHREAD_STACK_MIN;
    pthread_once(&local_once, local_measure);
    return (stack_size < least ? least : stack_size) + local_size;
}

/* Starts the system's thread. Returns 0, or the system's error. */
static int thread_create(struct thread *t, int flags, void *(*fn)(void *arg), void *arg)
{
    pthread_attr_t attributes;
    if (pthread_attr_init(&attributes) != 0)
        return ENOMEM;
    int error = pthread_attr_setstacksize(&attributes, thread_stack_bytes(t->stack_size));
    if (!error && (flags & THREAD_DETACHED))
        error = pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    if (!error)
        error = pthread_create(&t->id, &attributes, fn, arg);
    pthread_attr_destroy(&attributes);
    return error;
}

int thread_start(struct thread *t, struct account *account, size_t stack_size, int flags, void *(*fn)(void *arg),
                 void *arg)
{
    size_t bytes = thread_stack_bytes(stack_size);
    *t = (struct thread){.stack_size = stack_size};
    if (!memory_grant(account, bytes))
        return WEIR_ENOMEM;
    account_take_any(account, bytes); /* before it runs, which may be to its end */
    sigset_t blocked, before;
    sigfillset(&blocked);
    if (flags & THREAD_FAULTS) {
        sigdelset(&blocked, SIGSEGV);
        sigdelset(&blocked, SIGBUS);
        sigdelset(&blocked, SIGFPE);
        sigdelset(&blocked, SIGILL);
    }
    pthread_sigmask(SIG_SETMASK, &blocked, &before);
    t->error = thread_create(t, flags, fn, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (t->error) {
        thread_leave(account, stack_size);
        return WEIR_ENOMEM;
    }
    t->account = account;
    return 0;
}

void thread_leave(struct account *account, size_t stack_size)
{
    size_t bytes = thread_stack_bytes(stack_size);
    account_give_any(account, bytes);
    memory_return(account, bytes);
}

void thread_join(struct thread *t)
{
    if (!t->account)
        return;
    pthread_join(t->id, NULL);
    thread_leave(t->account, t->stack_size);
    t->account = NULL;
}

void thread_log_refusal(const struct log *l, int level, const struct thread *t, const char *whose, const char *then)
{
    errno = t->error ? t->error : ENOMEM;
    log_write(l, level, "there is no thread for %s, with a stack of %zu bytes: %s%m%s", whose,
              thread_stack_bytes(t->stack_size), t->error ? "" : "memory_limit, ", then);
}
