/*
 * Memory for tests of the web floor: an account without a bound, whose end asserts that all of it came back, and an
 * arena with blocks of 64 KiB. A test can make the nth allocation fail.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_TESTS_WEB_FIXTURE_H
#define WEIR_TESTS_WEB_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/memory.h"
#include "base/pool.h"
#include "weir.h"

#define FIXTURE_BLOCK 65536

struct fixture {
    struct memory memory;
    struct account account;
    struct pool blocks;
    struct pool nothing; /* of objects of no size, so that nothing is had from it */
    struct arena arena;
    long fail_after; /* allocations that still succeed; negative: all */
    _Alignas(16) char first[64];
};

static inline bool fixture_fault(void *arg, const struct account *account, size_t size)
{
    struct fixture *f = arg;
    (void)account;
    (void)size;
    if (f->fail_after < 0)
        return false;
    return f->fail_after-- == 0;
}

static inline void fixture_open(struct fixture *f)
{
    memset(f, 0, sizeof *f);
    f->fail_after = -1;
    memory_init(&f->memory, 0);
    f->memory.fault = fixture_fault;
    f->memory.fault_arg = f;
    account_open(&f->account, &f->memory, "test");
    pool_init(&f->blocks, &f->account, FIXTURE_BLOCK, 16, 0);
    arena_init(&f->arena, &f->blocks, f->first, sizeof f->first);
}

/* Everything taken from the arena is gone. */
static inline void fixture_clear_arena(struct fixture *f)
{
    arena_done(&f->arena, f->first, sizeof f->first);
    arena_init(&f->arena, &f->blocks, f->first, sizeof f->first);
}

static inline void fixture_close(struct fixture *f)
{
    arena_done(&f->arena, f->first, sizeof f->first);
    memory_unpoison(f->first, sizeof f->first); /* it is the test's again */
    pool_done(&f->blocks);
    assert_int_equal(counter_read(&f->account.in_use), 0);
    assert_int_equal(counter_read(&f->account.reserved), 0);
    account_close(&f->account);
    memory_done(&f->memory);
}

/* Makes the arena give nothing, until it is cleared. */
static inline void fixture_starve(struct fixture *f)
{
    arena_done(&f->arena, f->first, sizeof f->first);
    arena_init(&f->arena, &f->nothing, f->first, 0);
}

/* A copy of exactly its size on the heap, so that AddressSanitizer sees any look beyond it. Free it. */
static inline char *fixture_exact(const char *data, size_t len)
{
    char *copy = malloc(len ? len : 1);
    assert_non_null(copy);
    if (len)
        memcpy(copy, data, len);
    return copy;
}

#endif
