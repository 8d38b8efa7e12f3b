/*
 * Connections over a transport by a script and a real loop: what is watched for, who is told, and what ends.
 *
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fake_transport.h"
#include "net/listener.h"

#include <fcntl.h>
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

static void told(struct heard *h, const char *data, size_t len)
{
    size_t room = sizeof h->data - 1 - h->len;
    len = len < room ? len : room;
    if (len > 0)
        memcpy(h->data + h->len, data, len);
    h->len += len;
}

static void opened(struct heard *h, struct net *n, struct connection *c, const char *data, size_t len)
{
    h->opened++;
    h->last_flags = c->state | c->flags;
    told(h, data, len);
    connection_deadline(n, c, 10000);
}

static void first_opened(struct net *n, struct connection *c, const char *data, size_t len)
{
    opened(&first, n, c, data, len);
    c->state = c->flags = 7;
    connection_queue(n, c);
}

static void second_opened(struct net *n, struct connection *c, const char *data, size_t len)
{
    opened(&second, n, c, data, len);
}

static void first_ready(struct net *n, struct connection *c, uint32_t events)
{
    first.ready++;
    first.events = events;
    if (events & (POLLER_READ | POLLER_HALF_CLOSED))
        connection_queue(n, c);
}

static void second_ready(struct net *n, struct connection *c, uint32_t events)
{
    (void)n;
    (void)c;
    second.ready++;
    second.events = events;
}

static void first_run(struct net *n, struct connection *c)
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

static void first_expired(struct net *n, struct connection *c)
{
    first.expired++;
    if (!first.alive)
        connection_close(n, c, false);
}

static void first_drain(struct net *n, struct connection *c)
{
    (void)n;
    (void)c;
    first.drained++;
}

static void first_cut(struct net *n, struct connection *c)
{
    first.cut++;
    if (!(c->ready & READY_QUEUED)) /* else first_run() does */
        connection_close(n, c, true);
}

static uint32_t first_stalled(struct net *n, struct connection *c)
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

static const struct protocol protocol_second = {
    .opened = second_opened,
    .ready = second_ready,
    .expired = first_expired,
    .run = first_run,
    .drain = first_drain,
    .cut = first_cut,
    .stalled = first_stalled,
    .give_up = first_cut,
};

/* ---- The loop, turn by turn ---- */

static void turn_over(void *owner)
{
    loop_stop(((struct net *)owner)->loop);
}

static void woken(struct loop *l, struct inbox_node *node)
{
    (void)l;
    (void)node;
}

/* A turn that waits for nothing. */
static void turn(struct fixture *f)
{
    loop_send(&f->loop, &f->wake);
    f->loop.stopped = false;
    loop_run(&f->loop);
}

static void turns(struct fixture *f, int count)
{
    while (count-- > 0)
        turn(f);
}

/* Turns that wait for timers and sockets, until the last connection is closed. */
static void until_closed(struct fixture *f)
{
    while (counter_read(&f->net.open) > 0) {
        f->loop.stopped = false;
        loop_run(&f->loop);
    }
}

static int fixture_open(void **state)
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
    f->net.protocols[PROTOCOL_HTTP1] = &protocol_first;
    f->listeners[LISTENER_FAKE].transport = &transport_fake;
    f->listeners[LISTENER_HANDSHAKE].transport = &transport_fake_handshake;
    assert_int_equal(net_listen(&f->net, f->listeners, LISTENER_COUNT), 0);
    f->loop.turn_fn = turn_over;
    f->wake.fn = woken;
    f->peer = -1;
    *state = f;
    return 0;
}

static int fixture_close(void **state)
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

static void find(void *arg, void *object)
{
    ((struct fixture *)arg)->c = object;
}

/* A connection of that listener; f->c, unless it is closed already. */
static void adopt(struct fixture *f, uint8_t listener)
{
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    f->peer = ends[0];
    assert_int_equal(net_adopt(&f->net, ends[1], listener, 0), 0);
    f->c = NULL;
    net_each(&f->net, find, f);
}

static void say(struct fixture *f, const char *text)
{
    assert_int_equal(write(f->peer, text, strlen(text)), (ssize_t)strlen(text));
}

