/*
 * Lean records with a peer that has the keys: the input says what the peer seals, types, padding, messages after the
 * handshake, changes of keys, and what it does wrong, so that everything behind the tag is reached. The records go over
 * a socket, in cuts that the input chooses, through the transport itself, which is read with whatever room the input
 * gives, and written to.
 *
 * Beside that runs a model, which sees plaintexts: what has to be read, what ends the connection, and by which alert.
 * What the server sends is opened by the peer: each record in its order, under keys that change where it says so, and
 * the data is what was written.
 *
 * SPDX-License-Identifier: MIT
 */
#include "../unit/lean_forge.h"
#include "fuzz.h"
#include "net/tls/lean_mode.h"
#include "net/tls/worker.h"

#include <sys/socket.h>
#include <unistd.h>

#define EXPECTED_MAX (1 << 20)
#define WIRE_MAX     (FORGED_MAX + 64)

/* ---- Input ---- */

struct input {
    const uint8_t *data;
    size_t len;
};

static unsigned take_byte(struct input *in)
{
    if (in->len == 0)
        return 0;
    in->len--;
    return *in->data++;
}

/* A length up to most: a byte for short ones, two for any. */
static size_t take_length(struct input *in, size_t most)
{
    size_t len = take_byte(in);
    if (len >= 128)
        len = (len & 127) << 8 | take_byte(in);
    return len < most ? len : most;
}

/* ---- The model ---- */

struct model {
    bool tls13;
    size_t plain_most;
    uint8_t message[1 << 17];
    size_t message_len; /* of a handshake message that is not whole */
    unsigned empty, warnings, updates, hellos;
    bool asked;        /* the server has asked for a key */
    unsigned requests; /* KeyUpdates that the peer has asked for */
    unsigned refusals; /* warnings that it has to send */
    bool closed, gone;
    int alert;    /* the one that ends the connection; 0: none yet */
    bool new_key; /* the last record was a KeyUpdate */
    uint8_t *expected;
    size_t expected_len;
};

static void model_alert(struct model *m, const uint8_t *text, size_t len)
{
    bool close = len == 2 && text[1] == LEAN_CLOSE_NOTIFY, warning = len == 2 && text[0] == 1;
    if (len == 0)
        m->alert = LEAN_UNEXPECTED_MESSAGE;
    else if (len != 2)
        m->alert = LEAN_DECODE_ERROR;
    else if (text[0] != 1 && text[0] != 2)
        m->alert = LEAN_ILLEGAL_PARAMETER;
    else if (close && (warning || m->tls13))
        m->closed = true;
    else if (!warning || (m->tls13 && text[1] != LEAN_USER_CANCELED))
        m->gone = true;
    else if (++m->warnings > LEAN_WARNINGS_MOST)
        m->alert = LEAN_UNEXPECTED_MESSAGE;
}

/* TLS 1.3: the message under way and what this record adds, which has to end with it. */
static void model_update(struct model *m)
{
    const uint8_t *h = m->message;
    if (m->message_len < 4)
        return;
    if (h[0] != 24)
        m->alert = LEAN_UNEXPECTED_MESSAGE;
    else if (h[1] || h[2] || h[3] != 1)
        m->alert = LEAN_DECODE_ERROR;
    else if (m->message_len > 5)
        m->alert = LEAN_UNEXPECTED_MESSAGE;
    else if (m->message_len == 5 && h[4] > 1)
        m->alert = LEAN_ILLEGAL_PARAMETER;
    if (m->alert || m->message_len < 5)
        return;
    m->message_len = 0;
    m->requests += h[4] == 1;
    if (!m->asked && ++m->updates > LEAN_UPDATES_MOST) {
        m->alert = LEAN_UNEXPECTED_MESSAGE;
        return;
    }
    m->asked = false;
    m->new_key = true;
}

static void model_hellos(struct model *m)
{
    bool refuses = false;
    while (m->message_len >= 4 && !m->alert) {
        const uint8_t *h = m->message;
        size_t whole = 4 + ((size_t)h[1] << 16 | (size_t)h[2] << 8 | h[3]);
        if (h[0] != 1)
            m->alert = LEAN_UNEXPECTED_MESSAGE;
        else if (whole > 4 + LEAN_HELLO_MAX)
            m->alert = LEAN_ILLEGAL_PARAMETER;
        if (m->alert || m->message_len < whole)
            break;
        memmove(m->message, m->message + whole, m->message_len - whole);
        m->message_len -= whole;
        refuses = true;
        if (++m->hellos > LEAN_HELLOS_MOST)
            m->alert = LEAN_UNEXPECTED_MESSAGE;
    }
    m->refusals += refuses && !m->alert;
}

