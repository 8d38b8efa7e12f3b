/*
 * The transport of lean records over a pair of sockets, with a peer that has the keys: keys that wear out, memory that
 * is refused, output that waits, reading where nobody has said that there is anything.
 *
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "lean_forge.h"
#include "net/tls/lean_mode.h"
#include "net/tls/worker.h"
#include "openssl_fixture.h"
#include "weir.h"

#include <sys/socket.h>
#include <unistd.h>

struct fixture {
    struct memory memory;
    struct account home, stacks;
    struct loop loop;
    struct log log;
    struct net net;
    _Atomic uint64_t open;
    struct lean_records peer;
    struct tls_connection t;
    struct lean_suite suite;
    struct lean_side up, down; /* as the peer knows them */
    struct flow flow;
    int fd; /* the peer's */
    uint8_t wire[65536];
    size_t wire_len;
    uint8_t text[FORGED_MAX], record[FORGED_MAX];
    const char *starved; /* the account that gets nothing more */
};

static bool starve(void *arg, const struct account *a, size_t size)
{
    const struct fixture *f = arg;
    (void)size;
    return f->starved && strcmp(a->name, f->starved) == 0;
}

static struct lean_connection *lean(const struct fixture *f)
{
    return f->t.mode;
}

static int open_fixture(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    memory_init(&f->memory, 0);
    f->memory.fault = starve;
    f->memory.fault_arg = f;
    account_open_shared(&f->home, &f->memory, "home", NULL, 0);
    account_open(&f->stacks, &f->memory, "stacks");
    assert_int_equal(loop_init(&f->loop, &f->stacks, 65536, NULL, &f->log), 0);
    net_init(&f->net, &f->loop, &f->memory, NULL);
    f->net.shared_open = &f->open;
    assert_int_equal(tls_worker_open(&f->net, &f->home, (struct tls_bounds){.slots = 1}, &tls_mode_lean), 0);
    assert_true(lean_records_open(&f->peer));
    *state = f;
    return 0;
}

static void begin(struct fixture *f, struct lean_suite suite, uint64_t sequence)
{
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    f->fd = ends[1];
    f->suite = suite;
    f->flow = (struct flow){0};
    f->wire_len = 0;
    f->t = (struct tls_connection){
        .c = {.fd = ends[0], .ready = READY_READ | READY_WRITE}, .worker = f->net.tls, .state = TLS_OPEN};
    f->t.mode = pool_take(&lean_worker_of(f->net.tls)->connections);
    assert_non_null(f->t.mode);
    *lean(f) = (struct lean_connection){.session = {.suite = suite, .plain_most = LEAN_PLAIN_MAX}};
    static uint8_t seed; /* keys of their own, since nonces are remembered */
    f->up = lean(f)->session.in = forged_side(suite, ++seed);
    f->down = lean(f)->session.out = forged_side(suite, ++seed);
    f->up.sequence = f->down.sequence = sequence;
    lean(f)->session.in.sequence = lean(f)->session.out.sequence = sequence;
}

static void end(struct fixture *f)
{
    f->starved = NULL;
    transport_lean.close(&f->t.c, false);
    lean_records_forget(&f->peer, &f->down, f->suite);
    assert_int_equal(counter_read(&lean_worker_of(f->net.tls)->account.in_use), 0);
    assert_int_equal(counter_read(&f->net.tls->unsent_account.in_use), 0);
    close(f->t.c.fd);
    close(f->fd);
}

static int close_fixture(void **state)
{
    struct fixture *f = *state;
    lean_records_close(&f->peer);
    tls_worker_close(&f->net);
    tls_worker_free(&f->net);
    net_done(&f->net);
    loop_done(&f->loop);
    account_close(&f->stacks);
    account_close(&f->home);
    memory_done(&f->memory);
    free(f);
    return 0;
}

/* Seals text as the peer, into f->record. */
static size_t seal(struct fixture *f, int type, const void *text, size_t len)
{
    memcpy(f->text, text, len);
    f->text[len] = (uint8_t)type;
    uint64_t sequence = f->up.sequence++;
    return forge(&f->up, f->suite, sequence, sequence, f->suite.tls13 ? LEAN_DATA : (unsigned)type, f->text,
                 len + f->suite.tls13, f->record);
}

static void put(const struct fixture *f, size_t from, size_t to)
{
    assert_int_equal(write(f->fd, f->record + from, to - from), to - from);
}

static void say(struct fixture *f, int type, const void *text, size_t len)
{
    put(f, 0, seal(f, type, text, len));
}

/* The next record that the server has sent: its type, or 0 where there is none. */
static int hear(struct fixture *f, struct lean_plain *plain)
{
    static uint8_t record[LEAN_RECORD_MAX];
    ssize_t got = read(f->fd, f->wire + f->wire_len, sizeof f->wire - f->wire_len);
    f->wire_len += got > 0 ? (size_t)got : 0;
    if (f->wire_len < LEAN_HEADER)
        return 0;
    int whole = lean_record_length(f->suite, f->wire);
    assert_true(whole > 0);
    if ((size_t)whole > f->wire_len)
        return 0;
    memcpy(record, f->wire, (size_t)whole);
    f->wire_len -= (size_t)whole;
    memmove(f->wire, f->wire + whole, f->wire_len);
    return lean_open(&f->peer, &f->down, f->suite, record, (size_t)whole, LEAN_PLAIN_MAX, plain);
}

