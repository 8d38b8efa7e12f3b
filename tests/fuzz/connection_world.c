/*
 * The world of the connection targets: a server whose worker turns as a test says, and its clock.
 *
 * SPDX-License-Identifier: MIT
 */
#include "connection_world.h"
#include "connection_site.h"
#include "fuzz.h"
#include "http/pools.h"
#include "server/pools.h"
#include "server/server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <semaphore.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#define TURNS_MAX  100000 /* of one step: beyond it the worker spins */
#define TRIM_EVERY 512
#define OFFLOAD_MS 10000

/* ---- The clock ---- */

static uint64_t virtual_ns = (uint64_t)1000 * 1000000000;

int clock_gettime(clockid_t id, struct timespec *t)
{
    if (id != CLOCK_MONOTONIC)
        return (int)syscall(SYS_clock_gettime, id, t);
    t->tv_sec = (time_t)(virtual_ns / 1000000000);
    t->tv_nsec = (long)(virtual_ns % 1000000000);
    return 0;
}

/* ---- The worker ---- */

static struct {
    weir_server *server;
    struct worker *worker;
    void (*turn_fn)(void *owner);
    sem_t go, done;
    world_fn run;
    const uint8_t *data;
    size_t size;
    uint64_t runs;
    uint64_t reserved; /* by the ledger's accounts, when all was back and trimmed */
} world;

static void turn_ended(void *owner)
{
    world.turn_fn(owner);
    loop_stop(&world.worker->loop);
}

static void turn(void)
{
    struct loop *l = &world.worker->loop;
    uint64_t one = 1;
    FUZZ_CHECK(write(l->wake_fd, &one, sizeof one) == sizeof one); /* so that it does not wait */
    l->stopped = false;
    loop_run(l);
}

static bool offload_is_busy(struct offload *o)
{
    offload_lock_acquire(&o->lock);
    bool busy = o->queued > 0 || o->threads > o->idle;
    offload_lock_release(&o->lock);
    return busy;
}

static bool worker_has_work(int timeout_ms)
{
    struct loop *l = &world.worker->loop;
    struct pollfd p = {.fd = l->poller.fd, .events = POLLIN};
    return !list_empty(&l->fibers.ready) || l->work_first || poll(&p, 1, timeout_ms) > 0;
}

void world_pass_time(uint32_t ms)
{
    virtual_ns += (uint64_t)ms * 1000000;
    turn();
}

/* Turns until the worker has nothing left to do but to wait for the client. */
void world_settle(void)
{
    for (int turns = 0; turns < TURNS_MAX; turns++) {
        if (worker_has_work(0))
            turn();
        else if (offload_is_busy(&world.server->offload))
            FUZZ_CHECK(worker_has_work(OFFLOAD_MS));
        else if (site_counts.sleeping > 0)
            world_pass_time(SITE_SLEEP_MS);
        else
            return;
    }
    FUZZ_CHECK(!worker_has_work(0)); /* it spins */
}

/* ---- After it ---- */

static void check_account(const struct account *a)
{
    FUZZ_CHECK(counter_read(&a->objects) == 0 && counter_read(&a->in_use) == 0);
}

static uint64_t ledger_reserved(void)
{
    static weir_ledger ledger;
    weir_ledger_read(world.server, &ledger);
    return ledger.reserved;
}

static void check_trimmed(void)
{
    struct worker *w = world.worker;
    pools_trim(http_pools, &w->http, true);
    pools_trim(worker_pools, w, true);
    net_trim(&w->net, true);
    fibers_trim(&w->loop.fibers, true);
    uint64_t reserved = ledger_reserved();
    FUZZ_CHECK(world.reserved == 0 || reserved <= world.reserved);
    world.reserved = reserved;
}

void world_check_back(int lowest_fd)
{
    struct worker *w = world.worker;
    for (int turns = 0; turns < 100 && counter_read(&w->net.open) > 0; turns++) {
        world_pass_time(SITE_TIMEOUT_MS / 4);
        world_settle();
    }
    FUZZ_CHECK(counter_read(&w->net.open) == 0 && counter_read(&world.server->open) == 0);
    check_account(&w->net.account);
    check_account(&w->http.record_account);
    check_account(&w->http.buffer_account);
    check_account(&w->http.arena_account);
    check_account(&w->http.spill_account);
    const struct http_counters *counters = &w->http.counters;
    FUZZ_CHECK(counter_read(&counters->draining) == 0 && counter_read(&counters->lingering) == 0);
    FUZZ_CHECK(counter_read(&counters->unlike_requests) == 0);
    FUZZ_CHECK(counter_read(&counters->h2_live) == 0 && counter_read(&counters->streams) == 0);
    FUZZ_CHECK(counter_read(&counters->streams_waiting) == 0);
    FUZZ_CHECK(w->loop.fibers.total == w->loop.fibers.idle_count);
    FUZZ_CHECK(site_counts.deferred == site_counts.undone && site_counts.announced == site_counts.settled);
    int fd = fcntl(0, F_DUPFD, 0);
    FUZZ_CHECK(fd == lowest_fd);
    close(fd);
    if (world.runs % TRIM_EVERY == 0)
        check_trimmed();
}

static void *worker_begins(void *server_data, int index)
{
    FUZZ_CHECK(!server_data && index == 0);
    world.worker = &world.server->workers[0];
    world.turn_fn = world.worker->loop.turn_fn;
    world.worker->loop.turn_fn = turn_ended;
    for (;;) {
        FUZZ_CHECK(sem_wait(&world.go) == 0);
        world.runs++;
        world.run(world.data, world.size);
        sem_post(&world.done);
    }
}

static void world_make(bool http2)
{
    FUZZ_CHECK(sem_init(&world.go, 0, 0) == 0 && sem_init(&world.done, 0, 0) == 0);
    world.server = site_new(worker_begins, http2);
    int error = weir_server_start(world.server);
    if (error)
        fprintf(stderr, "%s\n%s", weir_strerror(error), weir_server_errors(world.server));
    FUZZ_CHECK(error == 0);
}

struct worker *world_worker(void)
{
    return world.worker;
}

void world_run(world_fn fn, bool http2, const uint8_t *data, size_t size)
{
    if (!world.server)
        world_make(http2);
    world.run = fn;
    world.data = data;
    world.size = size;
    sem_post(&world.go);
    while (sem_wait(&world.done) != 0)
        FUZZ_CHECK(errno == EINTR);
}
