/*
 * Pools: taking and giving, growing and trimming, walking, and that a pointer kept too long is caught.
 *
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/pool.h"
#include "weir.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define SLAB 4096

struct fixture {
    struct memory memory;
    struct account account;
    struct pool pool;
};

static void open_pool(struct fixture *f, uint64_t limit, size_t object_size, size_t align)
{
    *f = (struct fixture){0};
    memory_init(&f->memory, limit);
    account_open(&f->account, &f->memory, "test");
    pool_init(&f->pool, &f->account, object_size, align, SLAB);
}

static void close_pool(struct fixture *f)
{
    pool_done(&f->pool);
    assert_int_equal(counter_read(&f->account.reserved), 0);
    account_close(&f->account);
    memory_done(&f->memory);
}

static void take_and_give(void **state)
{
    (void)state;
    const size_t sizes[] = {8, 24, 56, 64, 100, 1000, 4000}, aligns[] = {8, 16, 64};
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        for (size_t a = 0; a < sizeof aligns / sizeof aligns[0]; a++) {
            struct fixture f;
            enum { COUNT = 1000 };
            static char *objects[COUNT];
            open_pool(&f, 0, sizes[s], aligns[a]);
            for (size_t i = 0; i < COUNT; i++) {
                objects[i] = pool_take(&f.pool);
                assert_non_null(objects[i]);
                assert_int_equal((uintptr_t)objects[i] % aligns[a], 0);
                memset(objects[i], (int)i, sizes[s]);
            }
            assert_int_equal(counter_read(&f.account.objects), COUNT);
            assert_int_equal(counter_read(&f.account.in_use), COUNT * f.pool.stride);
            assert_true(counter_read(&f.account.reserved) >= COUNT * f.pool.stride);
            for (size_t i = 0; i < COUNT; i++) {
                for (size_t k = 0; k < sizes[s]; k += sizes[s] - 1)
                    assert_int_equal((unsigned char)objects[i][k], i & 0xff);
                pool_give(&f.pool, objects[i]);
            }
            assert_int_equal(counter_read(&f.account.in_use), 0);
            assert_int_equal(counter_read(&f.account.objects), 0);
            close_pool(&f);
        }
    }
}

static void last_given_first(void **state)
{
    (void)state;
    struct fixture f;
    open_pool(&f, 0, 64, 64);
    void *a = pool_take(&f.pool), *b = pool_take(&f.pool);
    assert_true((char *)b - (char *)a == 64); /* fresh ones come in address order */
    pool_give(&f.pool, a);
#ifdef WEIR_POISON
    assert_true((char *)pool_take(&f.pool) - (char *)b == 64);
#else
    assert_ptr_equal(pool_take(&f.pool), a);
#endif
    close_pool(&f);
}

#ifdef WEIR_POISON
/* Builds that poison let an object rest as long as others can be had. */
static void rested_longest_first(void **state)
{
    (void)state;
    struct fixture f;
    void *objects[4];
    open_pool(&f, 0, 1000, 8);
    for (int i = 0; i < 4; i++)
        objects[i] = pool_take(&f.pool);
    const int order[] = {2, 0, 3, 1};
    for (int i = 0; i < 4; i++)
        pool_give(&f.pool, objects[order[i]]);
    for (int i = 0; i < 4; i++)
        assert_ptr_equal(pool_take(&f.pool), objects[order[i]]);
    close_pool(&f);
}
#else
static void rested_longest_first(void **state)
{
    (void)state;
    skip();
}
#endif

static void limit(void **state)
{
    (void)state;
    struct fixture f;
    open_pool(&f, 2 * SLAB, 1000, 8);
    size_t count = 0;
    while (pool_take(&f.pool))
        count++;
    assert_int_equal(count, 2 * f.pool.per_slab);
    assert_int_equal(counter_read(&f.account.refused), 1);
    assert_int_equal(pool_preallocate(&f.pool, count), 0); /* they are there */
    assert_int_equal(pool_preallocate(&f.pool, count + 1), WEIR_ENOMEM);
    close_pool(&f);
}