/* A record whose tag is right. */
static void model_record(struct model *m, unsigned type, const uint8_t *text, size_t len)
{
    m->new_key = false;
    if (len > m->plain_most) {
        m->alert = LEAN_RECORD_OVERFLOW;
    } else if (type != LEAN_HANDSHAKE && m->message_len > 0) {
        m->alert = LEAN_UNEXPECTED_MESSAGE;
    } else if (type == LEAN_DATA && len > 0) {
        m->empty = m->updates = 0;
        FUZZ_CHECK(m->expected_len + len <= EXPECTED_MAX);
        memcpy(m->expected + m->expected_len, text, len);
        m->expected_len += len;
    } else if (type == LEAN_DATA) {
        if (++m->empty > LEAN_EMPTY_MOST)
            m->alert = LEAN_UNEXPECTED_MESSAGE;
    } else if (type == LEAN_ALERT) {
        model_alert(m, text, len);
    } else if (type == LEAN_HANDSHAKE && len > 0) {
        FUZZ_CHECK(m->message_len + len <= sizeof m->message);
        memcpy(m->message + m->message_len, text, len);
        m->message_len += len;
        if (m->tls13)
            model_update(m);
        else
            model_hellos(m);
    } else {
        m->alert = LEAN_UNEXPECTED_MESSAGE;
    }
}

/* An inner plaintext of TLS 1.3. */
static void model_inner(struct model *m, const uint8_t *text, size_t len)
{
    size_t whole = len;
    while (len > 0 && text[len - 1] == 0)
        len--;
    if (whole > 16385)
        m->alert = LEAN_RECORD_OVERFLOW;
    else if (len == 0)
        m->alert = LEAN_UNEXPECTED_MESSAGE;
    else
        model_record(m, text[len - 1], text, len - 1);
}

static bool model_is_over(const struct model *m)
{
    return m->alert != 0 || m->closed || m->gone;
}

/* ---- Both ends ---- */

static struct {
    struct memory memory;
    struct account home, stacks;
    struct loop loop;
    struct log log;
    struct net net;
    _Atomic uint64_t open;
    struct lean_records records; /* the peer's */
} world;

struct pair {
    struct tls_connection t;
    struct lean_suite suite;
    struct lean_side up, down; /* as the peer knows them */
    struct model model;
    int peer;
    struct flow flow;
    uint8_t *sent, *got;                /* what was written, and what was read */
    size_t sent_len, got_len, told_len; /* told: bytes of `sent` that the peer has received */
    uint8_t wire[WIRE_MAX];
    size_t wire_len;
    int heard_alert; /* fatal one that the peer has received */
    unsigned heard_refusals;
    unsigned answers;             /* KeyUpdates that the server has sent for that */
    size_t request_at, update_at; /* bytes of data before the last one asked for, and before the last that came */
    bool heard_close;
    bool broken, ended; /* what reading has come to */
};

static void world_open(void)
{
    static bool done;
    if (done)
        return;
    done = true;
    FUZZ_CHECK(!openssl_load());
    memory_init(&world.memory, 0);
    account_open_shared(&world.home, &world.memory, "home", NULL, 0);
    account_open(&world.stacks, &world.memory, "stacks");
    FUZZ_CHECK(loop_init(&world.loop, &world.stacks, 65536, NULL, &world.log) == 0);
    net_init(&world.net, &world.loop, &world.memory, NULL);
    world.net.shared_open = &world.open;
    FUZZ_CHECK(tls_worker_open(&world.net, &world.home, (struct tls_bounds){.slots = 1}, &tls_mode_lean) == 0);
    FUZZ_CHECK(lean_records_open(&world.records));
}

static void pair_open(struct pair *p, unsigned how)
{
    int ends[2];
    FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
    if (how & 64)
        setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &(int){4608}, sizeof(int));
    p->peer = ends[1];
    p->suite = suite_at(how % 6);
    p->t = (struct tls_connection){
        .c = {.fd = ends[0], .ready = READY_READ | READY_WRITE}, .worker = world.net.tls, .state = TLS_OPEN};
    struct lean_worker *w = lean_worker_of(world.net.tls);
    struct lean_connection *l = pool_take(&w->connections);
    FUZZ_CHECK(l);
    memset(w->records.nonces, 0, LEAN_NONCES * sizeof *w->records.nonces); /* the keys are every input's */
    *l = (struct lean_connection){.session = {.suite = p->suite, .plain_most = how & 32 ? 512 : LEAN_PLAIN_MAX}};
    p->up = l->session.in = forged_side(p->suite, 1);
    p->down = l->session.out = forged_side(p->suite, 77);
    if (how & 128) { /* the keys are nearly worn */
        p->up.sequence = l->session.in.sequence = lean_cipher_of(p->suite)->records_most - 3;
        p->down.sequence = l->session.out.sequence = lean_cipher_of(p->suite)->records_most - 3;
    }
    p->t.mode = l;
    p->model.tls13 = p->suite.tls13;
    p->model.plain_most = l->session.plain_most;
    static uint8_t sent[EXPECTED_MAX], got[EXPECTED_MAX], expected[EXPECTED_MAX];
    p->sent = sent;
    p->got = got;
    p->model.expected = expected;
}

