/*
 * A cache of 1,000 entries and 1 MiB for tests, in a memory that can be made to refuse, whose end asserts that all of
 * it came back.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_TESTS_CACHE_FIXTURE_H
#define WEIR_TESTS_CACHE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "web/cache/cache.h"

#define TEST_BYTES ((size_t)1024 * 1024)

struct fixture {
    struct memory memory;
    struct cache_waits waits;
    struct weir_cache *cache;
    struct loop loop; /* only its time is read */
    bool fail;        /* memory refuses everything */
};

/* Of a linear congruence, modulo 2^64. */
static inline WRAPS uint64_t test_random(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return *seed >> 33;
}

static inline bool fixture_fault(void *arg, const struct account *account, size_t size)
{
    (void)account;
    (void)size;
    return ((struct fixture *)arg)->fail;
}

static inline int fixture_open(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    memory_init(&f->memory, 0);
    f->memory.fault = fixture_fault;
    f->memory.fault_arg = f;
    cache_waits_init(&f->waits);
    f->cache = cache_new(&f->memory, &f->waits, &(weir_cache_config){.name = "test", .max_bytes = TEST_BYTES});
    assert_non_null(f->cache);
    *state = f;
    return 0;
}

static inline int fixture_close(void **state)
{
    struct fixture *f = *state;
    cache_free(f->cache);
    cache_waits_done(&f->waits);
    assert_true(counter_read(&f->memory.granted) == 0);
    memory_done(&f->memory);
    free(f);
    return 0;
}

/* Computes key, which is not there, as data. NULL when the cache refuses. */
static inline struct weir_value *test_try(struct fixture *f, const char *key, const void *data, size_t len)
{
    struct cache_asker asker = {.loop = &f->loop};
    struct weir_cache_slot slot = {0};
    struct weir_value *v;
    assert_int_equal(cache_ask(f->cache, &slot, &asker, slice_from(key), &v), CACHE_COMPUTE);
    int error = cache_put(&slot, data, len);
    assert_int_equal(cache_finish(&slot, error, &v), error);
    return v;
}

static inline struct weir_value *test_compute(struct fixture *f, const char *key, const void *data, size_t len)
{
    struct weir_value *v = test_try(f, key, data, len);
    assert_non_null(v);
    return v;
}

#endif
