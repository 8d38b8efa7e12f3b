/*
 * The cache's table, its bounds, its eviction and its expiry: on one thread. What waits is in test_cache_flight.c.
 *
 * SPDX-License-Identifier: MIT
 */
#include "cache_fixture.h"

/* ---- The parts */

static void test_siphash(void **state)
{
    (void)state;
    /* The example of the paper's appendix A. */
    struct siphash_key key = {{0x0706050403020100u, 0x0f0e0d0c0b0a0908u}};
    char text[300];
    for (int i = 0; i < 300; i++)
        ((unsigned char *)text)[i] = (unsigned char)(i & 0xff);
    assert_true(siphash(&key, slice_of(text, 15)) == 0xa129ca6149be45e5u);
    assert_true(siphash(&key, slice_of(NULL, 0)) == 0x726fdb47dd0e0e31u);
    /* Of a length only what fits a byte counts. */
    assert_true(siphash(&key, slice_of(text, 300)) == 0x4b0b710db6117839u);
}

static int released;

static void count_release(struct shared *s)
{
    (void)s;
    released++;
}

static void test_value(void **state)
{
    (void)state;
    struct weir_value v;
    value_init(&v, "bytes", 5, count_release);
    assert_int_equal(weir_value_size(&v), 5);
    assert_memory_equal(weir_value_data(&v), "bytes", 5);
    value_ref(&v);
    value_unref(&v);
    assert_int_equal(released, 0);
    value_unref(&v);
    assert_int_equal(released, 1);
    value_unref(NULL);
}

static void test_sieve(void **state)
{
    (void)state;
    struct sieve s;
    struct sieve_node n[5];
    sieve_init(&s);
    assert_null(sieve_choose(&s, NULL));
    for (int i = 0; i < 5; i++)
        sieve_insert(&s, &n[i]);
    sieve_touch(&n[0]);
    sieve_touch(&n[2]);
    const int order[] = {1, 3, 4, 0, 2}; /* the marked ones are passed over once, in order of age */
    for (int i = 0; i < 5; i++) {
        struct sieve_node *chosen = sieve_choose(&s, NULL);
        assert_ptr_equal(chosen, &n[order[i]]);
        sieve_remove(&s, chosen);
    }
    assert_int_equal(s.count, 0);
}

#define HEAP_BOUND  (1024 * 1024)
#define HEAP_BLOCKS 2000

static void test_heap(void **state)
{
    (void)state;
    struct memory memory;
    struct account account;
    struct cache_heap h;
    memory_init(&memory, 0);
    account_open(&account, &memory, "heap");
    cache_heap_init(&h, &account, HEAP_BOUND);
    static struct {
        unsigned char *p;
        size_t size;
        unsigned char mark;
    } blocks[HEAP_BLOCKS];
    uint64_t seed = 1;
    size_t refused = 0, given = 0;
    for (int i = 0; i < 200000; i++) {
        size_t at = test_random(&seed) % HEAP_BLOCKS;
        if (blocks[at].p) {
            for (size_t k = 0; k < blocks[at].size; k += 61)
                assert_int_equal(blocks[at].p[k], blocks[at].mark);
            cache_heap_give(&h, blocks[at].p);
            blocks[at].p = NULL;
            continue;
        }
        size_t size = 1 + test_random(&seed) % (test_random(&seed) % 50 == 0 ? 100000 : 1500);
        blocks[at].p = cache_heap_take(&h, size);
        blocks[at].size = size;
        blocks[at].mark = (unsigned char)i;
        assert_true(counter_read(&account.reserved) <= HEAP_BOUND);
        if (blocks[at].p) {
            assert_int_equal((uintptr_t)blocks[at].p % 16, 0);
            memset(blocks[at].p, blocks[at].mark, size);
            given++;
        } else {
            refused++;
        }
    }
    assert_true(refused > 0 && given > 50000);
    for (int i = 0; i < HEAP_BLOCKS; i++) {
        if (blocks[i].p)
            cache_heap_give(&h, blocks[i].p);
        blocks[i].p = NULL;
    }
    assert_true(counter_read(&account.in_use) == 0 && h.regions == 1);
    assert_null(cache_heap_take(&h, HEAP_BOUND + 1));
    assert_null(cache_heap_take(&h, SIZE_MAX - 8));
    void *all = cache_heap_take(&h, HEAP_BOUND - 64); /* needs what the empty region holds */
    assert_non_null(all);
    cache_heap_give(&h, all);
    cache_heap_done(&h);
    account_close(&account);
    memory_done(&memory);
}