static void pair_close(struct pair *p)
{
    struct lean_worker *w = lean_worker_of(world.net.tls);
    transport_lean.close(&p->t.c, false);
    lean_records_forget(&world.records, &p->up, p->suite);
    lean_records_forget(&world.records, &p->down, p->suite);
    FUZZ_CHECK(counter_read(&w->account.in_use) == 0);
    FUZZ_CHECK(counter_read(&world.net.tls->unsent_account.in_use) == 0);
    close(p->t.c.fd);
    close(p->peer);
}

/* ---- What the server says ---- */

static void hear(struct pair *p, int type, const struct lean_plain *plain)
{
    const uint8_t *text = plain->data;
    if (type == LEAN_DATA) {
        FUZZ_CHECK(plain->len > 0 && plain->len <= p->model.plain_most);
        FUZZ_CHECK(!p->heard_close && p->heard_alert == 0);
        FUZZ_CHECK(p->told_len + plain->len <= p->request_at || p->update_at >= p->request_at);
        FUZZ_CHECK(p->told_len + plain->len <= p->sent_len);
        FUZZ_CHECK(memcmp(text, p->sent + p->told_len, plain->len) == 0);
        p->told_len += plain->len;
    } else if (type == LEAN_ALERT) {
        FUZZ_CHECK(plain->len == 2);
        if (text[0] == 2)
            p->heard_alert = text[1];
        else if (text[1] == LEAN_NO_RENEGOTIATION)
            p->heard_refusals++;
        else
            p->heard_close = true;
        FUZZ_CHECK(text[0] == 2 || text[1] == LEAN_CLOSE_NOTIFY || text[1] == LEAN_NO_RENEGOTIATION);
    } else {
        FUZZ_CHECK(type == LEAN_HANDSHAKE && p->suite.tls13 && plain->len == 5 && memcmp(text, "\x18\0\0\x01", 4) == 0);
        FUZZ_CHECK(!text[4] || !p->model.asked);
        bool own = text[4] || lean_side_is_worn(&p->down, p->suite); /* need not have been asked for */
        FUZZ_CHECK(own || p->answers < p->model.requests);
        p->model.asked |= text[4] == 1;
        p->answers += !own;
        p->update_at = p->told_len;
        lean_records_forget(&world.records, &p->down, p->suite);
        FUZZ_CHECK(lean_side_update(&p->down, p->suite));
    }
}

/* Receives all that the server has sent so far. */
static void listen_to(struct pair *p)
{
    ssize_t got;
    do {
        while (p->wire_len >= LEAN_HEADER) {
            int whole = lean_record_length(p->suite, p->wire);
            FUZZ_CHECK(whole > 0);
            if ((size_t)whole > p->wire_len)
                break;
            struct lean_plain plain;
            int type = lean_open(&world.records, &p->down, p->suite, p->wire, (size_t)whole, LEAN_PLAIN_MAX, &plain);
            FUZZ_CHECK(type > 0);
            hear(p, type, &plain);
            p->wire_len -= (size_t)whole;
            memmove(p->wire, p->wire + whole, p->wire_len);
        }
        got = read(p->peer, p->wire + p->wire_len, sizeof p->wire - p->wire_len);
        p->wire_len += got > 0 ? (size_t)got : 0;
    } while (got > 0);
}

/* ---- What the server is asked ---- */

static void server_reads(struct pair *p, size_t room)
{
    static uint8_t buf[20000];
    room = room < 1 ? 1 : room < sizeof buf ? room : sizeof buf;
    while (!p->broken && !p->ended) {
        p->t.c.ready |= READY_READ;
        uint8_t *exact = malloc(room); /* so that a byte beyond it is told */
        FUZZ_CHECK(exact);
        ssize_t got = transport_lean.read(&p->t.c, exact, room);
        FUZZ_CHECK(got <= (ssize_t)room);
        if (got > 0) {
            FUZZ_CHECK(p->got_len + (size_t)got <= EXPECTED_MAX);
            memcpy(p->got + p->got_len, exact, (size_t)got);
            p->got_len += (size_t)got;
        }
        free(exact);
        if (got == TRANSPORT_WANT_READ)
            break;
        p->ended = got == 0;
        p->broken = got < 0;
    }
    FUZZ_CHECK(p->broken || p->ended || transport_lean.pending(&p->t.c) == 0);
}

