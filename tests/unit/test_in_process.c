/*
 * Tests of a server's routes in process: each thing that a program's own tests can ask for.
 *
 * SPDX-License-Identifier: MIT
 */
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

static void before(weir_ctx *c)
{
    (void)c;
    note("before");
}

static void after(weir_ctx *c)
{
    (void)c;
    note("after");
}

static void around(weir_ctx *c)
{
    note("in");
    weir_next(c);
    note("out");
}

static void error_page(weir_ctx *c, int status, const char *message)
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

static void *worker_start(void *server_data, int worker)
{
    (void)server_data;
    (void)worker;
    note("start");
    return NULL;
}

static void worker_stop(void *server_data, int worker, void *worker_data)
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
static void expect_body(weir_server *s, const weir_test *test, int status, const char *body)
{
    weir_test_reply *r = expect(s, test, status);
    assert_string_equal(r->body, body);
    assert_int_equal(r->body_len, strlen(body));
    weir_test_reply_free(r);
}

/* ---- Requests ---- */

static void test_plain(void **state)
{
    weir_test_reply *r = expect(*state, &(weir_test){.target = "/hello/you"}, 200);
    assert_string_equal(r->body, "Hello, you from 192.0.2.1:50000!");
    assert_string_equal(weir_test_header(r, "content-type", 0), "text/plain");
    assert_string_equal(weir_test_header(r, "X-Two", 1), "2");
    assert_null(weir_test_header(r, "X-Two", 2));
    assert_null(weir_test_header(r, "X-Three", 0));
    assert_memory_equal(r->head, "HTTP/1.1 200 OK\r\n", 17);
    assert_int_equal(r->suspended, 0);
    assert_int_equal(r->took_ms, 0);
    assert_false(r->closed);
    assert_int_equal(r->bytes_out, strlen(r->head) + 2 + r->body_len);
    assert_int_equal(r->bytes_in, strlen("GET /hello/you HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    assert_true(r->memory > 0 && r->memory < 32 * 1024); /* no stack, for nothing has waited */
    weir_test_reply_free(r);
    r = expect(*state, &(weir_test){.method = "HEAD", .target = "/hello/you", .secure = true}, 200);
    assert_int_equal(r->body_len, 0);
    assert_string_equal(weir_test_header(r, "Content-Length", 0), "40");
    weir_test_reply_free(r);
    r = expect(*state, &(weir_test){.target = "/hello/you", .headers = "Connection: close", .peer = "2001:db8::1"},
               200);
    assert_string_equal(r->body, "Hello, you from [2001:db8::1]:50000!");
    assert_true(r->closed);
    weir_test_reply_free(r);
}

static void test_errors(void **state)
{
    weir_server *s = *state;
    weir_on_error(s, error_page);
    expect_body(s, &(weir_test){0}, 404, "error 404: no such page");
    weir_test_reply *r = expect(s, &(weir_test){.method = "PUT", .target = "/echo"}, 405);
    assert_string_equal(weir_test_header(r, "Allow", 0), "POST, OPTIONS");
    weir_test_reply_free(r);
    expect_body(s, &(weir_test){.target = "/fail"}, 409, "error 409: there is one already");
    assert_noted("undone");
    r = expect(s, &(weir_test){.target = "/hello/you", .headers = "Host: a\nHost: b"}, 400);
    weir_test_reply_free(r);
}

static void test_too_long(void **state)
{
    weir_server *s = *state;
    weir_group *g = weir_group_new(s, NULL, "/small", NULL);
    weir_group_max_body(g, 10);
    weir_group_route(g, "POST", "", echo, NULL);
    expect_body(s, &(weir_test){.target = "/small", .body = "0123456789"}, 200, "0123456789");
    weir_test_reply *r = expect(s, &(weir_test){.target = "/small", .body = "0123456789a"}, 413);
    weir_test_reply_free(r);
}

static void test_middleware(void **state)
{
    weir_server *s = *state;
    weir_group *g = weir_group_new(s, NULL, "/in", NULL);
    weir_on_request(g, before);
    weir_around(g, around);
    weir_on_response(g, after);
    weir_group_route(g, "GET", "/cookies", cookies, NULL);
    expect_body(s, &(weir_test){.target = "/in/cookies"}, 200, "no");
    assert_noted("before in out after");
}

static void test_cookies(void **state)
{
    weir_test_reply *r = expect(*state, &(weir_test){.target = "/cookies"}, 200);
    assert_string_equal(r->body, "no");
    assert_memory_equal(weir_test_header(r, "Set-Cookie", 0), "seen=yes", 8);
    weir_test_reply_free(r);
    expect_body(*state, &(weir_test){.target = "/cookies", .headers = "Cookie: a=b; seen=once\r\nAccept: */*"}, 200,
                "once");
}

static void test_calls(void **state)
{
    expect_body(*state, &(weir_test){.target = "/calls"}, 200, "four");
    assert_noted("handler deferred sent:0:4");
}

/* A body of several MB goes through in the memory of a few buffers. */
static void test_big(void **state)
{
    char *big = malloc(BIG);
    assert_non_null(big);
    for (size_t i = 0; i < BIG; i++)
        big[i] = (char)(i * 7 + i / 4096);
    weir_test_reply *r = expect(*state, &(weir_test){.target = "/echo", .body = big, .body_len = BIG}, 200);
    assert_int_equal(r->body_len, BIG);
    assert_memory_equal(r->body, big, BIG);
    assert_string_equal(weir_test_header(r, "Transfer-Encoding", 0), "chunked");
    assert_true(r->bytes_in > BIG && r->bytes_out > BIG);
    assert_true(r->memory < 256 * 1024);
    assert_int_equal(r->took_ms, 0);
    weir_test_reply_free(r);
    free(big);
}

static void test_chunked_body(void **state)
{
    expect_body(*state,
                &(weir_test){.target = "/echo",
                             .headers = "Transfer-Encoding: chunked",
                             .body = "3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n"},
                200, "abcd");
}

/* ---- Time ---- */

static void test_sleep(void **state)
{
    weir_test_reply *r = expect(*state, &(weir_test){.target = "/sleep"}, 200);
    assert_string_equal(r->body, "0");
    assert_in_range(r->took_ms, HOUR_MS, HOUR_MS + 1000);
    assert_int_equal(r->suspended, 1);
    weir_test_reply_free(r);
    r = weir_test_request(*state, &(weir_test){.target = "/sleep", .timeout_ms = 1000});
    assert_int_equal(r->error, WEIR_ETIMEDOUT);
    assert_int_equal(r->status, 0);
    weir_test_reply_free(r);
}

static void test_advance(void **state)
{
    weir_server *s = *state;
    weir_test_peer *p = weir_test_open(s, &(weir_test){.target = "/sleep"});
    assert_int_equal(weir_test_hold_time(s, true), 0);
    assert_int_equal(weir_test_advance(s, HOUR_MS - 1), 0);
    assert_int_equal(weir_test_time(s), HOUR_MS - 1);
    char byte;
    assert_int_equal(weir_test_advance(s, 2), 0);
    assert_int_equal(weir_test_status(p), 200);
    assert_int_equal(weir_test_receive(p, &byte, 1), 1);
    assert_int_equal(byte, '0');
    assert_int_equal(weir_test_receive(p, &byte, 1), 0);
    assert_int_equal(weir_test_advance(s, -1), WEIR_EINVAL);
    weir_test_close(p);
}

/* A client that begins a head, and says no more. */
static void test_head_timeout(void **state)
{
    weir_test_peer *p = weir_test_open(*state, &(weir_test){.target = NULL});
    assert_int_equal(weir_test_send(p, "GET /hello/you HT", 0), 0);
    weir_test_reply *r = weir_test_finish(p);
    assert_int_equal(r->status, 408);
    assert_in_range(r->took_ms, 10000, 12000);
    weir_test_reply_free(r);
    weir_test_close(p);
    p = weir_test_open(*state, &(weir_test){.target = NULL}); /* one that says nothing at all is let go */
    char byte;
    assert_int_equal(weir_test_receive_raw(p, &byte, 1), 0);
    assert_in_range(weir_test_time(*state), 60000, 80000);
    weir_test_reset(p);
}

static void test_body_timeout(void **state)
{
    weir_test_peer *p =
        weir_test_open(*state, &(weir_test){.target = "/count", .headers = "Content-Length: 10", .body = "12345"});
    weir_test_reply *r = weir_test_finish(p);
    assert_int_equal(r->status, 408);
    assert_in_range(r->took_ms, 5000, 40000);
    weir_test_reply_free(r);
    weir_test_close(p);
    noted[0] = '\0';
    p = weir_test_open(*state, &(weir_test){.target = "/count", .headers = "Content-Length: 10", .body = "12345"});
    assert_int_equal(weir_test_advance(*state, 1000), 0);
    assert_int_equal(weir_test_send(p, "67890", 0), 0);
    assert_int_equal(weir_test_status(p), 200);
    assert_noted("read:0");
    weir_test_close(p);
}

static void test_handler_timeout(void **state)
{
    (void)state;
    weir_server *s = make(&(weir_config){.handler_timeout_ms = 3000, .memory_limit = 8 << 20});
    weir_test_reply *r = expect(s, &(weir_test){.target = "/sleep"}, 503);
    assert_in_range(r->took_ms, 3000, 4000);
    weir_test_reply_free(r);
    weir_server_free(s);
}

/* What runs on other threads takes its time for real, and none by the test's clock. */
static void test_offload(void **state)
{
    weir_test_reply *r = expect(*state, &(weir_test){.target = "/offload"}, 200);
    assert_string_equal(r->body, "42 7");
    assert_int_equal(r->suspended, 2);
    weir_test_reply_free(r);
    expect_body(*state, &(weir_test){.target = "/await"}, 200, "1 1");
}

/* ---- Peers ---- */

static void test_stalled(void **state)
{
    weir_test_peer *p = weir_test_open(*state, &(weir_test){.target = "/endless"});
    char buf[1000];
    assert_int_equal(weir_test_receive(p, buf, sizeof buf), sizeof buf);
    weir_test_stall(p, true);
    assert_string_equal(noted, "");
    weir_test_advance(*state, 100000); /* write_timeout_ms */
    assert_true(weir_test_is_closed(p));
    assert_memory_equal(noted, "stopped sent:-3:", 16); /* cut */
    weir_test_close(p);
}

/* A client that goes within its reply. */
static void test_goes(void **state)
{
    weir_test_peer *p = weir_test_open(*state, &(weir_test){.target = "/endless"});
    char buf[1000];
    assert_int_equal(weir_test_receive(p, buf, sizeof buf), sizeof buf);
    weir_test_reset(p);
    assert_non_null(strstr(noted, "sent:-3:"));
    assert_non_null(strstr(noted, "stopped"));
    noted[0] = '\0';
    p = weir_test_open(*state, &(weir_test){.target = "/leaves"});
    weir_test_close(p);
    assert_noted("gone");
}

/* A client that ends its side is taken for gone, and still gets its reply. */
static void test_half_close(void **state)
{
    weir_test_peer *p = weir_test_open(*state, &(weir_test){.target = "/leaves"});
    assert_string_equal(noted, "");
    weir_test_shut(p);
    assert_noted("gone");
    weir_test_reply *r = weir_test_finish(p);
    assert_int_equal(r->status, 200);
    assert_string_equal(r->body, "bye");
    weir_test_reply_free(r);
    weir_test_close(p);
}

static void test_raw(void **state)
{
    weir_test_peer *p = weir_test_open(*state, &(weir_test){.target = "/hello/you"});
    char buf[256];
    ssize_t n = weir_test_receive_raw(p, buf, sizeof buf - 1);
    assert_true(n > 0);
    buf[n] = '\0';
    assert_memory_equal(buf, "HTTP/1.1 200 OK\r\n", 17);
    assert_int_equal(weir_test_send(p, "GET /cookies HTTP/1.1\r\nHost: a\r\n\r\n", 0), 0);
    assert_int_equal(weir_test_status(p), 200); /* the same connection's next */
    weir_test_close(p);
    assert_int_equal(weir_test_send(NULL, "x", 1), WEIR_EINVAL);
}

static void test_events(void **state)
{
    weir_test_peer *p = weir_test_open(*state, &(weir_test){.target = "/events"});
    weir_event e;
    assert_int_equal(weir_test_event(p, &e), 0);
    assert_string_equal(weir_test_peer_header(p, "Content-Type", 0), "text/event-stream");
    assert_string_equal(e.event, "first");
    assert_string_equal(e.data, "one\ntwo");
    assert_string_equal(e.id, "7");
    assert_int_equal(e.retry_ms, 100);
    assert_int_equal(weir_topic_publish_to(*state, "news", &(weir_message){.data = "rain", .len = 4}), 0);
    assert_int_equal(weir_test_event(p, &e), 0);
    assert_string_equal(e.event, "message");
    assert_string_equal(e.data, "rain");
    assert_non_null(e.id);
    weir_test_close(p);
}

static void echo_both(weir_server *s, const char *target)
{
    weir_test_peer *p = weir_test_ws_open(s, &(weir_test){.target = target});
    weir_ws_message m;
    char *big = malloc(100000);
    assert_non_null(big);
    memset(big, 'x', 100000);
    assert_int_equal(weir_test_status(p), 101);
    assert_int_equal(weir_test_ws_send(p, WEIR_WS_TEXT, "hello", 0), 0);
    assert_int_equal(weir_test_ws_receive(p, &m), 0);
    assert_true(m.text);
    assert_string_equal(m.data, "hello");
    assert_int_equal(weir_test_ws_send(p, WEIR_WS_BINARY, big, 100000), 0);
    assert_int_equal(weir_test_ws_receive(p, &m), 0);
    assert_false(m.text);
    assert_int_equal(m.len, 100000);
    assert_memory_equal(m.data, big, m.len);
    free(big);
    weir_test_advance(s, 60000); /* Pings, which nobody answers but weir_test_ws_receive() */
    weir_test_close(p);
}

static void test_websocket(void **state)
{
    weir_server *s = *state;
    weir_ws_message m;
    echo_both(s, "/socket");
    assert_noted("closed:1006");
    echo_both(s, "/events-socket");
    weir_test_peer *p = weir_test_ws_open(s, &(weir_test){.target = "/socket"});
    assert_int_equal(weir_test_ws_close(p, 4001, "enough"), 0);
    assert_int_equal(weir_test_ws_receive(p, &m), WEIR_ECLOSED);
    assert_int_equal(weir_test_ws_code(p), 4001);
    assert_noted("closed:4001");
    weir_test_close(p);
    p = weir_test_ws_open(s, &(weir_test){.target = "/events-socket"});
    assert_int_equal(weir_test_ws_send(p, WEIR_WS_TEXT, "quit", 0), 0);
    assert_int_equal(weir_test_ws_receive(p, &m), WEIR_ECLOSED);
    assert_int_equal(weir_test_ws_code(p), 4000);
    weir_test_close(p);
    p = weir_test_ws_open(s, &(weir_test){.target = "/hello/you"});
    assert_int_equal(weir_test_status(p), 200);
    assert_int_equal(weir_test_ws_send(p, WEIR_WS_TEXT, "x", 0), WEIR_EUPGRADE);
    weir_test_close(p);
}

/* ---- Servers ---- */

static void test_hooks(void **state)
{
    (void)state;
    weir_server *s = make(&(weir_config){.worker_start = worker_start, .worker_stop = worker_stop, .workers = 7});
    assert_int_equal(weir_test_time(s), 0);
    expect_body(s, &(weir_test){.target = "/cookies"}, 200, "no");
    assert_int_equal(weir_server_workers(s), 1);
    assert_noted("start");
    assert_int_equal(weir_server_start(s), WEIR_EINVAL);
    assert_int_equal(weir_server_wait(s), WEIR_EINVAL);
    weir_test_peer *p = weir_test_open(s, &(weir_test){.target = "/leaves"});
    assert_non_null(p);
    assert_non_null(weir_test_ws_open(s, &(weir_test){.target = "/socket"}));
    weir_server_free(s); /* with what is open */
    assert_non_null(strstr(noted, "stop"));
    noted[0] = '\0';
}

static void test_wrong(void **state)
{
    (void)state;
    weir_server *s = weir_server_new(&(weir_config){.log_level = WEIR_OFF, .http_buffer_size = 1});
    weir_test_reply *r = weir_test_request(s, &(weir_test){.target = "/"});
    assert_int_equal(r->error, WEIR_EINVAL);
    assert_string_not_equal(weir_server_errors(s), "");
    weir_test_reply_free(r);
    weir_server_free(s);
    r = weir_test_request(NULL, &(weir_test){.target = "/"});
    assert_int_equal(r->error, WEIR_ENOMEM);
    weir_test_reply_free(r);
    weir_test_reply_free(NULL);
    s = make(NULL);
    assert_null(weir_test_open(s, &(weir_test){.target = "/", .peer = "nobody"}));
    weir_server_free(s);
}

static void nested(weir_ctx *c)
{
    weir_test_reply *r = weir_test_request(weir_ctx_server(c), &(weir_test){.target = "/cookies"});
    weir_reply_printf(c, "text/plain", "%d", r->error);
    weir_test_reply_free(r);
}

static void *other_thread(void *arg)
{
    weir_test_reply *r = weir_test_request(arg, &(weir_test){.target = "/cookies"});
    int error = r->error;
    weir_test_reply_free(r);
    return (void *)(intptr_t)error;
}

static void test_where(void **state)
{
    weir_server *s = *state;
    pthread_t thread;
    void *error;
    weir_get(s, "/nested", nested);
    expect_body(s, &(weir_test){.target = "/nested"}, 200, "-1");
    assert_int_equal(pthread_create(&thread, NULL, other_thread, s), 0);
    assert_int_equal(pthread_join(thread, &error), 0);
    assert_int_equal((intptr_t)error, WEIR_EINVAL);
    weir_server *another = make(NULL);
    expect_body(another, &(weir_test){.target = "/cookies"}, 200, "no");
    expect_body(s, &(weir_test){.target = "/cookies"}, 200, "no");
    expect_body(another, &(weir_test){.target = "/sleep"}, 200, "0");
    weir_server_free(another);
}

static int ticks(weir_ctx *c, void *arg)
{
    (void)c;
    ++*(int *)arg;
    return 0;
}

/* What runs in the background runs by the test's clock. */
static void test_tasks(void **state)
{
    weir_server *s = *state;
    int count = 0;
    assert_int_equal(weir_every(s, 60000, ticks, &count, NULL), 0);
    assert_int_equal(weir_test_advance(s, 10 * 60000 + 1000), 0);
    assert_in_range(count, 10, 11);
}

/* The same request takes the same, however often; and the ledger knows of all. */
static void test_level(void **state)
{
    weir_server *s = *state;
    weir_ledger ledger;
    uint64_t first = 0;
    for (int i = 0; i < 200; i++) {
        weir_test_reply *r = expect(s, &(weir_test){.target = "/hello/you"}, 200);
        if (i == 1)
            first = r->memory;
        assert_true(i < 1 || r->memory == first);
        weir_test_reply_free(r);
    }
    weir_ledger_read(s, &ledger);
    assert_int_equal(ledger.requests, 200);
    assert_int_equal(ledger.accepted, 200);
    assert_int_equal(ledger.connections, 0);
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SERVER(test_plain),
        WITH_SERVER(test_errors),
        WITH_SERVER(test_too_long),
        WITH_SERVER(test_middleware),
        WITH_SERVER(test_cookies),
        WITH_SERVER(test_calls),
        WITH_SERVER(test_big),
        WITH_SERVER(test_chunked_body),
        WITH_SERVER(test_sleep),
        WITH_SERVER(test_advance),
        WITH_SERVER(test_head_timeout),
        WITH_SERVER(test_body_timeout),
        cmocka_unit_test(test_handler_timeout),
        WITH_SERVER(test_offload),
        WITH_SERVER(test_stalled),
        WITH_SERVER(test_goes),
        WITH_SERVER(test_half_close),
        WITH_SERVER(test_raw),
        WITH_SERVER(test_events),
        WITH_SERVER(test_websocket),
        cmocka_unit_test(test_hooks),
        cmocka_unit_test(test_wrong),
        WITH_SERVER(test_where),
        WITH_SERVER(test_tasks),
        WITH_SERVER(test_level),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