/* Takes what the socket's peer has sent, so that the fake, which reads nothing, need not. */
static void stuff(int fd)
{
    char zeros[4096] = {0};
    while (write(fd, zeros, sizeof zeros) > 0)
        ;
}

static void unstuff(int fd)
{
    char dropped[65536];
    while (read(fd, dropped, sizeof dropped) > 0)
        ;
}

/* ---- Reading ---- */

/* A record at a time, less than what there is room for: it says itself when the socket is drained. */
static void short_reads_go_on(void **state)
{
    struct fixture *f = *state;
    FAKE_PLAY({.call = FAKE_READ, .record = "a"}, {.call = FAKE_READ, .record = "bc"},
              {.call = FAKE_READ, .record = "d", .drained = true});
    adopt(f, LISTENER_FAKE);
    turn(f);
    assert_string_equal(first.data, "abcd");
    assert_false(f->c->ready & READY_READ);
    assert_int_equal(fake.calls[FAKE_READ], 3);
    assert_int_equal(counter_read(&f->net.bytes_in), 4);
}

/* What the transport holds, and of which no event would tell, is told when the run is over. */
static void held_bytes_are_told(void **state)
{
    struct fixture *f = *state;
    FAKE_PLAY({.call = FAKE_READ, .record = "abcdefg", .drained = true});
    first.piece = 3;
    first.most = 1;
    adopt(f, LISTENER_FAKE);
    turn(f);
    assert_string_equal(first.data, "abc");
    assert_int_equal(first.ready, 1);
    turns(f, 2);
    assert_string_equal(first.data, "abcdefg");
    assert_int_equal(first.run, 3);
    turns(f, 3);
    assert_int_equal(first.run, 3);
}

/* Reading that has to write first goes on when the socket can be written, and is not tried before. */
static void reading_waits_for_writing(void **state)
{
    struct fixture *f = *state;
    FAKE_PLAY({.call = FAKE_READ, .result = TRANSPORT_WANT_WRITE},
              {.call = FAKE_READ, .record = "after", .drained = true});
    adopt(f, LISTENER_FAKE);
    stuff(f->c->fd);
    say(f, "something to read");
    turn(f);
    assert_int_equal(first.result, TRANSPORT_WANT_READ);
    turns(f, 5);
    assert_int_equal(fake.calls[FAKE_READ], 1);
    assert_int_equal(first.ready, 0);
    unstuff(f->peer);
    turns(f, 2);
    assert_int_equal(first.ready, 1);
    assert_true(first.events & POLLER_READ);
    assert_string_equal(first.data, "after");
    assert_int_equal(f->c->crossed, 0);
}

/* The end of the peer's side is not lost while reading waits for the other direction. */
static void half_close_outlasts_the_wait(void **state)
{
    struct fixture *f = *state;
    FAKE_PLAY({.call = FAKE_READ, .result = TRANSPORT_WANT_WRITE}, {.call = FAKE_READ, .result = 0});
    adopt(f, LISTENER_FAKE);
    stuff(f->c->fd);
    turn(f);
    assert_int_equal(shutdown(f->peer, SHUT_WR), 0);
    turns(f, 3);
    assert_int_equal(fake.calls[FAKE_READ], 1);
    unstuff(f->peer);
    turns(f, 2);
    assert_int_equal(first.result, 0);
    assert_true(f->c->ready & READY_HALF_CLOSED);
}

/* A transport that is not exact may want what is there already: it is asked again. */
static void wants_in_vain(void **state)
{
    struct fixture *f = *state;
    FAKE_PLAY({.call = FAKE_READ, .result = TRANSPORT_WANT_READ}, {.call = FAKE_READ, .result = TRANSPORT_WANT_READ},
              {.call = FAKE_READ, .result = TRANSPORT_WANT_WRITE}, {.call = FAKE_READ, .result = TRANSPORT_WANT_READ},
              {.call = FAKE_READ, .record = "at last", .drained = true});
    adopt(f, LISTENER_FAKE);
    say(f, "x");
    turns(f, 10);
    assert_string_equal(first.data, "at last");
}

static void read_fails(void **state)
{
    struct fixture *f = *state;
    FAKE_PLAY({.call = FAKE_READ, .result = WEIR_EPROTO});
    adopt(f, LISTENER_FAKE);
    turn(f);
    assert_int_equal(first.result, WEIR_EPROTO);
    assert_true(f->c->ready & READY_GONE);
}