static void expect(struct fixture *f, int type, const void *text, size_t len)
{
    struct lean_plain plain;
    assert_int_equal(hear(f, &plain), type);
    assert_int_equal(plain.len, len);
    assert_memory_equal(plain.data, text, len);
}

static ssize_t answer(struct fixture *f, const char *text)
{
    struct iovec part = {.iov_base = (void *)(uintptr_t)text, .iov_len = strlen(text)};
    return transport_lean.write(&f->t.c, &f->flow, &part, 1, false);
}

static void expect_read(struct fixture *f, const char *text)
{
    char buf[64];
    assert_int_equal(transport_lean.read(&f->t.c, buf, sizeof buf), strlen(text));
    assert_memory_equal(buf, text, strlen(text));
}

/* Both keys of TLS 1.3 are replaced when they are worn: ours, and the peer is asked for its own, once. */
static void worn_keys(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 1; i < SUITES; i += 2) {
        struct lean_suite suite = suite_at(i);
        uint64_t most = lean_cipher_of(suite)->records_most;
        begin(f, suite, most - 1);
        say(f, LEAN_DATA, "one", 3);
        expect_read(f, "one"); /* which was the last */
        expect(f, LEAN_HANDSHAKE, "\x18\0\0\x01\x01", 5);
        lean_records_forget(&f->peer, &f->down, suite);
        assert_true(lean_side_update(&f->down, suite));
        assert_int_equal(answer(f, "two"), 3);
        expect(f, LEAN_DATA, "two", 3);
        say(f, LEAN_DATA, "three", 5);
        expect_read(f, "three");
        struct lean_plain plain;
        assert_int_equal(hear(f, &plain), 0); /* it is not asked again */
        say(f, LEAN_HANDSHAKE, "\x18\0\0\x01\0", 5);
        assert_true(lean_side_update(&f->up, suite));
        say(f, LEAN_DATA, "four", 4);
        expect_read(f, "four");
        assert_int_equal(lean(f)->session.post.updates, 0); /* we have asked for it */
        assert_false(lean(f)->session.post.asked);
        lean(f)->session.out.sequence = f->down.sequence = most; /* ours alone is worn */
        assert_int_equal(answer(f, "five"), 4);
        expect(f, LEAN_HANDSHAKE, "\x18\0\0\x01\0", 5);
        lean_records_forget(&f->peer, &f->down, suite);
        assert_true(lean_side_update(&f->down, suite));
        expect(f, LEAN_DATA, "five", 4);
        end(f);
    }
}

/* Where they are not replaced, the connection ends: TLS 1.2, or a peer that does not do what it is asked for. */
static void spent_keys(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 0; i < SUITES; i++) {
        struct lean_suite suite = suite_at(i);
        uint64_t most = 2 * (uint64_t)lean_cipher_of(suite)->records_most;
        char buf[8];
        begin(f, suite, most - 1);
        say(f, LEAN_DATA, "one", 3);
        expect_read(f, "one");
        say(f, LEAN_DATA, "two", 3);
        assert_int_equal(transport_lean.read(&f->t.c, buf, sizeof buf), WEIR_EPROTO);
        assert_int_equal(transport_lean.read(&f->t.c, buf, sizeof buf), WEIR_ECLOSED);
        assert_int_equal(answer(f, "no"), WEIR_ECLOSED);
        end(f);
        if (!suite.tls13) {
            begin(f, suite, most - 1);
            assert_int_equal(answer(f, "one"), 3);
            assert_int_equal(answer(f, "two"), WEIR_EPROTO);
            expect(f, LEAN_DATA, "one", 3);
            assert_int_equal(hear(f, &(struct lean_plain){0}), 0);
            end(f);
        }
    }
}

