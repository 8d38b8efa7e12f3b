/*
 * Connections over a transport by a script and a real loop, turn by turn: what the tests of them share.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_TESTS_CONNECTION_FIXTURE_H
#define WEIR_TESTS_CONNECTION_FIXTURE_H

#include "fake_transport.h"
#include "net/listener.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LISTENER_PLAIN, LISTENER_FAKE, LISTENER_HANDSHAKE, LISTENER_COUNT };

/* What a protocol of the tests was told. */
struct heard {
    unsigned opened, ready, expired, run, drained, cut;
    uint32_t events;    /* of the last ready() */
    char data[64];      /* that opened() was given, or run() has read */
    size_t len;         /* of that */
    size_t piece;       /* bytes that a read is given room for */
    unsigned most;      /* reads that run() makes */
    ssize_t result;     /* of the last read */
    bool alive;         /* cut and expired leave the connection */
    uint8_t last_flags; /* state and flags that opened() found */
};

struct fixture {
    struct memory memory;
    struct account stacks;
    struct loop loop;
    struct net net;
    struct log log;
    _Atomic uint64_t open;
    struct listen_spec listeners[LISTENER_COUNT];
    struct inbox_node wake;
    struct connection *c;
    int peer;
};

static struct heard first, second;

static inline void told(struct heard *h, const char *data, size_t len)
{
    size_t room = sizeof h->data - 1 - h->len;
    len = len < room ? len : room;
    if (len > 0)
        memcpy(h->data + h->len, data, len);
    h->len += len;
}

static inline void opened(struct heard *h, struct net *n, struct connection *c, const char *data, size_t len)
{
    h->opened++;
    h->last_flags = c->state | c->flags;
    told(h, data, len);
    connection_deadline(n, c, 10000);
}

static inline void first_opened(struct net *n, struct connection *c, const char *data, size_t len)
{
    opened(&first, n, c, data, len);
    c->state = c->flags = 7;
    connection_queue(n, c);
}

static inline void first_ready(struct net *n, struct connection *c, uint32_t events)
{
    first.ready++;
    first.events = events;
    if (events & (POLLER_READ | POLLER_HALF_CLOSED))
        connection_queue(n, c);
}

static inline void first_run(struct net *n, struct connection *c)
{
    char buf[64];
    first.run++;
    if (n->cutting) {
        connection_close(n, c, true);
        return;
    }
    for (unsigned i = 0; i < first.most && (c->ready & READY_READ); i++) {
        first.result = connection_read(n, c, buf, first.piece);
        if (first.result <= 0)
            break;
        told(&first, buf, (size_t)first.result);
    }
}

static inline void first_expired(struct net *n, struct connection *c)
{
    first.expired++;
    if (!first.alive)
        connection_close(n, c, false);
}

static inline void first_drain(struct net *n, struct connection *c)
{
    (void)n;
    (void)c;
    first.drained++;
}

static inline void first_cut(struct net *n, struct connection *c)
{
    first.cut++;
    if (!(c->ready & READY_QUEUED)) /* else first_run() does */
        connection_close(n, c, true);
}

static inline uint32_t first_stalled(struct net *n, struct connection *c)
{
    (void)n;
    (void)c;
    return 0;
}

static const struct protocol protocol_first = {
    .opened = first_opened,
    .ready = first_ready,
    .expired = first_expired,
    .run = first_run,
    .drain = first_drain,
    .cut = first_cut,
    .stalled = first_stalled,
    .give_up = first_cut,
};

/* ---- The loop, turn by turn ---- */

static inline void turn_over(void *owner)
{
    loop_stop(((struct net *)owner)->loop);
}

static inline void woken(struct loop *l, struct inbox_node *node)
{
    (void)l;
    (void)node;
}

/* A turn that waits for nothing. */
static inline void turn(struct fixture *f)
{
    loop_send(&f->loop, &f->wake);
    f->loop.stopped = false;
    loop_run(&f->loop);
}

static inline void turns(struct fixture *f, int count)
{
    while (count-- > 0)
        turn(f);
}

/* Turns that wait for timers and sockets, until the last connection is closed. */
static inline void until_closed(struct fixture *f)
{
    while (counter_read(&f->net.open) > 0) {
        f->loop.stopped = false;
        loop_run(&f->loop);
    }
}

static inline int fixture_open(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    first = second = (struct heard){.piece = 64, .most = 100};
    fake_play(NULL, 0);
    memory_init(&f->memory, 0);
    account_open(&f->stacks, &f->memory, "stacks");
    assert_int_equal(loop_init(&f->loop, &f->stacks, 65536, NULL, &f->log), 0);
    net_init(&f->net, &f->loop, &f->memory, NULL);
    f->net.shared_open = &f->open;
    f->net.handshake_timeout_ms = 10000;
    for (size_t i = 0; i < LISTENER_COUNT; i++)
        f->listeners[i].protocol = &protocol_first;
    f->listeners[LISTENER_FAKE].transport = &transport_fake;
    f->listeners[LISTENER_HANDSHAKE].transport = &transport_fake_handshake;
    assert_int_equal(net_listen(&f->net, f->listeners, LISTENER_COUNT), 0);
    f->loop.turn_fn = turn_over;
    f->wake.fn = woken;
    f->peer = -1;
    *state = f;
    return 0;
}

static inline int fixture_close(void **state)
{
    struct fixture *f = *state;
    net_cut(&f->net);
    turn(f);
    assert_int_equal(counter_read(&f->net.open), 0);
    assert_int_equal(atomic_load(&f->open), 0);
    assert_int_equal(counter_read(&f->net.account.in_use), 0);
    if (f->peer >= 0)
        close(f->peer);
    net_done(&f->net);
    loop_done(&f->loop);
    account_close(&f->stacks);
    memory_done(&f->memory);
    free(f);
    return 0;
}

static inline void find(void *arg, void *object)
{
    ((struct fixture *)arg)->c = object;
}

/* A connection of that listener; f->c, unless it is closed already. */
static inline void adopt(struct fixture *f, uint8_t listener)
{
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    f->peer = ends[0];
    assert_int_equal(net_adopt(&f->net, ends[1], listener, 0), 0);
    f->c = NULL;
    net_each(&f->net, find, f);
}

static inline void say(struct fixture *f, const char *text)
{
    assert_int_equal(write(f->peer, text, strlen(text)), (ssize_t)strlen(text));
}

/* Takes what the socket's peer has sent, so that the fake, which reads nothing, need not. */
static inline void stuff(int fd)
{
    char zeros[4096] = {0};
    while (write(fd, zeros, sizeof zeros) > 0)
        ;
}

static inline void unstuff(int fd)
{
    char dropped[65536];
    while (read(fd, dropped, sizeof dropped) > 0)
        ;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_open, fixture_close)

#endif