static void server_writes(struct pair *p, size_t len, bool more)
{
    uint8_t text[16384];
    len = len < EXPECTED_MAX - p->sent_len ? len : EXPECTED_MAX - p->sent_len;
    if (len == 0)
        return;
    for (size_t i = 0; i < len; i++)
        text[i] = (uint8_t)(p->sent_len + i * 3);
    size_t half = len / 3;
    const struct iovec parts[] = {{text, half}, {text + half, 0}, {text + half, len - half}};
    size_t before = p->sent_len;
    memcpy(p->sent + before, text, len);
    p->sent_len += len; /* as much as can be heard meanwhile */
    ssize_t taken = transport_lean.write(&p->t.c, &p->flow, parts, 3, more);
    if (p->broken)
        FUZZ_CHECK(taken < 0);
    else
        FUZZ_CHECK(taken == TRANSPORT_WANT_WRITE || (taken > 0 && (size_t)taken <= len));
    p->sent_len = before + (taken > 0 ? (size_t)taken : 0);
}

/* Sends all that the server holds back, and hears it. */
static void settle(struct pair *p)
{
    int left = 1000;
    do
        listen_to(p);
    while (transport_lean.flush(&p->t.c, &p->flow) != 0 && --left > 0);
    listen_to(p);
    FUZZ_CHECK(left > 0);
}

/* ---- What the peer says ---- */

/* Gives the server bytes in cuts, read as they come. */
static void give(struct pair *p, const uint8_t *data, size_t len, uint32_t *seed, size_t room)
{
    while (len > 0 && !p->broken && !p->ended) {
        size_t some = *seed % 3 == 0 ? len : fuzz_cut(seed, len);
        *seed = (uint32_t)(((uint64_t)*seed * 1664525u + 1013904223u) & UINT32_MAX);
        ssize_t sent = write(p->peer, data, some);
        if (sent > 0) {
            data += sent;
            len -= (size_t)sent;
        }
        server_reads(p, room);
        if (sent < 0 && len > 0) /* what the server says is in the way */
            listen_to(p);
    }
}

enum { FAULT_NONE, FAULT_TAG, FAULT_TYPE, FAULT_VERSION, FAULT_LENGTH, FAULT_SEQUENCE, FAULTS };

/* Makes a record of `text` wrong. The alert that it has to give. */
static int spoil(const struct pair *p, uint8_t *record, size_t *len, unsigned fault, unsigned how)
{
    size_t front = LEAN_HEADER;
    switch (fault) {
    case FAULT_TAG:
        record[front + how % (*len - front)] ^= (uint8_t)(1 + how % 255);
        return LEAN_BAD_RECORD_MAC;
    case FAULT_TYPE:
        record[0] = how % 2 ? LEAN_CHANGE_CIPHER : (uint8_t)how;
        if (record[0] == LEAN_DATA || (!p->suite.tls13 && (record[0] == LEAN_ALERT || record[0] == LEAN_HANDSHAKE)))
            record[0] = 0;
        return LEAN_UNEXPECTED_MESSAGE;
    case FAULT_VERSION:
        record[1 + how % 2] ^= (uint8_t)(1 + how % 255);
        return LEAN_PROTOCOL_VERSION;
    case FAULT_LENGTH: {
        size_t most = p->suite.tls13 ? 16640 : lean_front(p->suite) - LEAN_HEADER + 16384 + 16;
        size_t least = lean_front(p->suite) - LEAN_HEADER + lean_behind(p->suite);
        size_t wrong = how % 2 ? most + 1 + how : how % least;
        record[3] = (uint8_t)(wrong >> 8);
        record[4] = (uint8_t)(wrong & 0xFF);
        return how % 2 ? LEAN_RECORD_OVERFLOW : LEAN_BAD_RECORD_MAC;
    }
    default:
        return 0;
    }
}