/* The begin of a record needs a block, of what has come of it; where there is none, the peer is told. */
static void held_input(void **state)
{
    struct fixture *f = *state;
    const struct pool *pools = lean_worker_of(f->net.tls)->held;
    const struct account *account = &lean_worker_of(f->net.tls)->account;
    char buf[16];
    begin(f, suite_at(1), 0);
    uint64_t before = counter_read(&account->in_use);
    size_t len = seal(f, LEAN_DATA, f->text, 16384), sent = 0;
    static const struct {
        size_t upto;
        unsigned size;
    } rows[] = {{3, 0}, {4, 0}, {500, 0}, {505, 1}, {4000, 1}, {4090, 2}, {16000, 2}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        put(f, sent, rows[i].upto);
        sent = rows[i].upto;
        assert_int_equal(transport_lean.read(&f->t.c, buf, sizeof buf), TRANSPORT_WANT_READ);
        assert_int_equal(transport_lean.pending(&f->t.c), 0);
        assert_false(f->t.c.ready & READY_READ);
        assert_int_equal(counter_read(&account->in_use), before + pools[rows[i].size].stride);
    }
    put(f, sent, len);
    for (size_t at = 0; at < 16384; at += sizeof buf) {
        f->t.c.ready &= (uint8_t)~READY_READ; /* nobody has said so */
        assert_int_equal(transport_lean.read(&f->t.c, buf, sizeof buf), sizeof buf);
        assert_memory_equal(buf, f->text + at, sizeof buf);
        assert_int_equal(transport_lean.pending(&f->t.c), 16384 - at - sizeof buf);
        assert_int_equal(!!(f->t.c.ready & READY_READ), at + sizeof buf < 16384);
    }
    assert_int_equal(counter_read(&account->in_use), before);

    pool_trim((struct pool *)(uintptr_t)&pools[2], true);
    f->starved = "tls lean records";
    len = seal(f, LEAN_DATA, f->text, 16384);
    put(f, 0, 9000);
    assert_int_equal(transport_lean.read(&f->t.c, buf, sizeof buf), WEIR_ENOMEM);
    expect(f, LEAN_ALERT, "\x02\x50", 2);
    end(f);
}

/* What the kernel does not take waits, sealed once; nothing more is taken meanwhile, and the end comes behind it. */
static void output_waits(void **state)
{
    struct fixture *f = *state;
    static char data[16384];
    for (unsigned i = 0; i < SUITES; i++) {
        begin(f, suite_at(i), i % 2 ? 0 : 1);
        setsockopt(f->t.c.fd, SOL_SOCKET, SO_SNDBUF, &(int){4608}, sizeof(int));
        struct iovec part = {.iov_base = data, .iov_len = sizeof data};
        ssize_t total = 0, taken;
        while ((taken = transport_lean.write(&f->t.c, &f->flow, &part, 1, false)) > 0)
            total += taken;
        assert_int_equal(taken, TRANSPORT_WANT_WRITE);
        assert_true(total > 0 && f->flow.held);
        uint64_t sealed = lean(f)->session.out.sequence;
        assert_int_equal(transport_lean.write(&f->t.c, &f->flow, &part, 1, false), TRANSPORT_WANT_WRITE);
        assert_int_equal(transport_lean.send_file(&f->t.c, &f->flow, -1, &(int64_t){0}, 1), TRANSPORT_WANT_WRITE);
        assert_int_equal(transport_lean.flush(&f->t.c, &f->flow), TRANSPORT_WANT_WRITE);
        assert_int_equal(lean(f)->session.out.sequence, sealed);
        assert_true(transport_lean.unacknowledged(&f->t.c) > 0);
        assert_int_equal(transport_lean.shutdown(&f->t.c), TRANSPORT_WANT_WRITE);
        assert_int_equal(lean(f)->session.out.sequence, sealed + 1); /* close_notify */
        struct lean_plain plain;
        int type, ended = TRANSPORT_WANT_WRITE;
        ssize_t heard = 0;
        while ((type = hear(f, &plain)) == LEAN_DATA || ended != 0) {
            heard += type == LEAN_DATA ? (ssize_t)plain.len : 0;
            if (type == LEAN_ALERT)
                break;
            ended = transport_lean.shutdown(&f->t.c);
        }
        assert_int_equal(type, LEAN_ALERT);
        assert_memory_equal(plain.data, "\x01\0", 2);
        assert_int_equal(heard, total);
        assert_int_equal(lean(f)->session.out.sequence, sealed + 1);
        end(f);
    }
}

/* The stream's end: with close_notify, and without. */
static void ends(void **state)
{
    struct fixture *f = *state;
    char buf[16];
    begin(f, suite_at(3), 0);
    say(f, LEAN_DATA, "last", 4);
    say(f, LEAN_ALERT, "\x01\0", 2);
    say(f, LEAN_DATA, "beyond", 6);
    expect_read(f, "last");
    assert_int_equal(transport_lean.read(&f->t.c, buf, sizeof buf), 0);
    assert_int_equal(transport_lean.read(&f->t.c, buf, sizeof buf), 0);
    assert_int_equal(answer(f, "reply"), 5); /* the other direction goes on */
    expect(f, LEAN_DATA, "reply", 5);
    end(f);

    begin(f, suite_at(3), 0);
    say(f, LEAN_DATA, "last", 4);
    shutdown(f->fd, SHUT_WR);
    uint64_t truncated = counter_read(&f->net.tls->counters[TLS_TRUNCATED]);
    expect_read(f, "last");
    assert_int_equal(transport_lean.read(&f->t.c, buf, sizeof buf), WEIR_ECLOSED);
    assert_int_equal(counter_read(&f->net.tls->counters[TLS_TRUNCATED]), truncated + 1);
    end(f);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(worn_keys), TEST(spent_keys), TEST(held_input), TEST(output_waits), TEST(ends),
    };
    return cmocka_run_group_tests_name("lean_transport", tests, load_openssl, NULL);
}
