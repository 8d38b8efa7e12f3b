/*
 * Tests in process: a server with one worker, whose turns are made on the program's thread by the calls that wait for
 * something, with a clock of its own. Connections are those of net/within.h; their peers read replies as a client does.
 *
 * Memory of peers and replies is the test's own, and in no account: what the server takes is what is looked at.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_SERVER_TEST_TEST_H
#define WEIR_SERVER_TEST_TEST_H

#include "server/server.h"
#include "server/test/reader.h"

#include <pthread.h>

#define TEST_ACCOUNTS 96

struct test {
    weir_server *server;
    pthread_t thread;
    struct listen_spec listeners[LISTENERS_MAX]; /* the program's, which come back at the end */
    size_t listener_count;
    uint64_t clock_ns, begin_ns; /* the loop's time, and when it began */
    struct list peers;
    bool held; /* time passes by weir_test_advance() alone */
    /* What is measured: how many peers want it, and the accounts' peaks before. */
    unsigned measured;
    size_t account_count;
    struct {
        struct account *account;
        uint64_t peak;
    } accounts[TEST_ACCOUNTS];
};

/* What a peer's reply takes, from when it was connected. */
struct test_figures {
    uint64_t in_use, parks, clock_ns;
};

/* ---- test.c ---- */

/* The test of a server, which is set up where it is none's yet. NULL: *error says why. */
struct test *test_of(weir_server *s, int *error);
/* Ends a server's test, with its worker and all peers. Nothing where there is none. */
void test_end(weir_server *s);
/* What `given` says, which is size bytes of the structure. */
weir_test test_given(const weir_test *given, size_t size);

/* ---- drive.c ---- */

/* Makes turns until everything waits, which does not move the time. */
void test_settle(struct test *t);
/* Makes turns until done(arg), and moves the time where everything waits. 0, or WEIR_ETIMEDOUT after ms. */
int test_run(struct test *t, bool (*done)(void *arg), void *arg, int64_t ms) MUST_CHECK;
void test_advance(struct test *t, uint64_t ms);

/* ---- figures.c ---- */

void test_measure_begin(struct test *t, struct test_figures *f);
/* Most bytes in use beside those at the beginning, so far. */
uint64_t test_measure_memory(struct test *t, const struct test_figures *f);
void test_measure_end(struct test *t);

#endif
