/*
 * A whole connection: the server's own worker, loop and sockets, with a model of what it has to answer.
 *
 * The input's first byte sets the scene, the second one where the bytes are cut. What follows is sent, but for 0xff,
 * which begins an instruction: cut, pause, end this side, reset, stop reading, go on, stop the server, cut what runs,
 * or send a field of some length, so that a head that nearly fills the buffer is a short input. After each piece the
 * worker turns until it has nothing to do, and what the client has received by then is compared with the model. At the
 * end every account of the ledger, every fiber and every descriptor has to be back.
 *
 * The worker's thread is the server's; it is stopped before it serves and turns only as this file says, and its
 * monotonic clock stands still but for the pauses. So an input does the same each time.
 *
 * SPDX-License-Identifier: MIT
 */
#include "connection_model.h"
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
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define TURNS_MAX    100000 /* of one step: beyond it the worker spins */
#define PAUSE_MS     20
#define PAUSES_MAX   100
#define TRIM_EVERY   512
#define OUTPUT_MAX   ((size_t)4 << 20)
#define OFFLOAD_MS   10000
#define PADDING      'f' /* the instruction for a field; its argument is a byte */
#define PADDING_UNIT 6   /* bytes of the field's value for each of the argument */
#define PADDING_MAX  ((size_t)UINT8_MAX * PADDING_UNIT + 16)

/* Random cuts; a small buffer; the client does not read at first; it waits for the server to give it up; it does not
 * read then either. */
enum scene { SCENE_CUTS = 1, SCENE_NARROW = 2, SCENE_STALLED = 4, SCENE_TIME = 8, SCENE_NEVER = 16 };

/* The most bytes that a script of this size sends. */
static size_t script_most(size_t size)
{
    return size + (size / 3 + 1) * PADDING_MAX;
}

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

static void pass_time(uint32_t ms)
{
    virtual_ns += (uint64_t)ms * 1000000;
    turn();
}

/* Turns until the worker has nothing left to do but to wait for the client. */
static void settle(void)
{
    for (int turns = 0; turns < TURNS_MAX; turns++) {
        if (worker_has_work(0))
            turn();
        else if (offload_is_busy(&world.server->offload))
            FUZZ_CHECK(worker_has_work(OFFLOAD_MS));
        else if (site_counts.sleeping > 0)
            pass_time(SITE_SLEEP_MS);
        else
            return;
    }
    FUZZ_CHECK(!worker_has_work(0)); /* it spins */
}

/* ---- The client ---- */

struct client {
    int fd;
    bool half_closed; /* this side */
    bool reading;
    bool ended;   /* the server's side: the end, or an error, has been read */
    bool refuses; /* writing fails: the server has closed, or does not read and the kernel holds no more */
    uint32_t seed;
    int pauses;
    size_t sent_len, output_len;
    char *sent;
};

static char output[OUTPUT_MAX];

static size_t client_read(struct client *c, size_t most)
{
    size_t room = OUTPUT_MAX - c->output_len;
    FUZZ_CHECK(room > 0);
    ssize_t got = c->ended ? 0 : recv(c->fd, output + c->output_len, most < room ? most : room, MSG_DONTWAIT);
    if (got > 0) {
        c->output_len += (size_t)got;
        return (size_t)got;
    }
    if (got == 0 || errno != EAGAIN)
        c->ended = true;
    return 0;
}

/* Compares what has been received with the model. Returns how many handlers should have run. */
static uint64_t client_check(struct client *c, bool whole, bool silent)
{
    static struct model model;
    enum model_side side = c->half_closed ? SIDE_HALF_CLOSED : silent ? SIDE_SILENT : SIDE_OPEN;
    model_run(&model, slice_of(c->sent, c->sent_len), side);
    return model_compare(&model, slice_of(output, c->output_len), c->ended, whole, side);
}

/* All that the worker does now, and all that it says. */
static void client_settle(struct client *c)
{
    settle();
    while (c->reading && client_read(c, OUTPUT_MAX) > 0)
        settle();
    (void)client_check(c, c->reading, false);
}