/* The system has no memory to watch the socket: reading that needs it has failed, as no event would ever tell. */
static void cannot_be_watched(void **state)
{
    struct fixture *f = *state;
    FAKE_PLAY({.call = FAKE_READ, .result = TRANSPORT_WANT_WRITE});
    adopt(f, LISTENER_FAKE);
    int poller = f->loop.poller.fd;
    char buf[8];
    f->loop.poller.fd = -1;
    assert_int_equal(connection_read(&f->net, f->c, buf, sizeof buf), WEIR_ECLOSED);
    assert_int_equal(connection_blocked(&f->net, f->c, TRANSPORT_WANT_READ), WEIR_ECLOSED);
    f->loop.poller.fd = poller;
    assert_true(f->net.unwatched);
    assert_true(f->c->ready & READY_GONE);
    turn(f);
}

/* ---- Writing ---- */

static void writing_waits_for_reading(void **state)
{
    struct fixture *f = *state;
    adopt(f, LISTENER_FAKE);
    turn(f);
    assert_int_equal(connection_blocked(&f->net, f->c, TRANSPORT_WANT_READ), 0);
    assert_false(f->c->ready & READY_WRITE);
    turns(f, 3);
    assert_int_equal(first.ready, 0);
    say(f, "x");
    turn(f);
    assert_int_equal(first.ready, 1);
    assert_true(first.events & POLLER_WRITE);
    assert_true(f->c->ready & READY_WRITE);
    assert_int_equal(f->c->crossed, 0);
}

/* What a write waits for is read by a read: it is told nevertheless, and no sooner than it can write. */
static void reading_ends_the_wait_of_writing(void **state)
{
    struct fixture *f = *state;
    FAKE_PLAY({.call = FAKE_READ, .result = TRANSPORT_WANT_READ}, {.call = FAKE_READ, .record = "x", .drained = true});
    adopt(f, LISTENER_FAKE);
    turn(f);
    assert_int_equal(connection_blocked(&f->net, f->c, TRANSPORT_WANT_READ), 0);
    char buf[8];
    assert_int_equal(connection_read(&f->net, f->c, buf, sizeof buf), 1);
    assert_int_equal(f->c->crossed, 0);
    turn(f);
    assert_int_equal(first.ready, 1);
    assert_true(first.events & POLLER_WRITE);
}

/* Both wait, each for the other direction. */
static void both_cross(void **state)
{
    struct fixture *f = *state;
    FAKE_PLAY({.call = FAKE_READ, .result = TRANSPORT_WANT_WRITE});
    adopt(f, LISTENER_FAKE);
    stuff(f->c->fd);
    turn(f);
    assert_int_equal(connection_blocked(&f->net, f->c, TRANSPORT_WANT_READ), 0);
    assert_int_equal(f->c->crossed, CROSSED_READ | CROSSED_WRITE);
    say(f, "x");
    turn(f);
    assert_int_equal(first.events & (POLLER_READ | POLLER_WRITE), POLLER_WRITE);
    assert_int_equal(f->c->crossed, CROSSED_READ);
    unstuff(f->peer);
    turn(f);
    assert_true(first.events & POLLER_READ);
    assert_int_equal(f->c->crossed, 0);
}

/* A reset ends every wait. */
static void hang_up_ends_waits(void **state)
{
    struct fixture *f = *state;
    FAKE_PLAY({.call = FAKE_READ, .result = TRANSPORT_WANT_WRITE});
    first.most = 1;
    adopt(f, LISTENER_FAKE);
    stuff(f->c->fd);
    turn(f);
    close(f->peer);
    f->peer = -1;
    turn(f);
    assert_true(f->c->ready & READY_GONE);
    assert_int_equal(f->c->crossed, 0);
    assert_int_equal(first.ready, 1);
}

/* A plain connection that is watched for writing is not watched anew each time; another's is, as it may want in
 * vain. */
static void blocked_in_vain(void **state)
{
    struct fixture *f = *state;
    first.piece = 0;
    adopt(f, LISTENER_FAKE);
    turn(f);
    for (unsigned i = 1; i <= 3; i++) {
        while (connection_blocked(&f->net, f->c, TRANSPORT_WANT_WRITE) > 0)
            ;
        turn(f);
        assert_int_equal(first.ready, i);
        assert_true(first.events & POLLER_WRITE);
    }
}

