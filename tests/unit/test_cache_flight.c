/*
 * The cache between workers: real loops on threads, requests on fibers that wait for each other's computations, are cut
 * while they wait, and take over from those that fail.
 *
 * SPDX-License-Identifier: MIT
 */
#include "cache_fixture.h"

#include <pthread.h>
#include <stdatomic.h>

#define WORKERS 4

struct job;

struct worker {
    struct fixture *fixture;
    struct loop loop;
    struct account account;
    pthread_t thread;
    int error; /* of starting */
    struct inbox_node stop;
    uint64_t seed;
    struct list waiting; /* jobs that wait within the cache */
};

/* A request: fn runs on a fiber of worker. */
struct job {
    struct work work;
    struct inbox_node node;
    void (*fn)(struct job *job);
    struct worker *worker;
    struct fiber *fiber; /* parked by job_park() */
    struct list link;    /* in worker's waiting */
    struct cache_asker asker;
    int number;
    int answer;
    int result;
    _Atomic bool parked, ended;
    struct inbox_node open; /* wakes it */
    int open_result;
};

static struct worker workers[WORKERS];
static pthread_barrier_t started;
static struct weir_cache *cache;

/* ---- Workers and jobs */

static void job_run(void *owner, struct work *w)
{
    (void)owner;
    struct job *job = container_of(w, struct job, work);
    job->fn(job);
    atomic_store(&job->ended, true);
}

static void job_arrive(struct loop *l, struct inbox_node *node)
{
    loop_push_work(l, &container_of(node, struct job, node)->work);
}

static int job_park(void *arg)
{
    struct job *job = arg;
    job->fiber = job->worker->loop.fibers.current;
    list_push_back(&job->worker->waiting, &job->link);
    atomic_store(&job->parked, true);
    int result = fiber_park(&job->worker->loop.fibers);
    list_remove(&job->link);
    return result;
}

static void job_start(struct job *job, int worker, void (*fn)(struct job *), int number)
{
    *job = (struct job){.fn = fn, .worker = &workers[worker], .number = number, .node.fn = job_arrive};
    job->asker = (struct cache_asker){.loop = &job->worker->loop, .park = job_park, .arg = job};
    list_init(&job->link);
    loop_send(&job->worker->loop, &job->node);
}

static void pause_briefly(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
}

static void job_await_parked(struct job *job)
{
    while (!atomic_load(&job->parked))
        pause_briefly();
}

static void job_await_end(struct job *job)
{
    while (!atomic_load(&job->ended))
        pause_briefly();
}

static void job_opened(struct loop *l, struct inbox_node *node)
{
    (void)l;
    struct job *job = container_of(node, struct job, open);
    fiber_wake(job->fiber, job->open_result);
}

/* Wakes a parked job with result, from the test's thread. */
static void job_open(struct job *job, int result)
{
    job->open.fn = job_opened;
    job->open_result = result;
    atomic_store(&job->parked, false);
    loop_send(&job->worker->loop, &job->open);
}

static void await_waits(uint64_t n)
{
    weir_cache_stats stats;
    do {
        pause_briefly();
        cache_stats_read(cache, &stats);
    } while (stats.waits < n);
}

/* ThreadSanitizer wants a loop to be made on the thread that it runs on. */
static void *worker_main(void *arg)
{
    struct worker *w = arg;
    w->error = loop_init(&w->loop, &w->account, (size_t)64 * 1024, w, NULL);
    w->loop.work_fn = job_run;
    pthread_barrier_wait(&started);
    loop_run(&w->loop);
    loop_done(&w->loop);
    return NULL;
}

static void worker_stop(struct loop *l, struct inbox_node *node)
{
    (void)node;
    loop_stop(l);
}

static int workers_open(void **state)
{
    fixture_open(state);
    struct fixture *f = *state;
    cache = f->cache;
    pthread_barrier_init(&started, NULL, WORKERS + 1);
    for (int i = 0; i < WORKERS; i++) {
        struct worker *w = &workers[i];
        *w = (struct worker){.fixture = f, .seed = (uint64_t)i + 1, .stop.fn = worker_stop};
        list_init(&w->waiting);
        account_open(&w->account, &f->memory, "stacks");
        assert_int_equal(pthread_create(&w->thread, NULL, worker_main, w), 0);
    }
    pthread_barrier_wait(&started);
    for (int i = 0; i < WORKERS; i++)
        assert_int_equal(workers[i].error, 0);
    return 0;
}

