/*
 * Peers: connecting, saying, taking, ending.
 *
 * SPDX-License-Identifier: MIT
 */
#include "server/test/peer.h"

#include <stdlib.h>

#define DAY_MS    ((int64_t)24 * 60 * 60 * 1000)
#define PEER      "192.0.2.1"
#define PEER_PORT 50000

weir_test_peer *test_peer_open(struct test *t, const weir_test *test, int *error)
{
    struct worker *w = &t->server->workers[0];
    weir_test_peer *p = calloc(1, sizeof *p);
    *error = WEIR_ENOMEM;
    if (!p)
        return NULL;
    p->test = t;
    p->timeout_ms = test->timeout_ms > 0 ? test->timeout_ms : DAY_MS;
    const char *peer = test->peer ? test->peer : PEER;
    *error = address_parse(&p->within.other, peer, PEER_PORT);
    if (!*error)
        *error = address_parse(&p->within.own, "127.0.0.1", test->secure ? 443 : 80);
    if (!*error && atomic_load(&t->server->stopping))
        *error = WEIR_ECANCELED;
    if (*error) {
        free(p);
        return NULL;
    }
    worker_enter(w);
    test_measure_begin(t, &p->figures);
    list_push_back(&t->peers, &p->link);
    *error = within_connect(&w->net, test->secure ? TEST_SECURE : TEST_PLAIN, &p->within);
    if (!*error)
        return p;
    test_peer_free(p);
    return NULL;
}

void test_peer_free(weir_test_peer *p)
{
    if (!p->released)
        test_measure_end(p->test);
    list_remove(&p->link);
    test_bytes_free(&p->said);
    test_bytes_free(&p->raw);
    test_bytes_free(&p->text);
    test_bytes_free(&p->event);
    test_bytes_free(&p->id);
    test_reader_free(&p->reader);
    free(p);
}

/* What is unread of the body is copied, so that more can lie behind it. */
static bool peer_keep_body(weir_test_peer *p)
{
    struct slice body = p->within.said[1];
    if (body.len == 0)
        return true;
    if (!test_bytes_add(&p->said, body.data, body.len))
        return false;
    p->within.said[1] = slice_of(NULL, 0);
    return true;
}

int test_peer_say(weir_test_peer *p, const char *data, size_t len)
{
    if (!p->within.connection || p->within.peer != WITHIN_OPEN)
        return WEIR_ECLOSED;
    test_bytes_drop(&p->said, test_bytes_left(&p->said).len - p->within.said[0].len);
    bool good = peer_keep_body(p) && test_bytes_add(&p->said, data, len);
    p->within.said[0] = test_bytes_left(&p->said);
    p->within.news = true;
    return good ? 0 : WEIR_ENOMEM;
}

void test_peer_take(weir_test_peer *p)
{
    struct within_peer *from = &p->within;
    if (p->stalled || from->sent_len == 0)
        return;
    if (from->server == WITHIN_RESET || !test_bytes_add(&p->raw, from->sent, from->sent_len)) {
        p->reader.no_memory |= from->server != WITHIN_RESET;
        p->stalled = true;
        return;
    }
    within_took(from, from->sent_len);
}

bool test_peer_is_over(const weir_test_peer *p)
{
    return p->within.server != WITHIN_OPEN && (p->within.sent_len == 0 || p->stalled);
}

/* ---- Waiting ---- */

struct await {
    weir_test_peer *peer;
    bool (*done)(void *peer);
};

static bool await_is_done(void *arg)
{
    const struct await *a = arg;
    test_peer_take(a->peer);
    return a->done(a->peer) || test_peer_is_over(a->peer) || a->peer->reader.no_memory;
}

int test_peer_await(weir_test_peer *p, bool (*done)(void *peer))
{
    struct await a = {.peer = p, .done = done};
    int error;
    if (!p || !test_of(p->test->server, &error))
        return !p ? WEIR_EINVAL : error == WEIR_ECANCELED ? 0 : error;
    error = test_run(p->test, await_is_done, &a, p->timeout_ms);
    test_peer_take(p);
    (void)done(p); /* what was taken last is read */
    return error;
}

bool test_peer_reads(weir_test_peer *p)
{
    test_reader_feed(&p->reader, &p->raw);
    if (test_peer_is_over(p))
        test_reader_end(&p->reader);
    return p->reader.state >= READER_DONE || test_bytes_left(&p->reader.body).len > 0;
}

