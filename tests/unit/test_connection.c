/*
 * Connections over a transport by a script: what is watched for, who is told, and what a connection can be given.
 *
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "connection_fixture.h"

/* A protocol to switch to. */
static void second_opened(struct net *n, struct connection *c, const char *data, size_t len)
{
    opened(&second, n, c, data, len);
}

static void second_ready(struct net *n, struct connection *c, uint32_t events)
{
    (void)n;
    (void)c;
    second.ready++;
    second.events = events;
}

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
    assert_true(first.events & POLLER_HALF_CLOSED);
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

/* A read gives nothing, and reads what a write waits for all the same. */
static void vain_reading_ends_the_wait_of_writing(void **state)
{
    struct fixture *f = *state;
    FAKE_PLAY({.call = FAKE_READ, .result = TRANSPORT_WANT_READ}, {.call = FAKE_READ, .result = TRANSPORT_WANT_READ});
    adopt(f, LISTENER_FAKE);
    turn(f);
    assert_int_equal(connection_blocked(&f->net, f->c, TRANSPORT_WANT_READ), 0);
    char buf[8];
    assert_int_equal(connection_read(&f->net, f->c, buf, sizeof buf), TRANSPORT_WANT_READ);
    turn(f);
    assert_int_equal(first.ready, 1);
    assert_true(first.events & POLLER_WRITE);
    assert_int_equal(f->c->crossed, 0);
}

/* A write that is tried again before its event waits for what it wants now. */
static void writing_wants_the_other_direction_next(void **state)
{
    struct fixture *f = *state;
    adopt(f, LISTENER_FAKE);
    stuff(f->c->fd);
    turn(f);
    assert_int_equal(connection_blocked(&f->net, f->c, TRANSPORT_WANT_READ), 0);
    assert_int_equal(connection_blocked(&f->net, f->c, TRANSPORT_WANT_WRITE), 0);
    turns(f, 3);
    assert_int_equal(first.ready, 0);
    unstuff(f->peer);
    turn(f);
    assert_int_equal(first.ready, 1);
    assert_true(first.events & POLLER_WRITE);
}