static int workers_close(void **state)
{
    for (int i = 0; i < WORKERS; i++)
        loop_send(&workers[i].loop, &workers[i].stop);
    for (int i = 0; i < WORKERS; i++) {
        pthread_join(workers[i].thread, NULL);
        account_close(&workers[i].account);
    }
    pthread_barrier_destroy(&started);
    return fixture_close(state);
}

/* ---- One computation for many */

static _Atomic int computations;
static _Atomic int failures_left;
static const void *_Atomic answer_data;

/* Asks for "key"; whoever computes parks until the test opens it, and fails as often as the test says. */
static void ask_gated(struct job *job)
{
    struct weir_cache_slot slot = {0};
    struct weir_value *v;
    job->answer = cache_ask(cache, &slot, &job->asker, SLICE("key"), &v);
    if (job->answer == CACHE_COMPUTE) {
        atomic_fetch_add(&computations, 1);
        int error = job_park(job);
        if (atomic_load(&failures_left) > 0) {
            atomic_fetch_sub(&failures_left, 1);
            error = WEIR_EIO;
        }
        if (!error)
            error = cache_put(&slot, "gated", 5);
        job->result = cache_finish(&slot, error, &v);
    } else if (job->answer < 0) {
        job->result = job->answer;
    }
    if (v) {
        const void *none = NULL;
        atomic_compare_exchange_strong(&answer_data, &none, value_data(v));
        job->number = atomic_load(&answer_data) == value_data(v) && memcmp(value_data(v), "gated", 5) == 0;
    }
    value_unref(v);
}

static void gate_reset(int failures)
{
    atomic_store(&computations, 0);
    atomic_store(&failures_left, failures);
    atomic_store(&answer_data, NULL);
}

#define ASKERS 200

static void test_one_computation(void **state)
{
    (void)state;
    static struct job jobs[ASKERS];
    gate_reset(0);
    job_start(&jobs[0], 0, ask_gated, 0);
    job_await_parked(&jobs[0]);
    for (int i = 1; i < ASKERS; i++)
        job_start(&jobs[i], i % WORKERS, ask_gated, 0);
    await_waits(ASKERS - 1);
    job_open(&jobs[0], 0);
    for (int i = 0; i < ASKERS; i++) {
        job_await_end(&jobs[i]);
        assert_int_equal(jobs[i].answer, i == 0 ? CACHE_COMPUTE : CACHE_WAITED);
        assert_int_equal(jobs[i].number, 1); /* all got the same bytes */
    }
    assert_int_equal(atomic_load(&computations), 1);
    weir_cache_stats stats;
    cache_stats_read(cache, &stats);
    assert_int_equal(stats.misses, 1);
    assert_int_equal(stats.entries, 1);
}

static void test_take_over(void **state)
{
    (void)state;
    static struct job jobs[8];
    gate_reset(3);
    job_start(&jobs[0], 0, ask_gated, 0);
    job_await_parked(&jobs[0]);
    for (int i = 1; i < 8; i++) {
        job_start(&jobs[i], i % WORKERS, ask_gated, 0);
        await_waits((uint64_t)i);
    }
    /* The first three fail in turn, and each gets its own failure; the fourth answers the rest. */
    for (int i = 0; i < 4; i++) {
        while (atomic_load(&computations) != i + 1)
            pause_briefly();
        job_await_parked(&jobs[i]);
        pause_briefly();
        job_open(&jobs[i], 0);
        job_await_end(&jobs[i]);
        assert_int_equal(jobs[i].answer, CACHE_COMPUTE);
        assert_int_equal(jobs[i].result, i < 3 ? WEIR_EIO : 0);
    }
    for (int i = 4; i < 8; i++) {
        job_await_end(&jobs[i]);
        assert_int_equal(jobs[i].answer, CACHE_WAITED);
        assert_int_equal(jobs[i].number, 1);
    }
    assert_int_equal(atomic_load(&computations), 4);
    weir_cache_stats stats;
    cache_stats_read(cache, &stats);
    assert_int_equal(stats.failures, 3);
}