/* ---- The table */

static void test_hit(void **state)
{
    struct fixture *f = *state;
    struct weir_value *v = test_compute(f, "key", "value", 5);
    assert_int_equal(value_size(v), 5);
    struct weir_value *again = cache_find(f->cache, slice_from("key"), f->loop.now_ns);
    assert_ptr_equal(again, v); /* no copy */
    assert_memory_equal(value_data(again), "value", 5);
    assert_null(cache_find(f->cache, slice_from("kez"), 0));
    assert_null(cache_find(f->cache, slice_from(""), 0));
    value_unref(v);
    value_unref(again);
    value_unref(test_compute(f, "", NULL, 0));
    again = cache_find(f->cache, slice_from(""), 0);
    assert_int_equal(value_size(again), 0);
    value_unref(again);
    weir_cache_stats stats;
    cache_stats_read(f->cache, &stats);
    assert_int_equal(stats.hits, 2);
    assert_int_equal(stats.misses, 2);
    assert_int_equal(stats.entries, 2);
}

static void test_entries_bound(void **state)
{
    struct fixture *f = *state;
    weir_cache_stats stats;
    char key[32];
    for (int i = 0; i < 5000; i++) {
        snprintf(key, sizeof key, "key %d", i);
        value_unref(test_compute(f, key, key, strlen(key)));
        cache_stats_read(f->cache, &stats);
        assert_int_equal(stats.entries, i < 1000 ? i + 1 : 1000);
        assert_true(stats.bytes <= TEST_BYTES);
    }
    assert_int_equal(stats.evictions, 4000);
    for (int i = 4990; i < 5000; i++) {
        snprintf(key, sizeof key, "key %d", i);
        struct weir_value *v = cache_find(f->cache, slice_from(key), 0);
        assert_non_null(v);
        value_unref(v);
    }
}

static void test_scan(void **state)
{
    struct fixture *f = *state;
    char key[32];
    for (int i = 0; i < 500; i++) {
        snprintf(key, sizeof key, "hot %d", i);
        value_unref(test_compute(f, key, "hot", 3));
    }
    /* While a scan of 20,000 keys goes by, the hot ones are asked for now and then and stay. */
    int lost = 0;
    for (int i = 0; i < 20000; i++) {
        snprintf(key, sizeof key, "hot %d", i % 500);
        struct weir_value *v = cache_find(f->cache, slice_from(key), 0);
        lost += v == NULL;
        value_unref(v);
        snprintf(key, sizeof key, "scan %d", i);
        value_unref(test_compute(f, key, "cold", 4));
    }
    assert_int_equal(lost, 0);
}

static void test_bytes_bound(void **state)
{
    struct fixture *f = *state;
    static char data[200000];
    char key[32];
    uint64_t seed = 7;
    weir_cache_stats stats;
    for (int i = 0; i < 3000; i++) {
        size_t len = test_random(&seed) % (i % 100 == 0 ? sizeof data : 20000);
        memset(data, i, len);
        snprintf(key, sizeof key, "key %d", i);
        struct weir_value *v = test_compute(f, key, data, len);
        assert_memory_equal(value_data(v), data, len);
        value_unref(v);
        assert_true(counter_read(&f->memory.granted) <= TEST_BYTES);
    }
    cache_stats_read(f->cache, &stats);
    assert_true(stats.evictions > 1000 && stats.entries > 50);
    /* What fits is kept: less than a third of the bound is lost to gaps. */
    assert_true(counter_read(&f->cache->account.in_use) > TEST_BYTES * 2 / 3);
}

