/*
 * Tests of a server's routes in process: requests, time and the server itself. What clients that stall, go or stay can
 * do is in test_in_process_peers.c.
 *
 * SPDX-License-Identifier: MIT
 */
#include "in_process_fixture.h"

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
        cmocka_unit_test(test_hooks),
        cmocka_unit_test(test_wrong),
        WITH_SERVER(test_where),
        WITH_SERVER(test_tasks),
        WITH_SERVER(test_level),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