/* Seals a record, and lets model and server see it. */
static void say(struct pair *p, unsigned type, const uint8_t *text, size_t len, unsigned fault, unsigned how,
                uint32_t *seed, size_t room)
{
    static uint8_t record[FORGED_MAX];
    uint64_t sequence = p->up.sequence + (fault == FAULT_SEQUENCE ? 1 + how : 0);
    size_t whole = forge(&p->up, p->suite, sequence, (uint64_t)how << 50 | how, p->suite.tls13 ? LEAN_DATA : type, text,
                         len, record);
    FUZZ_CHECK(whole > 0);
    p->up.sequence++;
    int wrong = fault == FAULT_SEQUENCE ? LEAN_BAD_RECORD_MAC : spoil(p, record, &whole, fault, how);
    /* What the header shows goes before what the tag shows. */
    size_t most = p->suite.tls13 ? 16640 : lean_front(p->suite) - LEAN_HEADER + 16384 + 16;
    if (!p->suite.tls13 && (type < LEAN_ALERT || type > LEAN_DATA) && fault != FAULT_TYPE) {
        wrong = LEAN_UNEXPECTED_MESSAGE;
    } else if (fault == FAULT_NONE || fault == FAULT_TAG || fault == FAULT_SEQUENCE) {
        if (whole - LEAN_HEADER > most)
            wrong = LEAN_RECORD_OVERFLOW;
        else if (p->suite.tls13 && len == 0)
            wrong = LEAN_BAD_RECORD_MAC; /* not even a type */
    }
    unsigned requests = p->model.requests;
    if (wrong)
        p->model.alert = wrong;
    else if (p->suite.tls13)
        model_inner(&p->model, text, len);
    else
        model_record(&p->model, type, text, len);
    if (p->model.requests > requests)
        p->request_at = p->sent_len;
    if (p->model.new_key) {
        FUZZ_CHECK(lean_side_update(&p->up, p->suite));
        p->model.new_key = false;
    }
    give(p, record, whole, seed, room);
}

/* Compares what has been read, and how it has ended, with the model. */
static void compare(struct pair *p)
{
    struct model *m = &p->model;
    server_reads(p, 16384);
    FUZZ_CHECK(p->got_len == m->expected_len && memcmp(p->got, m->expected, p->got_len) == 0);
    FUZZ_CHECK(p->broken == (m->alert != 0 || m->gone));
    FUZZ_CHECK(p->ended == (m->closed && !p->broken));
    settle(p);
    FUZZ_CHECK(p->heard_alert == m->alert);
    FUZZ_CHECK(p->heard_refusals == m->refusals);
    FUZZ_CHECK(p->told_len == p->sent_len);
}

static void step(struct pair *p, struct input *in, uint32_t *seed)
{
    static uint8_t text[FORGED_MAX + 2048];
    unsigned op = take_byte(in), how = take_byte(in);
    size_t room = how & 1 ? 16384 : how & 2 ? 1 + how : 1000 + how * 16;
    size_t len = take_length(in, 17000), given = len < in->len ? len : in->len;
    unsigned type = op & 8 ? LEAN_DATA : op & 16 ? LEAN_HANDSHAKE : op & 32 ? LEAN_ALERT : take_byte(in);
    if ((op & 7) == 7) {
        server_writes(p, len < 16384 ? len : 16384, how & 1);
        return;
    }
    given = given < in->len ? given : in->len;
    memset(text, 'x', len);
    memcpy(text, in->data, given);
    in->data += given;
    in->len -= given;
    unsigned fault = (op & 7) == 6 ? 1 + how % (FAULTS - 1) : FAULT_NONE;
    if (p->suite.tls13 && (op & 7) != 5) { /* 5: the type is in the text */
        size_t padding = op & 64 ? how * 4 : 0;
        text[len++] = (uint8_t)type;
        memset(text + len, 0, padding);
        len += padding;
    }
    if (len > LEAN_PLAIN_MAX + 700)
        len = LEAN_PLAIN_MAX + 700;
    if (p->model.expected_len + len > EXPECTED_MAX || p->model.message_len + len > sizeof p->model.message)
        return;
    say(p, type, text, len, fault, how, seed, room);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct pair p;
    struct input in = {data, size};
    if (size < 4)
        return 0;
    world_open();
    memset(&p, 0, sizeof p);
    unsigned how = take_byte(&in);
    uint32_t seed = take_byte(&in);
    pair_open(&p, how);
    for (int i = 0; i < 100 && in.len > 0 && !p.broken && !p.ended && !model_is_over(&p.model); i++) {
        step(&p, &in, &seed);
        if (take_byte(&in) % 4 != 3)
            settle(&p);
    }
    compare(&p);
    if (!p.broken && seed % 2) {
        FUZZ_CHECK(transport_lean.shutdown(&p.t.c) == 0);
        listen_to(&p);
        FUZZ_CHECK(p.heard_close);
    }
    pair_close(&p);
    return 0;
}