static void test_evicted_while_sent(void **state)
{
    struct fixture *f = *state;
    static char data[100000];
    struct weir_value *held[64];
    char key[32];
    int n = 0;
    for (; n < 64; n++) {
        snprintf(key, sizeof key, "key %d", n);
        memset(data, n, sizeof data);
        held[n] = test_try(f, key, data, sizeof data);
        if (!held[n])
            break;
        cache_remove(f->cache, slice_from(key));
        assert_null(cache_find(f->cache, slice_from(key), 0));
    }
    /* Those that are out of the table and still being sent fill the bound: 10 of 100,000 bytes. */
    assert_int_equal(n, 10);
    weir_cache_stats stats;
    cache_stats_read(f->cache, &stats);
    assert_int_equal(stats.entries, 0);
    assert_true(stats.bytes > 1000000 && stats.bytes <= TEST_BYTES);
    assert_int_equal(stats.failures, 1);
    for (int i = 0; i < n; i++) {
        const char *bytes = value_data(held[i]);
        assert_true(bytes[0] == i && bytes[sizeof data - 1] == i);
    }
    value_unref(held[0]);
    held[0] = test_try(f, "again", data, sizeof data);
    assert_non_null(held[0]);
    for (int i = 0; i < n; i++)
        value_unref(held[i]);
}

/* What is being sent is not evicted for its bytes, since that would not give any. */
static void test_pinned(void **state)
{
    struct fixture *f = *state;
    static char data[100000];
    struct weir_value *v = test_compute(f, "sent", data, sizeof data);
    char key[32];
    for (int i = 0; i < 100; i++) {
        snprintf(key, sizeof key, "key %d", i);
        value_unref(test_compute(f, key, data, sizeof data));
    }
    struct weir_value *again = cache_find(f->cache, slice_from("sent"), 0);
    assert_ptr_equal(again, v);
    value_unref(again);
    value_unref(v);
}

static void test_too_big(void **state)
{
    struct fixture *f = *state;
    static char data[TEST_BYTES + 1];
    assert_null(test_try(f, "key", data, sizeof data));
    assert_null(test_try(f, "key", data, TEST_BYTES - 100));
    value_unref(test_compute(f, "key", data, TEST_BYTES / 2));
}

/* Coming and going in a full cache takes nothing from the system. */
static void test_steady(void **state)
{
    struct fixture *f = *state;
    static char data[8000];
    char key[32];
    for (int i = 0; i < 6000; i++) {
        if (i == 3000)
            f->fail = true;
        snprintf(key, sizeof key, "key %d", i);
        value_unref(test_compute(f, key, data, 500 + (size_t)(i % 7) * 1000));
    }
    weir_cache_stats stats;
    cache_stats_read(f->cache, &stats);
    assert_true(stats.entries > 200);
    f->fail = false;
}

static void test_expiry(void **state)
{
    struct fixture *f = *state;
    weir_cache_config config = {.ttl_ms = 100};
    struct weir_cache *c = cache_new(&f->memory, &f->waits, &config);
    cache_free(f->cache);
    f->cache = c;
    f->loop.now_ns = 5000000000u;
    value_unref(test_compute(f, "key", "value", 5));
    struct weir_value *v = cache_find(c, slice_from("key"), f->loop.now_ns + 99999999);
    assert_non_null(v);
    f->loop.now_ns += 100000000;
    assert_null(cache_find(c, slice_from("key"), f->loop.now_ns));
    assert_memory_equal(value_data(v), "value", 5);
    value_unref(v);
    value_unref(test_compute(f, "key", "newer", 5)); /* a miss, which takes the old one out */
    v = cache_find(c, slice_from("key"), f->loop.now_ns);
    assert_memory_equal(value_data(v), "newer", 5);
    value_unref(v);
    weir_cache_stats stats;
    cache_stats_read(c, &stats);
    assert_int_equal(stats.expirations, 1);
    assert_int_equal(stats.entries, 1);
    assert_int_equal(stats.evictions, 0);
}

