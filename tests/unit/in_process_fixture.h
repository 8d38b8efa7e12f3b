/*
 * The site of the tests in process: its handlers, what they note, and a server for each test.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_TESTS_IN_PROCESS_FIXTURE_H
#define WEIR_TESTS_IN_PROCESS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "weir.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BIG     ((size_t)6 << 20)
#define HOUR_MS 3600000

/* What handlers and hooks have noted, in order. */
static char noted[512];

static void note(const char *word)
{
    size_t len = strlen(noted);
    snprintf(noted + len, sizeof noted - len, "%s%s", len > 0 ? " " : "", word);
}

static void assert_noted(const char *words)
{
    assert_string_equal(noted, words);
    noted[0] = '\0';
}

static void deferred(void *arg)
{
    note(arg);
}

static void sent(void *arg, int error, uint64_t bytes)
{
    char word[64];
    snprintf(word, sizeof word, "%s:%d:%llu", (const char *)arg, error, (unsigned long long)bytes);
    note(word);
}

/* ---- Handlers ---- */

static void hello(weir_ctx *c)
{
    weir_set_header(c, "X-Two", "1");
    weir_add_header(c, "X-Two", "2");
    weir_reply_printf(c, "text/plain", "Hello, %s from %s%s!", weir_param(c, "name"), weir_peer(c),
                      weir_is_secure(c) ? ", secure" : "");
}

static void echo(weir_ctx *c)
{
    char buf[2048];
    ssize_t n;
    weir_set_header(c, "Content-Type", "application/octet-stream");
    while ((n = weir_read(c, buf, sizeof buf)) > 0)
        if (weir_write(c, buf, (size_t)n) != 0)
            return;
}

static void count(weir_ctx *c)
{
    char buf[4096];
    size_t sum = 0;
    ssize_t n;
    while ((n = weir_read(c, buf, sizeof buf)) > 0)
        sum += (size_t)n;
    char word[32];
    snprintf(word, sizeof word, "read:%zd", n);
    note(word);
    if (n == 0)
        weir_reply_printf(c, "text/plain", "%zu", sum);
}

static void sleeps(weir_ctx *c)
{
    int error = weir_sleep(c, HOUR_MS);
    weir_reply_printf(c, "text/plain", "%d", error);
}

static void fails(weir_ctx *c)
{
    weir_defer(c, deferred, "undone");
    weir_fail(c, 409, "there is one already");
}

static void cookies(weir_ctx *c)
{
    const char *seen = weir_cookie(c, "seen");
    weir_set_cookie(c, &(weir_set_cookie_options){.name = "seen", .value = "yes", .path = "/"});
    weir_reply_text(c, seen ? seen : "no");
}

static void calls(weir_ctx *c)
{
    weir_on_sent(c, sent, "sent");
    weir_defer(c, deferred, "deferred");
    weir_reply_text(c, "four");
    weir_flush(c);
    weir_sleep(c, 1000); /* the reply is there, and the handler goes on */
    note("handler");
}

static inline void before(weir_ctx *c)
{
    (void)c;
    note("before");
}

static inline void after(weir_ctx *c)
{
    (void)c;
    note("after");
}

static inline void around(weir_ctx *c)
{
    note("in");
    weir_next(c);
    note("out");
}

static inline void error_page(weir_ctx *c, int status, const char *message)
{
    weir_reply_printf(c, "text/plain", "error %d: %s", status, message);
}

static int job(void *arg)
{
    struct timespec moment = {.tv_nsec = 20000000};
    nanosleep(&moment, NULL);
    *(int *)arg = 42;
    return 7;
}

static void offloads(weir_ctx *c)
{
    int answer = 0;
    int result = weir_offload(c, job, &answer);
    weir_sleep(c, 5000);
    weir_reply_printf(c, "text/plain", "%d %d", answer, result);
}