static void shutdown_that_has_to_wait(void **state)
{
    struct fixture *f = *state;
    FAKE_PLAY({.call = FAKE_SHUTDOWN, .result = TRANSPORT_WANT_WRITE});
    adopt(f, LISTENER_FAKE);
    turn(f);
    bool done = connection_shutdown(&f->net, f->c);
    unsigned calls = fake.calls[FAKE_SHUTDOWN];
    assert_true(done == (calls == 2));
    if (!done) {
        turn(f);
        assert_true(first.events & POLLER_WRITE);
        assert_true(connection_shutdown(&f->net, f->c));
    }
    assert_int_equal(fake.calls[FAKE_SHUTDOWN], 2);
}

/* ---- The handshake ---- */

static void handshake_in_steps(void **state)
{
    struct fixture *f = *state;
    FAKE_PLAY({.call = FAKE_HANDSHAKE, .result = TRANSPORT_WANT_READ},
              {.call = FAKE_HANDSHAKE, .result = TRANSPORT_WANT_WRITE}, {.call = FAKE_HANDSHAKE, .result = 0},
              {.call = FAKE_READ, .record = "early", .drained = true});
    adopt(f, LISTENER_HANDSHAKE);
    assert_int_equal(f->c->protocol, PROTOCOL_HANDSHAKE);
    turns(f, 3);
    assert_int_equal(fake.calls[FAKE_HANDSHAKE], 1);
    stuff(f->c->fd);
    say(f, "x");
    turns(f, 3);
    assert_int_equal(fake.calls[FAKE_HANDSHAKE], 2); /* x does not concern it: it wants to write */
    assert_int_equal(first.opened, 0);
    unstuff(f->peer);
    turns(f, 2);
    assert_int_equal(first.opened, 1);
    assert_int_equal(first.last_flags, 0);
    assert_int_equal(f->c->protocol, PROTOCOL_HTTP1);
    assert_string_equal(first.data, "early"); /* though no event has told of it */
    for (size_t i = 0; i < HANDSHAKE_FAILURES; i++)
        assert_int_equal(counter_read(&f->net.handshakes[i]), 0);
}

/* A transport that is not exact wants what is there already, in either direction. */
static void handshake_wants_in_vain(void **state)
{
    struct fixture *f = *state;
    FAKE_PLAY({.call = FAKE_HANDSHAKE, .result = TRANSPORT_WANT_READ},
              {.call = FAKE_HANDSHAKE, .result = TRANSPORT_WANT_READ},
              {.call = FAKE_HANDSHAKE, .result = TRANSPORT_WANT_WRITE},
              {.call = FAKE_HANDSHAKE, .result = TRANSPORT_WANT_WRITE},
              {.call = FAKE_HANDSHAKE, .result = TRANSPORT_WANT_READ});
    adopt(f, LISTENER_HANDSHAKE);
    say(f, "x");
    turns(f, 6);
    assert_int_equal(first.opened, 1);
}

static void handshake_at_once(void **state)
{
    struct fixture *f = *state;
    adopt(f, LISTENER_HANDSHAKE);
    assert_int_equal(first.opened, 1);
}

static void expect_failure(const struct fixture *f, enum handshake_failure why)
{
    assert_int_equal(counter_read(&f->net.open), 0);
    assert_int_equal(first.opened, 0);
    assert_int_equal(fake.closed, 1);
    for (size_t i = 0; i < HANDSHAKE_FAILURES; i++)
        assert_int_equal(counter_read(&f->net.handshakes[i]), i == (size_t)why);
}

static void handshake_is_refused(void **state)
{
    struct fixture *f = *state;
    FAKE_PLAY({.call = FAKE_HANDSHAKE, .result = TRANSPORT_WANT_READ}, {.call = FAKE_HANDSHAKE, .result = WEIR_EPROTO});
    adopt(f, LISTENER_HANDSHAKE);
    say(f, "no hello");
    turn(f);
    expect_failure(f, HANDSHAKE_REFUSED);
}