static void test_slot(void **state)
{
    struct fixture *f = *state;
    struct cache_asker asker = {.loop = &f->loop};
    struct weir_cache_slot slot = {0};
    struct weir_cache_slot inner = {0};
    struct weir_value *v;
    assert_int_equal(cache_put(&slot, "x", 1), WEIR_EINVAL);
    assert_int_equal(cache_finish(&slot, 0, &v), 0);
    assert_null(v);
    assert_int_equal(cache_ask(f->cache, &slot, &asker, slice_from("key"), &v), CACHE_COMPUTE);
    assert_int_equal(cache_ask(f->cache, &inner, &asker, slice_from("key"), &v), WEIR_EDEADLK);
    assert_int_equal(cache_finish(&inner, 0, &v), 0);
    assert_int_equal(cache_ask(f->cache, &inner, &asker, slice_from("other"), &v), CACHE_COMPUTE);
    assert_int_equal(cache_finish(&inner, 0, &v), WEIR_EINVAL); /* no cache_put() */
    assert_int_equal(cache_put(&slot, "first", 5), 0);
    assert_int_equal(cache_put(&slot, "second", 6), 0);
    assert_int_equal(cache_finish(&slot, 0, &v), 0);
    assert_memory_equal(value_data(v), "second", 6);
    assert_int_equal(cache_put(&slot, "x", 1), WEIR_EINVAL);
    value_unref(v);
    assert_int_equal(cache_ask(f->cache, &slot, &asker, slice_from("key"), &v), CACHE_FOUND);
    value_unref(v);
    assert_null(asker.current);
}

/* A value whose key is removed while it is computed is handed out and not kept. */
static void test_remove_in_flight(void **state)
{
    struct fixture *f = *state;
    struct cache_asker old = {.loop = &f->loop}, new = {.loop = &f->loop};
    struct weir_cache_slot stale = {0}, fresh = {0};
    struct weir_value *v;
    assert_int_equal(cache_ask(f->cache, &stale, &old, slice_from("key"), &v), CACHE_COMPUTE);
    assert_int_equal(cache_put(&stale, "stale", 5), 0);
    cache_remove(f->cache, slice_from("key"));
    assert_int_equal(cache_ask(f->cache, &fresh, &new, slice_from("key"), &v), CACHE_COMPUTE);
    assert_int_equal(cache_put(&fresh, "fresh", 5), 0);
    assert_int_equal(cache_finish(&fresh, 0, &v), 0);
    value_unref(v);
    assert_int_equal(cache_finish(&stale, 0, &v), 0);
    assert_memory_equal(value_data(v), "stale", 5);
    value_unref(v);
    v = cache_find(f->cache, slice_from("key"), 0);
    assert_memory_equal(value_data(v), "fresh", 5);
    value_unref(v);
}

static void test_new_refused(void **state)
{
    struct fixture *f = *state;
    assert_null(cache_new(&f->memory, &f->waits, &(weir_cache_config){.max_bytes = 1000}));
    assert_null(cache_new(&f->memory, &f->waits, &(weir_cache_config){.ttl_ms = -5}));
    f->fail = true;
    assert_null(cache_new(&f->memory, &f->waits, NULL));
    f->fail = false;
    struct weir_cache *c = cache_new(&f->memory, &f->waits, NULL);
    assert_non_null(c);
    assert_string_equal(c->account.name, "cache");
    cache_free(c);
    cache_free(NULL);
    /* A server without memory: values are refused, and nothing is lost. */
    f->fail = true;
    assert_null(test_try(f, "key", "value", 5));
    f->fail = false;
    value_unref(test_compute(f, "key", "value", 5));
}

#define CACHE_TEST(test) cmocka_unit_test_setup_teardown(test, fixture_open, fixture_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_siphash), cmocka_unit_test(test_value), cmocka_unit_test(test_sieve),
        cmocka_unit_test(test_heap),    CACHE_TEST(test_hit),         CACHE_TEST(test_entries_bound),
        CACHE_TEST(test_scan),          CACHE_TEST(test_bytes_bound), CACHE_TEST(test_evicted_while_sent),
        CACHE_TEST(test_pinned),        CACHE_TEST(test_too_big),     CACHE_TEST(test_steady),
        CACHE_TEST(test_expiry),        CACHE_TEST(test_slot),        CACHE_TEST(test_remove_in_flight),
        CACHE_TEST(test_new_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
