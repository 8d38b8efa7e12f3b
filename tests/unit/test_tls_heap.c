/*
 * When the heap is trimmed after OpenSSL has had much of it.
 *
 * SPDX-License-Identifier: MIT
 */
#include "net/tls/heap.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define MIB ((uint64_t)1 << 20)

struct fixture {
    struct memory memory;
    struct account account;
    struct tls_heap heap;
};

static int set_up(void **state)
{
    static struct fixture f;
    memory_init(&f.memory, 0);
    account_open_shared(&f.account, &f.memory, "threads", NULL, 0);
    tls_heap_init(&f.heap, &f.account);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    tls_heap_done(&f->heap);
    assert_int_equal(counter_read(&f->account.in_use), 0);
    account_close(&f->account);
    return 0;
}

/* A second goes by. Whether the heap has been trimmed, which is over when this returns. */
static bool trims(struct fixture *f, uint64_t bytes)
{
    tls_heap_maintain(&f->heap, bytes);
    bool trimmed = f->heap.thread.account != NULL;
    while (trimmed && !atomic_load(&f->heap.over))
        sched_yield();
    assert_null(f->heap.put_aside);
    return trimmed;
}

static void test_little_is_left_alone(void **state)
{
    struct fixture *f = *state;
    assert_false(trims(f, 0));
    tls_heap_note(&f->heap, 3 * MIB);
    assert_false(trims(f, 3 * MIB));
    assert_false(trims(f, 0));
    tls_heap_note(&f->heap, 100 * MIB);
    assert_false(trims(f, 100 * MIB));
    assert_false(trims(f, 80 * MIB)); /* as much may come again */
}

static void test_much_and_its_rest(void **state)
{
    struct fixture *f = *state;
    tls_heap_note(&f->heap, 100 * MIB);
    assert_true(trims(f, 70 * MIB));
    assert_false(trims(f, 60 * MIB));
    assert_true(trims(f, 3 * MIB));
    assert_true(trims(f, 3 * MIB)); /* what was put aside meanwhile */
    assert_false(trims(f, 2 * MIB));
    assert_true(trims(f, 1 * MIB));
    assert_true(trims(f, MIB / 4));
    assert_false(trims(f, MIB / 4));
    assert_true(trims(f, 0));
    assert_false(trims(f, 0));
    tls_heap_note(&f->heap, MIB);
    assert_true(trims(f, 0));
    tls_heap_note(&f->heap, MIB);
    assert_false(trims(f, 0)); /* the rest is long over */
    tls_heap_note(&f->heap, 4 * MIB);
    assert_true(trims(f, 0));
}

/* The thread's own blocks are whole behind it, and so is what others are given. */
static void test_blocks_are_whole(void **state)
{
    struct fixture *f = *state;
    char *blocks[2000];
    for (size_t i = 0; i < 2000; i++) {
        blocks[i] = malloc(24 + i);
        assert_non_null(blocks[i]);
        memset(blocks[i], (int)(i & 127), 24 + i);
    }
    for (size_t i = 0; i < 2000; i += 2)
        free(blocks[i]);
    tls_heap_note(&f->heap, 8 * MIB);
    assert_true(trims(f, 0));
    assert_true(trims(f, 0));
    for (size_t i = 1; i < 2000; i += 2) {
        for (size_t k = 0; k < 24 + i; k++)
            assert_int_equal(blocks[i][k], (int)(i & 127));
        free(blocks[i]);
    }
}

/* Without room for a thread the worker does what it can. */
static void test_no_thread(void **state)
{
    struct fixture *f = *state;
    f->memory.limit = 1;
    tls_heap_note(&f->heap, 8 * MIB);
    assert_false(trims(f, 0));
    assert_true(f->heap.most == 0);
    f->memory.limit = 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_little_is_left_alone),
        TEST(test_much_and_its_rest),
        TEST(test_blocks_are_whole),
        TEST(test_no_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