/* Slabs that hold no object in use; the one at hand counts as used in its slab. */
static uint32_t empty_slabs(const struct pool *p)
{
    return p->empty + (p->hand && pool_slab_of(p, p->hand)->used == 1);
}

static void trimming(void **state)
{
    (void)state;
    struct fixture f;
    enum { SLABS = 16 };
    open_pool(&f, 0, 1000, 8);
    void *objects[SLABS * 4];
    assert_int_equal(f.pool.per_slab, 4);
    assert_int_equal(pool_preallocate(&f.pool, 5), 0);
    assert_int_equal(counter_read(&f.account.reserved), 2 * SLAB);
    for (size_t i = 0; i < SLABS * 4; i++)
        assert_non_null(objects[i] = pool_take(&f.pool));
    assert_int_equal(counter_read(&f.account.reserved), SLABS * SLAB);
    pool_trim(&f.pool, true);
    assert_int_equal(counter_read(&f.account.reserved), SLABS * SLAB);
    for (size_t i = 0; i < SLABS * 4; i++)
        pool_give(&f.pool, objects[i]);
    assert_int_equal(empty_slabs(&f.pool), SLABS);

    /* All were needed since the last time; from then on half of what was not goes, down to what is kept. */
    pool_trim(&f.pool, false);
    assert_int_equal(f.pool.empty, SLABS);
    const uint32_t left[] = {8, 4, 2, 2, 2};
    for (size_t i = 0; i < sizeof left / sizeof left[0]; i++) {
        pool_trim(&f.pool, false);
        assert_int_equal(f.pool.empty, left[i]);
        assert_int_equal(counter_read(&f.account.reserved), left[i] * SLAB);
    }
    objects[0] = pool_take(&f.pool);
    pool_trim(&f.pool, true);
    assert_int_equal(counter_read(&f.account.reserved), 2 * SLAB);
    pool_give(&f.pool, objects[0]);

    /* One object that comes and goes does not hold more than what is kept: its slab is one of those. */
    for (size_t i = 0; i < 12; i++)
        assert_non_null(objects[i] = pool_take(&f.pool));
    for (size_t i = 0; i < 12; i++)
        pool_give(&f.pool, objects[i]);
    assert_int_equal(empty_slabs(&f.pool), 3);
    for (size_t i = 0; i < 2; i++) {
        pool_trim(&f.pool, false);
        pool_give(&f.pool, pool_take(&f.pool));
    }
    pool_trim(&f.pool, false);
    assert_int_equal(counter_read(&f.account.reserved), 2 * SLAB);
    close_pool(&f);
}

static size_t resident_pages(const struct pool_slab *s)
{
    unsigned char pages[16] = {0};
    size_t count = 0;
    assert_int_equal(mincore((void *)(uintptr_t)s, sizeof pages * 4096, pages), 0);
    for (size_t i = 0; i < sizeof pages; i++)
        count += pages[i] & 1;
    return count;
}

/* A slab that is kept gives back the pages that it has touched: few of them only when the pool has not been used since
 * the last time. */
static void cleaning(void **state)
{
    (void)state;
    struct fixture f = {0};
    void *objects[10];
    memory_init(&f.memory, 0);
    account_open(&f.account, &f.memory, "test");
    pool_init(&f.pool, &f.account, 4096, 64, 16 * 4096);
    assert_int_equal(pool_preallocate(&f.pool, 1), 0);
    const size_t counts[] = {10, 3};
    for (size_t k = 0; k < 2; k++) {
        for (size_t i = 0; i < counts[k]; i++)
            memset(objects[i] = pool_take(&f.pool), 1, 4096);
        struct pool_slab *s = pool_slab_of(&f.pool, objects[0]);
        assert_true(resident_pages(s) > counts[k]);
        for (size_t i = 0; i < counts[k]; i++)
            pool_give(&f.pool, objects[i]);
        pool_trim(&f.pool, false);
        if (counts[k] > 4)
            assert_int_equal(resident_pages(s), 1);
        else
            assert_true(resident_pages(s) > counts[k]);
        pool_trim(&f.pool, false);
        assert_int_equal(resident_pages(s), 1);
    }
    close_pool(&f);
}

