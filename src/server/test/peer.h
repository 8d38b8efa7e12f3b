/*
 * A test's peer: what it says, what it has taken, and what it has read of that.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_SERVER_TEST_PEER_H
#define WEIR_SERVER_TEST_PEER_H

#include "net/within.h"
#include "server/test/test.h"

/* A test's listeners, by number. */
enum test_listener { TEST_PLAIN, TEST_SECURE, TEST_LISTENERS };

struct weir_test_peer {
    struct list link;
    struct test *test;
    struct within_peer within;
    struct test_bytes said; /* a copy of what the server has not read yet */
    struct test_bytes raw;  /* what it has taken, and nobody has looked at */
    struct test_reader reader;
    struct test_figures figures;
    int64_t timeout_ms;
    bool stalled;
    bool released;                     /* the program has done with it, and its connection has not ended yet */
    struct test_bytes text, event, id; /* of the last message, or the last event: data, its name, its id */
    int ws_code;                       /* see weir_test_ws_code() */
    bool ws_text;
};

/* Connects a peer, which is to send `test`. NULL: *error says why. */
weir_test_peer *test_peer_open(struct test *t, const weir_test *test, int *error);
/* Frees a peer whose connection has ended. */
void test_peer_free(weir_test_peer *p);
/* Sends bytes, copied; the server does not run yet. 0, WEIR_ECLOSED or WEIR_ENOMEM. */
int test_peer_say(weir_test_peer *p, const char *data, size_t len) MUST_CHECK;
/* Sends a request, with further lines of its head (NULL: none). */
int test_peer_ask(weir_test_peer *p, const weir_test *test, const char *more) MUST_CHECK;
/* Takes what has been sent, unless it is stalled. */
void test_peer_take(weir_test_peer *p);
/* Whether nothing more can come. */
bool test_peer_is_over(const weir_test_peer *p);
/* Waits until done(p), or nothing more can come. 0; WEIR_ETIMEDOUT; WEIR_EINVAL for NULL. */
int test_peer_await(weir_test_peer *p, bool (*done)(void *peer)) MUST_CHECK;
/* Waits for the reply's head. Its status, or an error. */
int test_peer_await_head(weir_test_peer *p);
/* Reads on. Whether the body has more than it had, has ended, or cannot go on. */
bool test_peer_reads(weir_test_peer *p);
/* Why there is nothing more: WEIR_EPROTO, WEIR_ENOMEM or WEIR_ECLOSED; 0: the reply is whole. */
int test_peer_error(const weir_test_peer *p);

#endif