static void handshake_has_no_memory(void **state)
{
    struct fixture *f = *state;
    FAKE_PLAY({.call = FAKE_HANDSHAKE, .result = WEIR_ENOMEM});
    adopt(f, LISTENER_HANDSHAKE);
    expect_failure(f, HANDSHAKE_MEMORY);
}

static void handshake_cannot_be_watched(void **state)
{
    struct fixture *f = *state;
    FAKE_PLAY({.call = FAKE_HANDSHAKE, .result = TRANSPORT_WANT_READ});
    int poller = f->loop.poller.fd;
    f->loop.poller.fd = -1;
    adopt(f, LISTENER_HANDSHAKE);
    f->loop.poller.fd = poller;
    expect_failure(f, HANDSHAKE_MEMORY);
}

static void peer_leaves_handshake(void **state)
{
    struct fixture *f = *state;
    FAKE_PLAY({.call = FAKE_HANDSHAKE, .result = TRANSPORT_WANT_READ});
    adopt(f, LISTENER_HANDSHAKE);
    close(f->peer);
    f->peer = -1;
    turn(f);
    expect_failure(f, HANDSHAKE_CLOSED);
}

static void handshake_is_too_slow(void **state)
{
    struct fixture *f = *state;
    FAKE_PLAY({.call = FAKE_HANDSHAKE, .result = TRANSPORT_WANT_READ},
              {.call = FAKE_HANDSHAKE, .result = TRANSPORT_WANT_READ});
    f->net.handshake_timeout_ms = 1;
    adopt(f, LISTENER_HANDSHAKE);
    until_closed(f);
    expect_failure(f, HANDSHAKE_TIMEOUT);
}

/* What has come while the process stood still counts, though the timer comes before its event. */
static void handshake_is_done_at_the_deadline(void **state)
{
    struct fixture *f = *state;
    FAKE_PLAY({.call = FAKE_HANDSHAKE, .result = TRANSPORT_WANT_READ}, {.call = FAKE_HANDSHAKE, .result = 0});
    adopt(f, LISTENER_HANDSHAKE);
    say(f, "x");
    f->c->deadline = loop_now_ms(&f->loop);
    f->loop.wheel.handlers[TIMER_CONNECTION](&f->net, &f->c->timer);
    assert_int_equal(first.opened, 1);
    assert_int_equal(counter_read(&f->net.handshakes[HANDSHAKE_TIMEOUT]), 0);
}

/* The server stops: a handshake has a second left, in which a request may follow. */
static void handshake_is_drained(void **state)
{
    struct fixture *f = *state;
    FAKE_PLAY({.call = FAKE_HANDSHAKE, .result = TRANSPORT_WANT_READ});
    adopt(f, LISTENER_HANDSHAKE);
    net_drain(&f->net);
    int32_t left = ticks_between(loop_now_ms(&f->loop), f->c->deadline);
    assert_true(left > 0 && left <= 1001);
    say(f, "x");
    turn(f);
    assert_int_equal(first.opened, 1);
}

static void handshake_is_cut(void **state)
{
    struct fixture *f = *state;
    FAKE_PLAY({.call = FAKE_HANDSHAKE, .result = TRANSPORT_WANT_READ});
    adopt(f, LISTENER_HANDSHAKE);
    assert_int_equal(f->net.protocols[PROTOCOL_HANDSHAKE]->stalled(&f->net, f->c), 0);
    net_cut(&f->net);
    assert_int_equal(counter_read(&f->net.open), 0);
    assert_int_equal(first.opened, 0);
    assert_int_equal(fake.closed, 1);
}

/* ---- Changes ---- */

static void switches_protocol(void **state)
{
    struct fixture *f = *state;
    int number = net_protocol(&f->net, &protocol_second);
    assert_int_equal(number, PROTOCOL_FURTHER);
    assert_int_equal(net_protocol(&f->net, &protocol_second), number);
    adopt(f, LISTENER_FAKE);
    turn(f);
    connection_switch(&f->net, f->c, number, "unread", 6);
    assert_int_equal(second.opened, 1);
    assert_string_equal(second.data, "unread");
    assert_int_equal(second.last_flags, 0);
    say(f, "x");
    turn(f);
    assert_int_equal(second.ready, 1);
    assert_int_equal(first.ready, 0);
}