/* One that waits is cut and leaves; the rest go on. */
static void test_cut_waiter(void **state)
{
    (void)state;
    static struct job jobs[4];
    gate_reset(0);
    job_start(&jobs[0], 0, ask_gated, 0);
    job_await_parked(&jobs[0]);
    for (int i = 1; i < 4; i++)
        job_start(&jobs[i], i, ask_gated, 0);
    await_waits(3);
    job_await_parked(&jobs[2]);
    job_open(&jobs[2], WEIR_ECLOSED);
    job_await_end(&jobs[2]);
    assert_int_equal(jobs[2].answer, WEIR_ECLOSED);
    job_open(&jobs[0], 0);
    for (int i = 0; i < 4; i++) {
        job_await_end(&jobs[i]);
        assert_int_equal(jobs[i].number, i != 2);
    }
}

/* ---- Circles */

/* Computes "a" (even number) or "b", and for it asks for the other. */
static void ask_crossed(struct job *job)
{
    struct slice own = job->number % 2 ? SLICE("b") : SLICE("a"), other = job->number % 2 ? SLICE("a") : SLICE("b");
    struct weir_cache_slot slot = {0}, inner = {0};
    struct weir_value *v, *part;
    if (cache_ask(cache, &slot, &job->asker, own, &v) != CACHE_COMPUTE)
        return;
    job_park(job);
    job->answer = cache_ask(cache, &inner, &job->asker, other, &part);
    if (job->answer == CACHE_COMPUTE)
        job->result = cache_put(&inner, "made", 4) + cache_finish(&inner, 0, &part);
    int error = part ? cache_put(&slot, value_data(part), value_size(part)) : job->answer;
    job->result = cache_finish(&slot, error, &v);
    value_unref(part);
    value_unref(v);
}

static void test_circle(void **state)
{
    (void)state;
    static struct job jobs[2];
    for (int i = 0; i < 2; i++) {
        job_start(&jobs[i], i, ask_crossed, i);
        job_await_parked(&jobs[i]);
    }
    pause_briefly();
    job_open(&jobs[0], 0);
    await_waits(1);
    job_open(&jobs[1], 0);
    for (int i = 0; i < 2; i++)
        job_await_end(&jobs[i]);
    /* The second would close the circle and is refused; the first then takes its computation over. */
    assert_int_equal(jobs[1].answer, WEIR_EDEADLK);
    assert_int_equal(jobs[1].result, WEIR_EDEADLK);
    assert_int_equal(jobs[0].answer, CACHE_COMPUTE);
    assert_int_equal(jobs[0].result, 0);
}

/* As many caches as askers: each computes a key of the same name in its own, and for it asks for the next one's. */
#define RING_MAX 3
static struct weir_cache *ring[RING_MAX];
static int ring_size;

static void ask_ring(struct job *job)
{
    struct weir_cache_slot slot = {0}, inner = {0};
    struct weir_value *v, *part;
    if (cache_ask(ring[job->number], &slot, &job->asker, SLICE("key"), &v) != CACHE_COMPUTE)
        return;
    job_park(job);
    job->answer = cache_ask(ring[(job->number + 1) % ring_size], &inner, &job->asker, SLICE("key"), &part);
    if (job->answer == CACHE_COMPUTE)
        job->result = cache_put(&inner, "made", 4) + cache_finish(&inner, 0, &part);
    int error = part ? cache_put(&slot, value_data(part), value_size(part)) : job->answer;
    job->result = cache_finish(&slot, error, &v);
    value_unref(part);
    value_unref(v);
}

static void ring_open(struct fixture *f, int size)
{
    ring_size = size;
    for (int i = 0; i < size; i++) {
        ring[i] = cache_new(&f->memory, &f->waits, &(weir_cache_config){.name = "ring"});
        assert_non_null(ring[i]);
    }
}

static void ring_close(void)
{
    for (int i = 0; i < ring_size; i++)
        cache_free(ring[i]);
}

static void await_ring_wait(int i)
{
    weir_cache_stats stats;
    do {
        pause_briefly();
        cache_stats_read(ring[i], &stats);
    } while (stats.waits == 0);
}