/* An object of a plain pool comes back as it was given, or all zeros where its slab was cleaned: never half of each, by
 * which what begins on the slab's first page would take lost state for its own. */
static void plain_objects_are_cleaned_whole(void **state)
{
    (void)state;
    enum { SIZE = 40 * 1024 }; /* one a slab: it is the one that is taken again */
    static const char zeros[SIZE];
    struct fixture f = {0};
    memory_init(&f.memory, 0);
    account_open(&f.account, &f.memory, "test");
    pool_init(&f.pool, &f.account, SIZE, 64, 64 * 1024);
    f.pool.plain = true;
    assert_int_equal(pool_preallocate(&f.pool, 1), 0);
    char *object = pool_take(&f.pool);
    memset(object, 1, SIZE);
    pool_give(&f.pool, object);
    pool_trim(&f.pool, false); /* it was used, and stays */
    assert_ptr_equal(pool_take(&f.pool), object);
    assert_int_equal(object[sizeof(void *)], 1);
    assert_int_equal(object[SIZE - 1], 1);
    pool_give(&f.pool, object);
    pool_trim(&f.pool, false);
    pool_trim(&f.pool, false); /* nobody has needed it since the last time */
    assert_ptr_equal(pool_take(&f.pool), object);
    assert_memory_equal(object, zeros, SIZE);
    pool_give(&f.pool, object);
    close_pool(&f);
}

/* Whether the kernel leaves the mapping that holds p out of core dumps. */
static bool not_dumped(const void *p)
{
    FILE *maps = fopen("/proc/self/smaps", "r");
    char line[512];
    bool within = false, found = false;
    assert_non_null(maps);
    while (fgets(line, sizeof line, maps)) {
        uintptr_t from, to;
        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " ", &from, &to) == 2)
            within = from <= (uintptr_t)p && (uintptr_t)p < to;
        else if (within && strncmp(line, "VmFlags:", 8) == 0)
            found = strstr(line, " dd") != NULL;
    }
    fclose(maps);
    return found;
}

static void secrets_are_not_dumped(void **state)
{
    (void)state;
    struct fixture f;
    open_pool(&f, 0, 64, 8);
    void *object = pool_take(&f.pool);
    assert_false(not_dumped(object));
    pool_give(&f.pool, object);
    close_pool(&f);
    open_pool(&f, 0, 64, 8);
    f.pool.secret = true;
    object = pool_take(&f.pool);
    assert_true(not_dumped(object));
    pool_give(&f.pool, object);
    close_pool(&f);
}

/* The object given last comes first, and counts as used in its slab alone, until the pool is trimmed. */
static void at_hand(void **state)
{
    (void)state;
#ifndef WEIR_POISON
    struct fixture f;
    open_pool(&f, 0, 1000, 8);
    void *first = pool_take(&f.pool), *second = pool_take(&f.pool);
    uint64_t in_use = counter_read(&f.account.in_use);
    pool_give(&f.pool, first);
    pool_give(&f.pool, second);
    assert_int_equal(counter_read(&f.account.in_use), 0);
    assert_int_equal(f.pool.empty, 0);
    assert_ptr_equal(pool_take(&f.pool), second);
    assert_ptr_equal(pool_take(&f.pool), first);
    assert_int_equal(counter_read(&f.account.in_use), in_use);
    assert_int_equal(counter_read(&f.account.peak), in_use);
    pool_give(&f.pool, first);
    pool_give(&f.pool, second);
    pool_trim(&f.pool, true);
    assert_int_equal(counter_read(&f.account.reserved), 0);
    close_pool(&f);
#endif
}

struct walk {
    struct pool *pool;
    size_t visits;
    bool give;
};

static void visit(void *arg, void *object)
{
    struct walk *w = arg;
    w->visits++;
    assert_int_equal(*(uint32_t *)((char *)object + 8), 0xabcd);
    *(uint32_t *)((char *)object + 8) = 0x1234; /* a second visit would be told */
    if (w->give)
        pool_give(w->pool, object);
}

