/*
 * The one table of memory: a bound that holds exactly, accounts, and faults on demand.
 *
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/memory.h"

#include <pthread.h>

static void exact_limit(void **state)
{
    (void)state;
    struct memory m;
    struct account a, b;
    memory_init(&m, 100000);
    account_open(&a, &m, "a");
    account_open(&b, &m, "b");
    assert_true(memory_grant(&a, 60000));
    assert_false(memory_grant(&b, 40001));
    assert_true(memory_grant(&b, 40000));
    assert_false(memory_grant(&a, 1));
    assert_true(memory_grant(&a, 0));
    assert_int_equal(counter_read(&m.granted), 100000);
    assert_int_equal(counter_read(&a.refused), 1);
    assert_int_equal(counter_read(&b.refused), 1);
    memory_return(&b, 40000);
    assert_true(memory_grant(&a, 1));
    memory_return(&a, 60001);
    assert_int_equal(counter_read(&m.granted), 0);
    account_close(&a);
    account_close(&b);
    account_close(&b); /* a second time is harmless */
    memory_lock_acquire(&m.lock);
    assert_null(m.accounts);
    memory_lock_release(&m.lock);
    memory_done(&m);
}

/* Sizes near the end of the number's range do not wrap around the bound. */
static void huge_sizes(void **state)
{
    (void)state;
    struct memory m;
    struct account a;
    memory_init(&m, 100000);
    account_open(&a, &m, "a");
    assert_true(memory_grant(&a, 100));
    assert_false(memory_grant(&a, SIZE_MAX));
    assert_false(memory_grant(&a, SIZE_MAX - 99));
    assert_null(memory_alloc(&a, SIZE_MAX));
    assert_int_equal(counter_read(&m.granted), 100);
    memory_return(&a, 100);
    account_close(&a);
    memory_done(&m);
}

static void accounts(void **state)
{
    (void)state;
    struct memory m;
    struct account a;
    memory_init(&m, 0);
    account_open(&a, &m, "a");
    void *p = memory_alloc(&a, 1000), *q = memory_alloc(&a, 500);
    assert_non_null(p);
    assert_non_null(q);
    assert_int_equal(counter_read(&a.in_use), 1500);
    assert_int_equal(counter_read(&a.objects), 2);
    memory_free(&a, p, 1000);
    memory_free(&a, NULL, 0);
    assert_int_equal(counter_read(&a.in_use), 500);
    assert_int_equal(counter_read(&a.reserved), 500);
    assert_int_equal(counter_read(&a.peak), 1500);
    memory_free(&a, q, 500);
    assert_int_equal(counter_read(&m.granted), 0);
    account_close(&a);
    memory_done(&m);
}

static void mapping(void **state)
{
    (void)state;
    struct memory m;
    struct account a;
    memory_init(&m, 1 << 20);
    account_open(&a, &m, "a");
    for (size_t align = 4096; align <= 1 << 20; align *= 2) {
        char *p = memory_map(&a, 1 << 16, align);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % align, 0);
        for (size_t i = 0; i < 1 << 16; i += 4096)
            assert_int_equal(p[i], 0);
        p[0] = p[(1 << 16) - 1] = 1;
        assert_int_equal(counter_read(&a.reserved), 1 << 16);
        memory_unmap(&a, p, 1 << 16);
    }
    assert_null(memory_map(&a, (1 << 20) + 4096, 4096));
    assert_int_equal(counter_read(&m.granted), 0);
    account_close(&a);
    memory_done(&m);
}

static bool fault_third(void *arg, const struct account *a, size_t size)
{
    assert_string_equal(a->name, "a");
    assert_int_equal(size, 4096);
    return ++*(int *)arg == 3;
}

static void faults(void **state)
{
    (void)state;
    struct memory m;
    struct account a;
    int calls = 0;
    memory_init(&m, 0);
    m.fault = fault_third;
    m.fault_arg = &calls;
    account_open(&a, &m, "a");
    void *p = memory_alloc(&a, 4096), *q = memory_map(&a, 4096, 4096);
    assert_non_null(p);
    assert_non_null(q);
    assert_null(memory_map(&a, 4096, 4096));
    assert_int_equal(counter_read(&a.refused), 1);
    assert_true(memory_grant(&a, 4096));
    memory_return(&a, 4096);
    memory_free(&a, p, 4096);
    memory_unmap(&a, q, 4096);
    account_close(&a);
    memory_done(&m);
}

struct contender {
    pthread_t thread;
    struct memory *memory;
    struct account account;
    bool over;
};

/* A mapping that grows and shrinks keeps its bytes, and its account follows. */
static void remapping(void **state)
{
    (void)state;
    struct memory m;
    struct account a;
    memory_init(&m, 10 << 20);
    account_open(&a, &m, "test");
    char *p = memory_map(&a, 4096, 4096);
    assert_non_null(p);
    memset(p, 1, 4096);
    p = memory_remap(&a, p, 4096, 8 << 20);
    assert_non_null(p);
    assert_int_equal(counter_read(&a.reserved), 8 << 20);
    assert_int_equal(counter_read(&m.granted), 8 << 20);
    assert_int_equal(p[4095], 1);
    assert_int_equal(p[4096], 0);
    assert_int_equal(p[(8 << 20) - 1], 0);
    assert_null(memory_remap(&a, p, 8 << 20, 11 << 20)); /* over the bound: it stays */
    assert_int_equal(counter_read(&a.reserved), 8 << 20);
    assert_int_equal(counter_read(&a.refused), 1);
    p = memory_remap(&a, p, 8 << 20, 8192);
    assert_non_null(p);
    assert_int_equal(p[4095], 1);
    assert_int_equal(counter_read(&a.reserved), 8192);
    memory_unmap(&a, p, 8192);
    assert_int_equal(counter_read(&m.granted), 0);
    account_close(&a);
    memory_done(&m);
}

static void *contend(void *arg)
{
    struct contender *c = arg;
    for (uint64_t i = 0; i < 20000; i++) {
        if (!memory_grant(&c->account, 300))
            continue;
        memory_return(&c->account, 300);
    }
    /* What is left at the end is kept, so that the sum can be looked at. */
    while (memory_grant(&c->account, 300))
        ;
    return NULL;
}

static void threads(void **state)
{
    (void)state;
    enum { THREADS = 4, LIMIT = 100000 };
    struct contender contenders[THREADS];
    struct memory m;
    memory_init(&m, LIMIT);
    for (int i = 0; i < THREADS; i++) {
        contenders[i] = (struct contender){.memory = &m};
        account_open(&contenders[i].account, &m, "contender");
    }
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&contenders[i].thread, NULL, contend, &contenders[i]), 0);
    uint64_t sum = 0;
    for (int i = 0; i < THREADS; i++)
        pthread_join(contenders[i].thread, NULL);
    for (int i = 0; i < THREADS; i++)
        sum += counter_read(&contenders[i].account.reserved);
    assert_int_equal(sum, counter_read(&m.granted));
    assert_true(sum <= LIMIT && sum > LIMIT - 300 * (THREADS + 1));
    for (int i = 0; i < THREADS; i++) {
        memory_return(&contenders[i].account, counter_read(&contenders[i].account.reserved));
        account_close(&contenders[i].account);
    }
    memory_done(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exact_limit), cmocka_unit_test(huge_sizes), cmocka_unit_test(accounts),
        cmocka_unit_test(mapping),     cmocka_unit_test(remapping),  cmocka_unit_test(faults),
        cmocka_unit_test(threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