/* A read that is tried again before its event, and gives bytes or wants something else, waits no more as before. */
static void reading_wants_the_other_direction_next(void **state)
{
    struct fixture *f = *state;
    FAKE_PLAY({.call = FAKE_READ, .result = TRANSPORT_WANT_WRITE}, {.call = FAKE_READ, .record = "x", .drained = true},
              {.call = FAKE_READ, .result = TRANSPORT_WANT_WRITE});
    adopt(f, LISTENER_FAKE);
    stuff(f->c->fd);
    turn(f);
    char buf[8];
    assert_int_equal(connection_read(&f->net, f->c, buf, sizeof buf), 1);
    say(f, "y");
    turn(f);
    assert_int_equal(first.ready, 1);
    assert_true(first.events & POLLER_READ);
    assert_int_equal(f->c->crossed, CROSSED_READ);
    unstuff(f->peer);
    assert_int_equal(connection_read(&f->net, f->c, buf, sizeof buf), TRANSPORT_WANT_READ);
    assert_int_equal(f->c->crossed, 0);
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

/* ---- Changes ---- */

static void switches_protocol(void **state)
{
    struct fixture *f = *state;
    int number = net_protocol(&f->net, &protocol_second);
    assert_ptr_equal(f->net.protocols[number], &protocol_second);
    assert_int_equal(net_protocol(&f->net, &protocol_second), number);
    adopt(f, LISTENER_FAKE);
    turn(f);
    connection_switch(&f->net, f->c, &protocol_second, "unread", 6);
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
    static struct listen_spec spec; /* outlives a test that fails */
    spec.protocol = &protocol_first;
    spec.record_size = transport_fake_handshake.connection_size;
    assert_int_equal(net_listen(&f->net, &spec, 1), 0);
    FAKE_PLAY({.call = FAKE_HANDSHAKE, .result = TRANSPORT_WANT_READ},
              {.call = FAKE_READ, .record = "secret", .drained = true});
    adopt(f, 0);
    say(f, "preface");
    turn(f);
    assert_string_equal(first.data, "preface");
    memset(f->c + 1, 0xff, FAKE_STATE);
    connection_set_transport(&f->net, f->c, net_transport(&f->net, &transport_fake_handshake));
    const char *own = (const char *)(f->c + 1);
    for (size_t i = 0; i < FAKE_STATE; i++)
        assert_int_equal(own[i], 0);
    connection_switch(&f->net, f->c, &protocol_handshake, NULL, 0);
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
    assert_int_equal(f->net.record_sizes, 2);
}

static unsigned made_room;

static bool may_accept(void *owner)
{
    (void)owner;
    return true;
}

static void no_memory(void *owner)
{
    (void)owner;
    made_room++;
}

static bool hand_over(void *owner, int fd, uint8_t listener, uint32_t slot)
{
    (void)owner;
    (void)fd;
    (void)listener;
    (void)slot;
    return false;
}

static bool refuse_memory(void *arg, const struct account *a, size_t size)
{
    (void)arg;
    (void)a;
    (void)size;
    return true;
}

/* A client for whose connection there is no record, though there are those of another size, waits until room has been
 * made for it. */
static void client_waits_for_a_record(void **state)
{
    struct fixture *f = *state;
    static const struct listener_hooks hooks = {
        .may_accept = may_accept, .no_memory = no_memory, .hand_over = hand_over};
    struct listen_spec *spec = &f->listeners[LISTENER_FAKE];
    FAKE_PLAY({.call = FAKE_READ, .record = "x", .drained = true});
    spec->backlog = 8;
    spec->linger_seconds = -1;
    assert_int_equal(address_parse(&spec->address, "127.0.0.1", 0), 0);
    int fd = listen_open(spec);
    assert_true(fd >= 0);
    struct listener ls;
    listener_init(&ls, &f->net, fd, LISTENER_FAKE, spec, &hooks);
    assert_int_equal(listener_start(&ls), 0);
    f->peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(f->peer, &spec->address.base, spec->address.len), 0);
    size_t slab;
    assert_true(pool_ready(&f->net.records[0]));
    f->memory.fault = refuse_memory;
    made_room = 0;
    turn(f);
    f->memory.fault = NULL;
    assert_false(first.opened);
    assert_int_equal(made_room, 1);
    assert_true(net_ready(&f->net, &slab));
    listener_resume(&ls);
    turn(f);
    assert_int_equal(first.opened, 1);
    assert_string_equal(first.data, "x");
    listener_stop(&ls);
    timer_cancel(&f->loop.wheel, &ls.timer);
    close(fd);
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
    int known = f->net.protocol_count;
    for (size_t i = 0; i < PROTOCOLS_MAX; i++)
        refused += net_protocol(&f->net, &protocols[i]) == WEIR_EINVAL;
    assert_int_equal(refused, known);
    struct listen_spec further = {.protocol = &protocol_first};
    assert_int_equal(net_listen(&f->net, &further, 1), 0);
    const struct alpn_offer offers[] = {{"first", &protocol_first}, {"second", &protocol_second}, {0}};
    further.offers = offers;
    assert_int_equal(net_listen(&f->net, &further, 1), WEIR_EINVAL);
    struct listen_spec specs[RECORD_SIZES_MAX];
    memset(specs, 0, sizeof specs);
    for (size_t i = 0; i < RECORD_SIZES_MAX; i++)
        specs[i].record_size = 200 + 8 * i;
    assert_int_equal(net_listen(&f->net, specs, RECORD_SIZES_MAX), WEIR_EINVAL);
    f->net.listeners = f->listeners;
}

int main(void)
{
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
        TEST(vain_reading_ends_the_wait_of_writing),
        TEST(writing_wants_the_other_direction_next),
        TEST(reading_wants_the_other_direction_next),
        TEST(both_cross),
        TEST(hang_up_ends_waits),
        TEST(blocked_in_vain),
        TEST(shutdown_that_has_to_wait),
        TEST(switches_protocol),
        TEST(changes_transport),
        TEST(records_by_size),
        TEST(client_waits_for_a_record),
        TEST(too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