static void awaits(weir_ctx *c)
{
    int ends[2];
    char byte;
    assert_int_equal(pipe(ends), 0);
    int early = weir_await_fd(c, ends[0], WEIR_READABLE, 50);
    assert_int_equal(write(ends[1], "x", 1), 1);
    int events = weir_await_fd(c, ends[0], WEIR_READABLE, HOUR_MS);
    assert_int_equal(read(ends[0], &byte, 1), 1);
    weir_fd *f = weir_fd_new(c, ends[0]);
    early += weir_fd_wait(c, f, WEIR_READABLE, 50);
    assert_int_equal(write(ends[1], "y", 1), 1);
    events += weir_fd_wait(c, f, WEIR_READABLE, HOUR_MS);
    assert_int_equal(read(ends[0], &byte, 1), 1);
    weir_fd_free(f);
    close(ends[0]);
    close(ends[1]);
    weir_reply_printf(c, "text/plain", "%d %d", early == 2 * WEIR_ETIMEDOUT, events == 2 * WEIR_READABLE);
}

static void events(weir_ctx *c)
{
    weir_sse_open(c);
    weir_sse_send(c, &(weir_event){.event = "first", .data = "one\ntwo", .id = "7", .retry_ms = 100});
    weir_sse_subscribe(c, "news", NULL);
}

static void endless(weir_ctx *c)
{
    static const char piece[8192];
    int error = 0;
    weir_on_sent(c, sent, "sent");
    while (!error)
        error = weir_write(c, piece, sizeof piece);
    note("stopped");
}

static void leaves(weir_ctx *c)
{
    int error = weir_sleep(c, HOUR_MS);
    note(error == WEIR_ECLOSED ? "gone" : "there");
    weir_reply_text(c, "bye");
}

static void socket_handler(weir_ctx *c)
{
    weir_ws_message m;
    if (weir_ws_accept(c, NULL) != 0)
        return;
    while (weir_ws_receive(c, &m, 0) == 0)
        weir_ws_send(c, m.text ? WEIR_WS_TEXT : WEIR_WS_BINARY, m.data, m.len);
    char word[32];
    snprintf(word, sizeof word, "closed:%d", weir_ws_close_code(c));
    note(word);
}

static void socket_message(weir_ctx *c, void *data, const weir_ws_message *m)
{
    (void)data;
    if (m->len == 4 && memcmp(m->data, "quit", 4) == 0)
        weir_ws_close(c, 4000, "as you say");
    else
        weir_ws_send(c, m->text ? WEIR_WS_TEXT : WEIR_WS_BINARY, m->data, m->len);
}

/* ---- The server ---- */

static inline void *worker_start(void *server_data, int worker)
{
    (void)server_data;
    (void)worker;
    note("start");
    return NULL;
}

static inline void worker_stop(void *server_data, int worker, void *worker_data)
{
    (void)server_data;
    (void)worker;
    (void)worker_data;
    note("stop");
}

static weir_server *make(const weir_config *config)
{
    weir_server *s = weir_server_new(config);
    assert_non_null(s);
    weir_get(s, "/hello/{name}", hello);
    weir_post(s, "/echo", echo);
    weir_post(s, "/count", count);
    weir_get(s, "/sleep", sleeps);
    weir_get(s, "/fail", fails);
    weir_get(s, "/cookies", cookies);
    weir_get(s, "/calls", calls);
    weir_get(s, "/offload", offloads);
    weir_get(s, "/await", awaits);
    weir_get(s, "/events", events);
    weir_get(s, "/endless", endless);
    weir_get(s, "/leaves", leaves);
    weir_topic_new(s, "news", NULL);
    weir_route(s, WEIR_UPGRADE, "/socket", socket_handler);
    weir_websocket(s, "/events-socket", &(weir_ws_handlers){.message = socket_message});
    return s;
}

static int set_up(void **state)
{
    noted[0] = '\0';
    *state = make(NULL);
    return 0;
}

static int tear_down(void **state)
{
    weir_server_free(*state);
    return 0;
}

/* A reply of that status. */
static weir_test_reply *expect(weir_server *s, const weir_test *test, int status)
{
    weir_test_reply *r = weir_test_request(s, test);
    assert_non_null(r);
    assert_int_equal(r->error, 0);
    assert_int_equal(r->status, status);
    return r;
}

/* A reply of that status and body. */
static inline void expect_body(weir_server *s, const weir_test *test, int status, const char *body)
{
    weir_test_reply *r = expect(s, test, status);
    assert_string_equal(r->body, body);
    assert_int_equal(r->body_len, strlen(body));
    weir_test_reply_free(r);
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

#endif
