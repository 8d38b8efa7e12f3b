/*
 * Threads in a program with much data of its own in each thread, which the C library puts on the threads' stacks: the
 * server starts with all of its threads, these have the stacks that the manual says, and a thread that cannot be had
 * is told with its reason.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/thread.h"
#include "selftest.h"
#include "weir.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>

#define USED ((size_t)100 * 1024) /* of the 128 KiB that a worker's and an offload thread's stack have */

static _Thread_local volatile char local[(size_t)300 * 1024];

static _Atomic int refused_stacks; /* that are refused from now on */

/* This program's own, so that a stack can be refused. */
int pthread_attr_setstacksize(pthread_attr_t *attributes, size_t size)
{
    int (*real)(pthread_attr_t *, size_t);
    *(void **)&real = dlsym(RTLD_NEXT, "pthread_attr_setstacksize");
    if (refused_stacks == 0)
        return real(attributes, size);
    refused_stacks--;
    return EINVAL;
}

struct lines {
    char text[2048];
    size_t len;
};

static void keep_line(void *data, int level, const char *line)
{
    struct lines *l = data;
    (void)level;
    l->len += (size_t)snprintf(l->text + l->len, sizeof l->text - l->len, "%s\n", line);
}

static int use_stack(void)
{
    volatile char used[USED];
    for (size_t i = 0; i < USED; i += 512)
        used[i] = 1;
    for (size_t i = 0; i < sizeof local; i += 512)
        local[i] = 1;
    return used[USED / 512 * 512 - 512];
}

static void *begin(void *server_data, int worker)
{
    (void)server_data;
    (void)worker;
    CHECK(use_stack() == 1);
    return NULL;
}

static weir_server *server_of(struct lines *l)
{
    *l = (struct lines){.len = 0};
    return weir_server_new(
        &(weir_config){.port = WEIR_ANY, .workers = 2, .worker_start = begin, .log = keep_line, .log_data = l});
}

static void test_server(void)
{
    struct lines l;
    weir_server *s = server_of(&l);
    weir_memory_plan plan;
    weir_ledger ledger;
    CHECK(weir_plan(s, &plan) == 0);
    CHECK(weir_server_start(s) == 0);
    weir_ledger_read(s, &ledger);
    uint64_t threads = 0;
    for (size_t i = 0; i < ledger.account_count; i++)
        if (strcmp(ledger.accounts[i].name, "threads") == 0)
            threads = ledger.accounts[i].in_use;
    CHECK(threads > 2 * (128 + 300) * 1024 + (64 + 300) * 1024 && plan.start > threads);
    weir_server_free(s);
    CHECK(strcmp(l.text, "") == 0); /* nor a word of a watchdog that is not there */
}

static void test_refused(void)
{
    struct lines l;
    weir_server *s = server_of(&l);
    refused_stacks = 1;
    CHECK(weir_server_start(s) == WEIR_ENOMEM && refused_stacks == 0);
    weir_server_free(s);
    CHECK(strstr(l.text, "a worker") && strstr(l.text, "stack") && strstr(l.text, strerror(EINVAL)));
    CHECK(!strstr(l.text, "bound"));
}

static void *count_down(void *arg)
{
    CHECK(use_stack() == 1);
    --*(_Atomic int *)arg;
    return NULL;
}

static void test_account(void)
{
    struct memory memory;
    struct account account;
    struct thread thread;
    _Atomic int left = 1;
    memory_init(&memory, 0);
    account_open_shared(&account, &memory, "threads", NULL, 0);
    CHECK(thread_start(&thread, &account, (size_t)128 * 1024, 0, count_down, &left) == 0);
    CHECK(counter_read(&account.reserved) == thread_stack_bytes((size_t)128 * 1024));
    thread_join(&thread);
    CHECK(left == 0 && counter_read(&account.reserved) == 0);
    account_close(&account);
    memory_done(&memory);
}

int main(void)
{
    test_account();
    test_server();
    test_refused();
    return selftest_end();
}