int test_peer_error(const weir_test_peer *p)
{
    const struct test_reader *r = &p->reader;
    if (r->no_memory)
        return WEIR_ENOMEM;
    if (r->state == READER_BAD)
        return WEIR_EPROTO;
    return r->state >= READER_DONE ? 0 : WEIR_ECLOSED;
}

static bool has_head(void *peer)
{
    weir_test_peer *p = peer;
    (void)test_peer_reads(p);
    return p->reader.state > READER_HEAD;
}

int test_peer_await_head(weir_test_peer *p)
{
    int error = p ? 0 : WEIR_EINVAL;
    if (!error && !has_head(p))
        error = test_peer_await(p, has_head);
    if (error)
        return error;
    return p->reader.status > 0 ? p->reader.status : test_peer_error(p);
}

/* ---- What a program calls ---- */

int weir_test_send(weir_test_peer *p, const void *data, size_t len)
{
    int error;
    if (!p || (!data && len > 0) || !test_of(p->test->server, &error))
        return !p || !data ? WEIR_EINVAL : error;
    if (data && len == 0)
        len = strlen(data);
    error = test_peer_say(p, data, len);
    if (!error)
        test_settle(p->test);
    return error;
}

static bool has_body(void *peer)
{
    return test_peer_reads(peer);
}

/* Moves bytes out of b. */
static ssize_t bytes_move(struct test_bytes *b, void *buf, size_t size)
{
    struct slice there = test_bytes_left(b);
    size_t take = there.len < size ? there.len : size;
    if (take > 0)
        memcpy(buf, there.data, take);
    test_bytes_drop(b, take);
    return (ssize_t)take;
}

ssize_t weir_test_receive(weir_test_peer *p, void *buf, size_t size)
{
    int error = p && buf && size > 0 ? 0 : WEIR_EINVAL;
    if (!error && !test_peer_reads(p))
        error = test_peer_await(p, has_body);
    if (error)
        return error;
    ssize_t took = bytes_move(&p->reader.body, buf, size);
    return took > 0 ? took : test_peer_error(p);
}

static bool has_raw(void *peer)
{
    const weir_test_peer *p = peer;
    return test_bytes_left(&p->raw).len > 0;
}

ssize_t weir_test_receive_raw(weir_test_peer *p, void *buf, size_t size)
{
    int error = p && buf && size > 0 ? 0 : WEIR_EINVAL;
    if (!error && !has_raw(p))
        error = test_peer_await(p, has_raw);
    return error ? error : bytes_move(&p->raw, buf, size);
}

int weir_test_status(weir_test_peer *p)
{
    return test_peer_await_head(p);
}

const char *weir_test_peer_header(const weir_test_peer *p, const char *name, size_t n)
{
    return p && name ? test_field(&p->reader.fields, name, n) : NULL;
}

void weir_test_stall(weir_test_peer *p, bool stall)
{
    int error;
    if (!p)
        return;
    p->stalled = stall;
    if (test_of(p->test->server, &error))
        test_settle(p->test);
}

/* Ends the peer's side. */
static void peer_end(weir_test_peer *p, enum within_side how)
{
    int error;
    if (p->within.peer < how) {
        p->within.peer = how;
        p->within.news = p->within.connection != NULL;
    }
    if (test_of(p->test->server, &error))
        test_settle(p->test);
}

/* Ends the connection; what the server still does with its end takes no time. */
static void peer_end_and_free(weir_test_peer *p, enum within_side how)
{
    if (!p)
        return;
    peer_end(p, how);
    if (!p->within.connection) {
        test_peer_free(p);
        return;
    }
    /* A handler that does not look at its client keeps the connection, and that the peer. */
    p->within.said[0] = p->within.said[1] = slice_of(NULL, 0);
    test_measure_end(p->test);
    p->released = true;
}

void weir_test_shut(weir_test_peer *p)
{
    if (p)
        peer_end(p, WITHIN_ENDED);
}

void weir_test_close(weir_test_peer *p)
{
    peer_end_and_free(p, WITHIN_GONE);
}

void weir_test_reset(weir_test_peer *p)
{
    peer_end_and_free(p, WITHIN_RESET);
}

bool weir_test_is_closed(const weir_test_peer *p)
{
    return p && p->within.server != WITHIN_OPEN;
}
