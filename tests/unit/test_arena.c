/*
 * Arenas: the inline part, the one block behind it, and the end of both.
 *
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/arena.h"

#include <string.h>

struct fixture {
    struct memory memory;
    struct account account;
    struct pool blocks;
    struct arena arena;
    char first[64] __attribute__((aligned(16)));
};

static void open_arena(struct fixture *f, size_t block)
{
    *f = (struct fixture){0};
    memory_init(&f->memory, 0);
    account_open(&f->account, &f->memory, "test");
    pool_init(&f->blocks, &f->account, block, 64, 0);
    arena_init(&f->arena, &f->blocks, f->first, sizeof f->first);
}

static void close_arena(struct fixture *f)
{
    arena_done(&f->arena, f->first, sizeof f->first);
    memory_unpoison(f->first, sizeof f->first);
    assert_int_equal(counter_read(&f->account.in_use), 0);
    pool_done(&f->blocks);
    account_close(&f->account);
    memory_done(&f->memory);
}

static void inline_then_block(void **state)
{
    (void)state;
    struct fixture f;
    open_arena(&f, 4096);
    assert_ptr_equal(arena_alloc(&f.arena, 1), f.first);
    assert_ptr_equal(arena_alloc(&f.arena, 17), f.first + 16);
    assert_ptr_equal(arena_alloc(&f.arena, 16), f.first + 48);
    assert_int_equal(counter_read(&f.account.in_use), 0);
    char *a = arena_alloc(&f.arena, 100), *b = arena_alloc(&f.arena, 100);
    assert_non_null(a);
    assert_true(b - a == 112 && (uintptr_t)a % 16 == 0);
    memset(a, 1, 100);
    assert_int_equal(counter_read(&f.account.objects), 1);
    assert_null(arena_alloc(&f.arena, 4096));
    assert_null(arena_alloc(&f.arena, SIZE_MAX));
    assert_null(arena_alloc(&f.arena, SIZE_MAX - 15));
    assert_non_null(arena_alloc(&f.arena, 4096 - 224));
    assert_null(arena_alloc(&f.arena, 1));
    assert_int_equal(arena_room(&f.arena), 0);
    close_arena(&f);
}

/* What arena_room() promises can be had, whatever the sizes; one more cannot. */
static void room(void **state)
{
    (void)state;
    const size_t blocks[] = {4096, 5000, 16384, 4097};
    for (size_t b = 0; b < sizeof blocks / sizeof blocks[0]; b++) {
        for (size_t before = 0; before < 300; before += 20) {
            struct fixture f;
            open_arena(&f, blocks[b]);
            for (size_t got = 0; got < before; got += 20)
                assert_non_null(arena_alloc(&f.arena, 20));
            size_t room = arena_room(&f.arena);
            assert_null(arena_alloc(&f.arena, room + 1));
            char *all = arena_alloc(&f.arena, room);
            assert_non_null(all);
            memset(all, 1, room);
            close_arena(&f);
        }
    }
}

static void shrinking(void **state)
{
    (void)state;
    struct fixture f;
    open_arena(&f, 4096);
    char *a = arena_alloc(&f.arena, 1000);
    arena_shrink(&f.arena, a, 1000, 10);
    char *b = arena_alloc(&f.arena, 20);
    assert_true(b - a == 16);
    arena_shrink(&f.arena, a, 16, 0); /* not the last one: nothing */
    char *c = arena_alloc(&f.arena, 1);
    assert_true(c - b == 32);
    arena_shrink(&f.arena, c, 1, 0);
    assert_ptr_equal(arena_alloc(&f.arena, 1), c);
    close_arena(&f);
}

static void copies(void **state)
{
    (void)state;
    struct fixture f;
    open_arena(&f, 4096);
    assert_string_equal(arena_copy(&f.arena, SLICE("abc")), "abc");
    assert_string_equal(arena_copy(&f.arena, slice_of(NULL, 0)), "");
    assert_null(arena_copy(&f.arena, slice_of("x", SIZE_MAX)));
    close_arena(&f);
}

static bool refuse_all(void *arg, const struct account *a, size_t size)
{
    (void)arg;
    (void)a;
    (void)size;
    return true;
}

static void no_memory(void **state)
{
    (void)state;
    struct fixture f;
    open_arena(&f, 4096);
    f.memory.fault = refuse_all;
    assert_null(arena_alloc(&f.arena, 100));
    assert_non_null(arena_alloc(&f.arena, 64)); /* the inline part is left as it was */
    assert_null(arena_copy(&f.arena, SLICE("abc")));
    close_arena(&f);
}

/* Another pool's block takes the place of the first, or lies on it if that is there already; both go back. */
static void another_pool(void **state)
{
    (void)state;
    struct fixture f;
    struct pool large;
    for (int taken = 0; taken < 2; taken++) {
        open_arena(&f, 4096);
        pool_init(&large, &f.account, 65536, 64, 0);
        char *first = arena_alloc(&f.arena, 16), *kept = taken ? arena_alloc(&f.arena, 1000) : NULL;
        if (kept)
            memset(kept, 7, 1000);
        arena_use(&f.arena, &large);
        assert_int_equal(arena_room(&f.arena), 65536 - taken * 16);
        assert_null(arena_alloc(&f.arena, 65536 + 1));
        char *bytes = arena_alloc(&f.arena, 65536 - (size_t)taken * 16);
        assert_non_null(bytes);
        assert_true((uintptr_t)bytes % 16 == 0);
        memset(bytes, 1, 65536 - (size_t)taken * 16);
        assert_null(arena_alloc(&f.arena, 1));
        assert_int_equal(counter_read(&f.account.objects), 1 + taken);
        memset(first, 2, 16);
        for (size_t i = 0; kept && i < 1000; i++)
            assert_int_equal(kept[i], 7);
        arena_done(&f.arena, f.first, sizeof f.first);
        arena_init(&f.arena, &f.blocks, f.first, sizeof f.first);
        pool_done(&large);
        close_arena(&f);
    }
}

/* Without memory for the other pool's block the first stays. */
static void another_pool_refuses(void **state)
{
    (void)state;
    struct fixture f;
    struct pool large;
    open_arena(&f, 4096);
    pool_init(&large, &f.account, 65536, 64, 0);
    assert_non_null(arena_alloc(&f.arena, 1000));
    f.memory.fault = refuse_all;
    arena_use(&f.arena, &large);
    assert_null(arena_alloc(&f.arena, 4096));
    assert_non_null(arena_alloc(&f.arena, 3000));
    pool_done(&large);
    close_arena(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_pool),      cmocka_unit_test(another_pool_refuses),
        cmocka_unit_test(inline_then_block), cmocka_unit_test(room),
        cmocka_unit_test(shrinking),         cmocka_unit_test(copies),
        cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