/* The last one would close the circle and is refused; the others get what they wait for. */
static void circle_of_caches(struct fixture *f, int size)
{
    static struct job jobs[RING_MAX];
    ring_open(f, size);
    for (int i = 0; i < size; i++) {
        job_start(&jobs[i], i % WORKERS, ask_ring, i);
        job_await_parked(&jobs[i]);
    }
    for (int i = 0; i < size; i++) {
        job_open(&jobs[i], 0);
        if (i < size - 1)
            await_ring_wait((i + 1) % size);
    }
    for (int i = 0; i < size; i++)
        job_await_end(&jobs[i]);
    assert_int_equal(jobs[size - 1].answer, WEIR_EDEADLK);
    assert_int_equal(jobs[size - 1].result, WEIR_EDEADLK);
    for (int i = 0; i < size - 1; i++) {
        assert_int_equal(jobs[i].answer, i == size - 2 ? CACHE_COMPUTE : CACHE_WAITED);
        assert_int_equal(jobs[i].result, 0);
    }
    ring_close();
}

static void test_circle_of_two_caches(void **state)
{
    circle_of_caches(*state, 2);
}

static void test_circle_of_three_caches(void **state)
{
    circle_of_caches(*state, 3);
}

/* Within its own computation, by way of another cache: nobody else is there to wait for. */
static void ask_itself(struct job *job)
{
    struct weir_cache_slot outer = {0}, middle = {0}, inner = {0};
    struct weir_value *v;
    if (cache_ask(ring[0], &outer, &job->asker, SLICE("key"), &v) != CACHE_COMPUTE ||
        cache_ask(ring[1], &middle, &job->asker, SLICE("key"), &v) != CACHE_COMPUTE)
        return;
    job->answer = cache_ask(ring[0], &inner, &job->asker, SLICE("key"), &v);
    job->result = cache_finish(&middle, WEIR_EIO, &v);
    job->result += cache_finish(&outer, WEIR_EIO, &v);
}

static void test_circle_of_one(void **state)
{
    static struct job job;
    ring_open(*state, 2);
    job_start(&job, 0, ask_itself, 0);
    job_await_end(&job);
    assert_int_equal(job.answer, WEIR_EDEADLK);
    assert_int_equal(job.result, 2 * WEIR_EIO);
    ring_close();
}

/* ---- Everything at once */

#define STORM_KEYS 120
#define STORM_JOBS 64

#if defined(WEIR_TSAN) || defined(WEIR_ASAN)
#define STORM_ROUNDS 1000
#else
#define STORM_ROUNDS 10000
#endif

static _Atomic int storm_wrong, storm_cuts, storm_circles;

/* Two caches, so that who waits for whom leads from one to the other and back. */
static struct weir_cache *storm_cache(int key)
{
    return key % 4 == 1 ? ring[0] : cache;
}

static void storm_check(const struct weir_value *v, int key)
{
    const unsigned char *bytes = value_data(v);
    for (size_t i = 0; i < value_size(v); i += 97)
        if (bytes[i] != key)
            atomic_fetch_add(&storm_wrong, 1);
}

static int storm_compute(struct job *job, struct weir_cache_slot *slot, int key)
{
    static const size_t sizes[] = {1, 100, 3000, 20000, 70000};
    struct worker *w = job->worker;
    unsigned char data[4096];
    unsigned char *large = NULL;
    size_t len = sizes[test_random(&w->seed) % 5];
    for (uint64_t n = test_random(&w->seed) % 4; n > 0; n--)
        fiber_yield(&w->loop.fibers);
    if (test_random(&w->seed) % 6 == 0)
        return WEIR_EIO;
    unsigned char *value = data;
    if (len > sizeof data) {
        value = large = malloc(len);
        if (!large)
            return WEIR_ENOMEM;
    }
    memset(value, key, len);
    int error = cache_put(slot, value, len);
    free(large);
    return error;
}

/* Cuts a job of this worker that waits. */
static void storm_cut(struct worker *w)
{
    if (!list_empty(&w->waiting))
        fiber_wake(container_of(w->waiting.next, struct job, link)->fiber, WEIR_ECLOSED);
}