static void client_send(struct client *c, const char *data, size_t len)
{
    while (len > 0 && !c->refuses && !c->half_closed) {
        ssize_t sent = send(c->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
        FUZZ_CHECK(sent > 0 || errno == EPIPE || errno == ECONNRESET || errno == EAGAIN);
        c->refuses = sent < 0;
        if (sent > 0) {
            memcpy(c->sent + c->sent_len, data, (size_t)sent);
            c->sent_len += (size_t)sent;
            data += sent;
            len -= (size_t)sent;
        }
    }
    client_settle(c);
}

static void client_send_cut(struct client *c, const char *data, size_t len, unsigned scene)
{
    while (len > 0) {
        size_t piece = scene & SCENE_CUTS ? fuzz_cut(&c->seed, len) : len;
        client_send(c, data, piece);
        data += piece;
        len -= piece;
    }
}

/* The server stops. What it has said by then is right as far as it goes, and it may say that the connection ends. */
static void client_let_go(struct client *c)
{
    settle();
    while (client_read(c, OUTPUT_MAX) > 0)
        settle();
    c->half_closed = true;
    (void)client_check(c, false, false);
}

/* Returns false when the connection is over for the client. */
static bool client_obey(struct client *c, uint8_t instruction)
{
    switch (instruction) {
    case 'h':
        shutdown(c->fd, SHUT_WR);
        c->half_closed = true;
        break;
    case 'r':
        return false;
    case 'd':
        net_drain(&world.worker->net);
        client_let_go(c);
        return false;
    case 'x':
        net_cut(&world.worker->net);
        client_let_go(c);
        return false;
    case 's':
        c->reading = false;
        break;
    case 'g':
        c->reading = true;
        break;
    case 'o':
        (void)client_read(c, 100);
        break;
    case 'p':
        if (c->pauses++ < PAUSES_MAX)
            pass_time(PAUSE_MS);
        break;
    default:
        break; /* a cut */
    }
    client_settle(c);
    return true;
}

/* The bytes up to the next instruction but PADDING, whose fields are among them. Returns how many there are; *at is
 * moved behind them. */
static size_t script_text(const uint8_t *data, size_t size, size_t *at, char *text)
{
    size_t len = 0;
    while (*at < size) {
        bool padding = data[*at] == 0xff && *at + 2 < size && data[*at + 1] == PADDING;
        if (padding) {
            int units = data[*at + 2] * PADDING_UNIT;
            len += (size_t)snprintf(text + len, PADDING_MAX, "P: %0*d\r\n", units, 0);
            *at += 3;
        } else if (data[*at] == 0xff) {
            break;
        } else {
            text[len++] = (char)data[(*at)++];
        }
    }
    return len;
}

/* Sends the script; false if it has reset the connection. */
static bool client_play(struct client *c, const uint8_t *data, size_t size, unsigned scene)
{
    char *text = malloc(script_most(size));
    FUZZ_CHECK(text);
    bool goes_on = true;
    for (size_t at = 0; goes_on && at < size;) {
        client_send_cut(c, text, script_text(data, size, &at, text), scene);
        if (at == size)
            break;
        uint8_t instruction = at + 1 < size ? data[at + 1] : 0;
        at += 2;
        if (instruction == 0xff)
            client_send(c, "\xff", 1);
        else
            goes_on = client_obey(c, instruction);
    }
    free(text);
    if (!goes_on)
        return false;
    c->reading |= !(scene & SCENE_TIME) || !(scene & SCENE_NEVER);
    client_settle(c);
    return true;
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

static void check_back(int lowest_fd)
{
    struct worker *w = world.worker;
    for (int turns = 0; turns < 100 && counter_read(&w->net.open) > 0; turns++) {
        pass_time(SITE_TIMEOUT_MS / 4);
        settle();
    }
    FUZZ_CHECK(counter_read(&w->net.open) == 0 && counter_read(&world.server->open) == 0);
    check_account(&w->net.account);
    check_account(&w->http.record_account);
    check_account(&w->http.buffer_account);
    check_account(&w->http.arena_account);
    check_account(&w->http.spill_account);
    FUZZ_CHECK(w->loop.fibers.total == w->loop.fibers.idle_count);
    FUZZ_CHECK(site_counts.deferred == site_counts.undone && site_counts.announced == site_counts.settled);
    int fd = fcntl(0, F_DUPFD, 0);
    FUZZ_CHECK(fd == lowest_fd);
    close(fd);
    if (world.runs % TRIM_EVERY == 0)
        check_trimmed();
}

static void run(const uint8_t *data, size_t size)
{
    int lowest_fd = fcntl(0, F_DUPFD, 0);
    FUZZ_CHECK(lowest_fd >= 0 && close(lowest_fd) == 0);
    int ends[2];
    FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
    unsigned scene = data[0];
    int least = 1;
    if (scene & SCENE_NARROW)
        FUZZ_CHECK(setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &least, sizeof least) == 0);
    struct client c = {
        .fd = ends[0], .reading = !(scene & SCENE_STALLED), .seed = data[1], .sent = malloc(script_most(size))};
    FUZZ_CHECK(c.sent && net_adopt(&world.worker->net, ends[1], 0, 0) == 0);
    uint64_t handled = site_counts.handled;
    bool complete = client_play(&c, data + 2, size - 2, scene);
    if (complete && c.reading)
        FUZZ_CHECK(site_counts.handled - handled == client_check(&c, true, false));
    if (complete && (scene & SCENE_TIME)) {
        bool whole = c.reading;
        check_back(lowest_fd + 1); /* the server gives the client up; this end stays */
        while (client_read(&c, OUTPUT_MAX) > 0)
            ;
        (void)client_check(&c, whole, true);
        close(c.fd);
    } else {
        close(c.fd);
        settle();
        check_back(lowest_fd);
    }
    world.worker->net.draining = world.worker->net.cutting = false;
    free(c.sent);
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
        run(world.data, world.size);
        sem_post(&world.done);
    }
}

static void world_make(void)
{
    FUZZ_CHECK(sem_init(&world.go, 0, 0) == 0 && sem_init(&world.done, 0, 0) == 0);
    world.server = site_new(worker_begins);
    int error = weir_server_start(world.server);
    if (error)
        fprintf(stderr, "%s\n%s", weir_strerror(error), weir_server_errors(world.server));
    FUZZ_CHECK(error == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > 16384)
        return 0;
    if (!world.server)
        world_make();
    world.data = data;
    world.size = size;
    sem_post(&world.go);
    while (sem_wait(&world.done) != 0)
        FUZZ_CHECK(errno == EINTR);
    return 0;
}