static void walk(bool give, size_t count)
{
    struct fixture f;
    open_pool(&f, 0, 1000, 8);
    char *objects[64];
    for (size_t i = 0; i < 64; i++)
        assert_non_null(objects[i] = pool_take(&f.pool));
    for (size_t i = 0; i < 64; i++)
        *(uint32_t *)(void *)(objects[i] + 8) = 0xabcd;
    for (size_t i = count; i < 64; i++)
        pool_give(&f.pool, objects[(i * 37) % 64]);
    struct walk w = {.pool = &f.pool, .give = give};
    pool_each(&f.pool, visit, &w);
    assert_int_equal(w.visits, count);
    close_pool(&f);
}

static void walking(void **state)
{
    (void)state;
    const size_t counts[] = {0, 1, 3, 4, 5, 30, 63, 64};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        walk(false, counts[i]);
        walk(true, counts[i]);
    }
}

#ifdef WEIR_POISON
/* Runs misuse in a child and expects it to be ended by a report that names the account and the rule. */
static void expect_caught(void (*misuse)(struct fixture *f))
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    pid_t child = fork();
    if (child == 0) {
        struct fixture f;
        dup2(fds[1], STDERR_FILENO);
        open_pool(&f, 0, 64, 8);
        misuse(&f);
        _exit(0);
    }
    close(fds[1]);
    char text[16384];
    size_t len = 0;
    ssize_t n;
    while (len < sizeof text - 1 && (n = read(fds[0], text + len, sizeof text - 1 - len)) > 0)
        len += (size_t)n;
    text[len] = '\0';
    close(fds[0]);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    if (!strstr(text, "the account \"test\"") || !strstr(text, POISON_RULE))
        print_error("%s\n", text);
    assert_non_null(strstr(text, "the account \"test\""));
    assert_non_null(strstr(text, POISON_RULE));
}

#ifdef WEIR_ASAN
static void read_after_giving(struct fixture *f)
{
    volatile char *kept = pool_take(&f->pool);
    kept[20] = 1;
    pool_give(&f->pool, (void *)(uintptr_t)kept);
    (void)kept[20];
}

static void read_first_byte(struct fixture *f)
{
    volatile char *kept = pool_take(&f->pool);
    pool_give(&f->pool, (void *)(uintptr_t)kept);
    (void)kept[0];
}

static void write_beyond_slab_use(struct fixture *f)
{
    volatile char *object = pool_take(&f->pool);
    object[64] = 1;
}

#endif

/* Without AddressSanitizer it is found when the object is handed out again. */
static void write_after_giving(struct fixture *f)
{
    volatile char *kept = pool_take(&f->pool);
    pool_give(&f->pool, (void *)(uintptr_t)kept);
    kept[20] = 1;
    while (pool_take(&f->pool) != kept)
        ;
}

static void no_misuse(struct fixture *f)
{
    volatile char *object = pool_take(&f->pool);
    object[63] = 1;
}

static void kept_pointers(void **state)
{
    (void)state;
#ifdef WEIR_ASAN
    expect_caught(read_after_giving);
    expect_caught(read_first_byte);
    expect_caught(write_beyond_slab_use);
#endif
    expect_caught(write_after_giving);
    struct fixture f;
    open_pool(&f, 0, 64, 8);
    no_misuse(&f);
    close_pool(&f);
}
#else
static void kept_pointers(void **state)
{
    (void)state;
    skip(); /* nobody looks */
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(take_and_give),
        cmocka_unit_test(last_given_first),
        cmocka_unit_test(rested_longest_first),
        cmocka_unit_test(limit),
        cmocka_unit_test(trimming),
        cmocka_unit_test(cleaning),
        cmocka_unit_test(plain_objects_are_cleaned_whole),
        cmocka_unit_test(at_hand),
        cmocka_unit_test(secrets_are_not_dumped),
        cmocka_unit_test(walking),
        cmocka_unit_test(kept_pointers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