static void storm_ask(struct job *job, int key, int depth)
{
    struct worker *w = job->worker;
    struct weir_cache *of = storm_cache(key);
    char name[16];
    snprintf(name, sizeof name, "%d", key);
    struct weir_value *v = cache_find(of, slice_from(name), w->loop.now_ns);
    if (!v) {
        struct weir_cache_slot slot = {0};
        int answer = cache_ask(of, &slot, &job->asker, slice_from(name), &v);
        if (answer == WEIR_EDEADLK)
            atomic_fetch_add(&storm_circles, 1);
        if (answer == WEIR_ECLOSED)
            atomic_fetch_add(&storm_cuts, 1);
        if (answer == CACHE_COMPUTE) {
            if (depth < 2 && test_random(&w->seed) % 3 == 0)
                storm_ask(job, (int)(test_random(&w->seed) % STORM_KEYS), depth + 1);
            (void)cache_finish(&slot, storm_compute(job, &slot, key), &v);
        }
    }
    if (!v)
        return;
    storm_check(v, key);
    for (uint64_t n = test_random(&w->seed) % 3; n > 0; n--)
        fiber_yield(&w->loop.fibers);
    storm_check(v, key);
    value_unref(v);
}

/* Time in which the answer may come, or the computation be given up. */
static void storm_before_wait(void *arg)
{
    struct job *job = arg;
    fiber_yield(&job->worker->loop.fibers);
}

static void storm(struct job *job)
{
    struct worker *w = job->worker;
    job->asker.before_wait = job->number % 2 ? storm_before_wait : NULL;
    for (int i = 0; i < STORM_ROUNDS; i++) {
        uint64_t dice = test_random(&w->seed);
        int key = (int)(dice % STORM_KEYS);
        storm_ask(job, dice % 3 == 0 ? key : key % 8, 0);
        if (dice % 23 == 0)
            storm_cut(w);
        if (dice % 7 == 0) {
            char name[16];
            snprintf(name, sizeof name, "%d", key);
            cache_remove(storm_cache(key), slice_from(name));
        }
        fiber_yield(&w->loop.fibers);
    }
    job->result = job->asker.current != NULL;
}

static void test_storm(void **state)
{
    struct fixture *f = *state;
    static struct job jobs[STORM_JOBS];
    ring_open(f, 1);
    for (int i = 0; i < STORM_JOBS; i++)
        job_start(&jobs[i], i % WORKERS, storm, i);
    for (int i = 0; i < STORM_JOBS; i++) {
        job_await_end(&jobs[i]);
        assert_int_equal(jobs[i].result, 0);
        assert_true(counter_read(&f->cache->account.reserved) <= TEST_BYTES);
    }
    assert_int_equal(atomic_load(&storm_wrong), 0);
    weir_cache_stats stats;
    cache_stats_read(cache, &stats);
    printf("hits %llu, misses %llu, waits %llu, cuts %d, evictions %llu, failures %llu\n",
           (unsigned long long)stats.hits, (unsigned long long)stats.misses, (unsigned long long)stats.waits,
           atomic_load(&storm_cuts), (unsigned long long)stats.evictions, (unsigned long long)stats.failures);
    assert_true(atomic_load(&storm_cuts) > 0 && atomic_load(&storm_circles) > 0 && stats.hits > 0 && stats.waits > 0 &&
                stats.failures > 0 && stats.evictions > 0);
    cache_lock_acquire(&cache->lock);
    for (int i = 0; i < CACHE_FLIGHT_BUCKETS; i++)
        assert_null(cache->flights[i]);
    cache_lock_release(&cache->lock);
    ring_close();
}

#define FLIGHT_TEST(test) cmocka_unit_test_setup_teardown(test, workers_open, workers_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FLIGHT_TEST(test_one_computation),      FLIGHT_TEST(test_take_over),
        FLIGHT_TEST(test_cut_waiter),           FLIGHT_TEST(test_circle),
        FLIGHT_TEST(test_circle_of_two_caches), FLIGHT_TEST(test_circle_of_three_caches),
        FLIGHT_TEST(test_circle_of_one),        FLIGHT_TEST(test_storm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