/* The plain transport first, as for a preface that is not encrypted, and then one with a handshake. */
static void changes_transport(void **state)
{
    struct fixture *f = *state;
    struct listen_spec spec = {.record_size = transport_fake_handshake.connection_size};
    assert_int_equal(net_listen(&f->net, &spec, 1), 0);
    FAKE_PLAY({.call = FAKE_HANDSHAKE, .result = TRANSPORT_WANT_READ},
              {.call = FAKE_READ, .record = "secret", .drained = true});
    adopt(f, 0);
    say(f, "preface");
    turn(f);
    assert_string_equal(first.data, "preface");
    connection_set_transport(&f->net, f->c, net_transport(&f->net, &transport_fake_handshake));
    const char *own = (const char *)(f->c + 1);
    for (size_t i = 0; i < FAKE_STATE; i++)
        assert_int_equal(own[i], 0);
    connection_switch(&f->net, f->c, PROTOCOL_HANDSHAKE, NULL, 0);
    say(f, "hello");
    turns(f, 2);
    assert_int_equal(first.opened, 2);
    assert_string_equal(first.data, "prefacesecret");
    connection_set_transport(&f->net, f->c, 0);
    assert_int_equal(fake.closed, 1);
    say(f, " plain");
    turns(f, 2);
    assert_string_equal(first.data, "prefacesecrethello plain");
    net_cut(&f->net);
    f->net.listeners = f->listeners;
    close(f->peer);
    f->peer = -1;
}

/* An idle plain connection costs its record whatever other listeners need. */
static void records_by_size(void **state)
{
    struct fixture *f = *state;
    adopt(f, LISTENER_PLAIN);
    assert_int_equal(counter_read(&f->net.account.in_use), 56);
    turn(f);
    net_cut(&f->net);
    close(f->peer);
    adopt(f, LISTENER_FAKE);
    assert_int_equal(counter_read(&f->net.account.in_use), 56 + FAKE_STATE);
    assert_int_equal(f->net.larger_count, 1);
}

static void too_many(void **state)
{
    struct fixture *f = *state;
    static struct transport transports[TRANSPORTS_MAX];
    static struct protocol protocols[PROTOCOLS_MAX];
    int refused = 0;
    for (size_t i = 0; i < TRANSPORTS_MAX; i++)
        refused += net_transport(&f->net, &transports[i]) == WEIR_EINVAL;
    assert_int_equal(refused, f->net.transport_count - (TRANSPORTS_MAX - refused));
    assert_int_equal(f->net.transport_count, TRANSPORTS_MAX);
    refused = 0;
    for (size_t i = 0; i < PROTOCOLS_MAX; i++)
        refused += net_protocol(&f->net, &protocols[i]) == WEIR_EINVAL;
    assert_int_equal(refused, PROTOCOL_FURTHER);
    struct listen_spec specs[RECORD_SIZES_MAX];
    memset(specs, 0, sizeof specs);
    for (size_t i = 0; i < RECORD_SIZES_MAX; i++)
        specs[i].record_size = 200 + 8 * i;
    assert_int_equal(net_listen(&f->net, specs, RECORD_SIZES_MAX), WEIR_EINVAL);
    f->net.listeners = f->listeners;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_open, fixture_close)
    const struct CMUnitTest tests[] = {
        TEST(short_reads_go_on),
        TEST(held_bytes_are_told),
        TEST(reading_waits_for_writing),
        TEST(half_close_outlasts_the_wait),
        TEST(wants_in_vain),
        TEST(read_fails),
        TEST(cannot_be_watched),
        TEST(writing_waits_for_reading),
        TEST(reading_ends_the_wait_of_writing),
        TEST(both_cross),
        TEST(hang_up_ends_waits),
        TEST(blocked_in_vain),
        TEST(shutdown_that_has_to_wait),
        TEST(handshake_in_steps),
        TEST(handshake_wants_in_vain),
        TEST(handshake_at_once),
        TEST(handshake_is_refused),
        TEST(handshake_has_no_memory),
        TEST(handshake_cannot_be_watched),
        TEST(peer_leaves_handshake),
        TEST(handshake_is_too_slow),
        TEST(handshake_is_done_at_the_deadline),
        TEST(handshake_is_drained),
        TEST(handshake_is_cut),
        TEST(switches_protocol),
        TEST(changes_transport),
        TEST(records_by_size),
        TEST(too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
